"""Durations in the form of Go, and those that spec.refreshInterval may be."""

from __future__ import annotations

from datetime import timedelta

import pytest

from ansible_collections.kube_ecr.secrets.plugins.module_utils._contract.durations import check_interval, parse_duration
from ansible_collections.kube_ecr.secrets.plugins.module_utils._contract.errors import ResourceError


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("0", 0), ("0s", 0), ("1h30m", 5400), ("1m0.5s", 60.5), (".5h", 1800), ("1.s", 1), ("90m", 5400), ("5ms", 0.005)],
)
def test_duration(text: str, seconds: float) -> None:
    assert parse_duration(text) == timedelta(seconds=seconds)


@pytest.mark.parametrize("text", ["", "1", "1d", "-1h", "1h ", "h", ".h", 5, None])
def test_text_that_is_no_duration(text: object) -> None:
    assert parse_duration(text) is None


def test_duration_that_no_calendar_holds_is_the_longest() -> None:
    assert parse_duration("9" * 30 + "h") == timedelta.max


@pytest.mark.parametrize(
    ("text", "seconds"), [("1m", 60), ("60s", 60), ("90m", 5400), ("1h30m", 5400), ("0h5m", 300), ("12h", 43200)]
)
def test_interval(text: str, seconds: int) -> None:
    assert check_interval(text, "spec.refreshInterval") == timedelta(seconds=seconds)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "6",
        "6 h",
        "6H",
        "-6h",
        "1.5h",
        "30m1h",
        "1d",
        "59s",
        "12h1s",
        "100000ms",
        "1h30",
        "99999h",
        "100000h",
        "6h\n",
        "{{ 6 }}h",
        6,
        True,
    ],
    ids=repr,
)
def test_interval_that_the_definitions_refuse_is_refused_by_name(text: object) -> None:
    with pytest.raises(ResourceError, match=r"^spec.refreshInterval: .* is not a duration such as 6h, 90m or 1h30m"):
        check_interval(text, "spec.refreshInterval")
