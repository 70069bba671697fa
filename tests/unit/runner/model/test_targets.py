"""Which namespaces and service accounts a resource selects."""

from __future__ import annotations

import pytest

from kube_ecr_runner.model.resource import Namespace
from kube_ecr_runner.model.targets import Names, Targets
from tests.support.oracle.targets_table import CASES, Case


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_targets_are_those_of_the_collection(case: Case) -> None:
    targets = Targets.parse(case.spec)
    namespaces = {name: Namespace(name, "u", None, labels=labels) for name, labels in case.existing.items()}
    assert targets.among(namespaces) == case.targets
    existing = {name for name in namespaces if targets.matches(name, namespaces[name].labels)}
    assert existing == set(case.targets) & namespaces.keys()


@pytest.mark.parametrize(
    ("spec", "is_target"),
    [({"namespaces": ["ns1"]}, True), ({"namespaces": ["ns*"]}, False), ({"namespaceSelector": {}}, False)],
)
def test_only_a_namespace_that_is_named_is_a_target_before_it_exists(spec: dict, is_target: bool) -> None:
    assert Targets.parse(spec).matches("ns1", None) is is_target


@pytest.mark.parametrize(
    ("listed", "name", "is_in"),
    [
        (["default"], "default", True),
        (["default"], "builder", False),
        (["build-*", "default"], "build-1", True),
        (["*.puller"], "ecr.puller", True),
        (["*"], "any.account", True),
        (["Default", 1, None], "default", False),
        ("default", "default", False),
        (None, "default", False),
    ],
)
def test_service_accounts_are_listed_by_name_and_glob(listed: object, name: str, is_in: bool) -> None:
    assert Names.of_service_accounts(listed).matches(name) is is_in
