"""The control loop: watch events mark resources as due, due resources are batched into a run, results become status.

Everything is decided in one thread, that of run(). Watches and the run have threads of their own, and deliver into one
inbox. One run at a time: the next begins when it is over and something has been due for the length of the batching
window.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from queue import Empty

from kube_ecr_runner.cluster.reflector import ChangeEvent, ListEvent
from kube_ecr_runner.cluster.sources import NAMESPACES
from kube_ecr_runner.cluster.watch_manager import Watcher
from kube_ecr_runner.controller.clock_watch import ClockWatch
from kube_ecr_runner.controller.messages import Inbox, Message, Stop
from kube_ecr_runner.controller.parts import Parts, utc_now
from kube_ecr_runner.controller.run_supervisor import RunEnded
from kube_ecr_runner.log import fields
from kube_ecr_runner.model.observer import Observer, Part
from kube_ecr_runner.model.resource import Namespace, Referenced, Resource
from kube_ecr_runner.model.result import Result
from kube_ecr_runner.model.waiting_pod import WaitingPod

# A clock that was set is noticed after this many seconds, for due times are times of day.
MAX_SLEEP_SECONDS = 30.0
STOP_SECONDS = 20.0

_log = logging.getLogger(__name__)


class Controller:
    """Keeps the resources of one cluster served, from run() until Stop is in the inbox."""

    def __init__(self, parts: Parts, inbox: Inbox, observer: Observer, clock: Callable[[], datetime] = utc_now) -> None:
        """inbox is where all watches and the runs deliver; the parts go by the same clock."""
        self._parts = parts
        self._inbox = inbox
        self._observer = observer
        self._clock = clock
        self._clock_watch = ClockWatch(clock())
        self._stop: Stop | None = None

    def run(self, watchers: Iterable[Watcher]) -> None:
        """Work until Stop is in the inbox, or halt() is called, then end run and watches and return."""
        watchers = list(watchers)
        self._observer.waits_for(self._parts.store.unlisted)
        for watcher in watchers:
            watcher.start()
        try:
            while self._stop is None:
                self._prepare_run()
                self._receive()
                self._parts.objects.watch()
                self._check([*watchers, *self._parts.watches.watchers()])
                self._do_what_is_due()
                self._start_run()
                self._report()
            _log.info("stopping", extra=fields(signal=self._stop.signal))
        finally:
            self._parts.supervisor.cancel()
            for watcher in [*watchers, *self._parts.watches.watchers()]:
                watcher.stop()
            self._parts.supervisor.close()
            self._drain()
        _log.info("stopped")

    @property
    def is_halted(self) -> bool:
        """Whether halt() was called."""
        return self._parts.writer.is_halted

    def halt(self, cause: str) -> None:
        """End run(), and write nothing more from now on. May be called from any thread."""
        self._parts.writer.halt()
        self._parts.supervisor.kill()
        self._inbox.put(Stop(cause))

    def _receive(self) -> None:
        """Wait until something is in the inbox or is due, and handle all that is there."""
        timeout: float | None = self._seconds_to_wait()
        while True:
            try:
                message = self._inbox.get(timeout=timeout) if timeout else self._inbox.get_nowait()
            except Empty:
                self._observer.loop_moved()
                return
            self._handle(message, self._clock())
            self._observer.loop_moved()
            timeout = None

    def _seconds_to_wait(self) -> float:
        moments = [self._parts.writer.retry_at, self._parts.rechecks.next_due()]
        if self._parts.store.is_complete:
            moments += [self._parts.suspended.next_due(), self._parts.pods.next_due()]
            if not self._parts.supervisor.is_running:
                moments.append(self._parts.batcher.next_start())
        wake_at = min(filter(None, moments), default=None)
        if wake_at is None:
            return MAX_SLEEP_SECONDS
        return min(max((wake_at - self._clock()).total_seconds(), 0.0), MAX_SLEEP_SECONDS)

    def _handle(self, message: Message, now: datetime) -> None:
        match message:
            case ListEvent():
                self._listed(message, now)
            case ChangeEvent(_, Resource() as resource, is_gone):
                if is_gone:
                    self._parts.resources.gone(resource.key)
                else:
                    self._parts.resources.seen(resource, now)
            case ChangeEvent(_, Namespace() as namespace, is_gone):
                self._parts.namespaces.changed(namespace, now, is_gone=is_gone)
            case ChangeEvent(source, Referenced() as item, is_gone):
                self._parts.objects.changed(source, item, now, is_gone=is_gone)
            case ChangeEvent(_, WaitingPod() as pod, is_gone):
                self._parts.pods.changed(pod, now, is_gone=is_gone)
            case Result():
                self._parts.supervisor.take(message)
                self._parts.results.arrived(message, self._parts.supervisor.name, now)
            case RunEnded():
                self._run_ended(message)
            case Stop():
                self._stop = message

    def _listed(self, event: ListEvent, now: datetime) -> None:
        if event.source == NAMESPACES:
            self._parts.namespaces.listed(event.of(Namespace), now)
        elif self._parts.store.has_source(event.source):
            self._parts.resources.listed(event.source, event.of(Resource), now)
        elif self._parts.pods.has_source(event.source):
            # Nobody waits for this list.
            self._parts.pods.listed(event.source, event.of(WaitingPod), now)
            return
        else:
            self._parts.objects.listed(event.source, event.of(Referenced), now)
            return
        if self._parts.store.note_listed(event.source):
            self._observer.waits_for(self._parts.store.unlisted)
            if self._parts.store.is_complete:
                self._begin(now)

    def _begin(self, now: datetime) -> None:
        """Begin to serve: all sources have been listed once, so it is known what is due."""
        self._parts.resources.enqueue_all(now)
        due, namespaces = self._parts.batcher.count_due(now), self._parts.store.namespaces
        _log.info("watching", extra=fields(resources=len(self._parts.store), due=due, namespaces=len(namespaces)))

    def _run_ended(self, ended: RunEnded) -> None:
        unanswered = self._parts.results.unanswered(ended.summary.missing)
        known, is_stopping = len(self._parts.store), self._stop is not None
        for result in self._parts.supervisor.end(ended, unanswered, known=known, is_stopping=is_stopping):
            self._parts.supervisor.count(result)
            self._parts.results.arrived(result, ended.run, self._clock(), has_timed_out=ended.has_timed_out)

    def _check(self, watchers: Iterable[Watcher]) -> None:
        """A watch ends by itself only through a bug: a process that began anew would not have it."""
        if not all(watcher.is_alive() for watcher in watchers):
            raise RuntimeError("a watch died; see above")

    def _do_what_is_due(self) -> None:
        if back := self._clock_watch.set_back_by(self._clock()):
            self._clock_was_set_back(back)
        self._parts.writer.retry(self._parts.store.resources(), self._clock())
        self._parts.objects.recheck(self._clock())
        if self._parts.store.is_complete:
            self._parts.suspended.report(self._clock())
            self._parts.pods.work(self._clock())

    def _clock_was_set_back(self, back: timedelta) -> None:
        if self._parts.store.is_complete:
            _log.warning("the clock was set back", extra=fields(seconds=int(back.total_seconds())))
            self._parts.writer.hasten(self._clock())
            self._parts.resources.reschedule_all(self._clock())
            self._parts.pods.hasten(self._clock())

    def _prepare_run(self) -> None:
        """Have the next run ready; but while one works, which needs the processor, only if the next is due by now."""
        if not self._parts.supervisor.is_running or self._parts.batcher.count_due(self._clock()):
            self._parts.supervisor.prepare(self._parts.batcher.next_playbook())

    def _start_run(self) -> None:
        if self._parts.supervisor.is_running or not self._parts.store.is_complete or self._stop:
            return
        resources = self._parts.store
        if batch := self._parts.batcher.next_batch(self._clock(), lambda key: resources[key].resource.suspended):
            self._parts.supervisor.start(batch)

    def _report(self) -> None:
        self._observer.part_works(Part.STATUSES, self._parts.writer.trouble(len(self._parts.store)))
        self._observer.queue_changed(self._parts.batcher.count_due(self._clock()), self._parts.batcher.next_due())

    def _drain(self) -> None:
        """Wait for the run to end, so that its results are written and nothing of it is left."""
        deadline = self._clock() + timedelta(seconds=STOP_SECONDS)
        while self._parts.supervisor.is_running and self._clock() < deadline:
            try:
                message = self._inbox.get(timeout=1.0)
            except Empty:
                continue
            if isinstance(message, Result | RunEnded):
                self._handle(message, self._clock())
