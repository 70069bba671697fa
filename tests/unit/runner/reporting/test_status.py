"""From a result to status."""

from __future__ import annotations

from dataclasses import replace

import pytest

from kube_ecr_runner.contract.result import ErrorResult, NamespaceResult, ObjectResult
from kube_ecr_runner.model.conditions import condition_of
from kube_ecr_runner.model.result import Origin, Problem, Result
from kube_ecr_runner.reporting.status import status_of
from tests.unit.runner.reporting.builders import (
    AT,
    AWS_DOWN,
    CONTESTED,
    DUE,
    FAILED_OBJECTS,
    HOST,
    KEY,
    LACKS_A_LOGIN,
    LATER,
    NOW,
    REFUSED,
    SHADOWED,
    created,
    failed,
    pending,
    resource,
    result,
    unchanged,
)


def status(*outcomes: NamespaceResult, problem: Problem | None = None, before: dict | None = None) -> dict:
    return status_of(resource(status=before), result(*outcomes, problem=problem), NOW, DUE, ["a", "b"])


SERVED = status(created("a"), created("b"))


def test_served_resource_tells_everything() -> None:
    ready = {
        "type": "Ready",
        "status": "True",
        "reason": "SecretsUpdated",
        "message": "Secret ecr-login is up to date in namespaces: a, b; next update at: 2026-01-31T18:00:00Z",
        "lastTransitionTime": "2026-01-31T12:00:00Z",
        "observedGeneration": 1,
    }
    failing = {
        "type": "RefreshFailing",
        "status": "False",
        "reason": "RefreshSucceeded",
        "message": "the last refresh succeeded",
        "lastTransitionTime": "2026-01-31T12:00:00Z",
        "observedGeneration": 1,
    }
    assert {
        "observedGeneration": 1,
        "conditions": [ready, failing],
        "expiresAt": "2026-02-01T00:00:00Z",
        "lastRefreshTime": "2026-01-31T12:00:00Z",
        "nextRefreshTime": "2026-01-31T18:00:00Z",
        "registries": [HOST],
        "namespacesReady": 2,
        "namespacesTotal": 2,
    } == SERVED


def test_what_has_no_effect_is_told_and_makes_nothing_less_ready() -> None:
    warned = replace(result(created("a")), warning=ErrorResult("PodInjectionMissing", "it has no effect"))
    ready, failing = status_of(resource(), warned, NOW, DUE, ["a"])["conditions"]
    assert (ready["status"], ready["reason"]) == ("True", "SecretsUpdated")
    assert ready["message"].endswith("next update at: 2026-01-31T18:00:00Z; it has no effect")
    assert failing["status"] == "False"


@pytest.mark.parametrize(
    ("outcomes", "problem", "ready", "failing"),
    [
        ((created("a"),), None, ("True", "SecretsUpdated"), ("False", "RefreshSucceeded")),
        ((created("a"), pending("b")), None, ("True", "SecretsUpdated"), ("False", "RefreshSucceeded")),
        ((pending("a"), pending("b")), None, ("False", "SecretsProcessing"), ("False", "RefreshSucceeded")),
        ((created("a"), failed("b")), None, ("False", "SecretConflict"), ("True", "SecretConflict")),
        ((created("a"), failed("b", valid=True)), None, ("True", "SecretsUpdated"), ("True", "SecretConflict")),
        ((unchanged("a"),), AWS_DOWN, ("True", "SecretsUpdated"), ("True", "Unreachable")),
        ((failed("a", "Unreachable", AWS_DOWN.message),), AWS_DOWN, ("False", "Unreachable"), ("True", "Unreachable")),
        ((pending("a"),), AWS_DOWN, ("False", "Unreachable"), ("True", "Unreachable")),
        ((), AWS_DOWN, ("False", "Unreachable"), ("True", "Unreachable")),
        ((created("a"), unchanged("b")), REFUSED, ("True", "SecretsUpdated"), ("True", "AccessDenied")),
        ((created("a"), pending("b")), REFUSED, ("True", "SecretsUpdated"), ("True", "AccessDenied")),
        ((created("a"), LACKS_A_LOGIN), REFUSED, ("False", "AccessDenied"), ("True", "AccessDenied")),
    ],
)
def test_conditions(
    outcomes: tuple[NamespaceResult, ...], problem: Problem | None, ready: tuple[str, str], failing: tuple[str, str]
) -> None:
    told = status(*outcomes, problem=problem)
    for kind, expected in (("Ready", ready), ("RefreshFailing", failing)):
        condition = condition_of(told, kind)
        assert (condition["status"], condition["reason"]) == expected


