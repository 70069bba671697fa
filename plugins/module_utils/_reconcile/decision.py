# Copyright: kube_ecr.secrets contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is to be done about the Secret of one target namespace: leave it, write it, or say why not.

Pure: what was observed, which logins there are and the time are handed in. The decision is made by a chain of checks,
in the manner of cert-manager's policies (https://github.com/cert-manager/cert-manager/tree/master/internal/controller):
each looks at the case for one reason, and returns a decision, or None to pass it on. Their order is that of OWN and
MERGED below; the last one always decides.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from datetime import datetime
from itertools import repeat
from typing import Optional, Union

from .._contract import reasons
from .._contract.errors import ResourceError, known
from .._contract.login_request import LoginRequest
from .._contract.result import ErrorResult
from .._secret import conflicts, docker_config, merge
from .._secret.logins import Logins
from .._secret.observed import ObservedSecret
from .request import AvailableLogins, Request
from .target_state import TargetState, is_own, valid_until

NO_LOGINS = ErrorResult(
    reasons.TOKEN_NOT_HELD,
    "there is no valid token to write: the Secret that held one is gone, or was edited meanwhile; the next "
    "attempt asks AWS for a new one",
)


@dataclass(frozen=True)
class Fail:
    """Write nothing, and say why; valid_until is until when pods can pull with what is there all the same."""

    reason: str
    message: str
    valid_until: datetime | None = None


@dataclass(frozen=True)
class Leave:
    """Leave the Secret as it is: it is good enough. part says how long; shortfall, which logins it lacks, and why."""

    part: ObservedSecret
    shortfall: Fail | None = None


@dataclass(frozen=True)
class LeaveUnrenewed:
    """Leave the Secret as it is, for there is nothing to write; pods can pull with it until valid_until."""

    valid_until: datetime


@dataclass(frozen=True)
class Write:
    """Write these logins, and what else the Secret should be; shortfall says which it will lack, and why."""

    logins: Logins
    shortfall: Fail | None = None


@dataclass(frozen=True)
class Copy(Write):
    """Write logins that were not granted now, but are in another Secret of the resource."""


@dataclass(frozen=True)
class Read:
    """Read the Secret and decide again: what was listed of it is not enough."""


@dataclass(frozen=True)
class ProbeNamespace:
    """Ask the API server whether a Secret could be made: there is none, and none to write.

    A namespace that does not exist yet, or is being deleted, is waited for; any other is a failure.
    """

    otherwise: Fail


@dataclass(frozen=True)
class Case:
    """All that a decision is made from; best are the best logins that could be written now, None if there are none."""

    request: Request
    observed: TargetState
    available: AvailableLogins
    now: datetime
    best: Logins | None

    @property
    def is_missing(self) -> bool:
        """Whether the request has put nothing into the Secret, or not in the form that its policy asks for now.

        What is in the other form is never left, however fresh: it is read, and written in the form that is wanted.
        """
        part = self.observed.part
        return part is None or part.is_shared != self.request.is_merge

    @property
    def part(self) -> ObservedSecret:
        """What the request put into the Secret; only to be asked for where it is not missing."""
        return known(self.observed.part, "it is not missing")


Decision = Union[Leave, LeaveUnrenewed, Write, Copy, Fail, Read, ProbeNamespace]
Check = Callable[[Case], Optional[Decision]]


def decide(request: Request, observed: TargetState, available: AvailableLogins, now: datetime) -> Decision:
    """Return what is to be done about the Secret of one namespace of a request."""
    case = Case(request, observed, available, now, best_logins(request, observed.kept, available))
    return _first(MERGED if request.is_merge else OWN, case)


def needs_source(request: Request, available: AvailableLogins, now: datetime) -> bool:
    """Return whether some target can do with the logins of the request's source, so that it has to be read."""
    if any(map(needs_source, request.outputs, available.outputs, repeat(now))):
        return True
    registries = request.desired.registries
    if request.source_secret is None or request.is_absent or _has_all(registries, available.granted):
        return False
    parts = [request.known_in(namespace) for namespace in request.namespaces or ()]
    return not all(
        part
        and part.is_shared == request.is_merge
        and part.is_fresh(now, request.desired)
        and part.is_as_desired(registries, registries)
        for part in parts
    )


