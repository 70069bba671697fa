"""The failures that the status of a resource names: what its last run could not do, by namespace. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kube_ecr_runner.contract import reasons
from kube_ecr_runner.contract.reading import mappings_in, number_in
from kube_ecr_runner.model.conditions import condition_of
from kube_ecr_runner.model.resource import MAX_FAILURES, Resource


def failures_of(status: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return the failures in a status: MAX_FAILURES at most, so that a full list says nothing of the others."""
    return list(mappings_in(status, "failures"))


def failure_in(resource: Resource, namespace: str) -> object:
    """Return the reason that the status of a resource gives for a namespace, None if it names none."""
    found = (failure.get("reason") for failure in failures_of(resource.status) if failure.get("namespace") == namespace)
    return next(found, None)


def has_failure_in(resource: Resource, namespace: str) -> bool:
    """Return whether the status of a resource names a failure in a namespace."""
    return failure_in(resource, namespace) is not None


def may_be_failing(status: Mapping[str, Any]) -> bool:
    """Return whether a status does not say that the last attempt went well."""
    return condition_of(status, "RefreshFailing").get("status") != "False"


def says_served(status: Mapping[str, Any], namespace: str) -> bool:
    """Return whether a status says that all was done that was to be done in a namespace.

    Where the list of failures is full, one of the namespace may not have fitted in.
    """
    failures = failures_of(status)
    if len(failures) >= MAX_FAILURES or any(failure.get("namespace") == namespace for failure in failures):
        return False
    return not may_be_failing(status) or number_in(status, "namespacesReady") > 0


def awaited_namespaces(status: Mapping[str, Any]) -> set[object]:
    """Return the namespaces that a status says are not there yet."""
    return {failure.get("namespace") for failure in failures_of(status) if failure.get("reason") in reasons.PENDING}


def waits_for(status: Mapping[str, Any], namespace: str) -> bool:
    """Return whether a status says that the namespace is not there yet.

    Where the list of failures is full, it may be one that did not fit.
    """
    failures = failures_of(status)
    if any(failure.get("namespace") == namespace for failure in failures):
        return namespace in awaited_namespaces(status)
    return len(failures) >= MAX_FAILURES
