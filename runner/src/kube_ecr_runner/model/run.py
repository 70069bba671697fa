"""How a run of a playbook ended. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from kube_ecr_runner.model.resource import Key

# The status of a run that did not end before its deadline.
TIMEOUT = "timeout"


@dataclass(frozen=True)
class RunSummary:
    """How a run ended: ansible-runner's status and return code, seconds, and why it has no result for `missing`."""

    status: str
    rc: int | None
    seconds: float
    error: str
    missing: list[Key]
