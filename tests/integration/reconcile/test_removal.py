"""What goes when names, targets or the resource go, what stays, and when a finalizer is there."""

from __future__ import annotations

import subprocess
import time

import pytest

from ansible_collections.kube_ecr.secrets.plugins.module_utils._cluster import client
from ansible_collections.kube_ecr.secrets.plugins.module_utils._cluster.errors import KubernetesError
from tests.support.aws.endpoint import AWSEndpoint, Principal
from tests.support.cluster.objects import Cluster
from tests.support.cluster.placement import (
    FINALIZER,
    MARKS,
    WRITE,
    copied,
    entries,
    finalizers,
    foreign,
    is_gone,
    make_account,
    placed,
    states,
    steps,
    uid_of,
)
from tests.support.harness.ansible import Ansible
from tests.support.harness.processes import kill_all

MERGE, ORPHAN = {"existingSecretPolicy": "Merge"}, {"deletionPolicy": "Orphan"}


@pytest.mark.slow
def test_a_renamed_secret_stays_until_its_successor_stands(
    ansible: Ansible, cluster: Cluster, aws: AWSEndpoint, principal: Principal
) -> None:
    """In one namespace somebody has a Secret of the new name, until it goes; another one is no target any more."""
    moved, blocked, dropped = cluster.namespaces("moved", "blocked", "dropped")
    policies = {"own": "Fail", "merged": "Merge"}

    def apply(prefix: str, namespaces: list[str]) -> None:
        cluster.apply(
            *(
                placed(name, principal, namespaces, secretName=f"{prefix}-{name}", existingSecretPolicy=policy)
                for name, policy in policies.items()
            )
        )

    apply("old", [moved, blocked, dropped])
    ansible.reconcile()
    for name in policies:
        cluster.kubectl("create", "secret", "generic", f"new-{name}", "-n", blocked)
    apply("new", [moved, blocked])
    aws.forget_calls()
    run = ansible.reconcile()
    for name in policies:
        old, new = f"old-{name}", f"new-{name}"
        assert states(run, name) == {moved: "created", blocked: "failed"}
        assert steps(run, name, "removed") == {(moved, old, "deleted"), (dropped, old, "deleted")}
        assert cluster.secret(moved, old) is cluster.secret(dropped, old) is cluster.secret(dropped, new) is None
        assert cluster.secret(blocked, old) is not None
        cluster.kubectl("delete", "secret", new, "-n", blocked)
    run = ansible.reconcile()
    for name in policies:
        assert states(run, name)[blocked] == "created"
        assert cluster.secret(blocked, f"old-{name}") is None
    assert aws.calls == []


@pytest.mark.slow
def test_a_removal_that_is_killed_half_way_is_finished_by_the_next_run(
    ansible: Ansible, cluster: Cluster, principal: Principal
) -> None:
    names = cluster.namespaces(*(f"n{number}" for number in range(120)))
    cluster.apply(placed("app", principal, names, secretName="old"))
    ansible.reconcile()
    cluster.apply(placed("app", principal, names[:100], secretName="new"))
    command = [str(ansible.bin_dir / "ansible-playbook"), "-i", ansible.inventory(), "kube_ecr.secrets.reconcile"]
    run = subprocess.Popen(command, env=ansible.environment(), cwd=ansible.home, stdout=subprocess.DEVNULL)
    deadline = time.monotonic() + 60
    while not placed_in(cluster, "new") and time.monotonic() < deadline:
        time.sleep(0.005)
    run.kill()
    run.wait()
    kill_all(ansible.home)
    old, new = placed_in(cluster, "old"), placed_in(cluster, "new")
    assert 0 < len(new) + len(names) - len(old) < 220, "it was killed in the middle"
    assert set(names) == {*old, *new, *names[100:]}, "nobody was without"
    assert ansible.reconcile().status == 0
    assert placed_in(cluster, "old") == set()
    assert placed_in(cluster, "new") == set(names[:100])
    assert "changed=0" in ansible.reconcile().stdout


def placed_in(cluster: Cluster, name: str) -> set[str]:
    """Return the namespaces that have a Secret of this name."""
    listed = cluster.core.list_secret_for_all_namespaces(field_selector=f"metadata.name={name}")
    return {each.metadata.namespace for each in listed.items}


