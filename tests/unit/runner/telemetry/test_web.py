"""The port for probes and Prometheus, over real sockets."""

from __future__ import annotations

import http.client
import logging
import select
import socket
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from kube_ecr_runner.model.address import Address
from kube_ecr_runner.telemetry import web
from kube_ecr_runner.telemetry.health import LOOP_SECONDS, Health
from kube_ecr_runner.telemetry.metrics import Metrics
from kube_ecr_runner.telemetry.monitor import Monitor
from kube_ecr_runner.telemetry.web import MAX_CLIENTS, Listener, ListenError

SECONDS = 10.0


class Lab:
    """A listener whose clock is set by hand."""

    def __init__(self) -> None:
        self.now, self.port = 0.0, 0
        self.monitor = Monitor(Health(300.0, lambda: self.now), Metrics())

    def get(self, path: str, host: str = "127.0.0.1") -> tuple[int, str, str]:
        """Return status, type and text of an answer."""
        connection = http.client.HTTPConnection(host, self.port, timeout=SECONDS)
        connection.request("GET", path)
        answer = connection.getresponse()
        text = answer.read().decode()
        connection.close()
        return answer.status, answer.headers["Content-Type"], text


@pytest.fixture
def lab() -> Iterator[Lab]:
    lab = Lab()
    with Listener(Address("", 0), lab.monitor) as listener:
        lab.port = listener.address.port
        yield lab


def test_probes_say_what_is_wrong_and_the_log_says_it_once(lab: Lab, caplog: pytest.LogCaptureFixture) -> None:
    assert lab.get("/readyz") == (503, "text/plain; charset=utf-8", "the runner is starting\n")
    lab.monitor.waits_for([])
    assert lab.get("/readyz")[::2] == lab.get("/healthz")[::2] == (200, "ok\n")
    lab.now += LOOP_SECONDS + 1
    with caplog.at_level(logging.INFO, logger="kube_ecr_runner.telemetry.web"):
        for _ in range(2):
            status, _, text = lab.get("/healthz?verbose")
            assert (status, len(text.splitlines())) == (503, 1)
            assert "the work loop made no progress for 121 s; restart the runner" in text
        lab.monitor.loop_moved()
        assert lab.get("/healthz")[0] == 200
    assert [each.message for each in caplog.records] == ["unhealthy", "healthy again"]


def test_metrics_are_what_every_prometheus_reads(lab: Lab) -> None:
    status, kind, text = lab.get("/metrics")
    assert (status, kind) == (200, "text/plain; version=0.0.4; charset=utf-8")
    assert "kube_ecr_leader 1.0" in text
    assert "process_resident_memory_bytes" in text
    assert "_created" not in text


def test_other_paths_say_which_there_are(lab: Lab) -> None:
    assert lab.get("/")[::2] == (404, "there are /healthz, /readyz and /metrics\n")


def test_clients_that_say_nothing_keep_nobody_from_an_answer(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those that are too many are turned away at once, the others in the end."""
    assert web._Handler.timeout == web.CLIENT_SECONDS
    monkeypatch.setattr(web._Handler, "timeout", 0.1)
    with socket.create_connection(("127.0.0.1", lab.port), SECONDS) as slow:
        assert slow.recv(1) == b"", "it was too slow"
    monkeypatch.setattr(web._Handler, "timeout", 6 * SECONDS)
    with ExitStack() as stack:

        def connect() -> socket.socket:
            return stack.enter_context(socket.create_connection(("127.0.0.1", lab.port), SECONDS))

        for _ in range(MAX_CLIENTS - 1):
            connect()
        assert lab.get("/healthz")[0] == 200
        # The first of them, where the place of the one that was answered is not free yet.
        turned_away, _, _ = select.select([connect(), connect()], [], [], SECONDS)
        assert [each.recv(1) for each in turned_away] == [b""]


@pytest.mark.skipif(not socket.has_dualstack_ipv6(), reason="this machine knows no IPv6")
def test_an_empty_host_is_every_address_of_both_families(lab: Lab) -> None:
    assert lab.get("/healthz", "::1")[0] == lab.get("/healthz")[0] == 200


def test_port_that_is_taken_is_refused_with_what_to_set(lab: Lab) -> None:
    with pytest.raises(ListenError, match="Address already in use; set --listen-address"):
        Listener(Address("127.0.0.1", lab.port), lab.monitor)
