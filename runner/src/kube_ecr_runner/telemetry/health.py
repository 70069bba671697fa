"""Whether the runner lives, and whether it serves, judged by the signs of life that its parts give. No I/O.

A restart mends what hangs, and nothing else: an API server or AWS that is down, or a right that is missing, makes no
runner unhealthy. Only silence that should have ended does: of the work loop, of a watch, of a run. But a runner that
cannot do what it is there for, whatever keeps it from that, is not ready: so nothing that cannot work looks well.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, override

from kube_ecr_runner.model.observer import Observer, Part

# The work loop sleeps for 30 s at most, and a single write to the API server ends after 30 s.
LOOP_SECONDS = 120.0
# Longer than any watch is open (170 s), and its time-outs.
WATCH_SECONDS = 360.0
# Two bookmarks are overdue, and the watch was opened anew meanwhile.
QUIET_SECONDS = 180.0
# What it takes to end all processes of a run that was stopped at its deadline.
RUN_GRACE_SECONDS = 30.0
_RESTART = "restart the runner (a liveness probe does this), and report it with the log if it happens again"


@dataclass(frozen=True)
class WatchHealth:
    """One watch: when its thread last made progress, be it by an error; when the watch last brought something; and what
    keeps it from working, empty if nothing. In seconds of a monotonic clock.

    is_needed is False where it lacks a right without which all is served, if later.
    """

    moved_at: float
    heard_at: float
    trouble: str = ""
    is_needed: bool = True


@dataclass(frozen=True)
class HealthState:
    """The signs of life at one moment; run_overdue_at is when the present run should be over, None without one.

    leads is False for a replica that waits until it is its turn: it has no watches, and its loop may stand still.
    unlisted are the watches whose initial list is missing; None means that nothing is served yet. troubles are what
    keeps each part of the runner from working, empty texts for those that work.
    """

    loop_at: float
    watches: dict[str, WatchHealth] = field(default_factory=dict)
    run: str = ""
    run_overdue_at: float | None = None
    leads: bool = True
    unlisted: frozenset[str] | None = None
    troubles: Mapping[Part, str] = field(default_factory=dict)


def unhealthy_causes(state: HealthState, now: float) -> list[str]:
    """Return what is wrong that a restart would mend, a line for each with what to do; none when it is healthy."""
    if not state.leads:
        return []
    causes = []
    if now - state.loop_at > LOOP_SECONDS:
        causes.append(f"the work loop made no progress for {now - state.loop_at:.0f} s; {_RESTART}")
    for name, watch in sorted(state.watches.items()):
        if now - watch.moved_at > WATCH_SECONDS:
            causes.append(f"the watch of {name} made no progress for {now - watch.moved_at:.0f} s; {_RESTART}")
    if state.run_overdue_at is not None and now > state.run_overdue_at:
        text = f"run {state.run} should have been stopped {now - state.run_overdue_at:.0f} s ago"
        causes.append(f"{text}; {_RESTART}")
    return causes


def unready_causes(state: HealthState, now: float) -> list[str]:
    """Return why this process does not serve, a line for each; none when it does, or waits for a leader that does."""
    if not state.leads:
        trouble = state.troubles.get(Part.LEASE, "waiting for the first look at the Lease")
        return [trouble] if trouble else []
    if state.unlisted is None:
        return ["the runner is starting"]
    unlisted = [_unlisted_cause(name, state.watches.get(name)) for name in sorted(state.unlisted)]
    listed = {name: watch for name, watch in state.watches.items() if name not in state.unlisted}
    quiet = [_quiet_cause(name, watch, now) for name, watch in sorted(listed.items()) if _is_quiet(watch, now)]
    return [*unlisted, *quiet, *(state.troubles[part] for part in sorted(state.troubles) if state.troubles[part])]


def _is_quiet(watch: WatchHealth, now: float) -> bool:
    return watch.is_needed and now - watch.heard_at > QUIET_SECONDS


def _quiet_cause(name: str, watch: WatchHealth, now: float) -> str:
    trouble = watch.trouble or (
        "not even a bookmark; check what is between the runner and the API server (a proxy that holds back or drops "
        "what it passes on)"
    )
    return f"the watch of {name} has brought nothing for {now - watch.heard_at:.0f} s: {trouble}"


def _unlisted_cause(name: str, watch: WatchHealth | None) -> str:
    return f"waiting for the initial list of {name}" + (f": {watch.trouble}" if watch and watch.trouble else "")


class Health(Observer):
    """Takes the signs of life, from any thread."""

    def __init__(self, run_seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        """run_seconds is the deadline of a run."""
        self._run_seconds = run_seconds
        self._clock = clock
        self._lock = threading.Lock()
        self._state = HealthState(loop_at=clock())

    def state(self) -> HealthState:
        """Return the signs of life as they are now."""
        with self._lock:
            return self._state

    def unhealthy_causes(self) -> list[str]:
        """Return what unhealthy_causes() finds now."""
        return unhealthy_causes(self.state(), self._clock())

    def unready_causes(self) -> list[str]:
        """Return what unready_causes() finds now."""
        return unready_causes(self.state(), self._clock())

    def watch_ages(self) -> dict[str, float]:
        """Return for each watch that may be expected to work how many seconds ago it last brought something."""
        now = self._clock()
        watches = self.state().watches
        return {name: max(0.0, now - watch.heard_at) for name, watch in watches.items() if watch.is_needed}

    @override
    def leads(self, is_leader: bool) -> None:
        with self._lock:
            troubles = dict(self._state.troubles)
            troubles.pop(Part.LEASE, None)
            self._state = replace(self._state, leads=is_leader, loop_at=self._clock(), troubles=troubles)

    @override
    def part_works(self, part: Part, trouble: str) -> None:
        with self._lock:
            if self._state.troubles.get(part) != trouble:
                self._state = replace(self._state, troubles={**self._state.troubles, part: trouble})

    @override
    def loop_moved(self) -> None:
        with self._lock:
            self._state = replace(self._state, loop_at=self._clock())

    @override
    def waits_for(self, watches: Iterable[str]) -> None:
        with self._lock:
            self._state = replace(self._state, unlisted=frozenset(watches))

    @override
    def run_started(self, run: str) -> None:
        overdue_at = self._clock() + self._run_seconds + RUN_GRACE_SECONDS
        with self._lock:
            self._state = replace(self._state, run=run, run_overdue_at=overdue_at)

    @override
    def run_ended(self, status: str, seconds: float, resources: int) -> None:
        with self._lock:
            self._state = replace(self._state, run="", run_overdue_at=None)

    @override
    def watch_started(self, name: str) -> None:
        self.watch_heard(name)

    @override
    def watch_moved(self, name: str) -> None:
        self._watch_went_on(name, trouble="")

    @override
    def watch_heard(self, name: str) -> None:
        now = self._clock()
        with self._lock:
            self._state = replace(self._state, watches={**self._state.watches, name: WatchHealth(now, now)})

    @override
    def watch_failed(self, name: str, trouble: str, is_needed: bool = True) -> None:
        self._watch_went_on(name, trouble=trouble, is_needed=is_needed)

    @override
    def watch_ended(self, name: str) -> None:
        with self._lock:
            watches = {other: watch for other, watch in self._state.watches.items() if other != name}
            self._state = replace(self._state, watches=watches)

    def _watch_went_on(self, name: str, **changes: Any) -> None:
        """Note that a watch made progress, though it brought nothing."""
        now = self._clock()
        with self._lock:
            watch = self._state.watches.get(name) or WatchHealth(now, now)
            watch = replace(watch, moved_at=now, **changes)
            self._state = replace(self._state, watches={**self._state.watches, name: watch})
