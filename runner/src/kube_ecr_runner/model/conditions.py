"""Conditions in the status of a custom resource. Pure.

https://github.com/kubernetes/community/blob/master/contributors/devel/sig-architecture/api-conventions.md#typical-status-properties
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from kube_ecr_runner.contract.reading import mappings_in
from kube_ecr_runner.contract.timestamps import format_time

# Whether pods wait for images; of the other conditions, a result tells.
PODS_WAITING = "PodsWaiting"


def condition_of(status: Mapping[str, object], kind: str) -> Mapping[str, object]:
    """Return the condition of that type in a status, empty if there is none."""
    found = (condition for condition in mappings_in(status, "conditions") if condition.get("type") == kind)
    return next(found, {})


def new_condition(
    kind: str, status: str, reason: str, message: str, generation: int, previous: Mapping[str, object], now: datetime
) -> dict[str, object]:
    """Return a condition of a resource of that generation; previous is the status that it had before.

    The time of the last transition stays as long as the condition's status does.
    """
    before = condition_of(previous, kind)
    since = before.get("lastTransitionTime") if before.get("status") == status else None
    return {
        "type": kind,
        "status": status,
        "reason": reason,
        "message": message,
        "lastTransitionTime": since or format_time(now),
        "observedGeneration": generation,
    }
