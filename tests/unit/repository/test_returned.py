"""How results are compared with RETURN: what is not documented, missing, of another type or null is named."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.documentation.returned import problems, problems_of_run, promises, seen

GOOD: dict[str, Any] = {
    "changed": False,
    "authorizations": [
        {"registry": "a", "username": "AWS", "password": "p", "expires_at": "t", "requested": "eu-west-1"}
    ],
    "errors": [{"requested": None, "reason": "R", "msg": "m"}],
    "calls": [{"operation": "ecr:X", "code": "OK", "count": 1}],
}


def without(result: dict[str, Any], name: str) -> dict[str, Any]:
    return {key: value for key, value in result.items() if key != name}


@pytest.mark.parametrize(
    ("module", "result", "words"),
    [
        ("ecr_token", GOOD, []),
        ("ecr_token", {**GOOD, "token": "x"}, ["ecr_token: token is returned, and not documented"]),
        ("ecr_token", without(GOOD, "calls"), ["ecr_token: calls is not returned, and documented for always"]),
        ("ecr_token", {**GOOD, "calls": {}}, ["ecr_token: calls is of type dict, and documented as list"]),
        ("ecr_token", {**GOOD, "calls": ["x"]}, ["ecr_token: calls[] is of type str, and documented as dict"]),
        (
            "ecr_token",
            {**GOOD, "calls": [{**GOOD["calls"][0], "count": True, "more": 1}]},
            [
                "ecr_token: calls[].more is returned, and not documented",
                "ecr_token: calls[].count is of type bool, and documented as int",
            ],
        ),
        (
            "ecr_token",
            {**GOOD, "errors": [{"requested": "x", "reason": None, "msg": "m"}]},
            ["ecr_token: errors[].reason is null, and the description says nothing of C(null)"],
        ),
        (
            "ecr_pull_secret_info",
            {"pull_secrets": [], "expires_at": None, "error": {"reason": "R", "msg": "m"}},
            ["ecr_pull_secret_info: error is returned with success, and documented for failure"],
        ),
    ],
)
def test_what_differs_is_named(module: str, result: dict[str, Any], words: list[str]) -> None:
    assert problems(module, result) == words


def test_a_task_that_was_refused_before_the_module_began_has_a_message_alone() -> None:
    assert problems("ecr_token", {"msg": "region: is missing"}, has_failed=True) == []
    assert "ecr_token: errors is not returned, and documented for always" in problems("ecr_token", {"msg": "x"})


def test_results_of_our_modules_are_looked_at_and_others_are_not() -> None:
    line = {"task": "Ask", "status": "ok", "result": {**GOOD, "token": "x"}}
    ours = {**line, "action": "kube_ecr.secrets.ecr_token"}
    skipped = {**ours, "status": "skipped"}
    hidden = {**ours, "result": {"censored": "x", "changed": False}}
    found = problems_of_run([ours, {**line, "action": "ansible.builtin.debug"}, skipped, hidden])
    assert found == ["ecr_token: token is returned, and not documented"]


def test_a_key_counts_as_seen_if_it_had_a_value() -> None:
    assert seen([{"a": [{"b": None, "c": ""}], "d": False, "e": []}]) == {"a", "a.b=null", "d"}
    assert {"errors.requested", "errors.requested=null", "calls.count"} <= promises("ecr_token")
