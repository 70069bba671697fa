"""What the inbox of the loop holds: events of watches, results of runs, and the order to stop."""

from __future__ import annotations

from dataclasses import dataclass
from queue import SimpleQueue

from kube_ecr_runner.cluster.reflector import ChangeEvent, ListEvent
from kube_ecr_runner.controller.run_supervisor import RunEnded
from kube_ecr_runner.model.result import Result


@dataclass(frozen=True)
class Stop:
    """Ends the loop; signal is the cause, such as the name of a signal."""

    signal: str


Message = ListEvent | ChangeEvent | Result | RunEnded | Stop
Inbox = SimpleQueue[Message]
