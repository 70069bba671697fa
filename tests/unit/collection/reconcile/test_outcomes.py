"""How a refusal of the API server reads in a result, and which refusals are no failure."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from ansible_collections.kube_ecr.secrets.plugins.module_utils._reconcile.outcomes import (
    NamespaceOutcome,
    ObjectOutcome,
    refused,
)

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)
TERMINATING = "patch secrets/s in namespace a: Forbidden: unable to create: because it is being terminated"


@pytest.mark.parametrize(
    ("status", "text", "state", "reason", "message"),
    [
        (404, "gone", "pending", "NamespaceNotFound", "namespace a does not exist yet"),
        (403, TERMINATING, "pending", "NamespaceTerminating", "namespace a is being deleted"),
        (403, "no right", "failed", "Told", "no right"),
        (409, TERMINATING, "failed", "Told", TERMINATING),
        (0, "no answer", "failed", "Told", "no answer"),
    ],
)
def test_a_namespace_that_is_not_there_or_on_its_way_out_is_waited_for(
    status: int, text: str, state: str, reason: str, message: str
) -> None:
    outcome = refused("a", status, "Told", text, NOW)
    assert (outcome.namespace, outcome.state, outcome.reason, outcome.message) == ("a", state, reason, message)
    assert outcome.expires_at == (NOW if state == "failed" else None), "what still stands is told of a failure"


def test_what_a_result_lists() -> None:
    listed = {"namespace": "a", "state": "failed", "reason": "R", "msg": "m"}
    assert NamespaceOutcome("a", "failed", "R", "m", NOW).as_dict() == {**listed, "expires_at": "2026-01-31T12:00:00Z"}
    assert NamespaceOutcome("a", "failed", "R", "m").as_dict() == {**listed, "expires_at": None}
    assert ObjectOutcome("a", "s", "failed", "R", "m").as_dict() == {**listed, "name": "s"}
