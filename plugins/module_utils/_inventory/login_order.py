# Copyright: kube_ecr.secrets contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which logins one AWS identity is to get for a run: made by the inventory, carried out by the worker that asks AWS."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .._contract.item import Owner
from .._contract.login_request import LoginRequest


@dataclass(frozen=True)
class LoginOrder:
    """The logins that one identity gets for some resources, named by their references.

    owner is the resource that says how to reach AWS, and region where it calls: there is no key in here.
    """

    owner: Owner
    region: str
    registries: tuple[LoginRequest, ...]
    resources: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        """Return the form in which the variable aws_logins of a host lists it."""
        return {
            "owner": self.owner.as_dict(),
            "region": self.region,
            "registries": list(map(str, self.registries)),
            "resources": list(self.resources),
        }

    @classmethod
    def from_dict(cls, order: Mapping[str, Any]) -> LoginOrder:
        """Return what as_dict() gave. Raises KeyError, TypeError or ValueError if it is something else."""
        return cls(
            owner=Owner.from_dict(order["owner"]),
            region=order["region"],
            registries=tuple(map(LoginRequest.from_text, order["registries"])),
            resources=tuple(order["resources"]),
        )
