# Copyright: kube_ecr.secrets contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which namespaces and service accounts a custom resource selects.

A list names things literally or by globs, where C(*) stands for any characters, or none, and C(?) for one. The targets
of the cluster kind are the literal names, whether such a namespace exists or not, and of those that exist what a glob
or the label selector matches; less what is excluded.

parse() refuses what is malformed, by its field; readable() is for whoever only has to know which events matter: there,
what parse() would refuse, an entry of a list or a whole selector, matches nothing.
"""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any, Protocol

from .errors import ResourceError
from .grammar import is_glob, is_label_key, is_label_value, is_namespace_pattern, is_object_pattern

# How kubectl and the API server write a condition, by its operator.
_FORMS = {"In": "{key} in ({values})", "NotIn": "{key} notin ({values})", "Exists": "{key}", "DoesNotExist": "!{key}"}
_TAKES_VALUES = ("In", "NotIn")


@dataclass(frozen=True)
class Names:
    """A list of names and globs; literals and globs have no duplicates and keep their order."""

    literals: tuple[str, ...] = ()
    globs: tuple[str, ...] = ()

    @classmethod
    def of_namespaces(cls, value: object, path: str = "spec.namespaces") -> Names:
        """Return a list of namespaces as a resource holds it, empty for None; raise ResourceError with path."""
        return cls._parse(value, path, "namespace", is_namespace_pattern)

    @classmethod
    def of_service_accounts(cls, value: object, path: str = "spec.serviceAccounts") -> Names:
        """Return a list of service accounts as a resource holds it, empty for None; raise ResourceError with path."""
        return cls._parse(value, path, "service account", is_object_pattern)

    @classmethod
    def readable_namespaces(cls, value: object) -> Names:
        """Return the namespaces in a list, without the entries that of_namespaces() would refuse."""
        return cls._of(filter(is_namespace_pattern, value if isinstance(value, list) else ()))

    @classmethod
    def readable_service_accounts(cls, value: object) -> Names:
        """Return the service accounts in a list, without the entries that of_service_accounts() would refuse."""
        return cls._of(filter(is_object_pattern, value if isinstance(value, list) else ()))

    @classmethod
    def _parse(cls, value: object, path: str, what: str, is_pattern: Callable[[object], bool]) -> Names:
        if value is None:
            return cls()
        if not isinstance(value, list):
            raise ResourceError(path, f"must be a list of {what}s, by name or glob")
        for name in value:
            if not is_pattern(name):
                raise ResourceError(
                    path,
                    f"{name!r} is neither the name of a {what} (lower case letters, digits, '-') nor a glob of such, "
                    "in which * stands for any characters and ? for one",
                )
        return cls._of(value)

    @classmethod
    def _of(cls, names: Iterable[str]) -> Names:
        unique = dict.fromkeys(names)
        literals = tuple(name for name in unique if not is_glob(name))
        return cls(literals, tuple(name for name in unique if is_glob(name)))

    def __bool__(self) -> bool:
        return bool(self.literals or self.globs)

    @cached_property
    def _literals(self) -> frozenset[str]:
        return frozenset(self.literals)

    def names_literally(self, name: str) -> bool:
        """Return whether name is in the list as it is."""
        return name in self._literals

    def matches(self, name: str) -> bool:
        """Return whether name is in the list, or a glob of it matches."""
        return name in self._literals or bool(self.globs and _expression(self.globs).match(name))

    def select(self, existing: Iterable[str]) -> list[str]:
        """Return, sorted, which of the existing names match."""
        return sorted(filter(self.matches, existing))


@lru_cache(maxsize=1024)
def _expression(globs: tuple[str, ...]) -> re.Pattern[str]:
    """Many globs are one expression, in which fnmatch sees to it that no number of stars is slow."""
    return re.compile("|".join(map(fnmatch.translate, globs)))


@dataclass(frozen=True)
class Requirement:
    """One condition of a label selector."""

    key: str
    operator: str
    values: tuple[str, ...] = ()

    def __str__(self) -> str:
        """Return it in the syntax of kubectl -l."""
        if self.operator == "In" and len(self.values) == 1:
            return f"{self.key}={self.values[0]}"
        return _FORMS[self.operator].format(key=self.key, values=",".join(self.values))

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Return whether labels fulfil it; without the label NotIn is fulfilled too."""
        if self.operator == "In":
            return labels.get(self.key) in self.values
        if self.operator == "NotIn":
            return labels.get(self.key) not in self.values
        return (self.key in labels) == (self.operator == "Exists")


class Labelled(Protocol):
    """A namespace that exists."""

    @property
    def labels(self) -> Mapping[str, str]: ...


