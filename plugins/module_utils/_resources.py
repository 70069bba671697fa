# Copyright: kube_ecr.secrets contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Custom resources: from what the API server holds to what is asked for.

Pure. The CRDs refuse most of what is wrong, but a cluster may hold resources that were stored under the
laxer CRDs of kube-ecr-secrets-operator, so everything is checked again here. All text stays data: a value
that does not pass is only ever quoted in a message, and the message of a key never quotes it.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from collections.abc import Collection
from dataclasses import dataclass, field

from ansible_collections.kube_ecr.secrets.plugins.module_utils._keys import KeyFormError, decode_keys

GROUP = "aws.zakariaamine.com"
VERSION = "v1alpha2"
PLURALS = {
    "AWSECRImagePullSecret": "awsecrimagepullsecrets",
    "ClusterAWSECRImagePullSecret": "clusterawsecrimagepullsecrets",
}
CLUSTER_KIND = "ClusterAWSECRImagePullSecret"

_LABEL = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_NAMESPACE = re.compile(_LABEL)
_SECRET_NAME = re.compile(rf"{_LABEL}(\.{_LABEL})*")
_REGION = re.compile(r"[a-z]{2,4}(-[a-z]+)+-[0-9]+")


class ResourceError(ValueError):
    """A custom resource asks for something that cannot be done; field is the path of what to mend."""

    def __init__(self, path: str, message: str) -> None:
        super().__init__(f"{path}: {message}")
        self.field = path


@dataclass(frozen=True)
class Identity:
    """What an AWS call is made with, and where. Two resources share a token only if these are equal."""

    region: str
    access_key: str
    secret_key: str = field(repr=False)
    endpoint_url: str | None = None

    def digest(self, salt: bytes) -> str:
        """Return 12 hex digits that tell identities apart, and without the salt say nothing of the keys.

        The canonical form is JSON, so that no two identities have one text.
        """
        canonical = json.dumps([self.region, self.access_key, self.secret_key, self.endpoint_url])
        return hmac.new(salt, canonical.encode(), hashlib.sha256).hexdigest()[:12]


def check_secret_name(name: object, path: str = "secret_name") -> str:
    """Return name if it can be the name of a Secret; raise ResourceError with path if not."""
    if not (isinstance(name, str) and len(name) <= 253 and _SECRET_NAME.fullmatch(name)):
        raise ResourceError(path, f"{name!r} is not a valid Secret name (lower case letters, digits, '-', '.')")
    return name


def check_namespaces(names: object, path: str = "namespaces") -> list[str]:
    """Return the names of namespaces without duplicates, in order; raise ResourceError with path."""
    if not isinstance(names, list) or not names:
        raise ResourceError(path, "must list at least one namespace")
    for name in names:
        if not (isinstance(name, str) and len(name) <= 63 and _NAMESPACE.fullmatch(name)):
            raise ResourceError(path, f"{name!r} is not a valid namespace name (lower case letters, digits, '-')")
    return list(dict.fromkeys(names))


def check_region(region: object, path: str = "region") -> str:
    """Return region if it has the form of an AWS region; raise ResourceError with path and the remedy."""
    if not isinstance(region, str) or not region:
        raise ResourceError(path, "is missing; give an AWS region such as eu-west-1")
    if region != region.strip():
        raise ResourceError(path, f"{region!r} begins or ends with white space (a trailing newline?); remove it")
    if not _REGION.fullmatch(region):
        raise ResourceError(path, f"{region!r} is not an AWS region such as eu-west-1 (an availability zone is none)")
    return region


def identity(resource: dict, endpoint_url: str | None = None) -> Identity:
    """Return the AWS identity that a custom resource uses, keys decoded.

    resource is the object as the API server holds it; endpoint_url overrides AWS' own. Raises
    ResourceError naming the field.
    """
    access = _access(resource)
    region = check_region(access.get("region"), "spec.awsAccess.region")
    for key in ("accessKeyId", "secretAccessKey"):
        _check_key(access.get(key), f"spec.awsAccess.{key}")
    try:
        access_key, secret_key = decode_keys(access["accessKeyId"], access["secretAccessKey"])
    except KeyFormError as error:
        raise ResourceError(f"spec.awsAccess.{error.field}", str(error)) from None
    return Identity(region, access_key, secret_key, endpoint_url)


def _access(resource: dict) -> dict:
    access = _spec(resource).get("awsAccess")
    if not isinstance(access, dict):
        raise ResourceError("spec.awsAccess", "is missing; it says how to reach AWS")
    return access


def _spec(resource: dict) -> dict:
    spec = resource.get("spec")
    return spec if isinstance(spec, dict) else {}


def _check_key(key: object, path: str) -> None:
    if not isinstance(key, str) or not key:
        raise ResourceError(path, "is missing or empty; accessKeyId and secretAccessKey come as a pair")
    if not re.fullmatch(r"[!-~]+", key):
        raise ResourceError(
            path, "holds white space or a character outside ASCII (a trailing newline from 'echo' or '|'?)"
        )


def item(resource: dict, endpoint_url: str | None = None) -> tuple[dict, Identity | None]:
    """Return what the play is told of a custom resource, and the AWS identity that serves it.

    The first is a reference and the targets, with no key in it; its C(error) is None, or says why the
    resource cannot be served (then the identity is None, and targets that are wrong are left out).
    """
    metadata = resource["metadata"]
    owner = {
        "api_version": resource["apiVersion"],
        "kind": resource["kind"],
        "namespace": metadata.get("namespace", ""),
        "name": metadata["name"],
        "uid": metadata["uid"],
        "generation": metadata.get("generation", 0),
    }
    told = {
        "reference": reference(resource),
        "owner": owner,
        "secret_name": "",
        "namespaces": [],
        "error": None,
    }
    try:
        told["secret_name"] = check_secret_name(_spec(resource).get("secretName"), "spec.secretName")
        told["namespaces"] = _targets(resource)
        return told, identity(resource, endpoint_url)
    except ResourceError as error:
        told["error"] = {"reason": "InvalidResource", "msg": str(error)}
        return told, None


def _targets(resource: dict) -> list[str]:
    """A namespaced resource serves its own namespace and no other, whatever else it says."""
    if resource["kind"] != CLUSTER_KIND:
        return [resource["metadata"]["namespace"]]
    return check_namespaces(_spec(resource).get("namespaces"), "spec.namespaces")


def reference(resource: dict) -> str:
    """Return Kind/namespace/name, or Kind/name for the cluster kind: how the option names calls it."""
    metadata = resource["metadata"]
    return "/".join(filter(None, (resource["kind"], metadata.get("namespace"), metadata["name"])))


def is_selected(resource: dict, names: Collection[str], namespaces: Collection[str]) -> bool:
    """Return whether the options names and namespaces of the inventory pick a resource.

    An empty collection picks all. A name is the bare name, namespace/name, or as reference gives it.
    """
    metadata = resource["metadata"]
    if namespaces and metadata.get("namespace") not in namespaces:
        return False
    full = reference(resource)
    return not names or bool({metadata["name"], full.partition("/")[2], full}.intersection(names))
