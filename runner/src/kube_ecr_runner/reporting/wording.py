"""How lists of names and causes are put into words, in statuses and in events. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from kube_ecr_runner.contract.result import NamespaceResult, ObjectResult
from kube_ecr_runner.model.result import Problem, Result

MAX_NAMES = 10


def names_of(names: Iterable[str]) -> str:
    """Return names for a person: ten at most, and how many more there are."""
    listed = list(names)
    more = len(listed) - MAX_NAMES
    return ", ".join(listed[:MAX_NAMES]) + (f" and {more} more" if more > 0 else "")


def place_of(part: NamespaceResult | ObjectResult) -> str:
    """Return where something became of a target, an output or another object."""
    if isinstance(part, ObjectResult):
        return str(part)
    return f"{part.namespace}/{part.name}" if part.name else part.namespace


def writers_of(contested: Iterable[ObjectResult]) -> str:
    """Return service accounts that others write, too, and who does, for a person."""
    return names_of(f"{account} ({account.written_by})" for account in contested)


def contested_suffix(result: Result) -> str:
    """Return what the message of a condition says at its end of service accounts that others write, too."""
    return f"; service accounts that others write, too: {writers_of(result.contested)}" if result.contested else ""


def keys_of(shadowed: Iterable[NamespaceResult]) -> str:
    """Return namespaces, and which keys of others their Secrets have for a part of our registries, for a person."""
    return names_of(f"{target.namespace} ({', '.join(target.shadowed_by)})" for target in shadowed)


def shadowed_suffix(result: Result) -> str:
    """Return what the message of a condition says at its end of logins of others that some consumers prefer."""
    if not result.shadowed:
        return ""
    return f"; logins of others that some consumers prefer, in namespaces: {keys_of(result.shadowed)}"


def comes_from(namespace: NamespaceResult, problem: Problem | None) -> bool:
    """Return whether a namespace failed for what is wrong with the resource as a whole, which is said once."""
    return problem is not None and (namespace.reason, namespace.message) == (problem.reason, problem.message)
