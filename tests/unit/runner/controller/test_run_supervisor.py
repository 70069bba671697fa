"""The run that works: what it delivers, what is counted and logged of it, and who is left without a result."""

from __future__ import annotations

import logging
import re
import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from queue import SimpleQueue
from random import Random

import pytest

from kube_ecr_runner.contract.result import NamespaceResult
from kube_ecr_runner.controller.batching import Batch
from kube_ecr_runner.controller.run_supervisor import RunEnded, RunSupervisor
from kube_ecr_runner.model.playbook import PlaybookSpec
from kube_ecr_runner.model.resource import Key, Resource
from kube_ecr_runner.model.result import Origin, Problem, Result
from kube_ecr_runner.model.run import TIMEOUT, RunSummary
from kube_ecr_runner.telemetry.health import Health
from kube_ecr_runner.telemetry.metrics import Metrics
from kube_ecr_runner.telemetry.monitor import Monitor

A, B = (Key("K", "ns", name) for name in "ab")
PLAY = PlaybookSpec("a.b.c")
SUMMARY = RunSummary("successful", 0, 1.23, "no reason", [])
UNCHANGED = Result(A, "u", 1, (NamespaceResult("ns", "unchanged"),))
CREATED = Result(A, "u", 1, (NamespaceResult("ns", "created"),))
REFUSED = Result(A, "u", 1, problem=Problem("AccessDenied", "no", Origin.AWS))


@dataclass
class Runner:
    """Runs that deliver one result and end at once, or when they are cancelled."""

    result: Result = UNCHANGED
    summary: RunSummary = SUMMARY
    waits: bool = False
    calls: list[object] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.inbox: SimpleQueue[Result | RunEnded] = SimpleQueue()
        self.monitor = Monitor(Health(300.0), Metrics())
        self.supervisor = RunSupervisor(self, self.inbox.put, self.monitor, Random(1))

    def run(
        self, keys: list[Key], playbook: PlaybookSpec, deliver: Callable[[Result], None], cancelled: threading.Event
    ) -> RunSummary:
        self.calls.append((playbook, keys))
        self.thread = threading.current_thread()
        deliver(self.result)
        if self.waits:
            cancelled.wait(20)
        return self.summary

    def tend(self, playbook: PlaybookSpec) -> None:
        self.calls.append(("tend", playbook))

    def kill(self) -> None:
        self.calls.append("kill")

    def close(self) -> None:
        self.calls.append("close")

    def messages(self, count: int = 2) -> list[Result | RunEnded]:
        return [self.inbox.get(timeout=10) for _ in range(count)]

    def ended(self, *unanswered: Resource, results: tuple[Result, ...] = (), is_stopping: bool = False) -> list[Result]:
        """Let a run come to its end, with these results on the way."""
        self.supervisor.start(Batch(PLAY, [A, B]))
        ended = self.messages()[-1]
        assert isinstance(ended, RunEnded)
        for result in results:
            self.supervisor.count(result)
        return self.supervisor.end(ended, unanswered, is_stopping=is_stopping)

    def sample(self, name: str, **labels: str) -> float | None:
        return self.monitor.metrics.registry.get_sample_value(f"kube_ecr_{name}", labels)


def line(caplog: pytest.LogCaptureFixture) -> tuple[str, dict[str, object]]:
    """Return level and fields of the line that says that a run ended."""
    (record,) = (record for record in caplog.records if record.message == "run ended")
    return record.levelname, record.fields  # type: ignore[attr-defined]


def test_run_for_which_there_is_no_thread_has_ended_with_the_cause(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    runner = Runner()
    monkeypatch.setattr(threading.Thread, "start", fail)
    runner.supervisor.start(Batch(PLAY, [A, B]))
    (ended,) = runner.messages(1)
    assert isinstance(ended, RunEnded)
    assert ended.summary.missing == [A, B]
    assert "can't start new thread (the limit of processes is reached; raise it" in ended.summary.error


def test_run_delivers_its_results_and_then_that_it_is_over(caplog: pytest.LogCaptureFixture) -> None:
    lab = Runner()
    with caplog.at_level(logging.DEBUG, logger="kube_ecr_runner"):
        lab.supervisor.start(Batch(PLAY, [A, B]))
    name = lab.supervisor.name
    assert lab.messages() == [UNCHANGED, RunEnded(name, 2, SUMMARY)]
    assert lab.calls == [(PLAY, [A, B])]
    # A run that hangs keeps no process from ending, and is named in a list of threads.
    assert (lab.thread.name, lab.thread.daemon) == (f"run {name}", True)
    (record,) = caplog.records
    assert record.message == "run started"
    assert record.fields == {"run": name, "resources": 2, "names": "K/ns/a K/ns/b"}  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("runs", "known", "told"),
    [
        pytest.param([[A, B]], 2, False, id="one run may be an accident"),
        pytest.param([[A, B], [A]], 2, True, id="two in a row"),
        pytest.param([[A], [A]], 1, True, id="two in a row, and it is the only resource"),
        pytest.param([[A], [A], [A]], 9, False, id="one resource stops each run that works on it"),
        pytest.param([[A, B], UNCHANGED, [A, B]], 2, False, id="one in between brought a result"),
        pytest.param([[A, B], [A, B], UNCHANGED], 2, False, id="it is over"),
        pytest.param([[], [], []], 0, False, id="there was nothing to bring"),
    ],
)
def test_runs_that_bring_nothing_are_told_of(runs: list[list[Key] | Result], known: int, told: bool) -> None:
    lab = Runner()
    lab.monitor.waits_for([])
    for each in runs:
        if isinstance(each, Result):
            lab.supervisor.take(each)
            continue
        lab.supervisor.start(Batch(PLAY, [A, B]))
        ended = lab.messages()[-1]
        assert isinstance(ended, RunEnded)
        lab.supervisor.end(ended, [Resource(key, "u", 1) for key in each], known=known, is_stopping=False)
    assert lab.monitor.health.unready_causes() == ["the last runs brought no result: no reason"] * told


