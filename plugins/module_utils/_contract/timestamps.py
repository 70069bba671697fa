# Copyright: kube_ecr.secrets contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""RFC 3339 timestamps, the form that Kubernetes and the annotation C(expiry) use.

Everything inside the collection is an aware UTC datetime; text exists only at the edges.
"""

from __future__ import annotations

from datetime import datetime, timezone


def format_rfc3339(moment: datetime) -> str:
    """Return an aware datetime as UTC in whole seconds, such as C(2026-01-31T12:00:00Z)."""
    return moment.astimezone(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def parse_rfc3339(text: str) -> datetime:
    """Return the aware UTC datetime that an RFC 3339 text names.

    Raises ValueError when the text is not a timestamp or names no offset: a local time would be
    read differently by every machine.
    """
    # datetime.fromisoformat takes the suffix Z only from Python 3.11 on.
    moment = datetime.fromisoformat(f"{text[:-1]}+00:00" if text.endswith(("Z", "z")) else text)
    if moment.tzinfo is None:
        raise ValueError(f"{text!r} has no UTC offset")
    return moment.astimezone(timezone.utc)
