"""What is written of settlements, when the API server takes it, when it does not, and when it does again."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

import pytest

from kube_ecr_runner.cluster.errors import KubernetesError
from kube_ecr_runner.contract.kinds import CLUSTER_KIND, NAMESPACED_KIND
from kube_ecr_runner.controller.settlement import Settlement
from kube_ecr_runner.controller.status_writer import RETRY_DELAY, Outage, StatusWriter
from kube_ecr_runner.model.event import Event
from kube_ecr_runner.model.resource import Key, Resource
from kube_ecr_runner.reporting.log_line import LogLine

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)
A, B = (Resource(Key(NAMESPACED_KIND, "ns", name), f"uid-{name}", 1) for name in "ab")
STATUS = {"observedGeneration": 1}
EVENT = Event("Normal", "Happened", "it did")
DOWN = KubernetesError("write", 0, "Unreachable", "no connection")
FORBIDDEN = KubernetesError("write", 403, "Forbidden", "may not")


def trouble(status: int) -> KubernetesError:
    return KubernetesError("write", status, "X", f"status {status}")


@dataclass
class Api:
    """Takes what is written, or raises an error."""

    error: KubernetesError | None = None
    now: datetime = NOW
    calls: list[str] = field(default_factory=list)
    counts: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.writer = StatusWriter(self, {NAMESPACED_KIND}, lambda: self.calls.append("progress"), lambda: self.now)

    def _note(self, call: str) -> None:
        self.calls.append(call)
        if self.error:
            raise self.error

    def apply_status(self, resource: Resource, status: Mapping) -> bool:
        self._note(f"status of {resource.key.name}: {status.get('observedGeneration')}")
        return True

    def create_event(self, resource: Resource, event: Event, now: datetime) -> str:
        assert now == self.now
        self._note(f"event of {resource.key.name}: {event.reason}")
        return "name"

    def repeat_event(self, resource: Resource, name: str, count: int, now: datetime) -> bool:
        assert (resource, now) == (A, self.now)
        self.counts.append(count)
        return True

    @property
    def written(self) -> list[str]:
        """What was tried to write."""
        return [call for call in self.calls if call != "progress"]

    def publish(self, *resources: Resource, status: Mapping = STATUS) -> None:
        for resource in resources:
            self.writer.publish(resource, status, self.now)

    def retry(self, *resources: Resource, seconds: float) -> None:
        """Let time pass; resources have the status that was to be written."""
        self.now += timedelta(seconds=seconds)
        self.writer.retry([replace(resource, status=STATUS) for resource in resources], self.now)


def test_settlement_is_written_status_first_then_line_then_events(caplog: pytest.LogCaptureFixture) -> None:
    """Whoever reads the line and then asks the API server finds the same."""
    api = Api()
    logged: list[int] = []
    line = LogLine(logging.INFO, "refreshed", {"next": "N"})
    with caplog.at_level(logging.INFO, logger="kube_ecr_runner"):
        caplog.handler.addFilter(lambda _: not logged.append(len(api.written)))
        api.writer.carry_out(A, Settlement(NOW, 0, STATUS, (EVENT,), line), "run-1", NOW)
    assert api.written == ["status of a: 1", "event of a: Happened"]
    assert logged == [1]
    (record,) = caplog.records
    assert (record.message, record.fields) == (  # type: ignore[attr-defined]
        "refreshed",
        {"resource": A.key, "run": "run-1", "next": "N"},
    )


def test_settlement_that_says_nothing_writes_nothing(caplog: pytest.LogCaptureFixture) -> None:
    api = Api()
    api.writer.carry_out(A, Settlement(NOW, 0), "run-1", NOW)
    assert (api.calls, caplog.records) == ([], [])


def test_status_that_is_there_is_not_written_again() -> None:
    api = Api()
    api.publish(replace(A, status=STATUS))
    api.publish(replace(A, status=STATUS), status={"observedGeneration": 2})
    assert api.written == ["status of a: 2"]


def test_kind_whose_status_is_not_managed_gets_neither_status_nor_event() -> None:
    api = Api(error=DOWN)
    other = Resource(Key(CLUSTER_KIND, "", "shared"), "u", 1)
    api.writer.carry_out(other, Settlement(NOW, 0, STATUS, (EVENT,)), "run-1", NOW)
    api.retry(other, seconds=60)
    assert (api.calls, api.writer.retry_at) == ([], None)


def test_progress_is_shown_before_each_write() -> None:
    """A write may take its time, and a loop that shows no life is restarted."""
    api = Api()
    api.publish(A, B)
    api.writer.write_events(A, [EVENT], NOW)
    assert api.calls[::2] == ["progress"] * 3
    assert len(api.calls) == 6


def test_event_that_is_told_again_is_counted_until_its_resource_is_gone() -> None:
    api = Api()
    for _ in range(3):
        api.writer.write_events(A, [EVENT], api.now)
        api.now += timedelta(minutes=2)
    assert (api.written, api.counts) == (["event of a: Happened"], [2, 3])
    api.writer.forget(A.key)
    api.writer.write_events(A, [EVENT], api.now)
    assert len(api.written) == 2


def test_status_that_could_not_be_written_is_written_later_as_it_is_then() -> None:
    api = Api(error=DOWN)
    api.publish(A, status={"observedGeneration": 0})
    assert api.writer.retry_at == NOW + RETRY_DELAY
    api.error = None
    api.retry(A, B, seconds=9)
    assert len(api.written) == 1
    api.retry(A, B, seconds=1)
    assert api.written[1:] == ["status of a: 1"]
    assert api.writer.retry_at is None
    api.retry(A, B, seconds=60)
    assert len(api.written) == 2


def test_that_not_one_status_can_be_written_is_told_of_with_the_cause() -> None:
    api = Api(error=FORBIDDEN)
    assert api.writer.trouble(0) == ""
    api.publish(A)
    assert (api.writer.trouble(1), api.writer.trouble(2)) == (str(FORBIDDEN), "")
    api.publish(B)
    assert api.writer.trouble(2) == str(FORBIDDEN)
    api.error = None
    api.retry(A, B, seconds=10)
    assert api.writer.trouble(2) == ""


def test_status_that_could_not_be_written_is_written_even_if_it_is_the_same_again() -> None:
    api = Api(error=FORBIDDEN)
    api.publish(A)
    assert api.writer.retry_at == NOW + RETRY_DELAY
    api.error = None
    api.publish(replace(A, status=STATUS))
    assert len(api.written) == 2
    api.publish(replace(A, status=STATUS))
    assert len(api.written) == 2


def test_status_of_a_resource_that_is_gone_is_not_written_later() -> None:
    api = Api(error=DOWN)
    api.publish(A)
    api.error = None
    api.writer.forget(A.key)
    api.retry(A, seconds=60)
    assert len(api.written) == 1


def test_status_that_fails_again_is_written_after_another_delay() -> None:
    api = Api(error=DOWN)
    api.publish(A)
    api.retry(A, seconds=15)
    assert (len(api.written), api.writer.retry_at) == (2, NOW + timedelta(seconds=15) + RETRY_DELAY)


@pytest.mark.parametrize(("status", "attempts"), [(0, 1), (429, 1), (500, 1), (503, 1), (403, 4), (409, 4), (499, 4)])
def test_while_the_api_server_is_down_one_attempt_must_do(status: int, attempts: int) -> None:
    api = Api(error=trouble(status))
    api.publish(A, B)
    api.writer.write_events(A, [EVENT], NOW)
    api.writer.write_events(B, [EVENT], NOW)
    assert len(api.written) == attempts
    api.error = None
    api.retry(A, B, seconds=10)
    assert api.written[attempts:] == ["status of a: 1", "status of b: 1"]


def test_event_that_meets_an_outage_has_the_api_server_asked_again_later() -> None:
    api = Api(error=DOWN)
    api.writer.write_events(A, [EVENT], NOW)
    assert api.writer.retry_at == NOW + RETRY_DELAY
    api.error = None
    api.retry(A, seconds=10)
    api.publish(B)
    assert api.written[1:] == ["status of b: 1"]


def test_event_that_is_refused_is_not_waited_for() -> None:
    api = Api(error=FORBIDDEN)
    api.writer.write_events(A, [EVENT], NOW)
    assert api.writer.retry_at is None


def test_another_attempt_is_made_now_when_the_clock_was_set_back() -> None:
    api = Api(error=DOWN)
    api.writer.hasten(NOW)
    assert api.writer.retry_at is None
    api.publish(A)
    api.writer.hasten(NOW - timedelta(hours=1))
    assert api.writer.retry_at == NOW - timedelta(hours=1)


def test_each_trouble_is_logged_once_and_each_outage_anew(caplog: pytest.LogCaptureFixture) -> None:
    api = Api()

    def fail(*errors: KubernetesError) -> int:
        """Return how many lines there are, when each of these errors came and it was tried again after each."""
        caplog.clear()
        for error in errors:
            api.error = error
            api.publish(A)
            api.now += RETRY_DELAY
            api.writer.retry([], api.now)
        return len(caplog.records)

    assert fail(FORBIDDEN, FORBIDDEN, DOWN, DOWN) == 2
    api.error = None
    api.publish(A)
    assert fail(DOWN) == 1
    assert fail(DOWN, FORBIDDEN) == 1


@pytest.mark.parametrize("was_down", [False, True])
def test_trouble_that_is_no_outage_is_not_logged_again_when_another_write_succeeds(
    was_down: bool, caplog: pytest.LogCaptureFixture
) -> None:
    """Where events may not be written, the statuses between them are no news, also after an outage."""
    api = Api()
    if was_down:
        api.error = DOWN
        api.publish(A)
        api.error = None
        api.retry(A, seconds=10)
    caplog.clear()
    for _ in range(3):
        api.error = FORBIDDEN
        api.writer.write_events(A, [EVENT], api.now)
        api.error = None
        api.publish(A)
    (record,) = caplog.records
    assert (record.message, record.fields) == ("cannot write to the API server", {"cause": FORBIDDEN})  # type: ignore[attr-defined]


def test_nothing_is_written_after_halt() -> None:
    api = Api()
    assert not api.writer.is_halted
    api.writer.halt()
    api.publish(A)
    api.writer.write_events(A, [EVENT], NOW)
    api.retry(A, seconds=60)
    assert (api.calls, api.writer.is_halted) == ([], True)


def test_while_an_outage_is_on_its_last_failure_is_told() -> None:
    errors = [trouble(status) for status in (500, 502, 503)]
    outage = Outage(len(errors), lambda _: True)

    def fail(error: KubernetesError) -> None:
        raise error

    for error in errors:
        with pytest.raises(KubernetesError):
            outage.attempt(lambda error=error: fail(error))
    with pytest.raises(KubernetesError) as raised:
        outage.attempt(lambda: None)
    assert raised.value is errors[-1]


def test_outage_begins_after_so_many_failures_in_a_row_and_ends_when_told_so() -> None:
    outage = Outage(2, lambda error: error.status == 0)
    tried: list[KubernetesError | None] = []

    def write(error: KubernetesError | None) -> int:
        tried.append(error)
        if error:
            raise error
        return len(tried)

    def fail(error: KubernetesError) -> None:
        with pytest.raises(KubernetesError) as raised:
            outage.attempt(lambda: write(error))
        assert raised.value is error

    fail(DOWN)
    assert outage.attempt(lambda: write(None)) == 2
    fail(DOWN)
    fail(FORBIDDEN)
    fail(DOWN)
    assert not outage.is_on
    fail(DOWN)
    assert outage.is_on
    with pytest.raises(KubernetesError, match="no connection"):
        outage.attempt(lambda: write(None))
    assert len(tried) == 6
    outage.end()
    assert outage.attempt(lambda: write(None)) == 7
