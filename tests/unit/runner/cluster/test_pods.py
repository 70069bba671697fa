"""The watch of pods: of those that wait for no image, nobody hears."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from queue import Queue

import pytest

from kube_ecr_runner.cluster.reflector import ChangeEvent, ListEvent, Reflector, WatchErrorLog
from kube_ecr_runner.cluster.sources import Source, pods_in
from kube_ecr_runner.model.observer import Observer
from kube_ecr_runner.model.waiting_pod import WaitingPod

SECONDS = 10.0


def pod(uid: str, reason: str = "ContainerCreating") -> dict:
    state = {"name": "c", "image": "host/app", "state": {"waiting": {"reason": reason}}}
    return {"metadata": {"namespace": "ns", "name": uid, "uid": uid}, "status": {"containerStatuses": [state]}}


def event(kind: str, *item: str) -> bytes:
    return json.dumps({"type": kind, "object": pod(*item) | {"kind": "Pod"}}).encode() + b"\n"


class Api:
    """An API server with a list and a watch; the watch ends with the test."""

    url = "https://api"

    def __init__(self, listed: list[dict], lines: list[bytes]) -> None:
        self.listed = listed
        self.lines = lines
        self.over = threading.Event()
        self.shutdown = self.close = self.over.set

    def list_pages(self, source: Source) -> Iterator[dict]:
        yield {"metadata": {"resourceVersion": "1"}, "items": self.listed}

    def open_watch(self, source: Source, version: str) -> Api:
        return self

    def stream(self, **_: object) -> Iterator[bytes]:
        yield from self.lines
        self.over.wait(SECONDS)


@pytest.fixture
def follow() -> Iterator[Callable[[list[dict], list[bytes]], Queue]]:
    started: list[Reflector] = []

    def follow(listed: list[dict], lines: list[bytes]) -> Queue:
        inbox: Queue = Queue()
        api = Api(listed, lines)
        started.append(Reflector(api, pods_in(), inbox.put, WatchErrorLog(), Observer()))  # type: ignore[arg-type]
        started[-1].start()
        return inbox

    yield follow
    for each in started:
        each.stop()


def told(inbox: Queue) -> tuple[str, bool]:
    change = inbox.get(timeout=SECONDS)
    assert isinstance(change, ChangeEvent)
    assert isinstance(change.object, WaitingPod)
    return change.object.name, change.is_gone


def test_only_what_waits_is_handed_on_and_that_it_waits_no_more(
    follow: Callable[[list[dict], list[bytes]], Queue],
) -> None:
    inbox = follow(
        [pod("starts"), pod("stuck", "ErrImagePull")],
        [
            event("ADDED", "quick"),
            event("MODIFIED", "quick"),
            event("DELETED", "quick"),
            event("MODIFIED", "starts", "ErrImagePull"),
            event("MODIFIED", "starts", "ImagePullBackOff"),
            event("MODIFIED", "stuck"),
            event("MODIFIED", "stuck"),
            # It is Pending no more, which the selector makes a deletion.
            event("DELETED", "stuck"),
            event("DELETED", "starts", "ImagePullBackOff"),
            event("ADDED", "last", "ErrImagePull"),
        ],
    )
    first = inbox.get(timeout=SECONDS)
    assert isinstance(first, ListEvent)
    assert [pod.name for pod in first.of(WaitingPod)] == ["stuck"]
    changes = [told(inbox) for _ in range(5)]
    assert changes == [("starts", False), ("starts", False), ("stuck", True), ("starts", True), ("last", False)]


def test_only_pending_pods_are_asked_for_in_small_pages() -> None:
    everywhere, one = pods_in(), pods_in("team-a")
    assert (everywhere.path, one.path) == ("/api/v1/pods", "/api/v1/namespaces/team-a/pods")
    assert {(each.selector, each.page) for each in (everywhere, one)} == {("status.phase=Pending", 100)}
    assert (everywhere.name, one.name) == ("pods", "pods in team-a")


def test_that_pods_may_not_be_read_empties_nothing() -> None:
    """An empty list would say that no pod waits any more."""
    assert not pods_in().optional
    assert "runner.watchPods=false" in pods_in().unseen


def test_sources_of_one_namespace_are_equal() -> None:
    assert pods_in("a") == pods_in("a") != pods_in("b")
    assert len({pods_in("a"), pods_in("a")}) == 1
