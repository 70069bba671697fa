"""Custom resources: those that are new, were edited or are gone."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterable, Mapping
from datetime import datetime, timedelta
from random import Random

from kube_ecr_runner.cluster.sources import Source
from kube_ecr_runner.controller import schedule
from kube_ecr_runner.controller.batching import Batcher
from kube_ecr_runner.controller.handlers.pods import PodHandler
from kube_ecr_runner.controller.store import ResourceChange, Store
from kube_ecr_runner.controller.suspended import SuspendedResources
from kube_ecr_runner.controller.triggers.resources import is_due_at_once, was_edited, was_rescheduled
from kube_ecr_runner.log import fields
from kube_ecr_runner.model.observer import Observer
from kube_ecr_runner.model.resource import Key, Resource

_log = logging.getLogger(__name__)


class ResourceHandler:
    """Enqueues resources that are new or were edited, and has everything forgotten of those that are gone."""

    def __init__(
        self,
        store: Store,
        batcher: Batcher,
        suspended: SuspendedResources,
        pods: PodHandler,
        observer: Observer,
        *,
        periods: Mapping[str, timedelta],
        random: Random,
        forget: Collection[Callable[[Key], None]],
    ) -> None:
        """periods are the longest times between two reconciliations, by kind; forget is called for what is gone."""
        self._store = store
        self._batcher = batcher
        self._suspended = suspended
        self._pods = pods
        self._observer = observer
        self._periods = periods
        self._random = random
        self._forget = forget

    def listed(self, source: Source, resources: Iterable[Resource], now: datetime) -> None:
        """Take all resources of a source: what is not among them is gone."""
        present = {resource.key: resource for resource in resources}
        for key in self._store.missing_in(source, present.keys()):
            self.gone(key)
        for resource in present.values():
            self.seen(resource, now)

    def seen(self, resource: Resource, now: datetime) -> None:
        """Take a resource that was added or modified, also by a status that was written."""
        change = self._store.see(resource)
        if not change.is_same_object:
            self._gone(change)
            if change.after:
                self._added(change.after, now)
        elif change.before and change.after and was_edited(change.before, change.after):
            self._edited(change.before, change.after, now)

    def gone(self, key: Key) -> None:
        """Take it that a resource was deleted."""
        self._gone(self._store.remove(key))

    def enqueue_all(self, now: datetime) -> None:
        """Make all resources due when they should be, now that everything is known."""
        spread = schedule.restart_spread(self._store.resources())
        for resource in self._store.resources():
            self._enqueue(resource, now, spread)

    def reschedule_all(self, now: datetime) -> None:
        """Look at everything now: the clock was set back, and all due times are later by as much."""
        for resource in self._store.resources():
            self._batcher.enqueue(resource.key, now)
            self._suspended.note(resource, now)

    def _added(self, resource: Resource, now: datetime) -> None:
        self._observer.resource_known(resource.key, resource.status)
        self._warn(resource)
        self._suspended.note_new(resource, now)
        self._pods.note_new(resource, now)
        if self._store.is_complete:
            self._enqueue(resource, now, timedelta(0))

    def _edited(self, before: Resource, resource: Resource, now: datetime) -> None:
        tracked = self._store[resource.key]
        tracked.failures = 0
        self._suspended.note(resource, now)
        self._pods.note(resource, now)
        # A run may have read the edited resource before the watch delivered the edit.
        is_news = tracked.served_generation != resource.generation or resource.has_unanswered_request
        if was_rescheduled(before, resource):
            is_news = True
            self._warn(resource)
        if is_news and self._store.is_complete:
            self._batcher.enqueue_now(resource.key, now)

    def _enqueue(self, resource: Resource, now: datetime, spread: timedelta) -> None:
        due = None
        if not is_due_at_once(resource, self._store.namespaces):
            due = schedule.first_due(resource, spread, now, self._random)
        if due is None:
            self._batcher.enqueue_now(resource.key, now)
        else:
            period = resource.period(self._periods[resource.key.kind])
            due = schedule.within(due, period, now, self._random)
            retry_of = resource.identity if schedule.is_failing(resource) else None
            self._batcher.enqueue(resource.key, due, retry_of=retry_of)

    def _warn(self, resource: Resource) -> None:
        for warning in resource.sdk.warnings:
            _log.warning("to be known", extra=fields(resource=resource.key, warning=warning))

    def _gone(self, change: ResourceChange) -> None:
        if change.before:
            self._observer.resource_gone(change.before.key)
            for forget in self._forget:
                forget(change.before.key)
