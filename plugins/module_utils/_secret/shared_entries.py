# Copyright: kube_ecr.secrets contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Changes of the entries on shared objects: what each custom resource put in, by its UID.

The entries are in an annotation (see _contract.ownership) and hold nothing secret. Whatever the runner remembers, only
what is in an entry can be taken out again.
"""

from __future__ import annotations

from collections.abc import Mapping

from .._contract.ownership import (
    EDITED,
    OWNER_LABEL,
    SHARED,
    SHARED_ANNOTATION,
    SharedEntry,
    entries_of,
    is_edited,
    shared_annotation,
)


def shared_entries(metadata: Mapping) -> dict[str, SharedEntry]:
    """Return the entries of an object by UID, none where the annotation cannot be read."""
    return {uid: SharedEntry.from_dict(entry) for uid, entry in entries_of(metadata).items()}


def edited_part(entry: object) -> dict:
    """Return EDITED if an entry has it, and else nothing."""
    return EDITED if is_edited(entry) else {}


def named_by_others(entries: Mapping[str, object], uid: str) -> set[str]:
    """Return what resources other than that of the UID put in."""
    others = (entry for other, entry in entries.items() if other != uid)
    return {name for entry in others for name in SharedEntry.from_dict(entry).names}


def entries_patch(metadata: Mapping, entries: Mapping[str, object]) -> dict:
    """Return the part of a merge patch, for metadata, that leaves just these entries, empty if they are there already.

    The label OWNER_LABEL is how shared objects are found, so it comes and goes with the entries.
    """
    label, before = (metadata.get("labels") or {}).get(OWNER_LABEL), entries_of(metadata)
    patch: dict = {}
    if entries and label != SHARED:
        patch["labels"] = {OWNER_LABEL: SHARED}
    elif before and not entries and label == SHARED:
        patch["labels"] = {OWNER_LABEL: None}
    if before != entries:
        patch["annotations"] = {SHARED_ANNOTATION: shared_annotation(metadata, entries) if entries else None}
    return patch
