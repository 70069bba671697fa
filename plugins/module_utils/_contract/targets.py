# Copyright: kube_ecr.secrets contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which namespaces and service accounts a custom resource selects.

Pure. A list names things literally or by globs, where C(*) stands for any characters, or none, and C(?) for one.
The targets of the cluster kind are the literal names, whether such a namespace exists or not, and of those that
exist what a glob or the label selector matches; less what is excluded.
"""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache

# The module, not its names: whoever imports the one from the other may do so in either order.
from . import resources as _resources

_PART = r"[a-z0-9*?]([-a-z0-9*?]*[a-z0-9*?])?"
_NAMESPACE = re.compile(_PART)
_OBJECT = re.compile(rf"{_PART}(\.{_PART})*")
# https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/#syntax-and-character-set
_LABEL_VALUE = re.compile(r"([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?")
_LABEL_KEY = re.compile(r"([a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?")
_TAKES_VALUES = {"In": True, "NotIn": True, "Exists": False, "DoesNotExist": False}


@dataclass(frozen=True)
class Names:
    """A list of names and globs; literals and globs have no duplicates and keep their order."""

    literals: tuple[str, ...] = ()
    globs: tuple[str, ...] = ()

    @classmethod
    def of_namespaces(cls, value: object, path: str) -> Names:
        """Return a list of namespaces as a resource holds it, empty for None; raise ResourceError with path."""
        return cls._parse(value, path, "namespace", _NAMESPACE, 63)

    @classmethod
    def of_service_accounts(cls, value: object, path: str = "spec.serviceAccounts") -> Names:
        """Return a list of service accounts as a resource holds it; see of_namespaces."""
        return cls._parse(value, path, "service account", _OBJECT, 253)

    @classmethod
    def _parse(cls, value: object, path: str, what: str, form: re.Pattern, longest: int) -> Names:
        if value is None:
            return cls()
        if not isinstance(value, list):
            raise _resources.ResourceError(path, f"must be a list of {what}s, by name or glob")
        for each in value:
            if not (isinstance(each, str) and len(each) <= longest and form.fullmatch(each)):
                raise _resources.ResourceError(
                    path,
                    f"{each!r} is neither the name of a {what} (lower case letters, digits, '-') nor a glob of such, "
                    "in which * stands for any characters and ? for one",
                )
        unique = dict.fromkeys(value)
        return cls(tuple(each for each in unique if not is_glob(each)), tuple(each for each in unique if is_glob(each)))

    def __bool__(self) -> bool:
        return bool(self.literals or self.globs)

    def matches(self, name: str) -> bool:
        """Return whether name is in the list, or a glob of it matches."""
        return name in self.literals or bool(self.globs and _expression(self.globs).match(name))

    def of(self, existing: Iterable[str]) -> list[str]:
        """Return, sorted, which of the existing names match."""
        return sorted(filter(self.matches, existing))


def is_glob(text: str) -> bool:
    """Return whether a name of a list is a glob."""
    return "*" in text or "?" in text


@lru_cache(maxsize=256)
def _expression(globs: tuple[str, ...]) -> re.Pattern:
    """Many globs are one expression, in which fnmatch sees to it that no number of stars is slow."""
    return re.compile("|".join(map(fnmatch.translate, globs)))


@dataclass(frozen=True)
class Requirement:
    """One condition of a label selector."""

    key: str
    operator: str
    values: tuple[str, ...] = ()

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Return whether labels fulfil it; without the label NotIn is fulfilled too."""
        if self.operator == "In":
            return labels.get(self.key) in self.values
        if self.operator == "NotIn":
            return labels.get(self.key) not in self.values
        return (self.key in labels) == (self.operator == "Exists")


