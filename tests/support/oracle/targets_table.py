"""Which namespaces a cluster-scoped resource selects: the cases that the collection and the runner must agree on.

The targets are the literal names of `namespaces`, whether such a namespace exists or not, and of those that exist what
a glob or `namespaceSelector` matches; less what a name or glob of `excludeNamespaces` matches. In a glob * stands for
any characters, or none, and ? for one. All conditions of a selector must hold; {} selects every namespace, and NotIn
holds where the label is absent, too.

The CRDs refuse a spec that is malformed, but a cluster may hold one that was stored under laxer ones. The collection
refuses to serve it; for the runner the entry, or the whole selector, that is wrong matches nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Case:
    """A part of a spec, the labels of the namespaces that exist by name, and the targets in order of the alphabet."""

    name: str
    spec: Mapping[str, object]
    targets: list[str]
    existing: Mapping[str, Mapping[str, str]]
    is_malformed: bool = False


_CLUSTER: Mapping[str, Mapping[str, str]] = {
    "default": {},
    "kube-system": {"kubernetes.io/metadata.name": "kube-system"},
    "team-a": {"team": "a", "tier": "production", "example.com/pulls": ""},
    "team-b": {"team": "b", "tier": "test"},
    "team-bb": {"team": "bb"},
}


def _case(name: str, spec: Mapping[str, object], targets: str, **options) -> Case:
    return Case(name, spec, targets.split(), **{"existing": _CLUSTER} | options)


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
    _selecting("empty parts select all", {"matchLabels": {}, "matchExpressions": []}, " ".join(_CLUSTER)),
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
