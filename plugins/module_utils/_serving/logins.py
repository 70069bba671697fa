# Copyright: kube_ecr.secrets contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The logins of one AWS identity: its credentials are looked up in the cluster, then AWS is asked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from .._aws.authorizations import Authorization, LoginError
from .._aws.client import connect, get_logins
from .._aws.errors import AWSError
from .._aws.identity import CredentialsError
from .._aws.session import Calls, Credentials
from .._cluster.client import Cluster
from .._cluster.errors import KubernetesError
from .._contract import reasons
from .._contract.errors import ResourceError, SpecError, unforeseen
from .._inventory.identities import Settings, credentials
from .._inventory.login_order import LoginOrder


@dataclass(frozen=True)
class Answer:
    """What AWS granted, and why logins are missing."""

    granted: Sequence[Authorization] = ()
    errors: Sequence[LoginError] = ()


def carry_out(order: LoginOrder, cluster: Cluster, settings: Settings, calls: Calls) -> Answer:
    """Return the logins that an order asks for, or why there are none; never raises. What AWS is asked is in calls."""
    try:
        session = connect(_credentials(order, cluster, settings), calls)
        return Answer(*get_logins(session, order.registries))
    except AWSError as error:
        return _none(error.reason, str(error))
    except (KubernetesError, CredentialsError, SpecError) as error:
        return _none(reasons.CREDENTIALS_UNAVAILABLE, str(error))
    except Exception as error:  # noqa: BLE001 - the other identities of this process go on
        return _none(reasons.UNKNOWN, unforeseen(error))


def _credentials(order: LoginOrder, cluster: Cluster, settings: Settings) -> Credentials:
    owner = order.owner
    resource = cluster.read_resource(owner.kind, owner.namespace, owner.name)
    metadata = resource["metadata"]
    if (metadata["uid"], metadata.get("generation", 0)) != (owner.uid, owner.generation):
        raise ResourceError(str(owner), "was edited or made again meanwhile; run again")
    return credentials(cluster, resource, order.region, settings)


def _none(reason: str, message: str) -> Answer:
    return Answer(errors=[LoginError(None, reason, message)])
