"""When a resource is looked at next. Pure.

A token is renewed a little after half of its life is over: never before, since ecr_pull_secret leaves a Secret alone
that has more than half of a new token's life left, and never later than 55 % of the life, so that what is left
outlives a long outage. The spread between keeps many resources from coming due together.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from random import Random

from kube_ecr_runner.resources import Resource
from kube_ecr_runner.results import WRITTEN, Result
from kube_ecr_runner.times import next_second, parse_time

# https://docs.aws.amazon.com/AmazonECR/latest/APIReference/API_GetAuthorizationToken.html
MAX_TOKEN_LIFE = timedelta(hours=12)
SPREAD = 0.05
BACKOFF_FIRST = 5.0
BACKOFF_LAST = 300.0
BACKOFF_JITTER = 0.2
PENDING_DELAY = timedelta(seconds=300)
# What AWS answers may be absurd (a token that dies at once): even then there is no busy loop.
MIN_DELAY = timedelta(seconds=1)


def first_due(resource: Resource, now: datetime) -> datetime:
    """Return when a resource that this process has not served yet is due, going by its status."""
    planned = parse_time(resource.status.get("nextRefreshTime"))
    is_current = resource.status.get("observedGeneration") == resource.generation
    return planned if planned and is_current else now


def has_failed(result: Result) -> bool:
    """Return whether a result calls for another attempt soon; one that speaks of no token and of no problem does."""
    return not result.succeeded or (result.token_life is None and not _all_pending(result))


def next_due(result: Result, failures: int, planned: datetime | None, now: datetime, random: Random) -> datetime:
    """Return when a resource is due after a result, in whole seconds.

    failures counts the failures in a row, this result included; planned is the time that its status names, which
    stays while it is as good as any that would be drawn now.
    """
    if has_failed(result):
        return next_second(now + max(MIN_DELAY, _retry_delay(result, failures, now, random)))
    expires_at = result.expires_at
    if expires_at is None or result.token_life is None:
        return next_second(now + PENDING_DELAY)
    life = min(timedelta(seconds=result.token_life), MAX_TOKEN_LIFE)
    earliest = min(expires_at, now + MAX_TOKEN_LIFE) - life / 2
    latest = earliest + life * SPREAD
    if planned and not result.changed and now < planned and earliest <= planned <= next_second(latest):
        return planned
    return next_second(max(earliest + (latest - earliest) * random.random(), now + MIN_DELAY))


def _retry_delay(result: Result, failures: int, now: datetime, random: Random) -> timedelta:
    """Grow from 5 s to 5 min; a token that dies before that is told when it dies.

    But for one that was written just now: where one registry fails for good and the tokens of another die at once,
    each attempt would hasten the next.
    """
    seconds = min(BACKOFF_FIRST * 2 ** min(failures - 1, 16), BACKOFF_LAST)
    delay = timedelta(seconds=seconds * random.uniform(1 - BACKOFF_JITTER, 1 + BACKOFF_JITTER))
    standing = (each.expires_at for each in result.outcomes if each.state not in WRITTEN)
    return min([delay, *(expiry - now for expiry in standing if expiry and expiry > now)])


def _all_pending(result: Result) -> bool:
    return bool(result.outcomes) and len(result.of_state("pending")) == len(result.outcomes)
