"""docs/migration.md, step by step, on what kube-ecr-secrets-operator leaves in a cluster.

Its commands are run as they stand there, with the names of the test put in.
"""

from __future__ import annotations

import base64
import json
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from textwrap import dedent
from typing import Any

import boto3
import pytest
import yaml

from tests.conftest import ROOT
from tests.support.aws.endpoint import AWSEndpoint, Principal
from tests.support.cluster.control_plane import KubectlError, kubectl_path
from tests.support.cluster.objects import CLUSTER, GROUP, NAMESPACED, Cluster, encoded, pull_secret, service_account
from tests.support.cluster.old_crds import first_generation, old_crd
from tests.support.harness.ansible import Ansible, Run
from tests.support.harness.runner import run_once

WRITE = "Write the pull secrets"
LEGACY = "AWSECRCredential"
NAME = "my-ecr-credentials"
PAGE = (ROOT / "docs" / "migration.md").read_text()
CRDS = {
    each["spec"]["names"]["kind"]: each for each in map(yaml.safe_load, map(Path.read_text, (ROOT / "crds").glob("*")))
}
OWN_NAMESPACE = "kube-ecr-secrets-operator-system"
OWN_LABELS = {"control-plane": "controller-manager", "app.kubernetes.io/name": "kube-ecr-secrets-operator"}
RULES = {
    "apiGroups": [GROUP],
    "apiVersions": ["v1alpha2"],
    "operations": ["CREATE", "UPDATE"],
    "resources": ["awsecrimagepullsecrets", "clusterawsecrimagepullsecrets"],
}


def legacy(name: str, principal: Principal, namespaces: list[str]) -> dict:
    """Return a resource of the deprecated kind."""
    resource = pull_secret(name, principal, namespaces=namespaces)
    return {**resource, "apiVersion": f"{GROUP}/v1alpha1", "kind": LEGACY}


