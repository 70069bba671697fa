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
# A pass, which is a run of a playbook or of the runner with --once, does not know when the next one comes, or if it
# fails. So it renews a token that is older than this part of its life: the rest outlives two intervals of a schedule,
# see docs/decisions/0020-passes-renew-early.md.
PASS_AGE = 1 / 4
# Tokens of temporary credentials live a little shorter. This much has been seen, and schedules are made for it; one
# that lives shorter ends with the session of its AWS identity.
USUAL_TOKEN_LIFE = timedelta(hours=11, minutes=36)
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


def due_at(
    expires_at: datetime, renew_after: datetime, interval: timedelta | None, *, is_pass: bool = False
) -> datetime:
    """Return when that token is to be renewed: when it is as old as the interval says, else after half of its life.

    A pass renews it after a quarter of its life, if that comes first.
    """
    issued, life = issued_at(expires_at, renew_after), 2 * half_life(expires_at, renew_after)
    due = renew_after if interval is None else issued + min(interval, life * MAX_AGE)
    return min(due, issued + life * PASS_AGE) if is_pass else due


def longest_interval(life: timedelta) -> timedelta:
    """Return how far apart passes may be so that tokens of that life outlive one pass that fails, in whole seconds.

    A token that a pass leaves has three quarters of its life to come. Two intervals have to be shorter than that; a
    tenth of it is for passes that are late or slow.
    """
    return timedelta(seconds=life.total_seconds() * (1 - PASS_AGE) * 0.9 // 2)
