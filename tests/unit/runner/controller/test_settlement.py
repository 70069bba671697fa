"""What a result means for its resource: due time, status, events and log line, without any loop around it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from random import Random

import pytest

from kube_ecr_runner.contract.kinds import CLUSTER_KIND
from kube_ecr_runner.contract.result import NamespaceResult, ObjectResult
from kube_ecr_runner.contract.targets import Targets
from kube_ecr_runner.controller import schedule
from kube_ecr_runner.controller.settlement import History, Settlement, settle
from kube_ecr_runner.model.conditions import condition_of
from kube_ecr_runner.model.resource import Key, Namespace, Resource
from kube_ecr_runner.model.result import Origin, Problem, Result

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
NO_HISTORY = History()
KEY = Key(CLUSTER_KIND, "", "shared")
NAMESPACES = {name: Namespace(name, name, NOW - HOUR) for name in ("ns1", "ns2", "other")}
RESOURCE = Resource(KEY, "u", 3, "ecr-login", Targets.only("ns1", "ns2"))
WRITTEN = Result(
    KEY,
    "u",
    3,
    tuple(NamespaceResult(name, "created", expires_at=NOW + 12 * HOUR) for name in ("ns1", "ns2")),
    ("host",),
    renew_after=NOW + 6 * HOUR,
)
REFUSED = Result(KEY, "u", 3, problem=Problem("AccessDenied", "no", Origin.AWS))
CLEANED_UP = Result(KEY, "u", 3, removed=(ObjectResult("ns1", "ecr-login", "deleted"),), is_cleanup=True)


def settled(
    result: Result, resource: Resource = RESOURCE, history: History = NO_HISTORY, period: timedelta = timedelta(0)
) -> Settlement:
    return settle(resource, result, history, now=NOW, random=Random(1), period=period, namespaces=NAMESPACES)


def after(first: Result) -> Resource:
    """Return the resource as it is after a first result."""
    status = settled(first).status
    assert status is not None
    return replace(RESOURCE, status=status)


def test_success_gives_status_event_line_and_the_time_of_the_next_refresh() -> None:
    found = settled(WRITTEN)
    assert NOW + 6 * HOUR <= found.due <= NOW + 6.6 * HOUR
    assert found.status is not None
    assert found.status["nextRefreshTime"] == f"{found.due:%Y-%m-%dT%H:%M:%SZ}"
    assert condition_of(found.status, "Ready")["status"] == "True"
    assert [event.reason for event in found.events] == ["SecretCreationSuccess"]
    assert found.log is not None
    assert (found.log.message, found.failures, found.cause, found.is_outdated) == ("ready", 0, "", False)


@pytest.mark.parametrize(
    ("result", "before", "failures"),
    [(WRITTEN, 4, 0), (REFUSED, 0, 1), (REFUSED, 4, 5)],
    ids=["success", "first failure", "another failure"],
)
def test_failures_in_a_row_are_counted_until_one_succeeds(result: Result, before: int, failures: int) -> None:
    assert settled(result, history=History(before)).failures == failures


@pytest.mark.parametrize(("failures", "least", "most"), [(0, 4, 6), (1, 8, 12), (20, 240, 360)])
def test_delay_after_a_failure_grows_with_those_before(failures: int, least: float, most: float) -> None:
    delay = (settled(REFUSED, history=History(failures)).due - NOW).total_seconds()
    assert least <= delay <= most + 1


def test_failed_refresh_is_tried_again_before_the_token_of_the_status_expires() -> None:
    expiring = History(20, expires_at=NOW + timedelta(minutes=2))
    assert settled(REFUSED, history=expiring).due == NOW + timedelta(seconds=30)


def test_failure_tells_its_cause() -> None:
    found = settled(REFUSED)
    assert (found.cause, [event.reason for event in found.events]) == ("AccessDenied: no", ["GetAWSAuthTokenFailed"])
    assert found.log is not None
    assert (found.log.message, found.log.fields["cause"]) == ("refresh failed", "no")


def test_period_is_the_longest_time_between_two_reconciliations() -> None:
    assert NOW + 0.9 * HOUR <= settled(WRITTEN, period=HOUR).due <= NOW + HOUR
    assert settled(WRITTEN, period=7 * HOUR).due == settled(WRITTEN).due


def test_time_that_the_status_names_is_kept_while_it_is_as_good_as_another() -> None:
    unchanged = replace(WRITTEN, namespaces=tuple(replace(each, state="unchanged") for each in WRITTEN.namespaces))
    planned = NOW + 6 * HOUR + timedelta(seconds=1)
    resource = replace(RESOURCE, status={"nextRefreshTime": planned.isoformat()})
    assert settled(unchanged, resource).due == planned


def test_result_that_says_nothing_new_gives_the_same_status_and_no_line() -> None:
    unchanged = replace(WRITTEN, namespaces=tuple(replace(each, state="unchanged") for each in WRITTEN.namespaces))
    found = settled(unchanged, after(WRITTEN))
    assert (found.status, found.events, found.log) == (after(WRITTEN).status, (), None)


@pytest.mark.parametrize(
    ("result", "total"), [(REFUSED, 2), (replace(WRITTEN, namespaces=WRITTEN.namespaces[:1]), 1)], ids=["none", "some"]
)
def test_targets_are_those_of_the_result_or_those_that_the_runner_knows(result: Result, total: int) -> None:
    """Where nobody could look at the targets, the status that was there says how they are."""
    found = settled(result, after(WRITTEN))
    assert found.status is not None
    assert found.status["namespacesTotal"] == total
    assert condition_of(found.status, "Ready")["status"] == "True"


def test_finished_cleanup_has_no_status_and_no_event() -> None:
    found = settled(CLEANED_UP, after(WRITTEN))
    assert (found.status, found.events, found.cause, found.failures) == (None, (), "", 0)
    assert found.log is not None
    assert (found.log.message, found.due) == ("cleanup finished", NOW + schedule.ODD_DELAY)


def test_cleanup_that_failed_is_told_like_any_failure() -> None:
    failed = replace(CLEANED_UP, removed=(ObjectResult("ns1", "ecr-login", "failed", "Forbidden", "may not delete"),))
    found = settled(failed, after(WRITTEN))
    assert found.status is not None
    assert condition_of(found.status, "Ready")["reason"] == "Deleting"
    assert ([event.reason for event in found.events], found.failures) == (["DeleteSecretError"], 1)


@pytest.mark.parametrize("generation", [4, 5])
def test_result_of_an_older_generation_tells_nothing_and_is_due_at_once(generation: int) -> None:
    found = settled(WRITTEN, replace(RESOURCE, generation=generation), History(2))
    assert found == Settlement(NOW, failures=2, is_outdated=True)


@pytest.mark.parametrize("suspended", [False, True])
def test_failure_of_an_older_generation_has_its_cause_and_counts_as_none(suspended: bool) -> None:
    found = settled(REFUSED, replace(RESOURCE, generation=4, suspended=suspended), History(2))
    assert replace(found, status=None) == Settlement(NOW, failures=2, cause="AccessDenied: no", is_outdated=True)
    assert (found.status or {}).get("namespacesTotal") == (2 if suspended else None)


def test_result_of_a_newer_generation_counts() -> None:
    found = settled(WRITTEN, replace(RESOURCE, generation=2))
    assert not found.is_outdated
    assert found.status is not None
    assert found.status["observedGeneration"] == 3


def test_token_that_came_while_its_resource_was_suspended_is_not_forgotten() -> None:
    """It is the base of the status of a suspended resource, which speaks for itself: no event, no line."""
    found = settled(WRITTEN, replace(RESOURCE, generation=4, suspended=True))
    assert found.status is not None
    assert (found.status["expiresAt"], found.status["nextRefreshTime"]) == (
        "2026-02-01T00:00:00Z",
        "2026-01-31T12:00:00Z",
    )
    assert (found.due, found.events, found.log, found.is_outdated) == (NOW, (), None, True)
