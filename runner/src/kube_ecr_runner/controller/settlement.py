"""What the result of a run means for its resource: when it is due again, its status, its events and its log line. Pure.

The control loop, the single pass and dry runs all settle results here; what settle() returns is only carried out by
them.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random

from kube_ecr_runner.contract.timestamps import parse_time
from kube_ecr_runner.controller import schedule
from kube_ecr_runner.model.event import Event
from kube_ecr_runner.model.resource import Namespace, Resource
from kube_ecr_runner.model.result import Result
from kube_ecr_runner.reporting.events import events_of
from kube_ecr_runner.reporting.log_line import LogLine, log_line_of
from kube_ecr_runner.reporting.status import cause_of, status_of


@dataclass(frozen=True)
class History:
    """What went before a result: how many failures in a row, and when the first token of the resource expires.

    A pass that makes no other attempt has no history.
    """

    failures: int = 0
    expires_at: datetime | None = None


@dataclass(frozen=True)
class Settlement:
    """What a result means for its resource.

    due is when it is reconciled next, failures how many results in a row have failed now. status is its status from now
    on, None where that stays as it is; events and log say so. cause says why not all was done, empty if all was.

    is_outdated says that the resource was edited after the run had read it, so that the result is of an older
    generation: such a status is the base of the next one, and is not written itself.
    """

    due: datetime
    failures: int
    status: Mapping[str, object] | None = None
    events: tuple[Event, ...] = ()
    log: LogLine | None = None
    cause: str = ""
    is_outdated: bool = False


def settle(
    resource: Resource,
    result: Result,
    history: History,
    *,
    now: datetime,
    random: Random,
    period: timedelta,
    namespaces: Mapping[str, Namespace],
) -> Settlement:
    """Return what the result of a run means for a resource.

    resource.status is what it was before. period is the longest time between two reconciliations of its kind, zero
    for none; namespaces are those of the cluster, as far as they are known.
    """
    cause = cause_of(result)
    if result.generation < resource.generation:
        # While a resource is suspended no other run comes: what this one did must not be forgotten.
        status = _status(resource, result, now, now, namespaces) if resource.suspended else None
        return Settlement(now, history.failures, status, cause=cause, is_outdated=True)
    failures = history.failures + 1 if schedule.has_failed(result) else 0
    planned = parse_time(resource.status.get("nextRefreshTime"))
    due = schedule.next_due(result, failures, planned, now, random, history.expires_at)
    due = schedule.within(due, resource.period(period), now, random)
    if result.is_cleanup and result.succeeded:
        # It is gone as soon as its finalizer is: there is no status to write any more.
        return Settlement(due, failures, log=LogLine(logging.INFO, "cleanup finished"))
    status = _status(resource, result, now, due, namespaces)
    log = log_line_of(resource, result, status)
    return Settlement(due, failures, status, tuple(events_of(resource, result)), log, cause)


def _status(
    resource: Resource, result: Result, now: datetime, due: datetime, namespaces: Mapping[str, Namespace]
) -> dict[str, object]:
    # Which namespaces are targets costs a look at all of them, and matters only where the result names none.
    targets = () if result.namespaces else resource.targets.among(namespaces)
    return status_of(resource, result, now, due, targets)
