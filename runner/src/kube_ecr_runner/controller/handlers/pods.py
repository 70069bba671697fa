"""Pods that wait for an image: the resources that are concerned tell of them, and have them evicted if they ask for it.

What always holds: a pod is looked at with the resources that log in to its registry, never with all of them; and a
resource is looked at for its pods, and its status written, once in TELL_INTERVAL at most, however many come and go.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta

from kube_ecr_runner.cluster.sources import Source
from kube_ecr_runner.contract.kinds import LEGACY_KIND
from kube_ecr_runner.contract.result import WRITTEN
from kube_ecr_runner.contract.timestamps import parse_time
from kube_ecr_runner.controller.recovery import Candidate, Recoveries
from kube_ecr_runner.controller.status_writer import StatusWriter
from kube_ecr_runner.controller.store import Store
from kube_ecr_runner.controller.waiting_pods import Place, Waiter, WaitingPods
from kube_ecr_runner.controller.work_queue import DueTimes
from kube_ecr_runner.log import fields
from kube_ecr_runner.model.conditions import PODS_WAITING, condition_of
from kube_ecr_runner.model.observer import Observer
from kube_ecr_runner.model.resource import Key, Resource
from kube_ecr_runner.model.result import Result
from kube_ecr_runner.model.waiting_pod import WaitingPod
from kube_ecr_runner.reporting.waiting_pods import PodsReport, report_of, status_with_pods, tells_of_pods

# The first attempt often fails where a namespace, its Secret and its pods are made at once; the second, after 10 to 16
# seconds, does not.
TELL_AFTER = timedelta(seconds=20)
TELL_INTERVAL = timedelta(seconds=10)
# How many resources are told of in one turn of the loop, since each status takes a call.
MAX_AT_ONCE = 20

_log = logging.getLogger(__name__)


class PodHandler:
    """Knows which pods wait, and tells of them in the statuses of the resources and in metrics.

    It evicts those that a new Secret helps, where a resource asks for it and may_recover says that the runner may.
    """

    def __init__(
        self, sources: Iterable[Source], store: Store, writer: StatusWriter, observer: Observer, *, may_recover: bool
    ) -> None:
        """sources are those of pods, none if nobody is to look at them."""
        self._pods = WaitingPods(sources)
        self._store = store
        self._writer = writer
        self._observer = observer
        self._times = DueTimes()
        self._looked_at: dict[Key, datetime] = {}
        self._may_recover = may_recover
        self._recoveries = Recoveries()

    def has_source(self, source: Source) -> bool:
        """Return whether a source is one of pods."""
        return self._pods.has_source(source)

    def listed(self, source: Source, pods: Iterable[WaitingPod], now: datetime) -> None:
        """Take all pods of a source that wait: what is not among them waits no more."""
        self._changed(self._pods.list_pods(source, pods, now), now)

    def changed(self, pod: WaitingPod, now: datetime, *, is_gone: bool) -> None:
        """Take a pod that began to wait, or does so no more."""
        if is_gone:
            self._recoveries.forget_pod(pod)
            self._changed(self._pods.remove(pod), now)
        else:
            self._changed(self._pods.see(pod, now), now + TELL_AFTER)

    def note_new(self, resource: Resource, now: datetime) -> None:
        """Take a resource that is seen for the first time: a process before may have written its Secret just now."""
        written_at = parse_time(resource.status.get("lastRefreshTime"))
        if written_at and self._recovers(resource):
            self._recoveries.note_restart(resource.key, written_at, now)
        self.note(resource, now)

    def note_result(self, resource: Resource, result: Result, now: datetime) -> None:
        """Take the result of a resource: pods may have waited for the Secrets that were written."""
        if self._recovers(resource):
            written = (each.namespace for each in result.namespaces if each.state in WRITTEN)
            self._recoveries.note_written(resource.key, written, now)

    def note(self, resource: Resource, now: datetime) -> None:
        """Look at a resource soon: it was edited or served, so that other pods may be its concern."""
        if not self._pods.is_empty or tells_of_pods(resource.status):
            self._schedule(resource.key, now)

    def next_due(self) -> datetime | None:
        """Return when there may be something to do, None if there will be nothing."""
        moments = (self._times.earliest(), self._recoveries.next_due()) if self._pods.is_complete else ()
        return min(filter(None, moments), default=None)

    def work(self, now: datetime) -> None:
        """Tell what there is to tell by now, and evict the pods whose turn it is."""
        if not self._pods.is_complete:
            return
        for _, key in self._times.due(now)[:MAX_AT_ONCE]:
            self._times.discard(key)
            self._tell(self._store[key].resource, now)
        for candidate in self._recoveries.choose(self._candidates(now)):
            self._evict(candidate, now)

    def hasten(self, now: datetime) -> None:
        """Look at everything now: the clock was set back, and what waits for a time waits for one of the old clock."""
        self._looked_at.clear()
        self._pods.hasten(now)
        self._recoveries.hasten(now)
        for resource in self._store.resources():
            self.note(resource, now)

    def forget(self, key: Key) -> None:
        """Drop a resource that is gone."""
        self._times.discard(key)
        self._looked_at.pop(key, None)
        self._recoveries.forget(key)

    def _changed(self, places: Iterable[Place], due: datetime) -> None:
        for place in places:
            for key in self._store.logged_in_to(*place):
                self._schedule(key, due)

    def _schedule(self, key: Key, due: datetime) -> None:
        # The deprecated kind has no such condition.
        if key.kind == LEGACY_KIND:
            return
        looked_at = self._looked_at.get(key)
        self._times.add(key, max(due, looked_at + TELL_INTERVAL) if looked_at else due)

    def _tell(self, resource: Resource, now: datetime) -> None:
        if resource.deleting:
            return
        self._looked_at[resource.key] = now
        if not self._pods.is_watched:
            self._publish(resource, None, now)
            return
        waiters = self._pods.of(resource.hosts, resource.targets, self._store.namespaces)
        report = report_of(resource, (waiter.pod for waiter in waiters if _told_at(waiter) <= now))
        self._observer.pods_waiting(resource.key, len(report.waiting), len(report.unnamed))
        self._publish(resource, report, now)
        if later := [at for at in map(_told_at, waiters) if at > now]:
            self._schedule(resource.key, min(later))

    def _publish(self, resource: Resource, report: PodsReport | None, now: datetime) -> None:
        status = status_with_pods(resource, report, now, may_recover=self._may_recover)
        if status == resource.status:
            return
        _log_change(resource, status, report)
        self._store.set_status(resource.key, status)
        self._writer.publish(resource, status, now)

    def _recovers(self, resource: Resource) -> bool:
        """Return whether pods are to be evicted for a resource; nothing is done for one that is suspended or goes."""
        is_active = not resource.suspended and not resource.deleting
        return self._may_recover and self._pods.is_watched and resource.recovers_pods and is_active

    def _candidates(self, now: datetime) -> Iterator[Candidate]:
        """Yield the pods that waited for long for a Secret that was written since."""
        for key in self._recoveries.begin(now):
            resource = self._store[key].resource
            if not self._recovers(resource):
                continue
            for waiter in self._pods.of(resource.hosts, resource.targets, self._store.namespaces):
                written_at = self._recoveries.written_at(key, waiter.pod.namespace)
                if written_at and _told_at(waiter) <= now:
                    yield Candidate(resource, waiter.pod, written_at)

    def _evict(self, candidate: Candidate, now: datetime) -> None:
        resource, pod = candidate.resource, candidate.pod
        is_evicted = self._writer.evict(pod, candidate.event, now)
        self._recoveries.note_tried(pod, now, is_evicted=is_evicted)
        if is_evicted:
            self._observer.pod_recovered()
            _log.info("pod evicted", extra=fields(resource=resource.key, pod=pod, secret=resource.secret_name))


def _told_at(waiter: Waiter) -> datetime:
    return waiter.since + TELL_AFTER


def _log_change(resource: Resource, status: dict[str, object], report: PodsReport | None) -> None:
    """Log that pods began to wait, or for another reason, and that none does any more; not each that comes or goes."""
    before, after = (condition_of(each, PODS_WAITING) for each in (resource.status, status))
    if not report or all(before.get(name) == after.get(name) for name in ("status", "reason")):
        return
    if report.waiting:
        counts = fields(
            resource=resource.key,
            pods=len(report.waiting),
            without_secret=len(report.unnamed) or None,
            first=report.waiting[0],
        )
        _log.warning("pods cannot pull", extra=counts)
    else:
        _log.info("no pod waits any more", extra=fields(resource=resource.key))
