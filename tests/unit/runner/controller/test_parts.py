"""The clock of the loop: everywhere inside a time is in UTC, and says so."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from kube_ecr_runner.controller.parts import utc_now


def test_clock_tells_the_time_with_its_zone() -> None:
    now = utc_now()
    assert now.tzinfo == UTC
    assert abs(datetime.now(UTC) - now) < timedelta(minutes=1)
