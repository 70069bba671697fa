# Copyright: kube_ecr.secrets contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Secrets that are not ours alone: what the policy Merge puts in, and takes out again.

Pure. What each resource put in is noted in an entry (see shared_entries). Everything is written by JSON merge patch,
tied to the resourceVersion that was read: whoever changed the Secret meanwhile makes it a conflict, and it is read
again. (https://www.rfc-editor.org/rfc/rfc7386: null takes a key away.)
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from enum import Enum

from .._contract.ownership import (
    DATA_KEY,
    EDITED,
    MANAGED_BY,
    MANAGED_BY_LABEL,
    OWNER_LABEL,
    SHARED,
    SHARED_ANNOTATION,
    SharedEntry,
    entries_of,
    has_written_login,
    shared_annotation,
)
from . import docker_config
from .extra_logins import NO_EXTRA_LOGINS, ExtraLogins, without
from .handover import written_fields_patch
from .logins import Logins
from .shared_entries import edited_part, entries_for, entries_patch, named_by_others

_UNREADABLE = "not a docker config"


class Undo(Enum):
    """What to do instead of a patch: delete the object, tied to the UID and resourceVersion that were read."""

    DELETE = "delete"


def entry_of(logins: Logins, identity: str, resource: str = "", extra: ExtraLogins = NO_EXTRA_LOGINS) -> SharedEntry:
    """Return what is noted of logins of an AWS identity that are merged into a Secret, for a resource of that name."""
    hosts = docker_config.hosts_in(logins.config)
    return SharedEntry(
        names=tuple(sorted({*hosts, *extra.entries})),
        extra_names=tuple(sorted(extra.entries.keys() - hosts)),
        extra_digest=extra.digest,
        expires_at=logins.expires_at,
        renew_after=logins.renew_after,
        identity=identity,
        registries=logins.registries,
        reconcile_request=logins.reconcile_request,
        resource=resource,
    )


def manifest(
    namespace: str,
    name: str,
    uid: str,
    config_text: str,
    entry: SharedEntry,
    labels: Mapping[str, str] | None = None,
    annotations: Mapping[str, str] | None = None,
) -> dict:
    """Return the Secret to make where there is none; labels and annotations are those of the secretTemplate.

    It has no owner reference: others may add to it, and would lose that with the resource.
    """
    first = replace(entry, names=_hosts(config_text), created=True).as_dict()
    place = {"name": name, "namespace": namespace}
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "type": docker_config.SECRET_TYPE,
        "metadata": {
            **place,
            "labels": {**(labels or {}), MANAGED_BY_LABEL: MANAGED_BY, OWNER_LABEL: SHARED},
            "annotations": {**(annotations or {}), SHARED_ANNOTATION: shared_annotation(place, {uid: first})},
        },
        "data": _data(config_text),
    }


def merge_patch(secret: Mapping, uid: str, config_text: str, entry: SharedEntry) -> dict | None:
    """Return the patch that puts the logins of a docker config JSON into a Secret, None if all is there and intact.

    Hosts that our old entry names and the new one does not are taken out; one that both name, and that there is no new
    login for, stays as it is. Whether the Secret was made by us stays as it was. Raises ContentError where no login can
    be added (see conflicts.unmergeable_because).
    """
    metadata, before = secret["metadata"], docker_config.stored(secret.get("data"))
    entries, ours = entries_for(metadata, uid, entry.resource), docker_config.logins(config_text)
    was = SharedEntry.from_dict(entries.get(uid))
    kept = set(was.names).intersection(entry.names, docker_config.logins(before))
    gone = set(was.names) - kept - ours.keys() - named_by_others(entries, uid)
    text = docker_config.with_logins(docker_config.without_logins(before, gone), ours)
    is_tracked = bool(text.strip() and metadata.get("managedFields"))
    if text == before and is_tracked and not has_written_login(metadata):
        # The API server counts a field as ours only when we change it, so it gets another text of the same meaning.
        text = before[:-1] if before.endswith("\n") else f"{before}\n"
    names = tuple(sorted(kept.union(ours)))
    entry = replace(entry, names=names, created=was.created, shadowed_by=docker_config.shadows(text, names))
    others = _others(secret, entries, uid, is_rewritten=text != before)
    patch = _patch(secret, {**others, uid: entry.as_dict()}, before, text)
    if patch and "data" in patch:
        patch["metadata"].update(written_fields_patch(metadata))
    return patch


