"""The parts of the loop, put together: what the loop itself knows of them is what it calls."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random

from kube_ecr_runner.cluster.sources import Source
from kube_ecr_runner.cluster.watch_manager import Watcher, WatchManager
from kube_ecr_runner.config.watches import WatchesEntry
from kube_ecr_runner.controller.batching import Batcher
from kube_ecr_runner.controller.handlers.namespaces import NamespaceHandler
from kube_ecr_runner.controller.handlers.objects import ObjectHandler
from kube_ecr_runner.controller.handlers.resources import ResourceHandler
from kube_ecr_runner.controller.handlers.results import ResultHandler
from kube_ecr_runner.controller.recheck import Rechecks
from kube_ecr_runner.controller.status_writer import StatusApi, StatusWriter
from kube_ecr_runner.controller.store import Store
from kube_ecr_runner.controller.suspended import SuspendedResources
from kube_ecr_runner.model.observer import Observer


@dataclass(frozen=True)
class Parts:
    """What is known and what is due, and the handlers that share it."""

    store: Store
    batcher: Batcher
    rechecks: Rechecks
    writer: StatusWriter
    suspended: SuspendedResources
    watches: WatchManager
    resources: ResourceHandler
    namespaces: NamespaceHandler
    objects: ObjectHandler
    results: ResultHandler

    @classmethod
    def make(
        cls,
        entries: Collection[WatchesEntry],
        sources: Collection[Source],
        api: StatusApi,
        watch: Callable[[Source], Watcher],
        observer: Observer,
        *,
        window: timedelta,
        batch_size: int,
        random: Random,
        clock: Callable[[], datetime],
    ) -> Parts:
        """Return the parts for the entries of watches.yaml. See Controller."""
        periods = {entry.kind: entry.period for entry in entries}
        store, rechecks, watches = Store(sources), Rechecks(), WatchManager(watch)
        batcher = Batcher({entry.kind: entry.playbook for entry in entries}, window, batch_size)
        managed = {entry.kind for entry in entries if entry.manages_status}
        writer = StatusWriter(api, managed, observer.loop_moved, clock)
        suspended = SuspendedResources(store, writer, observer)
        forget = [writer.forget, batcher.forget, rechecks.forget, suspended.forget]
        return cls(
            store,
            batcher,
            rechecks,
            writer,
            suspended,
            watches,
            ResourceHandler(store, batcher, suspended, observer, periods=periods, random=random, forget=forget),
            NamespaceHandler(store, batcher),
            ObjectHandler(store, watches, batcher, rechecks),
            ResultHandler(store, batcher, rechecks, suspended, writer, observer, periods=periods, random=random),
        )
