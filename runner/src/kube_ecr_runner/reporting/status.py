"""From the result of a run to what the user sees on the resource: its status, and events. Pure.

Ready says whether every target namespace that exists holds a valid token; RefreshFailing says whether the last
attempt to do all that is wanted failed. The two are independent: a failed refresh leaves the valid Secrets in place,
and a service account or a Secret that should go has no part in what is ready.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from kube_ecr_runner.contract.timestamps import format_time, parse_time
from kube_ecr_runner.model.conditions import condition_of, new_condition
from kube_ecr_runner.model.event import Event
from kube_ecr_runner.model.resource import MAX_FAILURES, STATUS_FIELDS, Resource
from kube_ecr_runner.model.result import BLOCKING_REASONS, NamespaceResult, ObjectResult, Origin, Problem, Result

MAX_NAMES = 10
_PENDING_WORDS = {"NamespaceNotFound": "does not exist yet", "NamespaceTerminating": "is being deleted"}
_PROBLEM_EVENTS = {
    Origin.AWS: "GetAWSAuthTokenFailed",
    Origin.RESOURCE: "InvalidResource",
    Origin.CLUSTER: "UpdateSecretError",
    Origin.RUN: "RunFailed",
}


@dataclass(frozen=True)
class _Standing:
    """How the targets stand: those with a valid token, those that exist without one, those that are not there."""

    ready: int
    total: int
    served: tuple[str, ...]
    broken: tuple[NamespaceResult, ...]
    pending: tuple[NamespaceResult, ...]
    expires_at: datetime | None
    failures: list[dict[str, str]]
    is_ready: bool


def status_of(
    resource: Resource, result: Result, now: datetime, next_due: datetime, targets: Sequence[str]
) -> dict[str, object]:
    """Return the status that a resource gets after a result; targets are what it selects as far as the runner knows.

    resource.status is what it had before: what the result says nothing of is kept from there. A status that equals
    it has nothing new to tell, and need not be written.
    """
    previous = resource.status
    standing = _standing(resource, result, now, targets)
    last_refresh = format_time(now) if result.changed else previous.get("lastRefreshTime")
    status = {
        "observedGeneration": result.generation,
        "conditions": [
            new_condition("Ready", *_ready(resource, result, standing, next_due), result.generation, previous, now),
            new_condition("RefreshFailing", *_refresh_failing(result), result.generation, previous, now),
        ],
        "expiresAt": standing.expires_at and format_time(standing.expires_at),
        "lastRefreshTime": last_refresh,
        "nextRefreshTime": format_time(next_due),
        "lastHandledReconcileAt": _handled(result) or previous.get("lastHandledReconcileAt"),
        "registries": list(result.registries) or previous.get("registries"),
        "namespacesReady": standing.ready,
        "namespacesTotal": standing.total,
        "failures": standing.failures,
    }
    return {name: status[name] for name in STATUS_FIELDS if status[name] not in (None, [])}


def _handled(result: Result) -> str:
    """Return the nudge that a result answers; one that failed is tried again."""
    return result.reconcile_request if result.succeeded or result.is_blocked else ""


def events_of(resource: Resource, result: Result) -> list[Event]:
    """Return what a result is worth telling in events: Secrets written or deleted, and each cause of failure once."""
    events = [
        _written(resource, result.of_state("created"), "SecretCreationSuccess", "created"),
        _written(resource, result.of_state("updated"), "SecretUpdateSuccess", "updated"),
        *_deleted(result.removed),
    ]
    problem = result.problem
    if problem:
        events.append(Event("Warning", _PROBLEM_EVENTS[problem.origin], problem.message))
    causes: dict[tuple[str, str], list[NamespaceResult]] = {}
    for outcome in result.of_state("failed"):
        if not _comes_from(outcome, problem):
            causes.setdefault((_failure_event(outcome), outcome.reason), []).append(outcome)
    events += [Event("Warning", event, _cause(outcomes)) for (event, _), outcomes in causes.items()]
    events += _failed_steps(result.accounts, "UpdateServiceAccountError")
    events += _failed_steps(result.removed, "DeleteSecretError")
    return [each for each in events if each]


def cause_of(result: Result) -> str:
    """Return why not all was done that can be, as RefreshFailing says it; an empty text if all was."""
    _, reason, message = _refresh_failing(result)
    return "" if result.succeeded else f"{reason}: {message}"


def names_of(names: Iterable[str]) -> str:
    """Return names for a person: ten at most, and how many more there are."""
    listed = list(names)
    more = len(listed) - MAX_NAMES
    return ", ".join(listed[:MAX_NAMES]) + (f" and {more} more" if more > 0 else "")


def _standing(resource: Resource, result: Result, now: datetime, targets: Sequence[str]) -> _Standing:
    if not result.namespaces and result.problem and not result.is_cleanup:
        return _standing_before(resource, result, now, targets)
    until = _vouched_until(resource, result, now)
    outcomes = [
        replace(each, expires_at=until) if _is_unseen(each, result.problem) else each for each in result.namespaces
    ]
    pending = [each for each in outcomes if each.state == "pending"]
    served = [each for each in outcomes if each not in pending and each.expires_at and each.expires_at > now]
    broken = [each for each in outcomes if each not in pending and each not in served]
    return _Standing(
        ready=len(served),
        total=len(result.namespaces),
        served=tuple(each.namespace for each in served),
        broken=tuple(broken),
        pending=tuple(pending),
        expires_at=min((each.expires_at for each in served if each.expires_at), default=None),
        failures=_failures(result, pending),
        is_ready=not broken and (bool(served) or not outcomes),
    )


def _failures(result: Result, pending: list[NamespaceResult]) -> list[dict[str, str]]:
    """A namespace is told once: what is wrong with its Secret, or that it is waited for, rather than the rest."""
    awaited = {each.namespace for each in pending}
    others = [each for each in result.failures if each.namespace not in awaited]
    told: dict[str, dict[str, str]] = {}
    for each in [*others, *pending]:
        failure = {"namespace": each.namespace, "reason": each.reason or "Unknown", "message": each.message}
        told.setdefault(each.namespace, failure)
    return list(told.values())[:MAX_FAILURES]


def _standing_before(resource: Resource, result: Result, now: datetime, targets: Sequence[str]) -> _Standing:
    """Nobody could look at the targets: what the status said stands, as long as the tokens live that it speaks of."""
    until = _vouched_until(resource, result, now)
    failures, ready = resource.status.get("failures"), resource.status.get("namespacesReady")
    return _Standing(
        ready=ready if until and isinstance(ready, int) else 0,
        total=len(targets),
        served=tuple(targets) if until else (),
        broken=(),
        pending=(),
        expires_at=until,
        failures=list(failures) if until and isinstance(failures, list) else [],
        is_ready=until is not None,
    )


def _vouched_until(resource: Resource, result: Result, now: datetime) -> datetime | None:
    """Return until when the status before says that all targets hold valid tokens, None if it does not say so."""
    previous = resource.status
    expires_at = parse_time(previous.get("expiresAt"))
    is_ready = condition_of(previous, "Ready").get("status") == "True"
    is_current = previous.get("observedGeneration") == result.generation
    return expires_at if is_ready and is_current and expires_at and expires_at > now else None


def _is_unseen(outcome: NamespaceResult, problem: Problem | None) -> bool:
    """Return whether the API server could not be asked about a target, so that its Secret may well be valid."""
    return outcome.state == "failed" and outcome.reason == "Unreachable" and not _comes_from(outcome, problem)


def _ready(resource: Resource, result: Result, standing: _Standing, next_due: datetime) -> tuple[str, str, str]:
    """Return status, reason and message of the condition Ready."""
    names, due = names_of(standing.served), format_time(next_due)
    secret = f"Secret {resource.secret_name}"
    if result.is_cleanup:
        text = "the resource is being deleted, but not all that it did is undone (see RefreshFailing)"
        return "False", "Deleting", f"{text}; next attempt at: {due}"
    if standing.is_ready and not standing.total:
        return "True", "NoNamespaceMatches", f"no namespace matches, so there is nothing to do; next look at: {due}"
    waiting = f"; waiting for {_awaited(standing.pending)}" if standing.pending else ""
    if standing.is_ready and standing.expires_at and (result.problem or result.of_state("failed")):
        until = format_time(standing.expires_at)
        text = f"{secret} is still valid in namespaces: {names}; the first token dies at: {until}"
        return "True", "SecretsUpdated", f"{text}; refresh fails (see RefreshFailing), next attempt at: {due}{waiting}"
    if standing.is_ready:
        coming = "next update" if result.succeeded else "not all else is done (see RefreshFailing), next attempt"
        return "True", "SecretsUpdated", f"{secret} is up to date in namespaces: {names}; {coming} at: {due}{waiting}"
    if standing.pending and not standing.broken and not result.problem:
        text = f"{secret} is not written yet; waiting for {_awaited(standing.pending)}; next look at: {due}"
        return "False", "SecretsProcessing", text
    reason, message = _first_cause(result)
    names = names_of(each.namespace for each in standing.broken)
    text = f"no valid token in namespaces: {names}: {message}" if names else message
    return "False", reason, f"{text}; next attempt at: {due}{waiting}"


def _refresh_failing(result: Result) -> tuple[str, str, str]:
    """Return status, reason and message of the condition RefreshFailing."""
    if result.succeeded:
        return "False", "RefreshSucceeded", "the last refresh succeeded"
    failed = result.of_state("failed")
    texts = [
        result.problem.message if result.problem else "",
        _failing(f"failed in {len(failed)} of {len(result.namespaces)} namespaces", [] if result.problem else failed),
        _failing("failed for service accounts", result.accounts),
        _failing("failed to remove Secrets", result.removed),
    ]
    return "True", _first_cause(result)[0], "; ".join(filter(None, texts))


def _failing(text: str, parts: Iterable[NamespaceResult | ObjectResult]) -> str:
    failed = [each for each in parts if each.state == "failed"]
    names = (str(each) if isinstance(each, ObjectResult) else each.namespace for each in failed)
    return f"{text}: {names_of(names)}: {failed[0].message}" if failed else ""


def _first_cause(result: Result) -> tuple[str, str]:
    if result.problem:
        return result.problem.reason, result.problem.message
    for each in result.failures:
        return each.reason or "Unknown", each.message
    return "Unknown", "the result names no cause"


def _awaited(pending: Iterable[NamespaceResult]) -> str:
    return "namespaces: " + names_of(
        f"{each.namespace} ({_PENDING_WORDS.get(each.reason, each.reason)})" for each in pending
    )


def _written(resource: Resource, outcomes: list[NamespaceResult], reason: str, verb: str) -> Event | None:
    if not outcomes:
        return None
    until = min((each.expires_at for each in outcomes if each.expires_at), default=None)
    text = f"Secret {resource.secret_name} {verb} in namespaces: {names_of(each.namespace for each in outcomes)}"
    return Event("Normal", reason, f"{text}; valid until: {format_time(until)}" if until else text)


def _deleted(removed: Iterable[ObjectResult]) -> list[Event]:
    names: dict[str, list[str]] = defaultdict(list)
    for each in removed:
        if each.state == "deleted":
            names[each.name].append(each.namespace)
    return [
        Event("Normal", "SecretDeletionSuccess", f"Secret {name} deleted in namespaces: {names_of(namespaces)}")
        for name, namespaces in names.items()
    ]


def _failed_steps(steps: Iterable[ObjectResult], event: str) -> list[Event]:
    causes: dict[str, list[ObjectResult]] = defaultdict(list)
    for each in steps:
        if each.state == "failed":
            causes[each.reason].append(each)
    return [Event("Warning", event, _with_others(found[0], "also", map(str, found[1:]))) for found in causes.values()]


def _comes_from(outcome: NamespaceResult, problem: Problem | None) -> bool:
    return problem is not None and (outcome.reason, outcome.message) == (problem.reason, problem.message)


def _failure_event(outcome: NamespaceResult) -> str:
    there = outcome.expires_at is not None or outcome.reason in BLOCKING_REASONS
    return "UpdateSecretError" if there else "CreateSecretError"


def _cause(outcomes: list[NamespaceResult]) -> str:
    return _with_others(outcomes[0], "also in namespaces", (each.namespace for each in outcomes[1:]))


def _with_others(first: NamespaceResult | ObjectResult, also: str, others: Iterable[str]) -> str:
    text, names = first.message or first.reason, names_of(others)
    return f"{text} ({also}: {names})" if names else text
