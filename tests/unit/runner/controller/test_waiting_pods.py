"""Which pods are known to wait, where, and since when."""

from __future__ import annotations

from datetime import timedelta

from kube_ecr_runner.cluster.sources import pods_in
from kube_ecr_runner.contract.targets import Targets
from kube_ecr_runner.controller.waiting_pods import WaitingPods
from tests.unit.runner.controller.builders import HOST, NOW, make_namespace, make_pod

PODS = pods_in()
MINUTE = timedelta(minutes=1)
EVERYWHERE = Targets.parse({"namespaceSelector": {}})


def found(pods: WaitingPods, targets: Targets, *hosts: str, **labels: str) -> list[str]:
    namespaces = {name: make_namespace(name, labels=labels) for name in ("ns1", "ns2")}
    return sorted(str(waiter.pod) for waiter in pods.of(hosts or [HOST], targets, namespaces))


def test_pods_are_found_by_host_and_target() -> None:
    pods = WaitingPods([PODS])
    both = make_pod("both", images=(f"{HOST}/a", "other/b"))
    for pod in (make_pod("a"), make_pod("b", "ns2"), both):
        pods.see(pod, NOW)
    assert found(pods, Targets.only("ns1")) == ["ns1/a", "ns1/both"]
    assert found(pods, EVERYWHERE) == ["ns1/a", "ns1/both", "ns2/b"]
    assert found(pods, Targets.only("ns1"), HOST, "other") == ["ns1/a", "ns1/both"], "each is found once"
    assert found(pods, Targets.only("ns1"), "other") == ["ns1/both"]
    assert found(pods, Targets.only("ns1"), "third") == []
    selector = Targets.parse({"namespaceSelector": {"matchLabels": {"ecr": "yes"}}})
    assert (found(pods, selector), len(found(pods, selector, ecr="yes"))) == ([], 3)
    excluding = Targets.parse({"namespaces": ["ns*"], "excludeNamespaces": ["ns2"]})
    assert found(pods, excluding) == ["ns1/a", "ns1/both"]


def test_it_makes_a_difference_where_a_pod_comes_or_goes_and_not_what_kubelet_says() -> None:
    pods = WaitingPods([PODS])
    assert pods.see(make_pod("a"), NOW) == {(HOST, "ns1")}
    assert pods.see(make_pod("a", version="2", message="another: attempt"), NOW + MINUTE) == set()
    assert pods.see(make_pod("a", images=("other/b",)), NOW + MINUTE) == {(HOST, "ns1"), ("other", "ns1")}
    (waiter,) = pods.of(["other"], EVERYWHERE, {"ns1": make_namespace("ns1")})
    assert waiter.since == NOW
    assert pods.remove(make_pod("a")) == {("other", "ns1")}
    assert pods.remove(make_pod("a")) == set()
    assert pods.is_empty
    assert not pods._by_place


def test_image_of_no_registry_is_nobodys_concern() -> None:
    assert WaitingPods([PODS]).see(make_pod("a", images=("nginx",)), NOW) == set()


def test_what_kubelet_said_of_the_cause_stays() -> None:
    pods = WaitingPods([PODS])
    pods.see(make_pod("a", message="x: not found"), NOW)
    pods.see(make_pod("a", message='Back-off pulling image "x"', version="3"), NOW)
    (waiter,) = pods.of([HOST], Targets.only("ns1"), {})
    assert (waiter.pod.lacks_image, waiter.pod.version) == (True, "3")


def test_list_says_what_waits_no_more() -> None:
    pods = WaitingPods([PODS])
    assert not pods.is_complete
    pods.list_pods(PODS, [make_pod("a"), make_pod("b", "ns2")], NOW)
    assert pods.is_complete
    assert pods.list_pods(PODS, [make_pod("b", "ns2")], NOW) == {(HOST, "ns1")}
    assert found(pods, EVERYWHERE) == ["ns2/b"]


def test_list_of_a_namespace_says_nothing_of_others() -> None:
    here, there = pods_in("ns1"), pods_in("ns2")
    pods = WaitingPods([here, there])
    pods.list_pods(here, [make_pod("a")], NOW)
    assert not pods.is_complete
    pods.list_pods(there, [make_pod("b", "ns2")], NOW)
    pods.list_pods(there, [], NOW)
    assert (pods.is_complete, found(pods, EVERYWHERE)) == (True, ["ns1/a"])


def test_pod_that_is_seen_for_the_first_time_may_have_waited_since_it_was_made() -> None:
    pods = WaitingPods([PODS])
    old, new = make_pod("old", created_at=NOW - MINUTE), make_pod("new", created_at=NOW + MINUTE)
    pods.list_pods(PODS, [old, new, make_pod("odd", created_at=None)], NOW)
    since = {waiter.pod.name: waiter.since for waiter in pods.of([HOST], EVERYWHERE, {"ns1": make_namespace("ns1")})}
    assert since == {"old": NOW - MINUTE, "new": NOW, "odd": NOW}


def test_no_pod_waits_since_a_time_to_come_when_the_clock_was_set_back() -> None:
    pods = WaitingPods([PODS])
    pods.see(make_pod("a"), NOW)
    pods.see(make_pod("b"), NOW - 2 * MINUTE)
    pods.hasten(NOW - MINUTE)
    since = {waiter.pod.name: waiter.since for waiter in pods.of([HOST], Targets.only("ns1"), {})}
    assert since == {"a": NOW - MINUTE, "b": NOW - 2 * MINUTE}


def test_that_nobody_looks_at_pods_is_known() -> None:
    nobody = WaitingPods([])
    assert (nobody.is_watched, nobody.is_complete) == (False, True)
    assert WaitingPods([PODS]).is_watched
