"""One pass over all resources, for a CronJob or a person: no watches, and an exit status that tells how it went.

A resource is served when all was done that can be and its status was written; one that waits for a namespace is, and
one that is suspended.
"""

from __future__ import annotations

import logging
import threading
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping
from datetime import UTC, datetime
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

# Runs a playbook for resources, see runs.run.run_batch.
RunBatch = Callable[[list[Key], PlaybookSpec, Callable[[Result], None], threading.Event], RunSummary]
# Returns what a result means for its resource, see settlement.settle.
Settle = Callable[[Resource, Result], Settlement]
# Takes the resources that were listed, and returns what of the filter picks none, see contract.filters.unpicked.
Unpicked = Callable[[Iterable[str]], str]
# Takes what became of a resource, see PassReporter.report.
Report = Callable[[Resource, Settlement], str | None]

_log = logging.getLogger(__name__)


class CannotListError(Exception):
    """The resources could not be listed; the text says why."""


def serve_once(
    cluster: Cluster,
    watched: Iterable[WatchesEntry],
    sources: Iterable[Source],
    run_batch: RunBatch,
    cancelled: threading.Event,
    unpicked: Unpicked,
    *,
    is_dry: bool,
    batch_size: int,
    random: Random,
) -> bool:
    """Serve the resources of sources, in runs of at most batch_size; return whether all are served that were meant.

    A filter that picks nothing was meant to pick something. With is_dry, run_batch changes nothing, nothing is written
    to the cluster, and what would be done is printed.
    """
    entries = list(watched)
    try:
        found = [resource for source in sources for resource in _list(cluster, source, Resource)]
        namespaces = [] if is_dry else _list(cluster, NAMESPACES, Namespace)
    except CannotListError as error:
        _log.error("cannot list", extra=fields(cause=error))
        return False
    missing = unpicked(str(resource.key) for resource in found)
    if missing:
        _log.error("a filter picks nothing", extra=fields(cause=missing))
    # One that is being deleted is as good as gone, unless there is something to clean up.
    found = [resource for resource in found if not resource.deleting or resource.cleanup]
    resources = {resource.key: resource for resource in found if not resource.suspended}
    reporter = PassReporter(cluster, {entry.kind for entry in entries if entry.manages_status})
    if not is_dry:
        reporter.report_suspended(resource for resource in found if resource.suspended)
    report: Report = (lambda *_: "") if is_dry else reporter.report
    one_pass = OnePass(resources, _settler(entries, namespaces, random), report, cancelled)
    not_served = one_pass.run(run_batch, {entry.kind: entry.playbook for entry in entries}, batch_size)
    if is_dry:
        print(*preview.lines_of(resources, one_pass.results, not_served), sep="\n", flush=True)
    _log_end(not_served, len(resources), len(found) - len(resources), is_dry=is_dry)
    return not (not_served or missing)


def _log_end(not_served: Mapping[Key, str], resources: int, suspended: int, *, is_dry: bool) -> None:
    for key, why in not_served.items() if not is_dry else ():
        _log.warning("not served", extra=fields(resource=key, cause=why))
    counts = fields(served=resources - len(not_served), not_served=len(not_served), suspended=suspended or None)
    _log.log(logging.WARNING if not_served else logging.INFO, "pass ended", extra=counts)


def _settler(entries: Iterable[WatchesEntry], namespaces: Iterable[Namespace], random: Random) -> Settle:
    """Return what settles results at the time at which they come."""
    periods = {entry.kind: entry.period for entry in entries}
    known = {namespace.name: namespace for namespace in namespaces}

    def settled(resource: Resource, result: Result) -> Settlement:
        now, period = datetime.now(UTC), periods[resource.key.kind]
        return settle(resource, result, History(), now=now, random=random, period=period, namespaces=known)

    return settled


