"""Which resources a task that failed is told of, from job events as ansible-runner 2.4 gives them."""

from __future__ import annotations

import pytest

from kube_ecr_runner.model.aws_calls import AwsCallCount
from kube_ecr_runner.model.playbook import WAIT
from kube_ecr_runner.model.resource import Key
from kube_ecr_runner.model.result import TASK, Result
from kube_ecr_runner.runs.job_events import Progress, is_wait

ERROR = "why there is no result"
A, B, C = (Key("AWSECRImagePullSecret", "ns", name) for name in "abc")


def item(key: Key) -> dict:
    """Return an item of the variable pull_secrets, or the summary of one in a result: both have an owner."""
    return {"owner": {"kind": key.kind, "namespace": key.namespace, "name": key.name, "uid": "u", "generation": 1}}


def event(kind: str, host: str, task: str, res: dict, **data: object) -> dict:
    return {"event": kind, "event_data": {"host": host, "task": task, "task_uuid": task, "res": res, **data}}


def written(host: str, *keys: Key, kind: str = "runner_on_ok", **answer: object) -> dict:
    return event(kind, host, TASK, {"resources": [{"resource": item(key), "namespaces": [], **answer} for key in keys]})


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
    for each in [BEGUN, written("h1", A, B), written("h2", C), *events]:
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
    own = written("h1", A, kind="runner_on_failed", **OWN_ERROR)
    own["event_data"]["ignore_errors"] = True
    for each in [own, failed("h1", "x"), stats(h1=1)]:
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
    progress = Progress(delivered.append, dict.fromkeys([A, B, C]))
    progress.handle(written("h1", A, kind="runner_retry"))
    assert ([each.key for each in delivered], list(progress.missing)) == ([A], [B, C])
    progress.handle(written("h1", B, kind="runner_retry"))
    progress.handle(written("h1", A, B))
    assert ([each.key for each in delivered], list(progress.missing)) == ([A, B], [C]), "each is told once"


def test_results_that_wait_for_the_tasks_of_a_user_are_told_once() -> None:
    delivered: list[Result] = []
    progress = Progress(delivered.append, dict.fromkeys([A, B]), is_held=True)
    for each in [written("h1", A, kind="runner_retry"), written("h1", A, B), stats()]:
        progress.handle(each)
    progress.end("successful", "")
    assert ([each.key for each in delivered], list(progress.missing)) == ([A, B], [])


def test_a_result_of_what_was_not_asked_for_is_not_told() -> None:
    """What a round left behind, or a playbook makes up, is nobody's."""
    delivered: list[Result] = []
    Progress(delivered.append, dict.fromkeys([A])).handle(written("h1", B))
    assert delivered == []


def test_calls_to_aws_are_told_with_the_last_result_of_a_host() -> None:
    told: list[list[AwsCallCount]] = []
    progress = Progress(lambda _: None, {}, told.append)
    calls = [{"operation": "sts:AssumeRole", "code": "OK", "count": 1}]
    for kind in ("runner_retry", "runner_on_ok"):
        progress.handle(event(kind, "h1", TASK, {"resources": [], "calls": calls}))
    assert told == [[AwsCallCount("sts:AssumeRole", "OK", 1)]]


@pytest.mark.parametrize(
    ("kind", "play", "is_end"),
    [
        ("playbook_on_play_start", "Wait for the next round", True),
        ("playbook_on_play_start", "Reconcile the ECR pull secrets", False),
        ("playbook_on_task_start", "Wait for the next round", False),
        ("playbook_on_play_start", None, False),
    ],
)
def test_a_round_is_over_when_the_next_one_is_waited_for(kind: str, play: str | None, is_end: bool) -> None:
    assert is_wait({"event": kind, "event_data": {"play": play} if play else None}) is is_end


def test_cause_of_missing_results_is_what_ansible_said_before_its_first_task_or_a_task_that_failed() -> None:
    progress = Progress(lambda _: None, {})
    before = {"event": "verbose", "stdout": "[ERROR]: no such role"}
    origin = {"event": "verbose", "stdout": "Origin: site.yml:3:1"}
    broken_loop = event("runner_on_failed", "h1", TASK, {"msg": "no loop"}, ignore_errors=True)
    for each in [before, origin, BEGUN, {**before, "stdout": "[ERROR]: later"}, origin, failed("h1", "x"), broken_loop]:
        progress.handle(each)
    assert progress.causes("failed") == [
        "no such role (Origin: site.yml:3:1)",
        f"task '{TASK}' failed: no loop",
        "task 'Extra' failed: x",
    ]


WAITS = {"event": "playbook_on_task_start", "event_data": {"task": WAIT}}
PARSE_WARNING = "[WARNING]: Failed to parse inventory with 'ansible_collections.kube_ecr' plugin: /tmp/i/ecr.yml: why"
NO_CAUSE = "[ERROR]: Completely failed to parse inventory source y"


@pytest.mark.parametrize(
    ("lines", "cause"),
    [
        (["[ERROR]: cannot read: x", NO_CAUSE], "cannot read: x"),
        ([WAITS, "[ERROR]: cannot read: x", PARSE_WARNING, NO_CAUSE], "cannot read: x"),
        ([PARSE_WARNING, NO_CAUSE], "why"),
        ([NO_CAUSE], "Completely failed to parse inventory source y"),
        ([BEGUN, "[ERROR]: a worker was killed"], "a worker was killed"),
        ([BEGUN, "some output"], ""),
        (["ERROR: Ansible requires the locale encoding to be UTF-8; Detected None."],
         "Ansible requires the locale encoding to be UTF-8; Detected None."),
        (["ERROR! the field 'hosts' is required"], "the field 'hosts' is required"),
        (["[WARNING]: x", "[ERROR]: Unexpected Exception: no\nTraceback (most recent call last):\n  File 'x'\nE: no"],
         "Unexpected Exception: no"),
        (["Traceback (most recent call last):", "  File 'x', line 1", "ModuleNotFoundError: No module named 'x'", ""],
         "ModuleNotFoundError: No module named 'x'"),
        (["usage: ansible-playbook [-h]", "ansible-playbook: error: unrecognized arguments: --x", "", " some hint"],
         "unrecognized arguments: --x"),
        (["Fatal Python error: init_import_site: no module", "Python runtime state: initialized"],
         "init_import_site: no module"),
        (["/x/python: No module named ansible"], "/x/python: No module named ansible"),
    ],
)  # fmt: skip
def test_whatever_ends_ansible_playbook_early_is_told(lines: list[str | dict], cause: str) -> None:
    progress = Progress(lambda _: None, {})
    for line in lines:
        progress.handle({"event": "verbose", "stdout": line} if isinstance(line, str) else line)
    assert progress.causes("failed") == list(filter(None, [cause]))


def test_what_a_run_that_came_to_its_end_printed_is_no_cause() -> None:
    progress = Progress(lambda _: None, {})
    progress.handle({"event": "verbose", "stdout": "[WARNING]: x is deprecated"})
    assert progress.causes("successful") == []
