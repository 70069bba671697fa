# Copyright: kube_ecr.secrets contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How a custom resource reaches AWS: what its spec.awsAccess says, checked once more.

Pure. What always holds: a namespaced resource names nothing outside its own namespace, and no message quotes a
key, a token or an external ID.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from .._contract.errors import ResourceError
from .._contract.grammar import check_namespaces, check_secret_name, is_data_key
from .._contract.resource import is_cluster_scoped, spec_of
from .keys import KeyFormError, decode_keys

# https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html and reference_identifiers.html
_ROLE_ARN = re.compile(r"arn:aws[a-z-]*:iam::[0-9]{12}:role/[\w+=,.@/-]{1,1024}", re.ASCII)
# https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html
_EXTERNAL_ID = re.compile(r"[\w+=,.@:/-]{2,1224}", re.ASCII)
_SESSION_NAME = re.compile(r"[\w+=,.@-]{2,64}", re.ASCII)
# Of an access key ID: https://docs.aws.amazon.com/IAM/latest/APIReference/API_AccessKey.html
MIN_KEY_ID = 16
UNPRINTABLE = "holds white space or a character outside ASCII"


@dataclass(frozen=True)
class Keys:
    """An access key of IAM, or a temporary one with its session token."""

    access_key: str = field(repr=False)
    secret_key: str = field(repr=False)
    session_token: str | None = field(default=None, repr=False)


@dataclass(frozen=True)
class KubernetesObject:
    """What names an object of the cluster; namespace is empty for a Namespace."""

    kind: str
    namespace: str
    name: str

    def __str__(self) -> str:
        within = f" in namespace {self.namespace}" if self.namespace else ""
        return f"{self.kind} {self.name}{within}"


@dataclass(frozen=True)
class SecretKeys:
    """Which keys of a Secret hold what; without a session token of that name there is none."""

    secret: KubernetesObject
    access_key: str
    secret_key: str
    session_token: str
    needs_session_token: bool


@dataclass(frozen=True)
class Access:
    """How spec.awsAccess says that AWS is reached; its region is in the item.

    source is None for the identity of the runner or controller itself.
    """

    source: Keys | SecretKeys | KubernetesObject | None
    role_arn: str | None
    external_id: str | None = field(repr=False)
    # Where the use of the runner's identity has to be allowed; None where nobody has to.
    tenant: KubernetesObject | None

    def needs(self) -> list[KubernetesObject]:
        """Return the objects of the cluster without which resolve() cannot tell the identity."""
        if isinstance(self.source, SecretKeys):
            return [self.source.secret]
        if isinstance(self.source, KubernetesObject):
            return [self.source]
        return [self.tenant] if self.tenant else []


def parse(resource: Mapping[str, Any]) -> Access:
    """Return how a custom resource, as the API server holds it, reaches AWS.

    Raises ResourceError naming the field: the cluster may hold what laxer CRDs let in.
    """
    access = spec_of(resource).get("awsAccess")
    if not isinstance(access, dict):
        raise ResourceError("spec.awsAccess", "is missing; it says how to reach AWS")
    refuse_first_generation(resource)
    source = _source(access, resource)
    role_arn = _optional(access, "roleArn", check_role_arn)
    external_id = _optional(access, "externalId", check_external_id)
    if external_id and not role_arn:
        raise ResourceError("spec.awsAccess.externalId", "needs roleArn beside it")
    namespace = resource["metadata"].get("namespace")
    is_guarded = source is None and not is_cluster_scoped(resource)
    return Access(source, role_arn, external_id, KubernetesObject("Namespace", "", namespace) if is_guarded else None)


def refuse_first_generation(resource: Mapping[str, Any]) -> None:
    """Raise ResourceError if a resource is of the first releases of kube-ecr-secrets-operator, saying what to write.

    They had the keys and the region in a Secret that awsAccess names, see chart/crds at 21f8b58 of
    https://github.com/zak905/kube-ecr-secrets-operator. Without this, the runner's own identity would be used.
    """
    access = spec_of(resource).get("awsAccess")
    if not isinstance(access, dict) or "secretName" not in access or {"accessKeyId", "secretAccessKey"} & access.keys():
        return
    # It stands in the definition of the deprecated kind only so that the API server keeps it.
    secret, namespace = access["secretName"], access.get("namespace", "default")
    raise ResourceError(
        "spec.awsAccess.secretName",
        "is of the first releases of kube-ecr-secrets-operator and is not served; make a ClusterAWSECRImagePullSecret "
        f"named {resource['metadata']['name']} with the same secretName and namespaces, and in awsAccess write region: "
        f"(the AWS_REGION in that Secret) and credentialsSecretRef: {{name: {secret}, namespace: {namespace}}}; it "
        "takes over the pull secrets. See docs/migration.md",
    )


def _optional(access: Mapping[str, Any], name: str, check: Callable[[object, str], str]) -> str | None:
    value = access.get(name)
    return None if value is None else check(value, f"spec.awsAccess.{name}")