@dataclass(frozen=True)
class Targets:
    """The namespaces that a custom resource serves; selector is None where it has none, or one that cannot be read."""

    names: Names = Names()
    selector: tuple[Requirement, ...] | None = None
    excluded: Names = Names()

    @classmethod
    def only(cls, *names: str) -> Targets:
        """Return just these namespaces."""
        return cls(Names(names))

    @classmethod
    def parse(cls, spec: Mapping[str, Any]) -> Targets:
        """Return what the spec of a cluster resource selects; raise ResourceError naming the field to change."""
        names, requirements = Names.of_namespaces(spec.get("namespaces")), _selector_in(spec)
        if not names and requirements is None:
            raise ResourceError(
                "spec.namespaces", "must list at least one namespace, unless spec.namespaceSelector is there"
            )
        excluded = Names.of_namespaces(spec.get("excludeNamespaces"), "spec.excludeNamespaces")
        return cls(names, requirements, excluded)

    @classmethod
    def readable(cls, spec: Mapping[str, Any]) -> Targets:
        """Return what the spec of a cluster resource selects, as far as it can be read."""
        try:
            requirements = _selector_in(spec)
        except ResourceError:
            requirements = None  # without one of its conditions the rest would select too much
        return cls(
            Names.readable_namespaces(spec.get("namespaces")),
            requirements,
            Names.readable_namespaces(spec.get("excludeNamespaces")),
        )

    @property
    def needs_namespaces(self) -> bool:
        """Whether the answer depends on which namespaces exist."""
        return bool(self.names.globs) or self.selector is not None

    def matches(self, name: str, labels: Mapping[str, str] | None) -> bool:
        """Return whether a namespace is a target; labels is None where it does not exist.

        One that is named literally is a target all the same: it is waited for.
        """
        if self.excluded.matches(name):
            return False
        if labels is None:
            return self.names.names_literally(name)
        is_selected = self.selector is not None and all(condition.matches(labels) for condition in self.selector)
        return is_selected or self.names.matches(name)

    def select(self, existing: Mapping[str, Mapping[str, str] | None]) -> list[str]:
        """Return the targets: literal names in their order, then, sorted, what else matches.

        existing are the labels of the namespaces that exist, by name; it may be empty if it is not needed.
        """
        matched = sorted(name for name, labels in existing.items() if self.matches(name, labels or {}))
        literals = (name for name in self.names.literals if not self.excluded.matches(name))
        return list(dict.fromkeys((*literals, *matched)))

    def among(self, existing: Mapping[str, Labelled]) -> list[str]:
        """Return the targets, sorted; existing are the namespaces that exist, by name."""
        candidates: Iterable[str] = self.names.literals
        if self.needs_namespaces:
            candidates = {*candidates, *existing}
        found = ((name, existing.get(name)) for name in candidates)
        return sorted(name for name, namespace in found if self.matches(name, namespace.labels if namespace else None))


def _selector_in(spec: Mapping[str, Any]) -> tuple[Requirement, ...] | None:
    selector = spec.get("namespaceSelector")
    return None if selector is None else parse_selector(selector, "spec.namespaceSelector")


def parse_selector(selector: object, path: str) -> tuple[Requirement, ...]:
    """Return the conditions of a label selector with matchLabels and matchExpressions; raise ResourceError with path.

    A field that is misspelt would select everything, so no key is passed over.
    """
    if not isinstance(selector, dict):
        raise ResourceError(path, "must be a label selector: matchLabels, matchExpressions or both")
    for name in selector:
        if name not in ("matchLabels", "matchExpressions"):
            raise ResourceError(path, f"{name!r} is no part of a label selector; use matchLabels and matchExpressions")
    labels, expressions = selector.get("matchLabels"), selector.get("matchExpressions")
    if not isinstance(labels, (dict, type(None))):
        raise ResourceError(f"{path}.matchLabels", "must give labels their values")
    if not isinstance(expressions, (list, type(None))):
        raise ResourceError(f"{path}.matchExpressions", "must be a list of key, operator and values")
    return (
        *(_requirement(key, "In", [value], f"{path}.matchLabels") for key, value in (labels or {}).items()),
        *(_requirement_of(expression, f"{path}.matchExpressions") for expression in expressions or []),
    )


def _requirement_of(expression: object, path: str) -> Requirement:
    if not isinstance(expression, dict) or not expression.keys() <= {"key", "operator", "values"}:
        raise ResourceError(path, "must be a list of key, operator and values")
    return _requirement(expression.get("key"), expression.get("operator"), expression.get("values"), path)


def _requirement(key: object, operator: object, values: object, path: str) -> Requirement:
    if not (isinstance(key, str) and is_label_key(key)):
        raise ResourceError(path, f"{key!r} cannot be the key of a label")
    if not (isinstance(operator, str) and operator in _FORMS):
        raise ResourceError(path, f"{key}: operator {operator!r} is none of {', '.join(_FORMS)}")
    values = [] if values is None else values
    takes_values = operator in _TAKES_VALUES
    if not isinstance(values, list) or bool(values) != takes_values:
        need = "needs a list of values" if takes_values else "takes no values"
        raise ResourceError(path, f"{key}: operator {operator} {need}")
    for value in values:
        if not isinstance(value, str):
            raise ResourceError(path, f"{key}: {value!r} is no text; put it in quotes")
        if not is_label_value(value):
            raise ResourceError(path, f"{key}: {value!r} cannot be the value of a label")
    return Requirement(key, operator, tuple(values))
