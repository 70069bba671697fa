"""The Secret in the imagePullSecrets of service accounts, on the real API server."""

from __future__ import annotations

import pytest

from ansible_collections.kube_ecr.secrets.plugins.module_utils._cluster import client
from ansible_collections.kube_ecr.secrets.plugins.module_utils._cluster.errors import KubernetesError
from ansible_collections.kube_ecr.secrets.plugins.module_utils._contract.item import NamespacedName
from ansible_collections.kube_ecr.secrets.plugins.module_utils._contract.targets import Names
from ansible_collections.kube_ecr.secrets.plugins.module_utils._reconcile.request import Request
from ansible_collections.kube_ecr.secrets.plugins.module_utils._reconcile.service_accounts import ServiceAccountSync
from ansible_collections.kube_ecr.secrets.plugins.module_utils._secret import image_pull_secrets
from ansible_collections.kube_ecr.secrets.plugins.module_utils._secret.desired import DesiredSecret
from tests.support.aws.endpoint import AWSEndpoint, Principal
from tests.support.cluster.control_plane import KubectlError
from tests.support.cluster.objects import Cluster
from tests.support.cluster.placement import (
    FINALIZER,
    WRITE,
    account,
    apply_account,
    entries,
    finalizers,
    foreign,
    is_gone,
    make_account,
    placed,
    states,
    steps,
    versions,
)
from tests.support.harness.ansible import Ansible, Run

ACCOUNTS: dict[str, tuple[list[dict], list[str | None]]] = {
    "bare": ([], ["ecr-login"]),
    "foreign": ([{"name": "z"}, {"name": "a"}], ["z", "a", "ecr-login"]),
    "odd": ([{}], [None, "ecr-login"]),
    "own": ([{"name": "ecr-login"}, {"name": "z"}], ["ecr-login", "z"]),
}


@pytest.mark.slow
@pytest.mark.versions
def test_each_service_account_has_it_once_and_gives_it_back(
    ansible: Ansible, cluster: Cluster, aws: AWSEndpoint, principal: Principal
) -> None:
    """Field case 42: no list, entries of others, an empty entry, an entry that somebody gave; undone without AWS."""
    (team,) = cluster.namespaces("team")
    for name, (given, _after) in ACCOUNTS.items():
        make_account(cluster, team, name, *given)
    make_account(cluster, team, "other", {"name": "z"})
    before = {name: account(cluster, team, name) for name in (*ACCOUNTS, "other")}
    cluster.apply(placed("app", principal, namespace=team, serviceAccounts=[*list(ACCOUNTS)[:3], "ow?"]))
    run = ansible.reconcile()
    assert {name: entries(cluster, team, name) for name in ACCOUNTS} == {
        name: after for name, (_given, after) in ACCOUNTS.items()
    }
    assert steps(run, "app", "service_accounts") == {(team, name, "added") for name in list(ACCOUNTS)[:3]}
    for name in ("own", "other"):
        assert account(cluster, team, name) == before[name]
    assert finalizers(cluster, "app", team) == [FINALIZER]
    seen = versions(cluster, [team])
    assert "changed=0" in ansible.reconcile().stdout
    assert versions(cluster, [team]) == seen

    aws.stop()
    cluster.delete("AWSECRImagePullSecret", "app", team)
    run = ansible.reconcile()
    assert run.status == 0, run.output
    assert is_gone(cluster, "app", team)
    for name, was in before.items():
        now = account(cluster, team, name)
        assert now.get("imagePullSecrets") == was.get("imagePullSecrets")
        assert now["metadata"].get("labels") == was["metadata"].get("labels")
        assert now["metadata"].get("annotations") == was["metadata"].get("annotations")


@pytest.mark.slow
def test_it_follows_the_names_the_targets_and_what_others_do(
    ansible: Ansible, cluster: Cluster, aws: AWSEndpoint, principal: Principal
) -> None:
    """Somebody takes our entry out, somebody puts his after it; one appears later; then names and targets change."""
    left, right, blocked = cluster.namespaces("left", "right", "blocked")
    foreign(cluster, blocked, "{}")
    for namespace in (left, right, blocked):
        make_account(cluster, namespace, "builder", {"name": "z"})
    resource = placed("app", principal, [left, right, blocked], serviceAccounts=["build*"])
    cluster.apply(resource)
    assert states(ansible.reconcile(), "app")[blocked] == "failed"
    assert [entries(cluster, each) for each in (left, right)] == [["z", "ecr-login"]] * 2
    assert entries(cluster, blocked) == ["z"], "there is no Secret to pull with"

    for namespace, names in ((left, ["ecr-login", "y"]), (right, ["z"])):
        patch = {"imagePullSecrets": [{"name": each} for each in names]}
        cluster.core.patch_namespaced_service_account("builder", namespace, patch)
    make_account(cluster, left, "build-late")
    aws.forget_calls()
    run = ansible.reconcile()
    assert steps(run, "app", "service_accounts") == {(left, "build-late", "added"), (right, "builder", "added")}
    assert aws.calls == []
    assert entries(cluster, left) == ["ecr-login", "y"]

    resource["spec"] |= {"secretName": "renamed", "serviceAccounts": ["builder"]}
    cluster.apply(resource)
    ansible.reconcile()
    assert entries(cluster, left) == ["y", "renamed"]
    assert entries(cluster, right) == ["z", "renamed"]
    assert entries(cluster, left, "build-late") == []
    assert cluster.secret(left, "ecr-login") is None
    assert aws.calls == []

    resource["spec"]["namespaces"] = [left]
    cluster.apply(resource)
    ansible.reconcile()
    assert [entries(cluster, each) for each in (left, right)] == [["y", "renamed"], ["z"]]
    del resource["spec"]["serviceAccounts"]
    cluster.apply(resource)
    ansible.reconcile()
    assert entries(cluster, left) == ["y"]
    assert finalizers(cluster, "app") == []
    assert cluster.secret(left, "renamed") is not None