def _source(access: Mapping[str, Any], resource: Mapping[str, Any]) -> Keys | SecretKeys | KubernetesObject | None:
    ways = {
        "accessKeyId and secretAccessKey": "accessKeyId" in access or "secretAccessKey" in access,
        "credentialsSecretRef": "credentialsSecretRef" in access,
        "serviceAccountRef": "serviceAccountRef" in access,
    }
    given = [way for way, is_there in ways.items() if is_there]
    if len(given) > 1:
        raise ResourceError("spec.awsAccess", f"gives {len(given)} ways in ({', '.join(given)}); keep one")
    if not given:
        return None
    if given == ["credentialsSecretRef"]:
        return _secret_keys(access["credentialsSecretRef"], resource)
    if given == ["serviceAccountRef"]:
        return referred("ServiceAccount", access["serviceAccountRef"], "spec.awsAccess.serviceAccountRef", resource)
    keys = [_inline_key(access, name) for name in ("accessKeyId", "secretAccessKey")]
    try:
        return Keys(*decode_keys(*keys))
    except KeyFormError as error:
        raise ResourceError(f"spec.awsAccess.{error.field}", str(error)) from None


def _inline_key(access: Mapping[str, Any], name: str) -> str:
    value, path = access.get(name), f"spec.awsAccess.{name}"
    if not isinstance(value, str) or not value:
        raise ResourceError(path, "is missing or empty; accessKeyId and secretAccessKey come as a pair")
    if not is_printable(value):
        raise ResourceError(path, f"{UNPRINTABLE} (a trailing newline from 'echo' or '|'?)")
    return value


def is_printable(value: str) -> bool:
    """Return whether a key or token can be sent to AWS as it stands: ASCII without white space, not empty."""
    return re.fullmatch(r"[!-~]+", value) is not None


def _secret_keys(reference: object, resource: Mapping[str, Any]) -> SecretKeys:
    path = "spec.awsAccess.credentialsSecretRef"
    if not isinstance(reference, dict):
        raise ResourceError(path, "must hold the name of an object")
    secret = referred("Secret", reference, path, resource)
    defaults = {
        "accessKeyIdKey": "AWS_ACCESS_KEY_ID",
        "secretAccessKeyKey": "AWS_SECRET_ACCESS_KEY",
        "sessionTokenKey": "AWS_SESSION_TOKEN",
    }
    names = {name: reference.get(name, default) for name, default in defaults.items()}
    for name, value in names.items():
        if not is_data_key(value):
            # Somebody may have put the AWS key itself here. None is so short.
            shown = repr(value) if len(str(value)) < MIN_KEY_ID else "the value (not shown)"
            raise ResourceError(f"{path}.{name}", f"{shown} cannot be a key of a Secret (letters, digits, '-_.')")
    return SecretKeys(
        secret,
        access_key=names["accessKeyIdKey"],
        secret_key=names["secretAccessKeyKey"],
        session_token=names["sessionTokenKey"],
        needs_session_token="sessionTokenKey" in reference,
    )


def referred(kind: str, reference: object, path: str, resource: Mapping[str, Any]) -> KubernetesObject:
    """Return the object that a field of a custom resource refers to; raise ResourceError with path.

    Only the cluster kind may name a namespace, and has to: it has none of its own.
    """
    if not isinstance(reference, dict):
        raise ResourceError(path, "must hold the name of an object")
    name = check_secret_name(reference.get("name"), f"{path}.name")
    own, given = resource["metadata"].get("namespace"), reference.get("namespace")
    if is_cluster_scoped(resource):
        if given is None:
            raise ResourceError(f"{path}.namespace", f"is missing; a cluster resource says where the {kind} is")
        return KubernetesObject(kind, check_namespaces([given], f"{path}.namespace")[0], name)
    if given not in (None, own):
        raise ResourceError(
            f"{path}.namespace", f"a namespaced resource uses a {kind} of its own namespace only; remove the field"
        )
    return KubernetesObject(kind, own, name)


def check_role_arn(value: object, path: str) -> str:
    """Return value if it has the form of the ARN of an IAM role; raise ResourceError with path if not."""
    if not (isinstance(value, str) and _ROLE_ARN.fullmatch(value)):
        raise ResourceError(path, f"{value!r} is not the ARN of a role, such as arn:aws:iam::111122223333:role/name")
    return value


def check_external_id(value: object, path: str) -> str:
    """Return value if it can be an external ID; raise ResourceError with path, and without the value, if not."""
    if not (isinstance(value, str) and _EXTERNAL_ID.fullmatch(value)):
        raise ResourceError(path, "is not an external ID: 2 to 1224 letters, digits and _+=,.@:/-")
    return value


def check_session_name(value: str, path: str) -> str:
    """Return value if it can name a session of an assumed role; raise ResourceError with path if not."""
    if not _SESSION_NAME.fullmatch(value):
        raise ResourceError(path, f"{value!r} is not a session name: 2 to 64 letters, digits and _+=,.@-")
    return value
