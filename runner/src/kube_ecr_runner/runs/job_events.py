"""What is seen of a run while it works: the results of its resources, and why some may have none. Pure.

Where only tasks of ours are run, each result is delivered as it comes. Where a user's tasks are run as well, results
are held back until the run has ended, and one of those tasks that failed is told in the results of the resources that
it failed for: of the one in `item.owner` where it is an item of a loop, else of all of its host.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from kube_ecr_runner.contract import reasons
from kube_ecr_runner.model.aws_calls import AwsCallCount
from kube_ecr_runner.model.playbook import WAIT
from kube_ecr_runner.model.resource import Key
from kube_ecr_runner.model.result import TASK, Origin, Problem, Result, owner_key
from kube_ecr_runner.runs.causes import error_in, is_error, parse_error_in

_MAX_TEXT = 500
# What ansible-runner says of a run that came to its end, whatever tasks made of it.
_ENDED = ("successful", "failed")
# What ansible-core adds to an error of the inventory plugin.
_NO_CAUSE = "Completely failed to parse inventory source"


@dataclass(frozen=True)
class _Failure:
    """A task that failed on a host; owners are the resources in the items that it failed for, none if it is no loop.

    There is no text where the results of resources tell.
    """

    host: str
    text: str
    owners: frozenset[Key | None] = frozenset()


@dataclass
class Progress:
    """What was seen of a run so far; errors are Ansible's own, up to its first task but that which waits."""

    deliver: Callable[[Result], None]
    missing: dict[Key, None]
    on_calls: Callable[[list[AwsCallCount]], None] = lambda _: None
    is_held: bool = False
    errors: list[str] = field(default_factory=list)
    has_begun: bool = False
    _last_error: str = ""
    # What a program says that Ansible's start did not foresee: the last line of a traceback, say.
    _last_line: str = ""
    _parse_error: str = ""
    _held: dict[Key, tuple[str, Result]] = field(default_factory=dict)
    # By host and task, the failed items of a loop that is not over, and the resource in each.
    _items: dict[tuple[str, str], dict[Key | None, str]] = field(default_factory=dict)
    _failures: list[_Failure] = field(default_factory=list)
    # By host, how many tasks failed and were not rescued; None as long as Ansible has not said so.
    _unrescued: Mapping[str, int] | None = None

    def handle(self, event: Mapping) -> bool:
        """Take a job event; False keeps ansible-runner from writing it to a file."""
        data = event.get("event_data") or {}
        match event.get("event"):
            case "playbook_on_task_start" if data.get("task") != WAIT:
                self.has_begun = True
            case "error" | "verbose" as kind:
                self._printed(kind, str(event.get("stdout") or "").strip())
            case "runner_on_failed" | "runner_on_unreachable":
                self._task_failed(data)
            case "runner_item_on_failed":
                owner = owner_key((data.get("res") or {}).get("item"))
                self._items.setdefault(_task_of(data), {}).setdefault(owner, _told(data))
            case "playbook_on_stats":
                failed, gone = data.get("failures") or {}, data.get("dark") or {}
                self._unrescued = {host: failed.get(host, 0) + gone.get(host, 0) for host in {*failed, *gone}}
        if calls := AwsCallCount.from_event(event):
            self.on_calls(calls)
        for result in Result.all_from_event(event):
            # At its end the task tells all once more.
            if result.key in self.missing:
                self._take(result, str(data.get("host")))
        return False

    def causes(self, status: str) -> list[str]:
        """Return why resources may be without a result: Ansible's own errors, and tasks that failed.

        Of a run that failed before its first task, with ansible-runner's status, at least the last line is told.
        """
        found = [*self.errors, *(failure.text for failure in self._lasting())]
        last = self._last_line if status == "failed" and not self.has_begun else ""
        return found or list(filter(None, [self._last_error or last]))

    def end(self, status: str, error: str) -> None:
        """Deliver what was held back, if anything was, when the run has ended with ansible-runner's status.

        error says why a run gave no result. Of one that was cancelled nothing is delivered: what it did not come to
        has to be done by another.
        """
        if status == "canceled":
            return
        failures = list(self._lasting())
        cut = "" if status in _ENDED else error
        if status == "failed" and not failures and all(result.succeeded for _, result in self._held.values()):
            cut = self._last_error or "ansible-playbook failed after it wrote the pull secrets"
        for host, result in self._held.values():
            self.missing.pop(result.key, None)
            self.deliver(result if result.problem else replace(result, problem=self._problem(result, host, cut)))
        self._held = {}

    def _take(self, result: Result, host: str) -> None:
        if self.is_held:
            self._held[result.key] = (host, result)
        else:
            self.missing.pop(result.key)
            self.deliver(result)

    def _printed(self, kind: str, text: str) -> None:
        # The error that ends ansible-playbook comes as a plain line, whatever comes before its own output begins.
        if kind == "error" or is_error(text):
            self._last_error = error_in(text)[:_MAX_TEXT]
            if not self.has_begun:
                self._ended_early(error_in(text))
        elif text.startswith("Origin: ") and self.errors and not self.has_begun:
            # Where in a file the error is comes as a line of its own.
            self.errors[-1] += f" ({text})"
        elif text and not self.has_begun:
            self._parse_error = parse_error_in(text) or self._parse_error
            self._last_line = text[:_MAX_TEXT]

    def _ended_early(self, error: str) -> None:
        if _NO_CAUSE not in error:
            self.errors.append(error)
        elif not self.errors:
            self.errors.append(self._parse_error or error)

    def _task_failed(self, data: Mapping) -> None:
        items, is_own = self._items.pop(_task_of(data), {}), data.get("task") == TASK
        if is_own and not (data.get("res") or {}).get("resources"):
            self.errors.append(_told(data))
        if not data.get("ignore_errors"):
            text = "" if is_own else next(iter(items.values()), "") or _told(data)
            self._failures.append(_Failure(str(data.get("host")), text, frozenset(items)))

    def _lasting(self) -> Iterator[_Failure]:
        """Yield the failures that were not rescued.

        Ansible counts them by host. One that is rescued comes before those that are not, which end the play there.
        """
        counts = self._unrescued
        for host in dict.fromkeys(failure.host for failure in self._failures):
            found = [failure for failure in self._failures if failure.host == host]
            lasting = found if counts is None else found[max(len(found) - counts.get(host, 0), 0) :]
            yield from (failure for failure in lasting if failure.text)

    def _problem(self, result: Result, host: str, cut: str) -> Problem | None:
        hosts = {name for name, _ in self._held.values()}
        for failure in self._lasting():
            is_named = result.key in failure.owners
            # A host without resources, such as localhost, stands for all.
            is_of_all = not failure.owners or None in failure.owners
            if is_named or (is_of_all and (failure.host == host or failure.host not in hosts)):
                return Problem(reasons.TASK_FAILED, failure.text, Origin.RUN)
        return Problem(reasons.RUN_FAILED, cut, Origin.RUN) if cut else None


def is_wait(event: Mapping) -> bool:
    """Return whether a play begins in which the next round is waited for: all that was to be done is done."""
    data = event.get("event_data") or {}
    return event.get("event") == "playbook_on_play_start" and data.get("play") == WAIT


def _task_of(data: Mapping) -> tuple[str, str]:
    return str(data.get("host")), str(data.get("task_uuid") or data.get("task"))


def _told(data: Mapping) -> str:
    """Return that a task failed, and why, as far as its no_log allows."""
    text = str((data.get("res") or {}).get("msg") or "").strip().partition("\n")[0][:_MAX_TEXT]
    return f"task {data.get('task')!r} failed" + (f": {text}" if text else "")
