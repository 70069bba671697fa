"""One pass over all resources, for a CronJob or a person: no watches, and an exit status that tells how it went.

A resource is served when all was done that can be and its status was written; one that waits for a namespace is, and
one that is suspended.
"""

from __future__ import annotations

import logging
import threading
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import batched
from random import Random

from kube_ecr_runner.cluster.client import Cluster
from kube_ecr_runner.cluster.errors import KubernetesError
from kube_ecr_runner.cluster.sources import NAMESPACES, Source
from kube_ecr_runner.config.watches import WatchesEntry
from kube_ecr_runner.controller.settlement import History, Settlement, settle
from kube_ecr_runner.controller.status_writer import Outage, StatusApi
from kube_ecr_runner.log import fields
from kube_ecr_runner.model.playbook import PlaybookSpec
from kube_ecr_runner.model.resource import Key, Namespace, Resource
from kube_ecr_runner.model.result import Result
from kube_ecr_runner.model.run import RunSummary
from kube_ecr_runner.reporting import preview
from kube_ecr_runner.reporting.suspension import suspended_status

MAX_UNANSWERED = 3

# Runs a playbook for resources, see batch.run_batch.
RunBatch = Callable[[list[Key], PlaybookSpec, Callable[[Result], None], threading.Event], RunSummary]
# Returns what a result means for its resource, see settlement.settle.
Settle = Callable[[Resource, Result], Settlement]
# Takes what became of a resource, see PassReporter.tell.
Tell = Callable[[Resource, Settlement], str | None]

_log = logging.getLogger(__name__)


class CannotListError(Exception):
    """The resources could not be listed; the text says why."""


def serve_once(
    cluster: Cluster,
    watched: Iterable[WatchesEntry],
    sources: Iterable[Source],
    run_batch: RunBatch,
    cancelled: threading.Event,
    *,
    is_dry: bool,
    batch_size: int,
    random: Random,
) -> bool:
    """Serve the resources of sources, in runs of at most batch_size; return whether all are served.

    With is_dry, run_batch changes nothing, nothing is written to the cluster, and what would be done is printed.
    """
    watched = list(watched)
    try:
        found = [each for source in sources for each in _listed(cluster, source) if not each.deleting or each.cleanup]
        namespaces = {} if is_dry else {each.name: each for each in _listed(cluster, NAMESPACES)}
    except CannotListError as error:
        _log.error("cannot list", extra=fields(cause=error))
        return False
    resources = {each.key: each for each in found if not each.suspended}
    teller = PassReporter(cluster, watched)
    if not is_dry:
        teller.tell_suspended(each for each in found if each.suspended)
    settled = _settler({each.kind: each.period for each in watched}, namespaces, random)
    one = OnePass(resources, settled, teller.tell if not is_dry else lambda _, __: "", cancelled)
    not_served = one.run(run_batch, {each.kind: each.playbook for each in watched}, batch_size)
    if is_dry:
        print(*preview.lines_of(resources, one.results, not_served), sep="\n", flush=True)
    else:
        for key, why in not_served.items():
            _log.warning("not served", extra=fields(resource=key, cause=why))
    suspended = len(found) - len(resources)
    counts = fields(served=len(resources) - len(not_served), not_served=len(not_served), suspended=suspended or None)
    _log.log(logging.WARNING if not_served else logging.INFO, "pass ended", extra=counts)
    return not not_served


def _settler(periods: Mapping[str, timedelta], namespaces: Mapping[str, Namespace], random: Random) -> Settle:
    """Return what settles results now; periods are by kind."""

    def settled(resource: Resource, result: Result) -> Settlement:
        now, period = datetime.now(UTC), periods[resource.key.kind]
        return settle(resource, result, History(), now=now, random=random, period=period, namespaces=namespaces)

    return settled


def _listed(cluster: Cluster, source: Source) -> list:
    """Return all objects of a source, none of one that may be missing. Raises CannotListError."""
    try:
        return [source.parse(each) for page in cluster.list_pages(source) for each in page.get("items") or ()]
    except KubernetesError as error:
        if source.optional and error.status in (403, 404):
            return []
        raise CannotListError(source.absent if error.status == 404 and source.absent else str(error)) from None


