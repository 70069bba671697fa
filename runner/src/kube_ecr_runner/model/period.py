"""The longest time between two checks of a resource, as watches.yaml and an annotation name it. Pure."""

from __future__ import annotations

from datetime import timedelta

from kube_ecr_runner.contract.durations import parse_duration

MIN_PERIOD = timedelta(seconds=10)
MAX_PERIOD = timedelta(days=365)
# An annotation may hold any text.
_MAX_SHOWN = 60


def parse_period(text: object) -> timedelta:
    """Return the length of time in a text in the form of Go, zero for no limit. Raises ValueError with the remedy.

    https://pkg.go.dev/time#ParseDuration
    """
    period, shown = parse_duration(text), repr(text)[:_MAX_SHOWN]
    if period is None:
        raise ValueError(f"{shown} is no length of time such as 1h30m, 90s, or 0s for none")
    if timedelta(0) < period < MIN_PERIOD or period > MAX_PERIOD:
        least, most = MIN_PERIOD.seconds, MAX_PERIOD.days * 24
        raise ValueError(f"{shown} must be 0s, or at least {least}s and at most {most}h")
    return period
