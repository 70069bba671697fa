"""Each call of the runner to the API server counts only if what was meant comes back."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest

from kube_ecr_runner.cluster.client import Cluster
from kube_ecr_runner.cluster.connection import Access
from kube_ecr_runner.cluster.errors import KubernetesError
from kube_ecr_runner.cluster.sources import NAMESPACES, objects_named, resources_of
from kube_ecr_runner.contract.kinds import NAMESPACED_KIND
from kube_ecr_runner.model.event import Event
from kube_ecr_runner.model.resource import Key, Resource
from kube_ecr_runner.model.waiting_pod import WaitingPod

RESOURCE, NOW = Resource(Key(NAMESPACED_KIND, "a", "app"), "u", 1), datetime(2026, 1, 31, tzinfo=UTC)
EVENT = Event("Normal", "X", "x")
STATUS = {"conditions": [{"type": "Ready", "status": "True"}], "expiresAt": None, "registries": []}
LEASE = {"holderIdentity": "me", "renewTime": "2026-01-31T00:00:00.000000Z"}

CALLS: dict[str, Callable[[Cluster], Any]] = {
    "list resources": lambda cluster: list(cluster.list_pages(resources_of(NAMESPACED_KIND, "a"))),
    "list namespaces": lambda cluster: list(cluster.list_pages(NAMESPACES)),
    "list Secrets": lambda cluster: list(cluster.list_pages(objects_named("Secret", "keys"))),
    "write a status": lambda cluster: cluster.apply_status(RESOURCE, STATUS),
    "write an event": lambda cluster: cluster.create_event(RESOURCE, EVENT, NOW),
    "count an event": lambda cluster: cluster.repeat_event(RESOURCE, "e", 2, NOW),
    "evict a pod": lambda cluster: cluster.evict_pod(WaitingPod("a", "app-x", "p", "12")),
    "read the Lease": lambda cluster: cluster.lease("a", "lead", None).read(),
    "make the Lease": lambda cluster: cluster.lease("a", "lead", None).write({}, LEASE),
    "renew the Lease": lambda cluster: cluster.lease("a", "lead", None).write({"uid": "l"}, LEASE),
}


def answering(code: int, found: object) -> Cluster:
    """Return a cluster of which all requests are answered alike."""
    body = found if isinstance(found, str) else json.dumps(found)
    answer = SimpleNamespace(status=code, data=body.encode())
    pool: Any = SimpleNamespace(request=lambda *_args, **_options: answer)
    return Cluster(Access("https://api", pool, "", "", lambda: ""), silence=1)


@pytest.mark.parametrize("name", list(CALLS))
@pytest.mark.parametrize(
    "found",
    [
        "<html>canary</html>",
        "",
        '{"kind": "Lease", "metadata": {"name": "le',
        {"kind": "Lease", "metadata": {"name": "lead", "namespace": "b"}, "spec": LEASE},
        {"kind": "Status", "status": "Failure", "code": 200, "message": "no", "metadata": {}},
    ],
    ids=["web page", "empty", "cut short", "other object", "status"],
)
def test_success_with_another_answer_is_an_error(name: str, found: object) -> None:
    for code in (200, 201):
        with pytest.raises(KubernetesError) as caught:
            CALLS[name](answering(code, found))
        assert (caught.value.status, caught.value.reason) == (0, "MalformedAnswer")
        assert caught.value.text.startswith("what https://api answered is ")
        assert "canary" not in str(caught.value)


@pytest.mark.parametrize("name", list(CALLS))
@pytest.mark.parametrize("code", [302, 403, 404, 409, 410, 429])
def test_what_a_proxy_says_with_a_status_tells_nothing_of_an_object(name: str, code: int) -> None:
    """With the status of the API server, some of these would be "it is not there", or "nothing to do"."""
    with pytest.raises(KubernetesError) as caught:
        CALLS[name](answering(code, "<html>canary</html>"))
    assert (caught.value.status, caught.value.reason) == (0, f"HTTP{code}")


@pytest.mark.parametrize(
    ("name", "uid", "content", "lack"),
    [
        ("write a status", "v", {"status": STATUS}, "is of another UID"),
        ("write a status", "u", {"status": {"conditions": []}}, "does not hold what was written to status"),
        ("renew the Lease", "m", {"spec": LEASE}, "is of another UID"),
        ("renew the Lease", "l", {"spec": LEASE | {"renewTime": ""}}, "does not hold what was written to spec"),
        ("make the Lease", "l", {"spec": LEASE | {"holderIdentity": "you"}}, "does not hold what was written to spec"),
    ],
)
def test_a_write_counts_if_the_answer_holds_it(name: str, uid: str, content: dict, lack: str) -> None:
    kind, object_name = (NAMESPACED_KIND, "app") if "status" in content else ("Lease", "lead")
    answer = {"kind": kind, "metadata": {"name": object_name, "namespace": "a", "uid": uid}} | content
    with pytest.raises(KubernetesError, match=lack):
        CALLS[name](answering(200, answer))
