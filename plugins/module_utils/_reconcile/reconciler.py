# Copyright: kube_ecr.secrets contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Brings all that one request wants about, in the order that leaves nothing behind whenever it is cut off.

First the finalizer that a cleanup will need, then Secrets, then the service accounts that are to use them, then what
is no longer wanted, and the finalizer again when nothing is left to clean up.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from .._cluster.client import Cluster
from .._contract.item import NamespacedName
from .._contract.kinds import FINALIZER
from .._contract.result import FAILED, ErrorResult
from .._secret.logins import Logins
from .decision import needs_source
from .merged_secret import MergedSecretWriter
from .outcomes import NamespaceOutcome, ObjectOutcome
from .own_secret import OwnSecretWriter
from .prune import Pruner
from .removal import leaves_part, places_to_prune
from .request import AvailableLogins, Request
from .service_accounts import ServiceAccountSync
from .steps import side_by_side
from .target_state import logins_in


@dataclass(frozen=True)
class ReconcileResult:
    """All that became of a request; error says why nothing could be written anywhere, or a login is missing.

    outputs is what became of its outputs, Secret by Secret. logins are those that were granted, or copied from.
    """

    namespaces: tuple[NamespaceOutcome, ...] = ()
    outputs: tuple[NamespaceOutcome, ...] = ()
    service_accounts: tuple[ObjectOutcome, ...] = ()
    removed: tuple[ObjectOutcome, ...] = ()
    error: ErrorResult | None = None
    logins: Logins | None = None

    @property
    def objects(self) -> tuple[ObjectOutcome, ...]:
        """What became of objects besides the Secrets of targets."""
        return (*self.service_accounts, *self.removed)

    @property
    def all(self) -> tuple[NamespaceOutcome | ObjectOutcome, ...]:
        """What became of everything."""
        return (*self.secrets, *self.objects)

    @property
    def secrets(self) -> tuple[NamespaceOutcome, ...]:
        """What became of the Secrets that are wanted: of the pull secret, then of the outputs."""
        return (*self.namespaces, *self.outputs)


def reconcile(
    cluster: Cluster, request: Request, available: AvailableLogins, now: datetime, *, dry_run: bool
) -> ReconcileResult:
    """Bring a request about, or say what stands where there is no token to write. Raises KubernetesError.

    It raises where nothing could be done at all; what happens to one namespace or object is in its outcome.
    """
    if request.needs_finalizer and not request.has_finalizer and request.namespaces:
        _set_finalizer(cluster, request, is_wanted=True, dry_run=dry_run)
    available = available.copying(_source(cluster, request, available, now))
    namespaces = _write(cluster, request, available, now, dry_run)
    outputs = [
        replace(outcome, name=output.desired.name)
        for output, logins in zip(request.outputs, available.outputs)
        for outcome in _write(cluster, output, logins, now, dry_run)
    ]
    accounts = _sync_accounts(cluster, request, namespaces, dry_run)
    pruned = places_to_prune(request, namespaces, outputs)
    removed = side_by_side(Pruner(cluster, request, dry_run).remove, pruned)
    result = ReconcileResult(
        tuple(namespaces),
        tuple(outputs),
        tuple(accounts),
        tuple(outcome for outcome in removed if outcome),
        available.error,
        available.granted or available.source,
    )
    has_failed = any(outcome.state == FAILED for outcome in result.objects)
    is_cleaned_up = request.is_understood and not has_failed and not leaves_part(request, pruned)
    if request.has_finalizer and is_cleaned_up and not request.needs_finalizer:
        _set_finalizer(cluster, request, is_wanted=False, dry_run=dry_run)
    return result


def _set_finalizer(cluster: Cluster, request: Request, *, is_wanted: bool, dry_run: bool) -> None:
    if request.desired.owner and not dry_run:
        cluster.set_finalizer(request.desired.owner.as_dict(), FINALIZER, is_wanted=is_wanted)


def _source(cluster: Cluster, request: Request, available: AvailableLogins, now: datetime) -> Logins | None:
    """Return the logins of another Secret of the resource, where some target needs them."""
    place = request.source_secret
    if place is None or not needs_source(request, available, now):
        return None
    secret = cluster.read_object("Secret", place.namespace, place.name)
    is_shared = (request.known or {})[place].is_shared
    return logins_in(request, secret, now, is_shared=is_shared) if secret else None


def _write(
    cluster: Cluster, request: Request, available: AvailableLogins, now: datetime, dry_run: bool
) -> list[NamespaceOutcome]:
    """Bring the Secrets of all targets to what is wanted; return what became of each namespace."""
    if request.is_absent:
        return []
    writer = MergedSecretWriter if request.is_merge else OwnSecretWriter
    return side_by_side(writer(cluster, request, available, now, dry_run).reconcile, request.namespaces or ())


def _sync_accounts(
    cluster: Cluster, request: Request, namespaces: list[NamespaceOutcome], dry_run: bool
) -> list[ObjectOutcome]:
    """Bring service accounts to what is wanted; return what there is to tell of each."""
    is_nothing_to_do = request.accounts is None and not (request.service_accounts or request.has_finalizer)
    if is_nothing_to_do or not request.is_understood:
        return []
    usable = frozenset(outcome.namespace for outcome in namespaces if outcome.expires_at)
    sync = ServiceAccountSync(cluster, request, usable, dry_run)
    found: Sequence[NamespacedName] | None = request.accounts
    refused: list[ObjectOutcome] = []
    if found is None and request.is_absent:
        found = sync.accounts_with_entry()
    if found is None:
        # Nobody looked for them, or may look in all namespaces at once: then in each target.
        listed = side_by_side(sync.accounts_in, request.namespaces or ())
        refused = [outcome for outcome in listed if isinstance(outcome, ObjectOutcome)]
        found = [place for places in listed if not isinstance(places, ObjectOutcome) for place in places]
    synced = side_by_side(sync.sync, found)
    # What the inventory saw of the others is told as it is: none of them is read again.
    return [*refused, *(outcome for outcome in synced if outcome), *sync.known_as_contested()]