def best_logins(request: Request, kept: Logins | None, available: AvailableLogins) -> Logins | None:
    """Return the best logins that can be written: those granted, and for what was not, those still valid elsewhere.

    kept are those that the Secret itself holds. Where nothing was granted, one source is enough for all: it is the
    Secret of the resource to last longest.
    """
    registries = request.desired.registries
    if not registries:  # nobody could say what is wanted: what is there is not to be written again
        return available.granted
    kept, source = (_wanted(logins, registries) for logins in (kept, available.source))
    if available.granted is None:
        return source or kept
    return available.granted.completed(kept, registries).completed(source, registries)


def _wanted(logins: Logins | None, registries: Collection[LoginRequest]) -> Logins | None:
    left = logins.only(registries) if logins else None
    return left if left and left.registries else None


def _first(checks: Iterable[Check], case: Case) -> Decision:
    for check in checks:
        decision = check(case)
        if decision:
            return decision
    raise AssertionError("the last check always decides")


def _has_all(registries: Iterable[LoginRequest], logins: Logins | ObservedSecret | None) -> bool:
    return logins is not None and set(registries) <= set(logins.registries)


def _failure(case: Case) -> Fail:
    """Return why logins are missing: as AWS or the resource had it, or that nobody asked AWS."""
    error = case.available.error or NO_LOGINS
    return Fail(error.reason, error.message)


def _shortfall(case: Case, logins: Logins | ObservedSecret) -> Fail | None:
    """A Secret that lacks a login has failed, however good the others in it are."""
    return None if _has_all(case.request.desired.registries, logins) else _failure(case)


# May the Secret be written at all? That shows only once it was read.


def shared_with_others(case: Case) -> Decision | None:
    """Others merged logins into it, which they would lose if it became the request's own."""
    secret, request = case.observed.secret, case.request
    if secret is None or is_own(request, secret):
        return None
    return _blocked(case, conflicts.conflict_with_sharers(secret, request.desired, request.key, request.resource))


def held_by_others(case: Case) -> Decision | None:
    """It is somebody's: what is not ours is never touched, but where the policy says so."""
    secret, request = case.observed.secret, case.request
    if secret is None or merge.is_only_ours(secret, request.key, request.resource):
        return None
    return _blocked(case, conflicts.conflict_with(secret, request.desired, request.policy))


def controlled_by_others(case: Case) -> Decision | None:
    """Something looks after it, and would undo what is merged into it."""
    secret = case.observed.secret
    if secret is None or is_own(case.request, secret):
        return None
    return _blocked(case, conflicts.conflict_with_controller(secret, case.request.desired))


def unwritable(case: Case) -> Decision | None:
    """Type and immutability cannot be changed, and to delete a Secret takes away what pods pull with."""
    secret = case.observed.secret
    return _blocked(case, conflicts.unwritable_because(secret, case.request.desired)) if secret else None


def unmergeable(case: Case) -> Decision | None:
    """It holds no docker config: to write one would take away what it holds, which others may have put there.

    Or it holds one that kubelet refuses as a whole: a login in it would log in nobody.
    """
    secret = case.observed.secret
    hosts = docker_config.hosts_in(case.best.config) if case.best else ()
    return _blocked(case, conflicts.unmergeable_because(secret, hosts)) if secret else None


def for_another_host(case: Case) -> Decision | None:
    """It is an output for a host by name, and AWS granted a login for another one."""
    if not (case.request.desired.output and case.best):
        return None
    try:
        case.request.desired.host(case.best)
    except ResourceError as error:
        return Fail(reasons.INVALID_REGISTRY, str(error))
    return None


def _blocked(case: Case, found: tuple[str, str] | None) -> Fail | None:
    if found is None or case.observed.secret is None:
        return None
    return Fail(*found, valid_until(case.request, case.observed.secret, case.now))


# Is there a reason to write it, or not to?


def forced(case: Case) -> Decision | None:
    """The caller wants the new logins in place, whatever is there. Without any it can change nothing."""
    return _replaced(case) if case.request.force and case.available.granted else None


def missing(case: Case) -> Decision | None:
    """There is nothing that could stay."""
    return _replaced(case) if case.is_missing else None


def edited(case: Case) -> Decision | None:
    """Somebody edited it, or it is for another identity, lacks a login that can be had, or has one too many."""
    available = case.best.registries if case.best else ()
    return None if case.part.is_as_desired(case.request.desired.registries, available) else _replaced(case)


def extra_changed(case: Case) -> Decision | None:
    """Its logins of other registries are not those that it should hold; what cannot be read stays as it is."""
    extra = case.request.desired.extra
    return None if extra.error or extra.digest == case.part.extra else _replaced(case)


