# Copyright: kube_ecr.secrets contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How a Secret of ours becomes nobody's: what takes our marks and our field manager off it.

Pure.
"""

from __future__ import annotations

from collections.abc import Mapping

from .._contract.item import Owner
from .._contract.ownership import ANNOTATIONS, LABELS, RELEASED_MANAGER


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
