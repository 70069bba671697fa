# Copyright: kube_ecr.secrets contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Durations in the form of Go's time.ParseDuration, such as 6h, 90m or 1h30m: https://pkg.go.dev/time#ParseDuration."""

from __future__ import annotations

import re
from datetime import timedelta

from .errors import ResourceError
from .token_life import MAX_TOKEN_LIFE

MIN_INTERVAL, MAX_INTERVAL = timedelta(minutes=1), MAX_TOKEN_LIFE

_PART = re.compile(r"([0-9]+(?:\.[0-9]*)?|\.[0-9]+)(ns|us|µs|ms|s|m|h)")
_DURATION = re.compile(rf"0|({_PART.pattern})+")
_SECONDS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
# What the custom resource definitions allow for refreshInterval: whole hours, minutes and seconds, in this order.
_INTERVAL = re.compile(r"([0-9]{1,5}h)?([0-9]{1,5}m)?([0-9]{1,5}s)?")


def parse_duration(text: object) -> timedelta | None:
    """Return the duration that a text names, None if it names none. A sign is not supported."""
    if not isinstance(text, str) or not _DURATION.fullmatch(text):
        return None
    try:
        return timedelta(seconds=sum(float(number) * _SECONDS[unit] for number, unit in _PART.findall(text)))
    except OverflowError:
        return timedelta.max


def check_interval(text: object, path: str) -> timedelta:
    """Return the interval that a text such as C(90m) names; raise ResourceError with path and the remedy."""
    interval = parse_duration(text) if isinstance(text, str) and _INTERVAL.fullmatch(text) else None
    if interval is None or not MIN_INTERVAL <= interval <= MAX_INTERVAL:
        raise ResourceError(path, f"{text!r} is not a duration such as 6h, 90m or 1h30m, from 1m to 12h")
    return interval
