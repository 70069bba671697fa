"""The chart, installed by helm: its service account may do what the runner does, in each mode, and no more."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from kubernetes.client import AuthorizationV1Api
from kubernetes.config import new_client_from_config

from tests.support.ansible import Ansible
from tests.support.awsendpoint import AWSEndpoint, Principal
from tests.support.cluster import CLUSTER, NAMESPACED, Cluster, keys_secret, pull_secret, service_account
from tests.support.helm import Release, Values
from tests.support.placement import entries
from tests.support.runner import Runner

ALLOWED = "aws.zakariaamine.com/allowed-aws-identities"
NAMED = {
    "secretNames": ["ecr-login", "renamed"],
    "keysSecretNames": ["aws-keys"],
    "serviceAccountTokens": {"names": ["ecr-pull"]},
}
MODES = {
    "default": (False, False),
    "secretNames": (True, False),
    "watchNamespaces": (False, True),
    "both": (True, True),
}
Start = Callable[[Release], Runner]


@pytest.fixture
def release(cluster: Cluster) -> Iterator[Release]:
    """A release that is not installed yet, and uninstalled afterwards; the definitions are the control plane's."""
    (namespace,) = cluster.namespaces("kube-ecr")
    release = Release(cluster.plane, namespace)
    yield release
    release.uninstall()


@pytest.fixture
def start_pod(ansible: Ansible, tmp_path: Path) -> Iterator[Start]:
    """Starts the process that a pod of a release would be."""
    with tempfile.TemporaryDirectory() as temporary:
        started: list[Runner] = []

        def start(release: Release) -> Runner:
            runner = release.runner(ansible, tmp_path / f"runner-{len(started)}.log", Path(temporary))
            started.append(runner)
            runner.start()
            return runner

        yield start
        for runner in started:
            runner.stop()
            assert "Traceback" not in runner.log


def allowed(kubeconfig: Path, *rights: tuple[str, str, str, str]) -> dict[tuple[str, str, str, str], bool]:
    """Return what RBAC lets the owner of a kubeconfig do, by verb, resource, namespace and name, as kubectl can-i."""
    api = AuthorizationV1Api(new_client_from_config(config_file=str(kubeconfig)))

    def may(verb: str, resource: str, namespace: str, name: str) -> bool:
        resource, _, subresource = resource.partition("/")
        group = "coordination.k8s.io" if resource == "leases" else ""
        what = {"verb": verb, "resource": resource, "subresource": subresource, "name": name, "namespace": namespace}
        review = {"spec": {"resourceAttributes": {**what, "group": group}}}
        return api.create_self_subject_access_review(review).status.allowed

    return {each: may(*each) for each in rights}


