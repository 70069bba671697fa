"""Whatever the libraries raise on the way to the API server: a message with object, cause and remedy, never a bug."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from kube_ecr_runner.cluster import connection, kubeconfig
from kube_ecr_runner.cluster.client import Cluster
from kube_ecr_runner.cluster.connection import Access
from kube_ecr_runner.cluster.errors import KubernetesError, NoClusterError
from kube_ecr_runner.cluster.leader_election import Identity, Leadership, Terms
from kube_ecr_runner.cluster.sources import NAMESPACES
from tests.support.cluster.kubeconfig import kubeconfig_of
from tests.support.cluster.pod import Pod
from tests.support.library_errors import CANARY, check_text, classes, instance, raising

URL = "https://api.example.com"
CLASSES = pytest.mark.parametrize("kind", classes(), ids=lambda kind: f"{kind.__module__}.{kind.__name__}")


def unusable(kind: type[Exception]) -> Cluster:
    pool: Any = SimpleNamespace(request=raising(instance(kind)))
    return Cluster(Access(URL, pool, "the file ca.crt", "", lambda: "Bearer x"), silence=1)


@CLASSES
def test_a_request(kind: type[Exception]) -> None:
    """Of a list, of a watch and of the Lease."""
    cluster = unusable(kind)
    calls: tuple[Callable[[], object], ...] = (
        lambda: list(cluster.list_pages(NAMESPACES)),
        lambda: cluster.open_watch(NAMESPACES, "1"),
        cluster.lease("a", "lead", None).read,
    )
    for call in calls:
        with pytest.raises(KubernetesError) as caught:
            call()
        assert caught.value.status == 0
        check_text(str(caught.value), URL, "the proxy", "the bearer token")


@CLASSES
def test_an_election(kind: type[Exception], caplog: pytest.LogCaptureFixture) -> None:
    """It goes on, and says why it has to wait."""
    attempts: list[float] = []
    leadership = Leadership(
        unusable(kind).lease("a", "lead", None), Identity("here", "1"), lambda _: None, Terms(11, 7, 2, 1)
    )
    assert not leadership.acquire(lambda seconds: not attempts.append(seconds) and len(attempts) < 2)
    assert len(attempts) == 2
    (record,) = caplog.records
    check_text(str(record.fields["cause"]), URL, "the proxy", "the bearer token")  # type: ignore[attr-defined]


@CLASSES
@pytest.mark.parametrize("place", ["KubeConfigMerger", "_Loader", "RESTClientObject"])
def test_a_kubeconfig(place: str, kind: type[Exception], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    path = kubeconfig_of(tmp_path, {"token": CANARY})
    owner = kubeconfig.kube_config if place == "KubeConfigMerger" else kubeconfig
    monkeypatch.setattr(owner, place, raising(instance(kind)))
    with pytest.raises(NoClusterError) as caught:
        kubeconfig.load(str(path), None)
    check_text(str(caught.value), str(path))


@CLASSES
def test_a_pod(kind: type[Exception], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    pod = Pod(tmp_path, monkeypatch)
    pod.token.write_text(CANARY)
    pod.ca.write_text("a CA")
    pod.reach(URL)
    monkeypatch.setattr(connection, "tls_context", raising(instance(kind)))
    with pytest.raises(NoClusterError) as caught:
        connection.of_pod()
    assert any(each in str(caught.value) for each in ("the CA", "the proxy"))
    assert CANARY not in str(caught.value)