@pytest.mark.parametrize(
    ("outcomes", "problem", "message"),
    [
        (
            (created("a"), pending("b"), pending("c", "NamespaceTerminating"), pending("d", "Other")),
            None,
            (
                f"Secret ecr-login is up to date in namespaces: a; next update at: {AT}; waiting for namespaces: "
                "b (does not exist yet), c (is being deleted), d (Other)"
            ),
        ),
        (
            (pending("a"),),
            None,
            f"Secret ecr-login is not written yet; waiting for namespaces: a (does not exist yet); next check at: {AT}",
        ),
        (
            (created("a"), failed("b")),
            None,
            f"no valid token in namespaces: b: it is not ours; next attempt at: {AT}",
        ),
        (
            (unchanged("a"),),
            AWS_DOWN,
            (
                "Secret ecr-login is still valid in namespaces: a; the first token expires at: 2026-02-01T00:00:00Z; "
                f"the refresh fails (see RefreshFailing); next attempt at: {AT}"
            ),
        ),
        (
            (created("a"), failed("b", valid=True)),
            None,
            (
                "Secret ecr-login is still valid in namespaces: a, b; the first token expires at: "
                f"2026-02-01T00:00:00Z; the refresh fails (see RefreshFailing); next attempt at: {AT}"
            ),
        ),
        ((), AWS_DOWN, f"no connection to AWS; check the network; next attempt at: {AT}"),
    ],
)
def test_ready_is_told_to_a_person(
    outcomes: tuple[NamespaceResult, ...], problem: Problem | None, message: str
) -> None:
    assert condition_of(status(*outcomes, problem=problem), "Ready")["message"] == message


def test_partial_success_counts_as_refresh_and_tells_the_hosts() -> None:
    partial = Result(KEY, "u", 1, (created("a"), unchanged("b")), (HOST,), DUE, REFUSED)
    told = status_of(resource("a", "b"), partial, NOW, DUE, [])
    assert (told["lastRefreshTime"], told["registries"], told["namespacesReady"]) == ("2026-01-31T12:00:00Z", [HOST], 2)
    assert condition_of(told, "RefreshFailing")["message"] == REFUSED.message


def test_refresh_failing_names_no_namespaces_beside_the_problem_that_they_failed_for() -> None:
    told = status(created("a"), LACKS_A_LOGIN, problem=REFUSED)
    assert condition_of(told, "RefreshFailing")["message"] == REFUSED.message


def test_refresh_failing_names_the_namespaces() -> None:
    told = status(created("a"), failed("b"), failed("c"))
    message = "failed in 2 of 3 namespaces: b, c: it is not ours"
    assert condition_of(told, "RefreshFailing")["message"] == message


def test_token_that_is_dead_by_now_does_not_count() -> None:
    told = status(NamespaceResult("a", "unchanged", expires_at=NOW), problem=AWS_DOWN)
    assert condition_of(told, "Ready")["status"] == "False"
    assert (told["namespacesReady"], "expiresAt" in told) == (0, False)


def test_failures_come_first_and_are_twenty_at_most() -> None:
    told = status(*(pending(f"p{number}") for number in range(15)), *(failed(f"f{number}") for number in range(15)))
    names = [each["namespace"] for each in told["failures"]]
    assert names == [f"f{number}" for number in range(15)] + [f"p{number}" for number in range(5)]
    assert told["failures"][0] == {"namespace": "f0", "reason": "SecretConflict", "message": "it is not ours"}


def test_transition_time_changes_with_the_status_only() -> None:
    told = status_of(resource("a", "b", status=SERVED), result(unchanged("a"), failed("b", valid=True)), LATER, DUE, [])
    assert condition_of(told, "Ready")["lastTransitionTime"] == "2026-01-31T12:00:00Z"
    assert condition_of(told, "RefreshFailing")["lastTransitionTime"] == "2026-01-31T13:00:00Z"


def test_nothing_new_is_an_equal_status() -> None:
    again = status_of(resource("a", "b", status=SERVED), result(unchanged("a"), unchanged("b")), LATER, DUE, [])
    assert again == SERVED


def test_failure_keeps_registries_and_last_refresh() -> None:
    told = status(failed("a", "Unreachable", AWS_DOWN.message), problem=AWS_DOWN, before=SERVED)
    assert (told["registries"], told["lastRefreshTime"]) == ([HOST], "2026-01-31T12:00:00Z")


