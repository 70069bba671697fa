"""What a run asked of AWS, as the playbook tells it. Pure.

The runner knows nothing of AWS; these are words and numbers for metrics. Whoever writes a playbook could put anything
here, so what has not the form of an operation or of an error code is not handed on.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Self

from kube_ecr_runner.contract.reading import mapping_in, mappings_in, number_in
from kube_ecr_runner.model.result import TASK

OTHER = "Other"
# While others are waited for the task tells the calls so far, and at its end all.
_LAST_EVENTS = ("runner_on_ok", "runner_on_failed")
_OPERATION = re.compile(r"[a-z0-9-]{1,40}:[A-Za-z0-9]{1,64}", re.ASCII)
_CODE = re.compile(r"[A-Za-z0-9]{1,64}", re.ASCII)


@dataclass(frozen=True)
class AwsCallCount:
    """How often an operation of AWS, such as ecr:GetAuthorizationToken, was answered with a code; OK is success."""

    operation: str
    code: str
    count: int

    @classmethod
    def from_event(cls, event: Mapping[str, Any]) -> list[Self]:
        """Return the calls that a job event of ansible-runner tells of, mostly none."""
        data = mapping_in(event, "event_data")
        if event.get("event") not in _LAST_EVENTS or data.get("task") != TASK:
            return []
        return list(cls._of(mapping_in(data, "res")))

    @classmethod
    def _of(cls, answer: Mapping[str, Any]) -> Iterator[Self]:
        for entry in mappings_in(answer, "calls"):
            count = number_in(entry, "count")
            if count > 0:
                yield cls(_word(_OPERATION, entry.get("operation")), _word(_CODE, entry.get("code")), count)


def _word(form: re.Pattern[str], value: object) -> str:
    return value if isinstance(value, str) and form.fullmatch(value) else OTHER
