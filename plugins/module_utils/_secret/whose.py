# Copyright: kube_ecr.secrets contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Whose a Secret is, by what is left of the marks on it: what is done to it where it is wanted, and where it is not.

Pure. A hand, an admission policy, a replicator, a backup or an orphan deletion leaves some of the marks that a resource
puts on its Secrets, and may put them on others. docs/pull-secrets.md has the table, and says why it is safe:

- No single mark gets a Secret removed: each but the place can come to a Secret of somebody else by one mistake.
- What says that it was written in another place is a copy, and a copy is never ours.
- Where others have a claim too, a resource at most takes its own marks off.
- All marks are on the Secret itself. So whoever forges them needs the right to write that Secret, and changes nothing
  about any other.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Any

from .._contract.item import Owner
from .._contract.kinds import CLUSTER_KIND, LEGACY_KIND
from .._contract.ownership import (
    BY_LABEL,
    BY_MANAGER,
    BY_REFERENCE,
    FIELD_MANAGER,
    FINGERPRINT,
    MANAGED_BY,
    MANAGED_BY_LABEL,
    OWNER_LABEL,
    PLACE,
    RESOURCE,
    Marks,
    annotations_of,
    is_elsewhere,
    is_of_group,
    is_proven,
    is_shared,
    login_managers,
    marks_by_uid,
    owner_of,
    strength,
)
from .._contract.reading import mapping_in, mappings_in, text_in
from . import content, docker_config


class Whose(Enum):
    """What a Secret is to a resource; the value says what is done about it where it is wanted, and elsewhere."""

    OWN = "is put right, or removed"
    LEFT = "is taken over from an earlier resource of the same name, or removed"
    CONTESTED = "is put right, or released: others have a claim, or its content is somebody's"
    CLAIMED = "is put right, or left alone: it may be a copy, or wanted by the legacy resource of the name"
    ABANDONED = "is a conflict, or released: an earlier resource of the same name wrote it, and somebody its content"
    FOREIGN = "is a conflict, or left alone"

    @property
    def is_free(self) -> bool:
        """Whether it may be written where it is wanted, whatever the policy."""
        return self in (Whose.OWN, Whose.LEFT, Whose.CONTESTED, Whose.CLAIMED)

    @property
    def is_removable(self) -> bool:
        """Whether it is removed where it is not wanted."""
        return self in (Whose.OWN, Whose.LEFT)

    @property
    def is_marked(self) -> bool:
        """Whether our marks are to go where it is not wanted, with the Secret or without."""
        return self.is_removable or self in (Whose.CONTESTED, Whose.ABANDONED)


def whose(secret: Mapping[str, Any], owner: Owner | None) -> Whose:
    """Return what a Secret is to an owner, or for None to playbooks."""
    return whose_by_metadata(secret["metadata"], owner, is_as_written=_is_as_written(secret))


def is_own(metadata: Mapping[str, Any], owner: Owner | None, marks: Marks | None = None) -> bool:
    """Return whether a Secret belongs to an owner, or for None to playbooks, beyond doubt, by its metadata alone.

    marks are those on it, if they are known already.
    """
    if owner:
        return owner_of(metadata, marks) == owner.uid
    return whose_by_metadata(metadata, None, is_as_written=False) is Whose.OWN


def whose_by_metadata(
    metadata: Mapping[str, Any], owner: Owner | None, *, is_as_written: bool, known: Marks | None = None
) -> Whose:
    """Return what a Secret is to an owner, where is_as_written says whether its content is what one of ours wrote.

    known are the marks on it, if they are known already.
    """
    if is_elsewhere(metadata):
        return Whose.FOREIGN
    if owner is None:
        return _to_playbooks(metadata, is_as_written=is_as_written)
    marks = dict(marks_by_uid(metadata) if known is None else known)
    mine = marks.pop(owner.uid, set())
    if is_shared(metadata):  # what it holds of ours is noted in an entry
        return Whose.CLAIMED if BY_REFERENCE in mine else Whose.FOREIGN
    # Whatever names an earlier resource is a mark of another UID.
    former = former_uids(metadata, owner) if marks else set()
    others = {uid: found for uid, found in marks.items() if uid not in former}
    is_as_written = is_as_written or any(BY_MANAGER in marks.get(uid, ()) for uid in former)
    is_held = _has_controller(metadata) or any(BY_REFERENCE in found for found in others.values())
    rival = max(map(strength, others.values()), default=(0, False))
    if mine and rival > strength(mine):
        return Whose.FOREIGN
    if is_proven(metadata, mine, is_as_written=is_as_written):
        has_login = BY_MANAGER in mine or not any(BY_MANAGER in found for found in others.values())
        is_undisputed = has_login and rival < strength(mine) and not is_held and _is_named(metadata, owner)
        return Whose.OWN if is_undisputed else Whose.CONTESTED
    if mine:
        return _to_one_mark(metadata, mine)
    return _to_successor(metadata, owner, is_held=is_held or bool(others), is_as_written=is_as_written)


