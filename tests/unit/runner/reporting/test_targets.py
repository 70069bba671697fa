"""How the targets are where nobody could look at them; after a look, test_status.py tells it."""

from __future__ import annotations

from datetime import timedelta

import pytest

from kube_ecr_runner.contract.timestamps import format_time
from kube_ecr_runner.reporting.targets import TargetState, target_state
from tests.unit.runner.reporting.builders import AWS_DOWN, DIES, NOW, resource, result

FAILURES = [{"namespace": "c", "reason": "Forbidden", "message": "may not"}]
AS_BEFORE = TargetState(1, 2, ("a", "b"), (), (), DIES, FAILURES, is_ready=True)
UNKNOWN = TargetState(0, 2, (), (), (), None, [], is_ready=False)


@pytest.mark.parametrize(
    ("change", "state"),
    [
        pytest.param({}, AS_BEFORE, id="alive"),
        pytest.param({"expiresAt": format_time(NOW + timedelta(seconds=1))}, None, id="alive for a second"),
        pytest.param({"expiresAt": format_time(NOW)}, UNKNOWN, id="dead"),
        pytest.param({"observedGeneration": 0}, UNKNOWN, id="of another generation"),
        pytest.param({"conditions": []}, UNKNOWN, id="not ready"),
    ],
)
def test_targets_are_as_the_status_said_while_the_tokens_live(change: dict, state: TargetState | None) -> None:
    status = {
        "conditions": [{"type": "Ready", "status": "True"}],
        "observedGeneration": 1,
        "expiresAt": format_time(DIES),
        "namespacesReady": 1,
        "failures": FAILURES,
    }
    told = target_state(resource("a", "b", status=status | change), result(problem=AWS_DOWN), NOW, ["a", "b"])
    assert told == (state or TargetState(**vars(AS_BEFORE) | {"expires_at": NOW + timedelta(seconds=1)}))
