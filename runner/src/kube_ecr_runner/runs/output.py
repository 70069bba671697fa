"""What ansible-playbook prints, as lines of the log: for whoever asks by --ansible-verbosity. Pure, but for log().

What always holds: of a task with no_log only its name and outcome are told. ansible-core (2.19 to 2.21) prints the
message of such a task when it fails, just before the result that it hides, and connection plugins print the commands of
one from -vvv on. Only the results say that a task has no_log, so what it prints is held back until they are there, from
all hosts that work on it: no_log may differ by host. With the strategy free, hosts work on several tasks at once, and
ansible-runner takes what is printed for the output of the task that began last. So what is printed then is left out.
What other tasks of a user print is theirs to hide.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from kube_ecr_runner.log import fields

# Of a line, of the lines of an event, and of those of a task: a result may have megabytes.
MAX_LINE = 4096
MAX_LINES = 200
MAX_LINES_OF_TASK = 2000
_STARTED = "runner_on_start"
_ENDED = frozenset({"runner_on_ok", "runner_on_failed", "runner_on_skipped", "runner_on_unreachable"})

_log = logging.getLogger(__name__)


@dataclass
class _Task:
    """What a task printed so far, and what is told of it if it is hidden: a line for each result.

    at_work are the hosts that have no result yet. With lacks_lines, it may have printed more, as may others.
    """

    name: str
    lines: list[str] = field(default_factory=list)
    outcomes: list[str] = field(default_factory=list)
    at_work: set[str] = field(default_factory=set)
    lacks_lines: bool = False
    has_result: bool = False
    is_hidden: bool = False

    def told(self) -> Iterator[str]:
        """Yield the lines that may be told: none where no result says whether they may."""
        if self.is_hidden:
            yield from self.outcomes
        elif self.has_result:
            yield from self.lines[:MAX_LINES_OF_TASK]
            if len(self.lines) > MAX_LINES_OF_TASK:
                yield f"... ({len(self.lines) - MAX_LINES_OF_TASK} more lines)"
            if self.lacks_lines:
                yield f"task {self.name!r}: what was printed while others were at work, too, is not told"
        else:
            yield f"task {self.name!r}: it had no result, so nothing is told of what it printed"


class Output:
    """The output of an ansible-playbook, whose job events it is given in their order."""

    def __init__(self) -> None:
        # By the ID that Ansible gives a task. With the strategy free, several are at work.
        self._tasks: dict[str, _Task] = {}

    def log(self, event: Mapping) -> None:
        """Log what may be told after a job event, a record for each line."""
        _write(self.lines(event))

    def log_rest(self) -> None:
        """Log what was held back: ansible-playbook has ended."""
        _write(self.rest())

    def lines(self, event: Mapping) -> Iterator[str]:
        """Yield the lines that may be told after a job event."""
        kind, data = str(event.get("event")), event.get("event_data") or {}
        printed = _cut(str(event.get("stdout") or ""))
        if kind.endswith("_task_start"):
            yield from self._finished()
            yield from printed
        elif kind.startswith("playbook_") or not data.get("task_uuid"):
            yield from self.rest() if kind.startswith("playbook_") else ()
            yield from printed
        else:
            self._hold(kind, data, printed)

    def rest(self) -> Iterator[str]:
        """Yield what was held back, as far as it may be told."""
        tasks, self._tasks = self._tasks, {}
        for task in tasks.values():
            yield from task.told()

    def _finished(self) -> Iterator[str]:
        """Yield what tasks printed that had their results."""
        for identifier, task in list(self._tasks.items()):
            if task.has_result and not task.at_work:
                yield from self._tasks.pop(identifier).told()

    def _hold(self, kind: str, data: Mapping, printed: Iterator[str]) -> None:
        task = self._tasks.setdefault(str(data["task_uuid"]), _Task(str(data.get("task"))))
        host = str(data.get("host"))
        if not kind.startswith("runner_") and any(each.at_work for each in self._tasks.values() if each is not task):
            task.lacks_lines = True
        else:
            task.lines += printed
        if kind == _STARTED:
            task.at_work.add(host)
        elif kind in _ENDED:
            task.at_work.discard(host)
        result = data.get("res")
        if not isinstance(result, Mapping):
            return
        task.has_result = True
        if "censored" in result:
            task.is_hidden = True
            outcome = kind.rpartition("_")[2]
            task.outcomes.append(f"task {task.name!r} on {data.get('host')}: {outcome}; its no_log hides the rest")


def _write(lines: Iterator[str]) -> None:
    for line in lines:
        _log.info("ansible-playbook", extra=fields(output=line))


def _cut(text: str) -> Iterator[str]:
    """Yield the lines of a text that are not empty, cut to a length and a number that a log can take."""
    lines = [line.rstrip() for line in text.splitlines() if line.strip()]
    for line in lines[:MAX_LINES]:
        yield line if len(line) <= MAX_LINE else f"{line[:MAX_LINE]}... ({len(line) - MAX_LINE} more characters)"
    if len(lines) > MAX_LINES:
        yield f"... ({len(lines) - MAX_LINES} more lines)"
