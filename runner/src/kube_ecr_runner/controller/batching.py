"""Which resources share a run, and when it begins. Pure: it never looks at a clock.

A run begins when something has been due for the batching window, or when nothing changed for a part of it: then
nothing more will, mostly. The first one takes what is due when the process starts, as much as fits into a batch. From
then on nobody who changes something is to wait for long: what has changed since the last run goes first, in a run
without the others, and the runs for what is due by the clock are smaller. They take turns, so that nothing is left out
however much changes. Resources that got no result before the deadline of a run go into smaller and smaller runs, each
time without those that did, until one that hangs is alone.

Resources whose next attempt is one at AWS are taken together if they are of one identity, whenever each is due: one
call serves them all, and after throttling each call counts.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from kube_ecr_runner.controller.work_queue import Priority, Turn, WorkQueue
from kube_ecr_runner.model.playbook import PlaybookSpec
from kube_ecr_runner.model.resource import Key

# Part of the batching window: when nothing changed for so long, nothing more will, mostly.
QUIET_FRACTION = 1 / 40
# How much smaller the runs get in which a key is that got no result before the deadline, each time.
_TIMEOUT_SHIFT = 3
# How much smaller the runs are for what is due by the clock, but the first one: a change waits for the run that works.
_SMALLER = 4


@dataclass(frozen=True)
class Batch:
    """The resources of one run, and the playbook that it runs."""

    playbook: PlaybookSpec
    keys: list[Key]


class Batcher:
    """The queues of all playbooks: resources of one share a run, those of several never do."""

    def __init__(self, playbooks: Mapping[str, PlaybookSpec], window: timedelta, size: int) -> None:
        """playbooks are by kind of resource; size is how many resources go into one run at most."""
        self._playbooks = playbooks
        self._window = window
        self._size = size
        self._queues = {playbook: WorkQueue() for playbook in playbooks.values()}
        # How often in a row each key was in a run that was stopped at its deadline, and had no result.
        self._timeouts: dict[Key, int] = {}
        # The AWS identity of each resource that waits for another attempt to get a token.
        self._retries: dict[Key, int] = {}
        # Of each queue that has had a run: whether that was for what had changed, while others waited.
        self._owes_others: dict[WorkQueue, bool] = {}
        self._last_change = datetime.min.replace(tzinfo=UTC)

    def enqueue(self, key: Key, due: datetime, *, retry_of: int | None = None) -> None:
        """Make a resource due at that time, unless it is due earlier already; retry_of is as for finish()."""
        self._queue_of(key).enqueue(key, due)
        self._note_retry(key, retry_of)

    def enqueue_now(self, key: Key, now: datetime) -> None:
        """Make a resource due at once, before those that are due by the clock."""
        self._last_change = now
        self._queue_of(key).enqueue(key, now, Priority.CHANGED)

    def finish(self, key: Key, due: datetime, *, has_timed_out: bool = False, retry_of: int | None = None) -> bool:
        """End the work on a resource, which is due again at that time or when it was enqueued for meanwhile.

        retry_of is its AWS identity, if it has to be asked again for a token. has_timed_out says that it had no result
        when the deadline of its run came. Returns False, and does nothing, if it was not worked on: it was forgotten
        meanwhile.
        """
        if not self._queue_of(key).finish(key, due):
            return False
        if has_timed_out:
            self._timeouts[key] = self._timeouts.get(key, 0) + 1
        else:
            self._timeouts.pop(key, None)
        self._note_retry(key, retry_of)
        return True

    def forget(self, key: Key) -> None:
        """Drop a resource, waiting or worked on; an unknown one is no error."""
        self._queue_of(key).forget(key)
        self._timeouts.pop(key, None)
        self._retries.pop(key, None)

    def is_working(self, key: Key) -> bool:
        """Return whether a run works on a resource."""
        return self._queue_of(key).is_working(key)

    def next_start(self) -> datetime | None:
        """Return when the next run may begin, None if nothing waits."""
        return min(filter(None, map(self._start_of, self._queues.values())), default=None)

    def next_playbook(self) -> PlaybookSpec:
        """Return the playbook that a run is most likely for next."""
        return min(
            self._queues, key=lambda playbook: self._queues[playbook].next_due() or datetime.max.replace(tzinfo=UTC)
        )

    def next_batch(self, now: datetime, is_suspended: Callable[[Key], bool]) -> Batch | None:
        """Return the run that begins at that time, if one does; from now on its resources are worked on.

        What is suspended is dropped when its turn comes: it is due when it is resumed, whatever happened meanwhile.
        """
        for playbook, queue in sorted(self._queues.items(), key=lambda entry: entry[1].next_due() or now):
            start = self._start_of(queue)
            is_time = start and (start <= now or queue.count_due(now) >= self._size)
            if is_time and (keys := self._take(queue, now, is_suspended)):
                return Batch(playbook, keys)
        return None

    def count_due(self, now: datetime) -> int:
        """Return how many resources wait for a run that are due at that time."""
        return sum(queue.count_due(now) for queue in self._queues.values())

    def next_due(self) -> datetime | None:
        """Return the earliest time at which a resource is due that waits, None if none does."""
        return min(filter(None, (queue.next_due() for queue in self._queues.values())), default=None)

    def _queue_of(self, key: Key) -> WorkQueue:
        return self._queues[self._playbooks[key.kind]]

    def _start_of(self, queue: WorkQueue) -> datetime | None:
        """Wait for the batching window, but not much longer than changes keep coming."""
        due = queue.next_due()
        return due and min(due + self._window, max(due, self._last_change + self._window * QUIET_FRACTION))

    def _take(self, queue: WorkQueue, now: datetime, is_suspended: Callable[[Key], bool]) -> list[Key]:
        limit, turns = self._next_turns(queue, now)
        # Something is due: no run begins earlier.
        first = self._timeouts.get(turns[0].key, 0)
        alike = [turn.key for turn in turns if self._timeouts.get(turn.key, 0) == first]
        most = max(self._size >> (_TIMEOUT_SHIFT * first), 1)
        keys = alike[: min(limit, most)]
        keys += [key for key in self._others_of(keys, queue) if self._timeouts.get(key, 0) == first][: most - len(keys)]
        queue.start(keys)
        for key in keys:
            self._retries.pop(key, None)
        suspended = {key for key in keys if is_suspended(key)}
        for key in suspended:
            self.forget(key)
        return [key for key in keys if key not in suspended]

    def _others_of(self, keys: list[Key], queue: WorkQueue) -> list[Key]:
        """Return what waits for an attempt at AWS as one of the identities of these, beside them."""
        identities, taken = {self._retries[key] for key in keys if key in self._retries}, set(keys)
        return sorted(
            key
            for key, identity in self._retries.items()
            if identity in identities and key not in taken and self._queue_of(key) is queue and queue.is_waiting(key)
        )

    def _note_retry(self, key: Key, identity: int | None) -> None:
        if identity is None:
            self._retries.pop(key, None)
        else:
            self._retries[key] = identity

    def _next_turns(self, queue: WorkQueue, now: datetime) -> tuple[int, list[Turn]]:
        """Return how many resources the next run takes at most, and whose turn it is, in order.

        At first it is that of all, then of what has changed, or of the others.
        """
        turns = sorted(queue.turns(now), key=lambda turn: (turn.priority, self._timeouts.get(turn.key, 0), turn))
        if queue not in self._owes_others:
            self._owes_others[queue] = False
            return self._size, turns
        changed = [turn for turn in turns if turn.priority is Priority.CHANGED]
        others = turns[len(changed) :]
        is_theirs = not changed or (bool(others) and self._owes_others[queue])
        self._owes_others[queue] = bool(others) and not is_theirs
        return (max(self._size // _SMALLER, 1), others) if is_theirs else (self._size, changed)
