"""Which resources are due when. Pure: it holds times by key and never looks at a clock."""

from __future__ import annotations

from datetime import datetime

from kube_ecr_runner.resources import Key


class DueQueue:
    """Due times by key, so that any number of events of one resource make one entry.

    A key is waiting, being worked on, or unknown. One that is marked while it is worked on waits again when that
    is over, because nobody can tell whether the work still saw what happened.
    """

    def __init__(self) -> None:
        self._waiting: dict[Key, datetime] = {}
        self._working: dict[Key, datetime | None] = {}

    def __len__(self) -> int:
        return len(self._waiting) + len(self._working)

    def mark(self, key: Key, due: datetime) -> None:
        """Make a key due at that time, unless it is due earlier already."""
        if key in self._working:
            self._working[key] = _earlier(self._working[key], due)
        else:
            self._waiting[key] = _earlier(self._waiting.get(key), due)

    def take(self, now: datetime, limit: int) -> list[Key]:
        """Return up to limit keys that are due at that time, those due first in front; they are now worked on."""
        due = sorted((time, key) for key, time in self._waiting.items() if time <= now)
        keys = [key for _, key in due[:limit]]
        for key in keys:
            del self._waiting[key]
            self._working[key] = None
        return keys

    def finish(self, key: Key, due: datetime) -> bool:
        """End the work on a key, which is due at that time, or when it was marked for meanwhile if that is earlier.

        Returns False, and does nothing, if it was not worked on: it was forgotten meanwhile.
        """
        if key not in self._working:
            return False
        self._waiting[key] = _earlier(self._working.pop(key), due)
        return True

    def forget(self, key: Key) -> None:
        """Drop a key, waiting or worked on; an unknown one is no error."""
        self._waiting.pop(key, None)
        self._working.pop(key, None)

    def is_working(self, key: Key) -> bool:
        """Return whether a key is being worked on."""
        return key in self._working

    def next_due(self) -> datetime | None:
        """Return the earliest time at which a waiting key is due, None if none waits."""
        return min(self._waiting.values(), default=None)

    def count_due(self, now: datetime) -> int:
        """Return how many waiting keys are due at that time."""
        return sum(due <= now for due in self._waiting.values())


def _earlier(time: datetime | None, other: datetime) -> datetime:
    return other if time is None else min(time, other)
