"""Custom resources, and the objects that they name, as much of them as the runner needs. Pure.

What always holds: of spec.awsAccess only the names of Secrets and service accounts are in here. The parsers run where
an object enters the process, so no key is kept, logged or printed by anything behind them. They take any object,
however malformed: the CRDs refuse most of what is wrong, and the playbook tells the rest, so a part that cannot be
read is simply absent here.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any, Literal, Self

from kube_ecr_runner.contract.grammar import is_object_name
from kube_ecr_runner.contract.kinds import ALLOWED_ANNOTATION, FINALIZER, MAX_RECONCILE_REQUEST, RECONCILE_AT
from kube_ecr_runner.contract.outputs import secrets_of
from kube_ecr_runner.contract.ownership import intact_for, owner_of, template_of
from kube_ecr_runner.contract.reading import list_in, mapping_in, mappings_in, number_in, text_in
from kube_ecr_runner.contract.targets import Names, Targets
from kube_ecr_runner.contract.timestamps import parse_time
from kube_ecr_runner.model.sdk_annotations import SdkAnnotations
from kube_ecr_runner.model.waiting_pod import WaitingPod

MAX_FAILURES = 20

# The fields of the CRDs' status; others may come with a later version, and are not ours to write.
STATUS_FIELDS = (
    "observedGeneration",
    "conditions",
    "expiresAt",
    "lastRefreshTime",
    "nextRefreshTime",
    "lastHandledReconcileAt",
    "registries",
    "namespacesReady",
    "namespacesTotal",
    "outputsReady",
    "outputsTotal",
    "failures",
    "podsWaiting",
)

ReferenceKind = Literal["Secret", "ServiceAccount"]
_REFERENCES: dict[str, ReferenceKind] = {
    "credentialsSecretRef": "Secret",
    "serviceAccountRef": "ServiceAccount",
}
_OTHER_WAYS_IN = frozenset({"accessKeyId", "secretAccessKey", *_REFERENCES})


@dataclass(frozen=True, order=True)
class Key:
    """What names a custom resource; namespace is empty for a cluster-scoped one."""

    kind: str
    namespace: str
    name: str

    def __str__(self) -> str:
        return "/".join(filter(None, (self.kind, self.namespace, self.name)))


@dataclass(frozen=True, order=True)
class Reference:
    """What names a Secret or service account that a custom resource uses or writes."""

    kind: ReferenceKind
    namespace: str
    name: str


@dataclass(frozen=True)
class Referenced:
    """A Secret, without what it holds, or a service account; changed_at is when it was last written, if known.

    version is its resourceVersion: another one means that it was written. owner is the UID of the custom resource
    that a Secret belongs to, empty if to none, intact are the UIDs of those whose logins stand in it as they were
    written. pull_secrets are the names of the Secrets that pods of a service account pull images with. template are the
    labels and annotations of the owner's secretTemplate, by kind and name, that stand in a Secret as they were written.
    """

    reference: Reference
    version: str
    changed_at: datetime | None
    owner: str = ""
    intact: frozenset[str] = frozenset()
    pull_secrets: frozenset[str] = frozenset()
    template: frozenset[tuple[str, str]] = frozenset()


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
    labels: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class WrittenSecret:
    """A Secret that a resource writes into its targets; template are its labels and annotations, by kind and name."""

    name: str
    targets: Targets
    template: frozenset[tuple[str, str]] = frozenset()


@dataclass(frozen=True)
class Resource:
    """A custom resource: what names it, its targets, its way into AWS, and what its status said when it was read.

    outputs are its further Secrets. accounts are the service accounts of the targets that get the Secret, template the
    labels and annotations that it gets, by kind and name. registries are the hosts that it asks for. deleting says that
    it is being deleted, cleanup that it stays until a run has removed what it wrote. suspended says that nothing is to
    be done for it. uses_own_identity says that the way into AWS is the identity of the runner. identity is a number
    that is the same in this process for resources whose way into AWS reads the same, so that AWS is asked once for
    them. recovers_pods says that pods that wait for an image are to be evicted when the Secret that they name was
    written. reconcile_request is what it is annotated with to have its token renewed at once, sdk what annotations of
    operator-sdk say.
    """

    key: Key
    uid: str
    generation: int
    secret_name: str = ""
    targets: Targets = field(default_factory=Targets)
    accounts: Names = field(default_factory=Names)
    template: frozenset[tuple[str, str]] = frozenset()
    deleting: bool = False
    cleanup: bool = False
    suspended: bool = False
    references: frozenset[Reference] = frozenset()
    uses_own_identity: bool = False
    identity: int = field(default=0, repr=False)
    registries: tuple[str, ...] = ()
    recovers_pods: bool = False
    reconcile_request: str = ""
    sdk: SdkAnnotations = SdkAnnotations()  # noqa: RUF009 (frozen)
    status: Mapping[str, object] = field(default_factory=dict, repr=False)
    outputs: tuple[WrittenSecret, ...] = ()

    @classmethod
    def parse(cls, item: Mapping[str, Any]) -> Self:
        """Return the resource in an object of the API server."""
        metadata, spec = mapping_in(item, "metadata"), mapping_in(item, "spec")
        key = Key(text_in(item, "kind"), text_in(metadata, "namespace"), text_in(metadata, "name"))
        access, status = mapping_in(spec, "awsAccess"), mapping_in(item, "status")
        annotations = mapping_in(metadata, "annotations")
        deleting, finalizers = "deletionTimestamp" in metadata, list_in(metadata, "finalizers")
        targets = Targets.only(key.namespace) if key.namespace else Targets.readable(spec)
        return cls(
            key=key,
            uid=text_in(metadata, "uid"),
            generation=number_in(metadata, "generation"),
            secret_name=text_in(spec, "secretName"),
            targets=targets,
            outputs=tuple(
                WrittenSecret(name, targets if key.namespace or names is None else Targets(names), template)
                for name, names, template in secrets_of(spec)
            ),
            accounts=Names.readable_service_accounts(spec.get("serviceAccounts")),
            template=frozenset(_template(mapping_in(spec, "secretTemplate"))),
            deleting=deleting,
            cleanup=deleting and FINALIZER in finalizers,
            suspended=spec.get("suspend") is True and not deleting,
            references=frozenset(_references(access, list_in(spec, "extraAuths"), key.namespace)),
            uses_own_identity=not access.keys() & _OTHER_WAYS_IN,
            identity=_identity(access, key.namespace),
            registries=tuple(host for host in list_in(spec, "registries") if isinstance(host, str)),
            # Whatever a later version adds, what is not known is not done.
            recovers_pods=spec.get("recoverPods") == "Delete",
            reconcile_request=text_in(annotations, RECONCILE_AT)[:MAX_RECONCILE_REQUEST],
            sdk=SdkAnnotations.parse(annotations),
            status={name: status[name] for name in STATUS_FIELDS if name in status},
        )

    @cached_property
    def secrets(self) -> tuple[WrittenSecret, ...]:
        """All Secrets that it writes: the pull secret, then the outputs."""
        return (WrittenSecret(self.secret_name, self.targets, self.template), *self.outputs)

    def wanted(self, name: str, namespace: Namespace) -> WrittenSecret | None:
        """Return the Secret of a name that it wants in a namespace that exists, None if it wants none."""
        found = (secret for secret in self.secrets if secret.name == name)
        return next((each for each in found if each.targets.matches(namespace.name, namespace.labels)), None)

    def places(self, namespaces: Mapping[str, Namespace]) -> set[str]:
        """Return the namespaces in which it wants any Secret; namespaces are those that exist."""
        return {name for secret in self.secrets for name in secret.targets.among(namespaces)}

    @property
    def hosts(self) -> list[str]:
        """The hosts of the registries that its Secrets log in to, as far as it is known."""
        return [host for host in list_in(self.status, "registries") if isinstance(host, str)] or list(self.registries)

    def period(self, default: timedelta) -> timedelta:
        """Return the longest time between two checks, zero for no limit; default is that of its kind."""
        return default if self.sdk.period is None else self.sdk.period

    @property
    def has_unanswered_request(self) -> bool:
        """Whether its annotation has a value that its status does not name yet."""
        return self.reconcile_request not in ("", self.status.get("lastHandledReconcileAt"))

    @property
    def watched(self) -> set[tuple[ReferenceKind, str]]:
        """Kind and name of what is worth a watch; an empty name stands for all of that kind."""
        watched = {(reference.kind, reference.name) for reference in self.references}
        watched |= {("Secret", secret.name) for secret in self.secrets if is_object_name(secret.name)}
        accounts = {""} if self.accounts.globs else self.accounts.literals
        return watched | {("ServiceAccount", name) for name in accounts}


# What watches deliver.
WatchedObject = Resource | Namespace | Referenced | WaitingPod


def parse_namespace(item: Mapping[str, Any]) -> Namespace:
    """Return the namespace in an object of the API server, of which only the metadata matters."""
    metadata = mapping_in(item, "metadata")
    return Namespace(
        name=text_in(metadata, "name"),
        uid=text_in(metadata, "uid"),
        created_at=parse_time(metadata.get("creationTimestamp")),
        terminating="deletionTimestamp" in metadata,
        allowed_identities=text_in(mapping_in(metadata, "annotations"), ALLOWED_ANNOTATION),
        labels=dict(mapping_in(metadata, "labels")),
    )


def parse_referenced(kind: ReferenceKind, item: Mapping[str, Any]) -> Referenced:
    """Return the object of that kind in an object of the API server: of a Secret, only the metadata is looked at."""
    metadata = mapping_in(item, "metadata")
    times = (entry.get("time") for entry in mappings_in(metadata, "managedFields"))
    moments = filter(None, map(parse_time, [metadata.get("creationTimestamp"), *times]))
    return Referenced(
        reference=Reference(kind, text_in(metadata, "namespace"), text_in(metadata, "name")),
        version=text_in(metadata, "resourceVersion"),
        changed_at=max(moments, default=None),
        owner=owner_of(metadata) if kind == "Secret" else "",
        intact=intact_for(metadata) if kind == "Secret" else frozenset(),
        template=template_of(metadata) if kind == "Secret" else frozenset(),
        pull_secrets=frozenset(_pull_secrets(item)) if kind == "ServiceAccount" else frozenset(),
    )


def _template(template: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for kind in ("labels", "annotations"):
        yield from ((kind, name) for name in mapping_in(template, kind))


def _pull_secrets(account: Mapping[str, Any]) -> Iterator[str]:
    for entry in mappings_in(account, "imagePullSecrets"):
        if isinstance(entry.get("name"), str):
            yield entry["name"]


def _identity(access: Mapping[str, Any], own_namespace: str) -> int:
    """Return a number of this process for a way into AWS: Python's hash, which says nothing of the keys elsewhere.

    The region is part of it only where STS is called, and the namespace only where a reference counts from it.
    """
    uses_sts = bool(access.get("roleArn") or access.get("serviceAccountRef"))
    way = {name: value for name, value in access.items() if name != "region" or uses_sts}
    namespace = own_namespace if access.keys() & _REFERENCES.keys() else ""
    return hash((namespace, json.dumps(way, sort_keys=True)))


def _references(access: Mapping[str, Any], extra: list[Any], own_namespace: str) -> Iterator[Reference]:
    """A namespaced resource refers to its own namespace only, whatever it says."""
    found = [(kind, mapping_in(access, name)) for name, kind in _REFERENCES.items()]
    found += [("Secret", mapping_in(auth, "secretRef")) for auth in extra if isinstance(auth, Mapping)]
    for kind, reference in found:
        namespace, name = own_namespace or text_in(reference, "namespace"), text_in(reference, "name")
        if namespace and is_object_name(name):
            yield Reference(kind, namespace, name)
