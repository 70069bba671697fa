"""RFC 3339 in and out."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone

import pytest

from ansible_collections.kube_ecr.secrets.plugins.module_utils._contract.timestamps import (
    format_micro_time,
    format_time,
    parse_rfc3339,
)


@pytest.fixture
def elsewhere(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A machine whose local time is not UTC."""
    with monkeypatch.context() as patch:
        patch.setenv("TZ", "IST-5:30")
        time.tzset()
        yield
    time.tzset()


@pytest.mark.parametrize("text", ["2026-01-31T12:00:00Z", "2026-01-31T12:00:00z", "2026-01-31T14:30:00+02:30"])
def test_one_moment_in_every_spelling(text: str) -> None:
    assert parse_rfc3339(text) == datetime(2026, 1, 31, 12, tzinfo=UTC)


@pytest.mark.usefixtures("elsewhere")
def test_written_in_utc_whatever_the_time_zones_are() -> None:
    moment = datetime(2026, 1, 31, 14, 30, 0, 999999, tzinfo=timezone(timedelta(hours=2, minutes=30)))
    assert format_time(moment) == "2026-01-31T12:00:00Z"
    assert format_micro_time(moment) == "2026-01-31T12:00:00.999999Z"
    assert parse_rfc3339("2026-01-31T14:30:00+02:30").tzinfo == UTC


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "Invalid isoformat string"),
        ("soon", "Invalid isoformat string"),
        ("2026-01-31", "has no UTC offset"),
        ("2026-01-31T12:00:00", "has no UTC offset"),
        ("0001-01-01T00:00:00+05:00", "is outside the years 1 to 9999 in UTC"),
    ],
)
def test_what_names_no_moment_is_refused(text: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        parse_rfc3339(text)
