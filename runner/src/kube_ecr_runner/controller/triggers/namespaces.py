"""Which resources need reconciling when a namespace appears, goes, is made again or is labelled anew. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import chain

from kube_ecr_runner.contract.reading import number_in
from kube_ecr_runner.contract.timestamps import parse_time
from kube_ecr_runner.controller.triggers.failures import awaited_namespaces, failures_of, waits_for
from kube_ecr_runner.model.resource import MAX_FAILURES, Namespace, Resource


def targets_changed(resource: Resource, before: Namespace | None, after: Namespace | None, *, is_working: bool) -> bool:
    """Return whether a namespace came to, left or was replaced under a resource; before or after is what it was or is.

    One that is named literally is a target all the while, so its status says whether this is new to it; while a run
    works on it, it is unknown what that run still sees.
    """
    namespace = after or before
    if namespace is None or resource.deleting:
        return False
    was_target, is_target = (
        [secret.targets.matches(namespace.name, it.labels if it else None) for secret in resource.secrets]
        for it in (before, after)
    )
    if was_target != is_target or not any(is_target):
        return was_target != is_target
    if after is None:
        return is_working or not waits_for(resource.status, namespace.name)
    if after.terminating or (before is not None and before.uid == after.uid):
        return False
    return is_working or before is not None or waits_for(resource.status, namespace.name)


def targets_changed_since_status(resource: Resource, namespaces: Mapping[str, Namespace]) -> bool:
    """Return whether namespaces came, went or were relabelled since the status of a resource was written.

    namespaces are those of the cluster. This is what a runner that was down must find out; it looks at the status
    alone, and what that does not show (a namespace on its way out, or one that left while another came) it takes for
    unchanged; so it does with all of them where the runner may not list any.
    """
    if targets_differ_from_status(resource, namespaces):
        return True
    existing = (namespaces[name] for name in resource.places(namespaces) if name in namespaces)
    has_room = len(failures_of(resource.status)) < MAX_FAILURES
    return has_room and any(_is_newer(namespace, resource) for namespace in existing if not namespace.terminating)


def targets_differ_from_status(resource: Resource, namespaces: Mapping[str, Namespace]) -> bool:
    """Return whether the status of a resource counts other namespaces than are there.

    So a namespace that a run saw, and that was gone before a watch or a list told of it, is not forgotten.
    """
    if not namespaces:
        return False
    status = resource.status
    targets, *outputs = (secret.targets.among(namespaces) for secret in resource.secrets)
    total, failures = status.get("namespacesTotal"), failures_of(status)
    if isinstance(total, int) and total != len(targets):
        return True
    if isinstance(total, int) and number_in(status, "outputsTotal") != sum(map(len, outputs)):
        return True
    places = {*targets, *chain(*outputs)}
    alive = {name for name in places if name in namespaces and not namespaces[name].terminating}
    if len(failures) >= MAX_FAILURES:
        # The list is full, so some failures are not in it: more namespaces may be there than are ready.
        return len(alive.intersection(targets)) > number_in(status, "namespacesReady")
    awaited = awaited_namespaces(status)
    return bool(places - namespaces.keys() - awaited) or not awaited.isdisjoint(alive)


def allows_other_identities(before: Namespace | None, after: Namespace | None) -> bool:
    """Return whether a namespace that stays the same allows its resources other AWS identities than before.

    One that was made again gives its resources something to do all the same.
    """
    if before is None or after is None or before.uid != after.uid or after.terminating:
        return False
    return before.allowed_identities != after.allowed_identities


def uses_identity_of_runner_in(resource: Resource, namespace: str) -> bool:
    """Return whether what a namespace allows matters to a resource."""
    return resource.uses_own_identity and resource.key.namespace == namespace


def _is_newer(namespace: Namespace, resource: Resource) -> bool:
    """A namespace made after the last Secret was written holds none, though one of its name may have."""
    refreshed_at = parse_time(resource.status.get("lastRefreshTime"))
    return bool(refreshed_at and namespace.created_at and namespace.created_at > refreshed_at)
