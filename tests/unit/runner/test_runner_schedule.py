"""When a resource is due: half of a token's life, growing delays, and what a restart makes of a status."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from random import Random

import pytest

from kube_ecr_runner.resources import Key, Resource
from kube_ecr_runner.results import Origin, Outcome, Problem, Result
from kube_ecr_runner.schedule import first_due, has_failed, next_due

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)
KEY = Key("K", "ns", "r")
HOUR = 3600.0
SEEDS = range(50)


def after(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


def outcome(state: str, expires_in: float | None = None, reason: str = "") -> Outcome:
    return Outcome("ns", state, reason, "", None if expires_in is None else after(expires_in))


def result(*outcomes: Outcome, life: float | None = 12 * HOUR, problem: Problem | None = None) -> Result:
    return Result(KEY, "u", 1, outcomes, token_life=None if life is None else int(life), problem=problem)


def delay(of: Result, failures: int = 0, planned: datetime | None = None, seed: int = 0) -> float:
    return (next_due(of, failures, planned, NOW, Random(seed)) - NOW).total_seconds()


@pytest.mark.parametrize("life", [12 * HOUR, 15 * 60.0, 60.0])
def test_new_token_is_renewed_between_50_and_55_percent_of_its_life(life: float) -> None:
    delays = [delay(result(outcome("created", life), life=life), seed=seed) for seed in SEEDS]
    assert min(delays) >= life / 2
    assert max(delays) <= life * 0.55 + 1
    assert len(set(delays)) > 1


def test_unchanged_secret_is_due_by_its_own_expiry() -> None:
    assert all(2 * HOUR <= delay(result(outcome("unchanged", 8 * HOUR)), seed=seed) <= 2.61 * HOUR for seed in SEEDS)


def test_first_token_to_die_decides() -> None:
    both = result(outcome("created", 12 * HOUR), outcome("unchanged", 7 * HOUR))
    assert all(HOUR <= delay(both, seed=seed) <= 1.61 * HOUR for seed in SEEDS)


def test_life_counts_as_twelve_hours_at_most() -> None:
    absurd = result(outcome("created", 10_000 * HOUR), life=10_000 * HOUR)
    assert all(6 * HOUR <= delay(absurd, seed=seed) <= 6.61 * HOUR for seed in SEEDS)


def test_token_that_dies_at_once_makes_no_busy_loop() -> None:
    assert delay(result(outcome("created", 0.1), life=0)) >= 1


def test_planned_time_stays_when_nothing_was_written() -> None:
    of = result(outcome("unchanged", 8 * HOUR))
    assert {delay(of, planned=after(2.3 * HOUR), seed=seed) for seed in SEEDS} == {2.3 * HOUR}


@pytest.mark.parametrize("planned", [-1, 1.9 * HOUR, 2.7 * HOUR], ids=["past", "too early", "too late"])
def test_planned_time_that_would_not_be_drawn_now_does_not_stay(planned: float) -> None:
    of = result(outcome("unchanged", 8 * HOUR))
    assert delay(of, planned=after(planned)) != planned


def test_planned_time_does_not_stay_when_a_secret_was_written() -> None:
    of = result(outcome("created", 12 * HOUR))
    assert len({delay(of, planned=after(6.2 * HOUR), seed=seed) for seed in SEEDS}) > 1


def test_pending_namespace_beside_others_does_not_hasten_anything() -> None:
    of = result(outcome("created", 12 * HOUR), outcome("pending", None, "NamespaceNotFound"))
    assert not has_failed(of)
    assert delay(of) >= 6 * HOUR


def test_only_pending_namespaces_are_looked_at_after_five_minutes() -> None:
    assert delay(result(outcome("pending", None, "NamespaceNotFound"))) == 300


FAILED = result(outcome("failed", None, "SecretConflict"))


@pytest.mark.parametrize(
    ("failures", "seconds"), [(1, 5), (2, 10), (3, 20), (6, 160), (7, 300), (8, 300), (10_000, 300)]
)
def test_delay_after_failures_grows_to_five_minutes(failures: int, seconds: float) -> None:
    delays = [delay(FAILED, failures, seed=seed) for seed in SEEDS]
    assert min(delays) >= seconds * 0.8
    assert max(delays) <= seconds * 1.2 + 1
    assert len(set(delays)) > 1


def test_expiry_of_the_last_valid_secret_is_told_when_it_comes() -> None:
    assert delay(result(outcome("failed", 90, "Forbidden")), failures=9) == 90


def test_partial_success_is_tried_again_like_a_failure() -> None:
    refused = Problem("AccessDeniedException", "", Origin.AWS)
    of = result(outcome("created", 12 * HOUR), outcome("unchanged", 11 * HOUR), problem=refused)
    assert has_failed(of)
    assert 4 <= delay(of, failures=1) <= 7
    assert 240 <= delay(of, failures=9) <= 361


def test_partial_success_with_tokens_that_die_at_once_is_tried_no_sooner() -> None:
    refused = Problem("AccessDeniedException", "", Origin.AWS)
    assert delay(result(outcome("updated", 2), life=2, problem=refused), failures=9) >= 240


def test_expiry_of_a_secret_that_was_not_written_is_told_beside_one_that_was() -> None:
    assert delay(result(outcome("created", 12 * HOUR), outcome("failed", 90, "Forbidden")), failures=9) == 90


def test_expiry_that_is_far_away_does_not_delay_the_next_attempt() -> None:
    assert delay(result(outcome("failed", 5 * HOUR, "Forbidden")), failures=1) <= 7


@pytest.mark.parametrize(
    ("of", "failed"),
    [
        pytest.param(result(outcome("created", 100)), False, id="written"),
        pytest.param(FAILED, True, id="a namespace failed"),
        pytest.param(result(problem=Problem("X", "", Origin.AWS)), True, id="a problem"),
        pytest.param(result(outcome("unchanged", 100), life=None), True, id="no token and no problem"),
        pytest.param(result(outcome("pending"), life=None), False, id="all pending"),
    ],
)
def test_what_counts_as_failure(of: Result, failed: bool) -> None:
    assert has_failed(of) is failed


@pytest.mark.parametrize(
    ("status", "seconds"),
    [
        pytest.param({}, 0, id="new"),
        pytest.param({"observedGeneration": 2, "nextRefreshTime": "2026-01-31T15:00:00Z"}, 3 * HOUR, id="planned"),
        pytest.param({"observedGeneration": 2, "nextRefreshTime": "2026-01-31T11:00:00Z"}, -HOUR, id="overdue"),
        pytest.param({"observedGeneration": 1, "nextRefreshTime": "2026-01-31T15:00:00Z"}, 0, id="edited since"),
        pytest.param({"observedGeneration": 2, "nextRefreshTime": "soon"}, 0, id="no time"),
        pytest.param({"observedGeneration": 2, "nextRefreshTime": "2026-01-31T15:00:00"}, 0, id="no offset"),
    ],
)
def test_after_a_restart_the_status_says_when(status: dict, seconds: float) -> None:
    assert first_due(Resource(KEY, "u", 2, status=status), NOW) == after(seconds)
