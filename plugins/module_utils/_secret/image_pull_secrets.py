# Copyright: kube_ecr.secrets contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The pull secret among the imagePullSecrets of service accounts, which belong to others.

Pure. The list can only be replaced as a whole, so every patch is tied to the resourceVersion that was read. What
others have in it stays, as it is and in its order, also an entry of the same name that was there before ours was
wanted: it gets no mark (see shared_entries), so it is never taken out.
"""

from __future__ import annotations

from collections.abc import Mapping

from .._contract.ownership import SharedEntry, entries_of
from .shared_entries import entries_patch, named_by_others


def patch(account: Mapping, uid: str, secret_name: str | None) -> dict | None:
    """Return the patch that brings a service account to what is wanted: our entry, or for None nothing of ours."""
    return add_patch(account, uid, secret_name) if secret_name else remove_patch(account, uid)


def add_patch(account: Mapping, uid: str, secret_name: str) -> dict | None:
    """Return the patch that gives a service account our entry, instead of any that we gave it before.

    None if that changes nothing, or the entry is somebody's own.
    """
    told, entries = entries_of(account["metadata"]), _entries(account)
    mine, others = SharedEntry.from_dict(told.get(uid)).names, named_by_others(told, uid)
    is_there = any(_name(each) == secret_name for each in entries)
    is_ours = not is_there or secret_name in mine or secret_name in others
    left = _without(entries, set(mine) - {secret_name} - others)
    if not is_there:
        left.append({"name": secret_name})
    told = {**told, uid: SharedEntry((secret_name,)).as_dict()} if is_ours else _others(told, uid)
    return _patch(account, told, left)


def remove_patch(account: Mapping, uid: str) -> dict | None:
    """Return the patch that takes out what we gave a service account for the UID, None if that is nothing."""
    told = entries_of(account["metadata"])
    if uid not in told:
        return None
    gone = set(SharedEntry.from_dict(told[uid]).names) - named_by_others(told, uid)
    return _patch(account, _others(told, uid), _without(_entries(account), gone))


def _others(told: Mapping[str, object], uid: str) -> dict[str, object]:
    return {other: each for other, each in told.items() if other != uid}


def _patch(account: Mapping, told: Mapping[str, object], entries: list[dict]) -> dict | None:
    metadata = account["metadata"]
    marks = entries_patch(metadata, told)
    if not marks and entries == _entries(account):
        return None
    changes: dict = {"metadata": {"resourceVersion": metadata["resourceVersion"], **marks}}
    if entries != _entries(account):
        changes["imagePullSecrets"] = entries or None
    return changes


def _entries(account: Mapping) -> list[dict]:
    return account.get("imagePullSecrets") or []


def _without(entries: list[dict], names: set[str]) -> list[dict]:
    """A name is ours once: it was added at the end, so what stands before it twice is somebody's."""
    left = list(entries)
    for name in names:
        last = max((index for index, each in enumerate(left) if _name(each) == name), default=None)
        if last is not None:
            del left[last]
    return left


def _name(entry: Mapping) -> str | None:
    return (entry or {}).get("name")
