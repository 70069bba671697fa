"""Which namespaces and service accounts a resource selects, and which spec is refused."""

from __future__ import annotations

import time

import pytest

from ansible_collections.kube_ecr.secrets.plugins.module_utils._contract.resources import ResourceError
from ansible_collections.kube_ecr.secrets.plugins.module_utils._contract.targets import Names, Targets
from tests.support.oracle.targets_table import CASES, Case

CLUSTER = {
    "default": {"kubernetes.io/metadata.name": "default"},
    "team-b": {"team": "b", "env": "prod"},
    "team-a": {"team": "a", "env": "test"},
    "team-a1": {"team": "a"},
    "bare": None,
}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_what_collection_and_runner_agree_on(case: Case) -> None:
    if case.is_malformed:
        with pytest.raises(ResourceError):
            Targets.parse(case.spec)
    else:
        assert sorted(Targets.parse(case.spec).of(case.existing)) == case.targets


def by(*expressions: dict, **labels: str) -> dict:
    return {"matchLabels": labels, "matchExpressions": list(expressions)}


def expression(key: str, operator: str, *values: str) -> dict:
    return {"key": key, "operator": operator, "values": list(values)}


@pytest.mark.parametrize(
    ("spec", "targets"),
    [
        ({"namespaces": ["z", "team-b", "a", "z"]}, ["z", "team-b", "a"]),
        ({"namespaces": ["team-*"]}, ["team-a", "team-a1", "team-b"]),
        ({"namespaces": ["team-?"]}, ["team-a", "team-b"]),
        ({"namespaces": ["*"]}, sorted(CLUSTER)),
        ({"namespaces": ["team-a*"]}, ["team-a", "team-a1"]),
        ({"namespaces": ["*a*a*"]}, ["team-a", "team-a1"]),
        ({"namespaces": ["a?*"]}, []),
        ({"namespaces": ["later", "team-*", "team-b"]}, ["later", "team-b", "team-a", "team-a1"]),
        ({"namespaceSelector": {}}, sorted(CLUSTER)),
        ({"namespaceSelector": {"matchLabels": None, "matchExpressions": None}}, sorted(CLUSTER)),
        ({"namespaces": [], "namespaceSelector": {}}, sorted(CLUSTER)),
        ({"namespaces": ["a"], "namespaceSelector": None}, ["a"]),
        ({"namespaceSelector": by(team="a")}, ["team-a", "team-a1"]),
        ({"namespaceSelector": by(team="a", env="test")}, ["team-a"]),
        ({"namespaceSelector": by(team="")}, []),
        ({"namespaceSelector": by(expression("team", "In", "b", "c"))}, ["team-b"]),
        ({"namespaceSelector": by(expression("team", "NotIn", "a"))}, ["bare", "default", "team-b"]),
        ({"namespaceSelector": by(expression("env", "Exists"))}, ["team-a", "team-b"]),
        ({"namespaceSelector": by({"key": "team", "operator": "DoesNotExist"})}, ["bare", "default"]),
        ({"namespaceSelector": by(expression("env", "Exists"), team="b")}, ["team-b"]),
        ({"namespaces": ["z", "default"], "namespaceSelector": by(team="b")}, ["z", "default", "team-b"]),
        ({"namespaces": ["b", "team-*"], "excludeNamespaces": ["team-b", "?"]}, ["team-a", "team-a1"]),
        ({"namespaceSelector": {}, "excludeNamespaces": ["*"]}, []),
        ({"namespaces": ["a"], "excludeNamespaces": None}, ["a"]),
    ],
)
def test_targets_are_names_globs_and_selected_less_what_is_excluded(spec: dict, targets: list[str]) -> None:
    assert Targets.parse(spec).of(CLUSTER) == targets


