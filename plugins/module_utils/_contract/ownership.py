# Copyright: kube_ecr.secrets contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Whose a Secret is, and whether it is intact: what its metadata alone says of the custom resources that wrote it.

A Secret is a resource's own by the marks that are left on it: owner reference, owner label, the field manager that
applied its login, and an annotation that names the place where it was written, so that a copy elsewhere is nobody's.
Any one of them may be gone: a hand, an admission policy, a backup or an orphan deletion took it. A shared object
(policy Merge, or a service account) is somebody else's: an annotation says what each resource put in, by UID, and where
the object is.

Each resource applies with a field manager of its own, and whoever changes a field takes it away from that manager. So
an edit shows in the metadata, and what a Secret holds need not be read.
https://kubernetes.io/docs/reference/using-api/server-side-apply/#field-management

Objects may be malformed in any way: what cannot be read counts as absent.
"""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from .kinds import GROUP, RECONCILE_AT
from .login_request import LoginRequest
from .reading import list_in, mapping_in, mappings_in, text_in, texts_in
from .timestamps import format_time, parse_time

Metadata = Mapping[str, Any]
# Which marks on a Secret name which resources, by their UIDs. It takes a while to find them, so they are handed on.
Marks = dict[str, set[str]]

MANAGED_BY_LABEL = "app.kubernetes.io/managed-by"
MANAGED_BY = "kube-ecr-secrets"
# The field manager of shared objects, and the beginning of that of each resource: kube-ecr-secrets/UID. All resources
# write to shared objects as one, so that the second takes nothing away from the first.
FIELD_MANAGER = MANAGED_BY
# The field manager of what a resource leaves behind.
RELEASED_MANAGER = f"{FIELD_MANAGER}/released"

# On a Secret of a resource the UID of the resource, on a shared object SHARED.
OWNER_LABEL = f"{GROUP}/owner"
SHARED = "shared"
# On a Secret of a resource what that is called: what an earlier one of the name left is found by it.
RESOURCE_LABEL = f"{GROUP}/resource-digest"
LABELS = (MANAGED_BY_LABEL, OWNER_LABEL, RESOURCE_LABEL)

EXPIRY = "expiry"
RENEW_AFTER = f"{GROUP}/renew-after"
FINGERPRINT = f"{GROUP}/fingerprint"
IDENTITY = f"{GROUP}/identity"
REGISTRIES = f"{GROUP}/registries"
# Where the Secret was written, as NAMESPACE/NAME.
PLACE = f"{GROUP}/secret"
# What the resource is called that wrote it, as Kind/namespace/name or Kind/name: one that was deleted and made again
# has another UID.
RESOURCE = f"{GROUP}/resource"
# On a Secret of spec.outputs, what of it was asked for: which keys of its data hold the login, among other things.
OUTPUT = f"{GROUP}/output"
# On a pull secret with logins of spec.extraAuths, which of its registries these are, and a digest of their Secrets.
EXTRA_AUTHS = f"{GROUP}/extra-auths"
ANNOTATIONS = (
    EXPIRY,
    RENEW_AFTER,
    FINGERPRINT,
    IDENTITY,
    REGISTRIES,
    PLACE,
    RESOURCE,
    RECONCILE_AT,
    OUTPUT,
    EXTRA_AUTHS,
)
# Not on each Secret: a playbook without a resource has no identity to note, and no name.
OPTIONAL_ANNOTATIONS = frozenset({IDENTITY, RESOURCE, RECONCILE_AT, OUTPUT, EXTRA_AUTHS})

# On a shared object: a JSON object of entries by UID, and _PLACE.
SHARED_ANNOTATION = f"{GROUP}/shared"
_PLACE = "place"
# In an entry of a resource: somebody edited the object since that resource wrote it.
EDITED = {"edited": True}

# The key of a Secret of type kubernetes.io/dockerconfigjson.
DATA_KEY = ".dockerconfigjson"

# Where fieldsV1 has what was applied through stringData.
TEXT_FIELD = "f:stringData"

# Marks that name the resource that wrote a Secret, by its UID.
BY_REFERENCE, BY_LABEL, BY_MANAGER = "owner reference", "owner label", "field manager"


def resource_label(resource: str) -> str:
    """Return the value of RESOURCE_LABEL for what a resource is called, which may be longer than a label."""
    return hashlib.sha256(resource.encode()).hexdigest()[:32]


def manager_of(uid: str) -> str:
    """Return the field manager of the resource of a UID."""
    return f"{FIELD_MANAGER}/{uid}"


def place_of(metadata: Metadata) -> str:
    """Return where an object is, as NAMESPACE/NAME."""
    return f"{metadata.get('namespace')}/{metadata.get('name')}"


def annotations_of(metadata: Metadata) -> Mapping[str, Any]:
    """Return the annotations in the metadata of an object."""
    return mapping_in(metadata, "annotations")


def is_of_group(reference: Mapping[str, Any]) -> bool:
    """Return whether an owner reference is to a custom resource of ours."""
    return text_in(reference, "apiVersion").startswith(f"{GROUP}/")


def marks_by_uid(metadata: Metadata) -> Marks:
    """Return which marks on a Secret name which resources, by their UIDs, as far as there are any.

    A field manager counts as long as it has the login as it applied it.
    """
    marks: Marks = defaultdict(set)
    for reference in mappings_in(metadata, "ownerReferences"):
        if is_of_group(reference):
            marks[text_in(reference, "uid")].add(BY_REFERENCE)
    marks[text_in(mapping_in(metadata, "labels"), OWNER_LABEL)].add(BY_LABEL)
    for manager in login_managers(metadata):
        marks[manager.partition("/")[2]].add(BY_MANAGER)
    return {uid: found for uid, found in marks.items() if uid not in ("", SHARED)}


def login_managers(metadata: Metadata) -> set[str]:
    """Return the field managers of ours that have applied the login in a Secret as it stands."""
    if is_written_as_text(metadata):
        return set()
    managers = {text_in(entry, "manager") for entry in mappings_in(metadata, "managedFields")} - {RELEASED_MANAGER}
    ours = {manager for manager in managers if manager.partition("/")[0] == FIELD_MANAGER}
    return {manager for manager in ours if _has_login(metadata, applied_fields(metadata, manager), any)}


def login_keys(metadata: Metadata) -> frozenset[str]:
    """Return which keys of the data of a Secret hold a login: of an output, those that its annotation names."""
    keys = list_in(_output_of(metadata), "keys")
    return frozenset(key for key in keys if isinstance(key, str)) or frozenset({DATA_KEY})


def output_type(metadata: Metadata) -> str:
    """Return of which type of spec.outputs a Secret is, empty if of none."""
    return text_in(_output_of(metadata), "type")


def _output_of(metadata: Metadata) -> Mapping[str, Any]:
    note = text_in(annotations_of(metadata), OUTPUT)
    try:
        found = json.loads(note) if note else {}
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _has_login(metadata: Metadata, fields: Mapping[str, Any], quantity: Callable[[Iterable[bool]], bool]) -> bool:
    """Return whether any or all of the keys of a login are among the fields that a manager has applied.

    What says which keys these are counts only as that manager applied it.
    """
    is_output = OUTPUT in annotations_of(metadata) and OUTPUT in applied_names(fields, "annotations")
    keys = login_keys(metadata) if is_output else {DATA_KEY}
    return quantity(f"f:{key}" in mapping_in(fields, "f:data") for key in keys)


def is_elsewhere(metadata: Metadata) -> bool:
    """Return whether a Secret says that it was written in another place: it is a copy."""
    return annotations_of(metadata).get(PLACE) not in (None, place_of(metadata))


def is_shared(metadata: Metadata) -> bool:
    """Return whether others than its owner may have put something into an object.

    Where the label was taken away, the entries tell; those on a Secret that became a resource's own are of no account.
    """
    label = mapping_in(metadata, "labels").get(OWNER_LABEL)
    return label == SHARED or (label is None and bool(entries_of(metadata)))


def is_proven(metadata: Metadata, marks: Collection[str], *, is_as_written: bool) -> bool:
    """Return whether the marks that name a resource prove that a Secret is its own: no single one of them does.

    is_as_written says that the content is known to be what a resource of ours wrote there. The place counts as one
    mark, and so does the content.
    """
    if is_elsewhere(metadata):
        return False
    if PLACE not in annotations_of(metadata):
        return BY_MANAGER in marks and len(marks) > 1
    return BY_MANAGER in marks or len(marks) > 1 or (is_as_written and bool(marks))


def strength(marks: Collection[str]) -> tuple[int, bool]:
    """Return how much marks that name a resource weigh: their number, then whether the login is among them."""
    return len(marks), BY_MANAGER in marks


def owner_of(metadata: Metadata, marks: Marks | None = None) -> str:
    """Return the UID of the resource that a Secret belongs to beyond doubt, empty if it belongs to none.

    marks are those on it, if they are known already.

    A copy of the Secret that somebody made elsewhere has all marks but the place. Where marks of more than one resource
    are left, those that weigh more count.
    """
    if is_shared(metadata):
        return ""
    by_uid = marks_by_uid(metadata) if marks is None else marks
    ranked = sorted((strength(marks), uid) for uid, marks in by_uid.items())
    is_tied = len(ranked) > 1 and ranked[-1][0] == ranked[-2][0]
    uid = ranked[-1][1] if ranked and not is_tied else ""
    return uid if uid and is_proven(metadata, by_uid[uid], is_as_written=False) else ""


def applied_fields(metadata: Metadata, manager: str) -> Mapping[str, Any]:
    """Return the fields that a manager has applied and nobody changed since, in the form fieldsV1."""
    for entry in mappings_in(metadata, "managedFields"):
        if entry.get("manager") == manager and entry.get("operation") == "Apply":
            return mapping_in(entry, "fieldsV1")
    return {}


def applied_names(fields: Mapping[str, Any], kind: str) -> set[str]:
    """Return the names of the labels or annotations (which of them kind says) in such fields."""
    names = mapping_in(mapping_in(fields, "f:metadata"), f"f:{kind}")
    return {name[2:] for name in names if name.startswith("f:")}


def has_applied_all(
    metadata: Metadata,
    manager: str,
    labels: Iterable[str] = LABELS,
    *,
    owner: str = "",
    without: Iterable[str] = (RECONCILE_AT, OUTPUT, EXTRA_AUTHS),
) -> bool:
    """Return whether the login and our labels and annotations are all as a manager applied them.

    So must be the owner reference to the UID of the owner, unless that is empty. without are the annotations that the
    Secret need not have. An admission policy may change what we write: that shows in the values alone, and is no edit,
    for to write it again would change nothing.
    """
    fields = applied_fields(metadata, manager)
    has_login = _has_login(metadata, fields, all) and not is_written_as_text(metadata)
    annotations = set(ANNOTATIONS).difference(without)
    has_annotations = annotations <= applied_names(fields, "annotations")
    references = mapping_in(mapping_in(fields, "f:metadata"), "f:ownerReferences")
    has_reference = not owner or f'k:{{"uid":"{owner}"}}' in references
    return has_login and has_reference and set(labels) <= applied_names(fields, "labels") and has_annotations


def is_written_as_text(metadata: Metadata) -> bool:
    """Return whether somebody has applied a login through stringData since one of ours wrote it.

    To the API server that is another field than data: there is no conflict, and what we applied counts as ours while it
    is gone. Whoever writes the login again takes this trace away (see _secret.handover).
    """
    keys = login_keys(metadata)
    return any(has_text_login(entry, keys) for entry in mappings_in(metadata, "managedFields"))


def has_text_login(entry: Mapping[str, Any], keys: Collection[str]) -> bool:
    """Return whether an entry of managedFields says that its manager applied one of the keys through stringData."""
    return any(f"f:{key}" in mapping_in(mapping_in(entry, "fieldsV1"), TEXT_FIELD) for key in keys)


def intact_for(metadata: Metadata) -> frozenset[str]:
    """Return the UIDs of the resources whose logins are in a Secret as they were written."""
    owner = owner_of(metadata)
    if owner and has_applied_all(metadata, manager_of(owner), owner=owner):
        return frozenset([owner])
    return frozenset(uid for uid in entries_of(metadata) if is_entry_intact(metadata, uid))


def template_of(metadata: Metadata) -> frozenset[tuple[str, str]]:
    """Return the labels and annotations beside our own that are in a Secret as its owner applied them.

    Each is a pair of its kind (labels or annotations) and its name.
    """
    owner = owner_of(metadata)
    if not owner:
        return frozenset()
    fields, own = applied_fields(metadata, manager_of(owner)), {"labels": LABELS, "annotations": ANNOTATIONS}
    return frozenset((kind, name) for kind in own for name in applied_names(fields, kind) - set(own[kind]))


# Shared objects


@dataclass(frozen=True)
class SharedEntry:
    """What one resource put into a shared object: registry hosts (Secret) or names of Secrets (ServiceAccount).

    resource is what the resource is called, empty for a playbook.

    For service accounts: taken_from is the field manager of somebody else that had applied the list before, empty if
    none had. The rest is for Secrets: the life of the logins, the identity and login requests that they are for,
    whether this resource created the Secret, the reconcile request that the logins answer, and the keys of others that
    were there when it was written (see NamespaceResult). extra_names are those of the names whose logins are of
    spec.extraAuths, extra_digest tells the Secrets apart that they came from.
    """

    names: tuple[str, ...]
    expires_at: datetime | None = None
    renew_after: datetime | None = None
    identity: str = ""
    registries: tuple[LoginRequest, ...] = ()
    created: bool = False
    reconcile_request: str = ""
    taken_from: str = ""
    resource: str = ""
    extra_names: tuple[str, ...] = ()
    extra_digest: str = ""
    shadowed_by: tuple[str, ...] = ()

    @classmethod
    def from_dict(cls, entry: object) -> SharedEntry:
        """Return the entry in a part of the annotation; what is malformed in it counts as absent."""
        entry = entry if isinstance(entry, dict) else {}
        return cls(
            texts_in(entry, "names"),
            parse_time(entry.get("expiry")),
            parse_time(entry.get("renewAfter")),
            text_in(entry, "identity"),
            tuple(map(LoginRequest.from_text, texts_in(entry, "registries"))),
            entry.get("created") is True,
            text_in(entry, "reconcileAt"),
            text_in(entry, "takenFrom"),
            text_in(entry, "resource"),
            texts_in(entry, "extra"),
            text_in(entry, "extraDigest"),
            texts_in(entry, "shadowedBy"),
        )

    def as_dict(self) -> dict[str, Any]:
        """Return the part of the annotation that holds it."""
        told = {"takenFrom": self.taken_from} if self.taken_from and self.expires_at is None else {}
        told = {**told, **({"resource": self.resource} if self.resource else {})}
        if self.expires_at is None:
            return {"names": list(self.names), **told}
        return {
            **told,
            "names": list(self.names),
            "expiry": format_time(self.expires_at),
            "renewAfter": format_time(self.renew_after) if self.renew_after else None,
            "identity": self.identity,
            "registries": list(map(str, self.registries)),
            "created": self.created,
            **({"reconcileAt": self.reconcile_request} if self.reconcile_request else {}),
            **({"extra": list(self.extra_names)} if self.extra_names else {}),
            **({"extraDigest": self.extra_digest} if self.extra_digest else {}),
            **({"shadowedBy": list(self.shadowed_by)} if self.shadowed_by else {}),
        }


def entries_of(metadata: Metadata) -> dict[str, Any]:
    """Return the entries on a shared object by UID, as they are: those of others are written back untouched.

    An annotation without this object's place, or with that of another, counts as none: it came along when somebody
    copied the object.
    """
    text = text_in(annotations_of(metadata), SHARED_ANNOTATION)
    if not text:  # as on most: to fail at it takes longer
        return {}
    try:
        entries = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    if not isinstance(entries, dict) or entries.pop(_PLACE, None) != place_of(metadata):
        return {}
    return entries


def shared_annotation(metadata: Metadata, entries: Mapping[str, Any]) -> str:
    """Return the annotation that holds these entries of an object."""
    return json.dumps({_PLACE: place_of(metadata), **entries}, sort_keys=True, separators=(",", ":"))


def is_edited(entry: object) -> bool:
    """Return whether an entry says that somebody edited the object since that resource wrote it.

    Another resource has written the Secret since, so its field managers look as if all of it was ours.
    """
    return isinstance(entry, dict) and entry.get("edited") is True


def is_entry_intact(metadata: Metadata, uid: str) -> bool:
    """Return whether what the resource of a UID put into a shared Secret is as it was written.

    Without the label the Secret would not be found, so its entry does not count.
    """
    entries = entries_of(metadata)
    is_found = mapping_in(metadata, "labels").get(OWNER_LABEL) == SHARED
    return uid in entries and not is_edited(entries[uid]) and is_found and has_written_login(metadata)


def has_written_login(metadata: Metadata) -> bool:
    """Return whether nobody has changed the login in a shared Secret since one of ours wrote it.

    The resource that creates a shared Secret does so with its own field manager.
    """
    return not is_written_as_text(metadata) and any(
        text_in(entry, "manager").partition("/")[0] == FIELD_MANAGER
        and f"f:{DATA_KEY}" in mapping_in(mapping_in(entry, "fieldsV1"), "f:data")
        for entry in mappings_in(metadata, "managedFields")
    )