def unmerge_patch(secret: Mapping, uid: str, resource: str = "", *, keep_logins: bool = False) -> dict | Undo | None:
    """Return the patch that takes out what the resource of that UID and name put in, None if that is nothing.

    What another one names too stays. A Secret that we made, and that nobody else put anything into, is to be deleted.
    With keep_logins only the entry goes.
    """
    metadata, entries = secret["metadata"], entries_for(secret["metadata"], uid, resource)
    if uid not in entries:
        return None
    entry = SharedEntry.from_dict(entries[uid])
    gone = [] if keep_logins else set(entry.names) - named_by_others(entries, uid)
    try:
        before = docker_config.stored(secret.get("data"))
        text = docker_config.without_logins(before, gone)
    except docker_config.ContentError:  # somebody's, and nothing that logs in
        before = text = _UNREADABLE
    others = _others(secret, entries, uid, is_rewritten=text != before)
    is_last_maker = entry.created and not others and (metadata.get("labels") or {}).get(MANAGED_BY_LABEL) == MANAGED_BY
    if is_last_maker and not keep_logins and _holds_nothing(secret, text):
        return Undo.DELETE
    if entry.created and others:  # whoever goes last deletes it
        heir = min(others)
        others[heir] = {**SharedEntry.from_dict(others[heir]).as_dict(), **edited_part(others[heir]), "created": True}
    patch = _patch(secret, others, before, text)
    if patch and is_last_maker:
        patch["metadata"].setdefault("labels", {})[MANAGED_BY_LABEL] = None
    return patch


def held_logins(secret: Mapping, uid: str, resource: str = "") -> str:
    """Return a docker config JSON of the complete logins in a Secret that our entry names, possibly none.

    They can be written elsewhere only if the Secret is intact: else they may be anybody's.
    """
    names = SharedEntry.from_dict(entries_for(secret["metadata"], uid, resource).get(uid)).names
    return docker_config.selected(docker_config.content(secret), names)


def logins_of(secret: Mapping, uid: str, now: datetime) -> Logins | None:
    """Return those of AWS in held_logins with their life, None if they do not live or one that we named is missing."""
    entry, config = SharedEntry.from_dict(entries_of(secret["metadata"]).get(uid)), held_logins(secret, uid)
    is_complete = set(entry.names) == set(docker_config.hosts_in(config)) != set()
    if not (is_complete and entry.renew_after and entry.expires_at and entry.expires_at > now):
        return None
    config = without(config, entry.extra_names)
    return Logins(config, entry.registries, entry.expires_at, entry.renew_after, entry.reconcile_request)


def is_only_ours(secret: Mapping, uid: str, resource: str = "") -> bool:
    """Return whether we made a Secret, and nobody else put anything into it."""
    return unmerge_patch(secret, uid, resource) is Undo.DELETE


def _holds_nothing(secret: Mapping, text: str) -> bool:
    is_claimed = bool(secret["metadata"].get("ownerReferences"))
    return not is_claimed and set(secret.get("data") or {}) <= {DATA_KEY} and docker_config.is_empty(text)


def _others(secret: Mapping, entries: Mapping[str, object], uid: str, *, is_rewritten: bool) -> dict[str, object]:
    """Return the entries of others than the UID.

    When a Secret that somebody edited is written again, the API server counts it as ours, though what others put in may
    be gone: then their entries say so.
    """
    metadata = secret["metadata"]
    is_edited = metadata.get("managedFields") and not has_written_login(metadata)
    others = {other: entry for other, entry in entries.items() if other != uid}
    if not (is_rewritten and is_edited):
        return others
    return {other: {**entry, **EDITED} if isinstance(entry, dict) else entry for other, entry in others.items()}


def _patch(secret: Mapping, entries: Mapping[str, object], before: str, text: str) -> dict | None:
    metadata = entries_patch(secret["metadata"], entries)
    if not metadata and text == before:
        return None
    patch: dict = {"metadata": {"resourceVersion": secret["metadata"]["resourceVersion"], **metadata}}
    if text != before:
        patch["data"] = _data(text)
    return patch


def _data(text: str) -> dict[str, str]:
    return {DATA_KEY: base64.b64encode(text.encode()).decode()}


def _hosts(config_text: str) -> tuple[str, ...]:
    return tuple(sorted(docker_config.logins(config_text)))
