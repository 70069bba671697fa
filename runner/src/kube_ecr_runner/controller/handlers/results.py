"""Results of runs, and what a run left without one."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from random import Random

from kube_ecr_runner.contract.timestamps import parse_time
from kube_ecr_runner.controller import schedule
from kube_ecr_runner.controller.batching import Batcher
from kube_ecr_runner.controller.handlers.pods import PodHandler
from kube_ecr_runner.controller.recheck import Rechecks
from kube_ecr_runner.controller.settlement import History, Settlement, settle
from kube_ecr_runner.controller.status_writer import StatusWriter
from kube_ecr_runner.controller.store import Store, TrackedResource
from kube_ecr_runner.controller.suspended import SuspendedResources
from kube_ecr_runner.model.observer import Observer
from kube_ecr_runner.model.resource import Key, Resource
from kube_ecr_runner.model.result import Result


class ResultHandler:
    """Has results settled, and carries out what that says."""

    def __init__(
        self,
        store: Store,
        batcher: Batcher,
        rechecks: Rechecks,
        suspended: SuspendedResources,
        pods: PodHandler,
        writer: StatusWriter,
        observer: Observer,
        *,
        periods: Mapping[str, timedelta],
        random: Random,
    ) -> None:
        """periods are the longest times between two reconciliations, by kind."""
        self._store = store
        self._batcher = batcher
        self._rechecks = rechecks
        self._suspended = suspended
        self._pods = pods
        self._writer = writer
        self._observer = observer
        self._periods = periods
        self._random = random

    def arrived(self, result: Result, run: str, now: datetime, *, has_timed_out: bool = False) -> None:
        """Take the result of a resource.

        run is the name of the run; has_timed_out says that it was stopped before it had a result of its own.
        """
        tracked = self._store.get(result.key)
        # One of that name that was made again meanwhile is another resource.
        if tracked is None or tracked.resource.uid != result.uid:
            return
        self._pods.note_result(tracked.resource, result, now)
        settlement = self._settle(tracked, result, now)
        if settlement.is_outdated:
            self._finish_outdated(result.key, settlement, now)
            return
        tracked.served_generation, tracked.failures = result.generation, settlement.failures
        retry_of = tracked.resource.identity if schedule.waits_for_aws(result) else None
        if not self._batcher.finish(result.key, settlement.due, has_timed_out=has_timed_out, retry_of=retry_of):
            return
        self._rechecks.run_ended(result.key, now)
        before = tracked.resource
        if settlement.status is not None:
            self._pods.note(self._store.set_status(result.key, settlement.status), now)
            self._observer.resource_known(result.key, settlement.status)
        self._writer.carry_out(before, settlement, run, now)

    def unanswered(self, missing: list[Key]) -> list[Resource]:
        """Return which of the resources that a run had no result for it should have had one for."""
        known = [tracked.resource for key in missing if (tracked := self._store.get(key))]
        working = [resource for resource in known if self._batcher.is_working(resource.key)]
        # What was suspended after the run was started is left out by the inventory.
        for resource in working:
            if resource.suspended:
                self._batcher.forget(resource.key)
        return [resource for resource in working if not resource.suspended]

    def _settle(self, tracked: TrackedResource, result: Result, now: datetime) -> Settlement:
        return settle(
            tracked.resource,
            result,
            History(tracked.failures, parse_time(tracked.resource.status.get("expiresAt"))),
            now=now,
            random=self._random,
            period=self._periods[result.key.kind],
            namespaces=self._store.namespaces,
        )

    def _finish_outdated(self, key: Key, settlement: Settlement, now: datetime) -> None:
        """The resource was edited after the run read it: the result counts only if the resource is suspended now."""
        self._batcher.finish(key, settlement.due)
        if settlement.status is not None:
            self._suspended.note(self._store.set_status(key, settlement.status), now)
