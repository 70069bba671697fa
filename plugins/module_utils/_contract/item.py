# Copyright: kube_ecr.secrets contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""An item: what the play is told of one custom resource, made by the inventory and read by ecr_reconcile.

The runner reads of it whose result it is. What always holds: no key is in it, and its text stays data.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from .login_request import LoginRequest
from .outputs import Output
from .result import ErrorResult
from .targets import Names

PRESENT, ABSENT = "present", "absent"


@dataclass(frozen=True, order=True)
class NamespacedName:
    """What names a Secret or a service account."""

    namespace: str
    name: str

    def as_dict(self) -> dict[str, str]:
        """Return the form in which items hold it."""
        return {"namespace": self.namespace, "name": self.name}


@dataclass(frozen=True)
class ContestedAccount:
    """A service account that has the pull secret, and who else writes its imagePullSecrets, for a person."""

    place: NamespacedName
    written_by: str

    def as_dict(self) -> dict[str, str]:
        """Return the form in which items hold it."""
        return {**self.place.as_dict(), "written_by": self.written_by}

    @classmethod
    def from_dict(cls, account: Mapping[str, str]) -> ContestedAccount:
        """Return what as_dict() gave."""
        return cls(NamespacedName(account["namespace"], account["name"]), account["written_by"])


@dataclass(frozen=True)
class Owner:
    """The custom resource that a Secret is written for; namespace is empty for a cluster-scoped one."""

    api_version: str
    kind: str
    namespace: str
    name: str
    uid: str
    generation: int

    def __str__(self) -> str:
        return "/".join(filter(None, (self.kind, self.namespace, self.name)))

    def reference(self) -> dict[str, str]:
        """Return the owner reference to it."""
        return {"apiVersion": self.api_version, "kind": self.kind, "name": self.name, "uid": self.uid}

    def as_dict(self) -> dict[str, Any]:
        """Return the form in which items hold it."""
        return dict(vars(self))

    @classmethod
    def from_dict(cls, owner: Mapping[str, Any]) -> Owner:
        """Return what as_dict() gave. Raises TypeError or ValueError if it is something else."""
        # A playbook that edits its variables may have made a text of the number.
        return cls(**{**owner, "generation": int(owner["generation"])})


@dataclass(frozen=True)
class Observed:
    """What the cluster holds for a custom resource, as far as metadata tells.

    secrets are its Secrets (the form is _secret's), None where they could not be listed. source_secret is the Secret
    that the others can be copied from. accounts are the service accounts that are not as the resource wants them, None
    where they were not looked up; contested are those that are as it wants them, but that others write, too. is_due
    says that a new token is wanted.
    """

    secrets: tuple[Mapping[str, Any], ...] | None = None
    source_secret: NamespacedName | None = None
    accounts: tuple[NamespacedName, ...] | None = None
    contested: tuple[ContestedAccount, ...] = ()
    is_due: bool = False

    def as_dict(self) -> dict[str, Any]:
        """Return the keys of an item that hold it."""
        return {
            "secrets": None if self.secrets is None else [dict(secret) for secret in self.secrets],
            "source_secret": self.source_secret.as_dict() if self.source_secret else None,
            "accounts": None if self.accounts is None else [account.as_dict() for account in self.accounts],
            "contested_accounts": [account.as_dict() for account in self.contested],
            "due": self.is_due,
        }

    @classmethod
    def from_dict(cls, item: Mapping[str, Any]) -> Observed:
        """Return what as_dict() gave."""
        secrets, source, accounts = item["secrets"], item["source_secret"], item["accounts"]
        return cls(
            secrets=None if secrets is None else tuple(secrets),
            source_secret=NamespacedName(**source) if source else None,
            accounts=None if accounts is None else tuple(NamespacedName(**account) for account in accounts),
            contested=tuple(map(ContestedAccount.from_dict, item["contested_accounts"])),
            is_due=item["due"],
        )


@dataclass(frozen=True)
class PlacedOutput:
    """An output, and the namespaces in which it is to be, None where it cannot be told which they are."""

    output: Output
    namespaces: tuple[str, ...] | None

    def as_dict(self) -> dict[str, Any]:
        """Return the form in which items hold it."""
        return {**self.output.as_dict(), "namespaces": None if self.namespaces is None else list(self.namespaces)}

    @classmethod
    def from_dict(cls, placed: Mapping[str, Any]) -> PlacedOutput:
        """Return what as_dict() gave."""
        output = Output.from_dict({**placed, "namespaces": None})
        return cls(output, None if placed["namespaces"] is None else tuple(placed["namespaces"]))


@dataclass(frozen=True)
class ExtraAuth:
    """A Secret with logins of other registries; of a registry, that login alone, empty for all that it holds."""

    namespace: str
    name: str
    registry: str = ""

    def __str__(self) -> str:
        return f"Secret {self.name} in namespace {self.namespace} (spec.extraAuths)"