class PassReporter:
    """Writes statuses and events of the results of a pass."""

    def __init__(
        self, api: StatusApi, watched: Iterable[WatchesEntry], clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self._api = api
        self._managed = frozenset(each.kind for each in watched if each.manages_status)
        self._clock = clock
        # Each attempt takes its time: when the API server is down, a few must do.
        self._outage = Outage(MAX_UNANSWERED, lambda error: error.status == 0)

    def tell(self, resource: Resource, settlement: Settlement) -> str | None:
        """Write what became of a resource.

        Returns why its status could not be written, an empty text if it was, None if the resource is gone.
        """
        status, now = settlement.status, self._clock()
        if status is None or settlement.is_outdated or resource.key.kind not in self._managed:
            return ""
        write = partial(self._api.apply_status, resource, status)
        try:
            if status != resource.status and not self._outage.attempt(write):
                return None
        except KubernetesError as error:
            return str(error)
        try:
            for event in settlement.events:
                self._outage.attempt(partial(self._api.create_event, resource, event, now))
        except KubernetesError as error:
            # Nobody is served worse for an event that is not told.
            _log.warning("cannot write to the API server", extra=fields(resource=resource.key, cause=error))
        return ""

    def tell_suspended(self, resources: Iterable[Resource]) -> None:
        """Write until when the tokens of suspended resources live; what cannot be written makes none less served."""
        for resource in resources:
            status = suspended_status(resource, self._clock())
            if resource.key.kind not in self._managed or status == resource.status:
                continue
            try:
                self._outage.attempt(partial(self._api.apply_status, resource, status))
            except KubernetesError as error:
                _log.warning("cannot write to the API server", extra=fields(resource=resource.key, cause=error))


class OnePass:
    """One pass: which resources were served, and why others were not."""

    def __init__(
        self, resources: Mapping[Key, Resource], settled: Settle, tell: Tell, cancelled: threading.Event
    ) -> None:
        """tell is given what each result means as it comes, and returns what PassReporter.tell does.

        cancelled ends the pass early.
        """
        self._resources = resources
        self._settled = settled
        self._tell = tell
        self._cancelled = cancelled
        self.results: dict[Key, Result] = {}
        # Why each resource is not served, an empty text for one that is.
        self._told: dict[Key, str] = {}

    def run(self, run_batch: RunBatch, playbooks: Mapping[str, PlaybookSpec], batch_size: int) -> dict[Key, str]:
        """Serve all resources, in runs of at most so many; playbooks are by kind.

        Returns why those are not served that are not.
        """
        by_playbook: dict[PlaybookSpec, list[Key]] = defaultdict(list)
        for key in sorted(self._resources):
            by_playbook[playbooks[key.kind]].append(key)
        _log.info("pass started", extra=fields(resources=len(self._resources)))
        for playbook, keys in by_playbook.items():
            for batch in batched(keys, batch_size):
                if not self._cancelled.is_set():
                    self._run(run_batch, list(batch), playbook)
        told = {key: self._told.get(key, "the pass was ended before") for key in sorted(self._resources)}
        return {key: why for key, why in told.items() if why}

    def _run(self, run_batch: RunBatch, keys: list[Key], playbook: PlaybookSpec) -> None:
        summary = run_batch(keys, playbook, self._arrived, self._cancelled)
        told = fields(
            resources=len(keys), without_result=len(summary.missing) or None, seconds=f"{summary.seconds:.1f}"
        )
        _log.info("run ended", extra=told)
        if not self._cancelled.is_set():
            for key in summary.missing:
                self._arrived(Result.of_failed_run(self._resources[key], summary.error))

    def _arrived(self, result: Result) -> None:
        resource = self._resources.get(result.key)
        if resource is None:
            return
        if resource.uid != result.uid:
            self._told[result.key] = "it was deleted and made again during the pass"
            return
        self.results[result.key] = result
        settlement = self._settled(resource, result)
        trouble = self._tell(resource, settlement)
        self._told[result.key] = "" if trouble is None else settlement.cause or trouble
