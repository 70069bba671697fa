"""Which resources need reconciling when a Secret or a service account is not what it was. Pure."""

from __future__ import annotations

from collections.abc import Container, Mapping

from kube_ecr_runner.contract import reasons
from kube_ecr_runner.contract.timestamps import parse_time
from kube_ecr_runner.controller.triggers.failures import failure_in, has_failure_in, says_served
from kube_ecr_runner.model.object_list import ObjectList
from kube_ecr_runner.model.resource import Namespace, Reference, Referenced, Resource, WrittenSecret


def refers_to(resource: Resource, objects: Container[Reference]) -> bool:
    """Return whether the way into AWS of a resource rests on one of these objects."""
    return any(reference in objects for reference in resource.references)


def may_predate(resource: Resource, item: Referenced) -> bool:
    """Return whether the Secrets of a resource may have been written before an object was.

    Times are in whole seconds: the order of two in the same one is unknown. A resource that never had a Secret
    is none of those.
    """
    refreshed_at = parse_time(resource.status.get("lastRefreshTime"))
    return bool(refreshed_at and item.changed_at and refreshed_at <= item.changed_at)


def may_predate_any(resource: Resource, objects: Mapping[Reference, Referenced]) -> bool:
    """Return whether the Secrets of a resource may have been written before one of the objects that it refers to."""
    return any(may_predate(resource, objects[item]) for item in resource.references if item in objects)


def is_in_sync(
    resource: Resource, reference: Reference, item: Referenced | None, namespaces: Mapping[str, Namespace]
) -> bool:
    """Return whether a run would find nothing to do about an object, as far as its metadata shows.

    item is None where it is not there. In a namespace that is gone, or going, there never is anything to do.
    """
    namespace = _find(namespaces, reference.namespace)
    if resource.deleting or namespace is None or namespace.terminating:
        return True
    if reference.kind == "ServiceAccount":
        is_wanted = resource.accounts.matches(reference.name) and _is_target(resource, namespace)
        return item is None or not is_wanted or resource.secret_name in item.pull_secrets
    if wanted := resource.wanted(reference.name, namespace):
        return _is_intact(resource, wanted, item)
    # Where it is no target's Secret, one that is ours is to be removed.
    return item is None or item.owner != resource.uid


def needs_reconcile(
    resource: Resource, before: Referenced | None, after: Referenced | None, namespaces: Mapping[str, Namespace]
) -> bool:
    """Return whether what became of an object gives a run something to do; before or after is what it was or is.

    For a Secret that is more than not being in sync: one of somebody else stands in the way until it is deleted, or
    until its owner changes it, and not whenever something happens to it. Where it comes into other hands, the status
    has another name to show.
    """
    item = after or before
    if item is None or is_in_sync(resource, item.reference, after, namespaces):
        return False
    if after is None or after.reference.kind == "ServiceAccount":
        return True
    namespace = _find(namespaces, after.reference.namespace)
    wanted = resource.wanted(after.reference.name, namespace) if namespace else None
    if namespace is None or wanted is None:
        return before is None or before.owner != after.owner
    if before is None:
        return False
    was_in_the_way = not after.intact and failure_in(resource, namespace.name) in reasons.BLOCKING
    is_in_other_hands = (before.owner, before.intact) != (after.owner, after.intact)
    return _is_intact(resource, wanted, before) or was_in_the_way or is_in_other_hands


def needs_reconcile_after_run(
    resource: Resource,
    reference: Reference,
    item: Referenced | None,
    namespaces: Mapping[str, Namespace],
    *,
    has_changed: bool,
) -> bool:
    """Return whether an object that looked wrong during a run is still wrong after it; item is what it is by now.

    has_changed says that it changed while the run worked. If it was only seen for the first time then, a failure that
    the status names in its namespace is what was seen.
    """
    is_known = not has_changed and has_failure_in(resource, reference.namespace)
    return not is_known and not is_in_sync(resource, reference, item, namespaces)


def drifted_in_list(
    resource: Resource, listed: ObjectList, namespaces: Mapping[str, Namespace], *, is_first: bool
) -> set[Reference]:
    """Return the objects that a run has something to do about, going by what the status says of them.

    That is what a runner must find out that was down, or whose watches brought nothing. Where the status names a
    failure, it is known already; but what stood in the way then may be gone, or, if the list is the first one that this
    process sees, in other hands.
    """
    if listed.kind == "ServiceAccount":
        targets = resource.targets.among(namespaces) if resource.accounts else []
        candidates = {reference for name in targets for reference in listed.by_namespace.get(name, ())}
    else:
        candidates = set(listed.by_owner.get(resource.uid, ()))
        for secret in resource.secrets:
            if listed.name == secret.name:
                names = secret.targets.among(namespaces)
                candidates |= {Reference(listed.kind, name, listed.name) for name in names}
    return {
        reference
        for reference in candidates
        if _is_news(resource, reference, listed, is_first=is_first)
        and not is_in_sync(resource, reference, listed.found.get(reference), namespaces)
    }


def _is_news(resource: Resource, reference: Reference, listed: ObjectList, *, is_first: bool) -> bool:
    """Return whether the status says nothing of it that an object of a list is not as it should be.

    After a later list, no run comes before its time for what a status does not tell of: that run would be one of many.
    """
    if failure_in(resource, reference.namespace) in reasons.BLOCKING:
        return is_first or reference not in listed.found
    if is_first:
        return not has_failure_in(resource, reference.namespace)
    return says_served(resource.status, reference.namespace)


def _find(namespaces: Mapping[str, Namespace], name: str) -> Namespace | None:
    """Where none is known the runner may not list them: then each counts as there."""
    return namespaces.get(name) if namespaces else Namespace(name, "", None)


def _is_target(resource: Resource, namespace: Namespace) -> bool:
    return resource.targets.matches(namespace.name, namespace.labels)


def _is_intact(resource: Resource, wanted: WrittenSecret, item: Referenced | None) -> bool:
    if item is None:
        return False
    has_template = item.owner != resource.uid or wanted.template <= item.template
    return resource.uid in item.intact and has_template
