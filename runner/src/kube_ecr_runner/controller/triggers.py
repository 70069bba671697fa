"""What it means for a resource that a namespace, a Secret or a service account is not what it was. Pure.

What always holds: what a run does leads to no other run. A run leaves the Secrets of targets sound (see marks) and
their service accounts with the Secret among theirs, and takes away what is no target's; what is looked for here is
the opposite. All this only hastens what the next run would find by itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from kube_ecr_runner.contract.timestamps import parse_time
from kube_ecr_runner.model.initial_list import InitialList
from kube_ecr_runner.model.resource import MAX_FAILURES, Namespace, Reference, Referenced, Resource
from kube_ecr_runner.model.result import OBSTACLES

PENDING_REASONS = frozenset({"NamespaceNotFound", "NamespaceTerminating"})

Namespaces = Mapping[str, Namespace]


# Namespaces


def is_moved(resource: Resource, before: Namespace | None, after: Namespace | None, *, is_working: bool) -> bool:
    """Return whether a namespace came to, left or was replaced under a resource; before or after is what it was or is.

    One that is named literally is a target all the while, so its status says whether this is new to it; while a run
    works on it, nobody can tell what that run still sees.
    """
    namespace = after or before
    if namespace is None or resource.deleting:
        return False
    was, is_now = (resource.targets.matches(namespace.name, each and each.labels) for each in (before, after))
    if was != is_now or not is_now:
        return was != is_now
    if after is None:
        return is_working or not waits_for(resource.status, namespace.name)
    if after.terminating or (before is not None and before.uid == after.uid):
        return False
    return is_working or before is not None or waits_for(resource.status, namespace.name)


def waits_for(status: Mapping, namespace: str) -> bool:
    """Return whether a resource of this status was last told that the namespace is not there.

    Where the list of failures is full, it may be one that did not fit.
    """
    failures = _failures(status)
    if any(each.get("namespace") == namespace for each in failures):
        return namespace in _awaited(failures)
    return len(failures) >= MAX_FAILURES


def is_outdated(resource: Resource, namespaces: Namespaces) -> bool:
    """Return whether namespaces came, went or were relabelled since the status of a resource was written.

    namespaces are those of the cluster. This is what a runner that was down must find out; it looks at the status
    alone, and what it cannot tell (a namespace on its way out, or one that left while another came) it takes for
    unchanged; so it does with all of them where the runner may not list any.
    """
    if not namespaces:
        return False
    status, targets = resource.status, resource.targets.among(namespaces)
    total, failures = status.get("namespacesTotal"), _failures(status)
    if isinstance(total, int) and total != len(targets):
        return True
    known = [namespaces[name] for name in targets if name in namespaces]
    if len(failures) >= MAX_FAILURES:
        ready = status.get("namespacesReady")
        return sum(not each.terminating for each in known) > (ready if isinstance(ready, int) else 0)
    awaited = _awaited(failures)
    gone = set(targets) - namespaces.keys() - awaited
    return bool(gone) or any(each.name in awaited or _is_newer(each, status) for each in known if not each.terminating)


def _is_newer(namespace: Namespace, status: Mapping) -> bool:
    """A namespace made after the last Secret was written holds none, though one of its name may have."""
    refreshed_at = parse_time(status.get("lastRefreshTime"))
    return bool(refreshed_at and namespace.created_at and namespace.created_at > refreshed_at)


# Secrets and service accounts


def is_older(resource: Resource, item: Referenced) -> bool:
    """Return whether the Secrets of a resource may have been written before an object was.

    Times are in whole seconds: of two in the same one nobody can tell the order. A resource that never had a Secret
    is none of those.
    """
    refreshed_at = parse_time(resource.status.get("lastRefreshTime"))
    return bool(refreshed_at and item.changed_at and refreshed_at <= item.changed_at)


def is_settled(resource: Resource, reference: Reference, item: Referenced | None, namespaces: Namespaces) -> bool:
    """Return whether a run would find nothing to do about an object, as far as its metadata tells.

    item is None where it is not there. In a namespace that is gone, or going, there never is anything to do.
    """
    namespace = _find(namespaces, reference.namespace)
    if resource.deleting or namespace is None or namespace.terminating:
        return True
    if reference.kind == "ServiceAccount":
        is_wanted = item is not None and resource.accounts.matches(reference.name)
        return not is_wanted or not _is_target(resource, namespace) or _is_sound(resource, item)
    if reference.name == resource.secret_name and _is_target(resource, namespace):
        return _is_sound(resource, item)
    return item is None or item.owner != resource.uid


def is_disturbed(
    resource: Resource, before: Referenced | None, after: Referenced | None, namespaces: Namespaces
) -> bool:
    """Return whether what became of an object gives a run something to do; before or after is what it was or is.

    For a Secret that is more than not being settled: one of somebody else stands in the way until it is deleted, or
    until its owner changes it, and not whenever something happens to it. Where it comes into other hands, the status
    has another name to tell.
    """
    item = after or before
    if item is None or is_settled(resource, item.reference, after, namespaces):
        return False
    if after is None or after.reference.kind == "ServiceAccount":
        return True
    namespace = _find(namespaces, after.reference.namespace)
    if after.reference.name != resource.secret_name or not (namespace and _is_target(resource, namespace)):
        return before is None or before.owner != after.owner
    was_obstacle = not after.sound and _failure_in(resource, namespace.name) in OBSTACLES
    if before is None:
        return False
    is_in_other_hands = (before.owner, before.sound) != (after.owner, after.sound)
    return _is_sound(resource, before) or was_obstacle or is_in_other_hands


def unsettled(resource: Resource, sight: InitialList, namespaces: Namespaces) -> set[Reference]:
    """Return the objects that a run has something to do about, at first sight of them.

    That is what a runner that was down must find out. Where the status names a failure, it is known already; but
    what stood in the way then may be gone, or in other hands.
    """
    if sight.kind == "ServiceAccount":
        targets = resource.targets.among(namespaces) if resource.accounts else []
        candidates = {each for name in targets for each in sight.by_namespace.get(name, ())}
    else:
        candidates = set(sight.by_owner.get(resource.uid, ()))
        if sight.name == resource.secret_name:
            names = resource.targets.among(namespaces)
            candidates |= {Reference(sight.kind, name, sight.name) for name in names}
    return {
        each
        for each in candidates
        if _failure_in(resource, each.namespace) in {None, *OBSTACLES}
        and not is_settled(resource, each, sight.found.get(each), namespaces)
    }


def has_failed_in(resource: Resource, namespace: str) -> bool:
    """Return whether the status of a resource names a failure in a namespace."""
    return _failure_in(resource, namespace) is not None


def _find(namespaces: Namespaces, name: str) -> Namespace | None:
    """Where none is known the runner may not list them: then each counts as there."""
    return namespaces.get(name) if namespaces else Namespace(name, "", None)


def _is_target(resource: Resource, namespace: Namespace) -> bool:
    return resource.targets.matches(namespace.name, namespace.labels)


def _is_sound(resource: Resource, item: Referenced | None) -> bool:
    if item is None:
        return False
    if item.reference.kind == "ServiceAccount":
        return resource.secret_name in item.pull_secrets
    has_template = item.owner != resource.uid or resource.template <= item.template
    return resource.uid in item.sound and has_template


def _failure_in(resource: Resource, namespace: str) -> object:
    """Return the reason that a status gives for a namespace, None if it names none."""
    return next((each.get("reason") for each in _failures(resource.status) if each.get("namespace") == namespace), None)


def _failures(status: Mapping) -> list[Mapping]:
    failures = status.get("failures")
    return [each for each in failures if isinstance(each, Mapping)] if isinstance(failures, list) else []


def _awaited(failures: Iterable[Mapping]) -> set[object]:
    return {each.get("namespace") for each in failures if each.get("reason") in PENDING_REASONS}