def commands(heading: str, number: int = 0) -> str:
    """Return a block of commands below a heading of the page."""
    (section,) = re.findall(rf"^## {re.escape(heading)}\n(.*?)(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL)
    blocks = re.findall(r"^( *)```sh\n(.*?)^\1```$", section, re.MULTILINE | re.DOTALL)
    return dedent(blocks[number][1])


@dataclass(frozen=True)
class GoOperator:
    """What kube-ecr-secrets-operator does to a cluster, as far as it can be seen there."""

    cluster: Cluster
    aws: AWSEndpoint

    def serve(self, manifest: dict, *left_behind: str) -> dict:
        """Take in a manifest and reconcile it; left_behind are namespaces that are taken off its list afterwards."""
        namespaces = [*manifest["spec"].get("namespaces", []), *left_behind]
        targets = {"namespaces": namespaces} if namespaces else {}
        self.cluster.apply({**manifest, "spec": {**manifest["spec"], **targets}})
        # Its webhook has put the keys in base64; what kubectl remembers is the manifest.
        access = manifest["spec"]["awsAccess"]
        keys = {key: base64.b64encode(access[key].encode()).decode() for key in ("accessKeyId", "secretAccessKey")}
        self._patch(manifest, {"spec": {"awsAccess": keys}})
        resource = self.reconcile(manifest)
        if left_behind:
            self._patch(manifest, {"spec": {"namespaces": manifest["spec"]["namespaces"]}})
        return resource

    def reconcile(self, manifest: dict) -> dict:
        """Write Secrets and status; KeyError and the like where it would not find what it looks for."""
        resource = self._read(manifest)
        access = resource["spec"]["awsAccess"]
        keys = [base64.b64decode(access[key]).decode() for key in ("accessKeyId", "secretAccessKey")]
        namespaces = resource["spec"].get("namespaces") or [resource["metadata"]["namespace"]]
        self._write_all(namespaces, resource, access["region"], *keys)
        condition = {
            "type": "Ready",
            "status": "True",
            "reason": "SecretsUpdated",
            "message": f"AWS ECR secret ... updated successfully in namespaces: {namespaces}",
            "lastTransitionTime": "2026-01-31T12:00:00Z",
        }
        self._patch(manifest, {"status": {"conditions": [condition]}}, "--subresource=status")
        return resource

    def serve_first_generation(self, manifest: dict) -> dict:
        """Do what its first releases did: keys and region are in a Secret, and there is no status."""
        self.cluster.apply(manifest)
        resource = self._read(manifest)
        access = resource["spec"]["awsAccess"]
        held = self.cluster.secret(access["namespace"], access["secretName"])
        assert held is not None
        names = ("AWS_REGION", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
        region, *keys = (base64.b64decode(held["data"][name]).decode() for name in names)
        self._write_all(resource["spec"]["namespaces"], resource, region, *keys)
        return resource

    def _write_all(self, namespaces: list[str], resource: dict, region: str, *keys: str) -> None:
        ecr = boto3.client("ecr", region, None, True, None, self.aws.url, *keys)
        (granted,) = ecr.get_authorization_token()["authorizationData"]
        for namespace in namespaces:
            self._write(namespace, resource, granted)

    def _write(self, namespace: str, resource: dict, granted: dict) -> None:
        username, password = base64.b64decode(granted["authorizationToken"]).decode().split(":")
        login = {"username": username, "password": password, "auth": granted["authorizationToken"]}
        config = json.dumps({"auths": {granted["proxyEndpoint"].removeprefix("https://"): login}})
        data = {".dockerconfigjson": base64.b64encode(config.encode()).decode()}
        expiry = granted["expiresAt"].astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        name, core = resource["spec"]["secretName"], self.cluster.core
        existing = self.cluster.secret(namespace, name)
        if existing:
            existing["data"] |= data
            existing["metadata"].setdefault("annotations", {})["expiry"] = expiry
            core.replace_namespaced_secret(name, namespace, existing, field_manager="manager")
            return
        metadata = {name: resource["metadata"][name] for name in ("name", "uid")}
        owner = {"apiVersion": resource["apiVersion"], "kind": resource["kind"], **metadata}
        secret = {
            "metadata": {"name": name, "annotations": {"expiry": expiry}, "ownerReferences": [owner]},
            "type": "kubernetes.io/dockerconfigjson",
            "data": data,
        }
        core.create_namespaced_secret(namespace, secret, field_manager="manager")

    def _read(self, manifest: dict) -> dict:
        return json.loads(self.cluster.kubectl("get", *address(manifest), "-o", "json"))

    def _patch(self, manifest: dict, patch: dict, *args: str) -> None:
        self.cluster.kubectl("patch", *address(manifest), "--type=merge", f"--patch={json.dumps(patch)}", *args)


def address(resource: dict) -> list[str]:
    """Return how kubectl calls a resource."""
    metadata = resource["metadata"]
    return [resource["kind"].lower(), metadata["name"], f"--namespace={metadata.get('namespace', 'default')}"]


@dataclass(frozen=True)
class Shell:
    """Runs commands of the page in a folder with `crds/`, as one of whom kubectl and Ansible know the cluster."""

    ansible: Ansible
    cluster: Cluster

    def run(self, script: str, names: dict[str, str] | None = None) -> Run:
        """Run them with other names than those on the page; AssertionError if one fails."""
        done = self.attempt(script, names)
        assert done.status == 0, done.output
        return done

    def attempt(self, script: str, names: dict[str, str] | None = None) -> Run:
        """Run them, whatever comes of it."""
        crds = self.ansible.home / "crds"
        if not crds.exists():
            crds.symlink_to(ROOT / "crds")
        for name, other in (names or {}).items():
            assert name in script
            script = script.replace(name, other)
        path = f"{kubectl_path().parent}:{self.ansible.bin_dir}:{os.environ['PATH']}"
        return self.ansible.run(
            "/bin/bash", "-euo", "pipefail", "-c", script, PATH=path, KUBECONFIG=self.cluster.kubeconfig
        )


@pytest.fixture
def go_operator(cluster: Cluster, aws: AWSEndpoint) -> Iterator[GoOperator]:
    """One that runs; its resources of the deprecated kind are removed afterwards."""
    yield GoOperator(cluster, aws)
    cluster.kubectl("delete", "awsecrcredentials", "--all")


@pytest.fixture
def shell(ansible: Ansible, cluster: Cluster) -> Shell:
    return Shell(ansible, cluster)


@pytest.fixture
def old_crds(cluster: Cluster) -> Iterator[None]:
    """Definitions as the Go operator's Helm chart left them: lax, without what is new here, and belonging to helm."""
    for crd in CRDS.values():
        replace_crd(cluster, old_crd(crd))
    yield
    cluster.clear()
    replace_crd(cluster, old_crd(CRDS[CLUSTER], "v1alpha2", "v1alpha1"))
    stored = json.dumps({"status": {"storedVersions": ["v1alpha2"]}})
    name = CRDS[CLUSTER]["metadata"]["name"]
    cluster.kubectl("patch", "crd", name, "--subresource=status", "--type=merge", f"--patch={stored}")
    cluster.kubectl("apply", "--server-side", "--force-conflicts", "-f", str(ROOT / "crds"))


def replace_crd(cluster: Cluster, crd: dict) -> None:
    """Make that the definition, as Helm does."""
    cluster.kubectl("replace", "--field-manager=helm", "-f", "-", stdin=json.dumps(crd))


def uid(cluster: Cluster, namespace: str, name: str = "ecr-login") -> str:
    secret = cluster.secret(namespace, name)
    assert secret is not None
    return secret["metadata"]["uid"]


def version(cluster: Cluster) -> str:
    """Return the moment, as the API server counts."""
    return cluster.core.list_secret_for_all_namespaces(limit=1).metadata.resource_version


def history(cluster: Cluster, namespace: str, since: str) -> list[dict]:
    """Return every state of a namespace's pull secret since then; AssertionError if it was away for a moment."""
    answer = cluster.core.list_namespaced_secret(
        namespace,
        field_selector="metadata.name=ecr-login",
        watch=True,
        resource_version=since,
        timeout_seconds=1,
        _preload_content=False,
    )
    events = [json.loads(line) for line in answer.data.splitlines()]
    assert {event["type"] for event in events} <= {"ADDED", "MODIFIED"}
    return [event["object"] for event in events]


def logs_in(aws: AWSEndpoint, secret: dict) -> bool:
    """Return whether the registries take what is in a pull secret."""
    auths = json.loads(base64.b64decode(secret["data"][".dockerconfigjson"]))["auths"]
    return bool(auths) and all(aws.verify(host, each["username"], each["password"]) for host, each in auths.items())


def owners(secret: dict) -> list[str]:
    return [f"{each['kind']}/{each['name']}" for each in secret["metadata"].get("ownerReferences", [])]


def told(run: Run, reference: str) -> dict[str, tuple[str, str]]:
    """Return state and reason of each namespace of a resource."""
    (served,) = (
        served
        for result in run.results_of(WRITE)
        for served in result["resources"]
        if served["resource"]["reference"] == reference
    )
    return {each["namespace"]: (each["state"], each["reason"]) for each in served["namespaces"]}


def expiry(secret: dict) -> datetime:
    return datetime.fromisoformat(secret["metadata"]["annotations"]["expiry"])


UPDATED, UNCHANGED = ("updated", ""), ("unchanged", "")


def test_secrets_are_taken_over_in_place(
    ansible: Ansible, cluster: Cluster, aws: AWSEndpoint, principal: Principal, go_operator: GoOperator
) -> None:
    """All three kinds, after a look ahead that tells what will be; then with manifests as they are in Git."""
    own, ns1, ns2, old = cluster.namespaces("own", "ns1", "ns2", "old")
    served = {
        f"{NAMESPACED}/{own}/app": ([own], pull_secret("app", principal, namespace=own)),
        f"{CLUSTER}/shared": ([ns1, ns2], pull_secret("shared", principal, namespaces=[ns1, ns2])),
        f"{LEGACY}/old": ([old], legacy("old", principal, [old])),
    }
    aws.token_life = timedelta(hours=1)  # young, and still not to be kept: its marks are not there
    resources = {reference: go_operator.serve(manifest) for reference, (_, manifest) in served.items()}
    aws.token_life = timedelta(hours=12)
    since = version(cluster)
    before = {namespace: cluster.secret(namespace) for namespace in (own, ns1, ns2, old)}

    ahead = ansible.reconcile("--check", "--diff")
    assert ahead.status == 0, ahead.output
    assert {namespace: cluster.secret(namespace) for namespace in before} == before
    aws.forget_calls()
    run = ansible.reconcile()
    assert run.status == 0, run.output
    assert aws.count("GetAuthorizationToken") == 1
    for reference, (namespaces, _) in served.items():
        assert told(run, reference) == told(ahead, reference) == dict.fromkeys(namespaces, UPDATED)
        for namespace in namespaces:
            states = history(cluster, namespace, since)
            after, was = states[-1], before[namespace]
            assert was is not None
            assert {state["metadata"]["uid"] for state in states} == {was["metadata"]["uid"]}
            assert all(logs_in(aws, state) for state in states)
            assert all(state["metadata"]["ownerReferences"] == was["metadata"]["ownerReferences"] for state in states)
            assert after["data"] != was["data"]
            assert expiry(after) > expiry(was) + timedelta(hours=10)
            assert after["metadata"]["labels"] == {
                "app.kubernetes.io/managed-by": "kube-ecr-secrets",
                f"{GROUP}/owner": resources[reference]["metadata"]["uid"],
                f"{GROUP}/resource-digest": sha256(reference.encode()).hexdigest()[:32],
            }
            assert after["metadata"]["annotations"][f"{GROUP}/resource"] == reference

    taken = {namespace: cluster.secret(namespace) for namespace in before}
    aws.forget_calls()
    assert "changed=0" in ansible.reconcile().stdout
    assert cluster.apply(*(manifest for _, manifest in served.values())).count("configured") == 3
    assert cluster.apply(*(manifest for _, manifest in served.values())).count("unchanged") == 3
    assert "changed=0" in ansible.reconcile().stdout
    assert aws.calls == []
    assert {namespace: cluster.secret(namespace) for namespace in before} == taken


@pytest.mark.slow
def test_tokens_of_the_go_operator_stay_while_aws_gives_no_others(
    ansible: Ansible, cluster: Cluster, aws: AWSEndpoint, principal: Principal, go_operator: GoOperator
) -> None:
    (ns1,) = cluster.namespaces("ns1")
    go_operator.serve(pull_secret("shared", principal, namespaces=[ns1]))
    before = cluster.secret(ns1)
    aws.stop()
    run = ansible.reconcile()
    assert told(run, f"{CLUSTER}/shared") == {ns1: UNCHANGED}
    assert run.items(WRITE)["shared"]["error"]["reason"] == "Unreachable"
    assert cluster.secret(ns1) == before
    aws.start()
    assert told(ansible.reconcile(), f"{CLUSTER}/shared") == {ns1: UPDATED}


def test_what_was_left_behind_is_not_touched_and_goes_with_its_resource(
    ansible: Ansible, cluster: Cluster, principal: Principal, go_operator: GoOperator
) -> None:
    ns1, dropped = cluster.namespaces("ns1", "dropped")
    go_operator.serve(pull_secret("shared", principal, namespaces=[ns1]), dropped)
    before = cluster.secret(dropped)
    assert before is not None
    run = ansible.reconcile()
    assert told(run, f"{CLUSTER}/shared") == {ns1: UPDATED}
    assert run.items(WRITE)["shared"]["removed"] == []
    assert cluster.secret(dropped) == before
    cluster.delete(CLUSTER, "shared")
    cluster.wait(lambda: cluster.secret(dropped) is cluster.secret(ns1) is None, "the garbage collector has been there")


@pytest.mark.slow
def test_a_secret_that_was_there_first_is_named_ahead_and_adopted_in_place(
    ansible: Ansible, shell: Shell, cluster: Cluster, aws: AWSEndpoint, principal: Principal, go_operator: GoOperator
) -> None:
    (ns1,) = cluster.namespaces("ns1")
    foreign = ["docker-registry", "ecr-login", "--docker-server=example.com", "--docker-username=u"]
    cluster.kubectl("create", "secret", *foreign, "--docker-password=p", "-n", ns1)
    go_operator.serve(pull_secret("shared", principal, namespaces=[ns1]))
    since, before = version(cluster), cluster.secret(ns1)
    assert before is not None
    ahead = shell.attempt(commands("2. Look ahead", 0))
    assert ahead.status == 2
    assert told(ahead, f"{CLUSTER}/shared") == {ns1: ("failed", "SecretConflict")}
    assert cluster.secret(ns1) == before
    shell.run(commands("2. Look ahead", 1), {NAME: "shared"})
    assert told(ansible.reconcile(), f"{CLUSTER}/shared") == {ns1: UPDATED}
    states = history(cluster, ns1, since)
    assert all(logs_in(aws, state) for state in states)
    assert {state["metadata"]["uid"] for state in states} == {before["metadata"]["uid"]}
    assert owners(states[-1]) == [f"{CLUSTER}/shared"]


@pytest.mark.slow
@pytest.mark.parametrize("is_served", [True, False], ids=["served before", "at once"])
def test_a_successor_takes_over_and_its_predecessor_is_deleted_without_loss(
    ansible: Ansible,
    shell: Shell,
    cluster: Cluster,
    aws: AWSEndpoint,
    principal: Principal,
    go_operator: GoOperator,
    is_served: bool,
) -> None:
    ns1, ns2, dropped = cluster.namespaces("ns1", "ns2", "dropped")
    go_operator.serve(legacy("old", principal, [ns1, ns2]), dropped)
    uids = {namespace: uid(cluster, namespace) for namespace in (ns1, ns2)}
    shell.run(commands("2. Look ahead"))
    if is_served:
        ansible.reconcile()
    since = version(cluster)
    convert = commands("6. Convert AWSECRCredential", 0)
    first, _, play = convert.partition("ansible-playbook")
    converted = shell.run(first, {NAME: "old"})
    assert "created" in converted.stdout
    assert encoded(principal).secret_key not in converted.output
    ahead = ansible.reconcile("--check")
    assert told(ahead, f"{CLUSTER}/old") == {ns1: UPDATED, ns2: UPDATED}
    assert not any(history(cluster, namespace, since) for namespace in uids)
    run = shell.attempt(f"ansible-playbook{play}")
    assert told(run, f"{CLUSTER}/old") == {ns1: UPDATED, ns2: UPDATED}
    aws.forget_calls()
    again = ansible.reconcile()
    assert told(again, f"{CLUSTER}/old") == {ns1: UNCHANGED, ns2: UNCHANGED}
    assert told(again, f"{LEGACY}/old") == dict.fromkeys(uids, ("failed", "SecretConflict"))
    assert f"delete this one: kubectl delete {LEGACY.lower()} old" in again.output
    assert aws.calls == []
    for namespace, before in uids.items():
        states = history(cluster, namespace, since)
        assert {state["metadata"]["uid"] for state in states} == {before}
        assert all(logs_in(aws, state) for state in states)
        assert all(len(owners(state)) == 1 for state in states), "at every moment it is somebody's"
        assert owners(states[-1]) == [f"{CLUSTER}/old"]

    shell.run(commands("6. Convert AWSECRCredential", 1), {NAME: "old"})
    cluster.wait(lambda: cluster.secret(dropped) is None, "the garbage collector has been there")
    assert {namespace: uid(cluster, namespace) for namespace in uids} == uids
    last = ansible.reconcile()
    assert last.status == 0, last.output
    assert told(last, f"{CLUSTER}/old") == {ns1: UNCHANGED, ns2: UNCHANGED}


@pytest.mark.slow
def test_no_successor_takes_from_a_predecessor_of_another_name(
    ansible: Ansible, cluster: Cluster, principal: Principal, go_operator: GoOperator
) -> None:
    (ns1,) = cluster.namespaces("ns1")
    go_operator.serve(legacy("old", principal, [ns1]))
    ansible.reconcile()
    before = cluster.secret(ns1)
    for policy in ("Fail", "Adopt"):
        successor = pull_secret("new", encoded(principal), namespaces=[ns1])
        successor["spec"]["existingSecretPolicy"] = policy
        cluster.apply(successor)
        run = ansible.reconcile()
        assert told(run, f"{CLUSTER}/new") == {ns1: ("failed", "SecretConflict")}
        assert f"is owned by {LEGACY}/old" in run.output
        assert told(run, f"{LEGACY}/old") == {ns1: UNCHANGED}
        assert cluster.secret(ns1) == before


@pytest.mark.slow
@pytest.mark.usefixtures("old_crds")
def test_one_of_the_first_releases_is_kept_until_its_successor_takes_over(
    ansible: Ansible, shell: Shell, cluster: Cluster, aws: AWSEndpoint, principal: Principal, go_operator: GoOperator
) -> None:
    ns1, ops = cluster.namespaces("ns1", "ops")
    replace_crd(cluster, first_generation(CRDS[LEGACY]))
    keys = {"AWS_ACCESS_KEY_ID": principal.access_key, "AWS_SECRET_ACCESS_KEY": principal.secret_key}
    data = keys | {"AWS_REGION": "eu-west-1"}
    cluster.core.create_namespaced_secret(ops, {"metadata": {"name": "aws-access"}, "stringData": data})
    manifest = legacy("old", principal, [ns1])
    manifest["spec"]["awsAccess"] = {"secretName": "aws-access", "namespace": ops}
    spec = go_operator.serve_first_generation(manifest)["spec"]
    before = cluster.secret(ns1)
    shell.run(commands("1. Apply the custom resource definitions", 0))

    done = run_once(ansible, "--once")
    assert done.returncode == 1
    words = f"credentialsSecretRef: {{name: aws-access, namespace: {ops}}}"
    assert words in done.stderr
    kept = json.loads(cluster.kubectl("get", *address(manifest), "-o", "json"))
    ready, _ = kept["status"]["conditions"]
    assert (ready["reason"], words in ready["message"]) == ("InvalidResource", True)
    assert (kept["spec"], cluster.secret(ns1)) == (spec, before), "nothing is lost"
    with pytest.raises(KubectlError, match="secretName and namespace are of the first releases") as refused:
        cluster.apply({**manifest, "metadata": {"name": "another"}})
    assert "Required value" not in str(refused.value)

    convert, _, play = commands("6. Convert AWSECRCredential", 2).partition("ansible-playbook")
    converted = shell.run(convert, {NAME: "old"})
    assert "created" in converted.stdout
    assert principal.secret_key not in converted.output
    shell.attempt(commands("2. Look ahead"))  # it writes the inventory file; the old one still fails
    assert told(shell.attempt(f"ansible-playbook{play}"), f"{CLUSTER}/old") == {ns1: UPDATED}
    again = ansible.reconcile()
    assert f"{CLUSTER}/old has taken its place; delete this one" in again.output
    shell.run(commands("6. Convert AWSECRCredential", 1), {NAME: "old"})
    after = cluster.secret(ns1)
    assert before
    assert after
    assert after["metadata"]["uid"] == before["metadata"]["uid"]
    assert logs_in(aws, after)


@pytest.mark.slow
@pytest.mark.usefixtures("old_crds")
def test_definitions_are_replaced_under_resources_as_they_are(
    ansible: Ansible, shell: Shell, cluster: Cluster, principal: Principal, go_operator: GoOperator
) -> None:
    own, ns1, ns2 = cluster.namespaces("own", "ns1", "ns2")
    manifests = [
        pull_secret("app", principal, namespace=own),
        pull_secret("shared", principal, namespaces=[ns1]),
        legacy("old", principal, [ns2]),
    ]
    for manifest in manifests:
        go_operator.serve(manifest)
    before = [cluster.kubectl("get", *address(each), "-o", "json") for each in manifests]
    with pytest.raises(KubectlError, match='conflict with "helm"'):
        cluster.kubectl("apply", "--server-side", "-f", str(ROOT / "crds"))
    shell.run(commands("1. Apply the custom resource definitions", 0))
    assert [cluster.kubectl("get", *address(each), "-o", "json") for each in manifests] == before
    assert ansible.reconcile().status == 0


@pytest.mark.slow
@pytest.mark.usefixtures("old_crds")
def test_a_runner_under_definitions_of_another_version_serves_and_says_what_to_apply(
    ansible: Ansible, cluster: Cluster, principal: Principal
) -> None:
    (own,) = cluster.namespaces("own")
    cluster.apply(pull_secret("app", principal, namespace=own))
    done = run_once(ansible, "--once")
    assert "the custom resource definitions are of another version; apply those of this one" in done.stderr
    assert cluster.secret(own)


@pytest.mark.slow
@pytest.mark.usefixtures("old_crds")
def test_a_version_that_is_gone_is_no_longer_among_those_stored(
    ansible: Ansible, shell: Shell, cluster: Cluster, principal: Principal, go_operator: GoOperator
) -> None:
    (ns1,) = cluster.namespaces("ns1")
    crd = CRDS[CLUSTER]
    stored = ["get", "crd", crd["metadata"]["name"], "-o", "jsonpath={.status.storedVersions}"]
    replace_crd(cluster, old_crd(crd, "v1alpha1", "v1alpha2"))
    cluster.wait(lambda: "v1alpha1" in cluster.kubectl(*stored), "v1alpha1 is stored")
    go_operator.serve(pull_secret("shared", principal, namespaces=[ns1]))
    replace_crd(cluster, old_crd(crd, "v1alpha2", "v1alpha1"))
    refused = shell.attempt(commands("1. Apply the custom resource definitions", 0))
    assert refused.status == 1
    # The first is Kubernetes 1.29's.
    words = ('"v1alpha1": must appear in spec.versions', "v1alpha1 was previously a storage version")
    assert any(each in refused.output for each in words)
    assert all(each in PAGE for each in words)
    shell.run(commands("1. Apply the custom resource definitions", 1))
    assert cluster.kubectl(*stored) == '["v1alpha2"]'
    assert told(ansible.reconcile(), f"{CLUSTER}/shared") == {ns1: UPDATED}


@pytest.fixture
def installation(cluster: Cluster) -> Iterator[None]:
    """The Go operator's Deployment and webhook, with nothing behind them: no node runs here."""
    pod = {"metadata": {"labels": OWN_LABELS}, "spec": {"containers": [{"name": "manager", "image": "manager"}]}}
    service = {"name": "kube-ecr-secrets-operator-webhook-service", "namespace": OWN_NAMESPACE, "path": "/"}
    objects: list[dict[str, Any]] = [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": OWN_NAMESPACE}},
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": "manager", "namespace": OWN_NAMESPACE, "labels": OWN_LABELS},
            "spec": {"replicas": 1, "selector": {"matchLabels": OWN_LABELS}, "template": pod},
        },
        {
            "apiVersion": "admissionregistration.k8s.io/v1",
            "kind": "MutatingWebhookConfiguration",
            "metadata": {"name": "kube-ecr-secrets-operator-mutating-webhook-configuration"},
            "webhooks": [
                {
                    "name": "ecrcredential.zakariaamine.com",
                    "admissionReviewVersions": ["v1"],
                    "sideEffects": "NoneOnDryRun",
                    "failurePolicy": "Fail",
                    "clientConfig": {"service": service},
                    "rules": [RULES],
                }
            ],
        },
    ]
    bundle = json.dumps({"kind": "List", "apiVersion": "v1", "items": objects})
    cluster.kubectl("apply", "-f", "-", stdin=bundle)
    yield
    cluster.kubectl("delete", "--ignore-not-found", "--wait=false", "-f", "-", stdin=bundle)


@pytest.mark.usefixtures("installation")
def test_the_go_operator_is_stopped_and_its_webhook_stands_in_nobodys_way(
    shell: Shell, cluster: Cluster, principal: Principal
) -> None:
    (ns1,) = cluster.namespaces("ns1")
    manifest = pull_secret("shared", principal, namespaces=[ns1])
    replicas = ["get", "deployment", "manager", "-n", OWN_NAMESPACE, "-o", "jsonpath={.spec.replicas}"]
    cluster.wait(lambda: _is_refused(cluster, manifest), "the webhook refuses")
    header, row = shell.run(commands("3. Stop the Go operator", 1)).stdout.splitlines()
    assert header.split() == ["KIND", "NAME", "NAMESPACE", "SERVICE", "GROUPS"]
    assert row.split() == [
        "MutatingWebhookConfiguration",
        "kube-ecr-secrets-operator-mutating-webhook-configuration",
        OWN_NAMESPACE,
        "kube-ecr-secrets-operator-webhook-service",
        GROUP,
    ]
    shell.run(commands("3. Stop the Go operator", 2))
    assert cluster.kubectl(*replicas) == "0"
    cluster.wait(lambda: not _is_refused(cluster, manifest), "the webhook is gone")
    shell.run(commands("The way back", 2))
    assert cluster.kubectl(*replicas) == "1"


def _is_refused(cluster: Cluster, manifest: dict) -> bool:
    try:
        cluster.kubectl("apply", "--dry-run=server", "-f", "-", stdin=json.dumps(manifest))
    except KubectlError as error:
        return "failed calling webhook" in str(error)
    return False


@pytest.mark.slow
def test_what_to_look_for_is_told_by_one_command(
    ansible: Ansible, shell: Shell, cluster: Cluster, principal: Principal, go_operator: GoOperator
) -> None:
    ns1, dropped = cluster.namespaces("ns1", "dropped")
    go_operator.serve(pull_secret("shared", principal, namespaces=[ns1]), dropped)

    def look() -> dict[str, list[str]]:
        header, *rows = shell.run(commands("3. Stop the Go operator", 0)).stdout.splitlines()
        assert header.split() == ["NAMESPACE", "NAME", "EXPIRY", "OWNER", "BY", "UID"]
        return {row.split()[0]: row.split()[1:] for row in rows}

    before = look()
    name, died, owner, by, known = before[ns1]
    assert (name, owner, by) == ("ecr-login", CLUSTER, "<none>")
    shell.run(commands("2. Look ahead", 0))
    shell.run(commands("4. Take over"))
    after = look()
    assert after[dropped] == before[dropped]
    assert after[ns1][0] == "ecr-login"
    assert after[ns1][1] >= died
    assert after[ns1][2:] == [CLUSTER, "kube-ecr-secrets", known]
    check = shell.run(commands("5. Check"))
    assert "changed=0" in check.stdout
    assert f"clusterawsecrimagepullsecret.{GROUP}/shared" in check.stdout


@pytest.mark.slow
def test_the_way_back_and_here_again(
    ansible: Ansible, shell: Shell, cluster: Cluster, aws: AWSEndpoint, principal: Principal, go_operator: GoOperator
) -> None:
    ns1, ns2 = cluster.namespaces("ns1", "ns2")
    cluster.apply(service_account("app", ns1))
    manifest = pull_secret("shared", principal, namespaces=[ns1, ns2])
    go_operator.serve(manifest)
    uids = {namespace: uid(cluster, namespace) for namespace in (ns1, ns2)}
    since = version(cluster)
    new = {"serviceAccounts": ["app"], "deletionPolicy": "Orphan", "secretTemplate": {"labels": {"team": "a"}}}
    cluster.apply({**manifest, "spec": {**manifest["spec"], **new}})
    ansible.reconcile()

    def look() -> list[str]:
        header, row = shell.run(commands("The way back", 0)).stdout.splitlines()
        assert header.split() == ["KIND", "NAMESPACE", "NAME", "FINALIZERS", "KEY"]
        return row.split()

    assert look() == [CLUSTER, "<none>", "shared", f"[{GROUP}/cleanup]", principal.access_key]
    account = ["get", "serviceaccount", "app", "-n", ns1, "-o", "jsonpath={.imagePullSecrets}"]
    assert "ecr-login" in cluster.kubectl(*account)
    cluster.apply(manifest)
    ansible.reconcile()
    assert look() == [CLUSTER, "<none>", "shared", "<none>", principal.access_key]
    assert cluster.kubectl(*account) in ("", "[]")
    shell.run(commands("The way back", 1), {NAME: "shared"})
    assert look()[-1] == encoded(principal).access_key
    ours = {namespace: cluster.config(namespace) for namespace in uids}

    go_operator.reconcile(manifest)
    for namespace in uids:
        theirs = cluster.secret(namespace)
        assert theirs is not None
        assert theirs["type"] == "kubernetes.io/dockerconfigjson"
        assert owners(theirs) == [f"{CLUSTER}/shared"]
        assert cluster.config(namespace) != ours[namespace]
    assert told(ansible.reconcile(), f"{CLUSTER}/shared") == dict.fromkeys(uids, UPDATED)
    for namespace, before in uids.items():
        states = history(cluster, namespace, since)
        assert {state["metadata"]["uid"] for state in states} == {before}
        assert all(logs_in(aws, state) for state in states)
    cluster.delete(CLUSTER, "shared")
    cluster.wait(lambda: cluster.secret(ns1) is cluster.secret(ns2) is None, "nothing holds the resource back")


@pytest.mark.slow
@pytest.mark.usefixtures("old_crds")
def test_the_go_operators_definitions_drop_what_is_new_and_nothing_else(
    ansible: Ansible, shell: Shell, cluster: Cluster, principal: Principal, go_operator: GoOperator
) -> None:
    (ns1,) = cluster.namespaces("ns1")
    shell.run(commands("1. Apply the custom resource definitions", 0))
    manifest = pull_secret("shared", encoded(principal), namespaces=[ns1], registries=[principal.registry()])
    cluster.apply(manifest)
    ansible.reconcile()
    before = uid(cluster, ns1)
    crd = CRDS[CLUSTER]
    replace_crd(cluster, old_crd(crd))
    kept = {name: value for name, value in manifest["spec"].items() if name != "registries"}
    cluster.wait(lambda: cluster.resource(CLUSTER, "shared")["spec"] == kept, "what is new is dropped")
    go_operator.reconcile(manifest)
    assert uid(cluster, ns1) == before
