# Copyright: kube_ecr.secrets contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""From custom resources to AWS identities and credentials, by way of the objects of the cluster they refer to.

The inventory tells identities apart, and the worker that asks AWS turns one into credentials; both come through here,
so that nothing is resolved that is not allowed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from .._aws.access import Access, Keys, KubernetesObject
from .._aws.access import parse as parse_access
from .._aws.identity import CredentialsError, Identity, WebIdentity, session_name
from .._aws.identity import resolve as resolve_identity
from .._aws.session import Credentials
from .._cluster.client import Cluster
from .._cluster.errors import KubernetesError
from .._contract.errors import SpecError

PARALLEL = 16
# https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_providers_create_oidc.html: the client ID of the provider.
AUDIENCE = "sts.amazonaws.com"


@dataclass(frozen=True)
class Settings:
    """What the one who runs the playbook decides: see Identity.endpoint_url, and resolve() for allowed."""

    allowed: tuple[str, ...] = ()
    endpoint_url: str | None = None


def resolve_all(
    cluster: Cluster, resources: Iterable[tuple[Mapping[str, Any], str]], settings: Settings
) -> list[Identity | SpecError | CredentialsError | KubernetesError]:
    """Return for each custom resource, given with its region, the identity that it uses, or why it has none.

    What resources refer to is read once each, and side by side.
    """
    accesses = [(_access_of(resource), region) for resource, region in resources]
    needed = {need: None for access, _region in accesses if isinstance(access, Access) for need in access.needs()}
    if needed:
        with ThreadPoolExecutor(min(PARALLEL, len(needed))) as pool:
            objects = dict(zip(needed, pool.map(lambda need: _read(cluster, need), needed)))
    else:
        objects = {}
    return [_resolved(access, region, objects, settings) for access, region in accesses]


def _access_of(resource: Mapping[str, Any]) -> Access | SpecError:
    try:
        return parse_access(resource)
    except SpecError as error:
        return error


def _read(cluster: Cluster, need: KubernetesObject) -> dict | KubernetesError | None:
    try:
        return cluster.read_object(need.kind, need.namespace, need.name)
    except KubernetesError as error:
        return error


def _resolved(
    access: Access | SpecError,
    region: str,
    objects: Mapping[KubernetesObject, dict | KubernetesError | None],
    settings: Settings,
) -> Identity | SpecError | CredentialsError | KubernetesError:
    if isinstance(access, SpecError):
        return access
    found: dict[KubernetesObject, dict | None] = {}
    for need in access.needs():
        item = objects[need]
        if isinstance(item, KubernetesError):
            return item
        found[need] = item
    try:
        return resolve_identity(access, region, found, settings.allowed, settings.endpoint_url)
    except CredentialsError as error:
        return error


def credentials(cluster: Cluster, resource: Mapping[str, Any], region: str, settings: Settings) -> Credentials:
    """Return the credentials with which AWS is called as the identity of a custom resource, in a region.

    Raises SpecError, CredentialsError or KubernetesError.
    """
    (identity,) = resolve_all(cluster, [(resource, region)], settings)
    if isinstance(identity, Exception):
        raise identity
    return Credentials(
        region=region,
        role_arn=identity.role_arn,
        external_id=identity.external_id if identity.role_arn else None,
        role_session_name=session_name(resource),
        endpoint_url=settings.endpoint_url,
        **_source(cluster, identity.source),
    )


def _source(cluster: Cluster, source: Keys | WebIdentity | None) -> dict[str, Any]:
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
