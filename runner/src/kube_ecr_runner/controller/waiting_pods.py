"""Which pods wait for an image, and since when: an index by registry and namespace. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import NamedTuple

from kube_ecr_runner.cluster.sources import Source
from kube_ecr_runner.contract.targets import Labelled, Targets
from kube_ecr_runner.model.waiting_pod import WaitingPod


class Place(NamedTuple):
    """Where a pod waits: for an image of which registry, in which namespace."""

    host: str
    namespace: str


@dataclass(frozen=True)
class Waiter:
    """A pod that waits, and since when at the latest."""

    pod: WaitingPod
    since: datetime


class WaitingPods:
    """The pods as they were last seen; each method that takes some returns the places where that makes a difference.

    That is where a pod began to wait, or waits no more: what kubelet says of it changes with each attempt.
    """

    def __init__(self, sources: Iterable[Source]) -> None:
        self._sources = frozenset(sources)
        self._unlisted = set(self._sources)
        self._waiters: dict[str, Waiter] = {}
        self._by_place: dict[str, dict[str, dict[str, Waiter]]] = {}

    @property
    def is_watched(self) -> bool:
        """Whether anybody looks at pods."""
        return bool(self._sources)

    @property
    def is_complete(self) -> bool:
        """Whether all sources have been listed once: only then is it known that no pod waits."""
        return not self._unlisted

    @property
    def is_empty(self) -> bool:
        """Whether no pod waits, as far as it is known."""
        return not self._waiters

    def has_source(self, source: Source) -> bool:
        """Return whether a source is one of pods."""
        return source in self._sources

    def list_pods(self, source: Source, pods: Iterable[WaitingPod], now: datetime) -> set[Place]:
        """Take all pods of a source: one that is not among them waits no more.

        How long one has waited that is seen for the first time is unknown; it is not longer than it is there.
        """
        self._unlisted.discard(source)
        present = {pod.uid: pod for pod in pods}
        known = [waiter.pod for waiter in self._waiters.values() if source.namespace in ("", waiter.pod.namespace)]
        places = {place for pod in known if pod.uid not in present for place in self.remove(pod)}
        for pod in present.values():
            places |= self.see(pod, min(pod.created_at or now, now))
        return places

    def see(self, pod: WaitingPod, since: datetime) -> set[Place]:
        """Take a pod that waits, as a watch shows it; since is since when, if it is a new one."""
        known = self._waiters.get(pod.uid)
        if known and not pod.names_cause:
            pod = replace(pod, message=known.pod.message)
        before = self.remove(known.pod) if known else set()
        waiter = self._waiters[pod.uid] = Waiter(pod, known.since if known else since)
        places = set(_places(pod))
        for host, namespace in places:
            self._by_place.setdefault(host, {}).setdefault(namespace, {})[pod.uid] = waiter
        return before ^ places

    def remove(self, pod: WaitingPod) -> set[Place]:
        """Drop a pod that is gone or waits no more; an unknown one is no error."""
        known = self._waiters.pop(pod.uid, None)
        places = set(_places(known.pod)) if known else set()
        for host, namespace in places:
            pods = self._by_place[host][namespace]
            del pods[pod.uid]
            if not pods:
                del self._by_place[host][namespace]
            if not self._by_place[host]:
                del self._by_place[host]
        return places

    def of(self, hosts: Collection[str], targets: Targets, namespaces: Mapping[str, Labelled]) -> list[Waiter]:
        """Return what waits for an image of one of the hosts in a target; namespaces are those that are known."""
        found: dict[str, Waiter] = {}
        for host in hosts:
            places = self._by_place.get(host, {})
            for name in _candidates(targets, places):
                known = namespaces.get(name)
                if targets.matches(name, known.labels if known else None):
                    found |= places[name]
        return list(found.values())

    def hasten(self, now: datetime) -> None:
        """The clock was set back: nothing can have begun to wait later than now."""
        for waiter in [waiter for waiter in self._waiters.values() if waiter.since > now]:
            self.remove(waiter.pod)
            self.see(waiter.pod, now)


def _places(pod: WaitingPod) -> Iterator[Place]:
    return (Place(host, pod.namespace) for host in pod.hosts)


def _candidates(targets: Targets, places: Mapping[str, object]) -> list[str]:
    """Return which of the places may be in targets; most resources have few, and so have most hosts."""
    if targets.needs_namespaces or len(places) <= len(targets.names.literals):
        return list(places)
    return [name for name in targets.names.literals if name in places]
