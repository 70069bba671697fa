# Copyright: kube_ecr.secrets contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Whose a Secret is, and why it must not or cannot be written.

Pure. A Secret is ours when it has an owner reference to our owner and the marks that we write, or, for a call without
an owner, our label and no owner of ours. Anything else belongs to somebody, and is touched only where a policy says so.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from .._contract import reasons
from .._contract.item import Owner
from .._contract.kinds import CLUSTER_KIND, LEGACY_KIND
from .._contract.ownership import (
    DATA_KEY,
    MANAGED_BY,
    MANAGED_BY_LABEL,
    OWNER_LABEL,
    PLACE,
    annotations_of,
    entries_of,
    is_of_group,
    owner_of,
    owner_uids,
    place_of,
)
from . import docker_config, kubelet

_CORRECT_IT = "Correct it, delete it, or choose another name for the pull secret"
# A reason in CamelCase (see _contract.reasons), and a message for a person.
Cause = tuple[str, str]


def belongs_to(metadata: Mapping, owner: Owner | None) -> bool:
    """Return whether a Secret belongs to the owner beyond doubt, or for None was written by a playbook where it is."""
    if owner:
        return owner_of(metadata) == owner.uid
    labels = metadata.get("labels") or {}
    is_ownerless = labels.get(MANAGED_BY_LABEL) == MANAGED_BY and OWNER_LABEL not in labels
    return is_ownerless and annotations_of(metadata).get(PLACE) == place_of(metadata)


def was_written_for(metadata: Mapping, owner: Owner | None) -> bool:
    """Return whether a Secret in a place of ours was written for the owner, marks or not.

    Somebody may have taken away some of them, and kube-ecr-secrets-operator sets the owner reference only.
    """
    labels, place = metadata.get("labels") or {}, annotations_of(metadata).get(PLACE)
    if place not in (None, place_of(metadata)):
        return False
    if owner:
        return owner.uid in owner_uids(metadata) or (labels.get(OWNER_LABEL) == owner.uid and place is not None)
    is_owned = OWNER_LABEL in labels or any(map(is_of_group, metadata.get("ownerReferences") or []))
    return labels.get(MANAGED_BY_LABEL) == MANAGED_BY and not is_owned


def predecessor(metadata: Mapping, owner: Owner | None) -> dict | None:
    """Return the owner reference to the legacy resource whose place the owner takes, if there is one."""
    for reference in metadata.get("ownerReferences") or []:
        is_legacy = is_of_group(reference) and reference["kind"] == LEGACY_KIND
        if is_legacy and owner and owner.kind == CLUSTER_KIND and reference["name"] == owner.name:
            return reference
    return None


def is_controlled(metadata: Mapping) -> bool:
    """Return whether something would undo changes of a Secret: a controller, or a custom resource of ours."""
    references = metadata.get("ownerReferences") or []
    return any(reference.get("controller") or is_of_group(reference) for reference in references)


def conflict_with(metadata: Mapping, owner: Owner | None, policy: str) -> Cause | None:
    """Return why a Secret must not become the owner's own one, None if it may: somebody else's is in the way."""
    is_free = was_written_for(metadata, owner) or predecessor(metadata, owner)
    if is_free or (policy != "Fail" and not is_controlled(metadata)):
        return None
    remedy = "" if policy != "Fail" else ", or set existingSecretPolicy (existing_secret_policy) to Adopt or Merge"
    return reasons.SECRET_CONFLICT, (
        f"{_name_of(metadata)} exists and {describe_owner(metadata)}; it was left as it is. "
        f"Delete it, or choose another name for the pull secret{remedy}"
    )


def conflict_with_sharers(metadata: Mapping, uid: str) -> Cause | None:
    """Return why a shared Secret must not become the own one of the resource of the UID, None if it may."""
    others = entries_of(metadata).keys() - {uid}
    if not others:
        return None
    return reasons.SECRET_CONFLICT, (
        f"{_name_of(metadata)} exists and holds logins that others merged "
        f"into it ({', '.join(sorted(others))}); it was left as it is. Set existingSecretPolicy "
        "(existing_secret_policy) to Merge, or choose another name for the pull secret"
    )


def conflict_with_controller(metadata: Mapping) -> Cause | None:
    """Return why nothing can be merged into a Secret that something looks after, None if nothing does."""
    if not is_controlled(metadata):
        return None
    return reasons.SECRET_CONFLICT, (
        f"{_name_of(metadata)} is managed by {_names_of_owners(metadata)}, which would undo any change; it was "
        "left as it is. Delete it there, or choose another name for the pull secret"
    )


def unwritable_because(secret: Mapping) -> Cause | None:
    """Return why nobody could write a login into a Secret, None if one could."""
    if secret.get("type") != docker_config.SECRET_TYPE:
        return reasons.WRONG_SECRET_TYPE, (
            f"{_name_of(secret['metadata'])} has type {secret.get('type')}, which cannot be changed; delete it, and it "
            f"is made again as {docker_config.SECRET_TYPE}"
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


def describe_owner(metadata: Mapping) -> str:
    """Return whose a Secret is, as the rest of a sentence."""
    if metadata.get("ownerReferences"):
        return f"is owned by {_names_of_owners(metadata)}"
    labels = metadata.get("labels") or {}
    manager = labels.get(MANAGED_BY_LABEL)
    if manager == MANAGED_BY and OWNER_LABEL not in labels:
        return "was written by a playbook, for no custom resource"
    return f"is managed by {manager}" if manager else "was not made by kube_ecr.secrets"


def _names_of_owners(metadata: Mapping) -> str:
    return ", ".join(f"{reference['kind']}/{reference['name']}" for reference in metadata["ownerReferences"])


def _name_of(metadata: Mapping) -> str:
    return f"secrets/{metadata['name']} in namespace {metadata['namespace']}"
