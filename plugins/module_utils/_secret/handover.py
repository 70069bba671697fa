# Copyright: kube_ecr.secrets contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How a Secret changes hands: becomes nobody's, a resource's own, or one that others may share.

Pure. All of this is written by JSON merge patch, tied to the resourceVersion that was read.
"""

from __future__ import annotations

from collections.abc import Mapping

from .._contract.item import Owner
from .._contract.ownership import (
    ANNOTATIONS,
    LABELS,
    MANAGED_BY,
    MANAGED_BY_LABEL,
    RELEASED_MANAGER,
    SharedEntry,
    entries_of,
)
from .conflicts import predecessor
from .shared_entries import entries_patch


def release_patch(metadata: Mapping, owner: Owner | None) -> dict:
    """Return the merge patch that makes a Secret of ours nobody's, as it was read."""
    references = [
        reference for reference in metadata.get("ownerReferences") or [] if not owner or reference["uid"] != owner.uid
    ]
    return {
        "metadata": {
            "resourceVersion": metadata["resourceVersion"],
            "ownerReferences": references,
            "labels": dict.fromkeys(LABELS),
            "annotations": dict.fromkeys(ANNOTATIONS),
        }
    }


def release_fields_patch(metadata: Mapping, manager: str) -> dict:
    """Return the part of a patch, for metadata, by which a field manager of ours has nothing in a Secret any more.

    It could apply what it once applied again, and the API server would see no conflict. What it has goes to a manager
    that never writes: two entries of the same one in the same second would become one.
    """
    before = metadata.get("managedFields") or []
    released = {"manager": RELEASED_MANAGER, "operation": "Update"}
    after = [{**fields, **released} if _is_applied_by(manager, fields) else fields for fields in before]
    return {"managedFields": after} if after != before else {}


def _is_applied_by(manager: str, fields: Mapping) -> bool:
    return (fields.get("manager"), fields.get("operation")) == (manager, "Apply")


def take_over_patch(metadata: Mapping, owner: Owner | None, uid: str) -> dict | None:
    """Return the merge patch that makes a Secret ready to become the owner's own one, None if it is.

    The legacy resource that had it before has it no more, nor is it shared, if with nobody but the resource of the UID.
    """
    former = predecessor(metadata, owner)
    changes = entries_patch(metadata, {}) if entries_of(metadata).keys() == {uid} else {}
    if not (former or changes):
        return None
    if owner:
        # In one step: a Secret that is nobody's for a moment would be nobody's for ever if this ended there.
        changes["ownerReferences"] = [
            *(each for each in metadata.get("ownerReferences") or [] if each != former and each["uid"] != owner.uid),
            owner.reference(),
        ]
    return {"metadata": {"resourceVersion": metadata["resourceVersion"], **changes}}


def share_patch(metadata: Mapping, owner: Owner | None, uid: str, entry: SharedEntry) -> dict:
    """Return the merge patch that makes the owner's own Secret one that others may share, created by the UID."""
    patch = release_patch(metadata, owner)
    changes = entries_patch(metadata, {uid: {**entry.as_dict(), "created": True}})
    patch["metadata"]["labels"].update({MANAGED_BY_LABEL: MANAGED_BY, **changes["labels"]})
    patch["metadata"]["annotations"].update(changes["annotations"])
    return patch
