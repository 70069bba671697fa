"""Namespaces: those that come to resources, leave them, or allow them other AWS identities."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from kube_ecr_runner.controller.batching import Batcher
from kube_ecr_runner.controller.store import NamespaceChange, Store
from kube_ecr_runner.controller.triggers.failures import may_be_failing
from kube_ecr_runner.controller.triggers.namespaces import (
    allows_other_identities,
    targets_changed,
    targets_differ_from_status,
    uses_identity_of_runner_in,
)
from kube_ecr_runner.model.resource import Namespace


class NamespaceHandler:
    """Enqueues the resources that a namespace gives something to do."""

    def __init__(self, store: Store, batcher: Batcher) -> None:
        self._store = store
        self._batcher = batcher

    def listed(self, namespaces: Iterable[Namespace], now: datetime) -> None:
        """Take all namespaces: what is not among them is gone."""
        for change in self._store.list_namespaces(namespaces):
            self._handle(change, now)
        if self._store.is_complete:
            self._compare(now)

    def changed(self, namespace: Namespace, now: datetime, *, is_gone: bool) -> None:
        """Take a namespace that was added or modified, or is gone."""
        self._handle(self._store.see_namespace(namespace, is_gone=is_gone), now)

    def _compare(self, now: datetime) -> None:
        """Have those resources served whose status counts others; one that fails is tried again all the same."""
        for resource in self._store.resources():
            if may_be_failing(resource.status) or resource.deleting or self._batcher.is_working(resource.key):
                continue
            if targets_differ_from_status(resource, self._store.namespaces):
                self._batcher.enqueue_now(resource.key, now)

    def _handle(self, change: NamespaceChange, now: datetime) -> None:
        # Before everything is known there is nothing to compare with; then the statuses say what is due.
        if not self._store.is_complete:
            return
        for resource in self._store.resources():
            is_working = self._batcher.is_working(resource.key)
            if targets_changed(resource, change.before, change.after, is_working=is_working):
                self._batcher.enqueue_now(resource.key, now)
        if change.after and allows_other_identities(change.before, change.after):
            for tracked in self._store.tracked():
                if uses_identity_of_runner_in(tracked.resource, change.after.name):
                    tracked.failures = 0
                    self._batcher.enqueue_now(tracked.resource.key, now)
