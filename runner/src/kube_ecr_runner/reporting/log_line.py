"""The line of the log about a result: what became of a resource, where that is something else than before. Pure."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field

from kube_ecr_runner.model.conditions import condition_of
from kube_ecr_runner.model.resource import Resource
from kube_ecr_runner.model.result import Result


@dataclass(frozen=True)
class LogLine:
    """A record to be: level of the logging module, message, and fields beside those that name resource and run."""

    level: int
    message: str
    fields: Mapping[str, object] = field(default_factory=dict)


def log_line_of(resource: Resource, result: Result, status: Mapping[str, object]) -> LogLine | None:
    """Return the line about a result, None where it is nothing new; status is the one that the resource gets by it.

    A failure is logged when it begins and when its cause is another one, a recovery once, and a refresh whenever
    Secrets were written.
    """
    ready, failing = condition_of(status, "Ready"), condition_of(status, "RefreshFailing")
    ready_before, failing_before = (condition_of(resource.status, kind) for kind in ("Ready", "RefreshFailing"))
    served, served_before = status.get("namespacesReady"), resource.status.get("namespacesReady")
    is_new_state = ready["status"] != ready_before.get("status") or served != served_before
    is_new_cause = any(failing[name] != failing_before.get(name) for name in ("status", "reason", "message"))
    values = {
        "namespaces": f"{served}/{status.get('namespacesTotal')}",
        "expires": status.get("expiresAt"),
        "next": status.get("nextRefreshTime"),
    }
    if failing["status"] == "True":
        if not is_new_state and not is_new_cause:
            return None
        causes = {"ready": ready["status"], "reason": failing["reason"], "cause": failing["message"]}
        return LogLine(logging.WARNING, "refresh failed", values | causes)
    if is_new_state or failing_before.get("status") == "True":
        return LogLine(logging.INFO, "ready" if ready["status"] == "True" else "waiting", values)
    return LogLine(logging.INFO, "refreshed", values) if result.changed else None
