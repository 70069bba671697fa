"""From the result of a run to the events that are written about it. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence

from kube_ecr_runner.contract import reasons
from kube_ecr_runner.contract.reading import text_in
from kube_ecr_runner.contract.result import CREATED, DELETED, FAILED, UPDATED, NamespaceResult, ObjectResult
from kube_ecr_runner.contract.timestamps import format_time
from kube_ecr_runner.model.conditions import condition_of
from kube_ecr_runner.model.event import Event
from kube_ecr_runner.model.resource import Resource
from kube_ecr_runner.model.result import Origin, Result
from kube_ecr_runner.reporting.wording import (
    comes_from,
    contested_suffix,
    keys_of,
    names_of,
    place_of,
    shadowed_suffix,
    writers_of,
)

_PROBLEM_EVENTS = {
    Origin.AWS: reasons.GET_AWS_AUTH_TOKEN_FAILED,
    Origin.RESOURCE: reasons.INVALID_RESOURCE,
    Origin.CLUSTER: reasons.UPDATE_SECRET_ERROR,
    Origin.RUN: reasons.RUN_FAILED,
}


def events_of(resource: Resource, result: Result) -> list[Event]:
    """Return what a result is worth telling in events: Secrets written or deleted, causes of failure, and warnings.

    resource.status is what it had before the result: of what others did, each pass finds the same, hours apart. What
    the status names was told.
    """
    return [
        *_written(resource, result.of_state(CREATED), reasons.SECRET_CREATION_SUCCESS, "created"),
        *_written(resource, result.of_state(UPDATED), reasons.SECRET_UPDATE_SUCCESS, "updated"),
        *_deleted(result.removed),
        *_failed(result),
        *_failed_objects(result.accounts, reasons.UPDATE_SERVICE_ACCOUNT_ERROR),
        *_failed_objects(result.removed, reasons.DELETE_SECRET_ERROR),
        *([Event("Warning", result.warning.reason, result.warning.message)] if result.warning else []),
        *_shadowed(resource, result),
        *_contested(resource, result),
        *_annotations(resource),
    ]


def _written(resource: Resource, secrets: Sequence[NamespaceResult], reason: str, verb: str) -> Iterator[Event]:
    by_name: dict[str, list[NamespaceResult]] = defaultdict(list)
    for secret in secrets:
        by_name[secret.name or resource.secret_name].append(secret)
    for name, written in by_name.items():
        until = min((secret.expires_at for secret in written if secret.expires_at), default=None)
        text = f"Secret {name} {verb} in namespaces: {names_of(secret.namespace for secret in written)}"
        yield Event("Normal", reason, f"{text}; valid until: {format_time(until)}" if until else text)


def _deleted(removed: Iterable[ObjectResult]) -> Iterator[Event]:
    places: dict[str, list[str]] = defaultdict(list)
    for secret in removed:
        if secret.state == DELETED:
            places[secret.name].append(secret.namespace)
    for name, namespaces in places.items():
        text = f"Secret {name} deleted in namespaces: {names_of(namespaces)}"
        yield Event("Normal", reasons.SECRET_DELETION_SUCCESS, text)


def _failed(result: Result) -> Iterator[Event]:
    """What is wrong with the resource as a whole comes first; who failed for it alone has no event of its own."""
    if result.problem:
        yield Event("Warning", _PROBLEM_EVENTS[result.problem.origin], result.problem.message)
    causes: dict[tuple[str, str], list[NamespaceResult]] = defaultdict(list)
    for namespace in result.of_state(FAILED):
        if not comes_from(namespace, result.problem):
            causes[_failure_event(namespace), namespace.reason].append(namespace)
    for (reason, _), namespaces in causes.items():
        yield Event("Warning", reason, _cause(namespaces, "also in namespaces"))


def _failed_objects(objects: Iterable[ObjectResult], reason: str) -> Iterator[Event]:
    causes: dict[str, list[ObjectResult]] = defaultdict(list)
    for item in objects:
        if item.state == FAILED:
            causes[item.reason].append(item)
    for found in causes.values():
        yield Event("Warning", reason, _cause(found, "also"))


def _shadowed(resource: Resource, result: Result) -> Iterator[Event]:
    also = f"also in namespaces: {keys_of(result.shadowed[1:])}"
    return _warned(resource, reasons.LOGIN_SHADOWED, result.shadowed, shadowed_suffix(result), also)


def _contested(resource: Resource, result: Result) -> Iterator[Event]:
    also = f"also: {writers_of(result.contested[1:])}"
    return _warned(resource, reasons.SERVICE_ACCOUNT_CONTESTED, result.contested, contested_suffix(result), also)


def _annotations(resource: Resource) -> Iterator[Event]:
    said = text_in(condition_of(resource.status, "Ready"), "message")
    for warning in resource.sdk.warnings:
        if warning not in said:
            yield Event("Warning", reasons.ANNOTATION_IGNORED, warning)


def _warned(
    resource: Resource, reason: str, found: Sequence[NamespaceResult] | Sequence[ObjectResult], suffix: str, also: str
) -> Iterator[Event]:
    """Warn of what others did, by the first of it; suffix is what Ready then says, also names the others."""
    if found and suffix not in text_in(condition_of(resource.status, "Ready"), "message"):
        yield Event("Warning", reason, found[0].message + (f" ({also})" if len(found) > 1 else ""))


def _failure_event(namespace: NamespaceResult) -> str:
    is_there = namespace.expires_at is not None or namespace.reason in reasons.BLOCKING
    return reasons.UPDATE_SECRET_ERROR if is_there else reasons.CREATE_SECRET_ERROR


def _cause(parts: Sequence[NamespaceResult] | Sequence[ObjectResult], also: str) -> str:
    """Return why the first of several failed, and where others did for the same reason."""
    text, others = parts[0].message or parts[0].reason, names_of(place_of(part) for part in parts[1:])
    return f"{text} ({also}: {others})" if others else text
