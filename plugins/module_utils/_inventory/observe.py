# Copyright: kube_ecr.secrets contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the cluster holds for the items of a batch: looked up once, for all of them.

By it the inventory knows which resources want a new token at all, and the play what is to be written, removed or left.
Of Secrets the metadata is asked for and nothing else. What cannot be listed for want of a right is not known (None):
then the play looks at each target itself.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping
from datetime import datetime
from itertools import chain, product

from .._cluster.client import Cluster
from .._cluster.errors import KubernetesError
from .._contract.item import ContestedAccount, Item, NamespacedName, Observed
from .._contract.ownership import OWNER_LABEL, SHARED, entries_of, owner_of
from .._reconcile.request import desired_secret
from .._secret import image_pull_secrets
from .._secret.desired import DesiredSecret
from .._secret.observed import ObservedSecret

# Each UID has 36 characters, and the path of a request has its limits with the API server and proxies.
UIDS_A_CALL = 50


def namespaces_of(cluster: Cluster) -> dict[str, Mapping[str, str]]:
    """Return the labels of the namespaces of the cluster by name. Raises KubernetesError."""
    return {metadata["name"]: metadata.get("labels") or {} for metadata in cluster.list_metadata("namespaces")}


def observe(cluster: Cluster, items: list[Item], now: datetime, namespaces: Collection[str] = ()) -> list[Observed]:
    """Return what the cluster holds for each item. Raises KubernetesError.

    namespaces are those outside which no item has anything, and nothing is looked up; without any, it is the cluster.
    """
    places = namespaces or ("",)
    secrets = _secrets(cluster, items, places) if items else []
    by_uid = None if secrets is None else _by_uid(secrets)
    needy = [item for item in items if item.service_accounts or item.has_finalizer]
    accounts = _unless_forbidden(lambda: chain(*map(cluster.list_service_accounts, places))) if needy else []
    return [_observed(item, by_uid, accounts, now) for item in items]


def _observed(
    item: Item, by_uid: Mapping[str, list[dict]] | None, accounts: list[dict] | None, now: datetime
) -> Observed:
    desired = desired_secret(item)
    held = None if by_uid is None else _held(desired, by_uid.get(item.owner.uid, ()))
    source = source_secret(desired, held or (), now)
    is_served = item.namespaces and not (item.is_absent or item.suspended or item.error)
    wrong, contested = _accounts(item, accounts or ())
    return Observed(
        secrets=None if held is None else tuple(secret.as_dict() for secret in held),
        source_secret=NamespacedName(source.namespace, source.name) if source else None,
        accounts=None if accounts is None else tuple(wrong),
        contested=tuple(contested),
        is_due=bool(is_served and not (source and source.is_fresh(now, desired))),
    )


def _secrets(cluster: Cluster, items: Iterable[Item], places: Collection[str]) -> list[dict] | None:
    """Return the metadata of the Secrets that have our label; without the right to list all, of those of the names.

    places are the namespaces to look into, an empty one for all.
    """
    owners = [SHARED, *(item.owner.uid for item in items)]
    chunks = [owners[start : start + UIDS_A_CALL] for start in range(0, len(owners), UIDS_A_CALL)]
    found = _unless_forbidden(
        lambda: (
            metadata
            for chunk, place in product(chunks, places)
            for metadata in cluster.list_metadata("secrets", f"{OWNER_LABEL} in ({','.join(chunk)})", namespace=place)
        )
    )
    if found is not None:
        return found
    names = sorted({item.secret_name for item in items if item.secret_name})
    return _unless_forbidden(
        lambda: (
            metadata
            for name, place in product(names, places)
            for metadata in cluster.list_metadata("secrets", field_selector=f"metadata.name={name}", namespace=place)
        )
    )


def _by_uid(secrets: Iterable[dict]) -> Mapping[str, list[dict]]:
    """Return the Secrets by the UIDs of the resources that they belong to, or that have an entry on them."""
    by_uid: dict[str, list[dict]] = defaultdict(list)
    for metadata in secrets:
        for uid in {owner_of(metadata), *entries_of(metadata)} - {""}:
            by_uid[uid].append(metadata)
    return by_uid


def _unless_forbidden(listed: Callable[[], Iterable[dict]]) -> list[dict] | None:
    try:
        return list(listed())
    except KubernetesError as error:
        if error.status == 403:
            return None
        raise


def _held(desired: DesiredSecret, secrets: Iterable[dict]) -> list[ObservedSecret]:
    uid = desired.owner.uid if desired.owner else ""
    found = []
    for metadata in secrets:
        # A Secret that is its own has what others put in besides, so that counts first.
        held = (
            ObservedSecret.of(metadata, desired)
            if owner_of(metadata) == uid
            else ObservedSecret.of_shared(metadata, desired, uid)
        )
        if held:
            found.append(held)
    return found


def source_secret(desired: DesiredSecret, held: Iterable[ObservedSecret], now: datetime) -> ObservedSecret | None:
    """Return the Secret that others can be copied from: of those that have all logins, the one to last longest."""
    able = [secret for secret in held if secret.is_valid(now) and set(desired.registries) <= set(secret.registries)]
    order = lambda secret: (secret.is_fresh(now, desired), secret.renew_after, secret.namespace)  # noqa: E731
    return max(able, key=order, default=None)


def _accounts(item: Item, accounts: Iterable[dict]) -> tuple[list[NamespacedName], list[ContestedAccount]]:
    """Return the service accounts that are not as the resource wants them, and of the others whom somebody else writes.

    The play reads only what is to be changed. So who else writes an account is told here, of what was listed anyway:
    else the warning would be gone with the pass after the one that added the entry, or cost a call for each account.
    """
    targets, uid = set(item.namespaces or ()) if not item.is_absent else set(), item.owner.uid
    wrong: list[NamespacedName] = []
    contested: list[ContestedAccount] = []
    for account in accounts:
        place = NamespacedName(account["metadata"]["namespace"], account["metadata"]["name"])
        is_wanted = place.namespace in targets and item.service_accounts.matches(place.name)
        if image_pull_secrets.patch(account, uid, item.secret_name if is_wanted else None):
            wrong.append(place)
        elif is_wanted and (writer := image_pull_secrets.contender(account, account, uid)):
            contested.append(ContestedAccount(place, writer))
    return wrong, contested
