"""Secrets in the right place and nothing else touched, as the runner sees to it: at once, and after it was down."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from tests.support.aws.endpoint import AWSEndpoint, Principal
from tests.support.cluster.objects import CLUSTER, LEGACY, NAMESPACED, Cluster, condition, pull_secret
from tests.support.cluster.placement import apply_account, grant
from tests.support.harness.runner import Runner

GROUP = "aws.zakariaamine.com"
FINALIZER = f"{GROUP}/cleanup"
DOCUMENT = Path(__file__).parents[2] / "docs" / "pull-secrets.md"


def edited(resource: dict, **spec: object) -> dict:
    """Return a custom resource with more in its spec; None takes a field out."""
    merged = resource["spec"] | spec
    return resource | {"spec": {name: value for name, value in merged.items() if value is not None}}


def label(cluster: Cluster, namespace: str, *labels: str) -> None:
    cluster.kubectl("label", "namespace", namespace, "--overwrite", *labels)


def account(cluster: Cluster, namespace: str, name: str = "default") -> dict:
    return json.loads(cluster.kubectl("get", "serviceaccount", name, "-n", namespace, "-o", "json"))


def pull_secrets_of(cluster: Cluster, namespace: str, name: str = "default") -> list[str]:
    return [each["name"] for each in account(cluster, namespace, name).get("imagePullSecrets", [])]


def uid(cluster: Cluster, namespace: str) -> str | None:
    secret = cluster.secret(namespace)
    return secret and secret["metadata"]["uid"]


@pytest.fixture
def settle(cluster: Cluster, aws: AWSEndpoint, runner: Runner) -> Callable[[], None]:
    """Waits until the runner has handled all that happened before: it serves a resource that was made after it."""
    count = iter(range(100))

    def settle() -> None:
        (namespace,) = cluster.namespaces("sentinel")
        name = f"sentinel-{next(count)}"
        cluster.apply(pull_secret(name, aws.principal(), namespace=namespace, secret_name="sentinel"))
        cluster.wait_ready(NAMESPACED, name, namespace)
        cluster.wait(lambda: runner.log.count("DEBUG run started") == len(runner.runs()), "no run is under way")

    return settle


@pytest.mark.slow
def test_namespaces_come_and_go_on_a_token_that_is_held(
    cluster: Cluster, aws: AWSEndpoint, principal: Principal, runner: Runner
) -> None:
    first, second, replaced = cluster.namespaces("first", "second", "replaced")
    (late,) = cluster.names("globbed-late")
    mark = f"placement-{first}"
    label(cluster, first, f"ecr={mark}")
    shared = pull_secret("shared", principal, namespaces=[replaced, "globbed-*"])
    shared = edited(shared, namespaceSelector={"matchLabels": {"ecr": mark}}, excludeNamespaces=["globbed-x*"])
    cluster.apply(shared)
    runner.start()
    cluster.wait_ready(CLUSTER, "shared")
    assert cluster.secret(first) is not None
    assert cluster.secret(second) is None

    label(cluster, second, f"ecr={mark}")
    cluster.make_namespace(late)
    cluster.wait(lambda: cluster.secret(second) and cluster.secret(late), "a label and a new namespace are seen")
    label(cluster, first, "ecr-")
    cluster.wait(lambda: cluster.secret(first) is None, "what no longer matches loses it")
    cluster.core.delete_namespace(replaced)
    cluster.wait(lambda: cluster.kubectl("get", "namespace", replaced, "--ignore-not-found") == "", "it is gone")
    cluster.make_namespace(replaced)
    cluster.wait(lambda: cluster.secret(replaced), "one that was made again gets it")
    assert cluster.config(replaced) == cluster.config(second)
    assert aws.count("GetAuthorizationToken") == 1
    cluster.wait(lambda: cluster.resource(CLUSTER, "shared")["status"]["namespacesTotal"] == 3, "status tells")


def test_what_is_edited_or_deleted_is_put_right_at_once(
    cluster: Cluster, aws: AWSEndpoint, principal: Principal, runner: Runner
) -> None:
    """From the resource's other Secret: AWS is not asked again."""
    own, other, blocked = cluster.namespaces("own", "other", "blocked")
    cluster.kubectl("create", "secret", "generic", "ecr-login", "-n", blocked)
    cluster.apply(pull_secret("shared", principal, namespaces=[own, other, blocked]))
    runner.start()
    shared = cluster.wait_ready(CLUSTER, "shared", status="False")
    assert condition(shared, "Ready")["reason"] == "SecretConflict"
    good, before = cluster.config(own), uid(cluster, own)

    for edit in (
        {"data": {".dockerconfigjson": "e30="}},
        {"metadata": {"labels": {"app.kubernetes.io/managed-by": "me"}}},
        {"metadata": {"annotations": {"expiry": None}}},
        {"metadata": {"ownerReferences": None}},
    ):
        cluster.core.patch_namespaced_secret("ecr-login", own, edit)
        edited_at = cluster.secret(own)["metadata"]["resourceVersion"]  # type: ignore[index]
        cluster.wait(
            lambda then=edited_at: cluster.secret(own)["metadata"]["resourceVersion"] != then,  # type: ignore[index]
            f"{edit} is put right",
        )
        assert (cluster.config(own), uid(cluster, own)) == (good, before)
    cluster.core.delete_namespaced_secret("ecr-login", own)
    cluster.wait(lambda: uid(cluster, own) not in (None, before), "one that was deleted is made again")

    cluster.core.delete_namespaced_secret("ecr-login", blocked)
    cluster.wait_ready(CLUSTER, "shared")
    assert cluster.config(blocked) == good
    assert aws.count("GetAuthorizationToken") == 1


