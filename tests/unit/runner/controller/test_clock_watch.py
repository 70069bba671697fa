"""When a clock counts as set back."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from kube_ecr_runner.controller.clock_watch import ClockWatch

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("minutes", "back"), [(0, 0), (10, 0), (-4.9, 0), (-5, 5), (-60, 60)], ids=lambda value: f"{value:g}"
)
def test_clock_was_set_back_if_it_is_five_minutes_before_the_last_time(minutes: float, back: float) -> None:
    watch = ClockWatch(NOW)
    assert watch.set_back_by(NOW + timedelta(minutes=minutes)) == timedelta(minutes=back)


def test_clock_that_was_set_back_once_is_compared_with_its_new_time() -> None:
    watch = ClockWatch(NOW)
    assert watch.set_back_by(NOW - timedelta(hours=1))
    assert not watch.set_back_by(NOW - timedelta(hours=1))
    assert not watch.set_back_by(NOW)
    assert watch.set_back_by(NOW - timedelta(hours=1))