def test_one_run_is_running_until_its_end_is_noted() -> None:
    lab = Runner()
    assert lab.supervisor.is_running is False
    lab.supervisor.start(Batch(PLAY, [A]))
    _, ended = lab.messages()
    assert lab.supervisor.is_running
    assert isinstance(ended, RunEnded)
    lab.supervisor.end(ended, [], is_stopping=False)
    assert lab.supervisor.is_running is False


def test_each_run_has_a_name_of_its_own_that_begins_as_those_of_its_process() -> None:
    lab, names = Runner(), []
    for _ in range(2):
        lab.ended()
        names.append(lab.supervisor.name.split("-"))
    assert [number for _, number in names] == ["1", "2"]
    assert names[0][0] == names[1][0]
    processes = {RunSupervisor(lab, lab.inbox.put, lab.monitor, Random(seed)).name for seed in range(20)}
    assert len(processes) == 20
    assert all(re.fullmatch(r"[0-9a-f]{6}-0", name) for name in processes)


def test_cancelled_run_ends_soon_and_what_it_did_is_delivered() -> None:
    lab = Runner(waits=True)
    lab.supervisor.start(Batch(PLAY, [A]))
    assert lab.messages(1) == [UNCHANGED]
    lab.supervisor.cancel()
    assert isinstance(lab.inbox.get(timeout=5), RunEnded)


def test_what_concerns_runs_that_wait_is_handed_on() -> None:
    lab = Runner()
    lab.supervisor.prepare(PLAY)
    lab.supervisor.kill()
    lab.supervisor.close()
    assert lab.calls == [("tend", PLAY), "kill", "close"]


@pytest.mark.parametrize(
    ("results", "level", "counts"),
    [
        pytest.param((UNCHANGED,), "DEBUG", {}, id="nothing to do"),
        pytest.param((CREATED, UNCHANGED), "INFO", {"changed": 1}, id="changed something"),
        pytest.param((REFUSED, REFUSED), "INFO", {"failed": 2}, id="failed"),
        pytest.param((replace(CREATED, problem=REFUSED.problem),), "INFO", {"changed": 1, "failed": 1}, id="both"),
    ],
)
def test_run_is_worth_a_line_if_it_did_something(
    results: tuple[Result, ...], level: str, counts: dict, caplog: pytest.LogCaptureFixture
) -> None:
    lab = Runner()
    with caplog.at_level(logging.DEBUG, logger="kube_ecr_runner"):
        lab.ended(results=results)
    assert line(caplog) == (level, {"run": lab.supervisor.name, "resources": 2} | counts | {"seconds": 1.2})


def test_counts_of_a_run_are_its_own(caplog: pytest.LogCaptureFixture) -> None:
    lab = Runner()
    lab.ended(results=(CREATED,))
    caplog.clear()
    with caplog.at_level(logging.DEBUG, logger="kube_ecr_runner"):
        lab.ended()
    assert line(caplog)[0] == "DEBUG"


def test_resources_without_a_result_have_failed_for_the_reason_of_the_run(caplog: pytest.LogCaptureFixture) -> None:
    lab = Runner()
    (result,) = lab.ended(Resource(A, "u", 3))
    assert (result.key, result.uid, result.generation) == (A, "u", 3)
    assert result.problem == Problem("RunFailed", "no reason", Origin.RUN)
    level, fields = line(caplog)
    assert (level, fields["without_result"], fields["cause"]) == ("WARNING", 1, "no reason")


def test_run_that_is_cancelled_at_the_end_of_the_process_has_failed_nobody(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG, logger="kube_ecr_runner"):
        assert Runner().ended(Resource(A, "u", 3), is_stopping=True) == []
    level, fields = line(caplog)
    assert (level, fields["without_result"]) == ("DEBUG", 1)


@pytest.mark.parametrize(("status", "has_timed_out"), [(TIMEOUT, True), ("failed", False)])
def test_run_that_was_stopped_at_its_deadline_is_told_from_others(status: str, has_timed_out: bool) -> None:
    assert RunEnded("x-1", 1, replace(SUMMARY, status=status)).has_timed_out is has_timed_out


def test_runs_and_results_are_measured() -> None:
    lab = Runner()
    lab.supervisor.start(Batch(PLAY, [A, B]))
    assert lab.monitor.health.state().run == lab.supervisor.name
    _, ended = lab.messages()
    assert isinstance(ended, RunEnded)
    lab.supervisor.count(REFUSED)
    lab.supervisor.end(ended, [], is_stopping=False)
    assert lab.monitor.health.state().run == ""
    assert lab.sample("results_total", reason="AccessDenied") == 1
    assert (lab.sample("batch_resources_sum"), lab.sample("runs_total", status="successful")) == (2, 1)
