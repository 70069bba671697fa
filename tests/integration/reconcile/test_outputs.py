"""Outputs: further Secrets from the token of the pull secret, on the real API server."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from tests.integration.modules.test_ecr_pull_secret import CANARY, HOST, WAYS, options, task
from tests.support.aws.endpoint import AWSEndpoint, Principal
from tests.support.cluster.control_plane import KubectlError
from tests.support.cluster.objects import Cluster
from tests.support.cluster.placement import WRITE, foreign, is_gone, placed, versions
from tests.support.harness.ansible import Ansible, Run

OPERATION = "GetAuthorizationToken"


def data(cluster: Cluster, namespace: str, name: str) -> dict[str, str]:
    secret = cluster.secret(namespace, name)
    assert secret is not None
    return {key: base64.b64decode(value).decode() for key, value in secret["data"].items()}


def outputs(host: str, argo: str) -> list[dict[str, Any]]:
    return [
        {
            "name": "charts",
            "type": "ArgoCDRepository",
            "namespaces": [argo],
            "urls": [f"{host}/charts", f"oci://{host}/app"],
        },
        {
            "name": "creds",
            "type": "ArgoCDRepositoryCredentials",
            "namespaces": [argo],
            "urls": [host],
            "project": "web",
        },
        {"name": "basic", "type": "BasicAuth"},
        {
            "name": "npm",
            "type": "Template",
            "secretType": "example.com/login",
            "data": {".npmrc": "//$(host)/:_auth=$(auth)\n{{ lookup('pipe', 'id') }} ${HOME}", "until": "$(expiry)"},
            "secretTemplate": {"labels": {"team": "a"}, "annotations": {"note": "x"}},
        },
    ]


def state_of(run: Run) -> dict[str, str]:
    (served,) = run.items(WRITE).values()
    return {f"{each['namespace']}/{each['name']}": each["state"] for each in served["outputs"]}


@pytest.mark.slow
def test_one_call_serves_every_output_and_what_is_edited_or_dropped_is_put_right(
    ansible: Ansible, cluster: Cluster, aws: AWSEndpoint, principal: Principal
) -> None:
    team, argo = cluster.namespaces("team", "argocd")
    host = principal.registry()
    wanted = outputs(host, argo)
    cluster.apply(placed("app", principal, [team], outputs=wanted))
    run = ansible.reconcile()
    assert run.status == 0, run.output
    assert aws.count(OPERATION) == 1

    login = cluster.config(team)["auths"][host]
    first, second, creds = (data(cluster, argo, name) for name in ("charts", "charts-2", "creds"))
    access = {"username": "AWS", "password": login["password"]}
    assert first == {**access, "url": f"{host}/charts", "type": "helm", "enableOCI": "true", "name": "charts"}
    assert second == {**access, "url": f"oci://{host}/app", "type": "oci", "name": "charts-2"}
    assert creds == {**access, "url": host, "type": "helm", "enableOCI": "true", "project": "web"}
    assert data(cluster, team, "basic") == access
    until = cluster.secret(team)["metadata"]["annotations"]["expiry"]
    text = f"//{host}/:_auth={login['auth']}\n{{{{ lookup('pipe', 'id') }}}} ${{HOME}}"
    assert data(cluster, team, "npm") == {".npmrc": text, "until": until}
    npm, charts = cluster.secret(team, "npm"), cluster.secret(argo, "charts")
    assert (npm["type"], npm["metadata"]["labels"]["team"]) == ("example.com/login", "a")
    assert charts["metadata"]["labels"]["argocd.argoproj.io/secret-type"] == "repository"
    assert charts["metadata"]["ownerReferences"][0]["name"] == "app"
    assert login["password"] not in run.output

    def unchanged() -> None:
        seen = versions(cluster, [team, argo])
        again = ansible.reconcile()
        assert "changed=0" in again.stdout, again.output
        assert versions(cluster, [team, argo]) == seen
        assert aws.count(OPERATION) == 1

    unchanged()
    cluster.core.delete_namespaced_secret("creds", argo)
    cluster.kubectl("patch", "secret", "basic", "-n", team, "-p", '{"stringData": {"password": "other"}}')
    cluster.kubectl("patch", "secret", "npm", "-n", team, "-p", '{"metadata": {"labels": {"team": "b"}}}')
    assert state_of(ansible.reconcile()) == {
        f"{argo}/charts": "unchanged",
        f"{argo}/charts-2": "unchanged",
        f"{argo}/creds": "created",
        f"{team}/basic": "updated",
        f"{team}/npm": "updated",
    }
    assert data(cluster, team, "basic") == access
    assert cluster.secret(team, "npm")["metadata"]["labels"]["team"] == "a"
    unchanged()

    wanted[0]["urls"] = [f"{host}/charts-new"]
    wanted[3]["data"] = {"password": "$(password)"}
    cluster.apply(placed("app", principal, [team], outputs=[wanted[0], wanted[3]]))
    ansible.reconcile()
    assert data(cluster, argo, "charts")["url"] == f"{host}/charts-new"
    assert data(cluster, team, "npm") == {"password": login["password"]}
    assert [cluster.secret(*place) for place in ((argo, "charts-2"), (argo, "creds"), (team, "basic"))] == [None] * 3
    unchanged()

    cluster.delete("ClusterAWSECRImagePullSecret", "app")
    assert is_gone(cluster, "app")
    cluster.wait(
        lambda: not (cluster.secret(argo, "charts") or cluster.secret(team)), "all of it goes with the resource"
    )


def test_a_secret_of_somebody_else_is_left_and_the_rest_is_served(
    ansible: Ansible, cluster: Cluster, principal: Principal
) -> None:
    team, argo = cluster.namespaces("team", "argocd")
    host = principal.registry()
    cluster.kubectl("create", "secret", "generic", "creds", "-n", argo, "--from-literal=url=x")
    wanted = [each for each in outputs(host, argo) if each["name"] in ("creds", "basic")]
    cluster.apply(placed("app", principal, [team], outputs=wanted, existingSecretPolicy="Merge"))
    run = ansible.reconcile()
    assert run.status == 2
    assert state_of(run) == {f"{argo}/creds": "failed", f"{team}/basic": "created"}
    assert data(cluster, argo, "creds") == {"url": "x"}
    assert (
        "was not made by kube_ecr.secrets; it was left as it is. Delete it, or choose another name for the output"
        in run.output
    )
    cluster.apply(placed("app", principal, [team], outputs=wanted, existingSecretPolicy="Adopt"))
    assert ansible.reconcile().status == 0
    assert data(cluster, argo, "creds")["url"] == host


@pytest.mark.parametrize(
    ("output", "words"),
    [
        ({"name": "ecr-login", "type": "BasicAuth"}, "an output has the name of the pull secret"),
        ({"name": "x", "type": "BasicAuth", "urls": ["a.b/c"]}, "urls belongs to the types ArgoCDRepository"),
        ({"name": "x", "type": "ArgoCDRepository"}, "urls belongs to the types ArgoCDRepository"),
        ({"name": "x", "type": "ArgoCDRepository", "urls": ["https://a.b/c"]}, "must be the URL of a repository"),
        ({"name": "x", "type": "Template", "data": {"a": "$(token)"}}, "holds a placeholder that is none of"),
        ({"name": "x", "type": "Template", "data": {"a b": ""}}, "each key must be one of a Secret"),
        ({"name": "x", "type": "Template"}, "data belongs to the type Template"),
        (
            {"name": "x", "type": "Template", "data": {"a": ""}, "secretType": "kubernetes.io/tls"},
            "must be Opaque or a type",
        ),
        ({"name": "x", "type": "BasicAuth", "registry": "https://a.b"}, "must be the host of a registry"),
        ({"name": "X", "type": "BasicAuth"}, "must be a valid Secret name"),
        ({"name": "x", "type": "BasicAuth", "registry": "ghcr.io"}, "an output is for a registry that is not in"),
        (
            {"name": "x", "type": "ArgoCDRepository", "urls": [f"oci://{HOST}/a", "a.b/c"]},
            "an output is for a registry",
        ),
    ],
)
def test_what_cannot_be_meant_is_refused_at_apply(
    cluster: Cluster, principal: Principal, output: dict[str, Any], words: str
) -> None:
    with pytest.raises(KubectlError, match=words):
        cluster.apply(placed("app", principal, ["default"], outputs=[output], registries=[HOST]))


def login(username: str, password: str) -> dict[str, str]:
    auth = base64.b64encode(f"{username}:{password}".encode()).decode()
    return {"username": username, "password": password, "auth": auth}


@pytest.mark.slow
def test_static_logins_stand_beside_ecrs_and_stay_where_their_secret_is_gone(
    ansible: Ansible, cluster: Cluster, aws: AWSEndpoint, principal: Principal
) -> None:
    team, other, ops = cluster.namespaces("team", "other", "ops")
    host = principal.registry()
    cluster.kubectl(
        "create",
        "secret",
        "generic",
        "quay",
        "-n",
        ops,
        "--from-literal=username=me",
        "--from-literal=password=canary-1",
    )
    hub = ["--docker-server=https://ghcr.io/v1/", "--docker-username=you", "--docker-password=canary-2"]
    cluster.kubectl("create", "secret", "docker-registry", "hub", "-n", ops, *hub)
    auths = [
        {"registry": "quay.io", "secretRef": {"name": "quay", "namespace": ops}},
        {"secretRef": {"name": "hub", "namespace": ops}},
    ]
    cluster.apply(placed("app", principal, [team], extraAuths=auths, outputs=[{"name": "basic", "type": "BasicAuth"}]))
    run = ansible.reconcile("-vvv", "--diff")
    assert run.status == 0, run.output
    ecr = cluster.config(team)["auths"][host]
    extra = {"quay.io": login("me", "canary-1"), "ghcr.io": login("you", "canary-2")}
    assert cluster.config(team)["auths"] == {host: ecr, **extra}
    assert data(cluster, team, "basic") == {"username": "AWS", "password": ecr["password"]}
    assert "canary" not in run.output
    seen = versions(cluster, [team])
    assert "changed=0" in ansible.reconcile().stdout
    assert versions(cluster, [team]) == seen

    cluster.kubectl("patch", "secret", "quay", "-n", ops, "-p", '{"stringData": {"password": "canary-3"}}')
    cluster.core.delete_namespaced_secret("hub", ops)
    cluster.age_secret(team)
    cluster.apply(placed("app", principal, [team, other], extraAuths=auths))
    run = ansible.reconcile()
    assert run.status == 2
    assert f"Secret hub in namespace {ops} (spec.extraAuths) does not exist" in run.output
    extra["quay.io"] = login("me", "canary-3")
    renewed = cluster.config(team)["auths"]
    assert renewed == {host: renewed[host], **extra}
    assert renewed[host] != ecr, "ECR's login is renewed all the same"
    assert cluster.config(other)["auths"] == {host: renewed[host], "quay.io": extra["quay.io"]}

    cluster.kubectl("create", "secret", "docker-registry", "hub", "-n", ops, *hub)
    assert ansible.reconcile().status == 0
    assert cluster.config(other)["auths"] == renewed
    cluster.apply(placed("app", principal, [team, other], extraAuths=auths[:1]))
    assert ansible.reconcile().status == 0
    assert cluster.config(team)["auths"].keys() == {host, "quay.io"}
    assert aws.count(OPERATION) == 2


@pytest.mark.slow
def test_static_logins_are_merged_with_the_others_and_taken_out_with_them(
    ansible: Ansible, cluster: Cluster, principal: Principal
) -> None:
    (team,) = cluster.namespaces("team")
    host = principal.registry()
    theirs = {"docker.io": login("they", "x")}
    foreign(cluster, team, {"auths": theirs})
    cluster.kubectl(
        "create", "secret", "generic", "quay", "-n", team, "--from-literal=username=me", "--from-literal=password=p"
    )
    spec = {"existingSecretPolicy": "Merge", "extraAuths": [{"registry": "quay.io", "secretRef": {"name": "quay"}}]}
    cluster.apply(placed("app", principal, namespace=team, **spec))
    assert ansible.reconcile().status == 0
    assert cluster.config(team)["auths"].keys() == {"docker.io", "quay.io", host}
    assert "changed=0" in ansible.reconcile().stdout
    cluster.core.delete_namespaced_secret("quay", team)
    cluster.apply(placed("app", principal, namespace=team, **spec, refreshInterval="1h"))
    assert ansible.reconcile().status == 2
    assert cluster.config(team)["auths"]["quay.io"] == login("me", "p")
    cluster.delete("AWSECRImagePullSecret", "app", team)
    assert ansible.reconcile().status == 0
    assert cluster.config(team)["auths"] == theirs


def test_what_an_orphaned_resource_leaves_belongs_to_nobody(
    ansible: Ansible, cluster: Cluster, principal: Principal
) -> None:
    (team,) = cluster.namespaces("team")
    spec = {"outputs": [{"name": "basic", "type": "BasicAuth"}], "deletionPolicy": "Orphan"}
    cluster.apply(placed("app", principal, [team], **spec))
    ansible.reconcile()
    kept = data(cluster, team, "basic")
    cluster.delete("ClusterAWSECRImagePullSecret", "app")
    assert ansible.reconcile().status == 0
    assert is_gone(cluster, "app")
    secret = cluster.secret(team, "basic")
    assert data(cluster, team, "basic") == kept
    assert "ownerReferences" not in secret["metadata"]
    assert "aws.zakariaamine.com" not in str({key: secret["metadata"].get(key) for key in ("labels", "annotations")})


@pytest.mark.slow
@pytest.mark.parametrize("way", WAYS)
def test_the_module_writes_and_removes_the_same(ansible: Ansible, cluster: Cluster, way: str) -> None:
    team, argo = cluster.namespaces("team", "argocd")
    wanted = [
        {"name": "charts", "type": "ArgoCDRepository", "namespaces": [argo], "urls": [f"{HOST}/charts"]},
        {"name": "npm", "type": "Template", "data": {".npmrc": "_auth=$(auth)"}, "labels": {"team": "a"}},
    ]
    absent = {"secret_name": "ecr-login", "namespaces": [team], "outputs": wanted, "state": "absent"}
    run = ansible.play(
        task(options([team], outputs=wanted), "predict", way) | {"check_mode": True},
        task(options([team], outputs=wanted), "write", way),
        task(options([team], outputs=wanted), "again", way),
        task(options([team], outputs=[{**wanted[1], "data": {"a": "$(x)"}}]), "refuse", way),
        args=("-vvv", "--diff"),
    )
    created = [
        {"namespace": argo, "name": "charts", "state": "created"},
        {"namespace": team, "name": "npm", "state": "created"},
    ]
    for name in ("predict", "write"):
        assert [{key: each[key] for key in created[0]} for each in run.result(name)["outputs"]] == created
    assert {each["state"] for each in run.result("again")["outputs"]} == {"unchanged"}
    assert run.result("again")["changed"] is False
    assert run.result("refuse")["msg"].startswith(
        "outputs[npm].data.a: '$(x)' is no placeholder; there are $(username)"
    )
    assert data(cluster, argo, "charts")["url"] == f"{HOST}/charts"
    assert data(cluster, team, "npm") == {".npmrc": f"_auth={cluster.config(team)['auths'][HOST]['auth']}"}
    assert CANARY not in run.output
    listed = ansible.play({"name": "list", "kube_ecr.secrets.ecr_pull_secret_info": {"namespaces": [team, argo]}})
    found = {each["name"]: each for each in listed.result("list")["pull_secrets"]}
    assert {name: each["output"] for name, each in found.items()} == {
        "charts": "ArgoCDRepository",
        "ecr-login": None,
        "npm": "Template",
    }
    assert all(each["intact"] for each in found.values())
    ansible.play(task(absent, "remove", way))
    assert [cluster.secret(*place) for place in ((team, "ecr-login"), (argo, "charts"), (team, "npm"))] == [None] * 3
