"""Reports which resources are suspended or resumed, and which suspended ones hold tokens that have expired."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from kube_ecr_runner.controller.status_writer import StatusWriter
from kube_ecr_runner.controller.store import Store
from kube_ecr_runner.controller.work_queue import DueTimes
from kube_ecr_runner.log import fields
from kube_ecr_runner.model.event import Event
from kube_ecr_runner.model.observer import Observer
from kube_ecr_runner.model.resource import Key, Resource
from kube_ecr_runner.reporting.suspension import changes_at, event_of, says_suspended, suspended_status

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Notice:
    """What there is to report of a resource that is suspended, or was.

    event is about a change of spec.suspend; status is that of a suspended resource, and changes_at when it will be
    another one by itself.
    """

    event: Event | None = None
    status: Mapping[str, object] | None = None
    changes_at: datetime | None = None


def notice_of(resource: Resource, now: datetime, *, was_suspended: bool) -> Notice:
    """Return what there is to report of a resource; was_suspended is what was reported of it before."""
    has_changed = was_suspended != resource.suspended and not resource.deleting
    event = event_of(resource, now) if has_changed else None
    if not resource.suspended:
        return Notice(event)
    status = suspended_status(resource, now)
    return Notice(event, status, changes_at(status, now))


class SuspendedResources:
    """Knows which resources were reported as suspended, and when there is something new to report of them."""

    def __init__(self, store: Store, writer: StatusWriter, observer: Observer) -> None:
        self._store = store
        self._writer = writer
        self._observer = observer
        self._reported: set[Key] = set()
        self._times = DueTimes()

    def note_new(self, resource: Resource, now: datetime) -> None:
        """Take a resource that is seen for the first time: its status says what another process reported of it."""
        if says_suspended(resource.status):
            self._reported.add(resource.key)
        self.note(resource, now)

    def note(self, resource: Resource, now: datetime) -> None:
        """Look at a resource soon, if it is suspended or was reported to be."""
        if resource.suspended or resource.key in self._reported:
            self._times.add(resource.key, now)

    def next_due(self) -> datetime | None:
        """Return when there may be something new to report, None if there will be nothing."""
        return self._times.earliest()

    def report(self, now: datetime) -> None:
        """Write what there is to report by now."""
        for key in self._times.pop(now):
            resource = self._store[key].resource
            notice = notice_of(resource, now, was_suspended=key in self._reported)
            if resource.suspended:
                self._reported.add(key)
            else:
                self._reported.discard(key)
            if notice.event:
                _log.info(notice.event.reason.lower(), extra=fields(resource=key))
                self._writer.write_events(resource, [notice.event], now)
            if notice.status is not None:
                self._store.set_status(key, notice.status)
                self._observer.resource_known(key, notice.status)
                self._writer.publish(resource, notice.status, now)
            if notice.changes_at:
                self._times.add(key, notice.changes_at)

    def forget(self, key: Key) -> None:
        """Drop a resource that is gone."""
        self._reported.discard(key)
        self._times.discard(key)
