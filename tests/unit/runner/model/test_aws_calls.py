"""Job events: which tell of calls to AWS, and what is made of words that have another form."""

from __future__ import annotations

import pytest

from kube_ecr_runner.model.aws_calls import AwsCallCount

TOKEN = {"operation": "ecr:GetAuthorizationToken", "code": "OK", "count": 2}
REFUSED = {"operation": "sts:AssumeRole", "code": "AccessDenied", "count": 1}


def event(*calls: object, kind: str = "runner_on_ok", task: str = "Write the pull secrets") -> dict:
    return {"event": kind, "event_data": {"task": task, "res": {"calls": list(calls)}}}


@pytest.mark.parametrize("kind", ["runner_on_ok", "runner_on_failed"])
def test_calls_are_counted_by_operation_and_code_at_the_end_of_the_task(kind: str) -> None:
    assert AwsCallCount.from_event(event(TOKEN, REFUSED, kind=kind)) == [
        AwsCallCount("ecr:GetAuthorizationToken", "OK", 2),
        AwsCallCount("sts:AssumeRole", "AccessDenied", 1),
    ]


@pytest.mark.parametrize(
    "other",
    [
        pytest.param(event(TOKEN, kind="runner_retry"), id="those so far: at the end they come again"),
        event(TOKEN, task="Another"),
        event(),
        event("x", {}, TOKEN | {"count": 0}, TOKEN | {"count": -1}, TOKEN | {"count": "2"}, TOKEN | {"count": True}),
        {"event": "runner_on_ok", "event_data": {"task": "Write the pull secrets", "res": []}},
        {},
    ],
)
def test_other_events_tell_of_none(other: dict) -> None:
    assert AwsCallCount.from_event(other) == []


@pytest.mark.parametrize(
    ("call", "operation", "code"),
    [
        ({"operation": "ecr:Get Token"}, "Other", "OK"),
        ({"operation": "GetAuthorizationToken"}, "Other", "OK"),
        ({"operation": f"ecr:{'x' * 65}"}, "Other", "OK"),
        ({"operation": None}, "Other", "OK"),
        ({"code": "see http://x"}, "ecr:GetAuthorizationToken", "Other"),
        ({"code": 403}, "ecr:GetAuthorizationToken", "Other"),
    ],
)
def test_words_of_another_form_are_not_handed_on(call: dict, operation: str, code: str) -> None:
    assert AwsCallCount.from_event(event(TOKEN | call)) == [AwsCallCount(operation, code, 2)]
