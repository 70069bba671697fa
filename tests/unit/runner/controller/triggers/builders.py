"""Resources, namespaces and objects for the tests of triggers."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from kube_ecr_runner.contract.targets import Names, Targets
from kube_ecr_runner.model.resource import Key, Namespace, Reference, Referenced, Resource

REFRESHED = "2026-01-31T12:00:00Z"
NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)
BEFORE, AFTER = datetime(2026, 1, 31, 11, tzinfo=UTC), datetime(2026, 1, 31, 13, tzinfo=UTC)
NAMED = Targets.only("ns1", "ns2")
SELECTED = Targets.parse({"namespaceSelector": {"matchLabels": {"ecr": "yes"}}, "excludeNamespaces": ["kube-*"]})
MATCHED = Targets.parse({"namespaces": ["ns*"]})


def make_resource(targets: Targets = NAMED, *failures: dict, **changes: object) -> Resource:
    resource = Resource(Key("K", "", "r"), "u", 1, "login", targets, Names.of_service_accounts(["default", "build-*"]))
    return replace(resource, status={"failures": list(failures), "lastRefreshTime": REFRESHED}, **changes)


def failure(namespace: str, reason: str) -> dict:
    return {"namespace": namespace, "reason": reason, "message": ""}


def make_namespace(name: str = "ns1", uid: str = "1", ecr: str = "yes", terminating: bool = False) -> Namespace:
    return Namespace(name, uid, BEFORE, terminating, labels={"ecr": ecr})


def make_secret(
    namespace: str = "ns1", *sound: str, owner: str = "", name: str = "login", version: str = "1"
) -> Referenced:
    return Referenced(Reference("Secret", namespace, name), version, None, owner, frozenset(sound))


def ours(namespace: str = "ns1", name: str = "login", uid: str = "u") -> Referenced:
    return make_secret(namespace, uid, owner=uid, name=name)


def edited(namespace: str = "ns1", name: str = "login", uid: str = "u") -> Referenced:
    return make_secret(namespace, owner=uid, name=name)


def make_account(namespace: str = "ns1", *pull_secrets: str, name: str = "default") -> Referenced:
    reference = Reference("ServiceAccount", namespace, name)
    return Referenced(reference, "1", None, pull_secrets=frozenset(pull_secrets))
