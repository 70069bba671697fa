# Copyright: kube_ecr.secrets contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The AWS identity that a custom resource uses, and whether it may.

Pure: the objects of the cluster that a resource refers to are read elsewhere and handed in. What always holds:
the identity of the runner is no namespaced resource's by default, and no message quotes a key, a token or an
external ID.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import astuple, dataclass, field
from typing import Any

from .._contract import reasons
from .._contract.errors import ResourceError
from .._contract.kinds import GROUP
from .access import UNPRINTABLE, Access, Keys, KubernetesObject, SecretKeys, check_role_arn, is_printable
from .keys import KeyFormError, decode_keys

ALLOWED_ANNOTATION = f"{GROUP}/allowed-aws-identities"
RUNNER = "runner"
# https://docs.aws.amazon.com/eks/latest/userguide/associate-service-account-role.html
ROLE_ANNOTATION = "eks.amazonaws.com/role-arn"
_MAX_SESSION_NAME = 64


class CredentialsError(Exception):
    """What a resource refers to gives no credentials; reason is a word in CamelCase, the text for a person."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


@dataclass(frozen=True)
class WebIdentity:
    """A service account that assumes a role with a token of its own."""

    account: KubernetesObject
    role_arn: str


@dataclass(frozen=True)
class Identity:
    """What AWS is called with, and where. Two resources share a token only if these are equal.

    region is that of the calls to STS, None where there are none: keys are the same in all regions.
    """

    source: Keys | WebIdentity | None
    role_arn: str | None
    external_id: str | None = field(repr=False)
    region: str | None
    endpoint_url: str | None

    def digest(self, salt: bytes) -> str:
        """Return 12 hex digits that tell identities apart, and without the salt say nothing of the keys.

        The canonical form is JSON, so that no two identities have one text.
        """
        return hmac.new(salt, json.dumps(astuple(self)).encode(), hashlib.sha256).hexdigest()[:12]


def session_name(resource: Mapping[str, Any]) -> str:
    """Return the name of the session of an assumed role, by which CloudTrail shows the resource that asked."""
    metadata = resource["metadata"]
    name = "@".join(filter(None, ("kube-ecr", metadata.get("namespace"), metadata["name"])))
    if len(name) <= _MAX_SESSION_NAME:
        return name
    return f"{name[:55]}+{hashlib.sha256(name.encode()).hexdigest()[:8]}"


def resolve(
    access: Access,
    region: str,
    objects: Mapping[KubernetesObject, dict | None],
    allowed: Iterable[str] = (),
    endpoint_url: str | None = None,
) -> Identity:
    """Return the identity that a resource uses; region is where it calls AWS.

    objects holds those that access needs, None for one that does not exist. allowed are the patterns of AWS
    identities of the runner that namespaced resources may use anywhere; endpoint_url overrides AWS' own.
    Raises CredentialsError.
    """
    role_arn, external_id = access.role_arn, access.external_id
    source: Keys | WebIdentity | None
    if access.tenant:
        _check_allowed(access, objects[access.tenant], allowed)
    if isinstance(access.source, SecretKeys):
        source = _keys_in(access.source, objects[access.source.secret])
    elif not isinstance(access.source, KubernetesObject):
        source = access.source
    else:
        source = WebIdentity(access.source, _web_role(access.source, objects[access.source], role_arn))
        if role_arn == source.role_arn:
            role_arn = None
            if external_id:
                raise CredentialsError(
                    reasons.INVALID_SERVICE_ACCOUNT,
                    f"spec.awsAccess.externalId: {source.account} assumes the role with its token, and AWS takes no "
                    "external ID there; remove it",
                )
    uses_sts = isinstance(source, WebIdentity) or role_arn is not None
    return Identity(source, role_arn, external_id, region if uses_sts else None, endpoint_url)


def _check_allowed(access: Access, namespace: dict | None, allowed: Iterable[str]) -> None:
    """Whoever may create a resource in a namespace must not gain what the runner can do."""
    annotation = annotations_of(namespace).get(ALLOWED_ANNOTATION, "")
    wanted = access.role_arn or RUNNER
    if any(_matches(pattern, wanted) for pattern in (*allowed, *re.split(r"[,\s]+", annotation))):
        return
    name = access.tenant.name if access.tenant else ""
    what = f"to assume {wanted} from" if access.role_arn else "to use"
    raise CredentialsError(
        reasons.IDENTITY_NOT_ALLOWED,
        f"spec.awsAccess: resources of namespace {name} are not allowed {what} the AWS identity of the runner itself; "
        "name credentialsSecretRef or serviceAccountRef, or have an administrator allow it: kubectl annotate "
        f"namespace {name} {ALLOWED_ANNOTATION}={wanted}, or for all namespaces by the runner's option "
        "--allowed-aws-identities (allowed_aws_identities in an inventory file)",
    )


def _matches(pattern: str, wanted: str) -> bool:
    """Only C(*) is special, and stands for any characters."""
    parts = [re.escape(part) for part in pattern.split("*")]
    return re.fullmatch(".*".join(parts), wanted) is not None


def annotations_of(item: dict | None) -> dict:
    """Return the annotations of an object of the API server; empty where there is none."""
    return ((item or {}).get("metadata") or {}).get("annotations") or {}


def _web_role(account: KubernetesObject, item: dict | None, role_arn: str | None) -> str:
    if item is None:
        raise CredentialsError(reasons.SERVICE_ACCOUNT_NOT_FOUND, f"{account} does not exist")
    annotated = annotations_of(item).get(ROLE_ANNOTATION)
    if not annotated and not role_arn:
        raise CredentialsError(
            reasons.INVALID_SERVICE_ACCOUNT,
            f"{account} has no annotation {ROLE_ANNOTATION}, and the resource no roleArn; one of them has to name the "
            "IAM role that it assumes",
        )
    try:
        return check_role_arn(annotated or role_arn, f"annotation {ROLE_ANNOTATION} of {account}")
    except ResourceError as error:
        raise CredentialsError(reasons.INVALID_SERVICE_ACCOUNT, str(error)) from None


def _keys_in(keys: SecretKeys, item: dict | None) -> Keys:
    if item is None:
        raise CredentialsError(
            reasons.CREDENTIALS_SECRET_NOT_FOUND, f"{keys.secret} does not exist; it should hold AWS keys"
        )
    data = item.get("data") or {}
    access_key = _value(keys, data, keys.access_key)
    secret_key = _value(keys, data, keys.secret_key)
    has_token = keys.needs_session_token or keys.session_token in data
    session_token = _value(keys, data, keys.session_token) if has_token else None
    try:
        return Keys(*decode_keys(access_key, secret_key), session_token)
    except KeyFormError as error:
        name = keys.access_key if error.field == "accessKeyId" else keys.secret_key
        raise _unusable(keys, name, str(error)) from None


def _value(keys: SecretKeys, data: dict, name: str) -> str:
    if name not in data:
        raise _unusable(keys, name, "is missing; add it, or say in credentialsSecretRef what it is called")
    try:
        value = base64.b64decode(data[name], validate=True).decode("ascii")
    except (binascii.Error, UnicodeDecodeError):
        raise _unusable(keys, name, UNPRINTABLE) from None
    if not value:
        raise _unusable(keys, name, "is empty")
    if not is_printable(value):
        raise _unusable(keys, name, f"{UNPRINTABLE} (a trailing newline from a file or from 'echo'?)")
    return value


def _unusable(keys: SecretKeys, name: str, text: str) -> CredentialsError:
    return CredentialsError(reasons.INVALID_CREDENTIALS_SECRET, f"{keys.secret}: key {name} {text}")