def _list[T](cluster: Cluster, source: Source, kind: type[T]) -> list[T]:
    """Return all objects of a source, none of one that may be missing. Raises CannotListError."""
    try:
        parsed = [source.parse(item) for page in cluster.list_pages(source) for item in page["items"]]
    except KubernetesError as error:
        if source.optional and error.status in (403, 404):
            return []
        raise CannotListError(source.absent if error.status == 404 and source.absent else str(error)) from None
    return [item for item in parsed if isinstance(item, kind)]


class PassReporter:
    """Writes statuses and events of a pass: each once, for there is no later."""

    def __init__(
        self, api: StatusApi, managed: Collection[str], clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        """managed are the kinds whose statuses and events are written."""
        self._api = api
        self._managed = managed
        self._clock = clock
        # Each attempt takes its time: when the API server is down, a few must do.
        self._outage = Outage(MAX_UNANSWERED, lambda error: error.status == 0)

    def report(self, resource: Resource, settlement: Settlement) -> str | None:
        """Write what became of a resource.

        Returns why its status could not be written, an empty text if it was, None if the resource is gone.
        """
        status = settlement.status
        if status is None or settlement.is_outdated or resource.key.kind not in self._managed:
            return ""
        try:
            if status != resource.status and not self._write_status(resource, status):
                return None
        except KubernetesError as error:
            return str(error)
        self._write_events(resource, settlement)
        return ""

    def report_suspended(self, resources: Iterable[Resource]) -> None:
        """Write until when the tokens of suspended resources live; what cannot be written makes none less served."""
        for resource in resources:
            status = suspended_status(resource, self._clock())
            if resource.key.kind not in self._managed or status == resource.status:
                continue
            try:
                self._write_status(resource, status)
            except KubernetesError as error:
                _log.warning("cannot write to the API server", extra=fields(resource=resource.key, cause=error))

    def _write_status(self, resource: Resource, status: Mapping[str, object]) -> bool:
        return self._outage.attempt(partial(self._api.apply_status, resource, status))

    def _write_events(self, resource: Resource, settlement: Settlement) -> None:
        try:
            for event in settlement.events:
                self._outage.attempt(partial(self._api.create_event, resource, event, self._clock()))
        except KubernetesError as error:
            # An event that is lost makes no resource less served.
            _log.warning("cannot write to the API server", extra=fields(resource=resource.key, cause=error))


class OnePass:
    """One pass: which resources were served, and why others were not. results are what the runs said of them."""

    def __init__(
        self, resources: Mapping[Key, Resource], settled: Settle, report: Report, cancelled: threading.Event
    ) -> None:
        """report is given what each result means as it comes, and returns what PassReporter.report does.

        cancelled ends the pass early.
        """
        self._resources = resources
        self._settled = settled
        self._report = report
        self._cancelled = cancelled
        self.results: dict[Key, Result] = {}
        # Why each resource is not served, an empty text for one that is.
        self._causes: dict[Key, str] = {}

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
        causes = {key: self._causes.get(key, "the pass was ended before") for key in sorted(self._resources)}
        return {key: cause for key, cause in causes.items() if cause}

    def _run(self, run_batch: RunBatch, keys: list[Key], playbook: PlaybookSpec) -> None:
        summary = run_batch(keys, playbook, self._arrived, self._cancelled)
        missing, seconds = len(summary.missing) or None, f"{summary.seconds:.1f}"
        _log.info("run ended", extra=fields(resources=len(keys), without_result=missing, seconds=seconds))
        if not self._cancelled.is_set():
            for key in summary.missing:
                self._arrived(Result.of_failed_run(self._resources[key], summary.error))

    def _arrived(self, result: Result) -> None:
        resource = self._resources.get(result.key)
        if resource is None:
            return
        if resource.uid != result.uid:
            self._causes[result.key] = "it was deleted and made again during the pass"
            return
        self.results[result.key] = result
        settlement = self._settled(resource, result)
        for warning in (*resource.sdk.warnings, *([result.warning.message] if result.warning else [])):
            _log.warning("to be known", extra=fields(resource=result.key, warning=warning))
        trouble = self._report(resource, settlement)
        # What is gone needs nothing any more.
        self._causes[result.key] = "" if trouble is None else settlement.cause or trouble
