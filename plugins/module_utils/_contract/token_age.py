# Copyright: kube_ecr.secrets contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How old a token is, and how old it may become.

Pure. A Secret tells when its token dies and when half of its life is over: from the two follows when it was granted.
So C(refreshInterval) need not stand in the Secret, and a change of it costs neither a write nor a call to AWS.
"""

from __future__ import annotations

import re
from datetime import datetime, timedelta

from .resources import ResourceError

# https://docs.aws.amazon.com/AmazonECR/latest/APIReference/API_GetAuthorizationToken.html
MAX_TOKEN_LIFE = timedelta(hours=12)
# What is left of the life then is for a retry: no interval is longer.
LATEST = 5 / 6
MIN_INTERVAL, MAX_INTERVAL = timedelta(minutes=1), MAX_TOKEN_LIFE
# The clocks of machines that write Secrets differ; by more than this, one of them was wrong.
CLOCK_TOLERANCE = timedelta(minutes=5)

_DURATION = re.compile(r"(?:([0-9]{1,5})h)?(?:([0-9]{1,5})m)?(?:([0-9]{1,5})s)?")


def half_life(expires_at: datetime, renew_after: datetime) -> timedelta:
    """Return half of the life of a token that dies at expires_at, and has lived half of it at renew_after."""
    return min(max(expires_at - renew_after, timedelta(0)), MAX_TOKEN_LIFE / 2)


def issued_at(expires_at: datetime, renew_after: datetime) -> datetime:
    """Return when that token was granted."""
    try:
        return renew_after - half_life(expires_at, renew_after)
    except OverflowError:  # somebody wrote a time at the beginning of the calendar
        return renew_after


def due_at(expires_at: datetime, renew_after: datetime, interval: timedelta | None) -> datetime:
    """Return when that token is to be renewed: when it is as old as the interval says, else after half of its life."""
    if interval is None:
        return renew_after
    age = min(interval, 2 * half_life(expires_at, renew_after) * LATEST)
    return issued_at(expires_at, renew_after) + age


def check_interval(text: object, path: str) -> timedelta:
    """Return the interval that a text such as C(90m) or C(1h30m) names; raise ResourceError with path and the remedy.

    The form is that of Go's time.ParseDuration, with whole hours, minutes and seconds.
    """
    found = _DURATION.fullmatch(text) if isinstance(text, str) else None
    hours, minutes, seconds = (int(each or 0) for each in found.groups()) if found else (0, 0, 0)
    interval = timedelta(hours=hours, minutes=minutes, seconds=seconds)
    if not MIN_INTERVAL <= interval <= MAX_INTERVAL:
        raise ResourceError(path, f"{text!r} is not a duration such as 6h, 90m or 1h30m, from 1m to 12h")
    return interval
