"""Which resources a task that failed is told of, from job events as ansible-runner 2.4 gives them."""

from __future__ import annotations

import pytest

from kube_ecr_runner.model.resource import Key
from kube_ecr_runner.model.result import TASK, Result
from kube_ecr_runner.runs.job_events import Progress

ERROR = "why there is no result"
A, B, C = (Key("AWSECRImagePullSecret", "ns", name) for name in "abc")


def item(key: Key) -> dict:
    return {"owner": {"kind": key.kind, "namespace": key.namespace, "name": key.name, "uid": "u", "generation": 1}}


def event(kind: str, host: str, task: str, res: dict, **data: object) -> dict:
    return {"event": kind, "event_data": {"host": host, "task": task, "task_uuid": task, "res": res, **data}}


def written(host: str, key: Key, **res: object) -> dict:
    return event("runner_item_on_ok", host, TASK, {"item": item(key), "namespaces": [], **res})


def failed(host: str, msg: str = "", **data: object) -> dict:
    return event("runner_on_failed", host, "Extra", {"msg": msg} if msg else {"censored": "hidden"}, **data)


def item_failed(host: str, key: Key, msg: str) -> dict:
    return event("runner_item_on_failed", host, "Extra", {"item": item(key), "msg": msg})


def stats(**failures: int) -> dict:
    return {"event": "playbook_on_stats", "event_data": {"failures": failures, "dark": {}}}


FAILED, RUN = "TaskFailed: task 'Extra' failed: x", f"RunFailed: {ERROR}"
BEGUN = {"event": "playbook_on_task_start", "event_data": {}}
LOOP = {"msg": "One or more items failed", "results": []}
OWN_ERROR = {"error": {"reason": "AccessDenied", "msg": "no"}}


@pytest.mark.parametrize(
    ("events", "status", "told"),
    [
        ([], "successful", {}),
        ([failed("h1", "x\ny"), stats(h1=1)], "failed", {A: FAILED, B: FAILED}),
        ([failed("h1"), stats(h1=1)], "failed", dict.fromkeys([A, B], "TaskFailed: task 'Extra' failed")),
        ([failed("localhost", "x"), stats(localhost=1)], "failed", dict.fromkeys([A, B, C], FAILED)),
        ([failed("h1", "x", ignore_errors=True), stats()], "successful", {}),
        ([failed("h1", "rescued"), stats()], "successful", {}),
        ([failed("h1", "rescued"), failed("h1", "x"), stats(h1=1)], "failed", dict.fromkeys([A, B], FAILED)),
        ([failed("h1", "x")], "failed", dict.fromkeys([A, B], FAILED)),
        (
            [item_failed("h1", B, "x"), event("runner_on_failed", "h1", "Extra", LOOP), stats(h1=1)],
            "failed",
            {B: FAILED},
        ),
        (
            [item_failed("h1", B, "x"), event("runner_on_failed", "h1", "Extra", LOOP, ignore_errors=True), stats()],
            "successful",
            {},
        ),
        ([event("runner_on_unreachable", "h2", "Extra", {"msg": "x"}), stats(h2=1)], "failed", {C: FAILED}),
        ([], "timeout", dict.fromkeys([A, B, C], RUN)),
        ([failed("h2", "x")], "timeout", {A: RUN, B: RUN, C: FAILED}),
        ([], "failed", dict.fromkeys([A, B, C], "RunFailed: ansible-playbook failed after it wrote the pull secrets")),
        (
            [{"event": "verbose", "stdout": "[ERROR]: the role 'x'\nis not there"}],
            "failed",
            dict.fromkeys([A, B, C], "RunFailed: the role 'x' is not there"),
        ),
    ],
)  # fmt: skip
def test_a_task_that_failed_is_told_of_the_resources_it_failed_for(
    events: list[dict], status: str, told: dict[Key, str]
) -> None:
    """Resources a and b are on host h1, c is on h2."""
    delivered: dict[Key, Result] = {}
    progress = Progress(lambda result: delivered.update({result.key: result}), dict.fromkeys([A, B, C]), is_held=True)
    for each in [BEGUN, written("h1", A), written("h1", B), written("h2", C), *events]:
        progress.handle(each)
    assert not delivered, "nothing is told before the run has ended"
    progress.end(status, ERROR)
    assert delivered.keys() == {A, B, C}
    assert not progress.missing
    problems = {key: problem for key, result in delivered.items() if (problem := result.problem)}
    assert {key: f"{each.reason}: {each.message}" for key, each in problems.items()} == told


def test_a_problem_of_a_resource_itself_is_told_rather_than_that_of_a_task() -> None:
    delivered: list[Result] = []
    progress = Progress(delivered.append, dict.fromkeys([A]), is_held=True)
    own_loop = event("runner_on_failed", "h1", TASK, LOOP, ignore_errors=True)
    for each in [written("h1", A, **OWN_ERROR), own_loop, failed("h1", "x"), stats(h1=1)]:
        progress.handle(each)
    progress.end("failed", ERROR)
    assert [each.problem and each.problem.reason for each in delivered] == ["AccessDenied"]


def test_what_a_cancelled_run_held_back_is_not_told_but_missing() -> None:
    delivered: list[Result] = []
    progress = Progress(delivered.append, dict.fromkeys([A]), is_held=True)
    progress.handle(written("h1", A))
    progress.end("canceled", ERROR)
    assert (delivered, list(progress.missing)) == ([], [A])


def test_results_of_our_own_playbook_are_told_as_they_come() -> None:
    delivered: list[Result] = []
    progress = Progress(delivered.append, dict.fromkeys([A, B]))
    progress.handle(written("h1", A))
    assert ([each.key for each in delivered], list(progress.missing)) == ([A], [B])


def test_cause_of_missing_results_is_what_ansible_said_before_its_first_task_or_a_task_that_failed() -> None:
    progress = Progress(lambda _: None, {})
    before = {"event": "verbose", "stdout": "[ERROR]: no such role"}
    origin = {"event": "verbose", "stdout": "Origin: site.yml:3:1"}
    broken_loop = event("runner_on_failed", "h1", TASK, {"msg": "no loop"}, ignore_errors=True)
    for each in [before, origin, BEGUN, {**before, "stdout": "[ERROR]: later"}, origin, failed("h1", "x"), broken_loop]:
        progress.handle(each)
    assert progress.causes() == [
        "[ERROR]: no such role (Origin: site.yml:3:1)",
        f"task '{TASK}' failed: no loop",
        "task 'Extra' failed: x",
    ]


@pytest.mark.parametrize(
    ("lines", "causes"),
    [
        (["[ERROR]: cannot read: x", "[ERROR]: Completely failed to parse inventory source y"], ["cannot read: x"]),
        (["[ERROR]: Completely failed to parse inventory source y"], ["Completely failed to parse inventory source y"]),
        ([None, "[ERROR]: a worker was killed"], ["a worker was killed"]),
        ([None, "some output"], []),
    ],
)
def test_the_error_of_ansible_that_names_the_cause_is_told(lines: list[str | None], causes: list[str]) -> None:
    """None stands for the first task."""
    progress = Progress(lambda _: None, {})
    for line in lines:
        progress.handle({"event": "verbose", "stdout": line} if line else BEGUN)
    assert [each.removeprefix("[ERROR]: ") for each in progress.causes()] == causes
