"""Custom resources, and the objects that they name, as much of them as the runner needs. Pure.

What always holds: of spec.awsAccess only the names of Secrets and service accounts are in here. The parsers run where
an object enters the process, so no key is kept, logged or printed by anything behind them. They take any object,
however malformed: the CRDs refuse most of what is wrong, and the playbook tells the rest, so a part that cannot be
read is simply absent here.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, Self

from kube_ecr_runner.times import parse_time

GROUP = "aws.zakariaamine.com"
VERSION = "v1alpha2"
API_VERSION = f"{GROUP}/{VERSION}"
NAMESPACED_KIND = "AWSECRImagePullSecret"
CLUSTER_KIND = "ClusterAWSECRImagePullSecret"
PLURALS = {NAMESPACED_KIND: "awsecrimagepullsecrets", CLUSTER_KIND: "clusterawsecrimagepullsecrets"}

# Set by whoever may edit the namespace: which AWS identities of the runner its resources may use.
ALLOWED_ANNOTATION = f"{GROUP}/allowed-aws-identities"

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

ReferenceKind = Literal["Secret", "ServiceAccount"]
_REFERENCES: dict[str, ReferenceKind] = {
    "credentialsSecretRef": "Secret",
    "serviceAccountRef": "ServiceAccount",
}
_OTHER_WAYS_IN = frozenset({"accessKeyId", "secretAccessKey", *_REFERENCES})
# https://kubernetes.io/docs/concepts/overview/working-with-objects/names/
_OBJECT_NAME = re.compile(r"[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?")


@dataclass(frozen=True, order=True)
class Key:
    """What names a custom resource; namespace is empty for the cluster kind."""

    kind: str
    namespace: str
    name: str

    def __str__(self) -> str:
        return "/".join(filter(None, (self.kind, self.namespace, self.name)))


@dataclass(frozen=True, order=True)
class Reference:
    """What names an object that gives a custom resource its way into AWS."""

    kind: ReferenceKind
    namespace: str
    name: str


@dataclass(frozen=True)
class Referenced:
    """An object that may be referred to, without what it holds; changed_at is when it was last written, if known.

    version is its resourceVersion: another one means that it was written.
    """

    reference: Reference
    version: str
    changed_at: datetime | None


@dataclass(frozen=True)
class Namespace:
    """A namespace of the cluster; a terminating one can take no new Secret.

    allowed_identities is what its annotation says, word by word.
    """

    name: str
    uid: str
    created_at: datetime | None
    terminating: bool = False
    allowed_identities: str = ""


@dataclass(frozen=True)
class Resource:
    """A custom resource: what names it, its targets, its way into AWS, and what its status said when it was read.

    uses_own_identity says that the way into AWS is the identity of the runner.
    """

    key: Key
    uid: str
    generation: int
    secret_name: str = ""
    namespaces: tuple[str, ...] = ()
    deleting: bool = False
    references: frozenset[Reference] = frozenset()
    uses_own_identity: bool = False
    status: Mapping[str, object] = field(default_factory=dict, repr=False)

    @classmethod
    def parse(cls, item: Mapping) -> Self:
        """Return the resource in an object of the API server."""
        metadata, spec = _mapping(item, "metadata"), _mapping(item, "spec")
        key = Key(_text(item, "kind"), _text(metadata, "namespace"), _text(metadata, "name"))
        access, status = _mapping(spec, "awsAccess"), _mapping(item, "status")
        return cls(
            key=key,
            uid=_text(metadata, "uid"),
            generation=_number(metadata, "generation"),
            secret_name=_text(spec, "secretName"),
            namespaces=(key.namespace,) if key.namespace else _names(spec.get("namespaces")),
            deleting="deletionTimestamp" in metadata,
            references=frozenset(_references(access, key.namespace)),
            uses_own_identity=not access.keys() & _OTHER_WAYS_IN,
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
        allowed_identities=_text(_mapping(metadata, "annotations"), ALLOWED_ANNOTATION),
    )


def parse_referenced(kind: ReferenceKind, item: Mapping) -> Referenced:
    """Return the object of that kind in an object of the API server, of which only the metadata matters."""
    metadata = _mapping(item, "metadata")
    managers = metadata.get("managedFields")
    times = [each.get("time") for each in managers if isinstance(each, Mapping)] if isinstance(managers, list) else []
    moments = filter(None, map(parse_time, [metadata.get("creationTimestamp"), *times]))
    return Referenced(
        reference=Reference(kind, _text(metadata, "namespace"), _text(metadata, "name")),
        version=_text(metadata, "resourceVersion"),
        changed_at=max(moments, default=None),
    )


def is_older(resource: Resource, referenced: Referenced) -> bool:
    """Return whether the Secrets of a resource may have been written before an object that it refers to.

    Times are in whole seconds: of two in the same one nobody can tell the order. A resource that never had a Secret
    is none of those.
    """
    refreshed_at = parse_time(resource.status.get("lastRefreshTime"))
    return bool(refreshed_at and referenced.changed_at and refreshed_at <= referenced.changed_at)


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


def _references(access: Mapping, own_namespace: str) -> Iterator[Reference]:
    """A namespaced resource refers to its own namespace only, whatever it says."""
    for field_name, kind in _REFERENCES.items():
        reference = _mapping(access, field_name)
        namespace, name = own_namespace or _text(reference, "namespace"), _text(reference, "name")
        if namespace and _OBJECT_NAME.fullmatch(name):
            yield Reference(kind, namespace, name)


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
