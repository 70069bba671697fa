"""RFC 3339 timestamps, the form that Kubernetes and Ansible results use. Pure.

Inside the runner every time is an aware UTC datetime; text exists only at the edges.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta


def format_time(moment: datetime) -> str:
    """Return an aware datetime as UTC in whole seconds, such as 2026-01-31T12:00:00Z."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def format_micro_time(moment: datetime) -> str:
    """Return an aware datetime as Kubernetes' type MicroTime, such as 2026-01-31T12:00:00.000000Z."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def parse_time(text: object) -> datetime | None:
    """Return the aware UTC datetime that an RFC 3339 text names, or None if it is none (or has no UTC offset)."""
    if not isinstance(text, str):
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment.astimezone(UTC) if moment.tzinfo else None


def next_second(moment: datetime) -> datetime:
    """Return the moment itself if it is a whole second, else the whole second after it: never earlier."""
    whole = moment.replace(microsecond=0)
    return whole if whole == moment else whole + timedelta(seconds=1)