def test_status_of_a_run_without_result_rests_on_the_one_before() -> None:
    run_failed = Problem("RunFailed", "stopped at its deadline", Origin.RUN)
    told = status(problem=run_failed, before=SERVED)
    assert condition_of(told, "Ready")["status"] == "True"
    assert condition_of(told, "RefreshFailing")["reason"] == "RunFailed"
    assert (told["namespacesReady"], told["namespacesTotal"], told["expiresAt"]) == (2, 2, SERVED["expiresAt"])


def test_secret_that_could_not_be_looked_at_is_as_valid_as_before() -> None:
    told = status(unchanged("a"), failed("b", "Unreachable", "the API server did not answer in time"), before=SERVED)
    assert (condition_of(told, "Ready")["status"], told["namespacesReady"]) == ("True", 2)
    assert condition_of(told, "RefreshFailing")["reason"] == "Unreachable"


def test_secret_that_was_looked_at_while_aws_was_down_counts_as_seen() -> None:
    told = status(unchanged("a"), failed("b", AWS_DOWN.reason, AWS_DOWN.message), problem=AWS_DOWN, before=SERVED)
    assert (condition_of(told, "Ready")["status"], told["namespacesReady"]) == ("False", 1)


@pytest.mark.parametrize("change", [{"observedGeneration": 0}, {"expiresAt": "2026-01-31T12:00:00Z"}])
def test_status_before_that_is_of_another_generation_or_dead_vouches_for_nothing(change: dict) -> None:
    told = status(problem=AWS_DOWN, before=SERVED | change)
    assert condition_of(told, "Ready")["status"] == "False"


def test_nothing_to_serve_is_ready() -> None:
    told = status_of(resource(), result(), NOW, DUE, [])
    ready = condition_of(told, "Ready")
    assert (ready["status"], ready["reason"]) == ("True", "NoNamespaceMatches")
    assert ready["message"] == f"no namespace matches, so there is nothing to do; next check at: {AT}"
    assert condition_of(told, "RefreshFailing")["status"] == "False"
    assert (told["namespacesReady"], told["namespacesTotal"], "expiresAt" in told) == (0, 0, False)


def test_service_accounts_and_removals_that_fail_are_told_and_leave_the_rest_ready() -> None:
    told = status_of(resource(), FAILED_OBJECTS, NOW, DUE, [])
    assert (told["namespacesReady"], told["namespacesTotal"]) == (2, 3)
    ready, failing = condition_of(told, "Ready"), condition_of(told, "RefreshFailing")
    assert (ready["status"], ready["reason"]) == ("True", "SecretsUpdated")
    assert ready["message"] == (
        "Secret ecr-login is up to date in namespaces: a, b; service accounts or cleanup failed (see RefreshFailing); "
        f"next attempt at: {AT}; waiting for namespaces: p (does not exist yet)"
    )
    assert (failing["status"], failing["reason"]) == ("True", "Conflict")
    assert failing["message"] == (
        "failed for service accounts: a/x: is contended; failed to remove Secrets: c/old, d/old, p/old: may not delete"
    )


def test_namespace_has_one_failure_and_that_of_its_secret_first() -> None:
    of = replace(FAILED_OBJECTS, namespaces=(failed("a"), pending("p")))
    told = status_of(resource(), of, NOW, DUE, [])
    reasons = [(each["namespace"], each["reason"]) for each in told["failures"]]
    assert reasons == [("a", "SecretConflict"), ("c", "Forbidden"), ("d", "Forbidden"), ("p", "NamespaceNotFound")]
    many = tuple(ObjectResult(f"n{number}", "old", "failed", "X", "") for number in range(30))
    told = status_of(resource(), replace(of, removed=many), NOW, DUE, [])
    assert [each["namespace"] for each in told["failures"]] == ["a", *(f"n{number}" for number in range(19))]


def test_problem_is_told_beside_what_else_fails() -> None:
    told = status_of(resource(), replace(FAILED_OBJECTS, problem=REFUSED), NOW, DUE, [])
    failing = condition_of(told, "RefreshFailing")
    assert failing["reason"] == "AccessDenied"
    assert failing["message"].startswith("may not in eu-west-2; failed for service accounts: a/x: is contended; ")


@pytest.mark.parametrize("problem", [None, Problem("RunFailed", "stopped at its deadline", Origin.RUN)])
def test_undo_that_fails_is_told(problem: Problem | None) -> None:
    of = Result(KEY, "u", 2, removed=FAILED_OBJECTS.removed, problem=problem, is_cleanup=True)
    told = status_of(resource(status=SERVED), of, NOW, DUE, ["a", "b"])
    ready, failing = condition_of(told, "Ready"), condition_of(told, "RefreshFailing")
    assert (ready["status"], ready["reason"]) == ("False", "Deleting")
    assert ready["message"].endswith(f"its cleanup is not finished (see RefreshFailing); next attempt at: {AT}")
    assert (failing["status"], failing["reason"]) == ("True", "RunFailed" if problem else "Forbidden")
    assert (told["namespacesReady"], told["namespacesTotal"]) == (0, 0)


