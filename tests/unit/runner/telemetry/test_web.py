"""The port for probes and Prometheus, over real sockets."""

from __future__ import annotations

import http.client
import logging
import select
import socket
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing
from types import MappingProxyType

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from kube_ecr_runner.model.address import Address
from kube_ecr_runner.model.observer import Part
from kube_ecr_runner.telemetry import pages, web
from kube_ecr_runner.telemetry.application import Application
from kube_ecr_runner.telemetry.health import LOOP_SECONDS, Health
from kube_ecr_runner.telemetry.metrics import Metrics
from kube_ecr_runner.telemetry.monitor import Monitor
from kube_ecr_runner.telemetry.pages import Probes, metrics_pages
from kube_ecr_runner.telemetry.web import MAX_CLIENTS, Listener, ListenError
from tests.unit.runner.telemetry.slow_client import is_cut_off

SECONDS = 10.0


class Lab:
    """A listener whose clock is set by hand."""

    def __init__(self) -> None:
        self.now, self.port = 0.0, 0
        self.monitor = Monitor(Health(300.0, lambda: self.now), Metrics())

    def get(
        self, path: str, host: str = "127.0.0.1", method: str = "GET", headers: Mapping[str, str] = MappingProxyType({})
    ) -> tuple[int, str, str]:
        """Return status, type and text of an answer."""
        answer = self._answer(path, host, method, headers)
        return answer.status, answer.headers["Content-Type"], answer.read().decode()

    def headers(self, path: str) -> Mapping[str, str]:
        """Return the headers of an answer."""
        return self._answer(path, "127.0.0.1", "GET", {}).headers

    def _answer(self, path: str, host: str, method: str, headers: Mapping[str, str]) -> http.client.HTTPResponse:
        with closing(http.client.HTTPConnection(host, self.port, timeout=SECONDS)) as connection:
            connection.request(method, path, headers=headers)
            return connection.getresponse()


@pytest.fixture
def lab(monkeypatch: pytest.MonkeyPatch) -> Iterator[Lab]:
    monkeypatch.setattr(pages, "PATIENCE_SECONDS", 0.0)
    lab = Lab()
    application = Application({**Probes(lab.monitor.health).pages(), **metrics_pages(lab.monitor.metrics)})
    with Listener(Address("", 0), application, "") as listener:
        lab.port = listener.address.port
        yield lab


