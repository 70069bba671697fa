"""Custom resources and namespaces, as much of them as the runner needs. Pure.

What always holds: spec.awsAccess is not in here. The parsers run where an object enters the process, so no key is
kept, logged or printed by anything behind them. They take any object, however malformed: the CRDs refuse most of what
is wrong, and the playbook tells the rest, so a part that cannot be read is simply absent here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Self

from kube_ecr_runner.times import parse_time

GROUP = "aws.zakariaamine.com"
VERSION = "v1alpha2"
API_VERSION = f"{GROUP}/{VERSION}"
NAMESPACED_KIND = "AWSECRImagePullSecret"
CLUSTER_KIND = "ClusterAWSECRImagePullSecret"
PLURALS = {NAMESPACED_KIND: "awsecrimagepullsecrets", CLUSTER_KIND: "clusterawsecrimagepullsecrets"}

MAX_FAILURES = 20
PENDING_REASONS = frozenset({"NamespaceNotFound", "NamespaceTerminating"})

# The fields of the CRDs' status; others may come with a later version, and are not ours to write.
STATUS_FIELDS = (
    "observedGeneration",
    "conditions",
    "expiresAt",
    "lastRefreshTime",
    "nextRefreshTime",
    "registries",
    "namespacesReady",
    "namespacesTotal",
    "failures",
)


@dataclass(frozen=True, order=True)
class Key:
    """What names a custom resource; namespace is empty for the cluster kind."""

    kind: str
    namespace: str
    name: str

    def __str__(self) -> str:
        return "/".join(filter(None, (self.kind, self.namespace, self.name)))

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return the key that str() gives as text; raises ValueError if it is none."""
        parts = text.split("/")
        if len(parts) not in (2, 3) or not all(parts):
            raise ValueError(f"{text!r} is neither Kind/name nor Kind/namespace/name")
        return cls(parts[0], parts[1] if len(parts) == 3 else "", parts[-1])


@dataclass(frozen=True)
class Namespace:
    """A namespace of the cluster; a terminating one can take no new Secret."""

    name: str
    uid: str
    created_at: datetime | None
    terminating: bool = False


@dataclass(frozen=True)
class Resource:
    """A custom resource: what names it, its targets, and what its status said when it was read."""

    key: Key
    uid: str
    generation: int
    secret_name: str = ""
    namespaces: tuple[str, ...] = ()
    deleting: bool = False
    status: Mapping[str, object] = field(default_factory=dict, repr=False)

    @classmethod
    def parse(cls, item: Mapping) -> Self:
        """Return the resource in an object of the API server."""
        metadata, spec = _mapping(item, "metadata"), _mapping(item, "spec")
        key = Key(_text(item, "kind"), _text(metadata, "namespace"), _text(metadata, "name"))
        status = _mapping(item, "status")
        return cls(
            key=key,
            uid=_text(metadata, "uid"),
            generation=_number(metadata, "generation"),
            secret_name=_text(spec, "secretName"),
            namespaces=(key.namespace,) if key.namespace else _names(spec.get("namespaces")),
            deleting="deletionTimestamp" in metadata,
            status={name: status[name] for name in STATUS_FIELDS if name in status},
        )


def parse_namespace(item: Mapping) -> Namespace:
    """Return the namespace in an object of the API server, of which only the metadata matters."""
    metadata = _mapping(item, "metadata")
    return Namespace(
        name=_text(metadata, "name"),
        uid=_text(metadata, "uid"),
        created_at=parse_time(metadata.get("creationTimestamp")),
        terminating="deletionTimestamp" in metadata,
    )


def waits_for(status: Mapping, namespace: str) -> bool:
    """Return whether a resource of this status was last told that the namespace is not there.

    Where the list of failures is full, it may be one that did not fit.
    """
    failures = _failures(status)
    if any(each.get("namespace") == namespace for each in failures):
        return namespace in _awaited(failures)
    return len(failures) >= MAX_FAILURES


def is_outdated(resource: Resource, namespaces: Mapping[str, Namespace]) -> bool:
    """Return whether namespaces came or went since the status of a resource was written.

    namespaces are those of the cluster. This is what a runner that was down must find out; it looks at the status
    alone, and what it cannot tell (a namespace on its way out) it takes for unchanged.
    """
    failures = _failures(resource.status)
    known = [namespaces[name] for name in resource.namespaces if name in namespaces]
    if len(failures) >= MAX_FAILURES:
        alive = sum(not each.terminating for each in known)
        return alive > _number(resource.status, "namespacesReady")
    awaited = _awaited(failures)
    gone = set(resource.namespaces) - namespaces.keys() - awaited
    return bool(gone) or any(
        each.name in awaited or _is_newer(each, resource.status) for each in known if not each.terminating
    )


def _is_newer(namespace: Namespace, status: Mapping) -> bool:
    """A namespace made after the last Secret was written holds none, though one of its name may have."""
    refreshed_at = parse_time(status.get("lastRefreshTime"))
    return bool(refreshed_at and namespace.created_at and namespace.created_at > refreshed_at)


def _failures(status: Mapping) -> list[Mapping]:
    failures = status.get("failures")
    return [each for each in failures if isinstance(each, Mapping)] if isinstance(failures, list) else []


def _awaited(failures: Iterable[Mapping]) -> set[object]:
    return {each.get("namespace") for each in failures if each.get("reason") in PENDING_REASONS}


def _mapping(item: Mapping, name: str) -> Mapping:
    value = item.get(name)
    return value if isinstance(value, Mapping) else {}


def _text(item: Mapping, name: str) -> str:
    value = item.get(name)
    return value if isinstance(value, str) else ""


def _number(item: Mapping, name: str) -> int:
    value = item.get(name)
    return value if isinstance(value, int) else 0


def _names(value: object) -> tuple[str, ...]:
    return tuple(dict.fromkeys(each for each in value if isinstance(each, str))) if isinstance(value, list) else ()