def test_status_speaks_of_the_generation_that_was_served() -> None:
    told = status_of(resource("a"), result(created("a"), generation=7), NOW, DUE, [])
    assert told["observedGeneration"] == 7
    assert {each["observedGeneration"] for each in told["conditions"]} == {7}


@pytest.mark.parametrize(
    ("of", "told"),
    [
        pytest.param(replace(result(created("a")), reconcile_request="2"), "2", id="answered"),
        pytest.param(replace(result(created("a"), failed("b")), reconcile_request="2"), "2", id="as far as it can be"),
        pytest.param(
            replace(result(unchanged("a"), problem=AWS_DOWN), reconcile_request="2"), "1", id="to be tried again"
        ),
        pytest.param(result(unchanged("a")), "1", id="taken away"),
    ],
)
def test_the_nudge_that_was_answered_last_is_told(of: Result, told: str) -> None:
    before = resource(status=SERVED | {"lastHandledReconcileAt": "1"})
    assert status_of(before, of, NOW, DUE, ["a", "b"])["lastHandledReconcileAt"] == told


WRITERS = "; service accounts that others write, too: a/default (helm release web), b/default (field manager flux)"


def test_service_accounts_that_others_write_are_named_and_no_failure() -> None:
    told = status_of(resource(), CONTESTED, NOW, DUE, [])
    ready, failing = condition_of(told, "Ready"), condition_of(told, "RefreshFailing")
    assert (ready["status"], ready["reason"]) == ("True", "SecretsUpdated")
    assert ready["message"] == f"Secret ecr-login is up to date in namespaces: a, b; next update at: {AT}{WRITERS}"
    assert (failing["status"], failing["reason"]) == ("False", "RefreshSucceeded")
    assert "failures" not in told


def test_logins_of_others_are_named_before_and_no_failure() -> None:
    told = status_of(resource(), replace(SHADOWED, accounts=CONTESTED.accounts), NOW, DUE, [])
    ready, failing = condition_of(told, "Ready"), condition_of(told, "RefreshFailing")
    named = "; logins of others that some consumers prefer, in namespaces: a (HOST/x), b (HOST/y, HOST/z)"
    assert (ready["status"], ready["reason"]) == ("True", "SecretsUpdated")
    assert str(ready["message"]).endswith(f"; next update at: {AT}{named}{WRITERS}")
    assert (failing["status"], failing["reason"]) == ("False", "RefreshSucceeded")
    assert "failures" not in told


def test_service_accounts_that_others_write_are_ten_at_most() -> None:
    many = tuple(ObjectResult(f"n{n:02}", "x", "unchanged", "ServiceAccountContested", "", "helm") for n in range(12))
    told = status_of(resource(), replace(CONTESTED, accounts=many), NOW, DUE, [])
    assert str(condition_of(told, "Ready")["message"]).endswith("n08/x (helm), n09/x (helm) and 2 more")


def test_they_are_named_beside_a_failure_too_and_no_more_when_nobody_writes_them() -> None:
    told = status_of(resource(), replace(CONTESTED, problem=REFUSED), NOW, DUE, [])
    assert str(condition_of(told, "Ready")["message"]).endswith(WRITERS)
    after = status_of(resource(status=told), replace(CONTESTED, accounts=()), NOW, DUE, [])
    assert "others" not in str(condition_of(after, "Ready")["message"])


def test_outputs_are_counted_and_ready_needs_them_too() -> None:
    basic, charts = (replace(created("a"), name=name) for name in ("basic", "charts"))
    served = status_of(resource(), replace(result(created("a")), outputs=(basic, charts)), NOW, DUE, ["a"])
    assert (served["outputsReady"], served["outputsTotal"], served["namespacesTotal"]) == (2, 2, 1)
    assert "in namespaces: a; outputs: 2 of 2; next" in condition_of(served, "Ready")["message"]
    broken = replace(failed("a"), name="basic")
    part = status_of(resource(), replace(result(created("a")), outputs=(broken, charts)), NOW, DUE, ["a"])
    assert (part["outputsReady"], part["namespacesReady"]) == (1, 1)
    ready = condition_of(part, "Ready")
    assert (ready["status"], ready["message"].partition(":")[2][:10]) == ("False", " a/basic: ")
    assert "failed in 1 of 3 Secrets: a/basic" in condition_of(part, "RefreshFailing")["message"]
