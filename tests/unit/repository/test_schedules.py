"""A month of passes on a fake clock, by every schedule that the documents and the chart give or accept.

Nothing is started: the product says whether a Secret of ours is fresh, and a pass replaces it if it is not. Every pass
is late and slow by some part of what a CronJob allows, or by all of it, and some fail.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta, tzinfo
from functools import cache
from pathlib import Path
from random import Random
from zoneinfo import ZoneInfo

import pytest
import yaml

from ansible_collections.kube_ecr.secrets.plugins.module_utils._contract.token_life import (
    MAX_TOKEN_LIFE,
    USUAL_TOKEN_LIFE,
    longest_interval,
)
from ansible_collections.kube_ecr.secrets.plugins.module_utils._secret.desired import DesiredSecret
from ansible_collections.kube_ecr.secrets.plugins.module_utils._secret.observed import ObservedSecret
from tests.conftest import ROOT
from tests.support.cluster.stored_secrets import DESIRED, own_secret
from tests.support.cron import ACCEPTED, REFUSED, schedules_in, times_of

PAGES = sorted(
    [
        *ROOT.glob("*.md"),
        # Decisions tell of what did not work, too.
        *(ROOT / "docs").glob("*.md"),
        *(page for folder in ("roles", "runner") for page in (ROOT / folder).rglob("*.md")),
        *(ROOT / "roles").rglob("argument_specs.yml"),
        *(ROOT / "plugins").rglob("*.py"),
    ]
)
CRON_JOB = yaml.safe_load((ROOT / "roles/runner/files/chart/values.yaml").read_text(encoding="utf-8"))["cronJob"]
LATE = timedelta(seconds=CRON_JOB["startingDeadlineSeconds"])
SLOW = timedelta(seconds=CRON_JOB["activeDeadlineSeconds"])
DAYS = 31
START = datetime(2026, 10, 10, tzinfo=UTC)  # in the month in which summer time ends
BERLIN = ZoneInfo("Europe/Berlin")
PASS = replace(DESIRED, is_pass=True)
WRITTEN = ObservedSecret.of(own_secret()["metadata"], DESIRED)

# How late a pass begins, and how long after its beginning the token is granted and written.
Delays = Callable[[], tuple[timedelta, timedelta]]
_random = Random(73)
DELAYS: dict[str, Delays] = {
    "in time": lambda: (timedelta(0), timedelta(seconds=1)),
    "some seconds": lambda: (_random.random() * timedelta(seconds=20), _random.random() * timedelta(seconds=20)),
    "anything": lambda: (_random.random() * LATE, _random.random() * SLOW),
    "the worst": lambda: (_random.choice((timedelta(0), LATE)), _random.choice((timedelta(0), SLOW))),
}


def found_schedules(page: Path) -> set[str]:
    return schedules_in(page.read_text(encoding="utf-8"))


IN_DOCUMENTS = sorted(set[str]().union(*map(found_schedules, PAGES)) | {CRON_JOB["schedule"]})


@cache
def passes_of(schedule: str, zone: tzinfo = UTC) -> list[datetime]:
    """Return when the passes of the month are planned."""
    return list(times_of(schedule, START, DAYS, zone))


def unserved(passes: Iterable[datetime], life: timedelta, delays: Delays, desired: DesiredSecret = PASS) -> timedelta:
    """Return for how long no valid token was in the Secret, from the first pass on."""
    secret, dead = None, timedelta(0)
    for planned in passes:
        late, slow = delays()
        begun = planned + late
        if secret and secret.is_fresh(begun, desired):
            continue
        if secret and secret.expires_at:
            dead += max(begun + slow - secret.expires_at, timedelta(0))
        secret = replace(WRITTEN, expires_at=begun + life, renew_after=begun + life / 2)
    assert secret
    return dead


def worst(schedule: str, life: timedelta, delays: Delays, zone: tzinfo = UTC) -> timedelta:
    """Return how long a Secret is without a valid token in a month: each pass is once one that fails, with others not.

    Between two that fail come three that do not.
    """
    passes = passes_of(schedule, zone)
    failing = [set(range(begin, len(passes), 4)) for begin in range(1, 5)]
    months = [[each for number, each in enumerate(passes) if number not in lost] for lost in (set(), *failing)]
    return max(unserved(month, life, delays) for month in months)


def test_the_documents_name_schedules() -> None:
    pages = {page.relative_to(ROOT).as_posix() for page in PAGES if found_schedules(page)}
    assert {"docs/watches.md", "README.md", "roles/pull_secret/README.md"} <= pages
    assert CRON_JOB["schedule"] in IN_DOCUMENTS


@pytest.mark.parametrize("zone", [UTC, BERLIN], ids=["utc", "berlin"])
@pytest.mark.parametrize("schedule", IN_DOCUMENTS)
def test_no_second_of_a_month_is_without_a_token_by_a_schedule_of_the_documents(schedule: str, zone: tzinfo) -> None:
    for name, delays in DELAYS.items():
        assert not worst(schedule, USUAL_TOKEN_LIFE, delays, zone), name


@pytest.mark.parametrize("schedule", [schedule for schedule in ACCEPTED if schedule != "* * * * *"])
def test_no_second_is_without_a_token_by_a_schedule_that_the_chart_takes(schedule: str) -> None:
    assert not worst(schedule, USUAL_TOKEN_LIFE, DELAYS["anything"])
    assert not worst(schedule, USUAL_TOKEN_LIFE, DELAYS["the worst"])


@pytest.mark.parametrize("schedule", REFUSED)
def test_what_the_chart_refuses_would_leave_pods_without_a_token(schedule: str) -> None:
    assert worst(schedule, USUAL_TOKEN_LIFE, DELAYS["the worst"])


def test_passes_as_far_apart_as_a_short_token_allows_are_enough() -> None:
    life = timedelta(minutes=15)
    interval = longest_interval(life)
    passes = [START + number * interval for number in range(1000)]
    once_missed = [each for number, each in enumerate(passes) if number % 4]
    late = lambda: (_random.random() * life / 40, _random.random() * life / 40)  # noqa: E731
    assert not unserved(once_missed, life, late)


def test_half_of_the_life_is_too_late_for_a_pass() -> None:
    """What a run does that knows when the next one comes, and how the usual schedules failed with it."""
    every_three = [each for number, each in enumerate(passes_of("0 */3 * * *")) if number % 4]
    for passes in (passes_of("0 */6 * * *"), every_three):
        assert unserved(passes, MAX_TOKEN_LIFE, DELAYS["some seconds"], DESIRED)
