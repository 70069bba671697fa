"""The stand-by run: ansible-playbook is started before there is something to do, and works for one round after another.

What always holds: a run that waits is of the playbook, and began with the files, that are to be used; one that died,
grew old or large, or began with other files is replaced. A failure to have one costs nothing but the time it saves.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from kube_ecr_runner.contract.api_server import TOKEN_FILE
from kube_ecr_runner.log import fields
from kube_ecr_runner.model.playbook import PlaybookSpec
from kube_ecr_runner.model.resource import Key
from kube_ecr_runner.model.result import Result
from kube_ecr_runner.model.run import RunSummary
from kube_ecr_runner.runs.environment import FILE_VARIABLES
from kube_ecr_runner.runs.processes import Reaper

MAX_AGE_SECONDS = 1800.0
# How much larger than after its first round one may be. What many resources took up is given back with the process.
MAX_GROWTH_BYTES = 24 * 2**20
# One that ends by itself will do so again, mostly.
PAUSE_SECONDS = (5.0, 300.0)
REAP_SECONDS = 10.0

_log = logging.getLogger(__name__)


class Run(Protocol):
    """One ansible-playbook, which waits until it is told what to work for: run.Run."""

    playbook: PlaybookSpec

    def start(self) -> None: ...

    def is_alive(self) -> bool: ...

    def memory(self) -> int: ...

    def failure_cause(self) -> str: ...

    def execute(
        self, keys: Iterable[Key], deliver: Callable[[Result], None], cancelled: threading.Event
    ) -> RunSummary: ...

    def kill(self) -> None: ...

    def wait(self) -> None: ...


@dataclass
class _Started:
    """A run, when it was started and with which files; memory is that after its first round, in bytes."""

    run: Run
    since: float
    files: object
    memory: int = 0


class StandBy:
    """Starts runs, one ahead of need if is_on, and lets them work. run() may be called in another thread than the rest.

    files tells what a run depends on that it may have read when it began: another value, another run.
    """

    def __init__(
        self,
        start: Callable[[PlaybookSpec], Run],
        *,
        is_on: bool,
        files: Callable[[], object],
        tell: Callable[[str], None] = lambda _: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """tell is given the cause when one ended before it was of use."""
        self._start = start
        self._is_on = is_on
        self._files = files
        self._tell = tell
        self._clock = clock
        self._lock = threading.Lock()
        self._waiting: _Started | None = None
        self._working: _Started | None = None
        # Those that were killed, and may not be over yet.
        self._ending: list[Run] = []
        self._is_closed = False
        self._failures = 0
        self._not_before = 0.0
        self._reaper = Reaper()
        self._reap_at = 0.0

    def run(
        self, keys: list[Key], playbook: PlaybookSpec, deliver: Callable[[Result], None], cancelled: threading.Event
    ) -> RunSummary:
        """Run a playbook for these resources and return when nothing of that is left. See run.Run.execute()."""
        with self._lock:
            if self._is_closed:
                return RunSummary("canceled", None, 0.0, "the runner ends", keys)
            started = self._working = self._take(playbook) or self._begin(playbook)
        try:
            return started.run.execute(keys, deliver, cancelled)
        finally:
            self._put_back(started)

    def tend(self, playbook: PlaybookSpec) -> None:
        """See to it that a run of that playbook waits; returns soon."""
        now = self._clock()
        if now >= self._reap_at:
            self._reap_at = now + REAP_SECONDS
            self._reaper.reap()
        with self._lock:
            # One that works for more than one round will wait again.
            will_wait = self._working is not None and self._working.run.playbook.rounds > 1
            if not self._is_on or self._is_closed or will_wait:
                return
            if self._waiting and not self._waiting.run.is_alive():
                self._died(self._waiting.run, now)
            if self._waiting and not self._is_good(self._waiting, playbook, now):
                self._drop()
            if self._waiting is None and now >= self._not_before:
                self._waiting = self._begin(playbook)

    def kill(self) -> None:
        """End all runs at once: when this returns nothing more is written, and no other begins."""
        with self._lock:
            self._is_closed = True
            found = [self._working, self._waiting]
        for started in found:
            if started:
                started.run.kill()

    def close(self) -> None:
        """End the run that waits, and return when nothing is left of it and those before it; no other begins."""
        with self._lock:
            self._is_closed = True
            self._drop()
            ending = self._ending
        for run in ending:
            run.wait()

    def _put_back(self, started: _Started) -> None:
        """Have a run wait for its next round if it is still of use; end it otherwise."""
        # Not with the lock: it takes a look at all processes, and kill() is not to wait for that.
        is_small = self._is_on and self._is_small(started)
        with self._lock:
            self._working = None
            is_kept = is_small and not self._is_closed
            if is_kept and self._waiting is None and started.run.is_alive():
                self._waiting = started
            else:
                self._end(started.run)
        if self._is_closed:
            # This process may end with it, and nobody else waits.
            started.run.wait()

    def _take(self, playbook: PlaybookSpec) -> _Started | None:
        """Return the run that waits if it is good for a playbook."""
        waiting = self._waiting
        if waiting is None or not self._is_good(waiting, playbook, self._clock()):
            self._drop()
            return None
        self._waiting = None
        self._failures = 0
        return waiting

    def _is_small(self, started: _Started) -> bool:
        memory = started.run.memory()
        started.memory = started.memory or memory
        return memory - started.memory < MAX_GROWTH_BYTES

    def _is_good(self, waiting: _Started, playbook: PlaybookSpec, now: float) -> bool:
        is_fitting = waiting.run.playbook == playbook and waiting.files == self._files()
        return is_fitting and waiting.run.is_alive() and now - waiting.since < MAX_AGE_SECONDS

    def _begin(self, playbook: PlaybookSpec) -> _Started:
        # Looked at before: what is written while it starts may have been read or not.
        started = _Started(self._start(playbook), self._clock(), self._files())
        started.run.start()
        return started

    def _drop(self) -> None:
        if self._waiting:
            self._end(self._waiting.run)
        self._waiting = None

    def _end(self, run: Run) -> None:
        """Its thread cleans up behind it, if this process lives as long: see close()."""
        run.kill()
        self._ending = [run, *(each for each in self._ending if each.is_alive())]

    def _died(self, run: Run, now: float) -> None:
        first, last = PAUSE_SECONDS
        self._waiting = None
        self._not_before = now + min(first * 2**self._failures, last)
        self._failures = min(self._failures + 1, 16)
        cause = run.failure_cause()
        _log.warning("stand-by run ended unexpectedly", extra=fields(cause=cause))
        self._tell(f"ansible-playbook ended before there was something to do: {cause}")


def files_in_use(environment: Mapping[str, str], kubeconfig: str | None, further: Iterable[str] = ()) -> object:
    """Return something that is another when a file was written that a run reads and that a variable or option names."""
    named = [environment[name] for name in FILE_VARIABLES if environment.get(name)]
    home = Path(environment.get("HOME") or "/")
    paths = [*map(Path, named), home / ".aws" / "config", home / ".aws" / "credentials", Path(TOKEN_FILE)]
    configs = (kubeconfig or environment.get("KUBECONFIG") or str(home / ".kube" / "config")).split(os.pathsep)
    return tuple(_state(path) for path in (*paths, *map(Path, filter(None, (*configs, *further)))))


def _state(path: Path) -> tuple[int, int] | None:
    with suppress(OSError):
        found = path.expanduser().stat()
        return found.st_mtime_ns, found.st_ino
    return None
