"""The annotations of operator-sdk on a custom resource: the period is honoured, the others set nothing here. Pure.

https://sdk.operatorframework.io/docs/building-operators/ansible/reference/advanced_options/
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Self

from kube_ecr_runner.model.period import parse_period

_PREFIX = "ansible.sdk.operatorframework.io/"
RECONCILE_PERIOD = f"{_PREFIX}reconcile-period"
_WITHOUT_EFFECT = {
    f"{_PREFIX}verbosity": "resources share a run; set --ansible-verbosity of the runner, and remove the annotation",
    f"{_PREFIX}max-runner-artifacts": "nothing of a run is kept; remove the annotation",
}


@dataclass(frozen=True)
class SdkAnnotations:
    """What they say: the longest time between two checks, zero for no limit, None where none is named.

    warnings tell which of them are ignored, why, and what to do. A period that is no length of time is one of them:
    operator-sdk would stop to serve the resource, whose tokens expire then.
    """

    period: timedelta | None = None
    warnings: tuple[str, ...] = ()

    @classmethod
    def parse(cls, annotations: Mapping[str, Any]) -> Self:
        """Return what the annotations of a resource say."""
        period, warnings = None, []
        if RECONCILE_PERIOD in annotations:
            try:
                period = parse_period(annotations[RECONCILE_PERIOD])
            except ValueError as error:
                warnings.append(f"annotation {RECONCILE_PERIOD} is ignored: {error}; correct or remove it")
        warnings += [
            f"annotation {name} is ignored: {why}" for name, why in _WITHOUT_EFFECT.items() if name in annotations
        ]
        return cls(period, tuple(warnings))
