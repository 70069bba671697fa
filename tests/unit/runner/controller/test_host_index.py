"""Which resources are found by the registry of an image."""

from __future__ import annotations

from dataclasses import replace

from kube_ecr_runner.controller.host_index import HostIndex
from tests.unit.runner.controller.builders import KEY, OTHER


def test_resources_are_found_by_host_and_namespaced_ones_in_their_namespace_only() -> None:
    index, elsewhere = HostIndex(), replace(OTHER, namespace="ns2")
    for key in (KEY, OTHER, elsewhere):
        index.put(key, ["a", "b"])
    assert index.of("a", "ns1") == index.of("b", "ns1") == {KEY, OTHER}
    assert index.of("a", "ns3") == {KEY}
    assert index.of("c", "ns1") == set()


def test_hosts_of_a_resource_come_and_go() -> None:
    index = HostIndex()
    index.put(KEY, ["a", "b"])
    index.put(KEY, ["b", "c"])
    assert [index.of(host, "ns1") for host in "abc"] == [set(), {KEY}, {KEY}]
    index.forget(KEY)
    index.forget(KEY)
    assert [index.of(host, "ns1") for host in "abc"] == [set()] * 3
    assert not index._keys
    assert not index._hosts
