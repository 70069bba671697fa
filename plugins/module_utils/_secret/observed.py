# Copyright: kube_ecr.secrets contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A pull secret of ours in the cluster, as far as its metadata tells: whether it is intact, and whether it is fresh.

Pure. Whether somebody edited it shows in the metadata alone: each resource applies with a field manager of its own, and
whoever changes a field takes it away from that one
(https://kubernetes.io/docs/reference/using-api/server-side-apply/#field-management).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from .._contract.kinds import RECONCILE_AT
from .._contract.login_request import LoginRequest
from .._contract.ownership import (
    EXPIRY,
    IDENTITY,
    LABELS,
    MANAGED_BY_LABEL,
    OPTIONAL_ANNOTATIONS,
    OUTPUT,
    REGISTRIES,
    RENEW_AFTER,
    RESOURCE,
    Marks,
    SharedEntry,
    annotations_of,
    has_applied_all,
    is_entry_intact,
)
from .._contract.reading import text_in
from .._contract.timestamps import format_time, parse_time
from .._contract.token_life import CLOCK_TOLERANCE, due_at, issued_at
from . import docker_config
from .desired import DesiredSecret
from .extra_logins import Held
from .logins import registries_in
from .shared_entries import entries_for
from .whose import is_own


@dataclass(frozen=True)
class ObservedSecret:
    """A Secret of ours in the cluster, as far as its metadata tells.

    is_intact says that nobody edited it since it was written, for the identity that is wanted; has_shape that it has
    the name, labels and annotations that are wanted; is_shared that other things than ours may be in it (see merge);
    is_output that it holds no docker config, so that no other one can be copied from it. extra tells the Secrets apart
    that its logins of spec.extraAuths came from. shadowed_by are the keys of others in it that are for a part of our
    registries.
    """

    namespace: str
    name: str
    version: str
    is_intact: bool
    has_shape: bool
    registries: tuple[LoginRequest, ...]
    expires_at: datetime | None
    renew_after: datetime | None
    is_shared: bool = False
    reconcile_request: str = ""
    is_output: bool = False
    extra: str = ""
    shadowed_by: tuple[str, ...] = ()

    @classmethod
    def of(cls, metadata: Mapping, desired: DesiredSecret, marks: Marks | None = None) -> ObservedSecret:
        """Return what the metadata of a Secret of ours tells; marks are those on it, if they are known already."""
        annotations = annotations_of(metadata)
        return cls(
            namespace=metadata["namespace"],
            name=metadata["name"],
            version=metadata["resourceVersion"],
            is_intact=_is_intact(metadata, desired, marks) and annotations.get(IDENTITY, "") == desired.identity,
            has_shape=desired.matches(metadata),
            registries=registries_in(text_in(annotations, REGISTRIES)),
            expires_at=parse_time(annotations.get(EXPIRY)),
            renew_after=parse_time(annotations.get(RENEW_AFTER)),
            reconcile_request=text_in(annotations, RECONCILE_AT),
            is_output=OUTPUT in annotations,
            extra=Held.on(metadata).digest,
        )

    @classmethod
    def of_shared(cls, metadata: Mapping, desired: DesiredSecret, uid: str) -> ObservedSecret | None:
        """Return what the metadata of a shared Secret tells of the part of the resource of the UID, None if of none."""
        entries = entries_for(metadata, uid, str(desired.owner or ""))
        if uid not in entries:
            return None
        entry = SharedEntry.from_dict(entries[uid])
        return cls(
            namespace=metadata["namespace"],
            name=metadata["name"],
            version=metadata["resourceVersion"],
            is_intact=is_entry_intact(metadata, uid) and entry.identity == desired.identity,
            has_shape=metadata["name"] == desired.name,
            registries=entry.registries,
            expires_at=entry.expires_at,
            renew_after=entry.renew_after,
            is_shared=True,
            reconcile_request=entry.reconcile_request,
            extra=entry.extra_digest,
            shadowed_by=docker_config.told_keys(entry.shadowed_by),
        )

    def is_valid(self, now: datetime) -> bool:
        """Return whether it holds logins of the wanted identity that can be used, and copied."""
        return self.is_intact and bool(self.expires_at and self.renew_after and self.expires_at > now)

    def is_fresh(self, now: datetime, desired: DesiredSecret) -> bool:
        """Return whether its logins live, and are young enough, so that nobody need ask for new ones."""
        if not (self.is_valid(now) and self.expires_at and self.renew_after) or self.is_from_future(now):
            return False
        times = (self.expires_at, self.renew_after)
        is_young = due_at(*times, desired.refresh_interval, is_pass=desired.is_pass) > now
        return is_young and self.answers(desired.reconcile_request)

    def answers(self, reconcile_request: str) -> bool:
        """Return whether its logins were granted after the resource was annotated so, or need not have been."""
        return reconcile_request in ("", self.reconcile_request)

    def is_from_future(self, now: datetime) -> bool:
        """Return whether its logins seem to be from the future: the clock was set back, so nobody knows their age."""
        if not (self.expires_at and self.renew_after):
            return False
        return issued_at(self.expires_at, self.renew_after) > now + CLOCK_TOLERANCE

    def is_as_desired(self, registries: Iterable[LoginRequest], available: Iterable[LoginRequest]) -> bool:
        """Return whether it is as it should be but for its age: no login that is not wanted, all that can be had."""
        return self.is_intact and self.has_shape and set(available) <= set(self.registries) <= set(registries)

    def as_dict(self) -> dict:
        """Return the form in which the inventory hands it to the module."""
        moments = {name: getattr(self, name) for name in ("expires_at", "renew_after")}
        texts = {name: format_time(value) if value else None for name, value in moments.items()}
        lists = {"registries": list(map(str, self.registries)), "shadowed_by": list(self.shadowed_by)}
        return {**vars(self), **texts, **lists}

    @classmethod
    def from_dict(cls, observed: Mapping) -> ObservedSecret:
        """Return what as_dict() made a dictionary of."""
        moments = {name: parse_time(observed[name]) for name in ("expires_at", "renew_after")}
        registries = tuple(map(LoginRequest.from_text, observed["registries"]))
        return cls(**{**observed, **moments, "registries": registries, "shadowed_by": tuple(observed["shadowed_by"])})


def _is_intact(metadata: Mapping, desired: DesiredSecret, marks: Marks | None) -> bool:
    labels = LABELS if desired.owner else (MANAGED_BY_LABEL,)
    is_needed = {IDENTITY: desired.identity, RESOURCE: desired.owner, OUTPUT: desired.output}
    needed = {name for name, is_there in is_needed.items() if is_there}
    without = OPTIONAL_ANNOTATIONS - needed
    uid = desired.owner.uid if desired.owner else ""
    is_as_applied = has_applied_all(metadata, desired.manager, labels, owner=uid, without=without)
    return is_as_applied and is_own(metadata, desired.owner, marks)
