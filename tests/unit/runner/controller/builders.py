"""Resources, objects and results for the tests of the loop and its parts: all of one cluster at one moment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from kube_ecr_runner.cluster.sources import objects_named, resources_of
from kube_ecr_runner.contract.kinds import CLUSTER_KIND, NAMESPACED_KIND
from kube_ecr_runner.contract.result import NamespaceResult, ObjectResult
from kube_ecr_runner.contract.targets import Targets
from kube_ecr_runner.model.resource import Key, Namespace, Reference, Referenced, Resource
from kube_ecr_runner.model.result import Origin, Problem, Result
from kube_ecr_runner.model.waiting_pod import Owner, WaitingPod

HOST = "111122223333.dkr.ecr.eu-west-1.amazonaws.com"
NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
RENEW = NOW + 6 * HOUR
EXPIRY = NOW + 12 * HOUR
SOURCES = {kind: resources_of(kind) for kind in (NAMESPACED_KIND, CLUSTER_KIND)}
KEY = Key(CLUSTER_KIND, "", "shared")
OTHER = Key(NAMESPACED_KIND, "ns1", "other")
# The Secret that the way into AWS of referring() rests on, the one that a run writes, and a service account.
KEYS = Reference("Secret", "ns9", "keys")
KEYS_SOURCE = objects_named("Secret", "keys")
LOGINS = objects_named("Secret", "ecr-login")
ACCOUNTS = objects_named("ServiceAccount", "default")


def make_resource(generation: int = 1, uid: str = "u", status: Mapping | None = None, key: Key = KEY) -> Resource:
    """Return a resource whose targets are ns1 and ns2."""
    return Resource(key, uid, generation, "ecr-login", Targets.only("ns1", "ns2"), status=status or {})


def referring(generation: int = 1, status: Mapping | None = None, *references: Reference) -> Resource:
    """Return a resource whose way into AWS rests on these objects, by default on KEYS."""
    return replace(make_resource(generation, status=status), references=frozenset(references or [KEYS]))


def ready(refreshed_at: datetime = NOW - HOUR) -> dict:
    """Return the status of a resource that was served, and is not due for hours."""
    return {
        "observedGeneration": 1,
        "lastRefreshTime": refreshed_at.isoformat(),
        "nextRefreshTime": (NOW + 5 * HOUR).isoformat(),
    }


def make_namespace(name: str, uid: str = "1", **changes: object) -> Namespace:
    return replace(Namespace(name, uid, NOW - timedelta(days=1)), **changes)


def keys(version: str = "1", changed_at: datetime | None = None, reference: Reference = KEYS) -> Referenced:
    return Referenced(reference, version, changed_at)


def login(namespace: str, version: str = "1", owner: str = "u", intact: bool = True) -> Referenced:
    """Return the Secret that is written for make_resource(), as it was written."""
    reference = Reference("Secret", namespace, "ecr-login")
    return Referenced(reference, version, None, owner, frozenset([owner] if intact else []))


def foreign(namespace: str, version: str = "1") -> Referenced:
    """Return a Secret of that name that is somebody else's."""
    return login(namespace, version, owner="", intact=False)


def account(version: str, *pull_secrets: str) -> Referenced:
    reference = Reference("ServiceAccount", "ns1", "default")
    return Referenced(reference, version, NOW, pull_secrets=frozenset(pull_secrets))


def served(key: Key = KEY, state: str = "created", generation: int = 1, uid: str = "u", now: datetime = NOW) -> Result:
    outcomes = tuple(NamespaceResult(name, state, expires_at=now + 12 * HOUR) for name in ("ns1", "ns2"))
    return Result(key, uid, generation, outcomes, ("host",), now + 6 * HOUR)


def waiting(key: Key = KEY) -> Result:
    """Return the result where ns2 does not exist yet."""
    outcomes = (
        NamespaceResult("ns1", "created", expires_at=EXPIRY),
        NamespaceResult("ns2", "pending", "NamespaceNotFound"),
    )
    return Result(key, "u", 1, outcomes, ("host",), RENEW)


def conflicting(key: Key = KEY) -> Result:
    """Return the result where somebody else's Secret is in the way in ns2."""
    conflict = NamespaceResult("ns2", "failed", "SecretConflict", "it is not ours")
    return Result(key, "u", 1, (NamespaceResult("ns1", "created", expires_at=EXPIRY), conflict), ("host",), RENEW)


def refused(key: Key = KEY, generation: int = 1) -> Result:
    outcomes = (NamespaceResult("ns1", "failed", "X", "no"),)
    return Result(key, "u", generation, outcomes, problem=Problem("X", "no", Origin.AWS))


def make_pod(name: str = "app", namespace: str = "ns1", **changes: object) -> WaitingPod:
    """Return a pod of a ReplicaSet that names the Secret of make_resource(), and waits for an image of HOST."""
    pod = WaitingPod(
        namespace,
        name,
        f"uid-{name}",
        "1",
        NOW - timedelta(minutes=5),
        (f"{HOST}/app:1",),
        "failed to pull: 401 Unauthorized",
        frozenset({"ecr-login"}),
        Owner("apps/v1", "ReplicaSet", "app-7c9", "uid-app"),
    )
    return replace(pod, **changes)


CLEANUP = replace(make_resource(2, status=ready() | {"observedGeneration": 2}), deleting=True, cleanup=True)


def cleaned_up(key: Key = KEY, state: str = "deleted") -> Result:
    """Return the result of CLEANUP."""
    removed = (ObjectResult("ns1", "ecr-login", state, "Forbidden" if state == "failed" else "", "may not delete"),)
    return Result(key, "u", 2, removed=removed, is_cleanup=True)


def suspended(generation: int = 2, **changes: object) -> Resource:
    return replace(make_resource(generation), suspended=True, **changes)
