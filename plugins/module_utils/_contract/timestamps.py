# Copyright: kube_ecr.secrets contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""RFC 3339 timestamps, the form that Kubernetes, results and annotations use.

Everywhere inside a time is an aware UTC datetime; text exists only at the edges.
"""

from __future__ import annotations

from datetime import datetime, timedelta, timezone


def format_time(moment: datetime) -> str:
    """Return an aware datetime as UTC in whole seconds, such as C(2026-01-31T12:00:00Z)."""
    return moment.astimezone(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def format_micro_time(moment: datetime) -> str:
    """Return an aware datetime as Kubernetes' type MicroTime, such as C(2026-01-31T12:00:00.000000Z)."""
    return moment.astimezone(timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def parse_rfc3339(text: str) -> datetime:
    """Return the aware UTC datetime that an RFC 3339 text names.

    Raises ValueError when the text is not a timestamp or names no offset: a local time would be
    read differently by every machine.
    """
    # datetime.fromisoformat takes the suffix Z only from Python 3.11 on.
    moment = datetime.fromisoformat(f"{text[:-1]}+00:00" if text.endswith(("Z", "z")) else text)
    if moment.tzinfo is None:
        raise ValueError(f"{text!r} has no UTC offset")
    try:
        return moment.astimezone(timezone.utc)
    except OverflowError:
        raise ValueError(f"{text!r} is outside the years 1 to 9999 in UTC") from None


def parse_time(text: object) -> datetime | None:
    """Return the aware UTC datetime that a value names, or None if it is no such text."""
    try:
        return parse_rfc3339(text) if isinstance(text, str) else None
    except ValueError:
        return None


def next_second(moment: datetime) -> datetime:
    """Return the moment itself if it is a whole second, else the whole second after it: never earlier."""
    whole = moment.replace(microsecond=0)
    return whole if whole == moment else whole + timedelta(seconds=1)
