"""Each call of the modules to the API server counts only if what was meant comes back."""

from __future__ import annotations

import json
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from ansible_collections.kube_ecr.secrets.plugins.module_utils._cluster.client import Cluster
from ansible_collections.kube_ecr.secrets.plugins.module_utils._cluster.connection import Connection
from ansible_collections.kube_ecr.secrets.plugins.module_utils._cluster.errors import KubernetesError
from ansible_collections.kube_ecr.secrets.plugins.module_utils._contract.kinds import NAMESPACED_KIND
from tests.support.cluster.api_proxy import status

MANIFEST = {"kind": "Secret", "metadata": {"name": "login", "namespace": "a"}, "data": {"k": "new"}}
PATCH = {"imagePullSecrets": [{"name": "login"}]}
RESOURCE = {"kind": NAMESPACED_KIND, "namespace": "a", "name": "app", "uid": "u"}

CALLS: dict[str, Callable[[Cluster], Any]] = {
    "get a Secret": lambda cluster: cluster.read_object("Secret", "a", "login"),
    "get a resource": lambda cluster: cluster.read_resource(NAMESPACED_KIND, "a", "app"),
    "apply a Secret": lambda cluster: cluster.apply_secret(MANIFEST, "me", force=True, dry_run=False),
    "try to apply": lambda cluster: cluster.apply_secret(MANIFEST, "me", force=False, dry_run=True),
    "patch an account": lambda cluster: cluster.patch_object("ServiceAccount", "a", "app", PATCH, dry_run=False),
    "delete a Secret": lambda cluster: cluster.delete_secret("a", "login", "1", dry_run=False),
    "set a finalizer": lambda cluster: cluster.set_finalizer(RESOURCE, "f", is_wanted=True),
    "remove a finalizer": lambda cluster: cluster.set_finalizer(RESOURCE, "f", is_wanted=False),
    "get a token": lambda cluster: cluster.create_token("a", "app", "sts"),
    "list metadata": lambda cluster: list(cluster.list_metadata("secrets")),
    "list accounts": lambda cluster: list(cluster.list_service_accounts("a")),
    "list resources": lambda cluster: list(cluster.list_resources(NAMESPACED_KIND)),
    "list policies": lambda cluster: cluster.injecting_kinds(),
}


def answering(code: int, body: str) -> Cluster:
    """Return a cluster of which all requests are answered alike."""
    answer = SimpleNamespace(status=code, data=body.encode())
    pool = SimpleNamespace(request=lambda *_args, **_options: answer)
    return Cluster(Connection("https://api", pool, "", "", lambda: ""))


@pytest.mark.parametrize("name", list(CALLS))
@pytest.mark.parametrize(
    "body",
    [
        "<html>canary</html>",
        "",
        '{"kind": "Secret", "metadata": {"name": "lo',
        json.dumps({"kind": "ConfigMap", "metadata": {"name": "login", "namespace": "a"}}),
        json.dumps({"kind": "Secret", "metadata": {"name": "login", "namespace": "b"}, "data": {"k": "new"}}),
        json.dumps({"kind": "Secret", "metadata": {"name": "canary", "namespace": "a"}, "data": {"k": "new"}}),
        status(200, "Forbidden", "no"),
    ],
    ids=["web page", "empty", "cut short", "other kind", "other namespace", "other name", "status"],
)
def test_success_with_another_answer_is_an_error(name: str, body: str) -> None:
    for code in (200, 201):
        with pytest.raises(KubernetesError) as caught:
            CALLS[name](answering(code, body))
        assert (caught.value.status, caught.value.reason) == (0, "MalformedAnswer")
        assert "what https://api answered is " in str(caught.value)
        assert "canary" not in str(caught.value)


@pytest.mark.parametrize("name", list(CALLS))
@pytest.mark.parametrize("code", [302, 403, 404, 409, 410])
def test_what_a_proxy_says_with_a_status_tells_nothing_of_an_object(name: str, code: int) -> None:
    """With the status of the API server, some of these would be "it is not there", or "nothing to do"."""
    with pytest.raises(KubernetesError) as caught:
        CALLS[name](answering(code, "<html>canary</html>"))
    assert (caught.value.status, caught.value.reason) == (0, f"HTTP{code}")


@pytest.mark.parametrize("held", [{"k": "old"}, {}, None])
def test_a_secret_that_keeps_its_old_content_is_not_written(held: dict | None) -> None:
    with pytest.raises(KubernetesError, match="does not hold what was written to data; "):
        CALLS["apply a Secret"](answering(200, json.dumps(MANIFEST | {"data": held})))
    assert not CALLS["apply a Secret"](answering(200, json.dumps(MANIFEST)))
    assert CALLS["apply a Secret"](answering(201, json.dumps(MANIFEST)))
