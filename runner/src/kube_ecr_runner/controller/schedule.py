"""When a resource is reconciled next. Pure.

A token is renewed a little after it is as old as it may be, which is half of its life if spec.refreshInterval says
nothing else: never before, since ecr_pull_secret leaves a Secret alone until then, and later by 5 % of the life at
most, so that what is left outlives a long outage. The spread keeps many resources from coming due together.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from random import Random

from kube_ecr_runner.contract.result import PENDING, WRITTEN
from kube_ecr_runner.contract.timestamps import next_second, parse_time
from kube_ecr_runner.contract.token_life import MAX_AGE, MAX_TOKEN_LIFE
from kube_ecr_runner.model.conditions import condition_of
from kube_ecr_runner.model.resource import Resource
from kube_ecr_runner.model.result import Origin, Result

# No interval is longer, whatever a result says.
_MAX_AGE = MAX_TOKEN_LIFE * MAX_AGE
# Of the life, or of twice the age at which a token is renewed, so that a short interval stays one.
SPREAD = 0.05
BACKOFF_FIRST = 5.0
BACKOFF_LAST = 300.0
BACKOFF_JITTER = 0.2
# Of what is left of the life of a token: how long to wait at most for the next attempt to renew it.
URGENCY = 1 / 4
# Nothing to do before a namespace appears, which the watch delivers; each run writes a new nextRefreshTime.
IDLE_DELAY = timedelta(hours=6)
# A Secret that is in the way is moved by a person; the watch delivers its deletion.
BLOCKED_DELAY = timedelta(minutes=10)
# What should be gone, or renewed, by what its result says, but is not.
ODD_DELAY = timedelta(minutes=5)
# What AWS answers may be absurd (a token that expires at once): even then there is no busy loop.
MIN_DELAY = timedelta(seconds=1)
# When a process starts it tries what failed before: so many resources at once, and if there are more, as long as these
# times together.
FAILED_AT_ONCE = 50
FAILED_SPACING = timedelta(milliseconds=50)
FAILED_SPREAD = timedelta(minutes=1)


def first_due(resource: Resource, spread: timedelta, now: datetime, random: Random) -> datetime | None:
    """Return when a resource that this process has not served yet is due, going by its status.

    spread is what restart_spread() returns, zero for a resource that comes alone. Returns None if its status does not
    say: it is new, or was changed since.

    The delay after a failure is that of the process before. This one may have what that one had not: an AWS identity,
    a right, a network. Nor did it see how somebody moved a Secret out of the way, so what is blocked is tried, too.
    """
    planned = parse_time(resource.status.get("nextRefreshTime"))
    is_current = resource.status.get("observedGeneration") == resource.generation
    if planned is None or not is_current:
        return None
    return min(planned, now + spread * random.random()) if is_failing(resource) else planned


def restart_spread(resources: Iterable[Resource]) -> timedelta:
    """Return the time over which a process that starts spreads its attempts at what failed before.

    It is zero for a few. Many have failed when AWS refuses or throttles them all, and may be refused again.
    """
    failing = sum(map(is_failing, resources))
    return min(FAILED_SPACING * max(failing - FAILED_AT_ONCE, 0), FAILED_SPREAD)


def within(due: datetime, period: timedelta, now: datetime, random: Random) -> datetime:
    """Return when a resource is due that is reconciled once a period, with a spread; zero stands for no period."""
    if not period:
        return due
    return min(due, next_second(now + period * (1 - SPREAD * random.random())))


def has_failed(result: Result) -> bool:
    """Return whether a result calls for another attempt soon; one that speaks of no token and of no problem does."""
    if result.succeeded:
        return result.renew_after is None and any(secret.state != PENDING for secret in result.secrets)
    return not result.is_blocked


def waits_for_aws(result: Result) -> bool:
    """Return whether the next attempt after a result is one to get a token."""
    return has_failed(result) and result.problem is not None and result.problem.origin is Origin.AWS


def next_due(
    result: Result,
    failures: int,
    planned: datetime | None,
    now: datetime,
    random: Random,
    expires_at: datetime | None = None,
) -> datetime:
    """Return when a resource is due after a result, in whole seconds.

    failures counts the failures in a row, this result included; planned is the time that its status names, which
    stays while it is as good as any that would be drawn now; expires_at is when its first token expires, by its
    status, which counts where the result names no token.
    """
    if has_failed(result):
        retry_at = _in_time(result, expires_at, _retry_at(failures, now, random), now)
        return next_second(max(_soonest(result, retry_at, now), now + MIN_DELAY))
    due = _renewal(result, planned, now, random)
    if result.is_blocked:
        return min(due, next_second(_soonest(result, _slowly(BLOCKED_DELAY, planned, now, random), now)))
    return due


def is_failing(resource: Resource) -> bool:
    """Return whether the last attempt at a resource failed, by its status."""
    return condition_of(resource.status, "RefreshFailing").get("status") == "True"


def _renewal(result: Result, planned: datetime | None, now: datetime, random: Random) -> datetime:
    if result.is_cleanup:
        return next_second(now + ODD_DELAY)
    if result.renew_after is None or result.expires_at is None:
        return _slowly(IDLE_DELAY, planned, now, random)
    age, life = _age_and_life(result.issued_at, result.renew_after, result.expires_at)
    earliest = min(result.renew_after, now + age)
    latest = earliest + min(life, 2 * age) * SPREAD
    if planned and not result.changed and now < planned and earliest <= planned <= next_second(latest):
        return planned
    drawn = earliest + (latest - earliest) * random.random()
    return next_second(max(drawn, now + (ODD_DELAY if drawn <= now and not result.changed else MIN_DELAY)))


def _age_and_life(
    issued_at: datetime | None, renew_after: datetime, expires_at: datetime
) -> tuple[timedelta, timedelta]:
    """Return how old a token is when it is to be renewed, and how long it lives, both at most what AWS documents.

    Where it is unknown when it was granted, it is to be renewed after half of its life.
    """
    age = renew_after - issued_at if issued_at else min(expires_at - renew_after, MAX_TOKEN_LIFE / 2)
    age = min(max(age, timedelta(0)), _MAX_AGE)
    return age, min(max(expires_at - renew_after + age, timedelta(0)), MAX_TOKEN_LIFE)


def _slowly(delay: timedelta, planned: datetime | None, now: datetime, random: Random) -> datetime:
    latest = now + delay * (1 + SPREAD)
    if planned and now < planned <= latest:
        return planned
    return next_second(now + delay * (1 + SPREAD * random.random()))


def _retry_at(failures: int, now: datetime, random: Random) -> datetime:
    """Grow from 5 s to 5 min."""
    seconds = min(BACKOFF_FIRST * 2 ** min(failures - 1, 16), BACKOFF_LAST)
    return now + timedelta(seconds=seconds * random.uniform(1 - BACKOFF_JITTER, 1 + BACKOFF_JITTER))


def _in_time(result: Result, expires_at: datetime | None, due: datetime, now: datetime) -> datetime:
    """Return when to try again at the latest while a token lives: the less is left of its life, the more often.

    So a short time in which AWS answers before it expires is not missed for a long delay.
    """
    expiries = _kept_expiries(result) or ([expires_at] if expires_at else [])
    left = [expiry - now for expiry in expiries if expiry > now]
    return min([due, *(now + max(life * URGENCY, timedelta(seconds=BACKOFF_FIRST)) for life in left)])


def _soonest(result: Result, due: datetime, now: datetime) -> datetime:
    """Return the due time, or when a token expires before it: then the status has to say so.

    But for one that was written just now: where one registry fails for good and the tokens of another expire at once,
    each attempt would hasten the next.
    """
    return min([due, *(expiry for expiry in _kept_expiries(result) if expiry > now)])


def _kept_expiries(result: Result) -> list[datetime]:
    """Return when the tokens expire that were there before, and still are."""
    kept = (secret for secret in result.secrets if secret.state not in WRITTEN)
    return [secret.expires_at for secret in kept if secret.expires_at]
