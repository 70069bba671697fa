# Copyright: kube_ecr.secrets contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Whose a Secret is, and why it must not or cannot be written.

Pure. What is ours is told by the marks that are left on it (see whose). Anything else belongs to somebody, and is
touched only where a policy says so. The remedy that a message names is one that works, for this Secret and under this
policy.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from .._contract import reasons
from .._contract.item import NamespacedName, Owner
from .._contract.kinds import POLICIES
from .._contract.ownership import (
    DATA_KEY,
    MANAGED_BY,
    MANAGED_BY_LABEL,
    OWNER_LABEL,
    PLACE,
    RESOURCE,
    annotations_of,
    is_elsewhere,
    is_of_group,
    place_of,
)
from .._contract.reading import mapping_in, mappings_in, text_in
from . import docker_config, kubelet
from .desired import DesiredSecret
from .shared_entries import entries_for
from .whose import Whose, former_references, whose

_CORRECT_IT = "Correct it, delete it, or choose another name for the pull secret"
_FAIL, _ADOPT, _MERGE = POLICIES
# What a resource can be called; what stands in an annotation may be any text.
_NAME = re.compile(r"[A-Za-z]{1,40}(?:/[a-z0-9.-]{1,253}){1,2}")
# A reason in CamelCase (see _contract.reasons), and a message for a person.
Cause = tuple[str, str]


def holders_of(metadata: Mapping, owner: Owner | None = None) -> list[Mapping]:
    """Return the owner references of what would undo changes of a Secret: controllers, and custom resources of ours.

    The owner itself, and an earlier resource of its name, are none.
    """
    own = _own_uids(metadata, owner)
    references = (each for each in mappings_in(metadata, "ownerReferences") if each.get("uid") not in own)
    return [reference for reference in references if reference.get("controller") or is_of_group(reference)]


def _own_uids(metadata: Mapping, owner: Owner | None) -> set[str]:
    """Return the UIDs that owner references to the owner have, and those to an earlier resource of its name."""
    former = {text_in(reference, "uid") for reference in former_references(metadata, owner)}
    return former | {owner.uid} if owner else former


def _is_held_copy(metadata: Mapping, owner: Owner | None) -> bool:
    """Return whether a Secret is a copy of one of the owner's, with the owner reference to it.

    To the policies it is as one that another resource has: somebody made it so, and the owner must not undo that.
    """
    uids = {text_in(reference, "uid") for reference in mappings_in(metadata, "ownerReferences")}
    return is_elsewhere(metadata) and not uids.isdisjoint(_own_uids(metadata, owner))


def conflict_with(secret: Mapping, desired: DesiredSecret, policy: str) -> Cause | None:
    """Return why a Secret must not become the owner's own one, None if it may: somebody else's is in the way."""
    metadata, owner = secret["metadata"], desired.owner
    is_blocked = policy == _FAIL or holders_of(metadata, owner) or _is_held_copy(metadata, owner)
    return _conflict(secret, desired, policy) if is_blocked and not whose(secret, owner).is_free else None


def _conflict(secret: Mapping, desired: DesiredSecret, policy: str) -> Cause:
    return reasons.SECRET_CONFLICT, (
        f"{_name_of(secret['metadata'])} exists and {_described(secret, desired.owner)}; it was left as it is. "
        f"{_remedy(secret, desired, policy)}"
    )


def conflict_with_sharers(secret: Mapping, desired: DesiredSecret, uid: str, resource: str = "") -> Cause | None:
    """Return why a shared Secret must not become the own one of the resource of the UID, None if it may."""
    others = entries_for(secret["metadata"], uid, resource).keys() - {uid}
    if not others:
        return None
    is_stuck = _unchangeable(secret, desired, _MERGE)
    merge = "" if is_stuck else "Set existingSecretPolicy (existing_secret_policy) to Merge, or "
    remedy = f"{merge}choose another name for the {desired.called}"
    return reasons.SECRET_CONFLICT, (
        f"{_name_of(secret['metadata'])} exists and holds logins that others merged "
        f"into it ({', '.join(sorted(others))}); it was left as it is. {remedy[0].upper()}{remedy[1:]}"
    )


def conflict_with_controller(secret: Mapping, desired: DesiredSecret) -> Cause | None:
    """Return why the owner can merge nothing into a Secret that something looks after, None if nothing does."""
    metadata = secret["metadata"]
    if _is_held_copy(metadata, desired.owner):
        return _conflict(secret, desired, _MERGE)
    holders = holders_of(metadata)
    if not holders:
        return None
    return reasons.SECRET_CONFLICT, (
        f"{_name_of(metadata)} is managed by {_names_of(holders)}, which would undo any change; it was "
        f"left as it is. {_remedy_at(holders, desired)}"
    )


