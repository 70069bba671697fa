"""An API server in trouble: the runner says so once, loses nothing, and goes on by itself when it is over."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest

from tests.support.aws.endpoint import AWSEndpoint, Principal
from tests.support.cluster.api_proxy import Answer, APIProxy, How, status
from tests.support.cluster.objects import NAMESPACED, Cluster, condition, pull_secret
from tests.support.harness.runner import Runner

Start = Callable[..., Runner]
# As long as a watch is dead before it is opened anew: by then the fault is seen.
SILENCE = ("--watch-silence", "1")
PORTAL = Answer(200, "<html>please log in</html>", {"Content-Type": "text/html"})
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
    Fault("portal", lambda proxy: proxy.fault(PORTAL), "answered is a web page"),
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


def told(runner: Runner, cause: str) -> int:
    """Return how often the log says of watches that they fail for a cause. A run that fails for it says so, too."""
    return sum(" watch failed, " in line and cause in line for line in runner.log.splitlines())


def is_healthy(runner: Runner) -> bool:
    return runner.process is not None and runner.process.poll() is None and runner.ask("/healthz")[0] == 200


@pytest.mark.slow
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
        before_it, asked = told(runner, fault.cause), proxy.count("GET", "watch=true")
        fault.begin(proxy)
        cluster.create(pull_secret(fault.name, principal, namespace=own, secret_name=fault.name))
        if fault.cause:
            seen = partial(lambda cause, least: told(runner, cause) > least, fault.cause, before_it)
        else:
            seen = partial(lambda least: proxy.count("GET", "watch=true") > least, asked + 4)
        cluster.wait(seen, f"{fault.name} is seen")
        assert is_healthy(runner), fault.name
        proxy.delay = 0.0
        proxy.heal()
        proxy.start()
        cluster.wait_ready(NAMESPACED, fault.name, own)
        # Watches of what resources name tell for themselves.
        assert not fault.cause or told(runner, fault.cause) <= before_it + 2, fault.name

    assert runner.log.count(" started ") == 1
    # The last resource may be served before all watches are back.
    cluster.wait(
        lambda: runner.log.rindex("watch recovered") > runner.log.rindex("watch failed"), "all watches are back"
    )
    assert cluster.secret(own, "first") == before
    assert proxy.count("DELETE", "") == 0


def failing(cluster: Cluster, namespace: str) -> str:
    """Return why the resource of a namespace fails."""
    return condition(cluster.resource(NAMESPACED, "app", namespace), "RefreshFailing").get("reason", "")


@pytest.mark.slow
def test_writes_that_are_not_answered_or_conflict_are_made_good(
    cluster: Cluster, aws: AWSEndpoint, proxy: APIProxy, start: Start
) -> None:
    """Six resources, each with a trouble of its own: a Secret and a status that are written, but nobody says so, a
    Secret and a status that somebody else writes all the time, and two of which a portal says 200, and nothing of it is
    true."""
    lost_secret, lost_status, held_secret, held_status, taken_secret, taken_status = cluster.namespaces(*"abcdef")
    conflict = Answer(409, status(409, "Conflict", "the object has been modified"))

    def secret_in(namespace: str) -> str:
        return f"/namespaces/{namespace}/secrets/"

    def status_in(namespace: str) -> str:
        return f"/namespaces/{namespace}/.*/status"

    runner = start(K8S_AUTH_KUBECONFIG=str(proxy.kubeconfig))
    cluster.wait(runner.is_watching, "it watches")
    proxy.fault(How.UNANSWERED, "PATCH", secret_in(lost_secret), times=1)
    proxy.fault(How.UNANSWERED, "PATCH", status_in(lost_status), times=1)
    proxy.fault(conflict, "PATCH", secret_in(held_secret))
    proxy.fault(conflict, "PATCH", status_in(held_status))
    proxy.fault(PORTAL, "PATCH", secret_in(taken_secret))
    proxy.fault(PORTAL, "PATCH", status_in(taken_status))
    places = (lost_secret, lost_status, held_secret, held_status, taken_secret, taken_status)
    callers = {name: aws.principal() for name in places}
    for name, caller in callers.items():
        cluster.create(pull_secret("app", caller, namespace=name))

    cluster.wait(lambda: proxy.count("PATCH", secret_in(lost_secret)) > 1, "the Secret is written again")
    cluster.wait(lambda: proxy.count("PATCH", status_in(lost_status)) > 1, "the status is written again")
    cluster.wait(lambda: failing(cluster, held_secret) == "Conflict", "the conflict is told")
    cluster.wait(lambda: "has been modified" in runner.log, "and so is that of a status, in the log")
    cluster.wait(lambda: failing(cluster, taken_secret) == "MalformedAnswer", "that nothing was written is told")
    cluster.wait(lambda: "answered is a web page" in runner.log, "of a status, too")
    assert cluster.secret(held_secret) is None
    assert cluster.secret(taken_secret) is None
    assert not cluster.resource(NAMESPACED, "app", taken_status).get("status")
    assert cluster.secret(held_status)
    assert proxy.count("PATCH", secret_in(held_secret)) <= 8, "four attempts a run"
    assert is_healthy(runner)
    proxy.heal()
    for name in callers:
        cluster.wait_ready(NAMESPACED, "app", name)
        assert cluster.secret(name)
    asked = [call.access_key for call in aws.calls]
    for name in (lost_secret, lost_status, held_status):
        assert asked.count(callers[name].access_key) == 1
    assert proxy.count("DELETE", "") == 0


@pytest.mark.slow
def test_a_token_that_is_rotated_is_read_and_a_refusal_passes(
    cluster: Cluster, principal: Principal, proxy: APIProxy, start: Start, tmp_path: Path
) -> None:
    """It ends in a newline, and its file is empty while it is written."""
    (own,) = cluster.namespaces("own")
    config = json.loads(proxy.kubeconfig.read_text())
    config["users"][0]["user"] = {"tokenFile": "token"}
    kubeconfig, token = tmp_path / "kubeconfig", tmp_path / "token"
    kubeconfig.write_text(json.dumps(config))
    token.write_text("one\n")
    proxy.token = "one"
    runner = start(*SILENCE, K8S_AUTH_KUBECONFIG=str(kubeconfig))
    cluster.create(pull_secret("first", principal, namespace=own, secret_name="first"))
    cluster.wait_ready(NAMESPACED, "first", own)

    proxy.token = "two"
    token.write_text("two")
    cluster.create(pull_secret("second", principal, namespace=own, secret_name="second"))
    cluster.wait_ready(NAMESPACED, "second", own)
    assert "watch failed" not in runner.log

    proxy.token = "three"
    token.write_text("")
    cluster.create(pull_secret("third", principal, namespace=own, secret_name="third"))
    cluster.wait(lambda: "cause=Unauthorized" in runner.log, "the cause is told")
    assert is_healthy(runner)
    token.write_text("three\n\n")
    cluster.wait_ready(NAMESPACED, "third", own)
    assert runner.log.count("cause=Unauthorized") <= 2


@pytest.mark.slow
def test_what_happened_while_the_api_server_was_restarted_and_etcd_compacted_is_found(
    cluster: Cluster, principal: Principal, proxy: APIProxy, start: Start
) -> None:
    """No watch can go on from where it was."""
    (own,) = cluster.namespaces("own")
    cluster.create(pull_secret("app", principal, namespace=own))
    runner = start(*SILENCE, K8S_AUTH_KUBECONFIG=str(proxy.kubeconfig))
    cluster.wait_ready(NAMESPACED, "app", own)
    proxy.stop()
    cluster.core.delete_namespaced_secret("ecr-login", own)
    cluster.plane.restart_api_server()
    proxy.start()
    cluster.wait(lambda: cluster.secret(own), "it is put back")
    assert is_healthy(runner)


@pytest.mark.slow
def test_what_watches_keep_back_is_seen_in_lists(
    cluster: Cluster, principal: Principal, proxy: APIProxy, start: Start
) -> None:
    """All watches are accepted and then silent, from the start; then they bring bookmarks alone; then those of Secrets
    are refused."""
    (own,) = cluster.namespaces("own")
    proxy.fault(How.SILENCE, "GET", "watch=true")
    runner = start(*SILENCE, K8S_AUTH_KUBECONFIG=str(proxy.kubeconfig))
    cluster.wait(runner.is_watching, "it watches")
    cluster.create(pull_secret("first", principal, namespace=own, secret_name="first"))
    cluster.wait_ready(NAMESPACED, "first", own)
    cluster.core.delete_namespaced_secret("first", own)
    cluster.wait(lambda: cluster.secret(own, "first"), "it is put back")
    cause = "a list shows changes that the watch did not tell"
    assert not told(runner, cause), "no bookmark was overdue"

    proxy.heal()
    proxy.fault(How.BOOKMARKS, "GET", "watch=true")
    cluster.core.delete_namespaced_secret("first", own)
    cluster.wait(lambda: cluster.secret(own, "first"), "it is put back")
    cluster.wait(lambda: told(runner, cause), "the cause is told")

    proxy.heal()
    proxy.fault(Answer(503, status(503, "ServiceUnavailable", "no watch")), "GET", "/secrets.*watch=true")
    cluster.create(pull_secret("second", principal, namespace=own, secret_name="second"))
    cluster.wait_ready(NAMESPACED, "second", own)
    cluster.core.delete_namespaced_secret("second", own)
    cluster.wait(lambda: cluster.secret(own, "second"), "it is put back, though no watch ever told of it")
    assert is_healthy(runner)
