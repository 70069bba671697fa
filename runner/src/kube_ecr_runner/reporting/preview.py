"""What a pass would do, for a person to read: a line for each resource, and for each thing that would change. Pure.

What always holds: only printable characters, whatever a message quotes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from kube_ecr_runner.contract.result import (
    ADDED,
    CREATED,
    DELETED,
    FAILED,
    PENDING,
    RELEASED,
    REMOVED,
    UPDATED,
    NamespaceResult,
    ObjectResult,
)
from kube_ecr_runner.model.resource import Key, Resource
from kube_ecr_runner.model.result import Result

# What would be done, by state.
_SECRETS = {CREATED: "create", UPDATED: "update", DELETED: "delete", RELEASED: "release"}
_ACCOUNTS = {ADDED: "add to", REMOVED: "remove from"}
_WAIT = "  wait"


def lines_of(
    resources: Mapping[Key, Resource], results: Mapping[Key, Result], not_served: Mapping[Key, str]
) -> list[str]:
    """Return what a pass would do about resources, and how many would be served.

    results are those of a run in check mode; not_served says why, of those that would not be.
    """
    lines = [
        line for key in sorted(resources) for line in _lines(resources[key], results.get(key), not_served.get(key))
    ]
    left = f", {len(not_served)} would not" if not_served else ""
    noun = "resource" if len(resources) == 1 else "resources"
    lines.append(f"{len(resources)} {noun}: {len(resources) - len(not_served)} would be served{left}")
    return [_printable(line) for line in lines]


def _lines(resource: Resource, result: Result | None, why_not: str | None) -> list[str]:
    changes = [*_changes(resource, result)] if result else []
    told: list[NamespaceResult | ObjectResult] = [*result.shadowed, *result.contested] if result else []
    warnings = [f"  warning: {part.message}" for part in told]
    if why_not:
        # What failed in a namespace or for a service account is said there.
        problem = result.problem if result else None
        is_told = result and not problem
        cause = f"{problem.reason}: {problem.message}" if problem else why_not
        return [f"{resource.key}: would fail" + ("" if is_told else f": {cause}"), *changes, *warnings]
    verdict = "would change" if changes else "nothing to do"
    if result and result.is_cleanup:
        verdict = "would be cleaned up"
    elif changes and all(change.startswith(_WAIT) for change in changes):
        verdict = "would wait"
    return [f"{resource.key}: {verdict}", *changes, *warnings]


def _changes(resource: Resource, result: Result) -> Iterator[str]:
    for secret in result.secrets:
        if secret.state in _SECRETS:
            yield f"  {_SECRETS[secret.state]} Secret {secret.namespace}/{secret.name or resource.secret_name}"
        elif secret.state == PENDING:
            yield f"{_WAIT} for namespace {secret.namespace} ({secret.reason})"
        elif secret.state == FAILED and not _is_of_resource(secret, result):
            yield f"  fail in namespace {secret.namespace}: {_cause(secret)}"
    for account in result.accounts:
        if account.state in _ACCOUNTS:
            name = resource.secret_name
            yield f"  {_ACCOUNTS[account.state]} imagePullSecrets of service account {account}: {name}"
        elif account.state == FAILED:
            yield f"  fail for service account {account}: {_cause(account)}"
    for secret_result in result.removed:
        if secret_result.state in _SECRETS:
            yield f"  {_SECRETS[secret_result.state]} Secret {secret_result}"
        elif secret_result.state == FAILED:
            yield f"  fail for Secret {secret_result}: {_cause(secret_result)}"


def _is_of_resource(namespace: NamespaceResult, result: Result) -> bool:
    """What is wrong with the resource as a whole is said once."""
    return result.problem is not None and namespace.reason == result.problem.reason


def _cause(part: NamespaceResult | ObjectResult) -> str:
    return f"{part.reason}: {part.message}" if part.message else part.reason


def _printable(text: str) -> str:
    return "".join(character if character.isprintable() else " " for character in text)
