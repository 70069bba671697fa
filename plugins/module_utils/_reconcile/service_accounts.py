# Copyright: kube_ecr.secrets contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Put the pull secret into the imagePullSecrets of service accounts, and take it out again where it is not wanted.

https://kubernetes.io/docs/tasks/configure-pod-container/configure-service-account/#add-imagepullsecrets-to-a-service-account
"""

from __future__ import annotations

from dataclasses import dataclass

from .._cluster.client import Cluster, KubernetesError
from .._contract.item import NamespacedName
from .._contract.ownership import OWNER_LABEL, SHARED, entries_of
from .._secret import image_pull_secrets
from .outcomes import ObjectOutcome
from .request import Request
from .steps import failed_step, retry_on_conflict


@dataclass(frozen=True)
class ServiceAccountSync:
    """What all service accounts of a request have in common; served are the namespaces whose Secret can be used."""

    cluster: Cluster
    request: Request
    served: frozenset[str]
    dry_run: bool

    def marked_accounts(self) -> list[NamespacedName] | None:
        """Return the service accounts of the cluster that we gave something, None without the right to list them."""
        try:
            found = list(self.cluster.list_metadata("serviceaccounts", label_selector=f"{OWNER_LABEL}={SHARED}"))
        except KubernetesError as error:
            if error.status == 403:
                return None
            raise
        key = self.request.account_key
        return [NamespacedName(each["namespace"], each["name"]) for each in found if key in entries_of(each)]

    def accounts_in(self, namespace: str) -> list[NamespacedName] | ObjectOutcome:
        """Return the service accounts of a namespace that the request names: those that it spells out, and those that
        there are. A Step says why they cannot be listed.
        """
        names = self.request.service_accounts
        if not names.globs:
            return [NamespacedName(namespace, name) for name in names.literals]
        try:
            found = [each["metadata"]["name"] for each in self.cluster.list_service_accounts(namespace)]
        except KubernetesError as error:
            return failed_step(NamespacedName(namespace, "*"), error)
        return [NamespacedName(namespace, name) for name in names.select(found)]

    def attach(self, place: NamespacedName) -> ObjectOutcome | None:
        """Bring one service account to what is wanted; return what was done, None if there was nothing to do."""
        return retry_on_conflict(place, self._attach)

    def _attach(self, place: NamespacedName) -> ObjectOutcome | None:
        account = self.cluster.read_object("ServiceAccount", place.namespace, place.name)
        if account is None:
            return None
        request = self.request
        is_target = request.is_target(place.namespace)
        is_wanted = is_target and request.service_accounts.matches(place.name)
        if is_wanted and place.namespace not in self.served:
            return None
        patch = image_pull_secrets.patch(account, request.account_key, request.desired.name if is_wanted else None)
        if patch is None:
            return None
        changed = self.cluster.patch_object("ServiceAccount", place.namespace, place.name, patch, dry_run=self.dry_run)
        return ObjectOutcome(
            place.namespace,
            place.name,
            "added" if is_wanted else "removed",
            before=_described(account),
            after=_described(changed),
        )


def _described(account: dict) -> dict:
    return {"imagePullSecrets": account.get("imagePullSecrets") or []}
