# Copyright: kube_ecr.secrets contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The pull secret among the imagePullSecrets of service accounts, which belong to others.

Pure. The list can only be replaced as a whole, so every patch is tied to the resourceVersion that was read. What
others have in it stays, as it is and in its order, also an entry of the same name that was there before ours was
wanted: it is in no entry of ours (see shared_entries), so it is never taken out. Nor is one that somebody names in
what he applies by now: it is his, whoever added it.
"""

from __future__ import annotations

from collections.abc import Mapping

from .._contract.ownership import SharedEntry, entries_of
from .account_writers import list_manager, recorded_manager, writer_of
from .shared_entries import entries_for, entries_patch, named_by_others


def patch(account: Mapping, uid: str, secret_name: str | None, resource: str = "") -> dict | None:
    """Return the patch that brings a service account to what is wanted: our entry, or for None nothing of ours.

    resource is what the resource of the UID is called.
    """
    return add_patch(account, uid, secret_name, resource) if secret_name else remove_patch(account, uid, resource)


def add_patch(account: Mapping, uid: str, secret_name: str, resource: str = "") -> dict | None:
    """Return the patch that gives a service account our pull secret, instead of any that we gave it before.

    None if that changes nothing, or somebody else gave it.
    """
    metadata, pull_secrets = account["metadata"], _pull_secrets(account)
    entries, manager = entries_for(metadata, uid, resource), list_manager(metadata)
    mine, others = SharedEntry.from_dict(entries.get(uid)), named_by_others(entries, uid)
    is_there = any(_name(pull_secret) == secret_name for pull_secret in pull_secrets)
    is_ours = not is_there or (not manager and (secret_name in mine.names or secret_name in others))
    left = _without(pull_secrets, _only_ours(metadata, entries, uid) - {secret_name})
    if not is_there:
        left.append({"name": secret_name})
    # While our entry stays where it is, the list is taken from nobody.
    is_kept = is_there and uid in entries
    taken_from = mine.taken_from if is_kept else manager or recorded_manager(metadata)
    entry = SharedEntry((secret_name,), taken_from=taken_from, resource=resource)
    entries = {**entries, uid: entry.as_dict()} if is_ours else _others(entries, uid)
    return _patch(account, entries, left)


def remove_patch(account: Mapping, uid: str, resource: str = "") -> dict | None:
    """Return the patch that takes out what we gave a service account for the UID, None if that is nothing."""
    entries = entries_for(account["metadata"], uid, resource)
    if uid not in entries:
        return None
    left = _without(_pull_secrets(account), _only_ours(account["metadata"], entries, uid))
    return _patch(account, _others(entries, uid), left)


def contender(before: Mapping, after: Mapping, uid: str) -> str:
    """Return who else writes the list that an entry of the UID is in now, for a person, an empty text if nobody does.

    before is the service account as it was read: a patch of ours takes the list from whoever applied it. after is what
    it became, or the same.
    """
    return writer_of(before["metadata"]) if uid in entries_of(after["metadata"]) else ""


def _only_ours(metadata: Mapping, entries: Mapping[str, object], uid: str) -> set[str]:
    """Return the names that the entry of a UID has put into the list, and that nobody else names."""
    if list_manager(metadata):
        return set()
    return set(SharedEntry.from_dict(entries.get(uid)).names) - named_by_others(entries, uid)


def _others(entries: Mapping[str, object], uid: str) -> dict[str, object]:
    return {other: entry for other, entry in entries.items() if other != uid}


def _patch(account: Mapping, entries: Mapping[str, object], pull_secrets: list[dict]) -> dict | None:
    metadata = account["metadata"]
    changes = entries_patch(metadata, entries)
    if not changes and pull_secrets == _pull_secrets(account):
        return None
    patch: dict = {"metadata": {"resourceVersion": metadata["resourceVersion"], **changes}}
    if pull_secrets != _pull_secrets(account):
        patch["imagePullSecrets"] = pull_secrets or None
    return patch


def _pull_secrets(account: Mapping) -> list[dict]:
    return account.get("imagePullSecrets") or []


def _without(pull_secrets: list[dict], names: set[str]) -> list[dict]:
    """A name is ours once: it was added at the end, so what stands before it twice is somebody's."""
    left = list(pull_secrets)
    for name in names:
        last = max((index for index, pull_secret in enumerate(left) if _name(pull_secret) == name), default=None)
        if last is not None:
            del left[last]
    return left


def _name(pull_secret: Mapping) -> str | None:
    return (pull_secret or {}).get("name")
