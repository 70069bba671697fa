"""The one interface by which the parts of the runner say how the work goes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from enum import StrEnum
from typing import Any

from kube_ecr_runner.model.aws_calls import AwsCallCount
from kube_ecr_runner.model.resource import Key
from kube_ecr_runner.model.result import Result


class Part(StrEnum):
    """What has to work for a runner to do what it is there for, beside its watches."""

    LEASE = "Lease"
    PLAYBOOK = "ansible-playbook"
    RUNS = "runs"
    STATUSES = "statuses"


class Observer:
    """Is told how the work goes, and ignores what it does not override.

    Its methods may be called from any thread, take no time and raise nothing. Watches are named by their source.
    """

    def leads(self, is_leader: bool) -> None:
        """This process is the leader and does the work, or waits until it is; at first it is taken for the leader."""

    def part_works(self, part: Part, trouble: str) -> None:
        """A part of the runner works, or does not: then trouble says why, for a person; else it is empty."""

    def loop_moved(self) -> None:
        """The work loop made progress."""

    def waits_for(self, watches: Iterable[str]) -> None:
        """These watches have no initial list yet; with none left, resources are served."""

    def queue_changed(self, depth: int, oldest_due: datetime | None) -> None:
        """So many resources are due and wait for a run; the first of all is due at that time, or will be."""

    def resource_known(self, key: Key, status: Mapping[str, Any]) -> None:
        """A resource has this status now."""

    def resource_gone(self, key: Key) -> None:
        """A resource does not exist any more."""

    def pods_waiting(self, key: Key, waiting: int, without_secret: int) -> None:
        """So many pods wait for an image of a resource's registries, and so many of them do not name its Secret."""

    def pod_recovered(self) -> None:
        """A pod was evicted, so that it pulls with a new Secret."""

    def result_arrived(self, result: Result) -> None:
        """A run brought the result of a resource."""

    def aws_called(self, calls: Iterable[AwsCallCount]) -> None:
        """A run called AWS."""

    def run_started(self, run: str) -> None:
        """A run of this name began."""

    def run_ended(self, status: str, seconds: float, resources: int) -> None:
        """A run for so many resources is over, after so many seconds; status is ansible-runner's."""

    def watch_started(self, name: str) -> None:
        """A watch begins."""

    def watch_moved(self, name: str) -> None:
        """What a watch is of was listed: that tells nothing of the watch itself."""

    def watch_heard(self, name: str) -> None:
        """A watch brought something, or there was nothing that it could have brought."""

    def watch_failed(self, name: str, trouble: str, is_needed: bool = True) -> None:
        """A watch does not work for now, and is tried again; trouble says why, for a person.

        is_needed is False where a right is missing without which all is served, if later.
        """

    def watch_ended(self, name: str) -> None:
        """A watch was ended."""
