"""When and of which resources it is told that pods wait for their images."""

from __future__ import annotations

import logging
from dataclasses import replace
from datetime import timedelta

import pytest

from kube_ecr_runner.cluster.errors import KubernetesError
from kube_ecr_runner.contract.kinds import LEGACY_KIND
from kube_ecr_runner.contract.targets import Targets
from kube_ecr_runner.controller.handlers import pods as module
from kube_ecr_runner.controller.store import Store
from kube_ecr_runner.controller.waiting_pods import WaitingPods
from kube_ecr_runner.model.conditions import condition_of
from kube_ecr_runner.model.resource import Key, Resource
from kube_ecr_runner.model.waiting_pod import WaitingPod
from tests.unit.runner.controller.builders import (
    HOST,
    HOUR,
    KEY,
    NOW,
    OTHER,
    make_namespace,
    make_pod,
    make_resource,
    ready,
    served,
)
from tests.unit.runner.controller.parts import PODS, Parts

SECOND = timedelta(seconds=1)
SERVED = ready() | {"registries": [HOST], "conditions": [{"type": "Ready", "status": "True"}]}
DOWN = KubernetesError("PATCH", 503, "ServiceUnavailable", "")


def watching(*resources: Resource, **settings: object) -> Parts:
    """Return the parts that have listed resources, by default one for ns1 and ns2, and no pods."""
    parts = Parts(**settings)
    parts.list(*(resources or [make_resource(status=SERVED)]))
    if parts.pod_sources:
        parts.pods.listed(PODS, [], parts.now)
    return parts


def see(parts: Parts, *pods: WaitingPod) -> None:
    for pod in pods:
        parts.pods.changed(pod, parts.now, is_gone=False)


def lose(parts: Parts, *pods: WaitingPod) -> None:
    for pod in pods:
        parts.pods.changed(pod, parts.now, is_gone=True)


def told(parts: Parts, key: Key = KEY) -> tuple[object, object, object]:
    """Return status and reason of the condition, and the number of pods, as the resource tells them."""
    status = parts.store[key].resource.status
    condition = condition_of(status, "PodsWaiting")
    return condition.get("status"), condition.get("reason"), status.get("podsWaiting")


NOTHING = (None, None, None)
WAITS = ("True", "ImagePullBackOff", 1)


def test_pod_that_waits_for_long_is_told_and_that_it_is_gone() -> None:
    parts = watching()
    see(parts, make_pod())
    assert parts.pods.next_due() == NOW + 20 * SECOND
    parts.wait(19 * SECOND)
    assert (told(parts), parts.api.statuses) == (NOTHING, [])
    parts.wait(SECOND)
    assert told(parts) == WAITS
    assert parts.api.statuses == [parts.store[KEY].resource.status]
    assert parts.sample("pods_waiting", KEY) == 1
    assert parts.sample("pods_without_pull_secret", KEY) is None
    assert parts.pods.next_due() is None
    parts.wait(HOUR)
    lose(parts, make_pod())
    parts.wait(SECOND)
    assert told(parts) == ("False", "NoPodWaits", None)
    assert (len(parts.api.statuses), parts.sample("pods_waiting", KEY)) == (2, None)


def test_pod_that_pulls_at_its_second_attempt_is_not_told() -> None:
    parts = watching()
    see(parts, make_pod())
    parts.wait(16 * SECOND)
    lose(parts, make_pod())
    parts.wait(HOUR)
    assert (told(parts), parts.api.statuses, parts.pods.next_due()) == (NOTHING, [], None)


def test_pods_that_come_and_go_are_told_once_in_ten_seconds() -> None:
    parts = watching()
    see(parts, *(make_pod(f"p{number}") for number in range(100)))
    parts.wait(20 * SECOND)
    assert told(parts)[2] == 100
    for number in range(100):
        lose(parts, make_pod(f"p{number}"))
        parts.wait(SECOND / 2)
    assert 2 + 50 // 10 - 1 <= len(parts.api.statuses) <= 2 + 50 // 10
    parts.wait(10 * SECOND)
    assert told(parts) == ("False", "NoPodWaits", None)