@pytest.mark.parametrize("mode", MODES)
def test_the_service_account_of_the_chart_may_do_what_the_runner_does(
    mode: str,
    release: Release,
    cluster: Cluster,
    aws: AWSEndpoint,
    principal: Principal,
    start_pod: Start,
    tmp_path: Path,
) -> None:
    """Every way into AWS, service accounts, changes and removals, with a right for all of it and no refusal."""
    is_named, is_narrow = MODES[mode]
    inline, keys, account, own = cluster.namespaces("inline", "keys", "account", "own")
    shared, elsewhere = cluster.namespaces("shared", "elsewhere")
    served = [inline, keys, account, own]
    ambient = aws.principal(account="444455556666")
    identity = {"AWS_ACCESS_KEY_ID": ambient.access_key, "AWS_SECRET_ACCESS_KEY": ambient.secret_key}
    values: Values = {
        "crds": {"enabled": False},
        "runner": {"awsEndpointUrl": aws.url, "logLevel": "debug"},
        "extraEnv": [{"name": name, "value": value} for name, value in identity.items()],
        "rbac": NAMED if is_named else {},
        "watchNamespaces": served if is_narrow else [],
    }
    release.upgrade(values)

    aws.trust_issuer(cluster.plane.issuer, cluster.plane.issuer_key)
    role = aws.role("ecr-pull", web_identities=[f"system:serviceaccount:{account}:ecr-pull"])
    cluster.kubectl("annotate", "namespace", own, f"{ALLOWED}=runner")
    first = pull_secret("app", principal, namespace=inline)
    first["spec"]["serviceAccounts"] = ["builder"]
    cluster.apply(
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "builder", "namespace": inline}},
        first,
        keys_secret("aws-keys", keys, principal),
        pull_secret("keys", None, namespace=keys, credentialsSecretRef={"name": "aws-keys"}),
        service_account("ecr-pull", account, role.arn()),
        pull_secret("account", None, namespace=account, serviceAccountRef={"name": "ecr-pull"}),
        pull_secret("own", None, namespace=own),
        pull_secret("shared", principal, namespaces=[f"{shared}*"]),
    )
    runner = start_pod(release)
    for name, namespace in (("app", inline), ("keys", keys), ("account", account), ("own", own)):
        cluster.wait_ready(NAMESPACED, name, namespace)
    if is_narrow:
        assert "status" not in cluster.resource(CLUSTER, "shared")
    else:
        cluster.wait_ready(CLUSTER, "shared")
    assert entries(cluster, inline) == ["ecr-login"]
    assert list(cluster.config(own)["auths"]) == [ambient.registry()]
    cluster.wait(lambda: "SecretCreationSuccess" in dict(cluster.events("app")), "the event is there")
    lease = json.loads(cluster.kubectl("get", "lease", release.name, "-n", release.namespace, "-o", "json"))
    assert lease["spec"]["holderIdentity"]

    other = aws.principal(account="555566667777")
    first["spec"]["secretName"] = "renamed"
    cluster.core.delete_namespaced_secret("ecr-login", account)
    cluster.apply(keys_secret("aws-keys", keys, other), first, pull_secret("shared", principal, namespaces=[elsewhere]))
    cluster.wait(lambda: list(cluster.config(keys)["auths"]) == [other.registry()], "new keys are used at once")
    cluster.wait(lambda: cluster.secret(account), "what somebody deleted is put back at once")
    cluster.wait(lambda: cluster.secret(inline, "renamed"), "it has the new name")
    if not is_named:  # Otherwise nobody can look for names that no resource has any more.
        cluster.wait(lambda: cluster.secret(inline) is None, "the old one is removed")
    if not is_narrow:
        cluster.wait(lambda: cluster.secret(elsewhere) and not cluster.secret(shared), "it is where it is wanted alone")
    cluster.delete(NAMESPACED, "app", inline)
    cluster.wait(lambda: entries(cluster, inline) == [], "the service account has nothing of it any more")
    assert runner.stop() == 0

    refused = [line for line in runner.log.splitlines() if "orbidden" in line or " WARNING " in line]
    if is_narrow:  # Namespaces are in no namespace, and the log says what that costs.
        (told,) = refused
        assert " cannot watch, trying again watch=namespaces " in told
    else:
        assert refused == []
    kubeconfig = release.kubeconfig(tmp_path / "rights")
    everywhere = ""
    rights = {
        ("list", "secrets", everywhere, ""): not is_named and not is_narrow,
        ("list", "secrets", inline, ""): not is_named,
        ("list", "secrets", inline, "ecr-login"): True,
        ("get", "secrets", inline, "other"): not is_named,
        ("create", "secrets", inline, ""): not is_named,
        ("create", "secrets", inline, "ecr-login"): True,
        ("delete", "secrets", keys, "aws-keys"): not is_named,
        ("get", "secrets", shared, "ecr-login"): not is_narrow,
        ("get", "secrets", release.namespace, "other"): not is_named and not is_narrow,
        ("create", "serviceaccounts/token", account, "other"): not is_named,
        ("create", "pods", inline, ""): False,
        ("update", "leases", release.namespace, "other"): False,
    }
    assert allowed(kubeconfig, *rights) == rights
