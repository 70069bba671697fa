"""Writes statuses and events to the API server, and writes again later what it did not take. It evicts pods, too.

What always holds: while the API server is down, one attempt must do: each takes its time, and the loop has other things
to do than to wait. Each outage is logged once.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from typing import Protocol

from kube_ecr_runner.cluster.errors import KubernetesError
from kube_ecr_runner.controller.settlement import Settlement
from kube_ecr_runner.log import fields
from kube_ecr_runner.model.event import Event
from kube_ecr_runner.model.resource import Key, Resource
from kube_ecr_runner.model.waiting_pod import Owner, WaitingPod
from kube_ecr_runner.reporting.event_series import EventWriter

RETRY_DELAY = timedelta(seconds=10)

_log = logging.getLogger(__name__)


class StatusApi(Protocol):
    """Where statuses and events go: cluster.client.Cluster. All methods raise KubernetesError."""

    def apply_status(self, resource: Resource, status: Mapping[str, object]) -> bool: ...

    def create_event(self, resource: Resource, event: Event, now: datetime) -> str: ...

    def repeat_event(self, resource: Resource, name: str, count: int, now: datetime) -> bool: ...

    def create_owner_event(self, owner: Owner, namespace: str, event: Event, now: datetime) -> str: ...

    def evict_pod(self, pod: WaitingPod) -> bool: ...


class Outage:
    """Whether the API server takes writes at all: when too many in a row did not come through, no other is tried."""

    def __init__(self, limit: int, counts: Callable[[KubernetesError], bool]) -> None:
        """limit is how many must fail in a row; counts says which errors are those of an outage."""
        self._limit = limit
        self._counts = counts
        self._failures: list[KubernetesError] = []

    @property
    def is_on(self) -> bool:
        """Whether nothing is tried for now."""
        return len(self._failures) >= self._limit

    def attempt[T](self, write: Callable[[], T]) -> T:
        """Return what a write returns. Raises KubernetesError: its own, or the last one as long as the outage is on."""
        if self.is_on:
            raise self._failures[-1]
        try:
            written = write()
        except KubernetesError as error:
            self._failures = [*self._failures, error] if self._counts(error) else []
            raise
        self._failures = []
        return written

    def end(self) -> None:
        """Try again."""
        self._failures = []


class StatusWriter:
    """Keeps the statuses in the cluster what they should be, and writes events, from one thread.

    Whatever fails is logged and raises nothing. A status that could not be written is written at retry_at; an event is
    lost, but for its count.
    """

    def __init__(
        self, api: StatusApi, managed: Collection[str], progress: Callable[[], None], clock: Callable[[], datetime]
    ) -> None:
        """managed are the kinds whose statuses and events are written; progress is called before each write."""
        self._api = api
        self._managed = managed
        self._progress = progress
        self._clock = clock
        self._events = EventWriter()
        self._outage = Outage(1, _is_server_trouble)
        self._had_outage = False
        self._last_trouble = ""
        self._last_error = ""
        self._unwritten: set[Key] = set()
        self._halted = threading.Event()
        self.retry_at: datetime | None = None

    @property
    def is_halted(self) -> bool:
        """Whether halt() was called."""
        return self._halted.is_set()

    def halt(self) -> None:
        """Write nothing more from now on. May be called from any thread."""
        self._halted.set()

    def trouble(self, known: int) -> str:
        """Return why not one status can be written, where so many resources are known; empty if one is as it should."""
        return self._last_error if 0 < known <= len(self._unwritten) else ""

    def carry_out(self, resource: Resource, settlement: Settlement, run: str, now: datetime) -> None:
        """Write and log what a settlement says of a resource, which is as it was before; run is the name of the run."""
        if settlement.status is not None:
            self.publish(resource, settlement.status, now)
        # After the status, so that whoever reads the line and then asks the API server finds the same.
        if line := settlement.log:
            _log.log(line.level, line.message, extra=fields(resource=resource.key, run=run, **line.fields))
        self.write_events(resource, settlement.events, now)

    def publish(self, resource: Resource, status: Mapping[str, object], now: datetime) -> None:
        """Write a status, unless it is what the resource has already."""
        if status != resource.status or resource.key in self._unwritten:
            self._write_status(replace(resource, status=status), now)

    def write_events(self, resource: Resource, events: Iterable[Event], now: datetime) -> None:
        """Write events; one that happens again is counted instead."""
        for event in events if resource.key.kind in self._managed else ():
            create = partial(self._api.create_event, resource, event, now)
            repeat = partial(self._api.repeat_event, resource, now=now)
            self._attempt(partial(self._events.write, resource.key, event, now, create, repeat))

    def evict(self, pod: WaitingPod, event: Event, now: datetime) -> bool:
        """Evict a pod, and write the event about its controller; return whether it was evicted."""
        answers: list[bool] = []
        self._attempt(lambda: answers.append(self._api.evict_pod(pod)))
        if not any(answers):
            return False
        if pod.owner:
            self._attempt(partial(self._api.create_owner_event, pod.owner, pod.namespace, event, now))
        return True

    def retry(self, resources: Iterable[Resource], now: datetime) -> None:
        """Write those statuses that could not be written, if it is time to; resources are all that there are."""
        if self.retry_at is None or now < self.retry_at:
            return
        self.retry_at = None
        self._outage.end()
        for resource in resources:
            if resource.key in self._unwritten:
                self._write_status(resource, now)

    def hasten(self, now: datetime) -> None:
        """Have what waits for another attempt be tried now: the clock was set back, and the time is of the old one."""
        self.retry_at = self.retry_at and now

    def forget(self, key: Key) -> None:
        """Drop what is known of a resource that is gone."""
        self._events.forget(key)
        self._unwritten.discard(key)

    def _write_status(self, resource: Resource, now: datetime) -> None:
        if resource.key.kind not in self._managed:
            return
        if self._attempt(partial(self._api.apply_status, resource, resource.status)):
            self._unwritten.discard(resource.key)
        else:
            self._unwritten.add(resource.key)
            self.retry_at = self.retry_at or now + RETRY_DELAY

    def _attempt(self, write: Callable[[], object]) -> bool:
        """Return whether it was written; nothing is tried while the API server is known to be down."""
        if self._outage.is_on or self._halted.is_set():
            return False
        self._progress()
        try:
            self._outage.attempt(write)
        except KubernetesError as error:
            self._note(error)
            self._last_error = str(error)
            return False
        if self._had_outage:  # the next outage is another one, though its cause be the same
            self._had_outage, self._last_trouble = False, ""
        return True

    def _note(self, error: KubernetesError) -> None:
        if self._outage.is_on:
            self._had_outage = True
            self.retry_at = self.retry_at or self._clock() + RETRY_DELAY
        if error.text != self._last_trouble:
            self._last_trouble = error.text
            _log.warning("cannot write to the API server", extra=fields(cause=error))


def _is_server_trouble(error: KubernetesError) -> bool:
    """Return whether an error says that the API server is down or overloaded, rather than that one write is wrong."""
    return error.status in (0, 429) or error.status >= 500
