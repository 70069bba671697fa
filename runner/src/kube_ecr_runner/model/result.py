"""What became of one custom resource in a run, read from the result of its item. Pure.

The form of a result is that of the module kube_ecr.secrets.ecr_pull_secret; the item is what the inventory plugin
kube_ecr.secrets.pull_secrets says of the resource.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import Enum
from typing import Self

from kube_ecr_runner.contract.timestamps import parse_time
from kube_ecr_runner.model.resource import Key, Resource

TASK = "Write the pull secrets"
_ITEM_EVENTS = frozenset({"runner_item_on_ok", "runner_item_on_failed"})
# States of a namespace whose Secret was written in this run.
WRITTEN = ("created", "updated")
# Reasons of ecr_pull_secret that speak of a Secret which is there, and which only a person can move out of the way.
BLOCKING_REASONS = frozenset({"SecretConflict", "WrongSecretType", "ImmutableSecret", "InvalidSecretContent"})
_MAX_TEXT = 1000
# What the inventory says of a resource whose spec is wrong; its other reasons are about the way into AWS.
_INVALID = "InvalidResource"


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
class NamespaceResult:
    """What became of one target namespace; expires_at is when the token that it holds now dies, if it holds one."""

    namespace: str
    state: str
    reason: str = ""
    message: str = ""
    expires_at: datetime | None = None


@dataclass(frozen=True)
class ObjectResult:
    """What became of a service account, or of a Secret where there is no target any more."""

    namespace: str
    name: str
    state: str
    reason: str = ""
    message: str = ""

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"


@dataclass(frozen=True)
class Result:
    """What became of one resource.

    namespaces are those of its targets, accounts of the service accounts that were acted on, removed of Secrets that
    are no target's any more. renew_after is when the first of the targets wants a new token, issued_at when the oldest
    of their tokens was granted, None when none holds one. is_cleanup says that the resource is being deleted, so that
    it has no targets. reconcile_request is what the resource was annotated with (see Resource).
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

    def of_state(self, *states: str) -> list[NamespaceResult]:
        """Return the outcomes of these states, in order."""
        return [each for each in self.namespaces if each.state in states]

    @property
    def changed(self) -> bool:
        """Whether the Secret of a target was written."""
        return bool(self.of_state(*WRITTEN))

    @property
    def has_acted(self) -> bool:
        """Whether anything was written or removed in the cluster."""
        return self.changed or any(each.state != "failed" for each in (*self.accounts, *self.removed))

    @property
    def succeeded(self) -> bool:
        """Whether all was done that can be: a namespace that is not there (pending) is waited for, no failure."""
        return self.problem is None and not self.failures

    @property
    def failures(self) -> list[NamespaceResult | ObjectResult]:
        """What failed, that of the targets first."""
        return [each for each in (*self.namespaces, *self.accounts, *self.removed) if each.state == "failed"]

    @property
    def cause(self) -> str:
        """The reason of the first thing that went wrong, empty if all was done that can be."""
        if self.problem:
            return self.problem.reason
        return next((each.reason or "Unknown" for each in self.failures), "")

    @property
    def is_blocked(self) -> bool:
        """Whether nothing failed but for what only a person can move out of the way."""
        return (
            self.problem is None
            and bool(self.failures)
            and all(each.reason in BLOCKING_REASONS for each in self.failures)
        )

    @property
    def expires_at(self) -> datetime | None:
        """When the first of the tokens that the targets hold dies, or None where they hold none."""
        return min((each.expires_at for each in self.namespaces if each.expires_at), default=None)

    @classmethod
    def from_event(cls, event: Mapping) -> Self | None:
        """Return the result that a job event of ansible-runner carries, or None if it is an event of another kind."""
        data = event.get("event_data")
        if event.get("event") not in _ITEM_EVENTS or not isinstance(data, Mapping) or data.get("task") != TASK:
            return None
        answer = data.get("res")
        item = answer.get("item") if isinstance(answer, Mapping) else None
        key = owner_key(item)
        if key is None:
            return None
        owner = item["owner"]
        accounts, removed = (tuple(_steps(answer.get(each))) for each in ("service_accounts", "removed"))
        result = cls(
            key=key,
            uid=_text(owner.get("uid")),
            # An edit of the play's variables may have made a text of it.
            generation=int(owner.get("generation") or 0),
            namespaces=tuple(_outcomes(answer.get("namespaces"))),
            registries=tuple(_text(each) for each in answer.get("registries") or ()),
            renew_after=parse_time(answer.get("renew_after")),
            issued_at=parse_time(answer.get("issued_at")),
            accounts=accounts,
            removed=removed,
            is_cleanup=item.get("state") == "absent",
            reconcile_request=_text(item.get("reconcile_request")),
        )
        return replace(result, problem=_problem(answer, item, result))

    @classmethod
    def of_failed_run(cls, resource: Resource, message: str) -> Self:
        """Return the result of a resource that a run ended without one for; message says why."""
        problem = Problem("RunFailed", message[:_MAX_TEXT], Origin.RUN)
        return cls(resource.key, resource.uid, resource.generation, problem=problem, is_cleanup=resource.cleanup)


def owner_key(item: object) -> Key | None:
    """Return the resource of which an item of a loop is, None if it is of none."""
    owner = item.get("owner") if isinstance(item, Mapping) else None
    if not isinstance(owner, Mapping) or not all(isinstance(owner.get(each), str) for each in ("kind", "name")):
        return None
    return Key(owner["kind"], _text(owner.get("namespace")), owner["name"])


def _problem(answer: Mapping, item: Mapping, result: Result) -> Problem | None:
    """The module looks at every target when AWS refuses; if it did not, it was the API server that refused.

    Whatever is wrong with the spec of a resource, what it did can be undone.
    """
    own, error = item.get("error"), answer.get("error")
    if isinstance(own, Mapping) and not result.is_cleanup:
        return _problem_of(own, Origin.RESOURCE if own.get("reason") == _INVALID else Origin.AWS)
    if isinstance(error, Mapping):
        is_unseen = not result.namespaces and (result.is_cleanup or bool(item.get("namespaces")))
        return _problem_of(error, Origin.CLUSTER if is_unseen else Origin.AWS)
    if not isinstance(answer.get("namespaces"), list):
        message = _text(answer.get("msg")) or f"the task {TASK!r} ended without a result"
        return Problem("TaskFailed", message, Origin.RUN)
    if answer.get("failed") and not result.failures:
        return Problem("TaskFailed", _text(answer.get("msg")), Origin.RUN)
    return None


def _problem_of(error: Mapping, origin: Origin) -> Problem:
    return Problem(_text(error.get("reason")) or "Unknown", _text(error.get("msg")), origin)


def _outcomes(namespaces: object) -> Iterable[NamespaceResult]:
    for each in namespaces if isinstance(namespaces, list) else ():
        if isinstance(each, Mapping):
            yield NamespaceResult(
                namespace=_text(each.get("namespace")),
                state=_text(each.get("state")),
                reason=_text(each.get("reason")),
                message=_text(each.get("msg")),
                expires_at=parse_time(each.get("expires_at")),
            )


def _steps(objects: object) -> Iterable[ObjectResult]:
    for each in objects if isinstance(objects, list) else ():
        if isinstance(each, Mapping):
            yield ObjectResult(*(_text(each.get(name)) for name in ("namespace", "name", "state", "reason", "msg")))


def _text(value: object) -> str:
    return value[:_MAX_TEXT] if isinstance(value, str) else ""
