"""Check mode and diff tell what a run then does, a refusal is told for its namespace, and idle passes are idle."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.aws.endpoint import AWSEndpoint, Principal
from tests.support.cluster.objects import GROUP, Cluster
from tests.support.cluster.placement import (
    FINALIZER,
    WRITE,
    entries,
    finalizers,
    foreign,
    is_gone,
    make_account,
    placed,
    states,
    steps,
    told,
    versions,
)
from tests.support.harness.ansible import Ansible, Run

MERGE = {"existingSecretPolicy": "Merge"}
CANARY = "canary-ghcr"
THEIRS = {"auths": {"ghcr.io": {"username": "me", "password": CANARY, "auth": "bWU6Y2FuYXJ5LWdoY3I="}}}


def predicted(ansible: Ansible, cluster: Cluster, namespaces: list[str]) -> tuple[Run, Run]:
    """Return a run in check mode, which changes nothing, and the one that it predicts."""
    before = versions(cluster, namespaces)
    said = ansible.reconcile("--check", "--diff", "-vvv")
    assert versions(cluster, namespaces) == before
    done = ansible.reconcile("--diff", "-vvv")
    assert said.items(WRITE).keys() == done.items(WRITE).keys()
    for name in said.items(WRITE):
        assert what(said, name) == what(done, name)
    assert lasting(said) == lasting(done)
    return said, done


def diffs(run: Run) -> dict[str, dict]:
    """Return the diff of each object that changed, by its place."""
    found = [each for result in run.results_of(WRITE) for each in result.get("diff", ())]
    by_place = {each["before_header"]: each for each in found}
    assert len(by_place) == len(found), "each object changes once"
    return by_place


def lasting(run: Run) -> str:
    """Return of the diffs what two runs can have in common: no times and no fingerprints."""
    text = json.dumps(diffs(run), sort_keys=True)
    for each in diffs(run).values():
        for side in ("before", "after"):
            for field in ("fingerprint", "expires_at"):
                value = each[side].get(field)
                text = text.replace(json.dumps(value), f'"{field}"') if value else text
    return text


def what(run: Run, name: str) -> dict:
    """Return what a run says of a resource that two runs can have in common: no times."""
    result = run.items(WRITE)[name]
    kept = ("changed", "service_accounts", "removed", "registries", "error")
    outcomes = [(each["namespace"], each["state"], each["reason"]) for each in result["namespaces"]]
    return {"namespaces": outcomes, **{field: result[field] for field in kept}}


def shown(run: Run) -> dict[str, tuple[object, object]]:
    """Return what a diff says of each object: what logs in before and after, or the imagePullSecrets."""
    return {
        place: tuple(side.get("registries", side.get("imagePullSecrets")) for side in (each["before"], each["after"]))
        for place, each in diffs(run).items()
    }


@pytest.mark.slow
@pytest.mark.versions
def test_check_mode_and_diff_tell_the_truth(
    ansible: Ansible, cluster: Cluster, aws: AWSEndpoint, principal: Principal
) -> None:
    """Of making, merging, adopting, renaming, removing, giving to service accounts, and a change of policy."""
    one, two, theirs = targets = cluster.namespaces("one", "two", "theirs")
    host, given = principal.registry(), [{"name": "z"}, {"name": "own"}]
    for name in ("merged", "adopted"):
        foreign(cluster, theirs, THEIRS, name)
    make_account(cluster, one, "builder", {"name": "z"})
    cluster.apply(
        placed("own", principal, [one, two], secretName="own", serviceAccounts=["*er"]),
        placed("merged", principal, [theirs, one], secretName="merged", **MERGE),
        placed("adopted", principal, [theirs], secretName="adopted", existingSecretPolicy="Adopt"),
    )
    said, done = predicted(ansible, cluster, targets)
    for run in (said, done):
        assert shown(run) == {
            f"{one}/own": (None, [host]),
            f"{two}/own": (None, [host]),
            f"{one}/builder": (given[:1], given),
            f"{theirs}/merged": (["ghcr.io"], [host, "ghcr.io"]),
            f"{one}/merged": (None, [host]),
            f"{theirs}/adopted": (["ghcr.io"], [host]),
        }
        assert f"+++ after: {one}/merged" in run.stdout
    assert [finalizers(cluster, each) != [] for each in ("own", "merged", "adopted")] == [True, True, False]

    cluster.apply(
        placed("own", principal, [one], secretName="renamed", serviceAccounts=["*er"]),
        placed("merged", principal, [theirs, one], secretName="merged"),
        placed("adopted", principal, [two], secretName="adopted"),
    )
    said, done = predicted(ansible, cluster, targets)
    for run in (said, done):
        assert shown(run) == {
            f"{one}/renamed": (None, [host]),
            f"{one}/builder": (given, [{"name": "z"}, {"name": "renamed"}]),
            f"{one}/own": ([host], None),
            f"{two}/own": ([host], None),
            f"{theirs}/merged": ([host, "ghcr.io"], ["ghcr.io"]),
            f"{one}/merged": ([host], [host]),
            f"{two}/adopted": (None, [host]),
            f"{theirs}/adopted": ([host], None),
        }

    cluster.apply(
        placed("merged", principal, [one], secretName="merged", **MERGE),
        placed("own", principal, [one], secretName="renamed", secretTemplate={"labels": {"team": "a"}}),
    )
    said, done = predicted(ansible, cluster, targets)
    assert shown(said) == {
        f"{one}/merged": ([host], [host]),
        f"{one}/renamed": ([host], [host]),
        f"{one}/builder": ([{"name": "z"}, {"name": "renamed"}], given[:1]),
    }
    cluster.delete("ClusterAWSECRImagePullSecret", "merged")
    said, done = predicted(ansible, cluster, targets)
    assert shown(said) == {f"{one}/merged": ([host], None)}
    password = cluster.config(one, "renamed")["auths"][host]["password"]
    for secret in (CANARY, password, password[-40:], principal.secret_key):
        assert secret not in said.output + done.output


@pytest.mark.slow
def test_a_pass_with_nothing_to_do_writes_nothing(
    ansible: Ansible, cluster: Cluster, aws: AWSEndpoint, principal: Principal
) -> None:
    """Under each policy, with all that there is to ask for; and with namespaces that wait, or are blocked."""
    one, two = cluster.namespaces("one", "two")
    (missing, terminating) = cluster.names("missing", "terminating")
    cluster.terminating_namespace(terminating)
    hosts = [principal.registry(), principal.registry().replace("eu-west-1", "eu-central-1"), "public.ecr.aws"]
    common = {
        "serviceAccounts": ["build*"],
        "secretTemplate": {"labels": {"team": "a"}, "annotations": {"example.com/note": "b"}},
    }
    targets = [one, two, missing, terminating]
    for namespace in (one, two):
        make_account(cluster, namespace, "builder", {})
        foreign(cluster, namespace, THEIRS, "fail" if namespace == two else "merge")
        foreign(cluster, namespace, THEIRS, "adopt")
    common |= {"registries": hosts}
    resources = [
        placed(name.lower(), principal, targets, secretName=name.lower(), existingSecretPolicy=name, **common)
        for name in ("Fail", "Adopt", "Merge")
    ]
    cluster.apply(
        *resources,
        placed("orphan", principal, namespace=one, secretName="orphan", deletionPolicy="Orphan"),
    )
    first = ansible.reconcile()
    waits = {missing: "pending", terminating: "pending"}
    assert states(first, "fail") == {one: "created", two: "failed", **waits}
    assert states(first, "adopt") == {one: "updated", two: "updated", **waits}
    assert states(first, "merge") == {one: "updated", two: "created", **waits}
    before = versions(cluster, targets)
    aws.forget_calls()
    assert "changed=0" in ansible.reconcile().stdout
    assert versions(cluster, targets) == before
    assert aws.calls == []


@pytest.fixture
def refusing(cluster: Cluster) -> Iterator[str]:
    """The name of an admission policy that refuses Secrets labelled so, in namespaces labelled so."""
    name, api = "refusing", "admissionregistration.k8s.io/v1"
    match = {
        "resourceRules": [
            {
                "apiGroups": [""],
                "apiVersions": ["v1"],
                "operations": ["CREATE", "UPDATE"],
                "resources": ["secrets", "serviceaccounts"],
            }
        ]
    }
    policy = {
        "failurePolicy": "Fail",
        "matchConstraints": match,
        "validations": [{"expression": "false", "message": "house rules"}],
    }
    binding = {
        "policyName": name,
        "validationActions": ["Deny"],
        "matchResources": {"namespaceSelector": {"matchLabels": {name: "yes"}}},
    }
    for kind, spec in (("ValidatingAdmissionPolicy", policy), ("ValidatingAdmissionPolicyBinding", binding)):
        cluster.apply({"apiVersion": api, "kind": kind, "metadata": {"name": name}, "spec": spec})
    yield name
    cluster.kubectl("delete", "validatingadmissionpolicies,validatingadmissionpolicybindings", name)


@pytest.fixture
def reader(cluster: Cluster) -> Iterator[Path]:
    """The kubeconfig of somebody who may read all over the cluster."""
    resources = f"--resource=secrets,serviceaccounts,namespaces,clusterawsecrimagepullsecrets.{GROUP}"
    also = f"awsecrimagepullsecrets.{GROUP}"
    cluster.kubectl("create", "clusterrole", "reader", "--verb=get,list", f"{resources},{also}")
    cluster.kubectl("create", "clusterrolebinding", "reader", "--clusterrole=reader", "--user=reader")
    yield cluster.plane.kubeconfig_for("reader")
    cluster.kubectl("delete", "clusterrole,clusterrolebinding", "reader")


@pytest.mark.slow
def test_what_is_refused_in_one_namespace_is_told_for_it_and_others_are_served(
    ansible: Ansible, cluster: Cluster, principal: Principal, refusing: str, reader: Path
) -> None:
    """A full quota, the rules of an admission policy, a missing right; a Secret that cannot go, a service account."""
    served, full, refused, denied, stuck = targets = cluster.namespaces("served", "full", "refused", "denied", "stuck")
    quota = {"metadata": {"name": "full"}, "spec": {"hard": {"count/secrets": "0"}}}
    cluster.core.create_namespaced_resource_quota(full, quota)
    patch = {"status": {"hard": {"count/secrets": "0"}, "used": {"count/secrets": "0"}}}
    cluster.core.patch_namespaced_resource_quota_status("full", full, patch)
    make_account(cluster, stuck, "builder")
    cluster.apply(
        placed("app", principal, [stuck, served], serviceAccounts=["builder"]),
        placed("old", principal, [stuck, denied], secretName="old"),
    )
    ansible.reconcile()
    for namespace in (refused, stuck):
        cluster.kubectl("label", "namespace", namespace, f"{refusing}=yes")
    for namespace in (served, full, refused, stuck):
        rule = ("--verb=patch,create,delete", "--resource=secrets,serviceaccounts")
        cluster.kubectl("create", "role", "writer", "-n", namespace, *rule)
        cluster.kubectl("create", "rolebinding", "writer", "-n", namespace, "--role=writer", "--user=reader")
    cluster.wait(lambda: is_refused(cluster, refused), "the policy is in force")
    cluster.apply(
        placed("new", principal, targets, secretName="new"),
        placed("old", principal, [served], secretName="old"),
    )
    run = ansible.reconcile(options={"kubeconfig": str(reader)})
    assert states(run, "new") == {served: "created", **dict.fromkeys((full, refused, denied, stuck), "failed")}
    assert states(run, "app") == {served: "unchanged", stuck: "unchanged"}
    for namespace, text in ((full, "exceeded quota"), (refused, "house rules"), (denied, "cannot patch resource")):
        outcome = told(run, "new", namespace)
        assert outcome["reason"] in ("Forbidden", "Invalid")
        assert outcome["msg"].startswith(f"patch secrets/new in namespace {namespace}: ")
        assert text in outcome["msg"]
    assert steps(run, "old", "removed") == {(stuck, "old", "deleted"), (denied, "old", "failed")}
    (failed,) = (each for each in run.items(WRITE)["old"]["removed"] if each["state"] == "failed")
    assert failed["msg"].startswith(f"delete secrets/old in namespace {denied}: Forbidden: ")
    assert states(run, "old") == {served: "created"}

    cluster.delete("ClusterAWSECRImagePullSecret", "app")
    run = ansible.reconcile()
    (failed,) = run.items(WRITE)["app"]["service_accounts"]
    assert failed["state"] == "failed"
    assert failed["msg"].startswith(f"patch serviceaccounts/builder in namespace {stuck}: ")
    assert steps(run, "app", "removed") == {(each, "ecr-login", "deleted") for each in (served, stuck)}
    assert finalizers(cluster, "app") == [FINALIZER], "it is not forgotten"
    cluster.kubectl("label", "namespace", stuck, f"{refusing}-")
    ansible.reconcile()
    assert is_gone(cluster, "app")
    assert entries(cluster, stuck) == []


def is_refused(cluster: Cluster, namespace: str) -> bool:
    """Return whether the admission policy already refuses Secrets in a namespace."""
    try:
        cluster.kubectl("create", "secret", "generic", "probe", "-n", namespace, "--dry-run=server")
    except RuntimeError:
        return True
    return False


@pytest.mark.slow
@pytest.mark.versions
def test_a_secret_that_is_deleted_or_edited_after_it_was_listed_is_looked_at_again(
    ansible: Ansible, cluster: Cluster, principal: Principal
) -> None:
    """The inventory of a moment ago, as a file: one was edited since, one deleted, one replaced by somebody's."""
    edited, gone, replaced, sibling = names = cluster.namespaces("edited", "gone", "replaced", "sibling")
    cluster.apply(placed("app", principal, names))
    ansible.reconcile()
    cluster.apply(placed("app", principal, names, secretTemplate={"labels": {"team": "a"}}))
    listing = ansible.run("ansible-inventory", "-i", ansible.inventory(), "--list", "--export")
    path = ansible.home / "stale.json"
    path.write_text(json.dumps({"aws_identities": {"hosts": json.loads(listing.stdout)["_meta"]["hostvars"]}}))
    cluster.kubectl("annotate", "secret", "ecr-login", "-n", edited, "example.com/x=1")
    for namespace in (gone, replaced):
        cluster.kubectl("delete", "secret", "ecr-login", "-n", namespace)
    somebodys = foreign(cluster, replaced, "{}")
    run = ansible.run("ansible-playbook", "-i", str(path), "kube_ecr.secrets.reconcile")
    assert states(run, "app") == {edited: "updated", gone: "created", replaced: "failed", sibling: "updated"}
    assert told(run, "app", replaced)["reason"] == "SecretConflict"
    assert cluster.secret(replaced) == somebodys
    secret = cluster.secret(edited)
    assert secret is not None
    assert secret["metadata"]["annotations"]["example.com/x"] == "1"
    assert secret["metadata"]["labels"]["team"] == "a"
