"""One ansible-playbook that works for round after round: each gets its own results, and its own end."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import Empty, SimpleQueue

import pytest

from kube_ecr_runner.model.playbook import WAIT, PlaybookSpec
from kube_ecr_runner.model.resource import Key
from kube_ecr_runner.model.result import TASK, Result
from kube_ecr_runner.model.run import TIMEOUT, RunSummary
from kube_ecr_runner.runs.run import Run, RunSettings

A, B = (Key("AWSECRImagePullSecret", "ns", name) for name in "ab")
WAITS = {"event": "playbook_on_play_start", "event_data": {"play": WAIT}}
LONG, SOON = 20.0, 0.02
_pool = ThreadPoolExecutor()


def written(key: Key) -> dict:
    owner = {"kind": key.kind, "namespace": key.namespace, "name": key.name, "uid": "u", "generation": 1}
    answer = {"resources": [{"resource": {"owner": owner}, "namespaces": []}]}
    return {"event": "runner_on_ok", "event_data": {"host": "h1", "task": TASK, "res": answer}}


class Played(Run):
    """A run whose job events a test makes up; None is the end of ansible-playbook."""

    def __init__(self, settings: RunSettings) -> None:
        self.begun = 0
        super().__init__(PlaybookSpec(), settings, lambda _: None, 100, self._count)
        self.events: SimpleQueue[dict | None] = SimpleQueue()
        self.reader, self._writer = os.pipe()

    def _run_playbook(self, directory: Path) -> tuple[str, int | None]:
        self._release_fd, self._directory = self._writer, directory
        self._handle(WAITS)
        self._ready.set()
        while not self._is_over():
            try:
                event = self.events.get(timeout=SOON)
            except Empty:
                continue
            if event is None:
                return "failed", 1
            self._handle(event)
        return (TIMEOUT if self._is_late() else "canceled"), None

    def _count(self) -> None:
        self.begun += 1

    def told(self) -> list[str]:
        """Return what it is to work for, when it has been told."""
        os.read(self.reader, 1)
        assert self._directory
        return json.loads((self._directory / "names.json").read_text())


class Round:
    """The work for some resources, in a thread."""

    def __init__(self, run: Run, *keys: Key) -> None:
        self.delivered: list[Key] = []
        self.cancelled = threading.Event()
        self._done = _pool.submit(run.execute, keys, self._deliver, self.cancelled)

    def _deliver(self, result: Result) -> None:
        self.delivered.append(result.key)

    def summary(self) -> RunSummary:
        return self._done.result(LONG)


@pytest.fixture
def run() -> Iterator[Played]:
    made = Played(RunSettings())
    made.start()
    yield made
    made.events.put(None)
    made.wait()


def test_each_round_gets_its_own_results_and_a_summary(run: Played) -> None:
    for number, key in enumerate([A, B], start=1):
        work = Round(run, key)
        assert run.told() == [str(key)]
        for event in (written(key), WAITS):
            run.events.put(event)
        summary = work.summary()
        assert (summary.status, summary.missing, work.delivered) == ("successful", [], [key]), f"round {number}"
        assert run.is_alive()
    assert run.begun == 1, "that it plays is told once"


def test_what_a_round_came_to_without_a_result_is_missing_and_the_next_one_is_told_nothing_of_it(run: Played) -> None:
    first = Round(run, A)
    run.told()
    error = {"event": "verbose", "stdout": "[ERROR]: the first is broken"}
    for event in (error, WAITS):
        run.events.put(event)
    assert (first.summary().missing, first.summary().error) == ([A], "the first is broken")
    second = Round(run, B)
    run.told()
    for event in (written(A), WAITS):
        run.events.put(event)
    assert second.summary().missing == [B]
    assert (first.delivered, second.delivered) == ([], [])
    assert "broken" not in second.summary().error


def test_when_ansible_playbook_ends_in_a_round_that_is_its_summary(run: Played) -> None:
    first = Round(run, A)
    run.told()
    run.events.put(WAITS)
    first.summary()
    second = Round(run, A, B)
    run.told()
    for event in (written(A), None):
        run.events.put(event)
    summary = second.summary()
    assert (summary.status, summary.rc, summary.missing) == ("failed", 1, [B])
    assert not run.is_alive()


def test_one_that_ended_while_it_waited_does_nothing(run: Played) -> None:
    run.events.put(None)
    run.wait()
    assert Round(run, A).summary().missing == [A]


def test_a_round_that_is_over_cannot_be_cancelled_and_one_that_works_can(run: Played) -> None:
    first = Round(run, A)
    run.told()
    run.events.put(WAITS)
    first.summary()
    first.cancelled.set()
    threading.Event().wait(5 * SOON)
    assert run.is_alive()
    second = Round(run, B)
    run.told()
    second.cancelled.set()
    summary = second.summary()
    assert (summary.status, summary.missing, run.is_alive()) == ("canceled", [B], False)


def test_the_deadline_is_that_of_a_round_and_not_of_waiting() -> None:
    run = Played(RunSettings(timeout=1))
    run.start()
    first = Round(run, A)
    run.told()
    run.events.put(WAITS)
    assert first.summary().status == "successful"
    threading.Event().wait(1 + 5 * SOON)
    assert run.is_alive()
    second = Round(run, B)
    run.told()
    assert second.summary().status == TIMEOUT
    assert "--run-timeout" in second.summary().error
