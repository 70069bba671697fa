"""What a resource tells of the pods that wait for its images."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import timedelta

import pytest

from kube_ecr_runner.model.conditions import condition_of
from kube_ecr_runner.model.resource import Resource
from kube_ecr_runner.model.waiting_pod import WaitingPod
from kube_ecr_runner.reporting.status import status_of
from kube_ecr_runner.reporting.suspension import suspended_status
from kube_ecr_runner.reporting.waiting_pods import PodsReport, report_of, status_with_pods, tells_of_pods
from tests.unit.runner.reporting.builders import DUE, HOST, LATER, NOW, created, resource, result

SERVED = status_of(resource("a"), result(created("a")), NOW, DUE, [])
RECOVERING = replace(resource("a"), recovers_pods=True)


def pod(name: str, *pull_secrets: str, namespace: str = "a") -> WaitingPod:
    return WaitingPod(namespace, name, name, images=(f"{HOST}/app",), pull_secrets=frozenset(pull_secrets))


NAMING, OTHER, BARE = pod("x", "other", "ecr-login"), pod("o", "other"), pod("b", namespace="b")


def told(pods: Iterable[WaitingPod] | None, before: dict, of: Resource | None = None, may_recover: bool = True) -> dict:
    """Return the status of a resource that had this one, with pods that wait, None if nobody looks at pods."""
    known = replace(of or resource("a"), status=before)
    report = None if pods is None else report_of(known, pods)
    return status_with_pods(known, report, NOW, may_recover=may_recover)


def summary(status: dict) -> tuple[object, object, object]:
    condition = condition_of(status, "PodsWaiting")
    return condition.get("status"), condition.get("reason"), status.get("podsWaiting")


WAITING = told([NAMING], SERVED)
OVER = told([], WAITING)


@pytest.mark.parametrize(
    ("pods", "before", "expected"),
    [
        pytest.param([], SERVED, (None, None, None), id="none ever did"),
        pytest.param([NAMING], SERVED, ("True", "ImagePullBackOff", 1), id="waits for the Secret"),
        pytest.param([NAMING, OTHER], SERVED, ("True", "PullSecretNotNamed", 2), id="one names another Secret"),
        pytest.param([BARE], SERVED, ("True", "PullSecretNotNamed", 1), id="names none"),
        pytest.param([NAMING, pod("y", "ecr-login")], WAITING, ("True", "ImagePullBackOff", 2), id="one more"),
        pytest.param([], WAITING, ("False", "NoPodWaits", None), id="all gone"),
        pytest.param([], OVER, ("False", "NoPodWaits", None), id="all gone for long"),
        pytest.param([BARE], OVER, ("True", "PullSecretNotNamed", 1), id="again"),
        pytest.param(None, WAITING, (None, None, None), id="nobody looks any more"),
        pytest.param([NAMING], {}, ("True", "ImagePullBackOff", 1), id="not served yet"),
        pytest.param([], {}, (None, None, None), id="not served yet, none waits"),
    ],
)
def test_condition_and_number_are_told(
    pods: list[WaitingPod] | None, before: dict, expected: tuple[object, object, object]
) -> None:
    status = told(pods, before)
    assert summary(status) == expected
    assert tells_of_pods(status) is (expected[0] is not None)
    kept = {name: value for name, value in status.items() if name not in ("conditions", "podsWaiting")}
    assert kept == {name: value for name, value in before.items() if name not in ("conditions", "podsWaiting")}
    for kind in ("Ready", "RefreshFailing"):
        assert condition_of(status, kind) == condition_of(before, kind)


def test_what_is_told_already_is_not_told_again() -> None:
    for pods, before in (([], SERVED), ([NAMING], WAITING), ([], OVER), (None, SERVED), ([], {})):
        assert told(pods, before) == before
    # An edit is no news of pods that do not wait.
    assert told([], OVER, replace(resource("a"), generation=2)) == OVER


def message(pods: Iterable[WaitingPod], of: Resource | None = None, may_recover: bool = True) -> str:
    return str(condition_of(told(pods, SERVED, of, may_recover), "PodsWaiting")["message"])


def test_message_names_the_pods_and_what_to_do() -> None:
    text = message([pod("y", "ecr-login"), NAMING])
    assert text.startswith(f"2 pods wait for an image of {HOST}: a/x, a/y; `kubectl describe pod` shows")
    assert "within about 5 minutes" in text
    assert message([NAMING]).startswith(f"1 pod waits for an image of {HOST}: a/x; ")


def test_message_says_which_pods_can_never_pull() -> None:
    text = message([NAMING, OTHER, BARE])
    assert f"3 pods wait for an image of {HOST}: a/o, a/x, b/b; " in text
    assert "2 of them do not name the Secret ecr-login, so they never pull with it: a/o, b/b; " in text
    assert "restart their workload; spec.podInjection adds the Secret to new pods" in text
    assert "a/o, b/b; they do not name the Secret ecr-login, so they never pull with it; " in message([OTHER, BARE])


def test_message_names_a_few_of_many() -> None:
    text = message([pod(f"p{number:03}", "ecr-login") for number in range(300)])
    assert "300 pods wait" in text
    assert "a/p009 and 290 more" in text
    assert "p010" not in text


def test_message_says_that_pods_are_not_recovered_only_where_that_is_wanted() -> None:
    assert "set runner.recoverPods=true in the chart" in message([NAMING], RECOVERING, may_recover=False)
    assert "recoverPods" not in message([NAMING], RECOVERING)
    assert "recoverPods" not in message([NAMING], may_recover=False)


def test_result_and_suspension_say_nothing_of_pods() -> None:
    """So what is told of them stays."""
    served = status_of(resource("a", status=WAITING), result(created("a")), LATER, DUE, [])
    suspended = suspended_status(replace(resource("a", status=WAITING), suspended=True), LATER)
    for status in (served, suspended):
        assert condition_of(status, "PodsWaiting") == condition_of(WAITING, "PodsWaiting")
        assert status["podsWaiting"] == 1
        assert len(status["conditions"]) == 3
    assert status_of(resource("a"), result(created("a")), NOW, DUE, []) == SERVED
    assert not tells_of_pods(SERVED)


def test_time_of_the_last_change_is_that_of_the_status() -> None:
    early = replace(resource("a"), status=told([NAMING], SERVED))
    later = status_with_pods(early, PodsReport(("a/x", "a/y"), ("a/y",)), NOW + timedelta(hours=1), may_recover=True)
    assert condition_of(later, "PodsWaiting")["lastTransitionTime"] == "2026-01-31T12:00:00Z"