@pytest.mark.slow
def test_copies_of_our_secrets_are_never_touched(ansible: Ansible, cluster: Cluster, principal: Principal) -> None:
    """With labels, annotations and owner references, in a target namespace and elsewhere, under the name or another."""
    here, target, elsewhere = cluster.namespaces("here", "target", "elsewhere")
    cluster.apply(placed("app", principal, [here]))
    ansible.reconcile()
    made = cluster.secret(here)
    assert made is not None
    copies = {
        (namespace, name): copied(cluster, made, namespace, name)
        for namespace, name in ((here, "copy"), (target, "ecr-login"), (elsewhere, "ecr-login"), (elsewhere, "copy"))
    }
    for policy in ("Adopt", "Merge"):
        cluster.apply(placed("app", principal, [here, target], existingSecretPolicy=policy))
        run = ansible.reconcile()
        assert states(run, "app")[target] == "failed"
        assert run.items(WRITE)["app"]["removed"] == []
        assert {key: cluster.secret(*key) for key in copies} == copies
    cluster.apply(placed("app", principal, [here], secretName="renamed"))
    assert steps(ansible.reconcile(), "app", "removed") == {(here, "ecr-login", "deleted")}
    assert {key: cluster.secret(*key) for key in copies} == copies


@pytest.mark.slow
def test_orphans_are_released_and_live_on(
    ansible: Ansible, cluster: Cluster, aws: AWSEndpoint, principal: Principal
) -> None:
    """A namespace that is dropped, a renamed Secret, and at last the resource, with AWS down; merged logins too."""
    kept, dropped, theirs = cluster.namespaces("kept", "dropped", "theirs")
    foreign(cluster, theirs, {"auths": {"ghcr.io": {}}}, "merged")
    cluster.apply(
        placed("app", principal, [kept, dropped], secretTemplate={"labels": {"team": "a"}}, **ORPHAN),
        placed("merged", principal, [theirs], secretName="merged", **MERGE, **ORPHAN),
        placed("plain", principal, [kept], secretName="plain"),
    )
    ansible.reconcile()
    assert [finalizers(cluster, each) for each in ("app", "merged", "plain")] == [[FINALIZER], [FINALIZER], []]
    before = {each: cluster.secret(each) for each in (kept, dropped)}
    cluster.apply(placed("app", principal, [kept], secretTemplate={"labels": {"team": "a"}}, **ORPHAN))
    assert steps(ansible.reconcile(), "app", "removed") == {(dropped, "ecr-login", "released")}
    merged = cluster.config(theirs, "merged")
    aws.stop()
    for name in ("app", "merged"):
        cluster.delete("ClusterAWSECRImagePullSecret", name)
    run = ansible.reconcile()
    assert run.status == 0, run.output
    assert is_gone(cluster, "app")
    assert is_gone(cluster, "merged")
    cluster.delete("ClusterAWSECRImagePullSecret", "plain")
    cluster.wait(lambda: cluster.secret(kept, "plain") is None, "the garbage collector has been there")
    for namespace, was in before.items():
        now = cluster.secret(namespace)
        assert was is not None
        assert now is not None
        assert (now["data"], uid_of(now), now["metadata"]["labels"]) == (was["data"], uid_of(was), {"team": "a"})
        assert not now["metadata"].get("ownerReferences")
        assert not now["metadata"].get("annotations")
    assert cluster.config(theirs, "merged") == merged
    assert MARKS not in ((cluster.secret(theirs, "merged") or {})["metadata"].get("annotations") or {})


@pytest.mark.slow
def test_a_finalizer_is_there_only_where_it_is_needed_and_keeps_nothing_from_going(
    ansible: Ansible, cluster: Cluster, aws: AWSEndpoint, principal: Principal
) -> None:
    """The keys are dead, a target namespace is terminating and one is gone; the finalizer came with a backup."""
    own, target = cluster.namespaces("own", "target")
    terminating, gone = cluster.names("terminating", "gone")
    cluster.make_namespace(gone)
    make_account(cluster, target, "builder")
    wide = placed("wide", principal, [target, terminating, gone], serviceAccounts=["builder"], **MERGE)
    wide["metadata"]["finalizers"] = [FINALIZER, "example.com/mine"]
    cluster.apply(
        wide,
        placed("app", principal, namespace=own, **MERGE),
        placed("switched", principal, namespace=own, secretName="switched", **ORPHAN),
        placed("nowhere", principal, namespaceSelector={"matchLabels": {"no": "body"}}, **MERGE),
    )
    ansible.reconcile()
    assert [finalizers(cluster, *each) for each in (("app", own), ("switched", own), ("nowhere", ""))] == [
        [FINALIZER],
        [FINALIZER],
        [],
    ]
    cluster.apply(placed("switched", principal, namespace=own, secretName="switched"))
    ansible.reconcile()
    assert finalizers(cluster, "switched", own) == []
    assert cluster.secret(own, "switched") is not None

    cluster.terminating_namespace(terminating)
    cluster.kubectl("delete", "namespace", gone, "--wait")
    aws.fail("InvalidSignatureException", "the keys are dead")
    cluster.delete("ClusterAWSECRImagePullSecret", "wide")
    cluster.kubectl("delete", "namespace", own, "--wait=false")
    cluster.wait(lambda: "deletionTimestamp" in cluster.resource("AWSECRImagePullSecret", "app", own)["metadata"], "")
    run = ansible.reconcile()
    assert run.status == 0, run.output
    assert finalizers(cluster, "wide") == ["example.com/mine"], "that of others stays"
    assert cluster.secret(target) is None
    assert entries(cluster, target) == []
    cluster.wait(lambda: is_gone(cluster, "app", own), "nothing keeps the namespace from going")


