"""How the targets of a resource are after a result: who holds a valid token, and who is waited for. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from kube_ecr_runner.contract import reasons
from kube_ecr_runner.contract.reading import list_in, number_in
from kube_ecr_runner.contract.result import FAILED, PENDING, NamespaceResult
from kube_ecr_runner.contract.timestamps import parse_time
from kube_ecr_runner.model.conditions import condition_of
from kube_ecr_runner.model.resource import MAX_FAILURES, Resource
from kube_ecr_runner.model.result import Problem, Result
from kube_ecr_runner.reporting.wording import comes_from


@dataclass(frozen=True)
class TargetState:
    """How many targets hold a valid token, which do, which exist without one, and which do not exist yet.

    broken and pending are of outputs too, of which outputs_ready hold a valid token. expires_at is when the first of
    all these tokens expires; failures are those that the status lists.
    """

    ready: int
    total: int
    served: tuple[str, ...]
    broken: tuple[NamespaceResult, ...]
    pending: tuple[NamespaceResult, ...]
    expires_at: datetime | None
    failures: list[dict[str, str]]
    is_ready: bool
    outputs_ready: int = 0
    outputs_total: int = 0


def target_state(resource: Resource, result: Result, now: datetime, targets: Sequence[str]) -> TargetState:
    """Return how the targets are after a result; targets are what the resource selects as far as the runner knows."""
    if not result.namespaces and result.problem and not result.is_cleanup:
        return _state_before(resource, result, now, targets)
    until = _valid_until(resource, result, now)
    secrets = [
        replace(secret, expires_at=until) if _is_unseen(secret, result.problem) else secret for secret in result.secrets
    ]
    pending = [secret for secret in secrets if secret.state == PENDING]
    existing = [secret for secret in secrets if secret.state != PENDING]
    valid = [secret for secret in existing if _is_valid(secret, now)]
    broken = [secret for secret in existing if not _is_valid(secret, now)]
    served = [secret.namespace for secret in valid if not secret.name]
    return TargetState(
        ready=len(served),
        total=len(result.namespaces),
        outputs_ready=len(valid) - len(served),
        outputs_total=len(result.outputs),
        served=tuple(served),
        broken=tuple(broken),
        pending=tuple(pending),
        expires_at=min((secret.expires_at for secret in valid if secret.expires_at), default=None),
        failures=_failures(result, pending),
        is_ready=not broken and (bool(served) or not result.namespaces),
    )


def _is_valid(namespace: NamespaceResult, now: datetime) -> bool:
    return namespace.expires_at is not None and namespace.expires_at > now


def _failures(result: Result, pending: Iterable[NamespaceResult]) -> list[dict[str, str]]:
    """A namespace is listed once: what is wrong with its Secret, or that it is waited for, rather than the rest."""
    awaited = {namespace.namespace for namespace in pending}
    others = [failure for failure in result.failures if failure.namespace not in awaited]
    listed: dict[str, dict[str, str]] = {}
    for part in [*others, *pending]:
        failure = {"namespace": part.namespace, "reason": part.reason or reasons.UNKNOWN, "message": part.message}
        listed.setdefault(part.namespace, failure)
    return list(listed.values())[:MAX_FAILURES]


def _state_before(resource: Resource, result: Result, now: datetime, targets: Sequence[str]) -> TargetState:
    """Nobody could look at the targets: they are as the status said, as long as the tokens live that it speaks of."""
    until = _valid_until(resource, result, now)
    return TargetState(
        ready=number_in(resource.status, "namespacesReady") if until else 0,
        total=len(targets),
        outputs_ready=number_in(resource.status, "outputsReady") if until else 0,
        outputs_total=number_in(resource.status, "outputsTotal"),
        served=tuple(targets) if until else (),
        broken=(),
        pending=(),
        expires_at=until,
        failures=list(list_in(resource.status, "failures")) if until else [],
        is_ready=until is not None,
    )


def _valid_until(resource: Resource, result: Result, now: datetime) -> datetime | None:
    """Return until when the status before says that all targets hold valid tokens, None if it does not say so."""
    previous = resource.status
    expires_at = parse_time(previous.get("expiresAt"))
    is_ready = condition_of(previous, "Ready").get("status") == "True"
    is_current = previous.get("observedGeneration") == result.generation
    return expires_at if is_ready and is_current and expires_at and expires_at > now else None


def _is_unseen(namespace: NamespaceResult, problem: Problem | None) -> bool:
    """Return whether the API server could not be asked about a target, so that its Secret may well be valid."""
    is_unreachable = namespace.state == FAILED and namespace.reason == reasons.UNREACHABLE
    return is_unreachable and not comes_from(namespace, problem)
