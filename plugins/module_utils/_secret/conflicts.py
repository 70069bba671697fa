# Copyright: kube_ecr.secrets contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Whose a Secret is, and why it must not or cannot be written.

Pure. A Secret is ours when it has an owner reference to our owner and the marks that we write, or, for a call without
an owner, our label and no owner of ours. Anything else belongs to somebody, and is touched only where a policy says so.
"""

from __future__ import annotations

from collections.abc import Mapping

from .._contract import reasons
from .._contract.item import Owner
from .._contract.kinds import CLUSTER_KIND, LEGACY_KIND
from .._contract.ownership import (
    MANAGED_BY,
    MANAGED_BY_LABEL,
    OWNER_LABEL,
    PLACE,
    annotations_of,
    is_of_group,
    owner_of,
    owner_uids,
    place_of,
)
from . import docker_config


def is_marked(metadata: Mapping, owner: Owner | None) -> bool:
    """Return whether a Secret belongs to the owner beyond doubt, or for None was written by a playbook where it is."""
    if owner:
        return owner_of(metadata) == owner.uid
    labels = metadata.get("labels") or {}
    is_ownerless = labels.get(MANAGED_BY_LABEL) == MANAGED_BY and OWNER_LABEL not in labels
    return is_ownerless and annotations_of(metadata).get(PLACE) == place_of(metadata)


def is_ours(metadata: Mapping, owner: Owner | None) -> bool:
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


def is_held(metadata: Mapping) -> bool:
    """Return whether something looks after a Secret: a controller, or a custom resource of ours."""
    references = metadata.get("ownerReferences") or []
    return any(reference.get("controller") or is_of_group(reference) for reference in references)


def obstacle(secret: Mapping, owner: Owner | None, policy: str = "Fail") -> tuple[str, str] | None:
    """Return why an existing Secret must not or cannot be written (reason, message), or None if it may."""
    metadata = secret["metadata"]
    label = f"secrets/{metadata['name']} in namespace {metadata['namespace']}"
    is_free = is_ours(metadata, owner) or predecessor(metadata, owner) is not None
    if not is_free and policy != "Fail":
        is_free = not is_held(metadata)
    if not is_free:
        remedy = "" if policy != "Fail" else ", or set existingSecretPolicy (existing_secret_policy) to Adopt or Merge"
        return reasons.SECRET_CONFLICT, (
            f"{label} exists and {describe_owner(metadata)}; it was left as it is. "
            f"Delete it, or choose another name for the pull secret{remedy}"
        )
    return unwritable_because(secret)


def unwritable_because(secret: Mapping) -> tuple[str, str] | None:
    """Return why nobody could write a login into a Secret (reason, message), or None if one could."""
    metadata = secret["metadata"]
    label = f"secrets/{metadata['name']} in namespace {metadata['namespace']}"
    if secret.get("type") != docker_config.SECRET_TYPE:
        return reasons.WRONG_SECRET_TYPE, (
            f"{label} has type {secret.get('type')}, which cannot be changed; delete it, and it is made again "
            f"as {docker_config.SECRET_TYPE}"
        )
    if secret.get("immutable"):
        return reasons.IMMUTABLE_SECRET, f"{label} is immutable; delete it, and it is made again"
    return None


def describe_owner(metadata: Mapping) -> str:
    """Return whose a Secret is, as the rest of a sentence."""
    references = metadata.get("ownerReferences") or []
    if references:
        return "is owned by " + ", ".join(f"{reference['kind']}/{reference['name']}" for reference in references)
    labels = metadata.get("labels") or {}
    manager = labels.get(MANAGED_BY_LABEL)
    if manager == MANAGED_BY and OWNER_LABEL not in labels:
        return "was written by a playbook, for no custom resource"
    return f"is managed by {manager}" if manager else "was not made by kube_ecr.secrets"