def test_in_the_namespace_of_the_runner_nothing_that_needs_a_finalizer_is_served(
    ansible: Ansible, cluster: Cluster, principal: Principal
) -> None:
    (own,) = cluster.namespaces("own")
    make_account(cluster, own, "builder")
    fields = {"serviceAccounts": ["builder"], **MERGE, **ORPHAN}
    cluster.apply(
        *(
            placed(name.lower(), principal, namespace=own, secretName=name.lower(), **{name: value})
            for name, value in fields.items()
        ),
        placed("plain", principal, namespace=own),
        placed("wide", principal, [own], secretName="wide", **MERGE),
    )
    run = ansible.reconcile(KUBE_ECR_OWN_NAMESPACE=own)
    for name in fields:
        error = run.items(WRITE)[name.lower()]["error"]
        assert error["reason"] == "InvalidResource"
        assert error["msg"].startswith(f"spec.{name}: {own} is the namespace of the runner")
        assert finalizers(cluster, name.lower(), own) == []
        assert cluster.secret(own, name.lower()) is None
    assert entries(cluster, own) == []
    assert (states(run, "plain"), states(run, "wide")) == ({own: "created"}, {own: "created"})


def test_cleanup_undoes_all_and_leaves_no_finalizer(
    ansible: Ansible, cluster: Cluster, aws: AWSEndpoint, principal: Principal
) -> None:
    one, two = cluster.namespaces("one", "two")
    theirs = foreign(cluster, two, {"auths": {"ghcr.io": {}}}, "merged")
    for namespace in (one, two):
        make_account(cluster, namespace, "builder", {"name": "z"})
    cluster.apply(
        placed("app", principal, namespace=one, serviceAccounts=["*"]),
        placed("merged", principal, [one, two], secretName="merged", serviceAccounts=["b*"], **MERGE),
        placed("orphan", principal, [two], secretName="orphan", **ORPHAN),
        placed("plain", principal, [two], secretName="plain"),
    )
    ansible.reconcile()
    assert entries(cluster, one) == ["z", "ecr-login", "merged"]
    cluster.apply(
        placed("plain", aws.principal(allowed=False), [two], secretName="plain"),
        placed("app", principal, namespace=one, serviceAccounts=["*"], suspend=True),
    )
    aws.stop()
    cleanup = ("-i", ansible.inventory(), "kube_ecr.secrets.cleanup")
    refused = ansible.run("ansible-playbook", *cleanup, "--tags", "other")
    assert (refused.status, "nothing is undone" in refused.output) == (2, True)
    assert entries(cluster, one) == ["z", "ecr-login", "merged"]
    run = ansible.run("ansible-playbook", *cleanup)
    assert run.status == 0, run.output
    assert [entries(cluster, each) for each in (one, two)] == [["z"], ["z"]]
    left = {(each, name) for each in (one, two) for name in ("ecr-login", "merged", "orphan", "plain")}
    assert {key for key in left if cluster.secret(*key)} == {(two, "merged"), (two, "orphan")}
    assert cluster.config(two, "merged") == {"auths": {"ghcr.io": {}}}
    assert uid_of(cluster.secret(two, "merged")) == uid_of(theirs)
    assert not (cluster.secret(two, "orphan") or {})["metadata"].get("ownerReferences")
    assert finalizers(cluster, "app", one) == []
    assert [finalizers(cluster, each) for each in ("merged", "orphan", "plain")] == [[], [], []]


def test_a_finalizer_is_set_and_taken_away_only_on_the_resource_that_was_read(
    cluster: Cluster, principal: Principal
) -> None:
    """The calls by themselves: for one that was deleted and made again, and for one that is gone."""
    cluster.apply(placed("app", principal, ["default"]))
    metadata = cluster.resource("ClusterAWSECRImagePullSecret", "app")["metadata"]
    api = client.connect({"kubeconfig": cluster.kubeconfig})
    owner = {"kind": "ClusterAWSECRImagePullSecret", "namespace": "", "name": "app", "uid": metadata["uid"]}
    for _twice in range(2):
        api.set_finalizer(owner, FINALIZER, is_wanted=True)
        assert finalizers(cluster, "app") == [FINALIZER]
    for changes in ({"uid": "another"}, {"name": "gone"}):
        other = {**owner, **changes}
        with pytest.raises(KubernetesError) as refusal:
            api.set_finalizer(other, FINALIZER, is_wanted=True)
        assert refusal.value.status == 404
        api.set_finalizer(other, FINALIZER, is_wanted=False)
    assert finalizers(cluster, "app") == [FINALIZER]
    api.set_finalizer(owner, FINALIZER, is_wanted=False)
    assert finalizers(cluster, "app") == []
