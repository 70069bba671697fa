# Copyright: kube_ecr.secrets contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What became of a namespace, a service account, or a Secret that is no longer wanted, and how refusals read.

Pure. Beside what a result lists of it, an outcome has what the result as a whole is made from, and what a diff may
show: before and after are None where nothing was changed.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from .._contract import reasons
from .._contract.result import FAILED, PENDING, NamespaceResult, ObjectResult


@dataclass(frozen=True)
class NamespaceOutcome(NamespaceResult):
    """What became of one target namespace; the times are those of the token that it holds now, if it holds one.

    renew_after is when it is to be renewed, issued_at when it was issued.
    """

    renew_after: datetime | None = None
    issued_at: datetime | None = None
    before: dict | None = field(default=None, compare=False)
    after: dict | None = field(default=None, compare=False)


@dataclass(frozen=True)
class ObjectOutcome(ObjectResult):
    """What was done to one object besides the Secrets of targets."""

    before: dict | None = field(default=None, compare=False)
    after: dict | None = field(default=None, compare=False)


def refused(
    namespace: str, status: int, reason: str, text: str, valid_until: datetime | None = None
) -> NamespaceOutcome:
    """Return what the API server's refusal to read or write the Secret of a namespace means for that namespace.

    status is the HTTP status, 0 where there was no answer. A namespace that is not there, or is on its way out, is
    waited for: that is no failure.
    """
    if status == 404:
        message = f"namespace {namespace} does not exist yet"
        return NamespaceOutcome(namespace, PENDING, reasons.NAMESPACE_NOT_FOUND, message)
    if is_terminating(status, text):
        message = f"namespace {namespace} is being deleted"
        return NamespaceOutcome(namespace, PENDING, reasons.NAMESPACE_TERMINATING, message)
    return NamespaceOutcome(namespace, FAILED, reason, text, valid_until)


def is_terminating(status: int, text: str) -> bool:
    """Return whether the API server refused because the namespace is being deleted.

    https://github.com/kubernetes/kubernetes: plugin/pkg/admission/namespace/lifecycle
    """
    return status == 403 and "because it is being terminated" in text
