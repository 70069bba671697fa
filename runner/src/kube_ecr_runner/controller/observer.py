"""Who is told how the loop goes: telemetry.monitor.Monitor, which explains each method. None of them takes time."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Protocol

from kube_ecr_runner.model.resource import Key
from kube_ecr_runner.model.result import Result
from kube_ecr_runner.model.run import RunSummary


class Observer(Protocol):
    """What the loop tells of itself."""

    def loop_moved(self) -> None: ...

    def waits_for(self, watches: Iterable[str]) -> None: ...

    def queue_changed(self, depth: int, oldest_due: datetime | None) -> None: ...

    def resource_known(self, key: Key, status: Mapping[str, object]) -> None: ...

    def resource_gone(self, key: Key) -> None: ...

    def result_arrived(self, result: Result) -> None: ...

    def run_started(self, run: str) -> None: ...

    def run_ended(self, summary: RunSummary, resources: int) -> None: ...
