"""The parts of the loop, put together: what the loop itself knows of them is what it calls."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from random import Random

from kube_ecr_runner.cluster.sources import Source
from kube_ecr_runner.cluster.watch_manager import Watcher, WatchManager
from kube_ecr_runner.config.watches import WatchesEntry
from kube_ecr_runner.controller.batching import Batcher
from kube_ecr_runner.controller.handlers.namespaces import NamespaceHandler
from kube_ecr_runner.controller.handlers.objects import ObjectHandler
from kube_ecr_runner.controller.handlers.pods import PodHandler
from kube_ecr_runner.controller.handlers.resources import ResourceHandler
from kube_ecr_runner.controller.handlers.results import ResultHandler
from kube_ecr_runner.controller.recheck import Rechecks
from kube_ecr_runner.controller.run_supervisor import RunEnded, Runner, RunSupervisor
from kube_ecr_runner.controller.status_writer import StatusApi, StatusWriter
from kube_ecr_runner.controller.store import Store
from kube_ecr_runner.controller.suspended import SuspendedResources
from kube_ecr_runner.model.observer import Observer
from kube_ecr_runner.model.result import Result


def utc_now() -> datetime:
    """Return the time of day."""
    return datetime.now(UTC)


@dataclass(frozen=True)
class Parts:
    """What is known and what is due, the handlers that share it, and the run that works."""

    store: Store
    batcher: Batcher
    rechecks: Rechecks
    writer: StatusWriter
    suspended: SuspendedResources
    watches: WatchManager
    supervisor: RunSupervisor
    resources: ResourceHandler
    namespaces: NamespaceHandler
    objects: ObjectHandler
    pods: PodHandler
    results: ResultHandler

    @classmethod
    def make(
        cls,
        entries: Collection[WatchesEntry],
        sources: Iterable[Source],
        api: StatusApi,
        runner: Runner,
        deliver: Callable[[Result | RunEnded], None],
        watch: Callable[[Source], Watcher],
        observer: Observer,
        *,
        window: timedelta,
        batch_size: int,
        random: Random,
        pods: Iterable[Source] = (),
        may_recover: bool = False,
        clock: Callable[[], datetime] = utc_now,
    ) -> Parts:
        """Return the parts for the entries of watches.yaml, whose custom resources are those of the sources.

        deliver puts results into the inbox. watch makes the watch of a further source, which delivers there, too. pods
        are the sources of pods that wait for an image, whose watches the loop is given; none if nobody looks at pods;
        may_recover says that they may be evicted where a resource asks for it.
        random also names the runs, so that two processes have no name in common.
        """
        supervisor = RunSupervisor(runner, deliver, observer, random)
        batcher = Batcher({entry.kind: entry.playbook for entry in entries}, window, batch_size)
        managed = {entry.kind for entry in entries if entry.manages_status}
        periods = {entry.kind: entry.period for entry in entries}
        store, rechecks, watches = Store(sources), Rechecks(), WatchManager(watch)
        writer = StatusWriter(api, managed, observer.loop_moved, clock)
        suspended = SuspendedResources(store, writer, observer)
        pod_handler = PodHandler(pods, store, writer, observer, may_recover=may_recover)
        forget = [writer.forget, batcher.forget, rechecks.forget, suspended.forget, pod_handler.forget]
        return cls(
            store,
            batcher,
            rechecks,
            writer,
            suspended,
            watches,
            supervisor,
            ResourceHandler(
                store, batcher, suspended, pod_handler, observer, periods=periods, random=random, forget=forget
            ),
            NamespaceHandler(store, batcher),
            ObjectHandler(store, watches, batcher, rechecks),
            pod_handler,
            ResultHandler(
                store, batcher, rechecks, suspended, pod_handler, writer, observer, periods=periods, random=random
            ),
        )