def test_pod_that_comes_later_is_told_later() -> None:
    parts = watching()
    see(parts, make_pod("a"))
    parts.wait(15 * SECOND)
    see(parts, make_pod("b"))
    parts.wait(5 * SECOND)
    assert (told(parts), parts.pods.next_due()) == (WAITS, NOW + 35 * SECOND)
    parts.wait(15 * SECOND)
    assert told(parts) == ("True", "ImagePullBackOff", 2)


def test_pods_that_come_one_after_the_other_are_told_together() -> None:
    parts = watching()
    for number in range(40):
        see(parts, make_pod(f"p{number}"))
        parts.wait(SECOND)
    counts = [status["podsWaiting"] for status in parts.api.statuses]
    assert counts == [1, 11, 21]
    parts.wait(20 * SECOND)
    assert told(parts)[2] == 40


def test_attempts_of_kubelet_write_nothing() -> None:
    parts = watching()
    see(parts, make_pod())
    parts.wait(20 * SECOND)
    for attempt in range(10):
        see(parts, make_pod(version=str(attempt), message=f"attempt: {attempt}"))
        parts.wait(30 * SECOND)
    assert len(parts.api.statuses) == 1


@pytest.mark.parametrize(
    ("pod", "expected"),
    [
        (make_pod(pull_secrets=frozenset()), ("True", "PullSecretNotNamed", 1)),
        (make_pod(namespace="ns2"), WAITS),
        (make_pod(namespace="ns3"), NOTHING),
        (make_pod(images=("other.host/app",)), NOTHING),
        (make_pod(images=("nginx",)), NOTHING),
        (make_pod(images=(f"{HOST}.evil/app",)), NOTHING),
    ],
)
def test_pod_concerns_the_resource_that_has_its_namespace_and_its_registry(
    pod: WaitingPod, expected: tuple[object, object, object]
) -> None:
    parts = watching()
    see(parts, pod)
    parts.wait(20 * SECOND)
    assert told(parts) == expected
    assert parts.sample("pods_without_pull_secret", KEY) == (1 if expected[1] == "PullSecretNotNamed" else None)


def test_each_resource_is_told_of_its_own() -> None:
    other = replace(make_resource(status=SERVED, key=OTHER), secret_name="other")
    elsewhere = replace(OTHER, namespace="ns9")
    third = replace(make_resource(status=SERVED, key=elsewhere), targets=Targets.only("ns9"))
    parts = watching(make_resource(status=SERVED), other, third)
    see(parts, make_pod())
    parts.wait(20 * SECOND)
    assert [told(parts, key) for key in (KEY, OTHER, elsewhere)] == [WAITS, ("True", "PullSecretNotNamed", 1), NOTHING]


def test_only_resources_of_the_registry_are_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    keys = [replace(OTHER, name=f"r{number}") for number in range(50)]
    strangers = [make_resource(status=SERVED | {"registries": ["other.host"]}, key=key) for key in keys]
    parts = watching(make_resource(status=SERVED), *strangers)
    looked: list[Key] = []
    look = Store.__getitem__
    monkeypatch.setattr(Store, "__getitem__", lambda store, key: looked.append(key) or look(store, key))
    monkeypatch.setattr(Store, "resources", lambda store: pytest.fail("all resources were looked at"))
    see(parts, make_pod())
    parts.now += 20 * SECOND
    parts.pods.work(parts.now)
    assert set(looked) == {KEY}


