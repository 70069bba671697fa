"""All parts of the loop around a fake clock, without the loop: messages go in by the handlers, runs come out."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from random import Random

from kube_ecr_runner.cluster.errors import KubernetesError
from kube_ecr_runner.cluster.sources import NAMESPACES, Source, pods_in
from kube_ecr_runner.config.watches import WatchesEntry
from kube_ecr_runner.controller import parts
from kube_ecr_runner.controller.recheck import RECHECK_DELAY
from kube_ecr_runner.model.event import Event
from kube_ecr_runner.model.playbook import PlaybookSpec
from kube_ecr_runner.model.resource import Key, Namespace, Referenced, Resource
from kube_ecr_runner.model.result import Result
from kube_ecr_runner.model.run import RunSummary
from kube_ecr_runner.model.waiting_pod import Owner, WaitingPod
from kube_ecr_runner.telemetry.health import Health
from kube_ecr_runner.telemetry.metrics import Metrics
from kube_ecr_runner.telemetry.monitor import Monitor
from tests.unit.runner.controller.builders import NOW, SOURCES, make_namespace

PODS = pods_in()


@dataclass
class Watch:
    """A watch that is only started and stopped."""

    source: Source
    is_working: bool = False

    def start(self) -> None:
        self.is_working = True

    def stop(self) -> None:
        self.is_working = False

    def is_alive(self) -> bool:
        return self.is_working


@dataclass
class Api:
    """Takes statuses and events, or raises an error."""

    statuses: list[Mapping] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    counts: list[int] = field(default_factory=list)
    # Evictions that were asked for, the events about the controllers of the pods, and which pods may not be evicted.
    evictions: list[str] = field(default_factory=list)
    owner_events: list[tuple[Owner, str, Event]] = field(default_factory=list)
    protected: set[str] = field(default_factory=set)
    error: KubernetesError | None = None

    def evict_pod(self, pod: WaitingPod) -> bool:
        if self.error:
            raise self.error
        self.evictions.append(pod.name)
        return pod.name not in self.protected

    def create_owner_event(self, owner: Owner, namespace: str, event: Event, now: datetime) -> str:
        self.owner_events.append((owner, namespace, event))
        return "name"

    def apply_status(self, resource: Resource, status: Mapping) -> bool:
        if self.error:
            raise self.error
        self.statuses.append(status)
        return True

    def create_event(self, resource: Resource, event: Event, now: datetime) -> str:
        if self.error:
            raise self.error
        self.events.append(event)
        return "name"

    def repeat_event(self, resource: Resource, name: str, count: int, now: datetime) -> bool:
        self.counts.append(count)
        return True

    @property
    def reasons(self) -> list[str]:
        return [event.reason for event in self.events]


class NoRuns:
    """Nothing is run: the tests say what comes of it."""

    def run(
        self, keys: list[Key], playbook: PlaybookSpec, deliver: Callable[[Result], None], cancelled: threading.Event
    ) -> RunSummary:
        raise NotImplementedError

    def tend(self, playbook: PlaybookSpec) -> None: ...

    def kill(self) -> None: ...

    def close(self) -> None: ...


@dataclass
class Parts:
    """The parts; present are the objects that a watch of what resources name lists when it is started."""

    present: Mapping[Source, Iterable[Referenced]] = field(default_factory=dict)
    sources: Iterable[Source] = tuple(SOURCES.values())
    period: timedelta = timedelta(0)
    pod_sources: Iterable[Source] = (PODS,)
    may_recover: bool = True
    now: datetime = NOW
    api: Api = field(default_factory=Api)
    watches: list[Watch] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.monitor = Monitor(Health(300.0), Metrics(lambda: self.now))
        entries = [WatchesEntry(kind, PlaybookSpec(), self.period) for kind in {source.kind for source in self.sources}]
        made = parts.Parts.make(
            entries,
            self.sources,
            self.api,
            NoRuns(),
            lambda _: None,
            self._watch,
            self.monitor,
            window=timedelta(0),
            batch_size=10,
            random=Random(1),
            pods=self.pod_sources,
            may_recover=self.may_recover,
            clock=lambda: self.now,
        )
        self.store, self.batcher, self.rechecks = made.store, made.batcher, made.rechecks
        self.writer, self.suspended = made.writer, made.suspended
        self.resources, self.namespaces = made.resources, made.namespaces
        self.objects, self.results, self.pods = made.objects, made.results, made.pods

    def list(self, *resources: Resource, namespaces: Iterable[str | Namespace] = ("ns1", "ns2")) -> None:
        """Take the first list of everything, and watch what the resources name."""
        for source in self.sources:
            mine = [
                resource
                for resource in resources
                if resource.key.kind == source.kind and source.namespace in ("", resource.key.namespace)
            ]
            self.resources.listed(source, mine, self.now)
            self.store.note_listed(source)
        named = [name if isinstance(name, Namespace) else make_namespace(name) for name in namespaces]
        self.namespaces.listed(named, self.now)
        self.store.note_listed(NAMESPACES)
        self.resources.enqueue_all(self.now)
        self.watch()

    def watch(self) -> None:
        """Watch what the resources name by now, and take what new watches list."""
        known = len(self.watches)
        self.objects.watch()
        for watch in self.watches[known:]:
            if watch.source in self.present:
                self.objects.listed(watch.source, self.present[watch.source], self.now)

    def start(self) -> list[Key]:
        """Begin the run of what is due, and return which resources that are."""
        batch = self.batcher.next_batch(self.now, lambda key: self.store[key].resource.suspended)
        return sorted(batch.keys) if batch else []

    def end(self, *results: Result) -> None:
        """Take the results of a run."""
        for result in results:
            self.results.arrived(result, "run-1", self.now)

    def serve(self, *results: Result, during: Callable[[], None] = lambda: None) -> list[Key]:
        """Run what is due, take these results of it, and return which resources were due; during happens meanwhile."""
        started = self.start()
        during()
        self.end(*results)
        return started

    def wait(self, time: timedelta = RECHECK_DELAY) -> None:
        """Let time pass, by default as long as it takes until what a run did must be known, and do what is due."""
        self.now += time
        self.writer.retry(self.store.resources(), self.now)
        self.objects.recheck(self.now)
        self.suspended.report(self.now)
        self.pods.work(self.now)

    def change(self, source: Source, *items: Referenced) -> None:
        """Add or modify objects that resources name."""
        for item in items:
            self.objects.changed(source, item, self.now, is_gone=False)

    def delete(self, source: Source, item: Referenced) -> None:
        """Delete an object that resources name."""
        self.objects.changed(source, item, self.now, is_gone=True)

    def sample(self, name: str, key: Key) -> float | None:
        """Return the value of a metric of a resource."""
        labels = {"kind": key.kind, "namespace": key.namespace, "name": key.name}
        return self.monitor.metrics.registry.get_sample_value(f"kube_ecr_{name}", labels)

    def _watch(self, source: Source) -> Watch:
        self.watches.append(Watch(source))
        return self.watches[-1]
