"""What is carried out of a result: when its resource is due again, what is written, and what is measured."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from kube_ecr_runner.model.conditions import condition_of
from kube_ecr_runner.model.result import Result
from tests.unit.runner.controller.builders import (
    CLEANUP,
    EXPIRY,
    HOUR,
    KEY,
    LOGINS,
    NOW,
    OTHER,
    cleaned_up,
    login,
    make_namespace,
    make_resource,
    ready,
    refused,
    served,
    suspended,
)
from tests.unit.runner.controller.parts import Parts


def started(**options: object) -> Parts:
    """Return the parts while the first run works on a new resource."""
    parts = Parts(**options)
    parts.list(make_resource())
    assert parts.start() == [KEY]
    return parts


def planned(parts: Parts) -> datetime:
    """Return when the status that was written last says that the resource is due."""
    return datetime.fromisoformat(str(parts.api.statuses[-1]["nextRefreshTime"]))


def test_result_becomes_status_and_event_and_the_time_of_the_next_run() -> None:
    parts = started()
    parts.end(served())
    assert condition_of(parts.api.statuses[-1], "Ready")["status"] == "True"
    assert parts.api.reasons == ["SecretCreationSuccess"]
    assert parts.batcher.next_due() == planned(parts)
    assert not parts.batcher.is_working(KEY)
    assert parts.store[KEY].resource.status == parts.api.statuses[-1]


def test_result_that_says_nothing_new_is_not_written() -> None:
    parts = started()
    parts.end(served())
    parts.namespaces.changed(make_namespace("ns2", uid="2"), NOW, is_gone=False)
    assert parts.serve(served(state="unchanged")) == [KEY]
    assert (len(parts.api.statuses), len(parts.api.events)) == (1, 1)


def test_result_that_says_nothing_new_after_a_restart_is_not_written() -> None:
    first = started()
    first.end(served())
    again = Parts()
    again.list(make_resource(status=first.api.statuses[-1]))
    assert again.start() == []
    assert again.batcher.next_due() == first.batcher.next_due()


def test_period_limits_how_long_nobody_looks_at_a_resource() -> None:
    parts = started(period=HOUR)
    parts.end(served())
    assert NOW + 0.9 * HOUR <= planned(parts) <= NOW + HOUR


def test_failures_in_a_row_grow_the_delay() -> None:
    parts, delays = started(), []
    for _ in range(6):
        parts.end(refused())
        delays.append((planned(parts) - parts.now).total_seconds())
        parts.now = planned(parts)
        assert parts.start() == [KEY]
    assert delays == sorted(delays)
    assert delays[0] < 7 < 60 < delays[-1]
    assert parts.store[KEY].failures == 6
    parts.end(served())
    assert parts.store[KEY].failures == 0


def test_failure_is_tried_again_before_the_token_of_the_status_expires() -> None:
    parts = Parts()
    parts.list(make_resource(status={"expiresAt": (NOW + timedelta(minutes=2)).isoformat()}))
    for _ in range(8):
        parts.start()
        parts.end(Result(KEY, "u", 1, problem=refused().problem))
        parts.store.set_status(KEY, {"expiresAt": (parts.now + timedelta(minutes=2)).isoformat()})
        due = parts.batcher.next_due()
        assert due is not None
        assert due - parts.now <= timedelta(seconds=30)
        parts.now = due


@pytest.mark.parametrize(
    "result", [served(uid="v"), served(OTHER)], ids=["made again meanwhile", "gone meanwhile, or never there"]
)
def test_result_of_another_resource_is_dropped(result: Result) -> None:
    parts = started()
    parts.end(result)
    assert (parts.api.statuses, parts.batcher.is_working(KEY)) == ([], True)


def test_result_of_a_resource_that_is_not_worked_on_is_dropped() -> None:
    """It was forgotten, and seen again: the run that it is of began before that."""
    parts = started()
    parts.resources.gone(KEY)
    parts.resources.seen(make_resource(), NOW)
    parts.end(served())
    assert (parts.api.statuses, parts.start()) == ([], [KEY])


def test_result_of_an_older_generation_is_dropped_and_its_resource_due_at_once() -> None:
    parts = started()
    parts.resources.seen(make_resource(2), NOW)
    parts.end(served())
    assert (parts.api.statuses, parts.start()) == ([], [KEY])
    assert parts.store[KEY].served_generation is None


def test_edit_that_was_served_is_known() -> None:
    parts = started()
    parts.end(served(generation=2))
    assert parts.store[KEY].served_generation == 2


def test_finished_cleanup_writes_nothing_and_stays_until_the_resource_is_gone() -> None:
    parts = Parts()
    parts.list(CLEANUP)
    parts.serve(cleaned_up())
    assert (parts.api.statuses, parts.api.events, parts.store[KEY].resource.status) == ([], [], CLEANUP.status)
    assert parts.batcher.next_due() is not None


def test_cleanup_that_fails_is_told_and_tried_again_with_growing_delay() -> None:
    parts, delays = Parts(), []
    parts.list(CLEANUP)
    for _ in range(6):
        assert parts.serve(cleaned_up(state="failed")) == [KEY]
        delays.append((planned(parts) - parts.now).total_seconds())
        parts.now = planned(parts)
    assert delays == sorted(delays)
    assert delays[0] < 7 < 60 < delays[-1]
    assert parts.api.reasons == ["DeleteSecretError"]
    assert condition_of(parts.api.statuses[-1], "RefreshFailing")["reason"] == "Forbidden"
    assert condition_of(parts.api.statuses[-1], "Ready")["reason"] == "Deleting"


def test_checks_of_what_looked_wrong_are_due_soon_after_the_result() -> None:
    parts = started()
    parts.objects.listed(LOGINS, [login("ns1")], NOW)
    assert parts.rechecks.next_due() is None
    parts.end(served())
    assert parts.rechecks.next_due() == NOW + timedelta(seconds=2)


def test_result_is_measured() -> None:
    parts = started()
    parts.end(served())
    assert parts.sample("secret_expiry_timestamp_seconds", KEY) == EXPIRY.timestamp()
    parts.now = planned(parts)
    parts.start()
    parts.end(refused())
    gauges = ("secret_expiry_timestamp_seconds", "resource_ready", "resource_refresh_failing")
    assert [parts.sample(name, KEY) for name in gauges] == [None, 0, 1]


# Resources that a run had no result for


def test_resource_without_a_result_should_have_had_one_if_it_is_still_worked_on() -> None:
    parts = started()
    assert parts.results.unanswered([KEY, OTHER]) == [make_resource()]
    parts.end(served())
    assert parts.results.unanswered([KEY]) == []
    parts.resources.gone(KEY)
    assert parts.results.unanswered([KEY]) == []


def test_run_that_left_out_what_was_suspended_meanwhile_has_failed_nobody() -> None:
    parts = started()
    parts.resources.seen(suspended(), NOW)
    assert parts.results.unanswered([KEY]) == []
    assert (parts.batcher.is_working(KEY), parts.batcher.next_due(), parts.store[KEY].failures) == (False, None, 0)
    parts.resources.seen(make_resource(3), NOW)
    assert parts.start() == [KEY]


@pytest.mark.parametrize(
    ("end", "is_alone"),
    [
        pytest.param({"has_timed_out": True}, True, id="stopped at its deadline"),
        pytest.param({"has_timed_out": False}, False, id="ended otherwise"),
        pytest.param({}, False, id="with a result of its own"),
    ],
)
def test_resource_that_had_no_result_before_the_deadline_goes_into_smaller_runs(
    end: dict[str, bool], is_alone: bool
) -> None:
    keys = [replace(OTHER, name=f"r{number}") for number in range(10)]
    parts = Parts()
    parts.list(*(make_resource(key=key, status=ready() | {"nextRefreshTime": NOW.isoformat()}) for key in keys))
    assert parts.start() == keys
    for key in keys:
        result = replace(refused(key), namespaces=())
        parts.results.arrived(result, "run-1", NOW, **end)
    parts.now += timedelta(minutes=1)
    assert (len(parts.start()) == 1) is is_alone


# Suspended resources


def test_token_that_came_while_its_resource_was_suspended_counts() -> None:
    parts = started()
    parts.resources.seen(suspended(), NOW)
    parts.end(served())
    assert parts.api.statuses == []
    parts.suspended.report(NOW)
    assert condition_of(parts.api.statuses[-1], "Ready")["reason"] == "Suspended"
    assert parts.api.statuses[-1]["expiresAt"] == "2026-02-01T00:00:00Z"
    assert (parts.start(), parts.store[KEY].served_generation) == ([], None)