@pytest.mark.slow
def test_its_own_writes_make_it_look_at_nothing_again(
    cluster: Cluster, aws: AWSEndpoint, principal: Principal, runner: Runner, settle: Callable[[], None]
) -> None:
    """Of each policy, with service accounts: all is written once, and an idle runner writes nothing."""
    own, merged = cluster.namespaces("own", "merged")
    cluster.core.create_namespaced_secret(
        merged,
        {
            "metadata": {"name": "ecr-login"},
            "type": "kubernetes.io/dockerconfigjson",
            "data": {".dockerconfigjson": "eyJhdXRocyI6bnVsbH0="},
        },
    )
    app = edited(
        pull_secret("app", principal, namespace=own), serviceAccounts=["*"], secretTemplate={"labels": {"a": "b"}}
    )
    shared = edited(pull_secret("shared", principal, namespaces=[merged]), existingSecretPolicy="Merge")
    cluster.apply(app, shared)
    runner.start()
    cluster.wait_ready(NAMESPACED, "app", own)
    cluster.wait_ready(CLUSTER, "shared")
    cluster.wait(runner.runs, "the run has ended")
    settle()

    def everything() -> list[object]:
        return [
            cluster.secret(own),
            cluster.secret(merged),
            account(cluster, own),
            cluster.resource(NAMESPACED, "app", own),
            cluster.resource(CLUSTER, "shared"),
        ]

    before = everything()
    started = [line for line in runner.log.splitlines() if "run started" in line]
    assert sum(f"{NAMESPACED}/{own}/app" in line for line in started) == 1
    assert sum(f"{CLUSTER}/shared" in line for line in started) == 1
    assert runner.stop() == 0
    runner.start()
    settle()
    assert everything() == before


@pytest.mark.slow
def test_service_accounts_get_the_secret_and_lose_it_with_the_resource(
    cluster: Cluster, principal: Principal, runner: Runner
) -> None:
    (own,) = cluster.namespaces("own")
    cluster.wait_account(own)
    patch = '{"imagePullSecrets": [{"name": "theirs"}]}'
    cluster.kubectl("patch", "serviceaccount", "default", "-n", own, "-p", patch)
    cluster.apply(edited(pull_secret("app", principal, namespace=own), serviceAccounts=["default", "build-*"]))
    runner.start()
    cluster.wait_ready(NAMESPACED, "app", own)
    assert pull_secrets_of(cluster, own) == ["theirs", "ecr-login"]
    assert cluster.resource(NAMESPACED, "app", own)["metadata"]["finalizers"] == [FINALIZER]

    cluster.kubectl("create", "serviceaccount", "build-late", "-n", own)
    cluster.wait(lambda: pull_secrets_of(cluster, own, "build-late") == ["ecr-login"], "one that came late has it")
    cluster.kubectl("patch", "serviceaccount", "build-late", "-n", own, "-p", '{"imagePullSecrets": null}')
    cluster.wait(lambda: pull_secrets_of(cluster, own, "build-late") == ["ecr-login"], "it has it again")

    cluster.delete(NAMESPACED, "app", own)
    cluster.wait(lambda: cluster.kubectl("get", "aeps", "-n", own) == "", "the resource is gone")
    assert pull_secrets_of(cluster, own) == ["theirs"]
    assert pull_secrets_of(cluster, own, "build-late") == []
    assert GROUP not in str(account(cluster, own))


