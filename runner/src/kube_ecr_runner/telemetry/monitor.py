"""Who is told how the work goes, and makes health and metrics of it. Nothing here takes time or raises."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime

from kube_ecr_runner.model.aws_calls import Call
from kube_ecr_runner.model.resource import Key
from kube_ecr_runner.model.result import Result
from kube_ecr_runner.model.run import RunSummary
from kube_ecr_runner.telemetry.health import Health
from kube_ecr_runner.telemetry.metrics import Metrics


class Monitor:
    """What controller.Observer and kube.Pulse ask for; its methods may be called from any thread."""

    def __init__(self, health: Health, metrics: Metrics) -> None:
        self.health = health
        self.metrics = metrics
        metrics.show_watches(health.watch_ages)

    def leads(self, is_leader: bool) -> None:
        """This process serves the resources, or waits until it is its turn. At first it serves."""
        self.health.leads(is_leader)
        self.metrics.leader(is_leader)

    def loop_moved(self) -> None:
        """The work loop did something."""
        self.health.loop_moved()

    def waits_for(self, watches: Iterable[str]) -> None:
        """These watches have not listed yet; with none left, resources are served."""
        self.health.waits_for(watches)

    def queue_changed(self, depth: int, oldest_due: datetime | None) -> None:
        """So many resources are due and wait for a run; the first of all is due at that time, or will be."""
        self.metrics.queue_changed(depth, oldest_due)

    def resource_known(self, key: Key, status: Mapping) -> None:
        """The status of a resource became known, or another one."""
        self.metrics.resource_known(key, status)

    def resource_gone(self, key: Key) -> None:
        """A resource is not there any more."""
        self.metrics.resource_gone(key)

    def result_arrived(self, result: Result) -> None:
        """A run brought the result of a resource."""
        self.metrics.result_arrived(result)

    def aws_called(self, calls: Iterable[Call]) -> None:
        """A run asked AWS."""
        self.metrics.aws_called(calls)

    def run_started(self, run: str) -> None:
        """A run began."""
        self.health.run_started(run)

    def run_ended(self, summary: RunSummary, resources: int) -> None:
        """The run is over; it was for so many resources."""
        self.health.run_ended()
        self.metrics.run_ended(summary.status, summary.seconds, resources)

    def watch_started(self, name: str) -> None:
        """A watch begins."""
        self.health.watch_started(name)

    def watch_heard(self, name: str) -> None:
        """The API server answered a watch, or sent it something."""
        self.health.watch_heard(name)

    def watch_failed(self, name: str, trouble: str) -> None:
        """A watch does not work for now, and is tried again; trouble says why, for a person."""
        self.health.watch_failed(name, trouble)

    def watch_ended(self, name: str) -> None:
        """A watch was ended."""
        self.health.watch_ended(name)
