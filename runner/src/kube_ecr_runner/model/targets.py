"""Which namespaces and service accounts a resource selects. Pure.

A list names things literally or by globs, where * stands for any characters, or none, and ? for one. The inventory
plugin of the collection decides what is served; this tells which events matter. So what it would refuse, a list
entry or a selector that is wrong, just matches nothing here.
"""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Protocol, Self

_PART = r"[a-z0-9*?]([-a-z0-9*?]*[a-z0-9*?])?"
_NAMESPACE = re.compile(_PART)
_OBJECT = re.compile(rf"{_PART}(\.{_PART})*")
# https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/#syntax-and-character-set
_LABEL_VALUE = re.compile(r"([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?")
_LABEL_KEY = re.compile(r"([a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?")
_TAKES_VALUES = {"In": True, "NotIn": True, "Exists": False, "DoesNotExist": False}


@dataclass(frozen=True)
class Names:
    """A list of names and globs, sorted and without duplicates."""

    literals: frozenset[str] = frozenset()
    globs: tuple[str, ...] = ()

    @classmethod
    def of_namespaces(cls, value: object) -> Self:
        """Return a list of namespaces as a resource holds it."""
        return cls._parse(value, _NAMESPACE, 63)

    @classmethod
    def of_service_accounts(cls, value: object) -> Self:
        """Return a list of service accounts as a resource holds it."""
        return cls._parse(value, _OBJECT, 253)

    @classmethod
    def _parse(cls, value: object, form: re.Pattern, longest: int) -> Self:
        listed = value if isinstance(value, list) else []
        names = {each for each in listed if isinstance(each, str) and len(each) <= longest and form.fullmatch(each)}
        globs = {each for each in names if "*" in each or "?" in each}
        return cls(frozenset(names - globs), tuple(sorted(globs)))

    def __bool__(self) -> bool:
        return bool(self.literals or self.globs)

    def matches(self, name: str) -> bool:
        """Return whether name is in the list, or a glob of it matches."""
        return name in self.literals or (bool(self.globs) and bool(_expression(self.globs).match(name)))


@lru_cache(maxsize=1024)
def _expression(globs: tuple[str, ...]) -> re.Pattern:
    """Many globs are one expression, in which fnmatch sees to it that no number of stars is slow."""
    return re.compile("|".join(map(fnmatch.translate, globs)))


@dataclass(frozen=True)
class Requirement:
    """One condition of a label selector."""

    key: str
    operator: str
    values: frozenset[str] = frozenset()

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Return whether labels fulfil it; without the label NotIn is fulfilled too."""
        if self.operator == "In":
            return labels.get(self.key) in self.values
        if self.operator == "NotIn":
            return labels.get(self.key) not in self.values
        return (self.key in labels) == (self.operator == "Exists")


class Labelled(Protocol):
    """A namespace."""

    @property
    def labels(self) -> Mapping[str, str]:
        """Its labels."""


@dataclass(frozen=True)
class Targets:
    """The namespaces that a resource serves; selector is None where it has none, or one that is wrong."""

    names: Names = Names()
    selector: tuple[Requirement, ...] | None = None
    excluded: Names = Names()

    @classmethod
    def of(cls, *names: str) -> Self:
        """Return just these namespaces."""
        return cls(Names(frozenset(names)))

    @classmethod
    def parse(cls, spec: Mapping) -> Self:
        """Return what the spec of a cluster-scoped resource selects."""
        return cls(
            Names.of_namespaces(spec.get("namespaces")),
            _selector(spec.get("namespaceSelector")),
            Names.of_namespaces(spec.get("excludeNamespaces")),
        )

    def matches(self, name: str, labels: Mapping[str, str] | None) -> bool:
        """Return whether a namespace is a target; labels is None where it does not exist.

        One that is named literally is a target all the same: it is waited for.
        """
        if self.excluded.matches(name):
            return False
        if labels is None:
            return name in self.names.literals
        selected = self.selector is not None and all(each.matches(labels) for each in self.selector)
        return selected or self.names.matches(name)

    def among(self, existing: Mapping[str, Labelled]) -> list[str]:
        """Return the targets, sorted; existing are the namespaces that exist, by name."""
        candidates: Iterable[str] = self.names.literals
        if self.names.globs or self.selector is not None:
            candidates = {*candidates, *existing}
        found = ((name, existing.get(name)) for name in candidates)
        return sorted(name for name, namespace in found if self.matches(name, namespace and namespace.labels))


def _selector(selector: object) -> tuple[Requirement, ...] | None:
    """Return the requirements of a label selector; with one that cannot be read, the rest would select too much."""
    if not isinstance(selector, Mapping) or not selector.keys() <= {"matchLabels", "matchExpressions"}:
        return None
    labels, expressions = selector.get("matchLabels"), selector.get("matchExpressions")
    if not isinstance(labels, Mapping | None) or not isinstance(expressions, list | None):
        return None
    found = [
        *(_requirement({"key": key, "operator": "In", "values": [value]}) for key, value in (labels or {}).items()),
        *(_requirement(each) for each in expressions or []),
    ]
    requirements = tuple(each for each in found if each)
    return requirements if len(requirements) == len(found) else None


def _requirement(expression: object) -> Requirement | None:
    if not isinstance(expression, Mapping) or not expression.keys() <= {"key", "operator", "values"}:
        return None
    key, operator, values = expression.get("key"), expression.get("operator"), expression.get("values") or []
    if not (isinstance(key, str) and _LABEL_KEY.fullmatch(key) and isinstance(operator, str)):
        return None
    if not isinstance(values, list) or _TAKES_VALUES.get(operator) != bool(values):
        return None
    if not all(isinstance(each, str) and _LABEL_VALUE.fullmatch(each) for each in values):
        return None
    return Requirement(key, operator, frozenset(values))
