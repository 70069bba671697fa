"""Which pods are evicted when a Secret was written, and when their turn is."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from kube_ecr_runner.controller.recovery import MAX_IN_ROUND, ROUND, WINDOW, Candidate, Recoveries
from kube_ecr_runner.model.waiting_pod import Owner, WaitingPod
from tests.unit.runner.controller.builders import HOUR, KEY, NOW, OTHER, make_pod, make_resource

SECOND = timedelta(seconds=1)


def owned(api_version: str, kind: str) -> WaitingPod:
    return make_pod(owner=Owner(api_version, kind, "it", "u"))


def candidate(pod: WaitingPod, written_at: datetime = NOW) -> Candidate:
    return Candidate(make_resource(), pod, written_at)


@pytest.mark.parametrize(
    ("pod", "helped"),
    [
        pytest.param(make_pod(), True, id="of a ReplicaSet"),
        pytest.param(owned("apps/v1", "StatefulSet"), True, id="of a StatefulSet"),
        pytest.param(owned("apps/v1", "DaemonSet"), True, id="of a DaemonSet"),
        pytest.param(owned("v1", "ReplicationController"), True, id="of a ReplicationController"),
        pytest.param(owned("batch/v1", "Job"), False, id="of a Job"),
        pytest.param(owned("v1", "Node"), False, id="of the node itself"),
        pytest.param(owned("example.com/v1", "ReplicaSet"), False, id="of somebody's own kind"),
        pytest.param(make_pod(owner=None), False, id="of nobody"),
        pytest.param(make_pod(pull_secrets=frozenset({"other"})), False, id="names another Secret"),
        pytest.param(make_pod(pull_secrets=frozenset({"other", "ecr-login"})), True, id="names several"),
        pytest.param(make_pod(created_at=NOW), False, id="created with the Secret"),
        pytest.param(make_pod(created_at=NOW - SECOND), True, id="created just before"),
        pytest.param(make_pod(created_at=NOW + SECOND), False, id="created after"),
        pytest.param(make_pod(created_at=None), False, id="of no age"),
        pytest.param(make_pod(message="x: not found"), False, id="no such image"),
        pytest.param(make_pod(message="x: manifest unknown"), False, id="no such manifest"),
        pytest.param(make_pod(message="x: 403 Forbidden"), True, id="the token was dead"),
        pytest.param(make_pod(message=""), True, id="kubelet says nothing"),
    ],
)
def test_pod_is_evicted_if_another_one_is_made_that_pulls(pod: WaitingPod, helped: bool) -> None:
    assert candidate(pod).would_be_helped is helped
    assert bool(Recoveries().choose([candidate(pod)])) is helped


def test_event_names_pod_image_secret_and_why() -> None:
    event = candidate(make_pod()).event
    assert (event.type, event.reason) == ("Normal", "PodRecovered")
    for words in (
        "evicted pod app, ",
        f"pulls {make_pod().images[0]} at once",
        f"Secret ecr-login of {KEY} was written at 2026-01-31T12:00:00Z",
    ):
        assert words in event.message


def test_rounds_go_on_as_long_as_a_secret_was_written_lately() -> None:
    recoveries = Recoveries()
    assert (recoveries.next_due(), recoveries.begin(NOW)) == (None, [])
    recoveries.note_written(KEY, ["ns1", "ns2"], NOW)
    assert (recoveries.next_due(), recoveries.begin(NOW)) == (NOW, [KEY])
    assert (recoveries.next_due(), recoveries.begin(NOW + 9 * SECOND)) == (NOW + ROUND, [])
    recoveries.note_written(OTHER, ["ns1"], NOW + 9 * SECOND)
    assert recoveries.next_due() == NOW + ROUND, "no round comes earlier for it"
    assert recoveries.begin(NOW + ROUND) == [KEY, OTHER]
    assert recoveries.written_at(KEY, "ns1") == NOW
    assert recoveries.written_at(OTHER, "ns2") is None
    assert recoveries.begin(NOW + WINDOW) == [KEY, OTHER]
    assert recoveries.begin(NOW + WINDOW + 10 * SECOND) == []
    assert recoveries.next_due() is None
    assert recoveries.written_at(KEY, "ns1") is None


def test_nothing_written_is_no_reason_for_a_round() -> None:
    recoveries = Recoveries()
    recoveries.note_written(KEY, [], NOW)
    assert recoveries.next_due() is None


def test_rounds_do_not_come_faster_when_secrets_are_written_again_and_again() -> None:
    recoveries = Recoveries()
    begun = 0
    for second in range(100):
        now = NOW + second * SECOND
        recoveries.note_written(KEY, ["ns1"], now)
        begun += bool(recoveries.begin(now))
    assert begun == 10


@pytest.mark.parametrize(
    ("ago", "is_known"), [(0 * SECOND, True), (WINDOW, True), (WINDOW + SECOND, False), (-SECOND, False), (HOUR, False)]
)
def test_process_that_starts_goes_by_the_status(ago: timedelta, is_known: bool) -> None:
    recoveries = Recoveries()
    recoveries.note_restart(KEY, NOW - ago, NOW)
    assert recoveries.begin(NOW) == [KEY] * is_known
    assert recoveries.written_at(KEY, "any") == (NOW - ago if is_known else None)


def test_what_is_known_of_a_namespace_goes_before_what_the_status_tells() -> None:
    recoveries = Recoveries()
    recoveries.note_restart(KEY, NOW - SECOND, NOW)
    recoveries.note_written(KEY, ["ns1"], NOW)
    assert (recoveries.written_at(KEY, "ns1"), recoveries.written_at(KEY, "ns2")) == (NOW, NOW - SECOND)


def names(chosen: list[Candidate]) -> list[str]:
    return [each.pod.name for each in chosen]


def test_a_few_are_evicted_at_a_time_the_oldest_first_and_each_once() -> None:
    recoveries = Recoveries()
    pods = [make_pod(f"p{number}", created_at=NOW - HOUR + number * SECOND) for number in range(12)]
    everything = [candidate(pod) for pod in reversed(pods)]
    rounds = []
    for number in range(4):
        rounds.append(recoveries.choose(everything))
        for each in rounds[-1]:
            recoveries.note_tried(each.pod, NOW + number * ROUND, is_evicted=True)
    assert [len(each) for each in rounds] == [MAX_IN_ROUND, MAX_IN_ROUND, 2, 0]
    assert [name for each in rounds for name in names(each)] == [pod.name for pod in pods]


def test_pod_that_could_not_be_evicted_lets_others_go_first() -> None:
    recoveries = Recoveries()
    held = [candidate(make_pod(f"held{number}", created_at=NOW - HOUR)) for number in range(5)]
    free = candidate(make_pod("free", created_at=NOW - SECOND))
    for each in recoveries.choose([*held, free]):
        assert each in held
        recoveries.note_tried(each.pod, NOW, is_evicted=False)
    assert names(recoveries.choose([*held, free]))[0] == "free"
    assert len(recoveries.choose([*held, free])) == MAX_IN_ROUND, "they are tried again"


def test_pod_of_two_resources_is_evicted_for_one() -> None:
    other = replace(candidate(make_pod()), resource=make_resource(key=OTHER))
    assert len(Recoveries().choose([candidate(make_pod()), other])) == 1


def test_nothing_is_kept_of_what_is_gone() -> None:
    recoveries = Recoveries()
    recoveries.note_written(KEY, ["ns1"], NOW)
    recoveries.note_tried(make_pod(), NOW, is_evicted=True)
    assert recoveries.choose([candidate(make_pod())]) == []
    recoveries.forget_pod(make_pod())
    recoveries.forget(KEY)
    assert len(recoveries.choose([candidate(make_pod())])) == 1
    assert (recoveries.begin(NOW), recoveries.next_due()) == ([], None)


def test_clock_that_was_set_back_holds_up_no_round_for_long() -> None:
    recoveries = Recoveries()
    recoveries.note_written(KEY, ["ns1"], NOW)
    recoveries.begin(NOW)
    recoveries.hasten(NOW - HOUR)
    assert recoveries.next_due() == NOW - HOUR
    assert recoveries.begin(NOW - HOUR) == [], "what was written in the time to come is unknown"
    recoveries.hasten(NOW - HOUR)
    assert recoveries.next_due() is None
