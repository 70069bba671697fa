# Copyright: kube_ecr.secrets contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is to be done for one pull secret: by options that a person wrote, or by an item of the inventory pull_secrets.

Pure. Options are checked here; an item was checked by whoever made it (see _inventory.item), and brings along what the
cluster holds (see _inventory.observe), so that nothing need be read twice.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from .._aws.authorizations import Authorization, LoginError, requested_in
from .._contract.grammar import check_namespaces, check_secret_name
from .._contract.item import ContestedAccount, Item, NamespacedName, PlacedOutput
from .._contract.kinds import POLICIES
from .._contract.outputs import Output, parse_outputs
from .._contract.resource import check_template
from .._contract.result import ErrorResult
from .._contract.targets import Names
from .._secret.desired import DesiredSecret
from .._secret.extra_logins import NO_EXTRA_LOGINS, ExtraLogins
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
    but that others write, too. error says why a resource cannot be served. outputs are the same for each further
    Secret: what is no longer wanted is up to the request that has them.
    """

    desired: DesiredSecret
    namespaces: tuple[str, ...] | None
    outputs: tuple[Request, ...] = ()
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

    def wants(self, place: NamespacedName) -> bool:
        """Return whether a Secret is to be at a place: the pull secret, or an output."""
        is_own = self.is_target(place.namespace) and place.name == self.desired.name
        return is_own or any(output.wants(place) for output in self.outputs)

    def with_outputs(self, outputs: Iterable[PlacedOutput]) -> Request:
        """Return the same request for these outputs besides: each is the resource's own, and merged into nothing."""
        policy = POLICIES[0] if self.is_merge else self.policy
        plain = replace(self, service_accounts=Names(), policy=policy, accounts=None, contested=())
        found = (
            replace(plain, desired=self.desired.for_output(placed.output), namespaces=placed.namespaces)
            for placed in outputs
        )
        # What is suspended, or cannot be understood, is left alone as a whole.
        return replace(self, outputs=tuple(found) if self.is_understood else ())

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
        name = check_secret_name(params["secret_name"])
        requests = list(dict.fromkeys([*(map(requested_in, params["authorizations"] or [])), *sorted(refused)]))
        outputs = parse_outputs(params["outputs"], requests, name, path="outputs")
        desired = DesiredSecret(
            name=name,
            owner=None,
            registries=tuple(sorted(granted | refused)),
            labels=check_template(params["labels"], "labels", "labels"),
            annotations=check_template(params["annotations"], "annotations", "annotations"),
            is_pass=True,
        )
        namespaces = tuple(check_namespaces(params["namespaces"]))
        request = cls(
            desired,
            namespaces=namespaces,
            service_accounts=Names.of_service_accounts(params["service_accounts"], "service_accounts"),
            policy=params["existing_secret_policy"],
            is_absent=params["state"] == "absent",
            force=params["force"],
        )
        return request.with_outputs(PlacedOutput(each, _literally(each, namespaces)) for each in outputs)

    @classmethod
    def of_item(cls, item: Item, extra: ExtraLogins = NO_EXTRA_LOGINS) -> Request:
        """Return what an item of the inventory asks for; extra are the logins that its extra_auths stand for."""
        observed = item.observed
        parts = None if observed.secrets is None else [ObservedSecret.from_dict(secret) for secret in observed.secrets]
        # What is suspended counts as not understood: nothing is written, and nothing removed, but all can be undone.
        is_idle = item.suspended and not item.is_absent
        request = cls(
            replace(desired_secret(item), extra=extra),
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
        return request.with_outputs(item.outputs)


def _literally(output: Output, targets: tuple[str, ...]) -> tuple[str, ...]:
    """Return where an output is to be for which nobody lists namespaces. Raises ResourceError if it has globs."""
    if output.namespaces is None:
        return targets
    return tuple(check_namespaces([*output.namespaces.literals, *output.namespaces.globs], "outputs.namespaces"))


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

    source are the logins of another Secret of the resource, None where nobody needs or has them. outputs is the same
    for each output of the request, as far as it needs it.
    """

    granted: Logins | None
    error: ErrorResult | None
    source: Logins | None = None
    outputs: tuple[AvailableLogins, ...] = ()

    @classmethod
    def of(
        cls, request: Request, granted: Sequence[Authorization], errors: Sequence[LoginError], now: datetime
    ) -> AvailableLogins:
        """Return what AWS' answers hold for a request. Raises ValueError if there is none for a login that it wants."""
        outputs = tuple(cls.of(output, granted, errors, now) for output in request.outputs)
        return replace(cls._of(request, granted, errors, now), outputs=outputs)

    @classmethod
    def _of(
        cls, request: Request, granted: Sequence[Authorization], errors: Sequence[LoginError], now: datetime
    ) -> AvailableLogins:
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

    def copying(self, source: Logins | None) -> AvailableLogins:
        """Return the same with logins of another Secret of the resource, also for the outputs."""
        outputs = tuple(output.copying(source) for output in self.outputs)
        return replace(self, source=source, outputs=outputs)


def _error_of(error: LoginError) -> ErrorResult:
    return ErrorResult(error.reason, error.message)
