"""Whether the runner lives, and whether it serves, judged by the signs of life that its parts give. No I/O.

A restart mends what hangs, and nothing else: an API server or AWS that is down, or a right that is missing, makes no
runner unhealthy. Only silence that should have ended does: of the work loop, of a watch, of a run.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace

# The work loop sleeps for 30 s at most, and a single write to the API server ends after 30 s.
LOOP_SECONDS = 120.0
# Longer than any watch is open (300 s), and its time-outs.
WATCH_SECONDS = 360.0
# What it takes to end all processes of a run that was stopped at its deadline.
RUN_GRACE_SECONDS = 30.0
_RESTART = "restart the runner (a liveness probe does), and report it with the log if it happens again"


@dataclass(frozen=True)
class Watch:
    """One watch: when its thread last came to an end of anything, when it last heard from the API server, and what
    keeps it from working, empty if nothing. In seconds of a monotonic clock."""

    moved_at: float
    heard_at: float
    trouble: str = ""


@dataclass(frozen=True)
class Vitals:
    """The signs of life at one moment; run_overdue_at is when the present run should be over, None without one.

    leads is False for a replica that waits until it is its turn: it has no watches, and its loop may stand still.
    unlisted are the watches whose first list is waited for; None means that nothing is served yet.
    """

    loop_at: float
    watches: dict[str, Watch] = field(default_factory=dict)
    run: str = ""
    run_overdue_at: float | None = None
    leads: bool = True
    unlisted: frozenset[str] | None = None


def ailments(vitals: Vitals, now: float) -> list[str]:
    """Return what is wrong that a restart would mend, a line for each with what to do; none when it is healthy."""
    if not vitals.leads:
        return []
    told = []
    if now - vitals.loop_at > LOOP_SECONDS:
        told.append(f"the work loop has not moved for {now - vitals.loop_at:.0f} s; {_RESTART}")
    for name, watch in sorted(vitals.watches.items()):
        if now - watch.moved_at > WATCH_SECONDS:
            told.append(f"the watch of {name} has been silent for {now - watch.moved_at:.0f} s; {_RESTART}")
    if vitals.run_overdue_at is not None and now > vitals.run_overdue_at:
        text = f"run {vitals.run} should have been stopped {now - vitals.run_overdue_at:.0f} s ago at the latest"
        told.append(f"{text}; {_RESTART}")
    return told


def obstacles(vitals: Vitals) -> list[str]:
    """Return why this process does not serve yet, a line for each; none when it does, or waits for its turn."""
    if not vitals.leads or vitals.unlisted == frozenset():
        return []
    if vitals.unlisted is None:
        return ["the runner is starting"]
    return [_waited_for(name, vitals.watches.get(name)) for name in sorted(vitals.unlisted)]


def _waited_for(name: str, watch: Watch | None) -> str:
    return f"the first list of {name} is waited for" + (f": {watch.trouble}" if watch and watch.trouble else "")


class Health:
    """Takes the signs of life, from any thread."""

    def __init__(self, run_seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        """run_seconds is the deadline of a run."""
        self._run_seconds = run_seconds
        self._clock = clock
        self._lock = threading.Lock()
        self._vitals = Vitals(loop_at=clock())

    def vitals(self) -> Vitals:
        """Return the signs of life as they are now."""
        with self._lock:
            return self._vitals

    def ailments(self) -> list[str]:
        """See ailments()."""
        return ailments(self.vitals(), self._clock())

    def obstacles(self) -> list[str]:
        """See obstacles()."""
        return obstacles(self.vitals())

    def watch_ages(self) -> dict[str, float]:
        """Return for each watch how many seconds ago the API server was last heard from."""
        now = self._clock()
        return {name: max(0.0, now - watch.heard_at) for name, watch in self.vitals().watches.items()}

    def leads(self, is_leader: bool) -> None:
        """Note whether this process serves, or waits until it is its turn: then it is healthy and ready, and idle."""
        self._set(leads=is_leader, loop_at=self._clock())

    def loop_moved(self) -> None:
        """The work loop did something."""
        self._set(loop_at=self._clock())

    def waits_for(self, watches: Iterable[str]) -> None:
        """Note which watches have not listed yet; with none left, the process serves."""
        self._set(unlisted=frozenset(watches))

    def run_started(self, run: str) -> None:
        """A run began."""
        self._set(run=run, run_overdue_at=self._clock() + self._run_seconds + RUN_GRACE_SECONDS)

    def run_ended(self) -> None:
        """The run is over."""
        self._set(run="", run_overdue_at=None)

    def watch_started(self, name: str) -> None:
        """A watch begins."""
        now = self._clock()
        self._set_watch(name, Watch(now, now))

    def watch_heard(self, name: str) -> None:
        """The API server answered a watch, or sent it something."""
        now = self._clock()
        self._set_watch(name, Watch(now, now))

    def watch_failed(self, name: str, trouble: str) -> None:
        """A watch does not work for now, and is tried again; trouble says why, for a person."""
        with self._lock:
            watch = self._vitals.watches.get(name) or Watch(0.0, self._clock())
            watch = replace(watch, moved_at=self._clock(), trouble=trouble)
            self._vitals = replace(self._vitals, watches={**self._vitals.watches, name: watch})

    def watch_ended(self, name: str) -> None:
        """A watch was ended."""
        with self._lock:
            watches = {each: watch for each, watch in self._vitals.watches.items() if each != name}
            self._vitals = replace(self._vitals, watches=watches)

    def _set_watch(self, name: str, watch: Watch) -> None:
        with self._lock:
            self._vitals = replace(self._vitals, watches={**self._vitals.watches, name: watch})

    def _set(self, **values: object) -> None:
        with self._lock:
            self._vitals = replace(self._vitals, **values)