def former_references(metadata: Mapping[str, Any], owner: Owner | None) -> list[Mapping[str, Any]]:
    """Return the owner references to an earlier resource of the same kind, namespace and name, or the legacy one.

    Two resources of one name are never there at once, so one of another UID is gone.
    """
    if owner is None:
        return []
    kinds = {owner.kind, LEGACY_KIND} if owner.kind == CLUSTER_KIND else {owner.kind}
    ours = filter(is_of_group, mappings_in(metadata, "ownerReferences"))
    named = (each for each in ours if each.get("kind") in kinds and each.get("name") == owner.name)
    return [reference for reference in named if reference.get("uid") != owner.uid]


def former_uids(metadata: Mapping[str, Any], owner: Owner) -> set[str]:
    """Return the UIDs on a Secret that are those of an earlier resource of the same name, or of the legacy one."""
    found = {text_in(reference, "uid") for reference in former_references(metadata, owner)}
    if annotations_of(metadata).get(RESOURCE) in (str(owner), *_legacy_names(owner)):
        found |= {uid for uid, marks in marks_by_uid(metadata).items() if BY_REFERENCE not in marks}
    return found - {owner.uid}


def _is_named(metadata: Mapping[str, Any], owner: Owner) -> bool:
    """Return whether no other resource than the owner, or one whose place it took, says that it wrote a Secret."""
    return annotations_of(metadata).get(RESOURCE) in (None, str(owner), *_legacy_names(owner))


def _legacy_names(owner: Owner) -> tuple[str, ...]:
    return (f"{LEGACY_KIND}/{owner.name}",) if owner.kind == CLUSTER_KIND else ()


def _to_one_mark(metadata: Mapping[str, Any], mine: set[str]) -> Whose:
    """Where a single mark is left, and the content is not as it was written."""
    if PLACE in annotations_of(metadata):
        return Whose.CONTESTED
    # So kube-ecr-secrets-operator leaves its Secrets.
    return Whose.FOREIGN if mine == {BY_LABEL} else Whose.CLAIMED


def _to_successor(metadata: Mapping[str, Any], owner: Owner, *, is_held: bool, is_as_written: bool) -> Whose:
    """Where nothing names the resource itself: one of its name may have been here before it."""
    name, is_here = annotations_of(metadata).get(RESOURCE), PLACE in annotations_of(metadata)
    if is_held:
        return Whose.FOREIGN
    if name == str(owner) and is_here:
        return Whose.LEFT if is_as_written else Whose.ABANDONED
    # The legacy resource may still be there, and want it where this one does not.
    is_of_legacy = name in _legacy_names(owner) and is_here
    return Whose.CLAIMED if is_of_legacy or former_references(metadata, owner) else Whose.FOREIGN


def _to_playbooks(metadata: Mapping[str, Any], *, is_as_written: bool) -> Whose:
    """Without a resource there is no UID: a playbook has the label of all of ours, and the manager of none of them."""
    labels = mapping_in(metadata, "labels")
    if OWNER_LABEL in labels or is_shared(metadata) or any(map(is_of_group, mappings_in(metadata, "ownerReferences"))):
        return Whose.FOREIGN
    is_labelled = labels.get(MANAGED_BY_LABEL) == MANAGED_BY
    is_here = PLACE in annotations_of(metadata)
    has_applied = FIELD_MANAGER in login_managers(metadata)
    is_proof = is_here and (is_labelled or has_applied or (is_as_written and RESOURCE not in annotations_of(metadata)))
    if is_proof:
        return Whose.CONTESTED if _has_controller(metadata) else Whose.OWN
    return Whose.CLAIMED if is_labelled or has_applied else Whose.FOREIGN


def _has_controller(metadata: Mapping[str, Any]) -> bool:
    return any(reference.get("controller") for reference in mappings_in(metadata, "ownerReferences"))


def _is_as_written(secret: Mapping[str, Any]) -> bool:
    """Return whether the content of a Secret is what one of ours wrote: its annotation has the fingerprint of it."""
    text = content.stored(secret)
    return bool(text) and annotations_of(secret["metadata"]).get(FINGERPRINT) == docker_config.fingerprint(text)
