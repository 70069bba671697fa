"""What is reported of a resource while spec.suspend is true: its status, and events. Pure.

No run serves it, so what its status said before is all there is to go by: Ready stays as it was until the first of the
tokens expires that the status names.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from kube_ecr_runner.contract import reasons
from kube_ecr_runner.contract.timestamps import format_time, parse_time
from kube_ecr_runner.model.conditions import condition_of, new_condition
from kube_ecr_runner.model.event import Event
from kube_ecr_runner.model.resource import STATUS_FIELDS, Resource
from kube_ecr_runner.reporting.waiting_pods import pods_part

_REMEDY = "set spec.suspend to false to go on"


def says_suspended(status: Mapping[str, Any]) -> bool:
    """Return whether a status says that its resource is suspended."""
    return condition_of(status, "Ready").get("reason") == reasons.SUSPENDED


def suspended_status(resource: Resource, now: datetime) -> dict[str, object]:
    """Return the status of a suspended resource at that time; resource.status is what it had before."""
    previous = resource.status
    is_ready, text = _state(previous, now)
    status = dict(previous)
    status.pop("nextRefreshTime", None)
    if "namespacesReady" in status and "expiresAt" in status and changes_at(status, now) is None:
        status["namespacesReady"] = 0
    status["observedGeneration"] = resource.generation
    conditions = {
        "Ready": (str(is_ready), text),
        "RefreshFailing": ("False", f"suspended: nothing is renewed; {_REMEDY}"),
    }
    pods_condition, _ = pods_part(previous)
    status["conditions"] = [
        *(
            new_condition(kind, value, reasons.SUSPENDED, message, resource.generation, previous, now)
            for kind, (value, message) in conditions.items()
        ),
        *pods_condition,
    ]
    return {name: status[name] for name in STATUS_FIELDS if name in status}


def changes_at(status: Mapping[str, Any], now: datetime) -> datetime | None:
    """Return when the status of a suspended resource changes by itself: when a token expires."""
    expires_at = parse_time(status.get("expiresAt"))
    return expires_at if expires_at and expires_at > now else None


def event_of(resource: Resource, now: datetime) -> Event:
    """Return the event about a resource that was suspended, or is served again."""
    if resource.suspended:
        return Event("Normal", reasons.SUSPENDED, _state(resource.status, now)[1])
    return Event("Normal", reasons.RESUMED, "spec.suspend is false again: reconciliation resumed")


def _state(previous: Mapping[str, Any], now: datetime) -> tuple[bool, str]:
    """Return whether a resource is ready, and what there is to say of it."""
    expires_at = parse_time(previous.get("expiresAt"))
    if expires_at and expires_at <= now:
        text = f"nothing is renewed, and the first token expired at: {format_time(expires_at)}"
        return False, f"suspended: {text}; {_REMEDY}"
    if condition_of(previous, "Ready").get("status") == "True":
        until = f"; the first token expires at: {format_time(expires_at)}" if expires_at else ""
        return True, f"suspended: nothing is renewed{until}; {_REMEDY}"
    cause = "not all namespaces hold a valid token, and nothing is written" if expires_at else "nothing is written"
    return False, f"suspended: {cause}; {_REMEDY}"