@pytest.mark.parametrize(
    ("spec", "needs"),
    [
        ({"namespaces": ["a", "b"], "excludeNamespaces": ["kube-*"]}, False),
        ({"namespaces": ["a", "b*"]}, True),
        ({"namespaces": ["a"], "namespaceSelector": {}}, True),
    ],
)
def test_a_literal_list_needs_no_right_to_list_namespaces(spec: dict, needs: bool) -> None:
    targets = Targets.parse(spec)
    assert targets.needs_namespaces is needs
    assert needs or targets.of({}) == ["a", "b"]


@pytest.mark.parametrize(
    ("spec", "field"),
    [
        ({}, "spec.namespaces"),
        ({"namespaces": []}, "spec.namespaces"),
        ({"namespaces": None}, "spec.namespaces"),
        ({"namespaces": "team-a"}, "spec.namespaces"),
        ({"namespaces": {"team-a": 1}}, "spec.namespaces"),
        *(
            ({"namespaces": [name]}, "spec.namespaces")
            for name in ("", "Team", "a\n", " a", "-a", "a-", "-*", "a.b", "a" * 64, "[a]", "a,b", "!a", 1, None, ["a"])
        ),
        ({"namespaces": ["a"], "excludeNamespaces": ["B"]}, "spec.excludeNamespaces"),
        ({"namespaces": ["a"], "excludeNamespaces": "b"}, "spec.excludeNamespaces"),
        *(({"namespaceSelector": odd}, "spec.namespaceSelector") for odd in ([], "team=a", 0, {"matchlabels": {}})),
        *(
            ({"namespaceSelector": {"matchLabels": odd}}, "spec.namespaceSelector.matchLabels")
            for odd in ([], "", {"team": None}, {"team": 1}, {"team": "a b"}, {"": "a"}, {"a/b/c": "d"})
        ),
        *(
            ({"namespaceSelector": {"matchExpressions": odd}}, "spec.namespaceSelector.matchExpressions")
            for odd in (
                {},
                "",
                ["team"],
                [{}],
                [expression("team", "Is", "a")],
                [expression("team", "in", "a")],
                [expression("team", "In")],
                [expression("team", "NotIn")],
                [expression("team", "Exists", "a")],
                [{"key": "team", "operator": "In", "values": "a"}],
                [{"key": "team", "operator": "In", "value": ["a"]}],
                [{"key": "team", "operator": "Exists", "value": ["a"]}],
                [{"key": "team", "operator": ["In"], "values": ["a"]}],
                [{"key": "team", "operator": "In", "values": [1]}],
                [expression("-team", "Exists")],
            )
        ),
    ],
)
def test_what_cannot_be_understood_is_refused_by_its_field(spec: dict, field: str) -> None:
    with pytest.raises(ResourceError) as caught:
        Targets.parse(spec)
    assert caught.value.field == field
    assert str(caught.value).startswith(f"{field}: ")


@pytest.mark.parametrize(
    ("listed", "names"),
    [
        (None, []),
        ([], []),
        (["builder", "missing"], ["builder"]),
        (["*"], ["build.er", "builder", "default"]),
        (["build*r"], ["build.er", "builder"]),
        (["build.er", "d?fault"], ["build.er", "default"]),
    ],
)
def test_service_accounts_are_matched_among_those_that_exist(listed: list[str] | None, names: list[str]) -> None:
    assert Names.of_service_accounts(listed).of(["default", "builder", "build.er"]) == names


@pytest.mark.parametrize("listed", ["default", ["Default"], ["a..b"], ["a" * 254], [""], [{}]])
def test_service_accounts_that_cannot_be_are_refused(listed: object) -> None:
    with pytest.raises(ResourceError, match=r"^spec\.serviceAccounts: "):
        Names.of_service_accounts(listed)


def test_many_stars_are_not_slow() -> None:
    targets = Targets.parse({"namespaces": ["*a" * 31 + "b"]})
    begun = time.monotonic()
    assert targets.of({"a" * 63: {}}) == []
    assert time.monotonic() - begun < 1
