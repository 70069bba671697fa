"""What the metadata of a Secret says of the custom resources that wrote it. Pure.

The collection marks what it writes. Whoever changes a field that we wrote takes it away from our field manager, so
whether something still stands as we wrote it shows in the metadata alone, without what the Secret holds.
https://kubernetes.io/docs/reference/using-api/server-side-apply/#field-management
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping

GROUP = "aws.zakariaamine.com"
MANAGER = "kube-ecr-secrets"
OWNER_LABEL = f"{GROUP}/owner"
PLACE = f"{GROUP}/secret"
SHARED = f"{GROUP}/shared"
LABELS = ("app.kubernetes.io/managed-by", OWNER_LABEL)
ANNOTATIONS = (
    "expiry",
    f"{GROUP}/renew-after",
    f"{GROUP}/fingerprint",
    f"{GROUP}/identity",
    f"{GROUP}/registries",
    PLACE,
)
# On a Secret of a resource that was annotated so: the value for which its token was got.
RECONCILE_AT = f"{GROUP}/reconcile-at"
_CONTENT = (("data", ".dockerconfigjson"),)
_MARKS = (
    *(("metadata", "labels", each) for each in LABELS),
    *(("metadata", "annotations", each) for each in ANNOTATIONS),
)


def owner_of(metadata: Mapping) -> str:
    """Return the UID of the custom resource that a Secret belongs to; empty if it is nobody's, or only a copy."""
    uid = _mapping(metadata, "labels").get(OWNER_LABEL)
    if not isinstance(uid, str) or _mapping(metadata, "annotations").get(PLACE) != _place(metadata):
        return ""
    references = metadata.get("ownerReferences")
    owners = [each.get("uid") for each in _mappings(references)]
    return uid if uid in owners else ""


def sound_for(metadata: Mapping) -> frozenset[str]:
    """Return the UIDs of the custom resources whose logins stand in a Secret as they were written."""
    owner, entries = owner_of(metadata), list(_mappings(metadata.get("managedFields")))
    if owner and any(_is_applied_by(each, owner) and _has(each, *_CONTENT, *_MARKS) for each in entries):
        return frozenset([owner])
    # What is shared was made by one of the resources, and may be written by all of them.
    is_intact = any(str(each.get("manager")).partition("/")[0] == MANAGER and _has(each, *_CONTENT) for each in entries)
    return frozenset(uid for uid, each in _told(metadata).items() if is_intact and not _is_edited(each))


def template_of(metadata: Mapping) -> frozenset[tuple[str, str]]:
    """Return the labels and annotations beside our marks, by kind and name, that stand in a Secret as we wrote them."""
    manager = owner_of(metadata)
    applied = [each for each in _mappings(metadata.get("managedFields")) if manager and _is_applied_by(each, manager)]
    return frozenset(
        (kind, name[2:])
        for each in applied
        for kind in ("labels", "annotations")
        for name in _mapping(_mapping(_mapping(each, "fieldsV1"), "f:metadata"), f"f:{kind}")
        if name.startswith("f:") and name[2:] != RECONCILE_AT and ("metadata", kind, name[2:]) not in _MARKS
    )


def _place(metadata: Mapping) -> str:
    return f"{metadata.get('namespace')}/{metadata.get('name')}"


def _told(metadata: Mapping) -> dict[str, object]:
    """Return what the annotation of a shared Secret tells by UID.

    One that cannot be read tells nothing, nor does one that came along when somebody copied the Secret, or one without
    the label by which it is found.
    """
    if _mapping(metadata, "labels").get(OWNER_LABEL) != "shared":
        return {}
    text = _mapping(metadata, "annotations").get(SHARED)
    try:
        told = json.loads(text) if isinstance(text, str) else {}
    except (ValueError, RecursionError):
        return {}
    if not isinstance(told, dict) or told.pop("place", None) not in (None, _place(metadata)):
        return {}
    return told


def _is_edited(told: object) -> bool:
    """Another resource has written the Secret since somebody edited it, so it looks as if we wrote all of it."""
    return isinstance(told, Mapping) and told.get("edited") is True


def _is_applied_by(entry: Mapping, uid: str) -> bool:
    return (entry.get("manager"), entry.get("operation")) == (f"{MANAGER}/{uid}", "Apply")


def _has(entry: Mapping, *paths: tuple[str, ...]) -> bool:
    """Return whether a field manager has all these fields: nobody changed them since it wrote them."""
    return all(_reaches(entry.get("fieldsV1"), path) for path in paths)


def _reaches(fields: object, path: tuple[str, ...]) -> bool:
    for name in path:
        if not isinstance(fields, Mapping):
            return False
        fields = fields.get(f"f:{name}")
    return fields is not None


def _mapping(item: Mapping, name: str) -> Mapping:
    value = item.get(name)
    return value if isinstance(value, Mapping) else {}


def _mappings(value: object) -> Iterator[Mapping]:
    yield from (each for each in value if isinstance(each, Mapping)) if isinstance(value, list) else ()