@pytest.mark.slow
def test_a_service_account_that_helm_applies_is_a_warning_until_it_is_named_no_more(
    cluster: Cluster, principal: Principal, runner: Runner
) -> None:
    """The runner puts its entry back whenever helm takes the list over by force, and one event tells of it."""
    (own,) = cluster.namespaces("own")
    apply_account(cluster, own, "web", "helm", "regcred")
    resource = pull_secret("app", principal, namespace=own)
    cluster.apply(edited(resource, serviceAccounts=["web"]))
    runner.start()
    suffix = f"; service accounts that others write, too: {own}/web (helm release web)"

    def ready() -> dict:
        return condition(cluster.resource(NAMESPACED, "app", own), "Ready")

    cluster.wait(lambda: ready().get("message", "").endswith(suffix), "the status names it")
    assert (ready()["status"], ready()["reason"]) == ("True", "SecretsUpdated")
    assert condition(cluster.resource(NAMESPACED, "app", own), "RefreshFailing")["status"] == "False"
    cluster.wait(lambda: "ServiceAccountContested" in dict(cluster.events("app")), "an event tells")
    apply_account(cluster, own, "web", "helm", "regcred", force=True)
    cluster.wait(lambda: pull_secrets_of(cluster, own, "web") == ["regcred", "ecr-login"], "the entry is back")

    nudged = edited(resource, serviceAccounts=["web"], refreshInterval="6h")
    cluster.apply(nudged)
    cluster.wait(ready, "it is served again")
    assert ready()["message"].endswith(suffix)
    told = [text for reason, text in cluster.events("app") if reason == "ServiceAccountContested"]
    assert len(told) == 1
    assert f"service account {own}/web is also written by helm release web" in told[0]

    cluster.apply(resource)
    cluster.wait(lambda: ready().get("message", suffix).endswith(suffix) is False, "the warning is gone")
    assert pull_secrets_of(cluster, own, "web") == ["regcred"]


@pytest.mark.slow
def test_what_changed_while_it_was_dead_is_found_in_the_cluster(
    cluster: Cluster, aws: AWSEndpoint, principal: Principal, runner: Runner
) -> None:
    """Renamed, relabelled, deleted, edited, all at once, after a kill: nothing of that was there to be seen."""
    keep, drop, gone = cluster.namespaces("keep", "drop", "gone")
    for namespace in (keep, drop):
        label(cluster, namespace, f"ecr={keep}")
    shared = pull_secret("shared", principal, namespaces=[])
    shared = edited(shared, namespaces=None, namespaceSelector={"matchLabels": {"ecr": keep}})
    app = edited(pull_secret("app", principal, namespace=gone), serviceAccounts=["default"])
    cluster.apply(shared, app)
    runner.start()
    cluster.wait_ready(CLUSTER, "shared")
    cluster.wait_ready(NAMESPACED, "app", gone)
    runner.kill()
    runner.clean()

    label(cluster, drop, "ecr-")
    cluster.core.delete_namespaced_secret("ecr-login", keep)
    cluster.delete(NAMESPACED, "app", gone)
    runner.start()
    cluster.wait(lambda: cluster.secret(drop) is None and cluster.secret(keep), "what is wrong is put right")
    cluster.wait(lambda: cluster.kubectl("get", "aeps", "-n", gone) == "", "the resource is gone")
    assert pull_secrets_of(cluster, gone) == []

    runner.kill()
    runner.clean()
    cluster.apply(edited(shared, secretName="renamed"))
    runner.start()
    cluster.wait(lambda: cluster.secret(keep, "renamed"), "the new one stands")
    cluster.wait(lambda: cluster.secret(keep) is None, "the old one is gone")


@pytest.mark.slow
def test_a_namespace_goes_though_a_resource_in_it_has_a_finalizer_and_dead_keys(
    cluster: Cluster, aws: AWSEndpoint, principal: Principal, runner: Runner
) -> None:
    (own,) = cluster.namespaces("own")
    cluster.apply(edited(pull_secret("app", principal, namespace=own), serviceAccounts=["default"]))
    runner.start()
    cluster.wait_ready(NAMESPACED, "app", own)
    aws.stop()
    cluster.core.delete_namespace(own)
    cluster.wait(lambda: cluster.kubectl("get", "namespace", own, "--ignore-not-found") == "", "it is gone")


