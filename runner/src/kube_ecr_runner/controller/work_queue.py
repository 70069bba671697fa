"""Which resources are due when, and which go first. Pure: it holds times by key and never looks at a clock.

The loop asks at each turn which time is the earliest and how many are over, so times are kept in order: a bisection
answers both. A heap has no answer to the second, and keeps entries that were removed; to move what follows in a sorted
list of ten thousand costs a microsecond.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterable
from datetime import datetime, timedelta
from enum import IntEnum
from itertools import count
from typing import NamedTuple

from kube_ecr_runner.model.resource import Key

# A refresh that waited for so long goes as if it were left over: no stream of changes may let tokens expire.
MAX_PRECEDENCE = timedelta(minutes=10)


class Priority(IntEnum):
    """Why a resource is due; of two the lower goes first."""

    CHANGED = 0
    # It has changed, and did not fit into the run that came then.
    LEFT_OVER = 1
    SCHEDULED = 2


class Turn(NamedTuple):
    """A resource that is due, in the order in which those that are go into runs."""

    priority: Priority
    due: datetime
    key: Key


class DueTimes:
    """Times by key, one each, in order."""

    def __init__(self) -> None:
        # The number orders keys of one time: numbers are compared faster than keys.
        self._entries: dict[Key, tuple[datetime, int, Key]] = {}
        self._order: list[tuple[datetime, int, Key]] = []
        self._numbers = count()

    def __len__(self) -> int:
        return len(self._entries)

    def __contains__(self, key: Key) -> bool:
        return key in self._entries

    def add(self, key: Key, due: datetime) -> None:
        """Make a key due at that time, unless it is due earlier already."""
        known = self._entries.get(key)
        if known and known[0] <= due:
            return
        self.discard(key)
        self._entries[key] = entry = (due, next(self._numbers), key)
        insort(self._order, entry)

    def discard(self, key: Key) -> None:
        """Drop a key; an unknown one is no error."""
        entry = self._entries.pop(key, None)
        if entry:
            del self._order[bisect_left(self._order, entry)]

    def earliest(self) -> datetime | None:
        """Return the earliest time, None if there is none."""
        return self._order[0][0] if self._order else None

    def count(self, now: datetime) -> int:
        """Return how many keys are due at that time."""
        return bisect_right(self._order, now, key=lambda entry: entry[0])

    def due(self, now: datetime) -> list[tuple[datetime, Key]]:
        """Return the keys that are due at that time, with theirs, the earliest first."""
        return [(due, key) for due, _, key in self._order[: self.count(now)]]

    def pop(self, now: datetime) -> list[Key]:
        """Drop the keys that are due at that time and return them, the earliest first."""
        keys = [key for _, key in self.due(now)]
        del self._order[: len(keys)]
        for key in keys:
            del self._entries[key]
        return keys


class WorkQueue:
    """Due times and priorities by key, so that any number of events of one resource make one entry.

    A key is waiting, being worked on, or unknown. One that is enqueued while it is worked on waits again when that is
    over, because it is unknown whether the work still saw what happened.
    """

    def __init__(self) -> None:
        self._waiting = DueTimes()
        # Of the keys that wait; those that are not in it are due by the clock.
        self._priorities: dict[Key, Priority] = {}
        # Of the keys that are worked on, when and why they are due again.
        self._working: dict[Key, tuple[datetime, Priority] | None] = {}

    def __len__(self) -> int:
        return len(self._waiting) + len(self._working)

    def enqueue(self, key: Key, due: datetime, priority: Priority = Priority.SCHEDULED) -> None:
        """Make a key due at that time, unless it is due earlier already; of two priorities the higher one stays."""
        if key in self._working:
            earlier, higher = self._working[key] or (due, priority)
            self._working[key] = min(due, earlier), min(priority, higher)
            return
        self._waiting.add(key, due)
        if priority < self._priorities.get(key, Priority.SCHEDULED):
            self._priorities[key] = priority

    def turns(self, now: datetime) -> list[Turn]:
        """Return the keys that are due at that time, in no certain order of turns."""
        return [Turn(self._priority(key, due, now), due, key) for due, key in self._waiting.due(now)]

    def start(self, keys: Iterable[Key]) -> None:
        """Begin the work on keys that wait. If some of them have changed, others that have are left over now."""
        started = set()
        for key in keys:
            self._waiting.discard(key)
            started.add(self._priorities.pop(key, Priority.SCHEDULED))
            self._working[key] = None
        if Priority.CHANGED in started:
            self._priorities = dict.fromkeys(self._priorities, Priority.LEFT_OVER)

    def finish(self, key: Key, due: datetime) -> bool:
        """End the work on a key, which is due at that time, or when it was enqueued for meanwhile if that is earlier.

        Returns False, and does nothing, if it was not worked on: it was forgotten meanwhile.
        """
        if key not in self._working:
            return False
        again = self._working.pop(key)
        self.enqueue(key, due)
        if again:
            self.enqueue(key, *again)
        return True

    def forget(self, key: Key) -> None:
        """Drop a key, waiting or worked on; an unknown one is no error."""
        self._waiting.discard(key)
        self._priorities.pop(key, None)
        self._working.pop(key, None)

    def is_waiting(self, key: Key) -> bool:
        """Return whether a key waits, due or not."""
        return key in self._waiting

    def is_working(self, key: Key) -> bool:
        """Return whether a key is being worked on."""
        return key in self._working

    def next_due(self) -> datetime | None:
        """Return the earliest time at which a waiting key is due, None if none waits."""
        return self._waiting.earliest()

    def count_due(self, now: datetime) -> int:
        """Return how many waiting keys are due at that time."""
        return self._waiting.count(now)

    def _priority(self, key: Key, due: datetime, now: datetime) -> Priority:
        priority = self._priorities.get(key, Priority.SCHEDULED)
        return min(priority, Priority.LEFT_OVER) if now - due >= MAX_PRECEDENCE else priority
