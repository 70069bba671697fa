"""Schedules of passes, as cron and Kubernetes read them: https://man7.org/linux/man-pages/man5/crontab.5.html."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, tzinfo

# What the chart takes, and what it refuses, since a token would be dead for a while after a pass that fails.
ACCEPTED = [
    "17 */3 * * *",
    "0 */4 * * *",
    "0 */5 * * *",
    "@hourly",
    "* * * * *",
    "*/15 * * * *",
    "0 0/3 * * *",
    "5,35 1-23/2 * ? *",
    "0,10 */5 * * *",
    "0 0,4,9,14,19 * * */1",
]
REFUSED = [
    "0 */6 * * *",
    "17 0,6,12,18 * * *",
    "0 0 * * *",
    "30 2,14 * * *",
    # The pass at 15 leaves what the one at 14 renewed.
    "0 0,1,7,8,14,15 * * *",
]
_EVERY = re.compile(r"\b[Ee]very (\d+) hours\b")
_CRON = re.compile(r"(?<![\w*/,-])(?:[\d*/,-]+ ){2}[*] [*] [*](?![\w*/-])")


def schedules_in(text: str) -> set[str]:
    """Return the schedules that a text tells its readers to use, in cron's form."""
    return set(_CRON.findall(text)) | {f"0 */{hours} * * *" for hours in _EVERY.findall(text)}


def times_of(schedule: str, start: datetime, days: int, zone: tzinfo = UTC) -> Iterator[datetime]:
    """Give the times of a schedule whose days are not limited."""
    minutes, hours, *rest = ("0 * * * *" if schedule == "@hourly" else schedule).split()
    assert set(rest) <= {"*", "?", "*/1"}
    sets = _numbers(minutes, 59), _numbers(hours, 23)
    for minute in range(days * 24 * 60):
        moment = start + timedelta(minutes=minute)
        local = moment.astimezone(zone)
        if local.minute in sets[0] and local.hour in sets[1]:
            yield moment


def _numbers(field: str, last: int) -> set[int]:
    found: set[int] = set()
    for part in field.split(","):
        span, _, step = part.partition("/")
        begin, _, end = span.partition("-")
        if begin in ("*", "?"):
            begin, end = "0", str(last)
        found |= set(range(int(begin), int(end or (last if step else begin)) + 1, int(step or 1)))
    return found
