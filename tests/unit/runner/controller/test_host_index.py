"""Which resources are found by the registry of an image."""

from __future__ import annotations

import pytest

from kube_ecr_runner.contract.targets import Targets
from kube_ecr_runner.controller.host_index import MAX_PLACES, HostIndex
from tests.unit.runner.controller.builders import KEY, OTHER

MANY = [f"ns{number}" for number in range(MAX_PLACES)]


def test_resources_are_found_by_host_and_namespace() -> None:
    index = HostIndex()
    index.put(KEY, ["a", "b"], Targets.only("ns1", "ns2"))
    index.put(OTHER, ["a"], Targets.only("ns1"))
    assert index.of("a", "ns1") == {KEY, OTHER}
    assert index.of("b", "ns1") == index.of("a", "ns2") == {KEY}
    assert index.of("a", "ns3") == index.of("c", "ns1") == set()


@pytest.mark.parametrize(
    ("targets", "is_found"),
    [
        (Targets.parse({"namespaces": ["team-*"]}), True),
        (Targets.parse({"namespaces": ["other"], "namespaceSelector": {}}), True),
        (Targets.only(*MANY), False),
        (Targets.only(*MANY, "one-more"), True),
    ],
    ids=["glob", "selector", "many names", "one name more"],
)
def test_resource_whose_targets_are_no_short_list_is_found_by_host_alone(targets: Targets, is_found: bool) -> None:
    index = HostIndex()
    index.put(KEY, ["a"], targets)
    assert (index.of("a", "any") == {KEY}) is is_found
    assert index.of("b", "any") == set()


def test_hosts_and_targets_of_a_resource_come_and_go() -> None:
    index = HostIndex()
    index.put(KEY, ["a", "b"], Targets.only("ns1"))
    index.put(KEY, ["b", "c"], Targets.only("ns1"))
    assert [index.of(host, "ns1") for host in "abc"] == [set(), {KEY}, {KEY}]
    index.put(KEY, ["b"], Targets.only("ns2"))
    assert (index.of("b", "ns1"), index.of("b", "ns2")) == (set(), {KEY})
    index.forget(KEY)
    index.forget(KEY)
    assert index.of("b", "ns2") == set()
    assert not index._keys
    assert not index._places
