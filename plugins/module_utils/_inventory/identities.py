# Copyright: kube_ecr.secrets contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""From custom resources to AWS identities and credentials, by way of the objects of the cluster they refer to.

The inventory tells identities apart, the lookup turns one into options of ecr_token; both come through here,
so that nothing is resolved that is not allowed.
"""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from .._aws import access as _access
from .._aws import identity as _identity
from .._aws.access import Access, Keys, KubernetesObject
from .._aws.identity import CredentialsError, Identity, WebIdentity
from .._cluster.client import Cluster, KubernetesError
from .._contract.errors import ResourceError

PARALLEL = 16
# https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_providers_create_oidc.html: the client ID of the provider.
AUDIENCE = "sts.amazonaws.com"


@dataclass(frozen=True)
class Settings:
    """What the one who runs the playbook decides: see Identity.endpoint_url, and resolve() for allowed."""

    allowed: tuple[str, ...] = ()
    endpoint_url: str | None = None


def identities(
    cluster: Cluster, resources: Iterable[dict], settings: Settings
) -> list[Identity | ResourceError | CredentialsError | KubernetesError]:
    """Return for each custom resource the identity that it uses, or why it has none.

    What resources refer to is read once each, and side by side.
    """
    accesses = [_parsed(resource) for resource in resources]
    needed = {need: None for access in accesses if isinstance(access, Access) for need in access.needs()}
    if needed:
        with ThreadPoolExecutor(min(PARALLEL, len(needed))) as pool:
            objects = dict(zip(needed, pool.map(lambda need: _read(cluster, need), needed)))
    else:
        objects = {}
    return [_resolved(access, objects, settings) for access in accesses]


def _parsed(resource: dict) -> Access | ResourceError:
    try:
        return _access.parse(resource)
    except ResourceError as error:
        return error


def _read(cluster: Cluster, need: KubernetesObject) -> dict | KubernetesError | None:
    try:
        return cluster.read_object(need.kind, need.namespace, need.name)
    except KubernetesError as error:
        return error


def _resolved(
    access: Access | ResourceError, objects: dict[KubernetesObject, dict | KubernetesError | None], settings: Settings
) -> Identity | ResourceError | CredentialsError | KubernetesError:
    if isinstance(access, ResourceError):
        return access
    for need in access.needs():
        if isinstance(objects[need], KubernetesError):
            return objects[need]
    try:
        return _identity.resolve(access, objects, settings.allowed, settings.endpoint_url)
    except CredentialsError as error:
        return error


def credentials(cluster: Cluster, resource: dict, settings: Settings) -> dict[str, str]:
    """Return the options of ecr_token that make it call AWS as the identity of a custom resource does.

    Raises ResourceError, CredentialsError or KubernetesError.
    """
    (identity,) = identities(cluster, [resource], settings)
    if isinstance(identity, Exception):
        raise identity
    options = {
        **_source_options(cluster, identity.source),
        "role_arn": identity.role_arn,
        "external_id": identity.external_id if identity.role_arn else None,
        "role_session_name": _identity.session_name(resource),
    }
    return {name: value for name, value in options.items() if value is not None}


def _source_options(cluster: Cluster, source: Keys | WebIdentity | None) -> dict[str, str | None]:
    if isinstance(source, Keys):
        return {
            "access_key": source.access_key,
            "secret_key": source.secret_key,
            "session_token": source.session_token,
        }
    if isinstance(source, WebIdentity):
        token = cluster.create_token(source.account.namespace, source.account.name, AUDIENCE)
        return {"web_identity_token": token, "web_identity_role_arn": source.role_arn}
    return {}
