"""What is seen of a run while it works: the results of its resources, and why some may have none. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from kube_ecr_runner.calls import Call
from kube_ecr_runner.resources import Key
from kube_ecr_runner.results import Result


@dataclass
class Progress:
    """What was seen of a run so far; errors are Ansible's own, up to its first task."""

    deliver: Callable[[Result], None]
    missing: dict[Key, None]
    on_calls: Callable[[list[Call]], None] = lambda _: None
    errors: list[str] = field(default_factory=list)
    has_begun: bool = False

    def handle(self, event: Mapping) -> bool:
        """Take a job event; False keeps ansible-runner from writing it to a file."""
        kind = event.get("event")
        if kind == "playbook_on_task_start":
            self.has_begun = True
        elif kind in ("error", "verbose") and not self.has_begun:
            text = str(event.get("stdout") or "").strip()
            # The error that ends ansible-playbook comes as a plain line.
            if kind == "error" or text.startswith(("[ERROR]", "ERROR!")):
                self.errors.append(text)
        elif kind == "runner_on_failed":
            self._task_failed(event.get("event_data") or {})
        if calls := Call.from_event(event):
            self.on_calls(calls)
        result = Result.from_event(event)
        if result:
            self.missing.pop(result.key, None)
            self.deliver(result)
        return False

    def _task_failed(self, data: Mapping) -> None:
        answer = data.get("res") or {}
        if not data.get("ignore_errors") and "results" not in answer:
            text = str(answer.get("msg") or "").strip().partition("\n")[0]
            self.errors.append(f"task {data.get('task')!r} failed" + (f": {text}" if text else ""))
