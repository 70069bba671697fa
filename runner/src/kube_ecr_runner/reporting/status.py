"""From the result of a run to the status of its resource. Pure.

Ready says whether every target namespace that exists holds a valid token; RefreshFailing says whether the last
attempt to do all that is wanted failed. The two are independent: a failed refresh leaves the valid Secrets in place,
and a service account or a Secret that should go has no part in what is ready. A service account that others write,
too, is no failure, nor is a login of others that some consumers prefer: Ready names them at the end of its message.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

from kube_ecr_runner.contract import reasons
from kube_ecr_runner.contract.result import FAILED, NamespaceResult, ObjectResult
from kube_ecr_runner.contract.timestamps import format_time
from kube_ecr_runner.model.conditions import new_condition
from kube_ecr_runner.model.resource import STATUS_FIELDS, Resource
from kube_ecr_runner.model.result import Result
from kube_ecr_runner.reporting.targets import TargetState, target_state
from kube_ecr_runner.reporting.waiting_pods import pods_part
from kube_ecr_runner.reporting.wording import contested_suffix, names_of, place_of, shadowed_suffix

_PENDING_WORDS = {reasons.NAMESPACE_NOT_FOUND: "does not exist yet", reasons.NAMESPACE_TERMINATING: "is being deleted"}


def status_of(
    resource: Resource, result: Result, now: datetime, next_due: datetime, targets: Sequence[str]
) -> dict[str, object]:
    """Return the status that a resource gets after a result; targets are what it selects as far as the runner knows.

    resource.status is what it had before: what the result says nothing of is kept from there. A status that equals
    it says nothing new, and need not be written.
    """
    previous, generation = resource.status, result.generation
    state = target_state(resource, result, now, targets)
    last_refresh = format_time(now) if result.changed else previous.get("lastRefreshTime")
    is_ready, reason, message = _ready(resource, result, state, next_due)
    message += f"; {result.warning.message}" if result.warning else ""
    message += shadowed_suffix(result) + contested_suffix(result)
    message += "".join(f"; {warning}" for warning in resource.sdk.warnings)
    pods_condition, pods_waiting = pods_part(previous)
    status = {
        "observedGeneration": generation,
        "conditions": [
            new_condition("Ready", is_ready, reason, message, generation, previous, now),
            new_condition("RefreshFailing", *_refresh_failing(result), generation, previous, now),
            *pods_condition,
        ],
        "expiresAt": state.expires_at and format_time(state.expires_at),
        "lastRefreshTime": last_refresh,
        "nextRefreshTime": format_time(next_due),
        "lastHandledReconcileAt": _handled(result) or previous.get("lastHandledReconcileAt"),
        "registries": list(result.registries) or previous.get("registries"),
        "namespacesReady": state.ready,
        "namespacesTotal": state.total,
        "outputsReady": state.outputs_ready if state.outputs_total else None,
        "outputsTotal": state.outputs_total or None,
        "failures": state.failures,
        "podsWaiting": pods_waiting,
    }
    return {name: status[name] for name in STATUS_FIELDS if status[name] not in (None, [])}


def cause_of(result: Result) -> str:
    """Return why not all was done that can be, as RefreshFailing says it; an empty text if all was."""
    _, reason, message = _refresh_failing(result)
    return "" if result.succeeded else f"{reason}: {message}"


def _handled(result: Result) -> str:
    """Return the request to reconcile that a result answers; one that failed is tried again."""
    return result.reconcile_request if result.succeeded or result.is_blocked else ""


def _ready(resource: Resource, result: Result, state: TargetState, next_due: datetime) -> tuple[str, str, str]:
    """Return status, reason and message of the condition Ready."""
    secret, due = f"Secret {resource.secret_name}", format_time(next_due)
    if result.is_cleanup:
        text = "the resource is being deleted, but its cleanup is not finished (see RefreshFailing)"
        return "False", reasons.DELETING, f"{text}; next attempt at: {due}"
    if state.is_ready and not (state.total or state.outputs_total):
        text = f"no namespace matches, so there is nothing to do; next check at: {due}"
        return "True", reasons.NO_NAMESPACE_MATCHES, text
    if state.is_ready:
        return "True", reasons.SECRETS_UPDATED, _ready_message(secret, result, state, due)
    if state.pending and not state.broken and not result.problem:
        text = f"{secret} is not written yet; waiting for {_awaited(state.pending)}; next check at: {due}"
        return "False", reasons.SECRETS_PROCESSING, text
    reason, message = _first_cause(result)
    names = names_of(map(place_of, state.broken))
    text = f"no valid token in namespaces: {names}: {message}" if names else message
    return "False", reason, f"{text}; next attempt at: {due}{_waiting(state)}"


def _ready_message(secret: str, result: Result, state: TargetState, due: str) -> str:
    """Return what there is to say where all targets that exist hold a valid token."""
    names = names_of(state.served)
    names += f"; outputs: {state.outputs_ready} of {state.outputs_total}" if state.outputs_total else ""
    if state.expires_at and (result.problem or result.of_state(FAILED)):
        until = format_time(state.expires_at)
        text = f"{secret} is still valid in namespaces: {names}; the first token expires at: {until}"
        return f"{text}; the refresh fails (see RefreshFailing); next attempt at: {due}{_waiting(state)}"
    others_failed = "service accounts or cleanup failed (see RefreshFailing); next attempt"
    coming = "next update" if result.succeeded else others_failed
    return f"{secret} is up to date in namespaces: {names}; {coming} at: {due}{_waiting(state)}"


def _waiting(state: TargetState) -> str:
    return f"; waiting for {_awaited(state.pending)}" if state.pending else ""


def _refresh_failing(result: Result) -> tuple[str, str, str]:
    """Return status, reason and message of the condition RefreshFailing."""
    if result.succeeded:
        return "False", reasons.REFRESH_SUCCEEDED, "the last refresh succeeded"
    failed = result.of_state(FAILED)
    texts = [
        result.problem.message if result.problem else "",
        _failing(
            f"failed in {len(failed)} of {len(result.secrets)} {_places(result)}", [] if result.problem else failed
        ),
        _failing("failed for service accounts", result.accounts),
        _failing("failed to remove Secrets", result.removed),
    ]
    return "True", _first_cause(result)[0], "; ".join(filter(None, texts))


def _places(result: Result) -> str:
    return "Secrets" if result.outputs else "namespaces"


def _failing(text: str, parts: Iterable[NamespaceResult | ObjectResult]) -> str:
    failed = [part for part in parts if part.state == FAILED]
    return f"{text}: {names_of(map(place_of, failed))}: {failed[0].message}" if failed else ""


def _first_cause(result: Result) -> tuple[str, str]:
    if result.problem:
        return result.problem.reason, result.problem.message
    for failure in result.failures:
        return failure.reason or reasons.UNKNOWN, failure.message
    return reasons.UNKNOWN, "the result names no cause"


def _awaited(pending: Iterable[NamespaceResult]) -> str:
    causes = {secret.namespace: _PENDING_WORDS.get(secret.reason, secret.reason) for secret in pending}
    return "namespaces: " + names_of(f"{namespace} ({cause})" for namespace, cause in causes.items())
