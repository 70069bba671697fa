"""Which run is ready when one is needed, and when it is replaced."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import pytest

from kube_ecr_runner.model.playbook import PlaybookSpec
from kube_ecr_runner.model.resource import Key
from kube_ecr_runner.model.result import Result
from kube_ecr_runner.model.run import RunSummary
from kube_ecr_runner.runs.standby import MAX_AGE_SECONDS, PAUSE_SECONDS, StandBy

PLAY = PlaybookSpec("a.b.c")
KEYS = [Key("K", "ns", "a")]


@dataclass
class Made:
    """A run that is there, and does nothing."""

    playbook: PlaybookSpec
    told: list[str] = field(default_factory=list)
    alive: bool = True

    def start(self) -> None:
        self.told.append("started")

    def is_alive(self) -> bool:
        return self.alive

    def failure_cause(self) -> str:
        return "no collection"

    def execute(self, keys: Iterable[Key], deliver: Callable[[Result], None], cancelled: threading.Event) -> RunSummary:
        self.told.append("worked")
        self.alive = False
        return RunSummary("successful", 0, 0.0, "", [])

    def kill(self) -> None:
        self.told.append("killed")
        self.alive = False

    def wait(self) -> None:
        self.told.append("waited for")


class Lab:
    def __init__(self, *, is_on: bool = True) -> None:
        self.now = 0.0
        self.files: object = "first"
        self.made: list[Made] = []
        self.stand_by = StandBy(self._make, is_on=is_on, files=lambda: self.files, clock=lambda: self.now)

    def _make(self, playbook: PlaybookSpec) -> Made:
        self.made.append(Made(playbook))
        return self.made[-1]

    def run(self, playbook: PlaybookSpec = PLAY) -> RunSummary:
        return self.stand_by.run(KEYS, playbook, lambda _: None, threading.Event())

    def told(self) -> list[list[str]]:
        return [each.told for each in self.made]


def test_the_run_that_waits_works_and_the_next_one_waits() -> None:
    lab = Lab()
    lab.stand_by.tend(PLAY)
    lab.stand_by.tend(PLAY)
    assert lab.run().status == "successful"
    assert lab.told() == [["started", "worked"]]
    lab.stand_by.tend(PLAY)
    assert lab.told()[1:] == [["started"]]


@pytest.mark.parametrize("ahead", [True, False], ids=["by itself", "when it is needed"])
@pytest.mark.parametrize("change", ["dead", "old", "files", "play"])
def test_one_that_is_not_good_any_more_is_replaced(change: str, ahead: bool) -> None:
    lab = Lab()
    lab.stand_by.tend(PLAY)
    playbook = PlaybookSpec("d.e.f") if change == "play" else PLAY
    lab.made[0].alive = change != "dead"
    lab.files = "other" if change == "files" else "first"
    lab.now += MAX_AGE_SECONDS if change == "old" else 1
    if ahead:
        lab.stand_by.tend(playbook)
        lab.now += PAUSE_SECONDS[0]
        lab.stand_by.tend(playbook)
    lab.run(playbook)
    assert "worked" not in lab.made[0].told
    assert "killed" in lab.made[0].told or change == "dead"
    assert lab.made[1:] == [Made(playbook, ["started", "worked"], alive=False)]


def test_one_that_dies_each_time_is_tried_with_growing_pauses() -> None:
    lab = Lab()
    starts = []
    for second in range(100):
        lab.now = float(second)
        lab.stand_by.tend(PLAY)
        if lab.made[-1].alive:
            starts.append(second)
            lab.made[-1].alive = False
    assert starts == [0, 6, 17, 38, 79]


def test_without_stand_by_a_run_begins_when_it_is_needed() -> None:
    lab = Lab(is_on=False)
    lab.stand_by.tend(PLAY)
    assert lab.made == []
    lab.run()
    assert lab.told() == [["started", "worked"]]


@pytest.mark.parametrize("how", ["close", "kill"])
def test_when_it_is_over_nothing_waits_and_nothing_begins(how: str) -> None:
    lab = Lab()
    lab.stand_by.tend(PLAY)
    getattr(lab.stand_by, how)()
    assert "killed" in lab.made[0].told
    lab.stand_by.tend(PLAY)
    assert lab.run().missing == KEYS
    assert len(lab.made) == 1
