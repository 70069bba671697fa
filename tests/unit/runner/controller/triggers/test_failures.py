"""What the status of a resource says of namespaces."""

from __future__ import annotations

import pytest

from kube_ecr_runner.controller.triggers.failures import awaited_namespaces, failure_in, has_failure_in, waits_for
from tests.unit.runner.controller.triggers.builders import failure, make_resource


@pytest.mark.parametrize(
    ("failures", "awaited"),
    [
        ([], False),
        ([failure("ns1", "NamespaceNotFound")], True),
        ([failure("ns1", "NamespaceTerminating")], True),
        ([failure("ns1", "SecretConflict")], False),
        ([failure("ns2", "NamespaceNotFound")], False),
        ([failure(f"x{number}", "NamespaceNotFound") for number in range(20)], True),
    ],
)
def test_status_says_which_namespace_is_waited_for(failures: list[dict], awaited: bool) -> None:
    assert waits_for({"failures": failures}, "ns1") is awaited


def test_status_names_a_failure_by_its_namespace() -> None:
    resource = make_resource()
    assert (failure_in(resource, "ns1"), has_failure_in(resource, "ns1")) == (None, False)
    failing = make_resource(make_resource().targets, failure("ns2", "X"), failure("ns1", "Y"), failure("ns1", "Z"))
    assert (failure_in(failing, "ns1"), has_failure_in(failing, "ns1"), has_failure_in(failing, "ns3")) == (
        "Y",
        True,
        False,
    )


@pytest.mark.parametrize("failures", [None, "text", [None, "text", 1], {"namespace": "ns1"}])
def test_failures_that_cannot_be_read_are_none(failures: object) -> None:
    assert awaited_namespaces({"failures": failures}) == set()
    assert not waits_for({"failures": failures}, "ns1")


def test_awaited_namespaces_are_those_that_are_not_there_yet() -> None:
    failures = [failure("a", "NamespaceNotFound"), failure("b", "NamespaceTerminating"), failure("c", "Forbidden")]
    assert awaited_namespaces({"failures": failures}) == {"a", "b"}
