# Copyright: kube_ecr.secrets contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which resources a run is for, as a person says it: in an option, or in a variable of the environment.

What always holds: what is empty counts as not given, so that a variable may be there and have no value; what could pick
nothing is refused, with the remedy; and what picks nothing in a cluster is told. Inventory and runner read it here. A
list is separated by commas.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable

from .grammar import LABEL_KEY, LABEL_VALUE, is_namespace_name, is_object_name
from .kinds import KINDS, NAMESPACED_KIND
from .resource import names_in, namespace_in

# https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/#label-selectors
_CONDITION = re.compile(
    rf"\s*(!\s*{LABEL_KEY}|{LABEL_KEY}(\s*(==?|!=)\s*{LABEL_VALUE}|\s*[<>]\s*[0-9]+"
    rf"|\s+(in|notin)\s*\(\s*{LABEL_VALUE}(\s*,\s*{LABEL_VALUE})*\s*\))?)\s*"
)
_COMMA = re.compile(r",(?![^()]*\))")


def namespaces_of(text: str) -> tuple[str, ...]:
    """Return the names of namespaces in a list, none for all. Raises ValueError."""
    return _entries(text, is_namespace_name, "is not the name of a namespace; give names, separated by commas")


def names_of(text: str) -> tuple[str, ...]:
    """Return the names of custom resources in a list, none for all. Raises ValueError."""
    kinds = ", ".join(f"{kind}/{'namespace/' * (kind == NAMESPACED_KIND)}name" for kind in KINDS)
    remedy = f"is not the name of a custom resource; give name, namespace/name, {kinds}, separated by commas"
    return _entries(text, _is_resource_name, remedy)


def identities_of(text: str) -> tuple[str, ...]:
    """Return the patterns of AWS identities in a list. Raises ValueError.

    A pattern that matches no role is refused: the name of a role without its ARN, say, would allow nothing. A list of
    nothing but commas allows nothing either, but seems to say so.
    """
    return _entries(
        text.strip(" ,"),
        _is_identity,
        "matches no AWS identity: give 'runner' or a pattern for ARNs of roles, such as "
        "arn:aws:iam::111122223333:role/ecr-pull-*, separated by commas",
    )


def selector_of(text: str) -> str:
    """Return a label selector in the syntax of `kubectl -l` as it is, an empty text for all. Raises ValueError."""
    for part in _COMMA.split(text) if text.strip() else ():
        if not _CONDITION.fullmatch(part):
            raise ValueError(
                f"{part.strip()!r} is no condition on a label, such as tier=production, tier!=test, 'tier in (a, b)', "
                "tier or '!tier', separated by commas"
            )
    return text.strip()


def unpicked(references: Iterable[str], names: Collection[str], namespaces: Collection[str], selector: str) -> str:
    """Return what of a filter picks no custom resource, in a line; empty if there is nothing of the kind.

    references are those that a selector picks of the cluster, each as resource.reference() gives it.
    """
    found = [each for each in references if not namespaces or namespace_in(each) in namespaces]
    of_selector = f" that the label selector {selector!r} picks" if selector else ""
    if not found and not names and not namespaces:
        return f"there is no custom resource{of_selector}" if selector else ""
    held, called = {namespace_in(each) for each in found}, {name for each in found for name in names_in(each)}
    told = [f"namespace {name} holds no custom resource{of_selector}" for name in namespaces if name not in held]
    missing = [name for name in names if name not in called]
    return "; ".join([*told, *(f"no custom resource{of_selector} is called {name}" for name in missing)])


def _entries(text: str, is_right: Callable[[str], bool], remedy: str) -> tuple[str, ...]:
    """Return the entries of a list, each once; blank ones are passed over. Raises ValueError."""
    entries = tuple(dict.fromkeys(filter(None, map(str.strip, text.split(",")))))
    # With nothing but commas, names were meant, and none came.
    for entry in entries or filter(str.strip, [text]):
        if not is_right(entry):
            raise ValueError(f"{entry!r} {remedy}")
    return entries


def _is_resource_name(text: str) -> bool:
    kind, slash, rest = text.partition("/")
    if slash and kind in KINDS:
        is_whole = ("/" in rest) == (kind == NAMESPACED_KIND)
        return is_whole and _is_resource_name(rest)
    namespace, slash, name = text.rpartition("/")
    return is_object_name(name) and (not slash or is_namespace_name(namespace))


def _is_identity(text: str) -> bool:
    is_arn = text.startswith(("arn:", "*")) and text.isprintable() and " " not in text
    return is_arn or text == "runner"
