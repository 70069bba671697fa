"""How old a token may become."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from ansible_collections.kube_ecr.secrets.plugins.module_utils._contract.token_life import (
    due_at,
    issued_at,
    longest_interval,
)

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)
HOURS = timedelta(hours=1)


@pytest.mark.parametrize(
    ("life", "interval", "age"),
    [
        pytest.param(12, None, 6, id="half of the life"),
        pytest.param(12, 1, 1, id="sooner"),
        pytest.param(12, 9, 9, id="later"),
        pytest.param(12, 12, 10, id="five sixths at most"),
        pytest.param(0.25, 6, 0.25 * 5 / 6, id="of a short life too"),
        pytest.param(10_000, 12, 10, id="whatever AWS says"),
    ],
)
def test_a_token_is_renewed_when_it_is_as_old_as_the_interval_says(
    life: float, interval: float | None, age: float
) -> None:
    expires_at, renew_after = NOW + life * HOURS, NOW + min(life, 12) / 2 * HOURS
    assert issued_at(expires_at, renew_after) == NOW
    assert due_at(expires_at, renew_after, interval and interval * HOURS) == NOW + age * HOURS


@pytest.mark.parametrize(
    ("life", "interval", "age"),
    [
        pytest.param(12, None, 3, id="a quarter of the life"),
        pytest.param(12, 1, 1, id="sooner"),
        pytest.param(12, 12, 3, id="no later, whatever the interval says"),
        pytest.param(1 / 15, None, 1 / 60, id="of a short life too"),
        pytest.param(10_000, None, 3, id="whatever AWS says"),
    ],
)
def test_a_pass_renews_early(life: float, interval: float | None, age: float) -> None:
    expires_at, renew_after = NOW + life * HOURS, NOW + min(life, 12) / 2 * HOURS
    assert due_at(expires_at, renew_after, interval and interval * HOURS, is_pass=True) == NOW + age * HOURS


def test_passes_that_far_apart_leave_time_for_one_that_fails() -> None:
    for life in (timedelta(minutes=15), 12 * HOURS):
        left = life - life / 4 - 2 * longest_interval(life)
        assert timedelta(0) < left < life / 10
        assert longest_interval(life).microseconds == 0


@pytest.mark.parametrize("at", [datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)], ids=["min", "max"])
def test_times_at_the_ends_of_the_calendar_raise_nothing(at: datetime) -> None:
    for expires_at, renew_after in ((at, NOW), (NOW, at), (at, at)):
        issued_at(expires_at, renew_after)
        due_at(expires_at, renew_after, 12 * HOURS)
