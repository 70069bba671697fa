# Copyright: kube_ecr.secrets contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What already stands in the cluster for the resources of a batch: looked up once, for all of them.

By it the inventory knows which resources want a new token at all, and the play what is to be written, removed or left.
Of Secrets the metadata is asked for and nothing else. What cannot be listed for want of a right is not known (None):
then the play looks at each target itself.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime
from itertools import chain, product

from .._cluster.client import Cluster, KubernetesError
from .._contract.ownership import OWNER_LABEL
from .._contract.targets import Names
from .._reconcile.request import wanted_of
from .._secret import image_pull_secrets, merge, pull_secret
from .._secret.pull_secret import Held
from .._secret.shared_entries import SHARED

# Each UID has 36 characters, and the path of a request has its limits with the API server and proxies.
UIDS_A_CALL = 50


def namespaces(cluster: Cluster) -> dict[str, Mapping[str, str]]:
    """Return the labels of the namespaces of the cluster by name. Raises KubernetesError."""
    return {each["name"]: each.get("labels") or {} for each in cluster.list_metadata("namespaces")}


def complete(cluster: Cluster, items: list[dict], now: datetime, namespaces: Collection[str] = ()) -> None:
    """Fill in what stands for items of the inventory: secrets, sibling, due and accounts. Raises KubernetesError.

    namespaces are those outside which no item has anything, and nothing is looked up; without any, it is the cluster.
    """
    places = namespaces or ("",)
    secrets = _secrets(cluster, items, places) if items else []
    needy = [each for each in items if each["service_accounts"] or each["has_finalizer"]]
    accounts = _unless_forbidden(lambda: chain(*map(cluster.list_service_accounts, places))) if needy else []
    for item in items:
        held = None if secrets is None else _held(item, secrets)
        sibling = _sibling(item, held or [], now)
        item["secrets"] = None if held is None else [each.as_dict() for each in held]
        item["sibling"] = {"namespace": sibling.namespace, "name": sibling.name} if sibling else None
        item["due"] = bool(
            item["namespaces"]
            and item["state"] == "present"
            and not item["suspended"]
            and not item["error"]
            and not (sibling and sibling.is_fresh(now, wanted_of(item)))
        )
        item["accounts"] = None if accounts is None else _accounts(item, accounts)


def _secrets(cluster: Cluster, items: Iterable[dict], places: Collection[str]) -> list[dict] | None:
    """Return the metadata of the Secrets that have our label; without the right to list all, of those of the names.

    places are the namespaces to look into, an empty one for all.
    """
    owners = [SHARED, *(item["owner"]["uid"] for item in items)]
    chunks = [owners[start : start + UIDS_A_CALL] for start in range(0, len(owners), UIDS_A_CALL)]
    found = _unless_forbidden(
        lambda: (
            each
            for chunk, place in product(chunks, places)
            for each in cluster.list_metadata("secrets", f"{OWNER_LABEL} in ({','.join(chunk)})", namespace=place)
        )
    )
    if found is not None:
        return found
    names = sorted({item["secret_name"] for item in items if item["secret_name"]})
    return _unless_forbidden(
        lambda: (
            each
            for name, place in product(names, places)
            for each in cluster.list_metadata("secrets", field_selector=f"metadata.name={name}", namespace=place)
        )
    )


def _unless_forbidden(listed) -> list[dict] | None:
    try:
        return list(listed())
    except KubernetesError as error:
        if error.status == 403:
            return None
        raise


def _held(item: dict, secrets: Iterable[dict]) -> list[Held]:
    wanted = wanted_of(item)
    found = []
    for metadata in secrets:
        if pull_secret.is_marked(metadata, wanted.owner):
            found.append(Held.of(metadata, wanted))
        else:
            shared = merge.held(metadata, wanted, wanted.owner.uid)
            found += [shared] if shared else []
    return found


def _sibling(item: dict, held: Iterable[Held], now: datetime) -> Held | None:
    """Return the Secret from which others can have their logins: of those that have all, the one to last longest."""
    wanted = wanted_of(item)
    able = [each for each in held if each.lives(now) and set(wanted.entries) <= set(each.entries)]
    return max(able, key=lambda each: (each.is_fresh(now, wanted), each.renew_after, each.namespace), default=None)


def _accounts(item: dict, accounts: Iterable[dict]) -> list[dict]:
    """Return the service accounts that are not as the resource wants them."""
    targets = set(item["namespaces"] or ()) if item["state"] == "present" else set()
    names, found = Names.of_service_accounts(item["service_accounts"]), []
    for account in accounts:
        metadata = account["metadata"]
        is_wanted = metadata["namespace"] in targets and names.matches(metadata["name"])
        name = item["secret_name"] if is_wanted else None
        if image_pull_secrets.patch(account, item["owner"]["uid"], name):
            found.append({"namespace": metadata["namespace"], "name": metadata["name"]})
    return found
