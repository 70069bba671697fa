"""Which run is ready when one is needed, how often it is used, and when it is replaced."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from kube_ecr_runner.model.playbook import PlaybookSpec
from kube_ecr_runner.model.resource import Key
from kube_ecr_runner.model.result import Result
from kube_ecr_runner.model.run import RunSummary
from kube_ecr_runner.runs.standby import MAX_AGE_SECONDS, MAX_GROWTH_BYTES, PAUSE_SECONDS, StandBy, files_in_use

# One of a user, which works once, and our own, which works for many rounds.
PLAY, OURS = PlaybookSpec("a.b.c"), PlaybookSpec()
KEYS = [Key("K", "ns", "a")]


@dataclass
class Made:
    """A run that is there, and does nothing; during is called while it works.

    One that lingers is not over until it is waited for.
    """

    playbook: PlaybookSpec
    told: list[str] = field(default_factory=list)
    alive: bool = True
    lingers: bool = False
    bytes: int = 2**26
    during: Callable[[], None] = field(default=lambda: None, compare=False)

    def start(self) -> None:
        self.told.append("started")

    def is_alive(self) -> bool:
        return self.alive or self.lingers

    def memory(self) -> int:
        return self.bytes

    def failure_cause(self) -> str:
        return "no collection"

    def execute(self, keys: Iterable[Key], deliver: Callable[[Result], None], cancelled: threading.Event) -> RunSummary:
        self.told.append("worked")
        self.during()
        self.alive = self.alive and self.playbook.rounds > 1
        return RunSummary("successful", 0, 0.0, "", [])

    def kill(self) -> None:
        if self.alive:
            self.told.append("killed")
        self.alive = False

    def wait(self) -> None:
        self.told.append("waited for")
        self.lingers = False


class Lab:
    def __init__(self, *, is_on: bool = True) -> None:
        self.now = 0.0
        self.files: object = "first"
        self.made: list[Made] = []
        self.causes: list[str] = []
        self.stand_by = StandBy(
            self._make, is_on=is_on, files=lambda: self.files, tell=self.causes.append, clock=lambda: self.now
        )

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
    assert set(lab.causes) == {"ansible-playbook ended before there was something to do: no collection"}


def test_a_run_is_taken_again_for_the_next_round() -> None:
    lab = Lab()
    lab.stand_by.tend(OURS)
    for _ in range(3):
        assert lab.run(OURS).status == "successful"
        lab.stand_by.tend(OURS)
    assert lab.told() == [["started", "worked", "worked", "worked"]]


@pytest.mark.parametrize("change", ["dead", "old", "files", "play", "large"])
def test_one_that_is_not_good_any_more_is_replaced_between_rounds(change: str) -> None:
    lab = Lab()
    lab.run(OURS)
    first = lab.made[0]
    playbook = PlaybookSpec(variables='{"a": 1}') if change == "play" else OURS
    first.alive = change != "dead"
    lab.files = "other" if change == "files" else "first"
    lab.now += MAX_AGE_SECONDS if change == "old" else 1
    if change == "large":
        # Seen when a round is over: what waits does not grow.
        first.during = lambda: setattr(first, "bytes", first.bytes + MAX_GROWTH_BYTES)
        lab.run(OURS)
    assert lab.run(playbook).status == "successful"
    assert not first.alive
    assert lab.told()[1:] == [["started", "worked"]]


def test_one_may_grow_as_it_likes_in_its_first_round_and_a_little_in_the_others() -> None:
    lab = Lab()
    lab.stand_by.tend(OURS)
    for growth in (10 * MAX_GROWTH_BYTES, MAX_GROWTH_BYTES - 1, 0):
        lab.made[0].bytes += growth
        lab.run(OURS)
    assert lab.told() == [["started", "worked", "worked", "worked"]]


@pytest.mark.parametrize(("playbook", "started"), [(OURS, 1), (PLAY, 2)], ids=["many rounds", "one round"])
def test_beside_one_that_works_another_waits_only_if_it_will_not_wait_again(
    playbook: PlaybookSpec, started: int
) -> None:
    lab = Lab()
    lab.stand_by.tend(playbook)
    lab.made[0].during = lambda: lab.stand_by.tend(playbook)
    lab.run(playbook)
    assert len(lab.made) == started
    lab.run(playbook)
    assert len(lab.made) == started, "what waits is used"


def test_one_that_dies_in_a_round_is_not_used_for_the_next() -> None:
    lab = Lab()
    lab.stand_by.tend(OURS)
    lab.made[0].during = lambda: setattr(lab.made[0], "alive", False)
    lab.run(OURS)
    lab.run(OURS)
    assert lab.told() == [["started", "worked"], ["started", "worked"]]


@pytest.mark.parametrize("how", ["close", "kill"])
def test_one_that_works_when_all_is_closed_does_not_wait_again(how: str) -> None:
    lab = Lab()
    lab.stand_by.tend(OURS)
    lab.made[0].during = getattr(lab.stand_by, how)
    lab.run(OURS)
    assert lab.told() == [["started", "worked", "killed", "waited for"]]
    assert lab.run(OURS).missing == KEYS


@pytest.mark.parametrize("why", ["large", "files", "closed"])
def test_nothing_is_left_when_all_is_closed_also_not_of_what_was_killed_before(why: str) -> None:
    """Who ends before its threads do leaves the directories of its runs behind."""
    lab = Lab()
    lab.run(OURS)
    first = lab.made[0]
    first.lingers = True
    if why == "large":
        first.bytes += MAX_GROWTH_BYTES
        lab.run(OURS)
    elif why == "files":
        lab.files = "other"
        lab.stand_by.tend(OURS)
    lab.stand_by.close()
    for each in lab.made:
        assert each.told[-2:] == ["killed", "waited for"]


def test_without_stand_by_a_run_begins_when_it_is_needed_and_works_once() -> None:
    lab = Lab(is_on=False)
    lab.stand_by.tend(OURS)
    assert lab.made == []
    for _ in range(2):
        lab.run(OURS)
    assert lab.told() == [["started", "worked", "killed"]] * 2


@pytest.mark.parametrize("how", ["close", "kill"])
def test_when_it_is_over_nothing_waits_and_nothing_begins(how: str) -> None:
    lab = Lab()
    lab.stand_by.tend(PLAY)
    getattr(lab.stand_by, how)()
    assert "killed" in lab.made[0].told
    lab.stand_by.tend(PLAY)
    assert lab.run().missing == KEYS
    assert len(lab.made) == 1


def test_files_in_use_are_others_when_one_that_an_argument_names_was_written(tmp_path: Path) -> None:
    """A Secret that is mounted is replaced by another file under the same name."""
    password, other = tmp_path / "password", tmp_path / "other"
    password.write_text("a")
    before = files_in_use({"HOME": str(tmp_path)}, None, [str(password)])
    assert files_in_use({"HOME": str(tmp_path)}, None, [str(password)]) == before
    other.write_text("a")
    other.replace(password)
    assert files_in_use({"HOME": str(tmp_path)}, None, [str(password)]) != before
