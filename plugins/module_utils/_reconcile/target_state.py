# Copyright: kube_ecr.secrets contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is known of the Secret under the wanted name in one target namespace: as it was listed, or as it was read.

Pure. A request takes a Secret for its own or, with the policy Merge, for one that others have a part in. What of it is
ours, and which logins can be used, differs between the two; so does the form in which a Secret was left by a request
whose policy was another then.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from .._contract.ownership import SharedEntry
from .._secret import conflicts, docker_config, merge
from .._secret.logins import Logins, usable_until
from .._secret.observed import ObservedSecret
from .._secret.shared_entries import entries_for
from .._secret.whose import whose
from .request import Request


@dataclass(frozen=True)
class TargetState:
    """What is known of one Secret.

    part is what its metadata tells of what the request put in, None if that is nothing. Once it is_read, secret is the
    object, None where there is none, and kept are the valid logins in it that are of the wanted identity.
    """

    namespace: str
    part: ObservedSecret | None = None
    is_read: bool = False
    secret: Mapping | None = field(default=None, repr=False)
    kept: Logins | None = None


def as_listed(request: Request, namespace: str) -> TargetState:
    """Return what is known without a look at the Secret."""
    return TargetState(namespace, request.known_in(namespace))


def as_read(request: Request, namespace: str, secret: Mapping | None, now: datetime) -> TargetState:
    """Return what a Secret tells that was just read, None where there is none."""
    if secret is None:
        return TargetState(namespace, is_read=True)
    part = _part(request, secret, is_shared=request.is_merge)
    kept = logins_in(request, secret, now, is_shared=request.is_merge)
    return TargetState(namespace, part, True, secret, kept)


def logins_in(request: Request, secret: Mapping, now: datetime, *, is_shared: bool) -> Logins | None:
    """Return the valid logins of the wanted identity that the request put into a Secret of its own, or a shared one.

    None if there are none, or somebody edited the Secret: then they may be anybody's.
    """
    part = _part(request, secret, is_shared=is_shared)
    if part is None or not part.is_intact:
        return None
    return merge.logins_of(secret, request.key, now) if is_shared else Logins.held_in(secret, now)


def valid_until(request: Request, secret: Mapping, now: datetime) -> datetime | None:
    """Return until when pods can pull with what the request put into a Secret, None if they cannot.

    A Secret of others does not count, whatever is in it; nor does one that kubelet refuses as a whole.
    """
    if is_own(request, secret):
        return usable_until(secret, now)
    entries = entries_for(secret["metadata"], request.key, request.resource) if request.is_merge else {}
    entry = SharedEntry.from_dict(entries.get(request.key))
    if entry.expires_at is None or entry.expires_at <= now:
        return None
    is_usable = docker_config.hosts_in(merge.held_logins(secret, request.key, request.resource))
    return entry.expires_at if is_usable and not conflicts.unmergeable_because(secret) else None


def is_own(request: Request, secret: Mapping) -> bool:
    """Return whether a Secret is the request's own one, or was left for it to take over, whatever its policy is now."""
    return whose(secret, request.desired.owner).is_free


def _part(request: Request, secret: Mapping, *, is_shared: bool) -> ObservedSecret | None:
    if is_shared:
        return ObservedSecret.of_shared(secret["metadata"], request.desired, request.key)
    return ObservedSecret.of(secret["metadata"], request.desired) if is_own(request, secret) else None
