"""When a resource is due: by the age of its token, growing delays, and what a restart makes of a status."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from random import Random

import pytest

from kube_ecr_runner.contract.result import NamespaceResult, ObjectResult
from kube_ecr_runner.controller.schedule import first_due, has_failed, next_due, restart_spread, within
from kube_ecr_runner.model.resource import Key, Resource
from kube_ecr_runner.model.result import Origin, Problem, Result

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)
KEY = Key("K", "ns", "r")
HOUR = 3600.0
SEEDS = range(50)


def after(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


def outcome(state: str, expires_in: float | None = None, reason: str = "") -> NamespaceResult:
    return NamespaceResult("ns", state, reason, "", None if expires_in is None else after(expires_in))


def result(*outcomes: NamespaceResult, life: float | None = 12 * HOUR, problem: Problem | None = None) -> Result:
    """Return a result whose tokens had that life when they were granted."""
    expiries = [each.expires_at for each in outcomes if each.expires_at]
    renew_after = min(expiries) - timedelta(seconds=life / 2) if expiries and life is not None else None
    return Result(KEY, "u", 1, outcomes, renew_after=renew_after, problem=problem)


def delay(of: Result, failures: int = 0, planned: datetime | None = None, seed: int = 0) -> float:
    return (next_due(of, failures, planned, NOW, Random(seed)) - NOW).total_seconds()


@pytest.mark.parametrize("life", [12 * HOUR, 15 * 60.0, 60.0])
def test_new_token_is_renewed_between_50_and_55_percent_of_its_life(life: float) -> None:
    delays = [delay(result(outcome("created", life), life=life), seed=seed) for seed in SEEDS]
    assert min(delays) >= life / 2
    assert max(delays) <= life * 0.55 + 1
    assert len(set(delays)) > 1


def aged(age: float, life: float, state: str = "created") -> Result:
    """Return a result whose token was granted now, and is to be renewed when it is that old."""
    return replace(result(outcome(state, life), life=None), renew_after=after(age), issued_at=NOW)


@pytest.mark.parametrize(
    ("age", "life", "spread"),
    [
        pytest.param(6 * HOUR, 12 * HOUR, 36 * 60.0, id="half"),
        pytest.param(60.0, 12 * HOUR, 6.0, id="the shortest interval"),
        pytest.param(HOUR, 12 * HOUR, 360.0, id="sooner"),
        pytest.param(10 * HOUR, 12 * HOUR, 36 * 60.0, id="the longest interval"),
        pytest.param(750.0, 900.0, 45.0, id="of a short life"),
    ],
)
def test_interval_says_when_and_many_do_not_come_due_together(age: float, life: float, spread: float) -> None:
    delays = [delay(aged(age, life), seed=seed) - age for seed in range(1000)]
    assert min(delays) >= 0
    assert max(delays) <= spread + 1
    slot = max(spread / 20, 1)
    assert max(Counter(each // slot for each in delays).values()) <= 2.2 * 1000 * slot / spread
    kept = aged(age, life, "unchanged")
    assert delay(kept, planned=after(age + 1)) == age + 1


@pytest.mark.parametrize(
    ("issued_at", "renew_after", "expires_in"),
    [
        pytest.param(HOUR, 7 * HOUR, 13 * HOUR, id="granted in time to come"),
        pytest.param(0, 7 * HOUR, HOUR, id="renewed when it is dead"),
        pytest.param(0, -HOUR, -2 * HOUR, id="dead"),
        pytest.param(0, 0, 0, id="no life at all"),
        pytest.param(0, 10_000 * HOUR, 20_000 * HOUR, id="a life of years"),
        pytest.param(-10_000 * HOUR, HOUR, 2 * HOUR, id="granted years ago"),
        pytest.param(2 * HOUR, HOUR, 3 * HOUR, id="renewed before it was granted"),
    ],
)
@pytest.mark.parametrize("state", ["created", "unchanged"])
def test_absurd_times_make_neither_a_busy_loop_nor_a_wait_for_ever(
    issued_at: float, renew_after: float, expires_in: float, state: str
) -> None:
    of = replace(aged(renew_after, expires_in, state), issued_at=after(issued_at))
    delays = [delay(of, seed=seed) for seed in SEEDS]
    assert min(delays) >= (1 if state == "created" else 60)
    assert max(delays) <= 11 * HOUR


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
    for hours in (2, 2.3, 2.6):
        assert {delay(of, planned=after(hours * HOUR), seed=seed) for seed in SEEDS} == {hours * HOUR}


def test_planned_time_that_is_now_makes_no_busy_loop() -> None:
    of = result(outcome("unchanged", 6 * HOUR))
    assert min(delay(of, planned=NOW, seed=seed) for seed in SEEDS) > 0


def test_short_life_is_no_oddity() -> None:
    assert all(100 <= delay(result(outcome("unchanged", 200), life=200), seed=seed) <= 111 for seed in SEEDS)


def test_period_has_a_spread_and_is_never_longer() -> None:
    dues = [within(after(HOUR), timedelta(seconds=1000), NOW, Random(seed)) for seed in SEEDS]
    assert after(950) <= min(dues) < max(dues) <= after(1000)
    assert [within(after(HOUR), period, NOW, Random(1)) for period in (timedelta(0), timedelta(1))] == [after(HOUR)] * 2


def test_failure_within_a_second_makes_no_busy_loop() -> None:
    now = after(0.9)
    due = next_due(result(outcome("failed", 0.95)), 1, None, now, Random(1))
    assert due == after(2)


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


@pytest.mark.parametrize("outcomes", [(), (outcome("pending", None, "NamespaceNotFound"),)], ids=["none", "pending"])
def test_where_nothing_can_be_done_a_look_is_rare_and_does_not_move(outcomes: tuple[NamespaceResult, ...]) -> None:
    of = result(*outcomes)
    assert not has_failed(of)
    delays = [delay(of, seed=seed) for seed in SEEDS]
    assert min(delays) >= 6 * HOUR
    assert max(delays) <= 6.31 * HOUR
    assert len(set(delays)) > 1
    assert [delay(of, planned=after(hours * HOUR)) for hours in (2, 6.2, 6.3)] == [2 * HOUR, 6.2 * HOUR, 6.3 * HOUR]
    assert delay(of, planned=after(7 * HOUR)) < 7 * HOUR
    assert delay(of, planned=NOW) >= 6 * HOUR


FAILED = result(outcome("failed", None, "Forbidden"))
CONFLICT = result(outcome("failed", None, "SecretConflict"))


@pytest.mark.parametrize(
    ("failures", "seconds"), [(1, 5), (2, 10), (3, 20), (6, 160), (7, 300), (8, 300), (10_000, 300)]
)
def test_delay_after_failures_grows_to_five_minutes(failures: int, seconds: float) -> None:
    delays = [delay(FAILED, failures, seed=seed) for seed in SEEDS]
    assert min(delays) >= seconds * 0.8
    assert max(delays) <= seconds * 1.2 + 1
    assert len(set(delays)) > 1


def test_secret_that_is_in_the_way_is_looked_at_slowly() -> None:
    assert not has_failed(CONFLICT)
    delays = [delay(CONFLICT, seed=seed) for seed in SEEDS]
    assert min(delays) >= 600
    assert max(delays) <= 631
    assert len(set(delays)) > 1
    assert delay(CONFLICT, planned=after(60)) == 60


def test_secret_that_is_in_the_way_delays_nothing_else() -> None:
    conflict = outcome("failed", None, "SecretConflict")
    assert 100 <= delay(result(conflict, outcome("created", 200), life=200)) <= 111
    assert delay(result(outcome("failed", 90, "ImmutableSecret"))) == 90
    assert delay(result(conflict, outcome("unchanged", 12 * HOUR)), planned=after(60)) == 60
    assert delay(result(outcome("failed", 8 * HOUR, "SecretConflict"), life=None)) <= 631


def test_token_that_cannot_be_renewed_makes_no_busy_loop() -> None:
    stuck = result(outcome("failed", 5 * HOUR, "ImmutableSecret"), outcome("unchanged", 11 * HOUR))
    assert delay(stuck) >= 300
    assert delay(result(outcome("unchanged", 5 * HOUR))) >= 300


def test_what_was_undone_and_is_still_there_is_looked_at_again() -> None:
    assert delay(Result(KEY, "u", 1, is_cleanup=True)) == 300


def test_failed_service_account_is_tried_again_like_a_failed_namespace() -> None:
    of = replace(
        result(outcome("created", 12 * HOUR)), accounts=(ObjectResult("ns", "default", "failed", "Forbidden"),)
    )
    assert has_failed(of)
    assert delay(of, failures=1) <= 7


def test_expiry_of_the_last_valid_secret_is_told_when_it_comes() -> None:
    assert delay(result(outcome("failed", 4, "Forbidden")), failures=9) == 4


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
    assert delay(result(outcome("created", 12 * HOUR), outcome("failed", 4, "Forbidden")), failures=9) == 4


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
        pytest.param(result(), False, id="no targets"),
        pytest.param(CONFLICT, False, id="a Secret is in the way"),
        pytest.param(result(outcome("failed", None, "SecretConflict"), *FAILED.namespaces), True, id="not only that"),
    ],
)
def test_what_counts_as_failure(of: Result, failed: bool) -> None:
    assert has_failed(of) is failed


@pytest.mark.parametrize(
    ("status", "seconds"),
    [
        pytest.param({}, None, id="new"),
        pytest.param({"observedGeneration": 2, "nextRefreshTime": "2026-01-31T15:00:00Z"}, 3 * HOUR, id="planned"),
        pytest.param({"observedGeneration": 2, "nextRefreshTime": "2026-01-31T11:00:00Z"}, -HOUR, id="overdue"),
        pytest.param({"observedGeneration": 1, "nextRefreshTime": "2026-01-31T15:00:00Z"}, None, id="edited since"),
        pytest.param({"observedGeneration": 2, "nextRefreshTime": "soon"}, None, id="no time"),
        pytest.param({"observedGeneration": 2, "nextRefreshTime": "2026-01-31T15:00:00"}, None, id="no offset"),
    ],
)
def test_after_a_restart_the_status_says_when(status: dict, seconds: float | None) -> None:
    expected = None if seconds is None else after(seconds)
    assert first_due(Resource(KEY, "u", 2, status=status), timedelta(0), NOW, Random(0)) == expected


def left_by(status: str, planned: float = 300.0, generation: int = 1) -> Resource:
    """Return a resource as another process left it; status is that of the condition RefreshFailing."""
    condition = {"type": "RefreshFailing", "status": status, "reason": "NoCredentials"}
    plan = {"observedGeneration": 1, "nextRefreshTime": after(planned).isoformat(), "conditions": [condition]}
    return Resource(KEY, "u", generation, status=plan)


@pytest.mark.parametrize(
    ("resource", "spread", "expected"),
    [
        pytest.param(left_by("False"), 0, (300, 300), id="served"),
        pytest.param(left_by("Unknown"), 0, (300, 300), id="nobody knows"),
        pytest.param(left_by("True"), 0, (0, 0), id="failed"),
        pytest.param(left_by("True"), 60, (0, 60), id="one of many that failed"),
        pytest.param(left_by("True", 2), 60, (0, 2), id="planned sooner"),
        pytest.param(left_by("True", -60), 0, (-60, -60), id="overdue"),
    ],
)
def test_what_failed_in_another_process_does_not_wait_for_the_delay_of_that(
    resource: Resource, spread: float, expected: tuple[float, float]
) -> None:
    moments = [first_due(resource, timedelta(seconds=spread), NOW, Random(seed)) for seed in SEEDS]
    delays = [(moment - NOW).total_seconds() for moment in moments if moment]
    assert len(delays) == len(moments)
    assert expected[0] <= min(delays) <= max(delays) <= expected[1]
    if spread == 60 and expected[1] == 60:
        assert len(set(delays)) == len(delays)


def test_what_failed_and_was_edited_since_is_due_as_any_other_that_was() -> None:
    assert first_due(left_by("True", generation=2), timedelta(0), NOW, Random(0)) is None


@pytest.mark.parametrize(
    ("failing", "seconds"), [(0, 0), (1, 0), (50, 0), (51, 0.05), (250, 10), (1000, 47.5), (100_000, 60)]
)
def test_many_that_failed_are_not_tried_all_at_once(failing: int, seconds: float) -> None:
    resources = [left_by("True")] * failing + [left_by("False")] * 100
    assert restart_spread(resources).total_seconds() == seconds


@pytest.mark.parametrize(
    ("of", "dies_in", "longest"),
    [
        pytest.param(result(outcome("failed", 400)), None, 100.0, id="a token that stands"),
        pytest.param(result(outcome("failed", 400)), 80.0, 100.0, id="what the result tells counts"),
        pytest.param(result(problem=Problem("RunFailed", "", Origin.RUN)), 400.0, 100.0, id="by its status"),
        pytest.param(result(problem=Problem("RunFailed", "", Origin.RUN)), 8.0, 5.0, id="at once is too often"),
        pytest.param(result(problem=Problem("RunFailed", "", Origin.RUN)), -8.0, 360.0, id="dead"),
        pytest.param(result(outcome("failed", 0)), None, 360.0, id="dead by now"),
        pytest.param(result(outcome("failed", 6 * HOUR)), None, 360.0, id="much is left"),
    ],
)
def test_the_less_is_left_of_a_token_the_sooner_is_the_next_attempt(
    of: Result, dies_in: float | None, longest: float
) -> None:
    dies_at = None if dies_in is None else after(dies_in)
    delays = [(next_due(of, 99, None, NOW, Random(seed), dies_at) - NOW).total_seconds() for seed in SEEDS]
    assert longest * 2 / 3 <= max(delays) <= longest + 1