@pytest.mark.slow
def test_two_resources_of_one_secret_name_and_of_two_share_service_accounts(
    ansible: Ansible, cluster: Cluster, principal: Principal
) -> None:
    (team,) = cluster.namespaces("team")
    make_account(cluster, team, "builder", {"name": "z"})
    merge = {"existingSecretPolicy": "Merge", "serviceAccounts": ["builder"]}
    cluster.apply(
        placed("first", principal, [team], **merge),
        placed("second", principal, [team], **merge),
        placed("third", principal, [team], secretName="third", serviceAccounts=["builder"]),
    )
    ansible.reconcile()
    first, *added = entries(cluster, team)
    assert (first, sorted(added)) == ("z", ["ecr-login", "third"])  # in whatever order the resources were placed
    cluster.delete("ClusterAWSECRImagePullSecret", "first")
    cluster.delete("ClusterAWSECRImagePullSecret", "third")
    ansible.reconcile()
    assert entries(cluster, team) == ["z", "ecr-login"]
    cluster.delete("ClusterAWSECRImagePullSecret", "second")
    ansible.reconcile()
    assert entries(cluster, team) == ["z"]
    assert [is_gone(cluster, each) for each in ("first", "second", "third")] == [True] * 3


def test_a_service_account_that_changes_between_read_and_write_loses_nothing(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The moment cannot be hit from outside, so somebody writes when it has been read; once, and then each time."""
    (team,) = cluster.namespaces("team")
    make_account(cluster, team, "builder", {"name": "z"})
    api = client.connect({"kubeconfig": cluster.kubeconfig})
    stale = api.read_object("ServiceAccount", team, "builder")
    assert stale is not None
    cluster.kubectl("annotate", "serviceaccount", "builder", "-n", team, "example.com/x=1")
    with pytest.raises(KubernetesError) as refusal:
        api.patch_object(
            "ServiceAccount", team, "builder", image_pull_secrets.patch(stale, "u", "s") or {}, dry_run=False
        )
    assert refusal.value.status == 409
    assert entries(cluster, team) == ["z"]

    read, writes = api.read_object, iter(["a"])

    def read_then_written(kind: str, namespace: str, name: str) -> dict | None:
        found = read(kind, namespace, name)
        for entry in writes:
            body = f'{{"imagePullSecrets": [{{"name": "z"}}, {{"name": "{entry}"}}]}}'
            cluster.kubectl("patch", "serviceaccount", name, "-n", namespace, "--type=merge", "-p", body)
            break
        return found

    monkeypatch.setattr(api, "read_object", read_then_written)
    request = Request(DesiredSecret("ecr-login", None), (team,), service_accounts=Names(("builder",)))
    syncing = ServiceAccountSync(api, request, frozenset([team]), dry_run=False)
    step = syncing.sync(NamespacedName(team, "builder"))
    assert step is not None
    assert (step.state, entries(cluster, team)) == ("added", ["z", "a", "ecr-login"])
    writes = iter("bcdefgh")
    removing = ServiceAccountSync(
        api, Request(DesiredSecret("ecr-login", None), (team,), is_absent=True), frozenset(), dry_run=False
    )
    refused = removing.sync(NamespacedName(team, "builder"))
    assert refused is not None
    assert (refused.state, refused.reason) == ("failed", "Conflict")


@pytest.mark.slow
def test_playbooks_give_several_secrets_to_one_service_account(ansible: Ansible, cluster: Cluster) -> None:
    """Without a custom resource: labels, annotations, service accounts and the policy are options."""
    team, theirs = cluster.namespaces("team", "theirs")
    before = foreign(cluster, theirs, {"auths": {"ghcr.io": {"auth": "bWU6bWU="}}})
    for namespace in (team, theirs):
        make_account(cluster, namespace, "builder", {"name": "z"})
    host = "111122223333.dkr.ecr.eu-west-1.amazonaws.com"
    login = {"registry": host, "password": "canary-password", "expires_at": "2099-01-01T00:00:00Z"}

    def task(name: str, secret_name: str, namespaces: list[str], **more: object) -> dict:
        fixed = {"secret_name": secret_name, "namespaces": namespaces, "service_accounts": ["b*"]}
        given = {} if more.get("state") == "absent" else {"authorizations": [login]}
        return {"name": name, "kube_ecr.secrets.ecr_pull_secret": {**fixed, **given, **more}, "ignore_errors": True}

    template = {"labels": {"team": "a"}, "annotations": {"example.com/note": "b"}}
    tasks = [
        task("one", "one", [team], **template),
        task("two", "two", [team]),
        task("refused", "ecr-login", [theirs]),
        task("merged", "ecr-login", [theirs], existing_secret_policy="Merge"),
    ]
    run = ansible.play(*tasks)
    assert entries(cluster, team) == ["z", "one", "two"]
    assert entries(cluster, theirs) == ["z", "ecr-login"]
    made = cluster.secret(team, "one")
    assert made is not None
    assert made["metadata"]["labels"]["team"] == "a"
    assert made["metadata"]["annotations"]["example.com/note"] == "b"
    assert [each["reason"] for each in run.result("refused")["namespaces"]] == ["SecretConflict"]
    assert cluster.config(theirs)["auths"].keys() == {"ghcr.io", host}
    seen = versions(cluster, [team, theirs])
    again = ansible.play(*tasks)
    assert "changed=0" in again.stdout
    assert versions(cluster, [team, theirs]) == seen

    merged = {"existing_secret_policy": "Merge", "state": "absent"}
    undone = ansible.play(
        task("adopted", "ecr-login", [theirs], existing_secret_policy="Adopt"),
        task("one", "one", [team], state="absent"),
        task("merged", "ecr-login", [theirs], **merged),
        args=("-v",),
    )
    assert entries(cluster, team) == ["z", "two"]
    assert cluster.secret(team, "one") is None
    assert cluster.secret(team, "two") is not None
    assert entries(cluster, theirs) == ["z"]
    assert undone.result("adopted")["namespaces"][0]["state"] == "updated"
    assert cluster.secret(theirs) is None, "what was adopted is the playbook's own"
    assert before["metadata"].get("labels") is None
    assert "canary" not in run.output + again.output + undone.output


@pytest.mark.slow
@pytest.mark.versions
def test_it_warns_where_somebody_else_applies_the_same_list(
    ansible: Ansible, cluster: Cluster, principal: Principal
) -> None:
    """The list is one value: helm's next upgrade conflicts with our entry. A chart that names the Secret ends that."""
    (team,) = cluster.namespaces("team")
    apply_account(cluster, team, "web", "helm", "regcred")
    apply_account(cluster, team, "synced", "kustomize-controller", "regcred")
    make_account(cluster, team, "plain", {"name": "regcred"})
    resource = placed("app", principal, namespace=team, serviceAccounts=["web", "synced", "plain"])
    cluster.apply(resource)

    def told(run: Run) -> dict[str, tuple[str, str, str]]:
        assert run.status == 0, run.output
        found = run.items(WRITE)["app"]["service_accounts"]
        return {each["name"]: (each["state"], each["reason"], each.get("written_by", "")) for each in found}

    contested, helm, flux = "ServiceAccountContested", "helm release web", "field manager kustomize-controller"
    first = ansible.reconcile()
    assert told(first) == {
        "web": ("added", contested, helm),
        "synced": ("added", contested, flux),
        "plain": ("added", "", ""),
    }
    assert f"service account {team}/web is also written by helm release web" in first.items(WRITE)["app"]["msg"]
    for name, manager in (("web", "helm"), ("synced", "kustomize-controller")):
        with pytest.raises(KubectlError, match=r'conflict with "kube-ecr-secrets".*\.imagePullSecrets'):
            apply_account(cluster, team, name, manager, "regcred")
    seen = versions(cluster, [team])
    again = ansible.reconcile()
    assert told(again) == {"web": ("unchanged", contested, helm), "synced": ("unchanged", contested, flux)}
    assert "changed=0" in again.stdout
    assert versions(cluster, [team]) == seen

    apply_account(cluster, team, "web", "helm", "regcred", force=True)
    assert entries(cluster, team, "web") == ["regcred"]
    assert told(ansible.reconcile())["web"] == ("added", contested, helm)
    with pytest.raises(KubectlError, match="conflict"):
        apply_account(cluster, team, "web", "helm", "regcred")

    apply_account(cluster, team, "web", "helm", "regcred", "ecr-login")
    ansible.reconcile()
    assert told(ansible.reconcile()) == {"synced": ("unchanged", contested, flux)}
    resource["spec"]["serviceAccounts"] = ["plain"]
    cluster.apply(resource)
    assert told(ansible.reconcile()) == {"synced": ("removed", "", "")}
    assert entries(cluster, team, "web") == ["regcred", "ecr-login"]
    assert entries(cluster, team, "synced") == ["regcred"]
    assert told(ansible.reconcile()) == {}
