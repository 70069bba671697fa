"""Which namespaces and service accounts a resource selects, which spec is refused, and what can be read of that.

The collection refuses a spec that is malformed; the runner reads what can be read of it.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass

import pytest

from ansible_collections.kube_ecr.secrets.plugins.module_utils._contract.errors import ResourceError
from ansible_collections.kube_ecr.secrets.plugins.module_utils._contract.targets import Names, Targets, parse_selector

CLUSTER = {
    "default": {"kubernetes.io/metadata.name": "default"},
    "team-b": {"team": "b", "env": "prod"},
    "team-a": {"team": "a", "env": "test"},
    "team-a1": {"team": "a"},
    "bare": None,
}


@dataclass(frozen=True)
class Case:
    """A part of a spec, the labels of the namespaces that exist by name, and the targets in order of the alphabet."""

    name: str
    spec: Mapping[str, object]
    targets: list[str]
    existing: Mapping[str, Mapping[str, str]]
    is_malformed: bool = False


CASES_CLUSTER: Mapping[str, Mapping[str, str]] = {
    "default": {},
    "kube-system": {"kubernetes.io/metadata.name": "kube-system"},
    "team-a": {"team": "a", "tier": "production", "example.com/pulls": ""},
    "team-b": {"team": "b", "tier": "test"},
    "team-bb": {"team": "bb"},
}


@dataclass(frozen=True)
class Existing:
    """A namespace that exists."""

    labels: Mapping[str, str]


def _case(name: str, spec: Mapping[str, object], targets: str, **options) -> Case:
    return Case(name, spec, targets.split(), **{"existing": CASES_CLUSTER} | options)


def _selecting(name: str, selector: object, targets: str, *, is_malformed: bool = False) -> Case:
    return _case(f"selector: {name}", {"namespaceSelector": selector}, targets, is_malformed=is_malformed)


def _expression(key: object, operator: object, values: object = None) -> dict[str, object]:
    expression = {"key": key, "operator": operator} | ({} if values is None else {"values": values})
    return {"matchExpressions": [expression]}


CASES = [
    _case("names", {"namespaces": ["team-b", "team-a"]}, "team-a team-b"),
    _case("name that does not exist", {"namespaces": ["team-a", "later"]}, "later team-a"),
    _case("no namespace exists", {"namespaces": ["later"]}, "later", existing={}),
    _case("duplicates", {"namespaces": ["team-a", "team-a", "team-?"]}, "team-a team-b"),
    _case("star", {"namespaces": ["team-*"]}, "team-a team-b team-bb"),
    _case("star for nothing", {"namespaces": ["team-b*"]}, "team-b team-bb"),
    _case("star in the middle", {"namespaces": ["k*m"]}, "kube-system"),
    _case("star for all", {"namespaces": ["*"]}, "default kube-system team-a team-b team-bb"),
    _case("several stars", {"namespaces": ["*e*m*"]}, "kube-system team-a team-b team-bb"),
    _case("question mark for one", {"namespaces": ["team-?"]}, "team-a team-b"),
    _case("question marks", {"namespaces": ["t???-??"]}, "team-bb"),
    _case("glob is the whole name", {"namespaces": ["eam-*", "team", "*-syste"]}, "team"),
    _case("glob that nothing matches", {"namespaces": ["prod-*"]}, ""),
    _case("glob where nothing exists", {"namespaces": ["*"]}, "", existing={}),
    _case(
        "many stars are not slow",
        {"namespaces": ["*a" * 31]},
        "a" * 31,
        existing={"a" * 31: {}, "a" * 62 + "b": {}},
    ),
    _selecting("empty selects all", {}, "default kube-system team-a team-b team-bb"),
    _selecting("empty parts select all", {"matchLabels": {}, "matchExpressions": []}, " ".join(CASES_CLUSTER)),
    _selecting("label", {"matchLabels": {"team": "a"}}, "team-a"),
    _selecting("labels", {"matchLabels": {"team": "b", "tier": "production"}}, ""),
    _selecting("value is empty", {"matchLabels": {"example.com/pulls": ""}}, "team-a"),
    _selecting("In", _expression("team", "In", ["a", "bb", "c"]), "team-a team-bb"),
    _selecting(
        "NotIn, also without the label", _expression("team", "NotIn", ["b"]), "default kube-system team-a team-bb"
    ),
    _selecting("Exists, also if empty", _expression("example.com/pulls", "Exists"), "team-a"),
    _selecting("Exists with no values", _expression("tier", "Exists", []), "team-a team-b"),
    _selecting("DoesNotExist", _expression("team", "DoesNotExist"), "default kube-system"),
    _selecting(
        "all conditions hold",
        {"matchLabels": {"tier": "test"}, **_expression("team", "NotIn", ["a"])},
        "team-b",
    ),
    _selecting(
        "conditions on one label",
        {
            "matchExpressions": [
                {"key": "team", "operator": "Exists"},
                {"key": "team", "operator": "NotIn", "values": ["a"]},
            ]
        },
        "team-b team-bb",
    ),
    _case(
        "names, globs and selector together",
        {
            "namespaces": ["later", "team-b*"],
            "namespaceSelector": {"matchLabels": {"team": "a"}},
        },
        "later team-a team-b team-bb",
    ),
    _case(
        "less what is excluded",
        {"namespaces": ["later", "team-a", "team-b"], "excludeNamespaces": ["later", "team-b"]},
        "team-a",
    ),
    _case(
        "less what a glob excludes",
        {"namespaceSelector": {}, "namespaces": ["kube-later"], "excludeNamespaces": ["kube-*", "team-?"]},
        "default team-bb",
    ),
    _case("all excluded", {"namespaceSelector": {}, "excludeNamespaces": ["*"]}, ""),
    _case("nothing excluded", {"namespaces": ["team-a"], "excludeNamespaces": []}, "team-a"),
    # What the CRDs refuse
    _case("nothing at all", {}, "", is_malformed=True),
    _case("empty list", {"namespaces": []}, "", is_malformed=True),
    _case("no list", {"namespaces": "team-a"}, "", is_malformed=True),
    _case("no text among names", {"namespaces": [1, None, "team-a"]}, "team-a", is_malformed=True),
    _case("no name", {"namespaces": ["Team-A", "", "team_a", "a b", "team-a\n", "-a"]}, "", is_malformed=True),
    _case("other patterns", {"namespaces": ["team-[ab]", "team-{a,b}", "!team-a", "te.m-*"]}, "", is_malformed=True),
    _case("name of 64 characters", {"namespaces": ["a" * 64]}, "", is_malformed=True),
    _case(
        "no list of exclusions", {"namespaces": ["team-a"], "excludeNamespaces": "team-a"}, "team-a", is_malformed=True
    ),
    _case(
        "wrong exclusion",
        {"namespaces": ["team-?"], "excludeNamespaces": [1, "Team-*", "team-a"]},
        "team-b",
        is_malformed=True,
    ),
    _case(
        "wrong selector beside names",
        {"namespaces": ["team-b"], "namespaceSelector": {"matchLabels": ["team"]}},
        "team-b",
        is_malformed=True,
    ),
    _selecting("no mapping", "team=a", "", is_malformed=True),
    _selecting("misspelt", {"matchLabel": {"team": "a"}}, "", is_malformed=True),
    _selecting("labels are no mapping", {"matchLabels": [{"team": "a"}]}, "", is_malformed=True),
    _selecting("label is no text", {"matchLabels": {"team": 1}}, "", is_malformed=True),
    _selecting("label that there cannot be", {"matchLabels": {"team": "a b"}}, "", is_malformed=True),
    _selecting(
        "expressions are no list", {"matchExpressions": {"key": "team", "operator": "Exists"}}, "", is_malformed=True
    ),
    _selecting("expression is no mapping", {"matchExpressions": ["team"]}, "", is_malformed=True),
    _selecting("no key", _expression(None, "Exists"), "", is_malformed=True),
    _selecting("key that there cannot be", _expression("a/b/c", "DoesNotExist"), "", is_malformed=True),
    _selecting("unknown operator", _expression("team", "Gt", ["1"]), "", is_malformed=True),
    _selecting("no operator", _expression("team", None), "", is_malformed=True),
    _selecting("operator of another case", _expression("team", "exists"), "", is_malformed=True),
    _selecting("In without values", _expression("team", "In"), "", is_malformed=True),
    _selecting("NotIn without values", _expression("team", "NotIn", []), "", is_malformed=True),
    _selecting("Exists with values", _expression("team", "Exists", ["a"]), "", is_malformed=True),
    _selecting("values are no list", _expression("team", "In", "a"), "", is_malformed=True),
    _selecting("value is no text", _expression("team", "In", ["a", 1]), "", is_malformed=True),
    _selecting(
        "one wrong condition among others",
        {"matchLabels": {"team": "a"}, **_expression("tier", "Gt", ["1"])},
        "",
        is_malformed=True,
    ),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_every_way_to_ask_gives_the_same_targets(case: Case) -> None:
    readable = Targets.readable(case.spec)
    namespaces = {name: Existing(labels) for name, labels in case.existing.items()}
    assert sorted(readable.select(case.existing)) == readable.among(namespaces) == case.targets
    matching = {name for name, labels in case.existing.items() if readable.matches(name, labels)}
    assert matching == set(case.targets) & case.existing.keys()
    if case.is_malformed:
        with pytest.raises(ResourceError):
            Targets.parse(case.spec)
    else:
        assert Targets.parse(case.spec) == readable


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
        (["Default", 1, None, "default"], "default", True),
        ("default", "default", False),
        (None, "default", False),
    ],
)
def test_service_accounts_can_be_read_from_a_malformed_list(listed: object, name: str, is_in: bool) -> None:
    assert Names.readable_service_accounts(listed).matches(name) is is_in


@pytest.mark.parametrize(
    ("selector", "text"),
    [
        ({"matchLabels": {"shard": "a", "tier": ""}}, "shard=a,tier="),
        (
            {
                "matchExpressions": [
                    {"key": "a/b", "operator": "NotIn", "values": ["x", "y"]},
                    {"key": "c", "operator": "Exists"},
                    {"key": "d", "operator": "DoesNotExist"},
                    {"key": "e", "operator": "In", "values": ["f", "g"]},
                ]
            },
            "a/b notin (x,y),c,!d,e in (f,g)",
        ),
    ],
)
def test_condition_in_the_syntax_of_kubectl(selector: dict, text: str) -> None:
    assert ",".join(map(str, parse_selector(selector, "selector"))) == text


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
    assert Targets.parse(spec).select(CLUSTER) == targets


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
    assert needs or targets.select({}) == ["a", "b"]


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
    assert Names.of_service_accounts(listed).select(["default", "builder", "build.er"]) == names


@pytest.mark.parametrize(
    ("spec", "text"),
    [
        ({}, "namespaces: must list at least one namespace, unless spec.namespaceSelector is there"),
        ({"namespaces": "a"}, "namespaces: must be a list of namespaces, by name or glob"),
        ({"namespaces": ["a", "A"]}, "namespaces: 'A' is neither the name of a namespace (lower case letters, digits"),
        ({"namespaceSelector": []}, "namespaceSelector: must be a label selector: matchLabels, matchExpressions or"),
        ({"namespaceSelector": {"labels": {}}}, "namespaceSelector: 'labels' is no part of a label selector"),
        ({"namespaceSelector": {"matchLabels": []}}, "namespaceSelector.matchLabels: must give labels their values"),
        *(
            ({"namespaceSelector": {"matchExpressions": odd}}, f"namespaceSelector.matchExpressions: {text}")
            for odd, text in (
                ({}, "must be a list of key, operator and values"),
                (["team"], "must be a list of key, operator and values"),
                ([expression("-team", "Exists")], "'-team' cannot be the key of a label"),
                ([expression("team", "Is")], "team: operator 'Is' is none of In, NotIn, Exists, DoesNotExist"),
                ([expression("team", "In")], "team: operator In needs a list of values"),
                ([expression("team", "Exists", "a")], "team: operator Exists takes no values"),
                ([{"key": "team", "operator": "In", "values": ["a", 1]}], "team: 1 is no text; put it in quotes"),
                ([expression("team", "In", "a b")], "team: 'a b' cannot be the value of a label"),
            )
        ),
    ],
)
def test_refusal_tells_what_is_wrong(spec: dict, text: str) -> None:
    with pytest.raises(ResourceError) as caught:
        Targets.parse(spec)
    assert str(caught.value).startswith(f"spec.{text}")


@pytest.mark.parametrize("listed", ["default", ["Default"], ["a..b"], ["a" * 254], [""], [{}]])
def test_service_accounts_that_cannot_be_are_refused(listed: object) -> None:
    with pytest.raises(ResourceError, match=r"^spec\.serviceAccounts: .* service account"):
        Names.of_service_accounts(listed)


def test_targets_can_be_given_by_their_names() -> None:
    assert Targets.only("team-b", "team-a") == Targets.parse({"namespaces": ["team-b", "team-a"]})


def test_many_stars_are_not_slow() -> None:
    targets = Targets.parse({"namespaces": ["*a" * 31 + "b"]})
    begun = time.monotonic()
    assert targets.select({"a" * 63: {}}) == []
    assert time.monotonic() - begun < 1
