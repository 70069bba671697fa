"""Which events are written anew, which are counted, and which are not told at all."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest

from kube_ecr_runner.model.event import Event
from kube_ecr_runner.model.resource import Key
from kube_ecr_runner.reporting.event_series import MAX_SERIES, EventWriter

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)
FAILS = Event("Warning", "GetAWSAuthTokenFailed", "no")


@dataclass
class Written:
    """What a writer sent; the events in it are numbered."""

    sent: list[object] = field(default_factory=list)
    gone: bool = False
    broken: bool = False

    def __post_init__(self) -> None:
        self.writer = EventWriter()
        self._created = 0

    def tell(self, seconds: float, event: Event = FAILS, name: str = "a") -> None:
        self.writer.write(Key("K", "ns", name), event, NOW + timedelta(seconds=seconds), self.create, self.repeat)

    def create(self) -> str:
        self._fail()
        self._created += 1
        self.sent.append(f"create {self._created}")
        return str(self._created)

    def repeat(self, name: str, count: int) -> bool:
        self._fail()
        if not self.gone:
            self.sent.append(f"count {name} x{count}")
        return not self.gone

    def _fail(self) -> None:
        if self.broken:
            raise RuntimeError


@pytest.mark.parametrize(
    ("seconds", "sent"),
    [
        ([0, 60, 300], ["create 1", "count 1 x2", "count 1 x3"]),
        ([0, 5, 15, 59, 75, 80], ["create 1", "count 1 x5"]),
        ([0, 3600], ["create 1", "create 2"]),
        ([0, 3599, 7000, 12000], ["create 1", "count 1 x2", "count 1 x3", "create 2"]),
    ],
    ids=["counted", "once a minute", "after an hour a new one", "an hour of silence, not of age"],
)
def test_repetition_is_counted(seconds: list[float], sent: list[str]) -> None:
    written = Written()
    for each in seconds:
        written.tell(each)
    assert written.sent == sent


def test_another_text_or_another_resource_is_another_event() -> None:
    written = Written()
    written.tell(0)
    written.tell(90, Event("Warning", "GetAWSAuthTokenFailed", "never"))
    written.tell(90, name="b")
    assert written.sent == ["create 1", "create 2", "create 3"]


def test_event_that_is_gone_is_made_anew() -> None:
    written = Written()
    written.tell(0)
    written.gone = True
    written.tell(90)
    written.gone = False
    written.tell(180)
    assert written.sent == ["create 1", "create 2", "count 2 x2"]


def test_what_could_not_be_written_is_told_with_the_next_one() -> None:
    written = Written()
    for seconds in (0, 60, 120):
        written.broken = seconds != 60
        if written.broken:
            with pytest.raises(RuntimeError):
                written.tell(seconds)
        else:
            written.tell(seconds)
    written.broken = False
    written.tell(121)
    assert written.sent == ["create 1", "count 1 x3"]


def test_no_more_than_so_many_are_told_in_an_hour_and_a_resource_that_goes_is_forgotten() -> None:
    written = Written()
    for number in range(MAX_SERIES + 5):
        written.tell(number, Event("Normal", "X", str(number)))
    assert len(written.sent) == MAX_SERIES
    written.tell(3601, Event("Normal", "X", "later"))
    assert len(written.sent) == MAX_SERIES + 1
    written.writer.forget(Key("K", "ns", "a"))
    assert written.writer._series == {}
