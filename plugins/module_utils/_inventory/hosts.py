# Copyright: kube_ecr.secrets contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The hosts of the inventory: one for each AWS identity, with the items that it serves.

Pure. Items that no identity serves are on hosts of their own.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from .._aws.identity import Identity
from .._contract.item import Item

GROUP = "aws_identities"
SUSPENDED_GROUP = "suspended_pull_secrets"
# Hosts of items that need no identity: with an error, of a resource that is being deleted, suspended.
INVALID, ABSENT, SUSPENDED = "invalid", "absent", "suspended"


@dataclass(frozen=True)
class Host:
    """A host of the inventory; has_identity says whether it stands for an AWS identity."""

    name: str
    items: tuple[Item, ...]

    @property
    def group(self) -> str:
        """The group that it is in."""
        return SUSPENDED_GROUP if self.name == SUSPENDED else GROUP

    def login_variables(self) -> dict[str, Any]:
        """Return what ecr_token is to be called with, nothing where no new token is wanted.

        Any resource of an identity can stand for it: the first is where its credentials are looked up.
        """
        due = [item for item in self.items if item.observed.is_due]
        if self.name in (INVALID, ABSENT, SUSPENDED) or not due:
            return {}
        return {
            "aws_region": self.items[0].region,
            "aws_registries": sorted({str(request) for item in due for request in item.registries}),
            "aws_credentials": self.items[0].owner.as_dict(),
        }


def hosts_of(items: Iterable[Item], identities: Mapping[str, Identity], salt: bytes) -> list[Host]:
    """Return the hosts for items; identities are by the UID of the resource, and are told apart by a salted digest."""
    by_name: dict[str, list[Item]] = {}
    for item in items:
        by_name.setdefault(_name_of(item) or identities[item.owner.uid].label(salt), []).append(item)
    return [Host(name, tuple(served)) for name, served in by_name.items()]


def _name_of(item: Item) -> str | None:
    """Return the host of an item that no AWS identity serves, None for others."""
    if item.suspended:
        return SUSPENDED
    if item.is_absent:
        return ABSENT
    return INVALID if item.error else None
