"""What a suspended resource says of itself as time goes on."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from kube_ecr_runner.model.conditions import condition_of
from kube_ecr_runner.model.resource import Key, Resource
from kube_ecr_runner.reporting.suspension import changes_at, event_of, says_suspended, suspended_status

NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)
LATER, NOW, EARLIER = "2026-01-31T13:00:00Z", "2026-01-31T12:00:00Z", "2026-01-31T11:00:00Z"


def status(ready: str = "True", **fields: object) -> dict:
    conditions = [
        {"type": kind, "status": value, "reason": "X", "message": "", "lastTransitionTime": EARLIER}
        for kind, value in (("Ready", ready), ("RefreshFailing", "True"))
    ]
    return {"observedGeneration": 1, "conditions": conditions, "nextRefreshTime": LATER, **fields}


def suspended(before: dict) -> Resource:
    return Resource(Key("K", "ns", "r"), "u", 2, suspended=True, status=before)


@pytest.mark.parametrize(
    ("before", "ready", "words"),
    [
        pytest.param(
            status(expiresAt=LATER), "True", f"nothing is renewed; the first token expires at: {LATER}", id="alive"
        ),
        pytest.param(status(expiresAt=NOW), "False", f"the first token expired at: {NOW}", id="dead"),
        pytest.param(status("False", expiresAt=LATER), "False", "not all namespaces hold a valid token", id="in part"),
        pytest.param(status(), "True", "suspended: nothing is renewed; set", id="no namespace matches"),
        pytest.param({}, "False", "suspended: nothing is written; set", id="new"),
        pytest.param({"conditions": "x", "expiresAt": 5}, "False", "suspended: nothing is written; set", id="odd"),
    ],
)
def test_ready_lasts_as_long_as_the_tokens(before: dict, ready: str, words: str) -> None:
    told = suspended_status(suspended(before), NOON)
    condition, failing = (condition_of(told, kind) for kind in ("Ready", "RefreshFailing"))
    assert (condition["status"], condition["reason"]) == (ready, "Suspended")
    assert condition["message"].startswith("suspended: ")
    assert words in condition["message"]
    assert condition["message"].endswith("set spec.suspend to false to go on")
    assert (failing["status"], failing["reason"]) == ("False", "Suspended")
    assert told["observedGeneration"] == condition["observedGeneration"] == 2
    assert "nextRefreshTime" not in told
    assert says_suspended(told)
    assert suspended_status(suspended(told), NOON) == told, "it is not written twice"


def test_what_the_status_tells_besides_stays_until_the_tokens_are_dead() -> None:
    others = {
        "lastRefreshTime": EARLIER,
        "registries": ["host"],
        "namespacesTotal": 2,
        "failures": [{"namespace": "a"}],
    }
    before = status(expiresAt=LATER, namespacesReady=2, **others)
    told = suspended_status(suspended(before), NOON)
    assert changes_at(told, NOON) == NOON.replace(hour=13)
    assert {name: told[name] for name in ("namespacesReady", *others)} == {"namespacesReady": 2, **others}
    assert condition_of(told, "Ready")["lastTransitionTime"] == EARLIER
    assert condition_of(told, "RefreshFailing")["lastTransitionTime"] == NOW

    dead = suspended_status(suspended(told), NOON.replace(hour=13))
    assert changes_at(dead, NOON.replace(hour=13)) is None
    assert {name: dead[name] for name in ("namespacesReady", *others)} == {"namespacesReady": 0, **others}
    assert condition_of(dead, "Ready")["lastTransitionTime"] == LATER
    assert suspended_status(suspended(dead), NOON.replace(hour=14)) == dead


def test_events_tell_of_both() -> None:
    resource = suspended(status(expiresAt=LATER))
    assert (event_of(resource, NOON).type, event_of(resource, NOON).reason) == ("Normal", "Suspended")
    assert LATER in event_of(resource, NOON).message
    resumed = event_of(Resource(resource.key, "u", 3), NOON)
    assert (resumed.type, resumed.reason) == ("Normal", "Resumed")
    assert "spec.suspend is false again" in resumed.message