@pytest.mark.slow
def test_the_legacy_kind_is_served_until_a_resource_of_its_name_takes_over(
    cluster: Cluster, aws: AWSEndpoint, principal: Principal, runner: Runner
) -> None:
    (own,) = cluster.namespaces("own")
    successor = pull_secret("shared", principal, namespaces=[own])
    legacy = successor | {"apiVersion": f"{GROUP}/v1alpha1", "kind": LEGACY}
    cluster.apply(legacy)
    runner.start()
    cluster.wait_ready(LEGACY, "shared")
    before = uid(cluster, own)
    cluster.apply(successor)
    cluster.wait_ready(CLUSTER, "shared")
    cluster.delete(LEGACY, "shared")
    (owner,) = cluster.secret(own)["metadata"]["ownerReferences"]  # type: ignore[index]
    assert (owner["kind"], uid(cluster, own)) == (CLUSTER, before)


@pytest.mark.slow
def test_the_rights_that_the_document_names_are_enough(
    cluster: Cluster, principal: Principal, start: Callable[..., Runner]
) -> None:
    """All fields in one resource, then what it made is taken away: nothing is refused, and the log warns of nothing."""
    own, merged = cluster.namespaces("own", "merged")
    (text,) = re.findall(r"^```yaml\n(apiVersion: rbac.*?)^```$", DOCUMENT.read_text(), re.MULTILINE | re.DOTALL)
    user = f"granted-{own}"
    grant(cluster, user, yaml.safe_load(text)["rules"])
    cluster.wait_account(own)
    app = pull_secret("app", principal, namespaces=[f"{own}*"])
    app = edited(app, serviceAccounts=["*"], namespaceSelector={"matchLabels": {"no": "no"}})
    shared = edited(pull_secret("shared", principal, namespaces=[merged]), existingSecretPolicy="Merge")
    cluster.apply(app, shared)
    runner = start(K8S_AUTH_KUBECONFIG=str(cluster.plane.kubeconfig_for(user)))
    cluster.wait_ready(CLUSTER, "app")
    cluster.wait_ready(CLUSTER, "shared")
    assert pull_secrets_of(cluster, own) == ["ecr-login"]
    cluster.apply(edited(app, secretName="renamed"))
    cluster.wait(lambda: cluster.secret(own) is None and cluster.secret(own, "renamed"), "the old one is removed")
    for name in ("app", "shared"):
        cluster.delete(CLUSTER, name)
    cluster.wait(lambda: cluster.kubectl("get", "caeps") == "", "the resources are gone")
    assert pull_secrets_of(cluster, own) == []
    assert cluster.secret(merged) is None
    assert " WARNING " not in runner.log


@pytest.mark.slow
def test_a_list_of_names_needs_no_right_beyond_them(
    cluster: Cluster, aws: AWSEndpoint, principal: Principal, start: Callable[..., Runner]
) -> None:
    """No right to list namespaces, service accounts or Secrets: only to write those of the name, in two namespaces."""
    first, second, other = cluster.namespaces("first", "second", "other")
    user = f"narrow-{first}"
    resources = {"apiGroups": [GROUP], "resources": ["*"], "verbs": ["get", "list", "watch", "patch"]}
    grant(cluster, user, [resources, {"apiGroups": ["events.k8s.io"], "resources": ["events"], "verbs": ["create"]}])
    secrets = {"apiGroups": [""], "resources": ["secrets"], "resourceNames": ["ecr-login"], "verbs": ["*"]}
    for namespace in (first, second):
        grant(cluster, user, [secrets], namespace)
    cluster.apply(pull_secret("shared", principal, namespaces=[first, other, second]))
    start(K8S_AUTH_KUBECONFIG=str(cluster.plane.kubeconfig_for(user)))
    shared = cluster.wait_ready(CLUSTER, "shared", status="False")
    assert cluster.secret(first) is not None
    assert cluster.secret(second) is not None
    (failure,) = shared["status"]["failures"]
    assert (failure["namespace"], failure["reason"]) == (other, "Forbidden")
    assert f"secrets/ecr-login in namespace {other}" in failure["message"]
