# Copyright: kube_ecr.secrets contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The hosts of the inventory: each stands for some AWS identities, and has the items that these serve.

Pure. Items that no identity serves are on hosts of their own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from itertools import chain, count

from .._aws.identity import Identity
from .._contract.item import Item
from .login_order import LoginOrder

GROUP = "aws_identities"
SUSPENDED_GROUP = "suspended_pull_secrets"
# Hosts of items that need no identity: with an error, of a resource that is being deleted, suspended.
INVALID, ABSENT, SUSPENDED = "invalid", "absent", "suspended"
# The host of an inventory file that could not be read, or not as it was meant.
UNREAD = "inventory-error"
# A host costs Ansible a process, an identity costs that process a thread.
IDENTITIES_PER_HOST = 25


@dataclass(frozen=True)
class Host:
    """A host of the inventory: its items, and the logins that they need before they can be served."""

    name: str
    items: tuple[Item, ...]
    logins: tuple[LoginOrder, ...] = ()

    @property
    def group(self) -> str:
        """The group that it is in."""
        return SUSPENDED_GROUP if self.name == SUSPENDED else GROUP


def hosts_of(items: Iterable[Item], identities: Mapping[str, Identity]) -> list[Host]:
    """Return the hosts for items; identities are by the UID of the resource."""
    unserved: dict[str, list[Item]] = {}
    served: dict[Identity, list[Item]] = {}
    for item in items:
        if name := _name_of(item):
            unserved.setdefault(name, []).append(item)
        else:
            served.setdefault(identities[item.owner.uid], []).append(item)
    number_of_hosts = -(-len(served) // IDENTITIES_PER_HOST)
    shares = [list(served.values())[start::number_of_hosts] for start in range(number_of_hosts)]
    return [
        *(_host(f"aws-identities-{number}", share) for number, share in enumerate(shares, 1)),
        *(Host(name, tuple(found)) for name, found in unserved.items()),
    ]


def free_name(name: str, is_taken: Callable[[str], bool]) -> str:
    """Return a name for a host, with a number behind it, or a higher one, where another inventory file has that name.

    Hosts of one name are one host to Ansible: it would have the variables of the last file only.
    """
    stem, _dash, number = name.rpartition("-")
    stem, first = (stem, int(number)) if number.isdigit() else (name, 1)
    names = chain([name], (f"{stem}-{following}" for following in count(first + 1)))
    return next(each for each in names if not is_taken(each))


def _host(name: str, share: list[list[Item]]) -> Host:
    """Return the host for identities, of each of which the items are given."""
    logins = tuple(order for served in share if (order := _login_order(served)))
    return Host(name, tuple(item for served in share for item in served), logins)


def _login_order(items: list[Item]) -> LoginOrder | None:
    """Return which logins an identity has to get for its items, None where no new token is wanted.

    Any resource of an identity can stand for it: the first that is due says where its credentials are looked up, and
    in which region STS is asked for them.
    """
    due = [item for item in items if item.observed.is_due]
    if not due:
        return None
    return LoginOrder(
        owner=due[0].owner,
        region=due[0].region,
        registries=tuple(sorted({request for item in due for request in item.registries})),
        resources=tuple(item.reference for item in due),
    )


def _name_of(item: Item) -> str | None:
    """Return the host of an item that no AWS identity serves, None for others."""
    if item.suspended:
        return SUSPENDED
    if item.is_absent:
        return ABSENT
    return INVALID if item.error else None
