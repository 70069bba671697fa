"""Which rights OLM grants in the target namespaces of an install, and which in the whole cluster. Pure.

`permissions` become a Role in each target namespace, or, if all namespaces are the target, a ClusterRole.
`clusterPermissions` become a ClusterRole in any case. So the former are what the chart grants with `watchNamespaces`,
and the latter what it grants in addition without them: with everything in `clusterPermissions`, an install for one
namespace could read the Secrets of all.
https://github.com/operator-framework/operator-lifecycle-manager/blob/master/doc/design/operatorgroups.md
"""

from __future__ import annotations

from collections.abc import Iterable

_ROLES = ("Role", "ClusterRole")


def rules_of(objects: Iterable[dict]) -> list[dict]:
    """Return the rules of all roles that are bound, each once, in their order."""
    objects = list(objects)
    bound = {each["roleRef"]["name"] for each in objects if each["kind"] in ("RoleBinding", "ClusterRoleBinding")}
    roles = (each for each in objects if each["kind"] in _ROLES and each["metadata"]["name"] in bound)
    rules: list[dict] = []
    for rule in (rule for role in roles for rule in role["rules"]):
        if rule not in rules:
            rules.append(rule)
    return rules


def beyond(rules: Iterable[dict], granted: Iterable[dict]) -> list[dict]:
    """Return what of some rules is not granted by others, as rules again."""
    held = {right for rule in granted for right in _rights(rule)}
    rest = []
    for rule in rules:
        missing = [right for right in _rights(rule) if right not in held]
        # Resources of which the same verbs are missing share a rule.
        shares: dict[tuple[str, ...], list[str]] = {}
        for resource in dict.fromkeys(resource for _, resource, _, _ in missing):
            verbs = tuple(dict.fromkeys(verb for _, of, _, verb in missing if of == resource))
            shares.setdefault(verbs, []).append(resource)
        rest += [{**rule, "resources": resources, "verbs": list(verbs)} for verbs, resources in shares.items()]
    return rest


def _rights(rule: dict) -> list[tuple[str, str, str, str]]:
    """Return each right of a rule: group, resource, name of the object ("" for any) and verb."""
    return [
        (group, resource, name, verb)
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for name in rule.get("resourceNames", [""])
        for verb in rule["verbs"]
    ]
