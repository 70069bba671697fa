"""What became of one custom resource in a run, read from the result of its item. Pure.

The form of a result is that of the module kube_ecr.secrets.ecr_pull_secret; the item is what the inventory plugin
kube_ecr.secrets.pull_secrets says of the resource.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Self

from kube_ecr_runner.resources import Key, Resource
from kube_ecr_runner.times import parse_time

TASK = "Write the pull secrets"
_ITEM_EVENTS = frozenset({"runner_item_on_ok", "runner_item_on_failed"})
# States of a namespace whose Secret was written in this run.
WRITTEN = ("created", "updated")
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
class Outcome:
    """What became of one target namespace; expires_at is when the token that it holds now dies, if it holds one."""

    namespace: str
    state: str
    reason: str = ""
    message: str = ""
    expires_at: datetime | None = None


@dataclass(frozen=True)
class Result:
    """What became of one resource; token_life is in seconds, None when there was no token."""

    key: Key
    uid: str
    generation: int
    outcomes: tuple[Outcome, ...] = ()
    registries: tuple[str, ...] = ()
    token_life: int | None = None
    problem: Problem | None = None

    def of_state(self, *states: str) -> list[Outcome]:
        """Return the outcomes of these states, in order."""
        return [each for each in self.outcomes if each.state in states]

    @property
    def changed(self) -> bool:
        """Whether a Secret was written."""
        return bool(self.of_state(*WRITTEN))

    @property
    def succeeded(self) -> bool:
        """Whether all was done that can be: a namespace that is not there (pending) is waited for, no failure."""
        return self.problem is None and not self.of_state("failed")

    @property
    def expires_at(self) -> datetime | None:
        """When the first of the tokens that the targets hold dies, or None where they hold none."""
        return min((each.expires_at for each in self.outcomes if each.expires_at), default=None)

    @classmethod
    def from_event(cls, event: Mapping) -> Self | None:
        """Return the result that a job event of ansible-runner carries, or None if it is an event of another kind."""
        data = event.get("event_data")
        if event.get("event") not in _ITEM_EVENTS or not isinstance(data, Mapping) or data.get("task") != TASK:
            return None
        answer = data.get("res")
        item = answer.get("item") if isinstance(answer, Mapping) else None
        owner = item.get("owner") if isinstance(item, Mapping) else None
        if not isinstance(owner, Mapping) or not all(isinstance(owner.get(each), str) for each in ("kind", "name")):
            return None
        outcomes = tuple(_outcomes(answer.get("namespaces")))
        life = answer.get("token_life")
        return cls(
            key=Key(owner["kind"], _text(owner.get("namespace")), owner["name"]),
            uid=_text(owner.get("uid")),
            # An edit of the play's variables may have made a text of it.
            generation=int(owner.get("generation") or 0),
            outcomes=outcomes,
            registries=tuple(_text(each) for each in answer.get("registries") or ()),
            token_life=life if isinstance(life, int) else None,
            problem=_problem(answer, item, outcomes),
        )

    @classmethod
    def of_failed_run(cls, resource: Resource, message: str) -> Self:
        """Return the result of a resource that a run ended without one for; message says why."""
        problem = Problem("RunFailed", message[:_MAX_TEXT], Origin.RUN)
        return cls(resource.key, resource.uid, resource.generation, problem=problem)


def _problem(answer: Mapping, item: Mapping, outcomes: tuple[Outcome, ...]) -> Problem | None:
    """The module looks at every target when AWS refuses; if there is none, it was the API server that did."""
    own, error = item.get("error"), answer.get("error")
    if isinstance(own, Mapping):
        return _problem_of(own, Origin.RESOURCE if own.get("reason") == _INVALID else Origin.AWS)
    if isinstance(error, Mapping):
        return _problem_of(error, Origin.AWS if outcomes else Origin.CLUSTER)
    if not outcomes:
        message = _text(answer.get("msg")) or f"the task {TASK!r} ended without a result"
        return Problem("TaskFailed", message, Origin.RUN)
    if answer.get("failed") and not any(each.state == "failed" for each in outcomes):
        return Problem("TaskFailed", _text(answer.get("msg")), Origin.RUN)
    return None


def _problem_of(error: Mapping, origin: Origin) -> Problem:
    return Problem(_text(error.get("reason")) or "Unknown", _text(error.get("msg")), origin)


def _outcomes(namespaces: object) -> Iterable[Outcome]:
    for each in namespaces if isinstance(namespaces, list) else ():
        if isinstance(each, Mapping):
            yield Outcome(
                namespace=_text(each.get("namespace")),
                state=_text(each.get("state")),
                reason=_text(each.get("reason")),
                message=_text(each.get("msg")),
                expires_at=parse_time(each.get("expires_at")),
            )


def _text(value: object) -> str:
    return value[:_MAX_TEXT] if isinstance(value, str) else ""
