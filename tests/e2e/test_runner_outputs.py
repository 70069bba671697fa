"""Further Secrets from the same token, and logins of other registries, kept by the runner."""

from __future__ import annotations

import base64

import pytest

from tests.support.aws.endpoint import AWSEndpoint, Principal
from tests.support.cluster.objects import CLUSTER, Cluster, condition, pull_secret
from tests.support.harness.runner import Runner

GROUP = "aws.zakariaamine.com"


def value(cluster: Cluster, namespace: str, name: str, key: str) -> str | None:
    secret = cluster.secret(namespace, name)
    return secret and base64.b64decode(secret["data"].get(key, "")).decode()


@pytest.mark.slow
def test_outputs_and_static_logins_follow_the_token_what_is_edited_and_their_secrets(
    cluster: Cluster, aws: AWSEndpoint, principal: Principal, runner: Runner
) -> None:
    team, ops = cluster.namespaces("team", "ops")
    (argo,) = cluster.names("argocd")
    host = principal.registry()
    resource = pull_secret("app", principal, namespaces=[team])
    resource["spec"]["outputs"] = [
        {"name": "charts", "type": "ArgoCDRepositoryCredentials", "namespaces": [argo], "urls": [host]},
        {"name": "basic", "type": "BasicAuth"},
    ]
    resource["spec"]["extraAuths"] = [{"registry": "quay.io", "secretRef": {"name": "quay", "namespace": ops}}]
    cluster.apply(resource)
    runner.start()
    failing = cluster.wait_ready(CLUSTER, "app")
    assert condition(failing, "RefreshFailing")["reason"] == "ExtraAuthNotFound"
    assert (failing["status"]["outputsReady"], failing["status"]["outputsTotal"]) == (1, 2)
    assert "waiting for namespaces: " + argo in condition(failing, "Ready")["message"]

    cluster.make_namespace(argo)
    quay = ["--from-literal=username=me", "--from-literal=password=canary-1"]
    cluster.kubectl("create", "secret", "generic", "quay", "-n", ops, *quay)
    cluster.wait(lambda: cluster.config(team)["auths"].keys() == {host, "quay.io"}, "the static login is there")
    cluster.wait(lambda: value(cluster, argo, "charts", "url") == host, "the namespace has its Secret")
    ready = lambda: cluster.resource(CLUSTER, "app")["status"]  # noqa: E731
    cluster.wait(lambda: (ready()["outputsReady"], len(ready().get("failures", []))) == (2, 0), "all is told")
    assert aws.count("GetAuthorizationToken") == 1

    password = cluster.config(team)["auths"][host]["password"]
    cluster.kubectl("patch", "secret", "basic", "-n", team, "-p", '{"stringData": {"password": "x"}}')
    cluster.core.delete_namespaced_secret("charts", argo)
    cluster.kubectl("patch", "secret", "quay", "-n", ops, "-p", '{"stringData": {"password": "canary-2"}}')
    cluster.wait(lambda: value(cluster, team, "basic", "password") == password, "what was edited is put right")
    cluster.wait(lambda: value(cluster, argo, "charts", "password") == password, "what was deleted is put back")
    auths = lambda: cluster.config(team)["auths"]  # noqa: E731
    cluster.wait(lambda: auths()["quay.io"]["password"] == "canary-2", "the new login is there")

    cluster.kubectl("annotate", "caeps", "app", f"{GROUP}/reconcile-at=1")
    cluster.wait(lambda: value(cluster, argo, "charts", "password") not in (None, password), "it has the new token")
    renewed = auths()[host]["password"]
    cluster.wait(lambda: value(cluster, team, "basic", "password") == renewed, "so has the other one, a moment later")
    assert value(cluster, argo, "charts", "password") == renewed != password
    resource["spec"].pop("outputs")
    cluster.apply(resource)
    cluster.wait(lambda: not (cluster.secret(argo, "charts") or cluster.secret(team, "basic")), "both are removed")
    cluster.wait(lambda: "outputsTotal" not in ready(), "the status has none any more")
    assert f"Secret basic created in namespaces: {team}" in str(cluster.events("app"))
    assert runner.stop() == 0
    assert "canary" not in runner.log
    assert password not in runner.log