def test_a_probe_waits_for_a_runner_that_starts(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """A probe that fails is a Warning event, and none of these is anybody's concern."""
    monkeypatch.setattr(pages, "PATIENCE_SECONDS", SECONDS)
    timer = threading.Timer(0.2, lab.monitor.waits_for, [[]])
    timer.start()
    assert lab.get("/readyz")[::2] == (200, "ok\n")
    timer.join()
    monkeypatch.setattr(pages, "START_SECONDS", 0.0)
    lab.monitor.part_works(Part.RUNS, "no collection")
    assert lab.get("/readyz")[::2] == (503, "no collection\n"), "later it is told at once"


def test_probes_say_what_is_wrong_and_the_log_says_it_once(lab: Lab, caplog: pytest.LogCaptureFixture) -> None:
    assert lab.get("/readyz") == (503, "text/plain; charset=utf-8", "the runner is starting\n")
    lab.monitor.waits_for([])
    assert lab.get("/readyz")[::2] == lab.get("/healthz")[::2] == (200, "ok\n")
    lab.now += LOOP_SECONDS + 1
    with caplog.at_level(logging.INFO, logger="kube_ecr_runner.telemetry.pages"):
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


def test_nothing_but_get_is_answered(lab: Lab) -> None:
    for path in ("/healthz", "/metrics"):
        assert lab.get(path, method="POST")[::2] == (405, "use GET\n")


def test_prometheus_gets_the_format_that_it_asks_for(lab: Lab) -> None:
    asked = "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.3"
    status, kind, text = lab.get("/metrics", headers={"Accept": asked})
    assert status == 200
    assert kind.startswith("application/openmetrics-text; version=1.0.0; charset=utf-8")
    names = {family.name for family in text_string_to_metric_families(text)}
    assert {"kube_ecr_leader", "kube_ecr_runs", "process_cpu_seconds"} <= names


def test_answers_tell_no_version_of_what_made_them(lab: Lab) -> None:
    for path in ("/healthz", "/metrics", "/"):
        assert lab.headers(path)["Server"] == "kube-ecr-runner"


def test_an_error_is_told_by_its_type_alone(
    lab: Lab, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    def fail() -> list[str]:
        raise KeyError("canary")

    monkeypatch.setattr(lab.monitor.health, "unready_causes", fail)
    assert lab.get("/readyz")[::2] == (500, "internal error, see the log\n")
    (record,) = caplog.records
    assert (record.message, record.fields) == ("could not answer a probe; please report it", {"cause": "KeyError"})
    assert "canary" not in caplog.text + "".join(capfd.readouterr())


def test_client_that_does_not_read_is_left_without_a_word(
    lab: Lab, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(web._Handler, "timeout", 0.1)
    monkeypatch.setattr(lab.monitor.health, "unready_causes", lambda: ["canary" * 4_000_000])
    with socket.create_connection(("127.0.0.1", lab.port), SECONDS) as client:
        client.sendall(b"GET /readyz HTTP/1.0\r\n\r\n")
        assert client.recv(1), "the answer begins"
        deadline = time.monotonic() + SECONDS
        while any("process_request_thread" in thread.name for thread in threading.enumerate()):
            assert time.monotonic() < deadline, "it is waited for"
            time.sleep(0.01)
    assert caplog.text + "".join(capfd.readouterr()) == ""


def test_clients_that_say_nothing_keep_nobody_from_an_answer(
    lab: Lab, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Where there are too many, the oldest has to go; the others in the end."""
    assert web._Handler.timeout == web.CLIENT_SECONDS
    monkeypatch.setattr(web._Handler, "timeout", 0.1)
    with socket.create_connection(("127.0.0.1", lab.port), SECONDS) as slow:
        assert slow.recv(1) == b"", "it was too slow"
    assert caplog.text == "", "which is nobody's concern"
    monkeypatch.setattr(web._Handler, "timeout", 6 * SECONDS)
    with ExitStack() as stack:

        def connect() -> socket.socket:
            return stack.enter_context(socket.create_connection(("127.0.0.1", lab.port), SECONDS))

        oldest, *others = [connect() for _ in range(MAX_CLIENTS)]
        assert lab.get("/healthz")[0] == 200
        assert oldest.recv(1) == b""
        assert select.select(others, [], [], 0)[0] == [], "there is place for these"


def test_a_client_that_sends_a_byte_now_and_then_gets_no_more_time(
    lab: Lab, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    assert web.REQUEST_SECONDS > web.CLIENT_SECONDS > pages.PATIENCE_SECONDS
    monkeypatch.setattr(web, "REQUEST_SECONDS", 0.3)
    with socket.create_connection(("127.0.0.1", lab.port), SECONDS) as client:
        assert is_cut_off(client, SECONDS)
    assert caplog.text == "", "which is nobody's concern"


@pytest.mark.skipif(not socket.has_dualstack_ipv6(), reason="this machine knows no IPv6")
def test_an_empty_host_is_every_address_of_both_families(lab: Lab) -> None:
    assert lab.get("/healthz", "::1")[0] == lab.get("/healthz")[0] == 200


def test_port_that_is_taken_is_refused_with_what_to_set(lab: Lab) -> None:
    with pytest.raises(ListenError, match="Address already in use; set another one"):
        Listener(
            Address("127.0.0.1", lab.port), Application({"/": metrics_pages(Metrics())["/metrics"]}), "set another one"
        )