def _remedy(secret: Mapping, desired: DesiredSecret, policy: str) -> str:
    """Return what helps: whatever makes a Secret again has to be told not to, and a policy must be one that works."""
    holders = holders_of(secret["metadata"], desired.owner)
    if holders:
        return _remedy_at(holders, desired)
    is_open = policy == _FAIL and not _is_held_copy(secret["metadata"], desired.owner)
    policies = [each for each in (_ADOPT, _MERGE) if is_open and not _unchangeable(secret, desired, each)]
    way = f", or set existingSecretPolicy (existing_secret_policy) to {' or '.join(policies)}" if policies else ""
    return f"Delete it, or choose another name for the {desired.called}{way}"


def _remedy_at(holders: list[Mapping], desired: DesiredSecret) -> str:
    return (
        f"Change {_names_of(holders)}, which would make it again if it were deleted, or choose another name for the "
        f"{desired.called}"
    )


def _unchangeable(secret: Mapping, desired: DesiredSecret, policy: str) -> bool:
    """Return whether a policy would fail, too."""
    is_unmergeable = policy == _MERGE and (desired.output or unmergeable_because(secret))
    return bool(unwritable_because(secret, desired) or is_unmergeable)


def unwritable_because(secret: Mapping, desired: DesiredSecret) -> Cause | None:
    """Return why nobody could write a login into a Secret, None if one could."""
    if secret.get("type") != desired.secret_type:
        return reasons.WRONG_SECRET_TYPE, (
            f"{_name_of(secret['metadata'])} has type {secret.get('type')}, which cannot be changed; delete it, and it "
            f"is made again as {desired.secret_type}"
        )
    if secret.get("immutable"):
        name = _name_of(secret["metadata"])
        return reasons.IMMUTABLE_SECRET, f"{name} is immutable; delete it, and it is made again"
    return None


def unmergeable_because(secret: Mapping, hosts: Iterable[str] = ()) -> Cause | None:
    """Return why no login can be added to what a Secret holds, None if one can.

    hosts are those whose logins are to be added: what stands there for them is replaced, so it may be broken.
    """
    try:
        text = docker_config.with_logins(docker_config.stored(secret.get("data")), {host: {} for host in hosts})
        fault = kubelet.refusal(text)
    except docker_config.ContentError as error:
        return reasons.INVALID_SECRET_CONTENT, (
            f"{_name_of(secret['metadata'])} holds nothing that a login could be added to: {error}; it was left as it "
            f"is. {_CORRECT_IT}"
        )
    if fault is None:
        return None
    return reasons.INVALID_SECRET_CONTENT, (
        f"{_name_of(secret['metadata'])} holds what kubelet cannot read, so no pod can pull with it: {fault} in "
        f"{DATA_KEY}; it was left as it is. {_CORRECT_IT}"
    )


def shadow_warning(place: NamespacedName, keys: Iterable[str]) -> str:
    """Return what a person should know of logins of others for parts of our registries (see docker_config.shadows)."""
    return (
        f"secrets/{place.name} in namespace {place.namespace} holds logins of somebody else under {', '.join(keys)}: "
        "for images there podman, skopeo, Flux OCIRepository and Knative use these, and kubelet tries them first; if "
        "that is not meant, take them out of the Secret, or choose another name for the pull secret"
    )


def _described(secret: Mapping, owner: Owner | None) -> str:
    """Return whose a Secret is that is in the owner's way, as the rest of a sentence."""
    metadata = secret["metadata"]
    if is_elsewhere(metadata):
        place = annotations_of(metadata).get(PLACE)
        return f"is a copy of {place}" if _is_place(place) else "is a copy of another one"
    if owner and whose(secret, owner) is Whose.ABANDONED:
        return f"was written for an earlier {owner}, and somebody has changed what it holds since"
    return describe_owner(metadata)


def describe_owner(metadata: Mapping) -> str:
    """Return whose a Secret is, as the rest of a sentence."""
    references = list(mappings_in(metadata, "ownerReferences"))
    if references:
        return f"is owned by {_names_of(references)}"
    labels, resource = mapping_in(metadata, "labels"), text_in(annotations_of(metadata), RESOURCE)
    manager = labels.get(MANAGED_BY_LABEL)
    is_here = annotations_of(metadata).get(PLACE) == place_of(metadata)
    if is_here and _NAME.fullmatch(resource):
        return f"was written for {resource}, which does not own it any more"
    if manager == MANAGED_BY and OWNER_LABEL not in labels:
        return "was written by a playbook, for no custom resource"
    if manager == MANAGED_BY:
        return "was written for another custom resource"
    return f"is managed by {manager}" if manager else "was not made by kube_ecr.secrets"


def _is_place(place: object) -> bool:
    return isinstance(place, str) and _NAME.fullmatch(f"Secret/{place}") is not None


def _names_of(references: Iterable[Mapping]) -> str:
    return ", ".join(f"{reference.get('kind')}/{reference.get('name')}" for reference in references)


def _name_of(metadata: Mapping) -> str:
    return f"secrets/{metadata['name']} in namespace {metadata['namespace']}"
