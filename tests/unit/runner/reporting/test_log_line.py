"""Which results are a line in the log, and what is in it."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import replace

import pytest

from kube_ecr_runner.contract.kinds import CLUSTER_KIND
from kube_ecr_runner.contract.result import NamespaceResult
from kube_ecr_runner.model.resource import Key, Resource
from kube_ecr_runner.model.result import Result
from kube_ecr_runner.reporting.log_line import LogLine, log_line_of

KEY = Key(CLUSTER_KIND, "", "shared")
UNCHANGED = Result(KEY, "u", 1, (NamespaceResult("ns1", "unchanged"),))
UPDATED = Result(KEY, "u", 1, (NamespaceResult("ns1", "updated"),))


def status(ready: bool = True, cause: str = "", served: int = 2, reason: str = "X") -> dict[str, object]:
    failing = {"status": "True", "reason": reason, "message": cause} if cause else {"status": "False"}
    failing = {"reason": "RefreshSucceeded", "message": "the last refresh succeeded"} | failing
    conditions = [{"type": "Ready", "status": str(ready)}, {"type": "RefreshFailing"} | failing]
    return {"conditions": conditions, "namespacesReady": served, "namespacesTotal": 2, "expiresAt": "E"}


OK, WAITS, FAILS = status(), status(ready=False), status(cause="no")


@pytest.mark.parametrize(
    ("before", "after", "result", "message"),
    [
        pytest.param({}, OK, UPDATED, "ready", id="new, and ready"),
        pytest.param({}, WAITS, UNCHANGED, "waiting", id="new, and not ready"),
        pytest.param({}, FAILS, UNCHANGED, "refresh failed", id="new, and fails"),
        pytest.param(OK, OK, UPDATED, "refreshed", id="refreshed"),
        pytest.param(OK, OK, UNCHANGED, None, id="as it was"),
        pytest.param(OK, status(served=1), UNCHANGED, "ready", id="another number of namespaces"),
        pytest.param(WAITS, OK, UNCHANGED, "ready", id="became ready"),
        pytest.param(OK, FAILS, UNCHANGED, "refresh failed", id="begins to fail"),
        pytest.param(FAILS, FAILS, UPDATED, None, id="fails as before"),
        pytest.param(FAILS, status(cause="other"), UNCHANGED, "refresh failed", id="another message"),
        pytest.param(FAILS, status(cause="no", reason="Y"), UNCHANGED, "refresh failed", id="another reason"),
        pytest.param(
            FAILS, status(cause="no", ready=False), UNCHANGED, "refresh failed", id="fails, and not ready now"
        ),
        pytest.param(FAILS, status(cause="no", served=1), UNCHANGED, "refresh failed", id="fails in more namespaces"),
        pytest.param(FAILS, OK, UNCHANGED, "ready", id="recovered"),
    ],
)
def test_line_is_for_what_is_new(before: Mapping, after: Mapping, result: Result, message: str | None) -> None:
    line = log_line_of(Resource(KEY, "u", 1, status=before), result, after)
    assert (line and line.message) == message
    if line:
        assert line.level == (logging.WARNING if message == "refresh failed" else logging.INFO)


def test_line_names_namespaces_times_and_cause() -> None:
    resource = Resource(KEY, "u", 1)
    times = {"expiresAt": "E", "nextRefreshTime": "N"}
    assert log_line_of(resource, UPDATED, OK | times) == LogLine(
        logging.INFO, "ready", {"namespaces": "2/2", "expires": "E", "next": "N"}
    )
    assert log_line_of(replace(resource, status=OK), UPDATED, OK | times) == LogLine(
        logging.INFO, "refreshed", {"namespaces": "2/2", "expires": "E", "next": "N"}
    )
    line = log_line_of(replace(resource, status=OK), UNCHANGED, FAILS | times)
    assert line is not None
    assert list(line.fields.items())[3:] == [("ready", "True"), ("reason", "X"), ("cause", "no")]
