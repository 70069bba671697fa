# Copyright: kube_ecr.secrets contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How a Secret of ours becomes nobody's: what takes our marks and our field manager off it.

Pure.
"""

from __future__ import annotations

from collections.abc import Mapping

from .._contract.item import Owner
from .._contract.ownership import ANNOTATIONS, LABELS, RELEASED_MANAGER


def released(metadata: Mapping, owner: Owner) -> dict:
    """Return the merge patch that makes a Secret of ours nobody's, as it was read."""
    references = [each for each in metadata.get("ownerReferences") or [] if each["uid"] != owner.uid]
    return {
        "metadata": {
            "resourceVersion": metadata["resourceVersion"],
            "ownerReferences": references,
            "labels": dict.fromkeys(LABELS),
            "annotations": dict.fromkeys(ANNOTATIONS),
        }
    }


def disowned(metadata: Mapping, manager: str) -> dict:
    """Return the part of a patch, for metadata, by which a field manager of ours has nothing in a Secret any more.

    It could apply what it once applied again, and the API server would see no conflict. What it has is told to be of a
    manager that never writes: two entries of the same one in the same second would become one.
    """
    fields = metadata.get("managedFields") or []
    is_ours = [(each.get("manager"), each.get("operation")) == (manager, "Apply") for each in fields]
    theirs = {"manager": RELEASED_MANAGER, "operation": "Update"}
    told = [{**each, **theirs} if ours else each for each, ours in zip(fields, is_ours)]
    return {"managedFields": told} if any(is_ours) else {}
