"""What ansible-playbook prints, as lines of the log: nothing of a task with no_log but its outcome."""

from __future__ import annotations

import pytest

from kube_ecr_runner.runs.output import MAX_LINE, MAX_LINES, MAX_LINES_OF_TASK, Output


def event(kind: str, stdout: str = "canary", **data: object) -> dict:
    return {"event": kind, "stdout": stdout, "event_data": data}


def told(*events: dict, is_over: bool = True) -> list[str]:
    output = Output()
    return [*(line for each in events for line in output.lines(each)), *(output.rest() if is_over else ())]


def test_lines_are_told_one_by_one_and_empty_ones_left_out() -> None:
    printed = "\r\nTASK [a] ***\r\n\r\nok: [b] => {\r\n    x  \r\n}"
    assert told(event("playbook_on_task_start", printed)) == [
        "TASK [a] ***",
        "ok: [b] => {",
        "    x",
        "}",
    ]
    assert told({"event": "playbook_on_stats"}) == []


def test_lines_and_their_number_are_cut() -> None:
    long, *others, more = told(event("verbose", "\n".join(["x" * (MAX_LINE + 5), *"y" * (MAX_LINES + 2)])))
    assert long == "x" * MAX_LINE + "... (5 more characters)"
    assert (len(others), more) == (MAX_LINES - 1, "... (3 more lines)")


@pytest.mark.parametrize(
    ("kind", "outcome"),
    [
        ("runner_on_failed", "failed"),
        ("runner_item_on_failed", "failed"),
        ("runner_on_ok", "ok"),
        ("runner_retry", "retry"),
    ],
)
def test_of_a_task_with_no_log_only_the_outcome_is_told(kind: str, outcome: str) -> None:
    """ansible-core prints the message of the failure before the result, in the same event, and commands before that."""
    assert told(
        event("playbook_on_task_start", "TASK [T]", task="T", task_uuid="1"),
        event("verbose", "<h> EXEC echo canary", task="T", task_uuid="1"),
        event(kind, "[ERROR]: Task failed: canary", res={"censored": "hidden"}, task="T", task_uuid="1", host="h"),
        event("verbose", "<i> EXEC echo canary", task="T", task_uuid="1"),
        event("runner_on_ok", "canary", res={"x": 1}, task="T", task_uuid="1", host="i"),
        event("playbook_on_stats", "PLAY RECAP"),
    ) == ["TASK [T]", f"task 'T' on h: {outcome}; its no_log hides the rest", "PLAY RECAP"]


def test_what_another_task_prints_is_told_in_its_order_when_the_next_one_starts() -> None:
    printed = [
        event("playbook_on_task_start", "TASK [T]", task="T", task_uuid="1"),
        event("verbose", "<h> EXEC true", task="T", task_uuid="1"),
        event("runner_on_ok", "ok: [h]", res={}, task="T", task_uuid="1", host="h"),
    ]
    assert told(*printed, is_over=False) == ["TASK [T]"]
    following = event("playbook_on_task_start", "TASK [U]", task="U", task_uuid="2")
    assert told(*printed, following, is_over=False) == ["TASK [T]", "<h> EXEC true", "ok: [h]", "TASK [U]"]
    assert told(*printed) == ["TASK [T]", "<h> EXEC true", "ok: [h]"]


def test_nothing_is_told_of_a_task_that_had_no_result_when_ansible_playbook_died() -> None:
    """Nor of one that still works when another starts (strategy free)."""
    lines = told(
        event("playbook_on_task_start", "TASK [T]", task="T", task_uuid="1"),
        event("verbose", "<h> EXEC echo canary", task="T", task_uuid="1"),
        event("playbook_on_task_start", "TASK [U]", task="U", task_uuid="2"),
    )
    assert lines == ["TASK [T]", "TASK [U]", "task 'T': it had no result, so nothing is told of what it printed"]


def test_what_is_printed_while_hosts_work_on_several_tasks_is_nobodys() -> None:
    """With the strategy free, ansible-runner calls the output of one the output of the task that began last."""
    first, second = {"task": "T", "task_uuid": "1"}, {"task": "U", "task_uuid": "2"}
    lines = told(
        event("playbook_on_task_start", "TASK [T]", **first),
        event("runner_on_start", "", host="b", **first),
        event("playbook_on_task_start", "TASK [U]", **second),
        event("runner_on_start", "", host="a", **second),
        event("verbose", "<b> EXEC echo canary", **second),
        event("runner_on_ok", "ok: [a]", res={}, host="a", **second),
        event("runner_on_ok", "canary", res={"censored": "hidden"}, host="b", **first),
    )
    assert lines == [
        "TASK [T]",
        "TASK [U]",
        "task 'T' on b: ok; its no_log hides the rest",
        "ok: [a]",
        "task 'U': what was printed while others were at work, too, is not told",
    ]


def test_a_task_is_not_told_of_before_all_hosts_have_said_whether_it_has_no_log() -> None:
    first = {"task": "T", "task_uuid": "1"}
    events = [
        event("playbook_on_task_start", "TASK [T]", **first),
        event("runner_on_start", "", host="a", **first),
        event("runner_on_start", "", host="b", **first),
        event("verbose", "<b> EXEC echo canary", **first),
        event("runner_on_ok", "ok: [a]", res={}, host="a", **first),
        event("playbook_on_task_start", "TASK [U]", task="U", task_uuid="2"),
    ]
    assert told(*events, is_over=False) == ["TASK [T]", "TASK [U]"]
    last = event("runner_on_ok", "canary", res={"censored": "hidden"}, host="b", **first)
    assert told(*events, last) == ["TASK [T]", "TASK [U]", "task 'T' on b: ok; its no_log hides the rest"]


def test_lines_of_a_task_are_counted_beyond_a_number() -> None:
    many = [event("verbose", "x\n" * MAX_LINES, task="T", task_uuid="1")] * (MAX_LINES_OF_TASK // MAX_LINES + 1)
    lines = told(*many, event("runner_on_ok", "", res={}, task="T", task_uuid="1"))
    assert (len(lines), lines[-1]) == (MAX_LINES_OF_TASK + 1, f"... ({MAX_LINES} more lines)")
