"""What is told of resources that are suspended, and of those that are resumed."""

from __future__ import annotations

import logging
from dataclasses import replace
from datetime import timedelta

import pytest

from kube_ecr_runner.cluster.errors import KubernetesError
from kube_ecr_runner.controller.suspended import Notice, notice_of
from kube_ecr_runner.model.conditions import condition_of
from kube_ecr_runner.model.resource import Resource
from tests.unit.runner.controller.builders import CLEANUP, EXPIRY, HOUR, KEY, NOW, make_resource, ready, suspended
from tests.unit.runner.controller.parts import Parts

SERVED = ready() | {"expiresAt": EXPIRY.isoformat(), "conditions": [{"type": "Ready", "status": "True"}]}
STOPPED = suspended(status=SERVED)
DOWN = KubernetesError("PATCH", 503, "ServiceUnavailable", "")
FORBIDDEN = KubernetesError("PATCH", 403, "Forbidden", "")


@pytest.mark.parametrize(
    ("resource", "was_suspended", "reason", "has_status"),
    [
        pytest.param(STOPPED, False, "Suspended", True, id="suspended"),
        pytest.param(STOPPED, True, None, True, id="still suspended"),
        pytest.param(make_resource(3), True, "Resumed", False, id="resumed"),
        pytest.param(make_resource(3), False, None, False, id="neither"),
        pytest.param(CLEANUP, True, None, False, id="deleted while it was suspended"),
    ],
)
def test_change_of_suspend_is_told_in_an_event_and_what_is_suspended_has_a_status(
    resource: Resource, was_suspended: bool, reason: str | None, has_status: bool
) -> None:
    notice = notice_of(resource, NOW, was_suspended=was_suspended)
    assert (notice.event and notice.event.reason) == reason
    assert (notice.status is not None) is has_status


@pytest.mark.parametrize(("hours", "changes"), [(0, True), (11.99, True), (12, False)])
def test_status_changes_once_more_when_the_first_token_expires(hours: float, changes: bool) -> None:
    assert notice_of(STOPPED, NOW + hours * HOUR, was_suspended=True).changes_at == (EXPIRY if changes else None)
    assert notice_of(make_resource(), NOW, was_suspended=False) == Notice()


def told(parts: Parts) -> tuple[object, object]:
    """Return status and reason of the condition Ready that was written last."""
    condition = condition_of(parts.api.statuses[-1], "Ready")
    return condition["status"], condition["reason"]


def reported(*resources: Resource, parts: Parts | None = None) -> Parts:
    """Let resources be listed, and what there is to tell be told."""
    parts = parts or Parts()
    parts.list(*resources)
    parts.suspended.report(parts.now)
    return parts


def test_suspended_resource_is_told_once(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, logger="kube_ecr_runner"):
        parts = reported(STOPPED)
    assert [(record.message, record.fields) for record in caplog.records] == [("suspended", {"resource": KEY})]  # type: ignore[attr-defined]
    assert (told(parts), parts.api.reasons) == (("True", "Suspended"), ["Suspended"])
    assert "nextRefreshTime" not in parts.api.statuses[-1]
    assert parts.store[KEY].resource.status == parts.api.statuses[-1]
    assert parts.suspended.next_due() == EXPIRY
    parts.wait(HOUR)
    assert (len(parts.api.statuses), len(parts.api.events)) == (1, 1)


def test_tokens_of_a_suspended_resource_that_expire_are_told() -> None:
    parts = reported(STOPPED)
    parts.wait(12 * HOUR - timedelta(minutes=1))
    assert len(parts.api.statuses) == 1
    parts.wait(timedelta(minutes=2))
    assert (told(parts), len(parts.api.events)) == (("False", "Suspended"), 1)
    assert parts.suspended.next_due() is None


def test_number_of_ready_namespaces_is_zero_when_the_first_token_has_expired() -> None:
    parts = reported(replace(STOPPED, status=SERVED | {"namespacesReady": 2, "namespacesTotal": 2}))
    assert parts.api.statuses[-1]["namespacesReady"] == 2
    parts.wait(13 * HOUR)
    assert parts.api.statuses[-1]["namespacesReady"] == 0


def test_restart_tells_only_what_changed_while_it_was_down() -> None:
    status = reported(STOPPED).api.statuses[-1]
    same = reported(replace(STOPPED, status=status))
    assert (same.api.statuses, same.api.events) == ([], [])
    assert same.start() == []

    resumed = reported(replace(make_resource(3), status=status))
    assert (resumed.api.statuses, resumed.api.reasons) == ([], ["Resumed"])
    assert resumed.start() == [KEY]


def test_resource_that_is_suspended_and_resumed_is_told_each_time() -> None:
    parts = reported(make_resource(status=SERVED))
    for generation, resource in ((2, suspended), (3, make_resource), (4, suspended)):
        parts.resources.seen(resource(generation), parts.now)
        parts.wait(timedelta(minutes=2))
    assert (parts.api.reasons, parts.api.counts) == (["Suspended", "Resumed"], [2]), "the third is the first again"


def test_change_of_a_suspended_resource_is_part_of_its_status() -> None:
    parts = reported(STOPPED)
    parts.resources.seen(suspended(3), parts.now)
    parts.suspended.report(parts.now)
    assert ([status["observedGeneration"] for status in parts.api.statuses], len(parts.api.events)) == ([2, 3], 1)


@pytest.mark.parametrize("error", [DOWN, FORBIDDEN])
def test_status_of_a_suspended_resource_is_written_when_it_can_be(error: KubernetesError) -> None:
    parts = Parts()
    parts.api.error = error
    reported(STOPPED, parts=parts)
    parts.api.error = None
    parts.wait(timedelta(seconds=10))
    assert told(parts) == ("True", "Suspended")


def test_what_is_told_is_measured() -> None:
    parts = reported(STOPPED)
    assert parts.sample("resource_ready", KEY) == 1
    parts.wait(13 * HOUR)
    assert parts.sample("resource_ready", KEY) == 0


def test_resource_that_is_gone_is_not_told_of() -> None:
    parts = reported(STOPPED)
    parts.resources.gone(KEY)
    assert parts.suspended.next_due() is None
    parts.resources.seen(make_resource(3, uid="v"), parts.now)
    assert parts.suspended.next_due() is None, "one of that name was never suspended"
