# Copyright: kube_ecr.secrets contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How a Secret changes hands: becomes nobody's, a resource's own, or one that others may share.

Pure. All of this is written by JSON merge patch, tied to the resourceVersion that was read.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from .._contract.item import Owner
from .._contract.ownership import (
    ANNOTATIONS,
    FIELD_MANAGER,
    LABELS,
    MANAGED_BY,
    MANAGED_BY_LABEL,
    RELEASED_MANAGER,
    TEXT_FIELD,
    SharedEntry,
    has_text_login,
    login_keys,
    manager_of,
)
from .._contract.reading import mapping_in, mappings_in, text_in
from .shared_entries import entries_for, entries_patch
from .whose import former_references, former_uids


def release_patch(metadata: Mapping, owner: Owner | None) -> dict:
    """Return the merge patch that makes a Secret of ours nobody's, as it was read."""
    labels = mapping_in(metadata, "labels")
    return {
        "metadata": {
            "resourceVersion": metadata["resourceVersion"],
            "ownerReferences": _others_references(metadata, owner) if owner else metadata.get("ownerReferences") or [],
            "labels": {name: None for name in LABELS if name not in labels or _is_our_value(name, labels[name], owner)},
            "annotations": dict.fromkeys(ANNOTATIONS),
        }
    }


def _is_our_value(name: str, value: object, owner: Owner | None) -> bool:
    """A policy of the cluster may have put its own word there, and would miss it."""
    return value == MANAGED_BY if name == MANAGED_BY_LABEL else owner is not None


def release_fields_patch(metadata: Mapping, managers: Collection[str]) -> dict:
    """Return the part of a patch, for metadata, by which field managers of ours have nothing in a Secret any more.

    It could apply what it once applied again, and the API server would see no conflict. What it has goes to a manager
    that never writes: two entries of the same one in the same second would become one.
    """
    before = list(mappings_in(metadata, "managedFields"))
    released = {"manager": RELEASED_MANAGER, "operation": "Update"}
    after = [{**fields, **released} if _is_applied_by(managers, fields) else fields for fields in before]
    return {"managedFields": after} if after != before else {}


def managers_of(metadata: Mapping, owner: Owner | None) -> set[str]:
    """Return the field managers of an owner, and of earlier resources of its name on a Secret; or of playbooks."""
    return {manager_of(uid) for uid in (owner.uid, *former_uids(metadata, owner))} if owner else {FIELD_MANAGER}


def _is_applied_by(managers: Collection[str], fields: Mapping) -> bool:
    return fields.get("manager") in managers and fields.get("operation") == "Apply"


def written_fields_patch(metadata: Mapping, owner: Owner | None = None) -> dict:
    """Return the part of a patch, for metadata, after which our next write of the login leaves no doubt whose it is.

    Who applied the login through stringData has it no more: that trace would stay for ever, as the API server never
    sees a field stringData that could be taken from him. What an earlier resource of the owner's name applied, the
    owner did: so what is not wanted any more of it goes with the next apply.
    """
    before = list(mappings_in(metadata, "managedFields"))
    former = {manager_of(uid) for uid in former_uids(metadata, owner)} if owner else set()
    is_new = owner is not None and all(fields.get("manager") != manager_of(owner.uid) for fields in before)
    keys = login_keys(metadata)
    after = []
    for fields in before:
        left: dict[str, Any] | None = (
            _without_text_login(fields, keys) if has_text_login(fields, keys) else dict(fields)
        )
        if left and owner and text_in(fields, "manager") in former:
            left, is_new = ({**left, "manager": manager_of(owner.uid)} if is_new else None), False
        after += [left] if left else []
    return {"managedFields": after} if after != before else {}


def _without_text_login(fields: Mapping, keys: Collection[str]) -> dict[str, Any] | None:
    """Return an entry of managedFields without the login in stringData, None if it had nothing else."""
    owned, logins = mapping_in(fields, "fieldsV1"), {f"f:{key}" for key in keys}
    texts = {name: value for name, value in mapping_in(owned, TEXT_FIELD).items() if name not in logins}
    rest = {name: value for name, value in owned.items() if name != TEXT_FIELD}
    if texts.keys() - {"."}:
        rest[TEXT_FIELD] = texts
    return {**fields, "fieldsV1": rest} if rest else None


def take_over_patch(metadata: Mapping, owner: Owner | None, uid: str, resource: str = "") -> dict | None:
    """Return the merge patch that makes a Secret ready to become the owner's own one, None if it is.

    An earlier resource of its name, or the legacy one, has it no more, nor is it shared, if with nobody but the
    resource of the UID.
    """
    former = former_references(metadata, owner)
    changes = entries_patch(metadata, {}) if entries_for(metadata, uid, resource).keys() == {uid} else {}
    changes = {**changes, **written_fields_patch(metadata, owner)}
    if not (former or changes):
        return None
    if owner:
        # In one step: a Secret that is nobody's for a moment would be nobody's for ever if this ended there.
        changes["ownerReferences"] = [*_others_references(metadata, owner), owner.reference()]
    return {"metadata": {"resourceVersion": metadata["resourceVersion"], **changes}}


def share_patch(metadata: Mapping, owner: Owner | None, uid: str, entry: SharedEntry) -> dict:
    """Return the merge patch that makes the owner's own Secret one that others may share, created by the UID."""
    patch = release_patch(metadata, owner)
    changes = entries_patch(metadata, {uid: {**entry.as_dict(), "created": True}})
    patch["metadata"]["labels"].update({MANAGED_BY_LABEL: MANAGED_BY, **changes["labels"]})
    patch["metadata"]["annotations"].update(changes["annotations"])
    return patch


def _others_references(metadata: Mapping, owner: Owner) -> list[Mapping]:
    """Return the owner references of a Secret but for those to the owner, and to an earlier resource of its name."""
    own = {owner.uid, *(text_in(reference, "uid") for reference in former_references(metadata, owner))}
    return [reference for reference in metadata.get("ownerReferences") or [] if reference.get("uid") not in own]
