"""What became of the custom resources in a run, read from the results of its task. Pure.

The form of a result is that of the module kube_ecr.secrets.ecr_reconcile (see contract.result and contract.item).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import Enum
from typing import Any, Self

from kube_ecr_runner.contract import reasons
from kube_ecr_runner.contract.item import ABSENT
from kube_ecr_runner.contract.reading import mapping_in, mappings_in, text_in
from kube_ecr_runner.contract.result import (
    FAILED,
    UNCHANGED,
    WRITTEN,
    ErrorResult,
    ItemResult,
    NamespaceResult,
    ObjectResult,
)
from kube_ecr_runner.model.resource import Key, Resource

TASK = "Write the pull secrets"
# By a retry, Ansible tells what is there while others are waited for.
_TASK_EVENTS = frozenset({"runner_on_ok", "runner_retry", "runner_on_failed"})
# Of a text that goes into a status or an event.
_MAX_TEXT = 1000
# Of a name in such a text: field managers have 128 characters at most, releases of helm 53.
_MAX_NAME = 150
# Of the keys of one Secret in such a text.
_MAX_KEYS = 10


class Origin(Enum):
    """Where a problem has to be mended; AWS includes the credentials for it."""

    RESOURCE = "resource"
    AWS = "aws"
    CLUSTER = "cluster"
    RUN = "run"


@dataclass(frozen=True)
class Problem:
    """Why not all could be written for a resource: a word in CamelCase, and a text for a person.

    Where some of several registries refuse, Secrets are written all the same, with what the others gave.
    """

    reason: str
    message: str
    origin: Origin


@dataclass(frozen=True)
class Result:
    """What became of one resource.

    namespaces are the results of its targets, outputs of its further Secrets in their namespaces, accounts of the
    service accounts that were acted on, or that others write, too, removed of Secrets that are no target's any more.
    renew_after is when the first of the targets wants a new token, issued_at when the oldest of their tokens was
    granted, None when none holds one. is_cleanup says that the resource is being deleted, so that it has no targets.
    reconcile_request is what the resource was annotated with (see Resource). warning is what of the resource has no
    effect, although it is served.
    """

    key: Key
    uid: str
    generation: int
    namespaces: tuple[NamespaceResult, ...] = ()
    registries: tuple[str, ...] = ()
    renew_after: datetime | None = None
    problem: Problem | None = None
    accounts: tuple[ObjectResult, ...] = ()
    removed: tuple[ObjectResult, ...] = ()
    is_cleanup: bool = False
    issued_at: datetime | None = None
    reconcile_request: str = ""
    warning: ErrorResult | None = None
    outputs: tuple[NamespaceResult, ...] = ()

    @property
    def secrets(self) -> tuple[NamespaceResult, ...]:
        """The results of all Secrets that are wanted: of the pull secret in its targets, then of the outputs."""
        return (*self.namespaces, *self.outputs)

    def of_state(self, *states: str) -> list[NamespaceResult]:
        """Return the results of the Secrets of these states, in order."""
        return [secret for secret in self.secrets if secret.state in states]

    @property
    def changed(self) -> bool:
        """Whether a Secret was written."""
        return bool(self.of_state(*WRITTEN))

    @property
    def has_acted(self) -> bool:
        """Whether anything was written or removed in the cluster."""
        return self.changed or any(item.state not in (FAILED, UNCHANGED) for item in (*self.accounts, *self.removed))

    @property
    def succeeded(self) -> bool:
        """Whether all was done that can be: a namespace that is not there (pending) is waited for, no failure."""
        return self.problem is None and not self.failures

    @property
    def failures(self) -> list[NamespaceResult | ObjectResult]:
        """What failed, that of the targets first."""
        parts: tuple[NamespaceResult | ObjectResult, ...] = (*self.secrets, *self.accounts, *self.removed)
        return [part for part in parts if part.state == FAILED]

    @property
    def contested(self) -> list[ObjectResult]:
        """The service accounts that have the pull secret and whose list somebody else writes, too: no failure.

        Sorted, so that the text about them is the same whether an entry was just added or was there before.
        """
        found = (account for account in self.accounts if account.reason == reasons.SERVICE_ACCOUNT_CONTESTED)
        return sorted(found, key=str)

    @property
    def shadowed(self) -> list[NamespaceResult]:
        """The targets whose Secret has logins of others for a part of our registries: no failure. Sorted, as above."""
        found = (target for target in self.namespaces if target.reason == reasons.LOGIN_SHADOWED)
        return sorted(found, key=lambda target: target.namespace)

    @property
    def cause(self) -> str:
        """The reason of the first thing that went wrong, empty if all was done that can be."""
        if self.problem:
            return self.problem.reason
        return next((failure.reason or reasons.UNKNOWN for failure in self.failures), "")

    @property
    def is_blocked(self) -> bool:
        """Whether nothing failed but for what only a person can move out of the way."""
        failures = self.failures
        return self.problem is None and bool(failures) and all(part.reason in reasons.FOR_A_PERSON for part in failures)

    @property
    def expires_at(self) -> datetime | None:
        """When the first of the tokens that the Secrets hold expires, or None where they hold none."""
        return min((secret.expires_at for secret in self.secrets if secret.expires_at), default=None)

    @classmethod
    def all_from_event(cls, event: Mapping[str, Any]) -> list[Self]:
        """Return the results that a job event of ansible-runner carries, none if it is an event of another kind."""
        data = mapping_in(event, "event_data")
        if event.get("event") not in _TASK_EVENTS or data.get("task") != TASK:
            return []
        answers = mappings_in(mapping_in(data, "res"), "resources")
        return [cls._of(key, answer) for answer in answers if (key := owner_key(answer.get("resource")))]

    @classmethod
    def _of(cls, key: Key, answer: Mapping[str, Any]) -> Self:
        resource, read = mapping_in(answer, "resource"), ItemResult.from_dict(answer)
        owner = mapping_in(resource, "owner")
        result = cls(
            key=key,
            uid=text_in(owner, "uid"),
            generation=int(owner.get("generation") or 0),
            namespaces=tuple(map(_shortened_namespace, read.namespaces or ())),
            outputs=tuple(map(_shortened, read.outputs)),
            registries=read.registries,
            renew_after=read.renew_after,
            issued_at=read.issued_at,
            accounts=tuple(map(_shortened_account, read.service_accounts)),
            removed=tuple(map(_shortened, read.removed)),
            is_cleanup=resource.get("state") == ABSENT,
            reconcile_request=text_in(resource, "reconcile_request"),
            warning=_warning(resource),
        )
        return replace(result, problem=_problem(result, read, resource, answer))

    @classmethod
    def of_failed_run(cls, resource: Resource, message: str) -> Self:
        """Return the result of a resource that a run ended without one for; message says why."""
        problem = Problem(reasons.RUN_FAILED, message[:_MAX_TEXT], Origin.RUN)
        return cls(resource.key, resource.uid, resource.generation, problem=problem, is_cleanup=resource.cleanup)


def owner_key(item: object) -> Key | None:
    """Return the resource of which an item of a loop is, None if it is of none."""
    owner = mapping_in(item, "owner") if isinstance(item, Mapping) else {}
    if not all(isinstance(owner.get(name), str) for name in ("kind", "name")):
        return None
    return Key(owner["kind"], text_in(owner, "namespace"), owner["name"])


def _problem(
    result: Result, read: ItemResult, resource: Mapping[str, Any], answer: Mapping[str, Any]
) -> Problem | None:
    """The module looks at every target when AWS refuses; if it did not, it was the API server that refused.

    Whatever is wrong with the spec of a resource, what it did can be cleaned up.
    """
    own = ErrorResult.from_dict(resource.get("error"))
    if own and not result.is_cleanup:
        return _problem_of(own, Origin.RESOURCE if own.reason == reasons.INVALID_RESOURCE else Origin.AWS)
    if read.error:
        is_unseen = not result.namespaces and (result.is_cleanup or bool(resource.get("has_targets")))
        return _problem_of(read.error, Origin.CLUSTER if is_unseen else Origin.AWS)
    message = text_in(answer, "msg")[:_MAX_TEXT]
    if read.namespaces is None:
        return Problem(reasons.TASK_FAILED, message or f"the task {TASK!r} ended without a result", Origin.RUN)
    if answer.get("failed") and not result.failures:
        return Problem(reasons.TASK_FAILED, message, Origin.RUN)
    return None


def _warning(resource: Mapping[str, Any]) -> ErrorResult | None:
    warning = ErrorResult.from_dict(resource.get("warning"))
    return warning and ErrorResult(warning.reason[:_MAX_TEXT], warning.message[:_MAX_TEXT])


def _problem_of(error: ErrorResult, origin: Origin) -> Problem:
    return Problem(error.reason[:_MAX_TEXT], error.message[:_MAX_TEXT], origin)


def _shortened[T: (NamespaceResult, ObjectResult)](part: T) -> T:
    """Whoever writes a playbook could put anything here, and as much of it."""
    return replace(part, message=part.message[:_MAX_TEXT])


def _shortened_namespace(target: NamespaceResult) -> NamespaceResult:
    keys = tuple(key[:_MAX_NAME] for key in target.shadowed_by[:_MAX_KEYS])
    return replace(_shortened(target), shadowed_by=keys)


def _shortened_account(account: ObjectResult) -> ObjectResult:
    return replace(_shortened(account), written_by=account.written_by[:_MAX_NAME])