def test_resource_is_looked_at_once_in_ten_seconds_however_many_pods_come_and_go(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    parts, looks = watching(), []
    look = WaitingPods.of
    monkeypatch.setattr(WaitingPods, "of", lambda pods, *of: looks.append(parts.now) or look(pods, *of))
    for number in range(300):
        see(parts, make_pod(f"quick{number}"), make_pod(f"slow{number}"))
        lose(parts, make_pod(f"quick{number}"))
        parts.wait(SECOND / 3)
    assert 8 <= len(looks) <= 10
    assert len(parts.api.statuses) <= len(looks)


def test_many_resources_are_told_of_in_several_turns() -> None:
    keys = [replace(OTHER, name=f"r{number}") for number in range(50)]
    parts = watching(*(make_resource(status=SERVED, key=key) for key in keys))
    see(parts, make_pod())
    parts.wait(20 * SECOND)
    assert len(parts.api.statuses) == module.MAX_AT_ONCE
    assert parts.pods.next_due() == parts.now
    for _ in range(2):
        parts.pods.work(parts.now)
    assert (len(parts.api.statuses), parts.pods.next_due()) == (50, None)


def test_resource_that_is_served_for_the_first_time_tells_of_pods_that_wait_already() -> None:
    parts = watching(make_resource())
    see(parts, make_pod())
    parts.wait(HOUR)
    assert told(parts) == NOTHING, "nobody knows its registries"
    result = replace(served(now=parts.now), registries=(HOST,))
    parts.serve(result)
    parts.wait(SECOND)
    assert told(parts) == WAITS
    assert condition_of(parts.api.statuses[-1], "Ready")["status"] == "True"


def test_edit_may_concern_other_pods() -> None:
    parts = watching()
    see(parts, make_pod())
    parts.wait(20 * SECOND)
    parts.resources.seen(replace(make_resource(2), secret_name="renamed"), parts.now)
    parts.wait(10 * SECOND)
    assert told(parts) == ("True", "PullSecretNotNamed", 1)


def test_restart_tells_of_pods_that_waited_before_at_once_and_nothing_that_is_told() -> None:
    first = watching()
    see(first, make_pod())
    first.wait(20 * SECOND)
    status = first.store[KEY].resource.status

    parts = Parts()
    parts.list(make_resource(status=status))
    parts.wait(SECOND)
    assert (told(parts), parts.pods.next_due()) == (WAITS, None), "pods are not listed yet"
    parts.pods.listed(PODS, [make_pod()], parts.now)
    parts.wait(SECOND)
    assert (told(parts), parts.api.statuses) == (WAITS, [])
    assert parts.sample("pods_waiting", KEY) == 1

    fresh = watching()
    fresh.pods.listed(PODS, [make_pod()], fresh.now)
    fresh.wait(SECOND)
    assert told(fresh) == WAITS

    over = Parts()
    over.list(make_resource(status=status))
    over.pods.listed(PODS, [], over.now)
    over.wait(SECOND)
    assert told(over) == ("False", "NoPodWaits", None)


def test_nothing_is_told_where_nobody_looks_at_pods() -> None:
    first = watching()
    see(first, make_pod())
    first.wait(20 * SECOND)
    parts = watching(make_resource(status=first.store[KEY].resource.status), pod_sources=())
    parts.wait(SECOND)
    assert told(parts) == NOTHING
    assert condition_of(parts.api.statuses[-1], "Ready")["status"] == "True"
    parts.wait(HOUR)
    assert len(parts.api.statuses) == 1


def test_deprecated_kind_has_no_such_status() -> None:
    legacy = Key(LEGACY_KIND, "", "old")
    parts = watching()
    parts.store.see(make_resource(status=SERVED, key=legacy))
    see(parts, make_pod())
    parts.wait(20 * SECOND)
    assert (told(parts), told(parts, legacy)) == (WAITS, NOTHING)


def test_resource_that_is_gone_or_being_deleted_is_not_told_of() -> None:
    parts = watching(make_resource(status=SERVED), make_resource(status=SERVED, key=OTHER))
    see(parts, make_pod())
    parts.resources.gone(KEY)
    parts.resources.seen(replace(make_resource(2, key=OTHER), deleting=True, cleanup=True), parts.now)
    parts.wait(20 * SECOND)
    assert parts.api.statuses == []
    assert parts.sample("pods_waiting", KEY) is None


def test_status_that_could_not_be_written_is_written_later() -> None:
    parts = watching()
    parts.api.error = DOWN
    see(parts, make_pod())
    parts.wait(20 * SECOND)
    parts.api.error = None
    parts.wait(10 * SECOND)
    assert condition_of(parts.api.statuses[-1], "PodsWaiting")["status"] == "True"


def test_changes_are_logged_and_not_each_pod(caplog: pytest.LogCaptureFixture) -> None:
    parts = watching()
    with caplog.at_level(logging.INFO, logger="kube_ecr_runner"):
        see(parts, make_pod("a"))
        parts.wait(20 * SECOND)
        see(parts, make_pod("b"))
        parts.wait(20 * SECOND)
        see(parts, make_pod("c", pull_secrets=frozenset()))
        parts.wait(20 * SECOND)
        lose(parts, *(make_pod(name) for name in "abc"))
        parts.wait(10 * SECOND)
    found = [(each.levelname, each.message, each.fields) for each in caplog.records]  # type: ignore[attr-defined]
    assert found == [
        ("WARNING", "pods cannot pull", {"resource": KEY, "pods": 1, "first": "ns1/a"}),
        ("WARNING", "pods cannot pull", {"resource": KEY, "pods": 3, "without_secret": 1, "first": "ns1/a"}),
        ("INFO", "no pod waits any more", {"resource": KEY}),
    ]


def test_clock_that_was_set_back_delays_nothing() -> None:
    parts = watching()
    see(parts, make_pod("a"))
    parts.wait(20 * SECOND)
    see(parts, make_pod("b"))
    parts.now -= HOUR
    parts.pods.hasten(parts.now)
    parts.wait(20 * SECOND)
    assert told(parts) == ("True", "ImagePullBackOff", 2)


def test_namespace_that_is_labelled_anew_is_looked_at_when_the_resource_was_served() -> None:
    parts = watching()
    see(parts, make_pod(namespace="ns3"))
    parts.wait(20 * SECOND)
    wider = replace(make_resource(2), targets=replace(make_resource().targets, selector=()))
    parts.namespaces.changed(make_namespace("ns3"), parts.now, is_gone=False)
    parts.resources.seen(wider, parts.now)
    parts.wait(10 * SECOND)
    assert told(parts) == WAITS


# Pods are recovered

RECOVERING = replace(make_resource(status=SERVED), recovers_pods=True)


def stuck(*pods: WaitingPod, resource: Resource = RECOVERING, **settings: object) -> Parts:
    """Return the parts with pods that wait for long already for the Secret of a resource, which is due."""
    parts = watching(resource, **settings)
    parts.pods.listed(PODS, pods or [make_pod()], parts.now)
    parts.wait(SECOND)
    parts.batcher.enqueue_now(KEY, parts.now)
    return parts


def write(parts: Parts, state: str = "updated", **changes: object) -> None:
    """Serve the resource, and take the result."""
    result = replace(served(state=state, now=parts.now), registries=(HOST,), **changes)
    parts.serve(result)
    parts.wait(timedelta(0))


@pytest.mark.parametrize(("state", "is_evicted"), [("created", True), ("updated", True), ("unchanged", False)])
def test_pod_is_evicted_when_its_secret_was_written(
    state: str, is_evicted: bool, caplog: pytest.LogCaptureFixture
) -> None:
    parts = stuck()
    with caplog.at_level(logging.INFO, logger=module.__name__):
        write(parts, state)
    assert parts.api.evictions == ["app"] * is_evicted
    assert parts.monitor.metrics.registry.get_sample_value("kube_ecr_pods_recovered_total") == is_evicted
    told = [(owner.kind, namespace, event.reason) for owner, namespace, event in parts.api.owner_events]
    assert told == [("ReplicaSet", "ns1", "PodRecovered")] * is_evicted
    lines = [record for record in caplog.records if record.message == "pod evicted"]
    evicted = [record.fields for record in lines]  # type: ignore[attr-defined]
    assert evicted == [{"resource": KEY, "pod": make_pod(), "secret": "ecr-login"}] * is_evicted
    parts.wait(HOUR)
    assert len(parts.api.evictions) == is_evicted


@pytest.mark.parametrize(
    ("resource", "settings", "says_so"),
    [
        pytest.param(replace(RECOVERING, recovers_pods=False), {}, False, id="is not asked for"),
        pytest.param(RECOVERING, {"may_recover": False}, True, id="is not allowed"),
        pytest.param(replace(RECOVERING, suspended=True), {}, False, id="suspended"),
    ],
)
def test_pods_are_left_alone_unless_the_resource_asks_and_the_runner_may(
    resource: Resource, settings: dict, says_so: bool
) -> None:
    parts = stuck(resource=resource, **settings)
    write(parts)
    assert parts.api.evictions == []
    message = str(condition_of(parts.store[KEY].resource.status, "PodsWaiting")["message"])
    assert ("set runner.recoverPods=true" in message) is says_so


def test_resource_that_is_suspended_or_deleted_after_the_write_evicts_nothing() -> None:
    for edit in ({"suspended": True}, {"deleting": True, "cleanup": True}, {"recovers_pods": False}):
        parts = stuck(*(make_pod(f"p{number}") for number in range(9)))
        write(parts)
        parts.resources.seen(replace(RECOVERING, generation=2, **edit), parts.now)
        parts.wait(10 * SECOND)
        assert len(parts.api.evictions) == 5, edit
    parts = stuck(*(make_pod(f"p{number}") for number in range(9)))
    write(parts)
    parts.resources.gone(KEY)
    parts.wait(10 * SECOND)
    assert len(parts.api.evictions) == 5


@pytest.mark.parametrize(
    "pod",
    [
        make_pod(namespace="ns3"),
        make_pod(images=("other.host/app",)),
        make_pod(pull_secrets=frozenset()),
        make_pod(owner=None),
        make_pod(created_at=NOW + HOUR),
    ],
    ids=["no target", "another registry", "names no Secret", "no controller", "younger"],
)
def test_other_pods_are_left_alone(pod: WaitingPod) -> None:
    parts = stuck(pod)
    write(parts)
    parts.wait(20 * SECOND)
    assert parts.api.evictions == []


def test_namespace_in_which_nothing_was_written_is_left_alone() -> None:
    parts = stuck(make_pod("a"), make_pod("b", "ns2"))
    result = served(state="unchanged", now=parts.now)
    first, second = result.namespaces
    write(parts, namespaces=(first, replace(second, state="updated")))
    parts.wait(10 * SECOND)
    assert parts.api.evictions == ["b"]


def test_a_few_pods_are_evicted_in_ten_seconds() -> None:
    parts = stuck(*(make_pod(f"p{number:02}") for number in range(12)))
    write(parts)
    counts = [len(parts.api.evictions)]
    for _ in range(30):
        parts.wait(SECOND)
        counts.append(len(parts.api.evictions))
    assert (counts[0], counts[9], counts[10], counts[19], counts[20], counts[30]) == (5, 5, 10, 10, 12, 12)
    assert len(set(parts.api.evictions)) == 12


def test_pod_that_may_not_be_evicted_is_tried_again_until_kubelet_has_tried() -> None:
    parts = stuck()
    parts.api.protected.add("app")
    write(parts)
    for _ in range(60):
        parts.wait(10 * SECOND)
    assert len(parts.api.evictions) == 37
    assert parts.pods.next_due() is None
    assert parts.api.owner_events == []


def test_pod_that_just_began_to_wait_has_time_for_its_second_attempt() -> None:
    parts = stuck(make_pod("old"))
    see(parts, make_pod("young"))
    write(parts)
    assert parts.api.evictions == ["old"]
    parts.wait(20 * SECOND)
    assert parts.api.evictions == ["old", "young"]


def test_eviction_that_got_no_answer_is_tried_again() -> None:
    parts = stuck()
    write(parts, "unchanged")
    parts.batcher.enqueue_now(KEY, parts.now)
    parts.api.error = DOWN
    write(parts)
    assert parts.api.evictions == []
    parts.api.error = None
    parts.wait(10 * SECOND)
    assert parts.api.evictions == ["app"]


def test_nothing_is_evicted_after_halt() -> None:
    parts = stuck()
    parts.writer.halt()
    write(parts)
    assert parts.api.evictions == []


@pytest.mark.parametrize(("ago", "is_evicted"), [(60 * SECOND, True), (HOUR, False)])
def test_restart_recovers_pods_of_a_secret_that_was_written_just_before(ago: timedelta, is_evicted: bool) -> None:
    status = SERVED | {"lastRefreshTime": (NOW - ago).isoformat()}
    parts = stuck(resource=replace(RECOVERING, status=status))
    assert parts.api.evictions == ["app"] * is_evicted


def test_pods_that_are_not_listed_yet_are_not_forgotten() -> None:
    parts = Parts()
    parts.list(replace(RECOVERING, status=SERVED))
    parts.batcher.enqueue_now(KEY, parts.now)
    write(parts)
    parts.pods.listed(PODS, [make_pod()], parts.now)
    parts.wait(SECOND)
    assert parts.api.evictions == ["app"]