@dataclass(frozen=True)
class Item:
    """One custom resource, as the play is told of it.

    namespaces are its targets, None where it cannot be told which they are; outputs are its further Secrets,
    extra_auths the Secrets with logins that the pull secret is to hold besides. identity tells AWS identities apart and
    is salted with the UID, empty where there is none. region is that of the caller of AWS, empty where it cannot be
    read. registries are the logins that the Secrets are to hold. labels and annotations are those of
    spec.secretTemplate. refresh_interval is None where the life of the token decides. is_pass says that the run does
    not know when the next one comes, so that it renews early (see token_life). error says why the resource cannot be
    served, warning what of it has no effect although it is served.
    """

    owner: Owner
    reference: str
    state: str = PRESENT
    suspended: bool = False
    has_finalizer: bool = False
    reconcile_request: str = ""
    identity: str = ""
    region: str = ""
    registries: tuple[LoginRequest, ...] = ()
    secret_name: str = ""
    namespaces: tuple[str, ...] | None = None
    outputs: tuple[PlacedOutput, ...] = ()
    extra_auths: tuple[ExtraAuth, ...] = ()
    service_accounts: Names = field(default_factory=Names)
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)
    existing_secret_policy: str = "Fail"
    deletion_policy: str = "Delete"
    refresh_interval: timedelta | None = None
    is_pass: bool = False
    error: ErrorResult | None = None
    warning: ErrorResult | None = None
    observed: Observed = Observed()

    @property
    def is_absent(self) -> bool:
        """Whether the resource is being deleted, or counts as deleted: what it wrote is to be removed."""
        return self.state == ABSENT

    def as_dict(self) -> dict[str, Any]:
        """Return the form in which the variable pull_secrets of a host lists it."""
        return {
            "reference": self.reference,
            "owner": self.owner.as_dict(),
            "state": self.state,
            "suspended": self.suspended,
            "has_finalizer": self.has_finalizer,
            "reconcile_request": self.reconcile_request,
            "identity": self.identity,
            "region": self.region,
            "registries": list(map(str, self.registries)),
            "secret_name": self.secret_name,
            "namespaces": None if self.namespaces is None else list(self.namespaces),
            "outputs": [output.as_dict() for output in self.outputs],
            "extra_auths": [dict(vars(auth)) for auth in self.extra_auths],
            "service_accounts": [*self.service_accounts.literals, *self.service_accounts.globs],
            "labels": dict(self.labels),
            "annotations": dict(self.annotations),
            "existing_secret_policy": self.existing_secret_policy,
            "deletion_policy": self.deletion_policy,
            "refresh_interval": None if self.refresh_interval is None else int(self.refresh_interval.total_seconds()),
            "is_pass": self.is_pass,
            "error": self.error.as_dict() if self.error else None,
            "warning": self.warning.as_dict() if self.warning else None,
            **self.observed.as_dict(),
        }

    def summary(self) -> dict[str, Any]:
        """Return what a result says of the resource: whose it is, and what was found wrong with it to begin with."""
        return {
            "reference": self.reference,
            "owner": self.owner.as_dict(),
            "state": self.state,
            "reconcile_request": self.reconcile_request,
            "has_targets": bool(self.namespaces),
            "error": self.error.as_dict() if self.error else None,
            "warning": self.warning.as_dict() if self.warning else None,
        }

    @classmethod
    def from_dict(cls, item: Mapping[str, Any]) -> Item:
        """Return what as_dict() gave. Raises KeyError, TypeError or ValueError if it is something else."""
        namespaces, seconds = item["namespaces"], item["refresh_interval"]
        return cls(
            owner=Owner.from_dict(item["owner"]),
            reference=item["reference"],
            state=item["state"],
            suspended=item["suspended"],
            has_finalizer=item["has_finalizer"],
            reconcile_request=item["reconcile_request"],
            identity=item["identity"],
            region=item["region"],
            registries=tuple(map(LoginRequest.from_text, item["registries"])),
            secret_name=item["secret_name"],
            namespaces=None if namespaces is None else tuple(namespaces),
            outputs=tuple(map(PlacedOutput.from_dict, item["outputs"])),
            extra_auths=tuple(ExtraAuth(**auth) for auth in item["extra_auths"]),
            service_accounts=Names.of_service_accounts(item["service_accounts"]),
            labels=item["labels"],
            annotations=item["annotations"],
            existing_secret_policy=item["existing_secret_policy"],
            deletion_policy=item["deletion_policy"],
            refresh_interval=None if seconds is None else timedelta(seconds=seconds),
            is_pass=item["is_pass"],
            error=ErrorResult.from_dict(item["error"]),
            warning=ErrorResult.from_dict(item["warning"]),
            observed=Observed.from_dict(item),
        )
