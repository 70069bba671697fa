# Copyright: kube_ecr.secrets contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The result of an item: what became of one custom resource, as ecr_reconcile returns it and the runner reads it.

from_dict() takes what as_dict() gave, and any other object: a part that is malformed counts as absent, since a playbook
of a user may have changed it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from . import reasons
from .reading import mappings_in, text_in, texts_in
from .timestamps import format_time, parse_time

# States of a namespace whose Secret was written.
CREATED, UPDATED = "created", "updated"
WRITTEN = (CREATED, UPDATED)
# The Secret or service account is as it should be, or was left as it is.
UNCHANGED = "unchanged"
# The namespace does not exist yet, or is being deleted: it is waited for, which is no failure.
PENDING = "pending"
FAILED = "failed"
# States of a Secret that is wanted no more, and of a service account.
DELETED, RELEASED = "deleted", "released"
ADDED, REMOVED = "added", "removed"


@dataclass(frozen=True)
class NamespaceResult:
    """What became of the Secret in one namespace; expires_at is when the token in it now expires, if it holds one.

    name is that of an output, empty for the pull secret. shadowed_by are the keys of somebody else in a pull secret
    that are for a part of our registries (policy Merge).
    """

    namespace: str
    state: str
    reason: str = ""
    message: str = ""
    expires_at: datetime | None = None
    shadowed_by: tuple[str, ...] = ()
    name: str = ""

    def as_dict(self) -> dict[str, Any]:
        """Return the form in which a result lists it. A module cannot return C(message), so it is C(msg)."""
        return {
            "namespace": self.namespace,
            "state": self.state,
            "reason": self.reason,
            "msg": self.message,
            "expires_at": time_text(self.expires_at),
            **({"name": self.name} if self.name else {}),
            **({"shadowed_by": list(self.shadowed_by)} if self.shadowed_by else {}),
        }

    @classmethod
    def from_dict(cls, entry: Mapping[str, Any]) -> NamespaceResult:
        """Return what as_dict() gave."""
        namespace, state, reason, message = (text_in(entry, name) for name in ("namespace", "state", "reason", "msg"))
        expires_at, shadowed_by = parse_time(entry.get("expires_at")), texts_in(entry, "shadowed_by")
        return cls(namespace, state, reason, message, expires_at, shadowed_by, text_in(entry, "name"))


@dataclass(frozen=True)
class ObjectResult:
    """What became of a service account, or of a Secret that is wanted no more.

    written_by is who else writes the imagePullSecrets of a service account that has the pull secret, for a person.
    """

    namespace: str
    name: str
    state: str
    reason: str = ""
    message: str = ""
    written_by: str = ""

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"

    def as_dict(self) -> dict[str, Any]:
        """Return the form in which a result lists it."""
        return {
            "namespace": self.namespace,
            "name": self.name,
            "state": self.state,
            "reason": self.reason,
            "msg": self.message,
            **({"written_by": self.written_by} if self.written_by else {}),
        }

    @classmethod
    def from_dict(cls, entry: Mapping[str, Any]) -> ObjectResult:
        """Return what as_dict() gave."""
        return cls(*(text_in(entry, name) for name in ("namespace", "name", "state", "reason", "msg", "written_by")))


@dataclass(frozen=True)
class ErrorResult:
    """Why nothing could be written for a resource, or a login is missing."""

    reason: str
    message: str

    def as_dict(self) -> dict[str, str]:
        """Return the form in which items and results hold it."""
        return {"reason": self.reason, "msg": self.message}

    @classmethod
    def from_dict(cls, entry: object) -> ErrorResult | None:
        """Return what as_dict() gave, None if it is no mapping."""
        if not isinstance(entry, Mapping):
            return None
        return cls(text_in(entry, "reason") or reasons.UNKNOWN, text_in(entry, "msg"))


@dataclass(frozen=True)
class ItemResult:
    """What became of one custom resource.

    registries are the hosts of the logins that were at hand. The times are the earliest of all target namespaces: when
    a token expires, is to be renewed, and was issued; None where none holds a token. namespaces is None where no
    namespace was looked at at all. outputs is what became of each output in each of its namespaces.
    """

    secret_name: str = ""
    registries: tuple[str, ...] = ()
    namespaces: tuple[NamespaceResult, ...] | None = ()
    outputs: tuple[NamespaceResult, ...] = ()
    service_accounts: tuple[ObjectResult, ...] = ()
    removed: tuple[ObjectResult, ...] = ()
    expires_at: datetime | None = None
    renew_after: datetime | None = None
    issued_at: datetime | None = None
    error: ErrorResult | None = None

    def as_dict(self) -> dict[str, Any]:
        """Return the keys of the module's result that hold it."""
        return {
            "secret_name": self.secret_name,
            "registries": list(self.registries),
            "namespaces": [namespace.as_dict() for namespace in self.namespaces or ()],
            "outputs": [output.as_dict() for output in self.outputs],
            "service_accounts": [account.as_dict() for account in self.service_accounts],
            "removed": [secret.as_dict() for secret in self.removed],
            "expires_at": time_text(self.expires_at),
            "renew_after": time_text(self.renew_after),
            "issued_at": time_text(self.issued_at),
            "error": self.error.as_dict() if self.error else None,
        }

    @classmethod
    def from_dict(cls, answer: Mapping[str, Any]) -> ItemResult:
        """Return the result in what the module returned."""
        has_namespaces = isinstance(answer.get("namespaces"), list)
        hosts = answer.get("registries")
        return cls(
            secret_name=text_in(answer, "secret_name"),
            registries=tuple(host for host in hosts if isinstance(host, str)) if isinstance(hosts, list) else (),
            namespaces=tuple(map(NamespaceResult.from_dict, mappings_in(answer, "namespaces")))
            if has_namespaces
            else None,
            outputs=tuple(map(NamespaceResult.from_dict, mappings_in(answer, "outputs"))),
            service_accounts=tuple(map(ObjectResult.from_dict, mappings_in(answer, "service_accounts"))),
            removed=tuple(map(ObjectResult.from_dict, mappings_in(answer, "removed"))),
            expires_at=parse_time(answer.get("expires_at")),
            renew_after=parse_time(answer.get("renew_after")),
            issued_at=parse_time(answer.get("issued_at")),
            error=ErrorResult.from_dict(answer.get("error")),
        )


def time_text(moment: datetime | None) -> str | None:
    """Return a time as results hold it."""
    return format_time(moment) if moment else None