def expired(case: Case) -> Decision | None:
    """Nobody can pull with it any more."""
    return None if case.part.is_valid(case.now) else _replaced(case)


def fresh(case: Case) -> Decision | None:
    """It need not be renewed yet: so it is not written again, whatever was granted for others."""
    return _left(case) if case.part.is_fresh(case.now, case.request.desired) else None


def newer(case: Case) -> Decision | None:
    """There are logins that last longer."""
    renew_after = known(case.part.renew_after, "it has not expired")
    return _replaced(case) if case.best and case.best.renew_after > renew_after else None


def asked_for(case: Case) -> Decision | None:
    """Somebody asked to renew it at once, and there are logins that answer this."""
    asked = case.request.desired.reconcile_request
    is_answer = case.best and case.best.reconcile_request == asked
    return _replaced(case) if is_answer and not case.part.answers(asked) else None


def set_back(case: Case) -> Decision | None:
    """Its logins seem to be from the future: the clock was set back, so nobody knows their age."""
    return _replaced(case) if case.available.granted and case.part.is_from_future(case.now) else None


def late(case: Case) -> Decision | None:
    """Where one of several regions gives no token, what is kept of it keeps the whole from ever being newer.

    So what was granted for the others is written before their old logins expire all the same, though not at each
    attempt: when two thirds are over from half of the life to its end.
    """
    begin, end = (known(time, "it has not expired") for time in (case.part.renew_after, case.part.expires_at))
    latest = begin + (end - begin) * 2 / 3
    return _replaced(case) if case.available.granted and case.now > latest else None


def good_enough(case: Case) -> Decision:
    """It wants renewing, but there is nothing better to write."""
    return _left(case)


def _left(case: Case) -> Leave:
    return Leave(case.part, _shortfall(case, case.part))


# What is it to be replaced by?


def _replaced(case: Case) -> Decision:
    return _first(REPLACEMENT, case)


def unread(case: Case) -> Decision | None:
    """What was listed will do where all is granted, and there is no Secret of ours, or one that can be replaced.

    Where none is known it is created without a look, which saves half of the calls: the API server says if one is
    there. Logins of another Secret are not enough: a copy of it that somebody made may hold the same, and to write the
    same there would be no conflict.
    """
    part, request = case.observed.part, case.request
    is_replaceable = part is None or (part.is_intact and part.is_shared == request.is_merge)
    is_all_granted = _has_all(request.desired.registries, case.available.granted)
    # Extra logins that cannot be read now are kept, so they have to be seen.
    is_complete = request.desired.extra.error is None
    is_enough = request.known is not None and is_all_granted and is_replaceable and is_complete
    return None if case.observed.is_read or is_enough else Read()


def copied(case: Case) -> Decision | None:
    """Nothing was granted, and another Secret of the resource holds what is wanted."""
    if case.best is None or case.available.source is None or case.available.granted:
        return None
    return Copy(case.best, _shortfall(case, case.best))


def written(case: Case) -> Decision | None:
    """There are logins: those granted, completed by those still valid elsewhere, or those that the Secret holds."""
    return Write(case.best, _shortfall(case, case.best)) if case.best else None


def still_valid(case: Case) -> Decision | None:
    """What cannot be renewed is left as it is: a valid Secret is never made worse."""
    secret = case.observed.secret
    until = valid_until(case.request, secret, case.now) if secret else None
    return LeaveUnrenewed(until) if until else None


def not_there(case: Case) -> Decision | None:
    """Whether that is a failure depends on the namespace."""
    return None if case.observed.secret else ProbeNamespace(_failure(case))


def nothing_to_write(case: Case) -> Decision:
    """There is no login to write, and none in the Secret."""
    return _failure(case)


# How a Secret is replaced. What was granted, or lives elsewhere, comes before what is left as it is.
REPLACEMENT: tuple[Check, ...] = (unread, copied, written, still_valid, not_there, nothing_to_write)
# Whether it is. What is wrong with the Secret comes before its age; one that is fresh is not written for being older
# than what was granted for others.
RENEWAL: tuple[Check, ...] = (
    forced,
    missing,
    edited,
    extra_changed,
    expired,
    fresh,
    newer,
    asked_for,
    set_back,
    late,
    good_enough,
)
# Whether it may be written comes first: neither force nor new logins change that.
OWN: tuple[Check, ...] = (for_another_host, shared_with_others, held_by_others, unwritable, *RENEWAL)
MERGED: tuple[Check, ...] = (controlled_by_others, unwritable, unmergeable, *RENEWAL)
