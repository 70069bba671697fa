"""The rights of the OLM bundle, as a table: what of some rules is not granted by others."""

from __future__ import annotations

import pytest

from tests.tools.olm.rights import beyond, rules_of


def rule(resources: str, verbs: str, *names: str) -> dict:
    named = {"resourceNames": list(names)} if names else {}
    return {"apiGroups": [""], "resources": resources.split(), "verbs": verbs.split(), **named}


@pytest.mark.parametrize(
    ("wanted", "granted", "rest"),
    [
        ([rule("pods", "get list")], [], [rule("pods", "get list")]),
        ([rule("pods", "get list")], [rule("pods", "list get watch")], []),
        ([rule("namespaces", "get list watch")], [rule("namespaces", "get")], [rule("namespaces", "list watch")]),
        ([rule("a b c", "get")], [rule("b", "get")], [rule("a c", "get")]),
        ([rule("a b", "get list")], [rule("b", "get")], [rule("a", "get list"), rule("b", "list")]),
        ([rule("secrets", "get")], [rule("secrets", "get", "one")], [rule("secrets", "get")]),
        ([rule("secrets", "get", "one")], [rule("secrets", "get", "two")], [rule("secrets", "get", "one")]),
    ],
)
def test_what_is_beyond_others(wanted: list[dict], granted: list[dict], rest: list[dict]) -> None:
    assert beyond(wanted, granted) == rest


def test_only_roles_that_are_bound_count_and_a_rule_counts_once() -> None:
    roles = [
        {"kind": kind, "metadata": {"name": name}, "rules": [rule(*what)]}
        for kind, name, *what in (
            ("ClusterRole", "a", "pods", "get"),
            ("ClusterRole", "aggregated", "pods", "list"),
            ("Role", "b", "pods", "get"),
        )
    ]
    bindings = [
        {"kind": kind, "roleRef": {"name": name}} for kind, name in (("ClusterRoleBinding", "a"), ("RoleBinding", "b"))
    ]
    assert rules_of([*roles, *bindings]) == [rule("pods", "get")]
