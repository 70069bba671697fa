# Copyright: kube_ecr.secrets contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is to be done for one pull secret: by options that a person wrote, or by an item of the inventory pull_secrets.

Pure. Options are checked here; an item was checked by whoever made it (see _inventory.item), and brings along what the
cluster holds (see _inventory.observe), so that nothing need be read twice.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from .._aws.authorizations import Authorization, LoginError, requested_in
from .._contract.grammar import check_namespaces, check_secret_name
from .._contract.item import ContestedAccount, Item, NamespacedName
from .._contract.resource import check_template
from .._contract.result import ErrorResult
from .._contract.targets import Names
from .._secret.desired import DesiredSecret
from .._secret.logins import Logins
from .._secret.observed import ObservedSecret

# The key of entries on shared objects where there is no owner.
PLAYBOOK = "playbook"


@dataclass(frozen=True)
class Request:
    """What is wanted, and what is known.

    namespaces is None where it is not known what is wanted: then nothing is written, and nothing removed. known are the
    Secrets of ours in the cluster, source_secret one to copy logins from, accounts the service accounts that are not as
    they should be; each of them is None where nobody looked. contested are service accounts that are as they should be,
    but that others write, too. error says why a resource cannot be served.
    """

    desired: DesiredSecret
    namespaces: tuple[str, ...] | None
    service_accounts: Names = field(default_factory=Names)
    policy: str = "Fail"
    is_absent: bool = False
    is_orphaned: bool = False
    is_due: bool = True
    force: bool = False
    known: Mapping[NamespacedName, ObservedSecret] | None = None
    source_secret: NamespacedName | None = None
    accounts: tuple[NamespacedName, ...] | None = None
    contested: tuple[ContestedAccount, ...] = ()
    has_finalizer: bool = False
    error: ErrorResult | None = None

    @property
    def key(self) -> str:
        """The key of the request's entry on shared Secrets."""
        return self.desired.owner.uid if self.desired.owner else PLAYBOOK

    @property
    def resource(self) -> str:
        """What the resource is called for which it is made, empty where there is none."""
        return str(self.desired.owner or "")

    @property
    def account_key(self) -> str:
        """The key of its entry on service accounts, to which playbooks may give more than one pull secret."""
        return self.desired.owner.uid if self.desired.owner else f"{PLAYBOOK}/{self.desired.name}"

    @property
    def is_merge(self) -> bool:
        """Whether Secrets are shared with others, instead of the resource's own."""
        return self.policy == "Merge"

    def known_in(self, namespace: str) -> ObservedSecret | None:
        """Return the Secret of ours that has the wanted name in a namespace, None if there is none or nobody looked."""
        return (self.known or {}).get(NamespacedName(namespace, self.desired.name))

    @property
    def is_understood(self) -> bool:
        """Whether it is known what the request wants; what is there is left alone until it is."""
        return self.is_absent or self.namespaces is not None

    def is_target(self, namespace: str) -> bool:
        """Return whether a namespace is to have the Secret."""
        return not self.is_absent and namespace in (self.namespaces or ())

    @property
    def needs_finalizer(self) -> bool:
        """Whether deleting the resource leaves something to undo that Kubernetes' garbage collector does not see to."""
        is_kept = not self.is_absent and self.desired.owner is not None
        return is_kept and bool(self.service_accounts or self.is_merge or self.is_orphaned)

    @classmethod
    def of_options(cls, params: Mapping) -> Request:
        """Return what validated options ask for. Raises ValueError naming the option."""
        if params["state"] == "present" and params["authorizations"] is None:
            raise ValueError("authorizations: is missing; give what ecr_token returned, or state: absent")
        granted = {requested_in(login) for login in params["authorizations"] or []}
        # What AWS refused is wanted all the same: a Secret without it lacks a login.
        errors = map(LoginError.from_options, params["authorization_errors"] or [])
        refused = {error.requested for error in errors if error.requested}
        desired = DesiredSecret(
            name=check_secret_name(params["secret_name"]),
            owner=None,
            registries=tuple(sorted(granted | refused)),
            labels=check_template(params["labels"], "labels", "labels"),
            annotations=check_template(params["annotations"], "annotations", "annotations"),
            is_pass=True,
        )
        return cls(
            desired,
            namespaces=tuple(check_namespaces(params["namespaces"])),
            service_accounts=Names.of_service_accounts(params["service_accounts"], "service_accounts"),
            policy=params["existing_secret_policy"],
            is_absent=params["state"] == "absent",
            force=params["force"],
        )

    @classmethod
    def of_item(cls, item: Item) -> Request:
        """Return what an item of the inventory asks for."""
        observed = item.observed
        parts = None if observed.secrets is None else [ObservedSecret.from_dict(secret) for secret in observed.secrets]
        # What is suspended counts as not understood: nothing is written, and nothing removed, but all can be undone.
        is_idle = item.suspended and not item.is_absent
        return cls(
            desired_secret(item),
            namespaces=None if is_idle else item.namespaces,
            service_accounts=item.service_accounts,
            policy=item.existing_secret_policy,
            is_absent=item.is_absent,
            is_orphaned=item.deletion_policy == "Orphan",
            is_due=observed.is_due,
            known=None if parts is None else {NamespacedName(part.namespace, part.name): part for part in parts},
            source_secret=observed.source_secret,
            accounts=observed.accounts,
            contested=observed.contested,
            has_finalizer=item.has_finalizer,
            error=item.error,
        )


def desired_secret(item: Item) -> DesiredSecret:
    """Return the Secret that an item of the inventory asks for."""
    return DesiredSecret(
        name=item.secret_name,
        owner=item.owner,
        identity=item.identity,
        registries=tuple(sorted(item.registries)),
        labels=item.labels,
        annotations=item.annotations,
        refresh_interval=item.refresh_interval,
        is_pass=item.is_pass,
        reconcile_request=item.reconcile_request,
    )


@dataclass(frozen=True)
class AvailableLogins:
    """What there is to write: logins that were just granted, or None; and why some, or all, were not.

    source are the logins of another Secret of the resource, None where nobody needs or has them.
    """

    granted: Logins | None
    error: ErrorResult | None
    source: Logins | None = None

    @classmethod
    def of(
        cls, request: Request, granted: Sequence[Authorization], errors: Sequence[LoginError], now: datetime
    ) -> AvailableLogins:
        """Return what AWS' answers hold for a request. Raises ValueError if there is none for a login that it wants."""
        if request.is_absent:
            return cls(None, None)
        if request.error:
            return cls(None, request.error)
        # Others of the same identity may want tokens, and get none: that is no trouble of one that wants none.
        errors = errors if request.is_due else ()
        for_all = next((error for error in errors if error.requested is None), None)
        if for_all:
            return cls(None, _error_of(for_all))
        registries = request.desired.registries
        chosen = [login for login in granted if login.requested in registries]
        refused = [error for error in errors if error.requested in registries]
        answered = {*(login.requested for login in chosen), *(error.requested for error in refused)}
        missing = [wanted for wanted in registries if wanted not in answered]
        # AWS was not asked, or for others only: what is there does for now.
        if missing and not request.is_due:
            return cls(None, None)
        if missing or not registries:
            what = f"hold no login for {missing[0]}" if missing else "the list is empty, so there is nothing to write"
            raise ValueError(f"authorizations: {what}")
        logins = Logins.of(chosen, now, request.desired.reconcile_request) if chosen else None
        return cls(logins, _error_of(refused[0]) if refused else None)


def _error_of(error: LoginError) -> ErrorResult:
    return ErrorResult(error.reason, error.message)