@dataclass(frozen=True)
class Targets:
    """The namespaces that a resource of the cluster kind selects; selector is None where it has none."""

    names: Names
    selector: tuple[Requirement, ...] | None
    excluded: Names

    @classmethod
    def parse(cls, spec: Mapping) -> Targets:
        """Return what the spec of a resource selects; raise ResourceError naming the field to mend."""
        names = Names.of_namespaces(spec.get("namespaces"), "spec.namespaces")
        selector = spec.get("namespaceSelector")
        requirements = None if selector is None else _requirements(selector, "spec.namespaceSelector")
        if not names and requirements is None:
            raise _resources.ResourceError(
                "spec.namespaces", "must list at least one namespace, unless spec.namespaceSelector is there"
            )
        excluded = Names.of_namespaces(spec.get("excludeNamespaces"), "spec.excludeNamespaces")
        return cls(names, requirements, excluded)

    @property
    def needs_namespaces(self) -> bool:
        """Whether the answer depends on which namespaces exist."""
        return bool(self.names.globs) or self.selector is not None

    def of(self, existing: Mapping[str, Mapping[str, str]]) -> list[str]:
        """Return the targets: literal names in their order, then, sorted, what else matches.

        existing are the labels of the namespaces that exist, by name; it may be empty if it is not needed.
        """
        matched = sorted(name for name, labels in existing.items() if self._matches(name, labels or {}))
        return [name for name in dict.fromkeys((*self.names.literals, *matched)) if not self.excluded.matches(name)]

    def _matches(self, name: str, labels: Mapping[str, str]) -> bool:
        selected = self.selector is not None and all(each.matches(labels) for each in self.selector)
        return selected or self.names.matches(name)


def _requirements(selector: object, path: str) -> tuple[Requirement, ...]:
    """A field that is misspelt would select every namespace, so nothing is passed over."""
    if not isinstance(selector, dict):
        raise _resources.ResourceError(path, "must be a label selector: matchLabels, matchExpressions or both")
    for name in selector:
        if name not in ("matchLabels", "matchExpressions"):
            raise _resources.ResourceError(path, f"{name!r} is neither matchLabels nor matchExpressions")
    labels, expressions = selector.get("matchLabels"), selector.get("matchExpressions")
    if not isinstance(labels, (dict, type(None))):
        raise _resources.ResourceError(f"{path}.matchLabels", "must give labels their values")
    if not isinstance(expressions, (list, type(None))):
        raise _resources.ResourceError(f"{path}.matchExpressions", "must be a list of key, operator and values")
    return (
        *(_requirement(key, "In", [value], f"{path}.matchLabels") for key, value in (labels or {}).items()),
        *(_expression_of(each, f"{path}.matchExpressions") for each in expressions or []),
    )


def _expression_of(expression: object, path: str) -> Requirement:
    if not isinstance(expression, dict) or not expression.keys() <= {"key", "operator", "values"}:
        raise _resources.ResourceError(path, "must be a list of key, operator and values")
    return _requirement(expression.get("key"), expression.get("operator"), expression.get("values"), path)


def _requirement(key: object, operator: object, values: object, path: str) -> Requirement:
    if not (isinstance(key, str) and _LABEL_KEY.fullmatch(key)):
        raise _resources.ResourceError(path, f"{key!r} cannot be the key of a label")
    if not (isinstance(operator, str) and operator in _TAKES_VALUES):
        raise _resources.ResourceError(path, f"{key}: operator {operator!r} is none of {', '.join(_TAKES_VALUES)}")
    values = [] if values is None else values
    if not isinstance(values, list) or bool(values) != _TAKES_VALUES[operator]:
        need = "needs a list of values" if _TAKES_VALUES[operator] else "takes no values"
        raise _resources.ResourceError(path, f"{key}: operator {operator} {need}")
    for value in values:
        if not (isinstance(value, str) and _LABEL_VALUE.fullmatch(value)):
            raise _resources.ResourceError(path, f"{key}: {value!r} cannot be the value of a label")
    return Requirement(key, operator, tuple(values))
