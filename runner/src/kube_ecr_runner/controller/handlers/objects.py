"""Secrets and service accounts: those that resources refer to, and those that hold what a run wrote."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterable
from datetime import datetime

from kube_ecr_runner.cluster.sources import Source
from kube_ecr_runner.cluster.watch_manager import Change, WatchManager
from kube_ecr_runner.controller.batching import Batcher
from kube_ecr_runner.controller.recheck import Rechecks
from kube_ecr_runner.controller.store import Store
from kube_ecr_runner.controller.triggers.objects import (
    drifted_in_list,
    may_predate_any,
    needs_reconcile,
    needs_reconcile_after_run,
    refers_to,
)
from kube_ecr_runner.log import fields
from kube_ecr_runner.model.object_list import ObjectList
from kube_ecr_runner.model.resource import Reference, Referenced, Resource

_log = logging.getLogger(__name__)


class ObjectHandler:
    """Watches what the resources name, and enqueues those that it gives something to do."""

    def __init__(self, store: Store, watches: WatchManager, batcher: Batcher, rechecks: Rechecks) -> None:
        self._store = store
        self._watches = watches
        self._batcher = batcher
        self._rechecks = rechecks

    def watch(self) -> None:
        """Watch what the resources name; before all of them are known there is nothing to compare with."""
        if self._store.is_complete and (named := self._store.watched_objects()) is not None:
            self._watches.follow(named)

    def listed(self, source: Source, objects: Iterable[Referenced], now: datetime) -> None:
        """Take all objects of a source: what is not among them is gone."""
        listing = self._watches.listed(source, objects)
        if listing is None:
            return
        found, changes = listing
        if changes is None:
            self._renew(now, lambda resource: self._may_predate(resource, found))
        else:
            self._handle(changes, now)
        # What came and went between two lists, written by a run say, is in neither of them.
        for resource in self._store.resources():
            if source.namespace in ("", resource.key.namespace):
                drifted = drifted_in_list(resource, found, self._store.namespaces, is_first=changes is None)
                self._reconcile(resource, drifted, now)

    def changed(self, source: Source, item: Referenced, now: datetime, *, is_gone: bool) -> None:
        """Take an object that was added or modified, or is gone."""
        self._handle(self._watches.changed(source, item, is_gone), now)

    def recheck(self, now: datetime) -> None:
        """Check again what looked wrong during runs that are over: what they wrote was delivered since."""
        for key, checks in self._rechecks.pop(now):
            resource = self._store[key].resource
            for reference, has_changed in checks.items():
                found, namespaces = self._watches.find(reference), self._store.namespaces
                if needs_reconcile_after_run(resource, reference, found, namespaces, has_changed=has_changed):
                    self._reconcile(resource, [reference], now, has_changed=has_changed)

    def _handle(self, changes: Iterable[Change], now: datetime) -> None:
        by_reference = {item.reference: change for change in changes if (item := change.after or change.before)}
        if not by_reference:
            return
        self._renew(now, lambda resource: refers_to(resource, by_reference))
        for resource in self._store.resources():
            disturbed = [
                reference
                for reference, change in by_reference.items()
                if needs_reconcile(resource, change.before, change.after, self._store.namespaces)
            ]
            self._reconcile(resource, disturbed, now, has_changed=True)

    def _renew(self, now: datetime, is_affected: Callable[[Resource], bool]) -> None:
        """Make resources due at once, as if they had never failed: their way into AWS is not what it was."""
        for tracked in self._store.tracked():
            if is_affected(tracked.resource):
                tracked.failures = 0
                self._batcher.enqueue_now(tracked.resource.key, now)

    def _may_predate(self, resource: Resource, seen: ObjectList) -> bool:
        """Return whether the way in of a resource may have changed since it was served, or while it is."""
        is_working = self._batcher.is_working(resource.key)
        return refers_to(resource, seen.found) and (is_working or may_predate_any(resource, seen.found))

    def _reconcile(
        self, resource: Resource, objects: Collection[Reference], now: datetime, *, has_changed: bool = False
    ) -> None:
        """Make a resource due that has something to put right, unless the run that works on it may do that yet."""
        if not objects:
            return
        if self._batcher.is_working(resource.key):
            self._rechecks.add(resource.key, objects, has_changed=has_changed)
            return
        found = fields(resource=resource.key, objects=len(objects), first=min(objects))
        _log.debug("drift detected", extra=found)
        self._batcher.enqueue_now(resource.key, now)
