"""The work loop: what the watches see makes resources due, what is due makes a run, what a run brings makes statuses.

Everything is decided in one thread, that of run(). Watches and the run have threads of their own, and put what they
have to say into one inbox. One run at a time: the next begins when it is over and something has been due for the
length of the batching window.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Container, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from queue import Empty, SimpleQueue
from random import Random

from kube_ecr_runner.cluster.reflector import Changed, Listed
from kube_ecr_runner.cluster.sources import NAMESPACES, Source
from kube_ecr_runner.cluster.watch_manager import Change, Following, Watcher
from kube_ecr_runner.config.watches import Watch
from kube_ecr_runner.contract.timestamps import parse_time
from kube_ecr_runner.controller import schedule
from kube_ecr_runner.controller.batching import Batcher
from kube_ecr_runner.controller.observer import Observer
from kube_ecr_runner.controller.run_supervisor import RunEnded, Runner, RunSupervisor
from kube_ecr_runner.controller.settlement import History, Settlement, settle
from kube_ecr_runner.controller.status_writer import StatusApi, StatusWriter
from kube_ecr_runner.controller.triggers import (
    has_failed_in,
    is_disturbed,
    is_moved,
    is_older,
    is_outdated,
    is_settled,
    unsettled,
)
from kube_ecr_runner.controller.work_queue import DueTimes
from kube_ecr_runner.log import fields
from kube_ecr_runner.model.initial_list import InitialList
from kube_ecr_runner.model.resource import Key, Namespace, Reference, Referenced, Resource
from kube_ecr_runner.model.result import Result
from kube_ecr_runner.model.run import RunSummary
from kube_ecr_runner.reporting.suspension import changes_at, event_of, is_told, suspended_status

# A clock that was set is noticed after this many seconds, for due times are times of day.
MAX_SLEEP_SECONDS = 30.0
# How long after a result the watches may still have to tell what the run did.
SETTLE_DELAY = timedelta(seconds=2)
# A clock that was set back by less does no harm.
CLOCK_TOLERANCE = timedelta(minutes=5)
STOP_SECONDS = 20.0

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Stop:
    """Put into the inbox to end run()."""

    signal: str


Message = Listed | Changed | Result | RunEnded | Stop
Inbox = SimpleQueue[Message]


@dataclass
class _Tracked:
    """What is known of one resource; resource.status is what was last worked out, even if it could not be written.

    doubts are objects that something was wrong with while a run worked on the resource, which may put them right:
    whether they turned wrong just then, or were seen for the first time. was_suspended is what was last told of it.
    """

    resource: Resource
    failures: int = 0
    served_generation: int | None = None
    was_suspended: bool = False
    doubts: dict[Reference, bool] = field(default_factory=dict)


class Controller:
    """Keeps the resources of one cluster served, from run() until Stop is in the inbox."""

    def __init__(
        self,
        watched: Iterable[Watch],
        sources: Iterable[Source],
        writer: StatusApi,
        runner: Runner,
        inbox: Inbox,
        follow: Callable[[Source], Watcher],
        observer: Observer,
        *,
        window: timedelta,
        batch_size: int,
        random: Random,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """inbox is where the watches of sources, those of custom resources, and of namespaces deliver.

        follow makes the watch of a further source, which delivers there too. random also names the runs, so that two
        processes have no name in common.
        """
        self._watched = {each.kind: each for each in watched}
        self._sources = frozenset(sources)
        self._supervisor = RunSupervisor(runner, inbox.put, observer, random)
        self._inbox = inbox
        self._observer = observer
        self._random = random
        self._clock = clock
        managed = frozenset(each.kind for each in self._watched.values() if each.is_told)
        self._writer = StatusWriter(writer, managed, lambda: observer.loop_moved(), clock)
        self._batcher = Batcher({each.kind: each.play for each in self._watched.values()}, window, batch_size)
        self._tracked: dict[Key, _Tracked] = {}
        # When to look at the doubts about resources.
        self._doubtful = DueTimes()
        # When to tell something of resources that are suspended, or were.
        self._suspended = DueTimes()
        self._namespaces: dict[str, Namespace] = {}
        self._following = Following(follow)
        self._names_changed = False
        self._unlisted = {*self._sources, NAMESPACES}
        self._stop: Stop | None = None
        self._seen_at = clock()

    def run(self, watchers: Iterable[Watcher]) -> None:
        """Work until Stop is in the inbox, or halt() is called, then end run and watches and return."""
        watchers = list(watchers)
        self._observer.waits_for(each.name for each in self._unlisted)
        for each in watchers:
            each.start()
        try:
            while self._stop is None:
                self._tend()
                self._receive()
                self._follow()
                if not all(each.is_alive() for each in [*watchers, *self._following.watchers()]):
                    raise RuntimeError("a watch died; see above")
                self._notice_clock()
                self._writer.retry((each.resource for each in self._tracked.values()), self._clock())
                self._settle()
                self._tell_suspended()
                self._start_run()
                self._tell_queue()
            _log.info("stopping", extra=fields(signal=self._stop.signal))
        finally:
            self._supervisor.cancel()
            for each in [*watchers, *self._following.watchers()]:
                each.stop()
            self._supervisor.close()
            self._drain()
        _log.info("stopped")

    @property
    def is_halted(self) -> bool:
        """Whether halt() was called."""
        return self._writer.is_halted

    def halt(self, cause: str) -> None:
        """End run(), and write nothing more from now on. May be called from any thread."""
        self._writer.halt()
        self._supervisor.kill()
        self._inbox.put(Stop(cause))

    # What comes in

    def _receive(self) -> None:
        """Wait until something is in the inbox or is due, and handle all that is there."""
        timeout: float | None = self._seconds_to_wait()
        while True:
            try:
                message = self._inbox.get(timeout=timeout) if timeout else self._inbox.get_nowait()
            except Empty:
                self._observer.loop_moved()
                return
            self._handle(message)
            self._observer.loop_moved()
            timeout = None

    def _seconds_to_wait(self) -> float:
        told_at = None if self._unlisted else self._suspended.earliest()
        moments = [each for each in (self._writer.retry_at, self._doubtful.earliest(), told_at) if each]
        if not self._supervisor.is_running and not self._unlisted:
            moments += filter(None, [self._batcher.next_start()])
        if not moments:
            return MAX_SLEEP_SECONDS
        return min(max((min(moments) - self._clock()).total_seconds(), 0.0), MAX_SLEEP_SECONDS)

    def _handle(self, message: Message) -> None:
        match message:
            case Listed(source, objects) if source == NAMESPACES:
                self._namespaces_listed({each.name: each for each in objects})
                self._listed(source)
            case Changed(source, item, is_gone) if source == NAMESPACES:
                self._namespace_changed(item, is_gone)
            case Listed(source, objects) if source in self._sources:
                self._resources_listed(source, objects)
                self._listed(source)
            case Changed(source, item, is_gone) if source in self._sources:
                if is_gone:
                    self._forget(item.key)
                else:
                    self._resource_seen(item)
            case Listed(source, objects):
                self._objects_listed(source, objects)
            case Changed(source, item, is_gone):
                self._objects_changed(self._following.changed(source, item, is_gone))
            case Result():
                self._result_arrived(message)
            case RunEnded():
                self._run_ended(message)
            case Stop():
                self._stop = message

    def _listed(self, source: Source) -> None:
        """Begin to serve when all sources have been listed once: only then is it known what is due."""
        if source not in self._unlisted:
            return
        self._unlisted.remove(source)
        self._observer.waits_for(each.name for each in self._unlisted)
        if not self._unlisted:
            for tracked in self._tracked.values():
                self._enqueue(tracked.resource)
            due = self._batcher.count_due(self._clock())
            counts = fields(resources=len(self._tracked), due=due, namespaces=len(self._namespaces))
            _log.info("watching", extra=counts)

    def _resources_listed(self, source: Source, resources: Iterable[Resource]) -> None:
        listed = {each.key: each for each in resources}
        for key in [key for key in self._tracked if _is_of(key, source) and key not in listed]:
            self._forget(key)
        for each in listed.values():
            self._resource_seen(each)

    def _resource_seen(self, resource: Resource) -> None:
        key = resource.key
        tracked = self._tracked.get(key)
        if resource.deleting and not resource.undo:
            self._forget(key)
        elif tracked is None or tracked.resource.uid != resource.uid:
            self._forget(key)
            self._tracked[key] = _Tracked(resource, was_suspended=is_told(resource.status))
            self._observer.resource_known(key, resource.status)
            self._names_changed = True
            self._mark_suspended(self._tracked[key])
            if not self._unlisted:
                self._enqueue(resource)
        elif _edition(tracked.resource) != _edition(resource):
            # The status in an event may be older than what was worked out since.
            tracked.resource = replace(resource, status=tracked.resource.status)
            tracked.failures = 0
            self._names_changed = True
            self._mark_suspended(tracked)
            is_news = tracked.served_generation != resource.generation or tracked.resource.is_nudged
            if is_news and not self._unlisted:
                self._batcher.enqueue_now(key, self._clock())

    def _enqueue(self, resource: Resource) -> None:
        is_urgent = resource.undo or resource.is_nudged or is_outdated(resource, self._namespaces)
        due = None if is_urgent else schedule.first_due(resource)
        if due:
            period = self._watched[resource.key.kind].period
            due = schedule.within(due, period, self._clock(), self._random)
            self._batcher.enqueue(resource.key, due)
        else:
            self._batcher.enqueue_now(resource.key, self._clock())

    def _renew(self, found: Iterable[_Tracked]) -> None:
        """Make resources due at once: what their way into AWS rests on is not what it was."""
        for tracked in found:
            tracked.failures = 0
            self._batcher.enqueue_now(tracked.resource.key, self._clock())

    def _forget(self, key: Key) -> None:
        tracked = self._tracked.pop(key, None)
        if tracked:
            self._writer.forget(tracked.resource)
            self._observer.resource_gone(key)
            self._batcher.forget(key)
            self._doubtful.discard(key)
            self._suspended.discard(key)
            self._names_changed = True

    def _namespaces_listed(self, listed: dict[str, Namespace]) -> None:
        for name in self._namespaces.keys() - listed.keys():
            self._namespace_changed(self._namespaces[name], is_gone=True)
        for each in listed.values():
            self._namespace_changed(each, is_gone=False)

    def _namespace_changed(self, namespace: Namespace, is_gone: bool) -> None:
        """Look again at the resources that a namespace came to or left, or that it allows another identity."""
        before = self._namespaces.pop(namespace.name, None)
        if not is_gone:
            self._namespaces[namespace.name] = namespace
        if self._unlisted:
            return
        for key, tracked in self._tracked.items():
            is_working = self._batcher.is_working(key)
            if is_moved(tracked.resource, before, None if is_gone else namespace, is_working=is_working):
                self._batcher.enqueue_now(key, self._clock())
        is_same = before is not None and before.uid == namespace.uid and not is_gone and not namespace.terminating
        if is_same and before.allowed_identities != namespace.allowed_identities:
            self._renew(self._using_own_identity_in(namespace.name))

    def _using_own_identity_in(self, namespace: str) -> list[_Tracked]:
        found = self._tracked.values()
        return [each for each in found if each.resource.uses_own_identity and each.resource.key.namespace == namespace]

    # Secrets and service accounts

    def _follow(self) -> None:
        """Watch what the resources name; before all of them are known there is nothing to compare with."""
        if self._names_changed and not self._unlisted:
            self._names_changed = False
            is_local = all(source.namespace for source in self._sources)
            self._following.follow(
                (*named, each.resource.key.namespace if is_local else "")
                for each in self._tracked.values()
                for named in each.resource.watched
            )

    def _objects_listed(self, source: Source, objects: Iterable[Referenced]) -> None:
        seen = self._following.listed(source, objects)
        if not isinstance(seen, InitialList):
            self._objects_changed(seen)
            return
        self._renew(self._affected_at_first_sight(seen.found))
        for tracked in self._tracked.values():
            if source.namespace in ("", tracked.resource.key.namespace):
                self._disturb(tracked, unsettled(tracked.resource, seen, self._namespaces), is_news=False)

    def _affected_at_first_sight(self, found: Mapping[Reference, Referenced]) -> list[_Tracked]:
        """Return the resources whose way in may have changed since they were served, or while they are."""
        return [
            each
            for each in self._referring_to(found)
            if self._batcher.is_working(each.resource.key)
            or any(is_older(each.resource, found[item]) for item in each.resource.references if item in found)
        ]

    def _objects_changed(self, changes: Iterable[Change]) -> None:
        changes = {item.reference: change for change in changes if (item := change.after or change.before)}
        self._renew(self._referring_to(changes))
        for tracked in self._tracked.values():
            disturbed = {
                reference
                for reference, change in changes.items()
                if is_disturbed(tracked.resource, *change, self._namespaces)
            }
            self._disturb(tracked, disturbed, is_news=True)

    def _referring_to(self, references: Container[Reference]) -> list[_Tracked]:
        found = self._tracked.values()
        return [each for each in found if any(item in references for item in each.resource.references)]

    def _disturb(self, tracked: _Tracked, objects: Collection[Reference], *, is_news: bool) -> None:
        """Make a resource due that has something to put right, unless the run that works on it may do that yet."""
        key = tracked.resource.key
        if not objects:
            return
        if self._batcher.is_working(key):
            tracked.doubts |= dict.fromkeys(objects, is_news)
        else:
            _log.debug("to be put right", extra=fields(resource=key, objects=len(objects), first=min(objects)))
            self._batcher.enqueue_now(key, self._clock())

    def _settle(self) -> None:
        """Look at the doubts that were there when a run ended: by now the watches have told what it did."""
        now = self._clock()
        for key in self._doubtful.pop(now):
            tracked = self._tracked[key]
            doubts, tracked.doubts = tracked.doubts, {}
            for each, is_news in doubts.items():
                is_known = not is_news and has_failed_in(tracked.resource, each.namespace)
                found = self._following.find(each)
                if not is_known and not is_settled(tracked.resource, each, found, self._namespaces):
                    self._disturb(tracked, [each], is_news=is_news)

    # What time does

    def _notice_clock(self) -> None:
        """Look at everything when the clock was set back: all that is due would come later by as much."""
        now, before = self._clock(), self._seen_at
        self._seen_at = now
        if now > before - CLOCK_TOLERANCE or self._unlisted:
            return
        _log.warning("the clock was set back", extra=fields(seconds=int((before - now).total_seconds())))
        self._writer.hasten(now)
        for key in self._tracked:
            self._batcher.enqueue(key, now)
            self._mark_suspended(self._tracked[key])

    def _mark_suspended(self, tracked: _Tracked) -> None:
        if tracked.resource.suspended or tracked.was_suspended:
            self._suspended.add(tracked.resource.key, self._clock())

    def _tell_suspended(self) -> None:
        """Tell what became suspended or is so no more, and that the tokens of what is suspended are dead."""
        now = self._clock()
        for key in self._suspended.pop(now) if not self._unlisted else ():
            tracked = self._tracked[key]
            resource, was_suspended = tracked.resource, tracked.was_suspended
            tracked.was_suspended = resource.suspended
            if was_suspended != resource.suspended and not resource.deleting:
                event = event_of(resource, now)
                _log.info(event.reason.lower(), extra=fields(resource=key))
                self._writer.tell(resource, [event], now)
            if not resource.suspended:
                continue
            tracked.resource = replace(resource, status=suspended_status(resource, now))
            self._observer.resource_known(key, tracked.resource.status)
            self._writer.publish(resource, tracked.resource.status, now)
            if changes := changes_at(tracked.resource.status, now):
                self._suspended.add(key, changes)

    # Runs

    def _start_run(self) -> None:
        if self._supervisor.is_running or self._unlisted or self._stop:
            return
        batch = self._batcher.next_batch(self._clock(), lambda key: self._tracked[key].resource.suspended)
        if batch:
            self._supervisor.start(batch)

    def _tend(self) -> None:
        """Have the next run ready; but while one works, which needs the processor, only if the next is due by now."""
        if not self._supervisor.is_running or self._batcher.count_due(self._clock()):
            self._supervisor.prepare(self._batcher.next_play())

    def _tell_queue(self) -> None:
        self._observer.queue_changed(self._batcher.count_due(self._clock()), self._batcher.next_due())

    def _run_ended(self, ended: RunEnded) -> None:
        unanswered = self._unanswered(ended.summary)
        for result in self._supervisor.end(ended, unanswered, is_stopping=self._stop is not None):
            self._result_arrived(result, has_timed_out=ended.has_timed_out)

    def _unanswered(self, summary: RunSummary) -> list[Resource]:
        """Return the resources that a run was to serve, and had no result for."""
        found = [self._tracked[key].resource for key in summary.missing if key in self._tracked]
        working = [resource for resource in found if self._batcher.is_working(resource.key)]
        # What was suspended after the run was started is left out by the inventory.
        for resource in working:
            if resource.suspended:
                self._batcher.forget(resource.key)
        return [resource for resource in working if not resource.suspended]

    def _drain(self) -> None:
        """Wait for the run to end, so that what it brought is told and nothing of it is left."""
        deadline = self._clock() + timedelta(seconds=STOP_SECONDS)
        while self._supervisor.is_running and self._clock() < deadline:
            try:
                message = self._inbox.get(timeout=1.0)
            except Empty:
                continue
            if isinstance(message, Result | RunEnded):
                self._handle(message)

    # Results

    def _result_arrived(self, result: Result, *, has_timed_out: bool = False) -> None:
        tracked = self._tracked.get(result.key)
        now = self._clock()
        self._supervisor.count(result)
        if tracked is None or tracked.resource.uid != result.uid:
            return
        history = History(tracked.failures, parse_time(tracked.resource.status.get("expiresAt")))
        settlement = settle(
            tracked.resource,
            result,
            history,
            now=now,
            random=self._random,
            period=self._watched[result.key.kind].period,
            namespaces=self._namespaces,
        )
        if settlement.is_outdated:
            self._finish_outdated(tracked, settlement)
            return
        tracked.served_generation, tracked.failures = result.generation, settlement.failures
        if not self._batcher.finish(result.key, settlement.due, has_timed_out=has_timed_out):
            return
        if tracked.doubts:
            self._doubtful.add(result.key, now + SETTLE_DELAY)
        self._carry_out(tracked, settlement, now)

    def _finish_outdated(self, tracked: _Tracked, settlement: Settlement) -> None:
        """Edited since the run read it: what that did is no news any more, but for a resource that is suspended now."""
        self._batcher.finish(tracked.resource.key, settlement.due)
        if settlement.status is not None:
            tracked.resource = replace(tracked.resource, status=settlement.status)
            self._mark_suspended(tracked)

    def _carry_out(self, tracked: _Tracked, settlement: Settlement, now: datetime) -> None:
        before = tracked.resource
        if settlement.status is not None:
            tracked.resource = replace(before, status=settlement.status)
            self._observer.resource_known(before.key, settlement.status)
        self._writer.carry_out(before, settlement, self._supervisor.name, now)


def _edition(resource: Resource) -> tuple[int, bool, str]:
    """Return what makes a resource due when it changes; annotations are no part of the generation."""
    return resource.generation, resource.undo, resource.nudge


def _is_of(key: Key, source: Source) -> bool:
    return key.kind == source.kind and source.namespace in ("", key.namespace)
