"""What a pass would do, for a person to read: a line for each resource, and for each thing that would change. Pure.

What always holds: only printable characters, whatever a message quotes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from kube_ecr_runner.model.resource import Key, Resource
from kube_ecr_runner.model.result import NamespaceResult, ObjectResult, Result

# By state, as ecr_pull_secret tells it.
_SECRETS = {"created": "create", "updated": "update", "deleted": "delete", "released": "release"}
_WAIT = "  wait"
_ACCOUNTS = {"added": "add to", "removed": "remove from"}


def lines_of(
    resources: Mapping[Key, Resource], results: Mapping[Key, Result], not_served: Mapping[Key, str]
) -> list[str]:
    """Return what a pass would do about resources, and how many would be served.

    results are those of a run in check mode; not_served says why, of those that would not be.
    """
    lines = [line for key in sorted(resources) for line in _of(resources[key], results.get(key), not_served.get(key))]
    left = f", {len(not_served)} would not" if not_served else ""
    noun = "resource" if len(resources) == 1 else "resources"
    lines.append(f"{len(resources)} {noun}: {len(resources) - len(not_served)} would be served{left}")
    return [_printable(each) for each in lines]


def _of(resource: Resource, result: Result | None, why_not: str | None) -> list[str]:
    changes = [*_changes(resource, result)] if result else []
    if why_not:
        # What failed in a namespace or for a service account is told there.
        problem = result.problem if result else None
        is_told = result and not problem
        cause = f"{problem.reason}: {problem.message}" if problem else why_not
        return [f"{resource.key}: would fail" + ("" if is_told else f": {cause}"), *changes]
    verdict = "would change" if changes else "nothing to do"
    if result and result.is_cleanup:
        verdict = "would be undone, and go"
    elif changes and all(each.startswith(_WAIT) for each in changes):
        verdict = "would wait"
    return [f"{resource.key}: {verdict}", *changes]


def _changes(resource: Resource, result: Result) -> Iterator[str]:
    for each in result.namespaces:
        secret = f"Secret {each.namespace}/{resource.secret_name}"
        if each.state in _SECRETS:
            yield f"  {_SECRETS[each.state]} {secret}"
        elif each.state == "pending":
            yield f"{_WAIT} for namespace {each.namespace} ({each.reason})"
        elif each.state == "failed" and not _is_of(each, result):
            yield f"  fail in namespace {each.namespace}: {_why(each)}"
    for each in result.accounts:
        account = f"service account {each}"
        if each.state in _ACCOUNTS:
            yield f"  {_ACCOUNTS[each.state]} imagePullSecrets of {account}: {resource.secret_name}"
        elif each.state == "failed":
            yield f"  fail for {account}: {_why(each)}"
    for each in result.removed:
        if each.state in _SECRETS:
            yield f"  {_SECRETS[each.state]} Secret {each}"
        elif each.state == "failed":
            yield f"  fail for Secret {each}: {_why(each)}"


def _is_of(outcome: NamespaceResult, result: Result) -> bool:
    """What is wrong with the resource as a whole is told once."""
    return result.problem is not None and outcome.reason == result.problem.reason


def _why(part: NamespaceResult | ObjectResult) -> str:
    return f"{part.reason}: {part.message}" if part.message else part.reason


def _printable(text: str) -> str:
    return "".join(each if each.isprintable() else " " for each in text)
