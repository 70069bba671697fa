"""Whether a resource asks to be reconciled by itself: new, edited, annotated so, or to be cleaned up. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from kube_ecr_runner.controller.triggers.namespaces import targets_changed_since_status
from kube_ecr_runner.model.resource import Namespace, Resource


def was_edited(before: Resource, after: Resource) -> bool:
    """Return whether a resource is another one than before, but for its status.

    The generation changes with the spec and the deletion; annotations and finalizers are no part of it.
    """
    return _edition(before) != _edition(after)


def was_rescheduled(before: Resource, after: Resource) -> bool:
    """Return whether annotations name another period, or are ignored for another reason: a check tells what holds."""
    return before.sdk != after.sdk


def is_due_at_once(resource: Resource, namespaces: Mapping[str, Namespace]) -> bool:
    """Return whether a resource that is seen for the first time is due, whatever time its status names."""
    return resource.cleanup or resource.has_unanswered_request or targets_changed_since_status(resource, namespaces)


def _edition(resource: Resource) -> tuple[object, ...]:
    return resource.generation, resource.cleanup, resource.reconcile_request, resource.sdk
