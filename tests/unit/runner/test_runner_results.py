"""Job events: which carry a result, and what it says."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from kube_ecr_runner.resources import Key, Resource
from kube_ecr_runner.results import Origin, Outcome, Result

OWNER = {"kind": "AWSECRImagePullSecret", "namespace": "a", "name": "ecr", "uid": "u", "generation": 2}
ITEM = {"owner": OWNER, "error": None}
NAMESPACE = {"namespace": "a", "state": "created", "reason": "", "msg": "", "expires_at": "2026-02-01T00:00:00Z"}
ANSWER = {
    "changed": True,
    "registries": ["host"],
    "namespaces": [NAMESPACE],
    "token_life": 43200,
    "error": None,
    "item": ITEM,
}
ERROR = {"reason": "AccessDenied", "msg": "may not"}
INVALID = {"reason": "InvalidResource", "msg": "is wrong"}
LACKING = {"reason": "CredentialsSecretNotFound", "msg": "is not there"}
WRONG_SPEC = ("InvalidResource", Origin.RESOURCE)
NO_WAY_IN = ("CredentialsSecretNotFound", Origin.AWS)


def event(kind: str = "runner_item_on_ok", task: str = "Write the pull secrets", **answer: object) -> dict:
    return {"event": kind, "event_data": {"task": task, "res": ANSWER | answer}}


def test_result_of_an_item() -> None:
    assert Result.from_event(event()) == Result(
        key=Key("AWSECRImagePullSecret", "a", "ecr"),
        uid="u",
        generation=2,
        outcomes=(Outcome("a", "created", expires_at=datetime(2026, 2, 1, tzinfo=UTC)),),
        registries=("host",),
        token_life=43200,
    )


@pytest.mark.parametrize(
    "other",
    [
        event("runner_on_ok"),
        event(task="Get a token from ECR"),
        event(item="text"),
        event(item={"owner": {"name": "ecr"}}),
        {"event": "runner_item_on_ok"},
        {"event": "runner_item_on_ok", "event_data": {"task": "Write the pull secrets", "res": {"censored": "x"}}},
        {},
    ],
)
def test_other_events_carry_none(other: dict) -> None:
    assert Result.from_event(other) is None


@pytest.mark.parametrize(
    ("answer", "reason", "origin"),
    [
        pytest.param({"error": ERROR}, "AccessDenied", Origin.AWS, id="AWS refused"),
        pytest.param({"error": ERROR, "namespaces": []}, "AccessDenied", Origin.CLUSTER, id="no target was looked at"),
        pytest.param({"error": INVALID, "item": ITEM | {"error": INVALID}}, *WRONG_SPEC, id="spec is wrong"),
        pytest.param({"error": LACKING, "item": ITEM | {"error": LACKING}}, *NO_WAY_IN, id="no way into AWS"),
        pytest.param(
            {"error": LACKING, "item": ITEM | {"error": LACKING}, "namespaces": []}, *NO_WAY_IN, id="nor a target"
        ),
        pytest.param({"failed": True, "msg": "x", "namespaces": None}, "TaskFailed", Origin.RUN, id="module crashed"),
        pytest.param({"failed": True, "msg": "x"}, "TaskFailed", Origin.RUN, id="failed with no namespace failed"),
    ],
)
def test_problem_says_who_has_to_mend_it(answer: dict, reason: str, origin: Origin) -> None:
    result = Result.from_event(event("runner_item_on_failed", **answer))
    assert result is not None
    assert result.problem is not None
    assert (result.problem.reason, result.problem.origin) == (reason, origin)
    assert not result.succeeded


def test_registry_that_failed_beside_others_is_a_problem_with_secrets_written() -> None:
    result = Result.from_event(event("runner_item_on_failed", failed=True, error=ERROR))
    assert result is not None
    assert result.problem is not None
    assert (result.changed, result.succeeded, result.problem.origin) == (True, False, Origin.AWS)


def test_failed_namespace_is_no_problem_of_the_whole() -> None:
    result = Result.from_event(
        event("runner_item_on_failed", failed=True, namespaces=[NAMESPACE | {"state": "failed"}])
    )
    assert result is not None
    assert (result.problem, result.succeeded) == (None, False)


def test_run_without_result_is_a_problem_of_the_run() -> None:
    result = Result.of_failed_run(Resource(Key("K", "", "r"), "u", 4), "x" * 5000)
    assert result.problem is not None
    assert (result.generation, result.problem.reason, len(result.problem.message)) == (4, "RunFailed", 1000)
