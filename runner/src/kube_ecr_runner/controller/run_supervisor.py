"""The run that works: started in a thread of its own, counted, cancelled, and logged when it is over.

What always holds: there is one run at a time, and each ends with one RunEnded after its last result.
"""

from __future__ import annotations

import logging
import threading
from collections import Counter
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from random import Random
from typing import Protocol

from kube_ecr_runner.controller.batching import Batch
from kube_ecr_runner.log import fields
from kube_ecr_runner.model.observer import Observer, Part
from kube_ecr_runner.model.playbook import PlaybookSpec
from kube_ecr_runner.model.resource import Key, Resource
from kube_ecr_runner.model.result import Result
from kube_ecr_runner.model.run import TIMEOUT, RunSummary
from kube_ecr_runner.runs.causes import cause_of_error, failure_cause

# So many in a row that brought no result are no accident.
FRUITLESS_RUNS = 2

_log = logging.getLogger(__name__)


class Runner(Protocol):
    """What runs playbooks: runs.standby.StandBy."""

    def run(
        self, keys: list[Key], playbook: PlaybookSpec, deliver: Callable[[Result], None], cancelled: threading.Event
    ) -> RunSummary: ...

    def tend(self, playbook: PlaybookSpec) -> None: ...

    def kill(self) -> None: ...

    def close(self) -> None: ...


@dataclass(frozen=True)
class RunEnded:
    """A run is over: its name, for how many resources it was, and how it went."""

    run: str
    resources: int
    summary: RunSummary

    @property
    def has_timed_out(self) -> bool:
        """Whether it was stopped at its deadline."""
        return self.summary.status == TIMEOUT


class Fruitless:
    """Which resources had no result in the runs since one that brought any. Pure.

    One that stops the run that works on it, time and again, says nothing of the others: no tenant has the runner taken
    for one that cannot serve.
    """

    def __init__(self) -> None:
        self._runs = 0
        self._keys: set[Key] = set()

    def end(self) -> None:
        """Take it that a run brought a result."""
        self._runs, self._keys = 0, set()

    def run_ended(self, unanswered: Iterable[Key]) -> None:
        """Take what a run that is over left without a result."""
        self._keys.update(unanswered)
        self._runs += bool(self._keys)

    def is_all(self, known: int) -> bool:
        """Return whether runs bring nothing, where so many resources are known."""
        return self._runs >= FRUITLESS_RUNS and len(self._keys) >= min(known, FRUITLESS_RUNS)


class RunSupervisor:
    """Starts runs, and knows the one that works. kill() may be called from any thread."""

    def __init__(
        self, runner: Runner, deliver: Callable[[Result | RunEnded], None], observer: Observer, random: Random
    ) -> None:
        """deliver is called from other threads; random names the runs, so that two processes share no name."""
        self._runner = runner
        self._deliver = deliver
        self._observer = observer
        self._process = f"{random.getrandbits(24):06x}"
        self._started = 0
        self._cancelled = threading.Event()
        # How many results of the run changed something, or failed.
        self._counts: Counter[str] = Counter()
        self._fruitless = Fruitless()
        self.is_running = False

    @property
    def name(self) -> str:
        """The name of the run that works, or of the last one."""
        return f"{self._process}-{self._started}"

    def prepare(self, playbook: PlaybookSpec) -> None:
        """Have the next run wait, ready to work, if runs are started ahead of need."""
        self._runner.tend(playbook)

    def start(self, batch: Batch) -> None:
        """Start a run; its results and then RunEnded are delivered."""
        self._started += 1
        self._counts = Counter()
        self.is_running = True
        name, keys = self.name, batch.keys
        _log.debug("run started", extra=fields(run=name, resources=len(keys), names=" ".join(map(str, keys))))
        self._observer.run_started(name)

        def work() -> None:
            summary = self._runner.run(keys, batch.playbook, self._deliver, self._cancelled)
            self._deliver(RunEnded(name, len(keys), summary))

        try:
            threading.Thread(target=work, name=f"run {name}", daemon=True).start()
        except RuntimeError as error:
            # There may be no more threads for a while.
            cause = failure_cause("error", None, 0, [cause_of_error(error)])
            self._deliver(RunEnded(name, len(keys), RunSummary("error", None, 0.0, cause, list(keys))))

    def take(self, result: Result) -> None:
        """Note a result that a run brought."""
        self._fruitless.end()
        self._observer.part_works(Part.RUNS, "")
        self.count(result)

    def count(self, result: Result) -> None:
        """Note what a result says."""
        self._counts.update(changed=int(result.has_acted), failed=int(not result.succeeded))
        self._observer.result_arrived(result)

    def end(
        self, ended: RunEnded, unanswered: Collection[Resource], *, known: int = 0, is_stopping: bool
    ) -> list[Result]:
        """Note that the run is over, and return the results of the resources that it left unanswered.

        known is how many resources the runner has. With is_stopping there are no results: the run was cancelled, and
        the next process does what it did not come to.
        """
        self.is_running = False
        self._observer.run_ended(ended.summary.status, ended.summary.seconds, ended.resources)
        self._log_end(ended, len(unanswered), is_stopping=is_stopping)
        if is_stopping:
            return []
        self._fruitless.run_ended(resource.key for resource in unanswered)
        if self._fruitless.is_all(known):
            self._observer.part_works(Part.RUNS, f"the last runs brought no result: {ended.summary.error}")
        return [Result.of_failed_run(resource, ended.summary.error) for resource in unanswered]

    def cancel(self) -> None:
        """End the run that works soon; what it did is delivered."""
        self._cancelled.set()

    def kill(self) -> None:
        """End all runs at once: when this returns nothing more is written, and no other begins."""
        self._runner.kill()

    def close(self) -> None:
        """End the run that waits ahead of need, and start no other."""
        self._runner.close()

    def _log_end(self, ended: RunEnded, unanswered: int, *, is_stopping: bool) -> None:
        """A run that found nothing to do is logged for debugging only."""
        changed, failed = self._counts["changed"], self._counts["failed"]
        level = logging.INFO if changed or failed else logging.DEBUG
        values = fields(
            run=ended.run,
            resources=ended.resources,
            changed=changed or None,
            failed=failed or None,
            without_result=unanswered or None,
            seconds=round(ended.summary.seconds, 1),
            cause=ended.summary.error if unanswered else None,
        )
        _log.log(logging.WARNING if unanswered and not is_stopping else level, "run ended", extra=values)
