"""Job events: which carry a result, and what it says."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from kube_ecr_runner.contract.result import ErrorResult, NamespaceResult, ObjectResult
from kube_ecr_runner.model.resource import Key, Resource
from kube_ecr_runner.model.result import Origin, Problem, Result, owner_key

OWNER = {"kind": "AWSECRImagePullSecret", "namespace": "a", "name": "ecr", "uid": "u", "generation": 2}
SUMMARY = {"owner": OWNER, "state": "present", "has_targets": True, "reconcile_request": "now", "error": None}
NAMESPACE = {"namespace": "a", "state": "created", "reason": "", "msg": "", "expires_at": "2026-02-01T00:00:00Z"}
ANSWER = {
    "changed": True,
    "registries": ["host"],
    "namespaces": [NAMESPACE],
    "service_accounts": [],
    "removed": [],
    "renew_after": "2026-01-31T18:00:00Z",
    "issued_at": "2026-01-31T12:00:00Z",
    "error": None,
    "resource": SUMMARY,
}
ERROR = {"reason": "AccessDenied", "msg": "may not"}
INVALID = {"reason": "InvalidResource", "msg": "is wrong"}
LACKING = {"reason": "CredentialsSecretNotFound", "msg": "is not there"}
DENIED = ("AccessDenied", "may not")
WRONG_SPEC = Problem("InvalidResource", "is wrong", Origin.RESOURCE)
NO_WAY_IN = Problem("CredentialsSecretNotFound", "is not there", Origin.AWS)
CRASHED = Problem("TaskFailed", "x", Origin.RUN)


def event(*answers: object, kind: str = "runner_on_ok", task: str = "Write the pull secrets") -> dict:
    return {"event": kind, "event_data": {"task": task, "res": {"resources": list(answers)}}}


def read(**answer: object) -> Result:
    """Return the result of a resource, which is ANSWER but for this."""
    (result,) = Result.all_from_event(event(ANSWER | answer))
    return result


def test_result_of_an_item() -> None:
    assert read() == Result(
        key=Key("AWSECRImagePullSecret", "a", "ecr"),
        uid="u",
        generation=2,
        namespaces=(NamespaceResult("a", "created", expires_at=datetime(2026, 2, 1, tzinfo=UTC)),),
        registries=("host",),
        renew_after=datetime(2026, 1, 31, 18, tzinfo=UTC),
        issued_at=datetime(2026, 1, 31, 12, tzinfo=UTC),
        reconcile_request="now",
    )


def test_what_has_no_effect_is_no_failure() -> None:
    result = read(resource={**SUMMARY, "warning": {"reason": "PodInjectionMissing", "msg": "x" * 2000}})
    assert result.warning == ErrorResult("PodInjectionMissing", "x" * 1000)
    assert result.succeeded
    assert read(resource={**SUMMARY, "warning": "of somebody's playbook"}).warning is None


def step(namespace: str, name: str, state: str, reason: str = "", msg: str = "") -> dict:
    return {"namespace": namespace, "name": name, "state": state, "reason": reason, "msg": msg}


def test_result_tells_of_service_accounts_and_removals() -> None:
    result = read(
        service_accounts=[step("a", "default", "added"), step("b", "x", "failed", "Forbidden", "may not"), "x"],
        removed=[step("c", "old", "deleted")],
        failed=True,
    )
    assert result.accounts == (
        ObjectResult("a", "default", "added"),
        ObjectResult("b", "x", "failed", "Forbidden", "may not"),
    )
    assert result.removed == (ObjectResult("c", "old", "deleted"),)
    assert result.failures == [result.accounts[1]]
    assert (result.problem, result.succeeded, result.changed) == (None, False, True)


@pytest.mark.parametrize(("generation", "number"), [(7, 7), ("7", 7), (None, 0)], ids=["number", "text", "none"])
def test_generation_may_have_become_a_text(generation: object, number: int) -> None:
    result = read(resource=SUMMARY | {"owner": OWNER | {"generation": generation}})
    assert result.generation == number


def test_texts_of_any_length_are_cut() -> None:
    failed = {"state": "failed", "reason": "Forbidden", "msg": "x" * 5000}
    result = read(
        namespaces=[NAMESPACE | failed],
        service_accounts=[step("a", "default", "added"), step("b", "y", "failed", "Forbidden", "y" * 1001)],
        removed=[step("c", "old", "failed", "Forbidden", "z" * 1000)],
        error={"reason": "R" * 2000, "msg": "m" * 2000},
    )
    assert [part.message for part in result.failures] == ["x" * 1000, "y" * 1000, "z" * 1000]
    assert result.failures[0] == NamespaceResult("a", "failed", "Forbidden", "x" * 1000, result.expires_at)
    assert result.accounts[0] == ObjectResult("a", "default", "added")
    assert result.problem == Problem("R" * 1000, "m" * 1000, Origin.AWS)


@pytest.mark.parametrize("item", [None, "text", [], {}, {"owner": "x"}, {"owner": OWNER | {"kind": 1}}])
def test_item_of_another_loop_has_no_resource(item: object) -> None:
    assert owner_key(item) is None


def test_result_without_targets_is_a_success() -> None:
    result = read(namespaces=[], renew_after=None, changed=False)
    assert (result.problem, result.succeeded, result.renew_after) == (None, True, None)


def test_result_of_an_undo() -> None:
    undone = read(namespaces=[], removed=[step("a", "x", "deleted")], resource=SUMMARY | {"state": "absent"})
    assert (undone.is_cleanup, undone.succeeded) == (True, True)
    wrong = read(namespaces=[], resource=SUMMARY | {"state": "absent", "error": INVALID})
    assert wrong.succeeded
    resource = Resource(Key("K", "", "r"), "u", 4, deleting=True, cleanup=True)
    assert Result.of_failed_run(resource, "x").is_cleanup


@pytest.mark.parametrize(
    ("answer", "blocked"),
    [
        ({}, False),
        ({"namespaces": [NAMESPACE | {"state": "failed", "reason": "SecretConflict"}, NAMESPACE]}, True),
        ({"namespaces": [NAMESPACE | {"state": "failed", "reason": "InvalidSecretContent"}]}, True),
        ({"namespaces": [NAMESPACE | {"state": "failed", "reason": "Forbidden"}]}, False),
        ({"namespaces": [NAMESPACE | {"state": "failed", "reason": "WrongSecretType"}], "error": ERROR}, False),
        (
            {
                "namespaces": [NAMESPACE | {"state": "failed", "reason": "ImmutableSecret"}],
                "removed": [step("b", "old", "failed", "Forbidden")],
            },
            False,
        ),
    ],
)
def test_result_is_blocked_when_only_a_person_can_help(answer: dict, blocked: bool) -> None:
    result = read(**answer)
    assert result.is_blocked is blocked


OTHER = ANSWER | {"resource": SUMMARY | {"owner": OWNER | {"name": "other"}}}


@pytest.mark.parametrize("kind", ["runner_retry", "runner_on_ok", "runner_on_failed"])
def test_all_resources_of_a_task_have_a_result_also_while_it_waits_for_more(kind: str) -> None:
    assert [result.key.name for result in Result.all_from_event(event(ANSWER, OTHER, kind=kind))] == ["ecr", "other"]


def test_what_is_no_resource_costs_the_others_nothing() -> None:
    odd = ["text", None, {}, {"resource": "text"}, {"resource": {"owner": {"name": "ecr"}}}]
    assert [result.key.name for result in Result.all_from_event(event(*odd, OTHER))] == ["other"]


@pytest.mark.parametrize(
    "other",
    [
        event(ANSWER, kind="runner_item_on_ok"),
        event(ANSWER, task="Get a token from ECR"),
        {"event": "runner_on_ok"},
        {"event": "runner_on_ok", "event_data": {"task": "Write the pull secrets", "res": {"censored": "x"}}},
        {"event": "runner_on_ok", "event_data": {"task": "Write the pull secrets", "res": {"resources": "x"}}},
        {},
    ],
)
def test_other_events_carry_none(other: dict) -> None:
    assert Result.all_from_event(other) == []


@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        pytest.param({"error": ERROR}, Problem(*DENIED, Origin.AWS), id="AWS refused"),
        pytest.param(
            {"error": ERROR, "namespaces": []}, Problem(*DENIED, Origin.CLUSTER), id="no target was looked at"
        ),
        pytest.param(
            {"error": ERROR, "namespaces": [], "resource": SUMMARY | {"has_targets": False}},
            Problem(*DENIED, Origin.AWS),
            id="no target to look at",
        ),
        pytest.param(
            {"error": ERROR, "namespaces": [], "resource": SUMMARY | {"has_targets": False, "state": "absent"}},
            Problem(*DENIED, Origin.CLUSTER),
            id="could not be undone",
        ),
        pytest.param({"error": INVALID, "resource": SUMMARY | {"error": INVALID}}, WRONG_SPEC, id="spec is wrong"),
        pytest.param({"error": LACKING, "resource": SUMMARY | {"error": LACKING}}, NO_WAY_IN, id="no way into AWS"),
        pytest.param(
            {"error": LACKING, "resource": SUMMARY | {"error": LACKING}, "namespaces": []}, NO_WAY_IN, id="nor a target"
        ),
        pytest.param({"failed": True, "msg": "x", "namespaces": None}, CRASHED, id="module crashed"),
        pytest.param(
            {"failed": True, "namespaces": None},
            Problem("TaskFailed", "the task 'Write the pull secrets' ended without a result", Origin.RUN),
            id="module said nothing",
        ),
        pytest.param({"failed": True, "msg": "x"}, CRASHED, id="failed with no namespace failed"),
    ],
)
def test_problem_says_who_has_to_mend_it(answer: dict, problem: Problem) -> None:
    result = read(**answer)
    assert result.problem == problem
    assert not result.succeeded


def test_registry_that_failed_beside_others_is_a_problem_with_secrets_written() -> None:
    result = read(failed=True, error=ERROR)
    assert result.problem is not None
    assert (result.changed, result.succeeded, result.problem.origin) == (True, False, Origin.AWS)


def test_failed_namespace_is_no_problem_of_the_whole() -> None:
    result = read(failed=True, namespaces=[NAMESPACE | {"state": "failed"}])
    assert (result.problem, result.succeeded) == (None, False)


def test_run_without_result_is_a_problem_of_the_run() -> None:
    result = Result.of_failed_run(Resource(Key("K", "", "r"), "u", 4), "x" * 5000)
    assert result.problem is not None
    assert (result.generation, result.problem.reason, len(result.problem.message)) == (4, "RunFailed", 1000)


def test_a_service_account_that_others_write_is_a_success_and_no_act_by_itself() -> None:
    contested = step("b", "x", "unchanged", "ServiceAccountContested", "y" * 5000) | {"written_by": "z" * 500}
    first = step("a", "x", "unchanged", "ServiceAccountContested") | {"written_by": "helm"}
    result = read(namespaces=[NAMESPACE | {"state": "unchanged"}], service_accounts=[contested, first])
    assert [(each.namespace, len(each.message), len(each.written_by)) for each in result.contested] == [
        ("a", 0, 4),
        ("b", 1000, 150),
    ]
    assert (result.succeeded, result.has_acted, result.failures, result.cause) == (True, False, [], "")
    added = read(namespaces=[NAMESPACE | {"state": "unchanged"}], service_accounts=[first | {"state": "added"}])
    assert (added.has_acted, len(added.contested)) == (True, 1)


def test_a_login_of_others_is_a_success_and_cut_to_size() -> None:
    keys = ["HOST/" + "z" * 500, *(f"HOST/{number}" for number in range(20))]
    told = NAMESPACE | {"state": "unchanged", "reason": "LoginShadowed", "msg": "y" * 5000, "shadowed_by": keys}
    result = read(namespaces=[told, NAMESPACE | {"namespace": "plain", "state": "unchanged"}])
    assert [(len(each.message), len(each.shadowed_by), len(each.shadowed_by[0])) for each in result.shadowed] == [
        (1000, 10, 150)
    ]
    assert (result.succeeded, result.has_acted, result.failures, result.cause) == (True, False, [], "")
