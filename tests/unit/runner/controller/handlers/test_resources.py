"""Which custom resources that are new, edited or gone are due, and when."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from kube_ecr_runner.cluster.sources import resources_of
from kube_ecr_runner.contract.kinds import CLUSTER_KIND, NAMESPACED_KIND
from kube_ecr_runner.model.resource import Key, Resource
from kube_ecr_runner.model.result import Origin, Problem, Result
from kube_ecr_runner.model.sdk_annotations import SdkAnnotations
from tests.unit.runner.controller.builders import (
    CLEANUP,
    EXPIRY,
    HOUR,
    KEY,
    NOW,
    OTHER,
    SOURCES,
    cleaned_up,
    conflicting,
    make_namespace,
    make_resource,
    ready,
    refused,
    served,
    suspended,
)
from tests.unit.runner.controller.parts import Parts


def serving(*results: Result) -> Parts:
    """Return the parts after the first run, of one new resource."""
    parts = Parts()
    parts.list(make_resource())
    assert parts.serve(*results or [served()]) == [KEY]
    return parts


def failing() -> Parts:
    """Return the parts after eight failures in a row."""
    parts = serving(refused())
    for _ in range(7):
        parts.wait(timedelta(minutes=10))
        parts.serve(refused())
    assert parts.store[KEY].failures == 8
    return parts


def due(parts: Parts) -> datetime:
    """Return when the next resource is due."""
    moment = parts.batcher.next_due()
    assert moment is not None
    return moment


# What is listed first


@pytest.mark.parametrize(
    ("resource", "is_due"),
    [
        pytest.param(make_resource(), True, id="new"),
        pytest.param(make_resource(status=ready()), False, id="served before"),
        pytest.param(make_resource(2, status=ready()), True, id="edited while the runner was down"),
        pytest.param(replace(make_resource(status=ready()), reconcile_request="1"), True, id="annotated meanwhile"),
        pytest.param(make_resource(status=ready() | {"nextRefreshTime": NOW.isoformat()}), True, id="due by the clock"),
        pytest.param(make_resource(status=ready() | {"namespacesTotal": 3}), True, id="had other targets"),
        pytest.param(CLEANUP, True, id="to be cleaned up"),
    ],
)
def test_resource_that_was_listed_is_due_at_once_if_something_happened_since_its_status(
    resource: Resource, is_due: bool
) -> None:
    parts = Parts()
    parts.list(resource)
    assert parts.start() == [KEY] * is_due


def test_resource_that_was_served_before_is_due_when_its_status_says() -> None:
    parts = Parts()
    parts.list(make_resource(status=ready()))
    assert due(parts) == NOW + 5 * HOUR


def left(result: Result) -> Resource:
    """Return a resource as a process leaves it after this result."""
    return make_resource(status=serving(result).api.statuses[-1])


@pytest.mark.parametrize(
    "result",
    [
        pytest.param(Result(KEY, "u", 1, problem=Problem("NoCredentials", "no", Origin.AWS)), id="failed"),
        pytest.param(conflicting(), id="blocked: is the Secret of others still in the way?"),
    ],
)
def test_what_failed_before_a_restart_is_tried_at_once(result: Result) -> None:
    before, parts = serving(result), Parts()
    assert before.start() == [], "the same process waits"
    parts.list(left(result))
    assert parts.start() == [KEY]


def test_many_that_failed_before_a_restart_are_due_one_after_the_other() -> None:
    failed = left(conflicting())
    parts = Parts()
    parts.list(*(replace(failed, key=replace(KEY, name=f"r{number}")) for number in range(150)))
    counts = [parts.batcher.count_due(NOW + timedelta(seconds=seconds)) for seconds in (0, 2.5, 5)]
    assert counts[0] <= 1
    assert 50 <= counts[1] <= 100
    assert counts[2] == 150


def test_period_limits_how_long_nobody_looks_at_a_resource_after_a_restart() -> None:
    parts = Parts(period=HOUR)
    parts.list(make_resource(status=ready()))
    assert NOW + 0.9 * HOUR <= due(parts) <= NOW + HOUR


def test_nothing_is_due_before_everything_is_listed() -> None:
    parts = Parts()
    parts.resources.listed(SOURCES[CLUSTER_KIND], [make_resource()], NOW)
    parts.resources.seen(make_resource(2), NOW)
    assert parts.batcher.next_due() is None


def test_what_is_new_goes_before_what_is_due_by_the_clock() -> None:
    parts = Parts()
    overdue = make_resource(status=ready() | {"nextRefreshTime": (NOW - timedelta(minutes=1)).isoformat()})
    parts.list(overdue, make_resource(key=OTHER))
    batch = parts.batcher.next_batch(NOW, lambda _: False)
    assert batch is not None
    assert batch.keys == [OTHER, KEY]


# What changes


def test_resource_that_appears_is_due_at_once() -> None:
    parts = serving()
    parts.resources.seen(make_resource(key=OTHER), NOW)
    assert parts.start() == [OTHER]


def test_resource_that_appears_with_a_failed_refresh_is_due_at_once() -> None:
    parts = serving()
    status = ready() | {"conditions": [{"type": "RefreshFailing", "status": "True"}]}
    parts.resources.seen(make_resource(key=OTHER, status=status), NOW)
    assert parts.start() == [OTHER]


def test_edit_is_due_at_once_and_forgets_failures_before() -> None:
    parts = failing()
    parts.resources.seen(make_resource(2), parts.now)
    assert (parts.start(), parts.store[KEY].failures) == ([KEY], 0)


def test_own_status_that_comes_back_is_no_edit() -> None:
    parts = failing()
    parts.resources.seen(make_resource(status=parts.api.statuses[-1]), parts.now)
    assert (parts.start(), parts.store[KEY].failures) == ([], 8)


def test_status_in_an_event_does_not_replace_what_was_worked_out_since() -> None:
    parts = serving()
    parts.resources.seen(make_resource(2, status={"observedGeneration": 0}), NOW)
    assert parts.store[KEY].resource.status == parts.api.statuses[-1]


def test_edit_that_the_run_has_seen_already_is_not_served_twice() -> None:
    parts = serving(served(generation=2))
    parts.resources.seen(make_resource(2), NOW)
    assert parts.start() == []


def test_edit_during_the_run_is_due_when_that_is_over() -> None:
    parts = Parts()
    parts.list(make_resource())
    parts.serve(served(), during=lambda: parts.resources.seen(make_resource(2), NOW))
    assert parts.start() == [KEY]


def test_annotation_is_due_at_once_however_long_others_have_to_wait() -> None:
    parts = failing()
    parts.resources.seen(replace(make_resource(), reconcile_request="1"), parts.now)
    assert (parts.start(), parts.store[KEY].failures) == ([KEY], 0)


@pytest.mark.parametrize(("value", "is_due"), [("1", False), ("2", True), ("", False)])
def test_annotation_is_due_once_for_each_value(value: str, is_due: bool) -> None:
    parts = Parts()
    parts.list(replace(make_resource(), reconcile_request="1"))
    parts.serve(replace(served(), reconcile_request="1"))
    parts.resources.seen(replace(make_resource(), reconcile_request=value), NOW)
    assert parts.start() == [KEY] * is_due


@pytest.mark.parametrize("period", [timedelta(minutes=2), timedelta(0)])
def test_period_of_an_annotation_counts_from_its_change_on(period: timedelta) -> None:
    """The resource is checked at once, and then at the latest after this time; 0 stands for no limit."""
    parts = Parts(period=HOUR)
    parts.list(make_resource())
    parts.serve(served())
    annotated = replace(make_resource(), sdk=SdkAnnotations(period))
    parts.resources.seen(annotated, NOW)
    parts.resources.seen(annotated, NOW)
    assert parts.serve(served(state="unchanged")) == [KEY]
    parts.resources.seen(annotated, NOW)
    assert parts.start() == []
    assert (NOW + 0.9 * period <= due(parts) <= NOW + period) if period else (due(parts) > NOW + 4 * HOUR)
    parts.resources.seen(make_resource(), NOW)
    assert parts.serve(served(state="unchanged")) == [KEY]
    assert NOW + 0.9 * HOUR <= due(parts) <= NOW + HOUR


def test_period_of_an_annotation_counts_after_a_restart() -> None:
    parts = Parts()
    parts.list(replace(make_resource(status=ready()), sdk=SdkAnnotations(timedelta(minutes=2))))
    assert NOW + timedelta(seconds=108) <= due(parts) <= NOW + timedelta(minutes=2)


def test_annotation_that_is_ignored_is_logged_once_and_the_resource_served(caplog: pytest.LogCaptureFixture) -> None:
    """It is in the status and an event, too, and gone from the status when it is gone."""
    parts = Parts()
    odd = replace(make_resource(), sdk=SdkAnnotations(None, ("annotation a is ignored: b",)))
    parts.list(odd)
    assert parts.serve(served()) == [KEY]
    parts.resources.seen(odd, NOW)
    assert [record.__dict__["fields"]["warning"] for record in caplog.records] == ["annotation a is ignored: b"]
    assert parts.api.statuses[-1]["conditions"][0]["message"].endswith("; annotation a is ignored: b")
    assert parts.api.reasons.count("AnnotationIgnored") == 1
    parts.resources.seen(make_resource(), NOW)
    assert parts.serve(served(state="unchanged")) == [KEY]
    assert "is ignored" not in parts.api.statuses[-1]["conditions"][0]["message"]


def test_annotation_whose_run_failed_is_tried_again_with_a_growing_delay() -> None:
    parts = serving(refused())
    parts.resources.seen(replace(make_resource(), reconcile_request="1"), NOW)
    parts.serve(replace(refused(), reconcile_request="1"))
    assert (parts.store[KEY].failures, parts.start()) == (1, [])
    assert NOW + timedelta(seconds=4) <= due(parts) <= NOW + timedelta(seconds=7)


def test_resource_that_was_made_again_is_due_again_as_a_new_one() -> None:
    parts = failing()
    parts.resources.seen(make_resource(uid="v"), parts.now)
    assert (parts.start(), parts.store[KEY].failures) == ([KEY], 0)


def test_suspended_resource_is_dropped_when_it_is_due_and_due_when_it_is_resumed() -> None:
    parts = serving()
    parts.resources.seen(suspended(2), NOW)
    parts.resources.seen(replace(suspended(2), reconcile_request="1"), NOW)
    assert parts.start() == []
    parts.wait(7 * HOUR)
    assert (parts.start(), parts.batcher.next_due()) == ([], None)
    parts.resources.seen(make_resource(3), parts.now)
    assert parts.start() == [KEY]


# What is deleted


def test_resource_that_is_gone_is_never_due() -> None:
    parts = Parts()
    parts.list(make_resource(), make_resource(key=OTHER))
    parts.resources.gone(KEY)
    parts.resources.gone(KEY)
    assert parts.start() == [OTHER]


def test_everything_of_a_resource_that_is_gone_is_forgotten() -> None:
    parts = Parts()
    parts.list(make_resource(status={"expiresAt": EXPIRY.isoformat()}))
    parts.serve(during=lambda: parts.rechecks.add(KEY, [], has_changed=True))
    assert parts.sample("secret_expiry_timestamp_seconds", KEY) == EXPIRY.timestamp()
    parts.resources.gone(KEY)
    parts.rechecks.run_ended(KEY, NOW)
    assert (parts.batcher.is_working(KEY), parts.batcher.next_due(), parts.rechecks.next_due()) == (False, None, None)
    assert [parts.sample(name, KEY) for name in ("secret_expiry_timestamp_seconds", "resource_ready")] == [None, None]


def test_list_forgets_what_is_not_in_it() -> None:
    parts = Parts()
    parts.list(make_resource(), make_resource(key=OTHER))
    parts.resources.listed(SOURCES[CLUSTER_KIND], [], NOW)
    assert parts.start() == [OTHER]


def test_list_of_one_namespace_says_nothing_of_another() -> None:
    sources = [resources_of(NAMESPACED_KIND, name) for name in ("ns1", "ns2")]
    one, other = (make_resource(key=Key(NAMESPACED_KIND, name, "app")) for name in ("ns1", "ns2"))
    parts = Parts(sources=sources)
    parts.list(one, other)
    assert parts.serve(served(one.key), served(other.key)) == [one.key, other.key]
    parts.resources.listed(sources[0], [], NOW)
    parts.resources.listed(sources[1], [replace(other, generation=2)], NOW)
    assert parts.start() == [other.key]


def test_list_tells_what_was_edited_while_the_watch_was_broken() -> None:
    parts = serving()
    parts.resources.listed(SOURCES[CLUSTER_KIND], [make_resource(2)], NOW)
    assert parts.start() == [KEY]


def test_deleted_resource_that_has_something_to_clean_up_is_due_at_once_and_then_gone() -> None:
    parts = serving()
    parts.resources.seen(CLEANUP, NOW)
    written = len(parts.api.statuses)
    assert parts.serve(cleaned_up()) == [KEY]
    assert (len(parts.api.statuses), len(parts.api.events)) == (written, 1), "nobody reads that any more"
    parts.resources.gone(KEY)
    assert len(parts.store) == 0


def test_deletion_during_the_run_is_not_missed() -> None:
    parts = Parts()
    parts.list(make_resource())
    parts.serve(served(), during=lambda: parts.resources.seen(CLEANUP, NOW))
    assert parts.start() == [KEY]


def test_deleted_resource_stays_until_it_is_gone_and_its_namespaces_are_no_matter() -> None:
    parts = Parts()
    parts.list(CLEANUP)
    parts.serve(cleaned_up())
    parts.namespaces.changed(make_namespace("ns1"), NOW, is_gone=True)
    assert (KEY in parts.store, parts.start()) == (True, [])


def test_deleted_resource_without_our_finalizer_is_forgotten() -> None:
    parts = serving()
    parts.resources.seen(replace(CLEANUP, cleanup=False), NOW)
    assert (len(parts.store), parts.batcher.next_due()) == (0, None)


def test_suspended_resource_that_is_deleted_is_cleaned_up() -> None:
    parts = Parts()
    parts.list(suspended())
    parts.suspended.report(NOW)
    parts.resources.seen(replace(CLEANUP, generation=3), NOW)
    parts.suspended.report(NOW)
    assert (parts.start(), parts.api.reasons) == ([KEY], ["Suspended"])


# The clock


def test_everything_is_due_now_when_the_clock_was_set_back() -> None:
    parts = Parts()
    parts.list(make_resource(status=ready()), suspended(key=OTHER))
    parts.suspended.report(NOW)
    back = NOW - 2 * HOUR
    parts.resources.reschedule_all(back)
    assert (due(parts), parts.suspended.next_due()) == (back, back)
