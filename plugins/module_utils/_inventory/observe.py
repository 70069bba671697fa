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
from functools import partial
from itertools import chain, product

from .._cluster.client import Cluster
from .._cluster.errors import KubernetesError
from .._contract.item import ContestedAccount, Item, NamespacedName, Observed, Owner
from .._contract.ownership import (
    OWNER_LABEL,
    RESOURCE,
    RESOURCE_LABEL,
    SHARED,
    Marks,
    annotations_of,
    marks_by_uid,
    place_of,
    resource_label,
)
from .._reconcile.request import desired_secret
from .._secret import image_pull_secrets
from .._secret.desired import DesiredSecret
from .._secret.docker_config import SECRET_TYPE
from .._secret.observed import ObservedSecret
from .._secret.shared_entries import shared_entries
from .._secret.whose import whose_by_metadata

# Each UID has 36 characters, and the path of a request has its limits with the API server and proxies.
VALUES_A_CALL = 50
_PULL_SECRETS = {"field_selector": f"type={SECRET_TYPE}"}
_OUTPUTS = {"field_selector": f"type!={SECRET_TYPE}", "label_selector": OWNER_LABEL}


def namespaces_of(cluster: Cluster) -> dict[str, Mapping[str, str]]:
    """Return the labels of the namespaces of the cluster by name. Raises KubernetesError."""
    return {metadata["name"]: metadata.get("labels") or {} for metadata in cluster.list_metadata("namespaces")}


def observe(
    cluster: Cluster,
    items: list[Item],
    now: datetime,
    namespaces: Collection[str] = (),
    served: Mapping[str, int] | None = None,
) -> list[Observed]:
    """Return what the cluster holds for each item. Raises KubernetesError.

    namespaces are those outside which no item has anything, and nothing is looked up; without any, it is the cluster.
    served says by UID how many Secrets a resource has by its status: a resource that is not in it may have any number.
    """
    places = namespaces or ("",)
    secrets = _secrets(cluster, items, places, served or {}) if items else None
    needy = [item for item in items if item.service_accounts or item.has_finalizer]
    accounts = _unless_forbidden(lambda: chain(*map(cluster.list_service_accounts, places))) if needy else []
    return [_observed(item, secrets, accounts, now) for item in items]


class _Secrets:
    """The metadata of Secrets, by what names the resources that may have a part in them."""

    def __init__(self, found: Iterable[dict]) -> None:
        self._held: dict[str, list[ObservedSecret]] = {}
        self._by_name: dict[str, dict[str, tuple[dict, Marks]]] = defaultdict(dict)
        for metadata in found:
            marks = marks_by_uid(metadata)
            for name in _names_on(metadata, marks):
                self._by_name[name][place_of(metadata)] = metadata, marks

    def held(self, item: Item) -> list[ObservedSecret]:
        """Return what an item has in them: what is its own by some mark, or has an entry of it."""
        if item.owner.uid not in self._held:
            desired = desired_secret(item)
            outputs = {placed.output.name: desired.for_output(placed.output) for placed in item.outputs}
            named = {**self._by_name[item.owner.uid], **self._by_name[str(item.owner)]}
            parts = (
                _part(metadata, outputs.get(metadata["name"], desired), item.owner, marks)
                for metadata, marks in named.values()
            )
            self._held[item.owner.uid] = [part for part in parts if part]
        return self._held[item.owner.uid]


def _observed(item: Item, secrets: _Secrets | None, accounts: list[dict] | None, now: datetime) -> Observed:
    desired = desired_secret(item)
    held = None if secrets is None else secrets.held(item)
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


def _secrets(
    cluster: Cluster, items: list[Item], places: Collection[str], served: Mapping[str, int]
) -> _Secrets | None:
    """Return the metadata of the Secrets that the items may have a part in, None without the right to list any.

    places are the namespaces to look into, an empty one for all. Looked for are those with our labels; of a resource
    without a status, an earlier one of its name may have left some. Somebody may have taken labels away: where a
    resource has more Secrets by its status, or has no status and nobody waits, all pull secrets are looked at, whatever
    mark is left on them, and of other types those that have a label.
    """
    listed = partial(_listed, cluster, places)
    new = [item for item in items if item.owner.uid not in served]
    if any(item.is_pass for item in new):
        found = listed([_PULL_SECRETS, _OUTPUTS])
    else:
        labels = _in_chunks(OWNER_LABEL, [SHARED, *(item.owner.uid for item in items)])
        labels += _in_chunks(RESOURCE_LABEL, [resource_label(str(item.owner)) for item in new])
        found = listed([{"label_selector": each} for each in labels])
        if found and any(len(found.held(item)) < served.get(item.owner.uid, 0) for item in items):
            found = listed([_PULL_SECRETS, _OUTPUTS])
    if found is not None:
        return found
    names = sorted({name for item in items for name in _names_in(item) if name})
    return listed([{"field_selector": f"metadata.name={name}"} for name in names])


def _names_in(item: Item) -> list[str]:
    return [item.secret_name, *(placed.output.name for placed in item.outputs)]


def _in_chunks(label: str, values: list[str]) -> list[str]:
    """Return label selectors for these values of a label, of a length that a request can have."""
    chunks = [values[start : start + VALUES_A_CALL] for start in range(0, len(values), VALUES_A_CALL)]
    return [f"{label} in ({','.join(chunk)})" for chunk in chunks]


def _listed(cluster: Cluster, places: Collection[str], selections: Iterable[Mapping[str, str]]) -> _Secrets | None:
    found = _unless_forbidden(
        lambda: (
            metadata
            for selection, place in product(selections, places)
            for metadata in cluster.list_metadata("secrets", **selection, namespace=place)
        )
    )
    return None if found is None else _Secrets(found)


def _names_on(metadata: Mapping, marks: Marks) -> set[str]:
    """Return the UIDs and names of the resources that the marks on a Secret, and the entries on it, name."""
    entries = shared_entries(metadata)
    names = {annotations_of(metadata).get(RESOURCE), *(entry.resource for entry in entries.values())}
    return {*marks, *entries, *(name for name in names if isinstance(name, str))} - {""}


def _unless_forbidden(listed: Callable[[], Iterable[dict]]) -> list[dict] | None:
    try:
        return list(listed())
    except KubernetesError as error:
        if error.status == 403:
            return None
        raise


def _part(metadata: dict, desired: DesiredSecret, owner: Owner, marks: Marks) -> ObservedSecret | None:
    """Return what an item has in a Secret. Its content is not known: whether it is ours is told when it is read."""
    # A Secret that is its own has what others put in besides, so that counts first.
    if whose_by_metadata(metadata, owner, is_as_written=True, known=marks).is_marked:
        return ObservedSecret.of(metadata, desired, marks)
    return ObservedSecret.of_shared(metadata, desired, owner.uid)


def source_secret(desired: DesiredSecret, held: Iterable[ObservedSecret], now: datetime) -> ObservedSecret | None:
    """Return the pull secret that others can be copied from: of those that have all logins, the one to last longest."""
    valid = [secret for secret in held if secret.is_valid(now) and not secret.is_output]
    able = [secret for secret in valid if set(desired.registries) <= set(secret.registries)]
    return max(
        able,
        key=lambda secret: (secret.is_fresh(now, desired), secret.renew_after, secret.namespace),
        default=None,
    )


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
        if image_pull_secrets.patch(account, uid, item.secret_name if is_wanted else None, str(item.owner)):
            wrong.append(place)
        elif is_wanted and (writer := image_pull_secrets.contender(account, account, uid)):
            contested.append(ContestedAccount(place, writer))
    return wrong, contested
