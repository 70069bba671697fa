# Copyright: kube_ecr.secrets contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How old a token is, and how old it may become.

A Secret holds when its token expires and when half of its life is over: from the two follows when it was issued.
So C(refreshInterval) need not be in the Secret, and a change of it costs neither a write nor a call to AWS.
"""

from __future__ import annotations

from datetime import datetime, timedelta

# https://docs.aws.amazon.com/AmazonECR/latest/APIReference/API_GetAuthorizationToken.html
MAX_TOKEN_LIFE = timedelta(hours=12)
# No token is left to become older than this part of its life: the rest is for retries.
MAX_AGE = 5 / 6
# The clocks of machines that write Secrets differ; by more than this, one of them was wrong.
CLOCK_TOLERANCE = timedelta(minutes=5)


def half_life(expires_at: datetime, renew_after: datetime) -> timedelta:
    """Return half of the life of a token that expires at expires_at, and has lived half of it at renew_after."""
    return min(max(expires_at - renew_after, timedelta(0)), MAX_TOKEN_LIFE / 2)


def issued_at(expires_at: datetime, renew_after: datetime) -> datetime:
    """Return when that token was issued."""
    try:
        return renew_after - half_life(expires_at, renew_after)
    except OverflowError:  # somebody wrote a time at the beginning of the calendar
        return renew_after


def due_at(expires_at: datetime, renew_after: datetime, interval: timedelta | None) -> datetime:
    """Return when that token is to be renewed: when it is as old as the interval says, else after half of its life."""
    if interval is None:
        return renew_after
    age = min(interval, 2 * half_life(expires_at, renew_after) * MAX_AGE)
    return issued_at(expires_at, renew_after) + age
