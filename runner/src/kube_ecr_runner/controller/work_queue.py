"""Which resources are due when, and which go first. Pure: it holds times by key and never looks at a clock."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from kube_ecr_runner.model.resource import Key

# A refresh that waited for so long goes as if it were news: no stream of news may let tokens die.
MAX_PRECEDENCE = timedelta(minutes=10)
# How much smaller the runs get in which a key is that got no result before the deadline, each time.
_HUNG_SHIFT = 3


@dataclass(frozen=True)
class _Due:
    time: datetime
    is_news: bool

    def or_earlier(self, other: _Due | None) -> _Due:
        if other is None:
            return self
        return _Due(min(self.time, other.time), self.is_news or other.is_news)


class DueQueue:
    """Due times by key, so that any number of events of one resource make one entry.

    A key is waiting, being worked on, or unknown. One that is marked while it is worked on waits again when that
    is over, because nobody can tell whether the work still saw what happened.

    What is new or has changed (news) goes before what is due by the clock. Keys that got no result before the deadline
    of a run go into smaller and smaller runs, each time without those that did, until one that hangs is alone.
    """

    def __init__(self) -> None:
        self._waiting: dict[Key, _Due] = {}
        self._working: dict[Key, _Due | None] = {}
        self._hung: dict[Key, int] = {}

    def __len__(self) -> int:
        return len(self._waiting) + len(self._working)

    def mark(self, key: Key, due: datetime, *, is_news: bool = False) -> None:
        """Make a key due at that time, unless it is due earlier already."""
        entry = _Due(due, is_news)
        if key in self._working:
            self._working[key] = entry.or_earlier(self._working[key])
        else:
            self._waiting[key] = entry.or_earlier(self._waiting.get(key))

    def take(self, now: datetime, limit: int) -> list[Key]:
        """Return up to limit keys that are due at that time, in the order of their turns; they are now worked on."""
        due = sorted((self._turn(key, now), key) for key, entry in self._waiting.items() if entry.time <= now)
        if not due:
            return []
        hung = self._hung.get(due[0][1], 0)
        alike = [key for _, key in due if self._hung.get(key, 0) == hung]
        keys = alike[: max(limit >> (_HUNG_SHIFT * hung), 1)]
        for key in keys:
            del self._waiting[key]
            self._working[key] = None
        return keys

    def finish(self, key: Key, due: datetime, *, has_hung: bool = False) -> bool:
        """End the work on a key, which is due at that time, or when it was marked for meanwhile if that is earlier.

        has_hung says that it had no result when the deadline of its run came. Returns False, and does nothing, if it
        was not worked on: it was forgotten meanwhile.
        """
        if key not in self._working:
            return False
        self._waiting[key] = _Due(due, is_news=False).or_earlier(self._working.pop(key))
        if has_hung:
            self._hung[key] = self._hung.get(key, 0) + 1
        else:
            self._hung.pop(key, None)
        return True

    def forget(self, key: Key) -> None:
        """Drop a key, waiting or worked on; an unknown one is no error."""
        for entries in (self._waiting, self._working, self._hung):
            entries.pop(key, None)

    def is_working(self, key: Key) -> bool:
        """Return whether a key is being worked on."""
        return key in self._working

    def next_due(self) -> datetime | None:
        """Return the earliest time at which a waiting key is due, None if none waits."""
        return min((entry.time for entry in self._waiting.values()), default=None)

    def count_due(self, now: datetime) -> int:
        """Return how many waiting keys are due at that time."""
        return sum(entry.time <= now for entry in self._waiting.values())

    def _turn(self, key: Key, now: datetime) -> tuple[bool, int, datetime]:
        entry = self._waiting[key]
        goes_later = not entry.is_news and now - entry.time < MAX_PRECEDENCE
        return goes_later, self._hung.get(key, 0), entry.time
