# Copyright: kube_ecr.secrets contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What became of a namespace, a service account, or a Secret that is no longer wanted: values, and how refusals read.

Pure. before and after are what a diff may show; both are None where nothing was changed.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from .._contract.timestamps import format_time


@dataclass(frozen=True)
class NamespaceOutcome:
    """What became of one target namespace; the moments are those of the token that it holds now, if it holds one.

    renew_after is when it is to be renewed, issued_at when it was granted.
    """

    namespace: str
    state: str
    reason: str = ""
    message: str = ""
    expires_at: datetime | None = None
    renew_after: datetime | None = None
    issued_at: datetime | None = None
    before: dict | None = field(default=None, compare=False)
    after: dict | None = field(default=None, compare=False)

    def as_dict(self) -> dict:
        """Return the form in which a result lists it."""
        return {
            "namespace": self.namespace,
            "state": self.state,
            "reason": self.reason,
            "msg": self.message,
            "expires_at": format_time(self.expires_at) if self.expires_at else None,
        }


@dataclass(frozen=True)
class ObjectOutcome:
    """What was done to one object besides the Secrets of targets."""

    namespace: str
    name: str
    state: str
    reason: str = ""
    message: str = ""
    before: dict | None = field(default=None, compare=False)
    after: dict | None = field(default=None, compare=False)

    def as_dict(self) -> dict:
        """Return the form in which a result lists it."""
        return {
            "namespace": self.namespace,
            "name": self.name,
            "state": self.state,
            "reason": self.reason,
            "msg": self.message,
        }


def refused(
    namespace: str, status: int, reason: str, text: str, valid_until: datetime | None = None
) -> NamespaceOutcome:
    """Return what the API server's refusal to read or write the Secret of a namespace means for that namespace.

    status is the HTTP status, 0 where there was no answer. A namespace that is not there, or is on its way out, is
    waited for: that is no failure.
    """
    if status == 404:
        return NamespaceOutcome(namespace, "pending", "NamespaceNotFound", f"namespace {namespace} does not exist yet")
    if is_terminating(status, text):
        return NamespaceOutcome(namespace, "pending", "NamespaceTerminating", f"namespace {namespace} is being deleted")
    return NamespaceOutcome(namespace, "failed", reason, text, valid_until)


def is_terminating(status: int, text: str) -> bool:
    """Return whether the API server refused because the namespace is being deleted.

    https://github.com/kubernetes/kubernetes: plugin/pkg/admission/namespace/lifecycle
    """
    return status == 403 and "because it is being terminated" in text
