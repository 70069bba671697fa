# Copyright: kube_ecr.secrets contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Put the pull secret into the imagePullSecrets of service accounts, and take it out again where it is not wanted.

https://kubernetes.io/docs/tasks/configure-pod-container/configure-service-account/#add-imagepullsecrets-to-a-service-account
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from .._cluster.client import Cluster
from .._cluster.errors import KubernetesError
from .._contract import reasons
from .._contract.item import NamespacedName
from .._contract.ownership import OWNER_LABEL, SHARED
from .._contract.result import ADDED, REMOVED, UNCHANGED
from .._secret import account_writers, image_pull_secrets
from .._secret.shared_entries import entries_for
from .outcomes import ObjectOutcome
from .request import Request
from .steps import failed_outcome, retry_on_conflict


@dataclass(frozen=True)
class ServiceAccountSync:
    """Brings service accounts of a request to what it wants; usable are the namespaces whose Secret can be used."""

    cluster: Cluster
    request: Request
    usable: frozenset[str]
    dry_run: bool

    def accounts_with_entry(self) -> list[NamespacedName] | None:
        """Return the service accounts of the cluster that we gave something, None without the right to list them.

        Raises KubernetesError.
        """
        try:
            found = list(self.cluster.list_metadata("serviceaccounts", label_selector=f"{OWNER_LABEL}={SHARED}"))
        except KubernetesError as error:
            if error.status == 403:
                return None
            raise
        key, resource = self.request.account_key, self.request.resource
        return [
            NamespacedName(metadata["namespace"], metadata["name"])
            for metadata in found
            if key in entries_for(metadata, key, resource)
        ]

    def accounts_in(self, namespace: str) -> list[NamespacedName] | ObjectOutcome:
        """Return the service accounts of a namespace that the request names, or why they cannot be listed.

        Those that it spells out are taken as they are, there or not; globs need a look at those that exist.
        """
        names = self.request.service_accounts
        if not names.globs:
            return [NamespacedName(namespace, name) for name in names.literals]
        try:
            existing = [account["metadata"]["name"] for account in self.cluster.list_service_accounts(namespace)]
        except KubernetesError as error:
            return failed_outcome(NamespacedName(namespace, "*"), error)
        return [NamespacedName(namespace, name) for name in names.select(existing)]

    def sync(self, place: NamespacedName) -> ObjectOutcome | None:
        """Bring one service account to what is wanted; return what was done, None if there is nothing to tell.

        There is where something was done, and where somebody else writes the list, too.
        """
        return retry_on_conflict(place, self._sync)

    def known_as_contested(self) -> list[ObjectOutcome]:
        """Return what there is to tell of the service accounts that need nothing, but that others write, too."""
        return [
            self._warned(ObjectOutcome(account.place.namespace, account.place.name, UNCHANGED), account.written_by)
            for account in self.request.contested
        ]

    def _sync(self, place: NamespacedName) -> ObjectOutcome | None:
        account = self.cluster.read_object("ServiceAccount", place.namespace, place.name)
        if account is None:
            return None
        request = self.request
        is_wanted = request.is_target(place.namespace) and request.service_accounts.matches(place.name)
        # Where the Secret cannot be used, an entry for it would be of no use: what is there stays.
        is_left = is_wanted and place.namespace not in self.usable
        wanted = request.desired.name if is_wanted else None
        patch = None if is_left else image_pull_secrets.patch(account, request.account_key, wanted, request.resource)
        after = self._patched(place, patch) if patch else account
        writer = image_pull_secrets.contender(account, after, request.account_key) if is_wanted else ""
        if not (patch or writer):
            return None
        outcome = ObjectOutcome(place.namespace, place.name, UNCHANGED)
        if patch:
            state = ADDED if is_wanted else REMOVED
            outcome = replace(outcome, state=state, before=_shown(account), after=_shown(after))
        return self._warned(outcome, writer) if writer else outcome

    def _patched(self, place: NamespacedName, patch: dict) -> dict:
        return self.cluster.patch_object("ServiceAccount", place.namespace, place.name, patch, dry_run=self.dry_run)

    def _warned(self, outcome: ObjectOutcome, writer: str) -> ObjectOutcome:
        """Return an outcome that says who else writes the list: no failure, but it may become one for him."""
        message = account_writers.warning(str(outcome), writer, has_resource=self.request.desired.owner is not None)
        return replace(outcome, reason=reasons.SERVICE_ACCOUNT_CONTESTED, message=message, written_by=writer)


def _shown(account: dict) -> dict:
    """Return what a diff shows of a service account."""
    return {"imagePullSecrets": account.get("imagePullSecrets") or []}
