"""An API server in trouble: the runner says so once, loses nothing, and goes on by itself when it is over."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import pytest

from tests.support.apiproxy import Answer, APIProxy, How, status
from tests.support.awsendpoint import Principal
from tests.support.cluster import NAMESPACED, Cluster, pull_secret
from tests.support.runner import Runner

Start = Callable[..., Runner]
# As long as a watch is dead before it is opened anew: by then the fault is seen.
SILENCE = ("--watch-silence", "1")
EXPIRED = "too old resource version: 1"
OVERLOADED = status(429, "TooManyRequests", "the server has received too many requests, please try again later")


def _in_stream(message: str) -> str:
    return json.dumps({"type": "ERROR", "object": json.loads(status(410, "Expired", message))}) + "\n"


@dataclass(frozen=True)
class Fault:
    """What happens to the API server, and what the log then says of the cause; nothing where nobody need know."""

    name: str
    begin: Callable[[APIProxy], None]
    cause: str = ""


def _answer(code: int, body: str, path: str = "", **headers: str) -> Callable[[APIProxy], None]:
    sent = Answer(code, body, {name.replace("_", "-"): value for name, value in headers.items()})
    return lambda proxy: proxy.fault(sent, path=path)


FAULTS = (
    Fault("forgotten", _answer(410, status(410, "Expired", f"{EXPIRED} (2)"), "watch=true"), f"{EXPIRED} (2)"),
    Fault("forgotten-in-stream", _answer(200, _in_stream(f"{EXPIRED} (3)"), "watch=true"), f"{EXPIRED} (3)"),
    Fault("ended-at-once", _answer(200, "", "watch=true"), "ends each watch at once"),
    Fault("overloaded", _answer(429, OVERLOADED, Retry_After="3600"), "too many requests"),
    Fault("broken", _answer(500, "panic", Content_Type="text/plain"), "HTTP status 500"),
    Fault("reset", lambda proxy: proxy.fault(How.RESET), "no connection to the API server"),
    Fault("gone", APIProxy.stop, "no connection to the API server"),
    Fault("black-hole", lambda proxy: proxy.fault(How.SILENCE, "GET", "watch=true")),
    Fault("slow", lambda proxy: setattr(proxy, "delay", 0.3)),
)


@pytest.fixture
def down(cluster: Cluster) -> Iterator[None]:
    """An aggregated API that nobody serves: who asks the API server for all that it serves gets an error."""
    spec = {"group": "down.example.com", "version": "v1", "groupPriorityMinimum": 100, "versionPriority": 100}
    kind = {"apiVersion": "apiregistration.k8s.io/v1", "kind": "APIService"}
    service = {"service": {"name": "nowhere", "namespace": "default"}}
    manifest = {**kind, "metadata": {"name": "v1.down.example.com"}, "spec": {**spec, **service}}
    cluster.kubectl("create", "-f", "-", stdin=json.dumps(manifest))
    yield
    cluster.kubectl("delete", "apiservice", "v1.down.example.com")


def is_healthy(runner: Runner) -> bool:
    return runner.process is not None and runner.process.poll() is None and runner.ask("/healthz")[0] == 200


@pytest.mark.usefixtures("down")
def test_of_each_fault_the_cause_is_told_once_and_all_is_served_after_it(
    cluster: Cluster, principal: Principal, proxy: APIProxy, start: Start
) -> None:
    """One runner, one fault after the other, and a resource that is made meanwhile."""
    (own,) = cluster.namespaces("own")
    cluster.create(pull_secret("first", principal, namespace=own, secret_name="first"))
    runner = start(*SILENCE, K8S_AUTH_KUBECONFIG=str(proxy.kubeconfig))
    cluster.wait_ready(NAMESPACED, "first", own)
    before = cluster.secret(own, "first")

    for fault in FAULTS:
        told, asked = runner.log.count(fault.cause), proxy.count("GET", "watch=true")
        fault.begin(proxy)
        cluster.create(pull_secret(fault.name, principal, namespace=own, secret_name=fault.name))
        if fault.cause:
            seen = partial(lambda text, least: runner.log.count(text) > least, fault.cause, told)
        else:
            seen = partial(lambda least: proxy.count("GET", "watch=true") > least, asked + 4)
        cluster.wait(seen, f"{fault.name} is seen")
        assert is_healthy(runner), fault.name
        proxy.delay = 0.0
        proxy.heal()
        proxy.start()
        cluster.wait_ready(NAMESPACED, fault.name, own)
        # Watches of what resources name tell for themselves.
        assert not fault.cause or runner.log.count(fault.cause) <= told + 2, fault.name

    assert runner.log.count(" started ") == 1
    assert runner.log.rindex("watching again") > runner.log.rindex("cannot watch")
    assert cluster.secret(own, "first") == before
    assert proxy.count("DELETE", "") == 0
