"""Objects that looked wrong during a run: they are checked again after it, since the run may have fixed them. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta

from kube_ecr_runner.controller.work_queue import DueTimes
from kube_ecr_runner.model.resource import Key, Reference

# How long after a result the watches may still deliver what the run wrote.
RECHECK_DELAY = timedelta(seconds=2)


class Rechecks:
    """The checks that are pending, by resource: each says whether the object changed, or was seen for the first time.

    They are due RECHECK_DELAY after the result of the resource.
    """

    def __init__(self) -> None:
        self._pending: defaultdict[Key, dict[Reference, bool]] = defaultdict(dict)
        self._times = DueTimes()

    def add(self, key: Key, objects: Iterable[Reference], *, has_changed: bool) -> None:
        """Have objects checked again after the run that works on a resource; has_changed says that they changed."""
        self._pending[key] |= dict.fromkeys(objects, has_changed)

    def run_ended(self, key: Key, now: datetime) -> None:
        """Note that the run on a resource is over, so that its checks are due soon."""
        if key in self._pending:
            self._times.add(key, now + RECHECK_DELAY)

    def next_due(self) -> datetime | None:
        """Return when the next checks are due, None if none are."""
        return self._times.earliest()

    def pop(self, now: datetime) -> list[tuple[Key, Mapping[Reference, bool]]]:
        """Return the checks that are due, with their resources; they are pending no more."""
        return [(key, self._pending.pop(key)) for key in self._times.pop(now)]

    def forget(self, key: Key) -> None:
        """Drop the checks of a resource that is gone."""
        self._pending.pop(key, None)
        self._times.discard(key)
