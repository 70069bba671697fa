# Copyright: kube_ecr.secrets contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Changes of the entries on shared objects: what each custom resource put in, by its UID.

The entries are in an annotation (see _contract.ownership) and hold nothing secret. Whatever the runner remembers, only
what is in an entry can be taken out again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

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


def entries_for(metadata: Mapping, uid: str, resource: str = "") -> dict[str, object]:
    """Return the entries of an object as they are to the resource of a UID, which is called so.

    What an earlier resource of its name put in counts as its own: two of one name are never there at once, so nobody
    else would ever take that out.
    """
    entries = entries_of(metadata)
    former = [key for key in entries if key != uid and _resource_in(entries[key]) == resource] if resource else []
    if not former:
        return entries
    found = [SharedEntry.from_dict(entries[key]) for key in (uid, *sorted(former)) if key in entries]
    names = tuple(sorted({name for entry in found for name in entry.names}))
    own = replace(found[0], names=names, created=any(entry.created for entry in found))
    return {**{key: entry for key, entry in entries.items() if key not in former}, uid: own.as_dict()}


def _resource_in(entry: object) -> str:
    return SharedEntry.from_dict(entry).resource


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
