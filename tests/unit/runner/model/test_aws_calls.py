"""Job events: which tell of calls to AWS, and what is made of words that have another form."""

from __future__ import annotations

import pytest

from kube_ecr_runner.model.aws_calls import AwsCallCount

TOKEN = {"operation": "ecr:GetAuthorizationToken", "code": "OK", "count": 2}
REFUSED = {"operation": "sts:AssumeRole", "code": "AccessDenied", "count": 1}


def event(*calls: object, kind: str = "runner_on_ok", task: str = "Tell the calls to AWS") -> dict:
    facts = {"aws_calls": list(calls)}
    return {"event": kind, "event_data": {"task": task, "res": {"ansible_facts": facts}}}


def test_calls_are_counted_by_operation_and_code() -> None:
    assert AwsCallCount.from_event(event(TOKEN, REFUSED)) == [
        AwsCallCount("ecr:GetAuthorizationToken", "OK", 2),
        AwsCallCount("sts:AssumeRole", "AccessDenied", 1),
    ]


@pytest.mark.parametrize(
    "other",
    [
        event(TOKEN, kind="runner_on_failed"),
        event(TOKEN, task="Write the pull secrets"),
        event(),
        event("x", {}, TOKEN | {"count": 0}, TOKEN | {"count": -1}, TOKEN | {"count": "2"}, TOKEN | {"count": True}),
        {"event": "runner_on_ok", "event_data": {"task": "Tell the calls to AWS", "res": {"ansible_facts": []}}},
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
