# Copyright: kube_ecr.secrets contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Custom resources: from what the API server holds to what is asked for.

Pure. The CRDs refuse most of what is wrong, but a cluster may hold resources that were stored under the
laxer CRDs of kube-ecr-secrets-operator, so everything is checked again here. All text stays data: a value
that does not pass is only ever quoted in a message.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass

GROUP = "aws.zakariaamine.com"
NAMESPACED_KIND = "AWSECRImagePullSecret"
CLUSTER_KIND = "ClusterAWSECRImagePullSecret"
# What kube-ecr-secrets-operator called the cluster kind before; served as it is, for whoever comes from there.
LEGACY_KIND = "AWSECRCredential"
FINALIZER = f"{GROUP}/undo"
POLICIES = ("Fail", "Adopt", "Merge")
DELETION_POLICIES = ("Delete", "Orphan")
# On a custom resource: any new value of it asks for a new token now. On a Secret: the value that it was got for.
RECONCILE_AT = f"{GROUP}/reconcile-at"
MAX_NUDGE = 256

MANAGED_BY_LABEL = "app.kubernetes.io/managed-by"
EXPIRY = "expiry"

_LABEL = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_NAMESPACE = re.compile(_LABEL)
_SECRET_NAME = re.compile(rf"{_LABEL}(\.{_LABEL})*")
_REGION = re.compile(r"[a-z]{2,4}(-[a-z]+)+-[0-9]+")
# https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/#syntax-and-character-set
_KEY_NAME = re.compile(r"[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?")
_LABEL_VALUE = re.compile(r"([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?")
_HOST = re.compile(rf"{_LABEL}(\.{_LABEL})*(:[0-9]{{1,5}})?")


@dataclass(frozen=True)
class Kind:
    """Where the API server has the resources of a kind."""

    version: str
    plural: str


KINDS = {
    NAMESPACED_KIND: Kind("v1alpha2", "awsecrimagepullsecrets"),
    CLUSTER_KIND: Kind("v1alpha2", "clusterawsecrimagepullsecrets"),
    LEGACY_KIND: Kind("v1alpha1", "awsecrcredentials"),
}


class ResourceError(ValueError):
    """A custom resource asks for something that cannot be done; field is the path of what to mend."""

    def __init__(self, path: str, message: str) -> None:
        super().__init__(f"{path}: {message}")
        self.field = path


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


def check_registries(hosts: object, path: str = "registries") -> list[str]:
    """Return hosts of registries without duplicates, in order; raise ResourceError with path and the remedy.

    A host is taken as it stands in image references, where the part before the first slash is one only if it
    holds a dot or a colon (https://pkg.go.dev/github.com/distribution/reference).
    """
    if not isinstance(hosts, list):
        raise ResourceError(path, "must be a list of registry hosts")
    for host in hosts:
        if not (isinstance(host, str) and len(host) <= 261 and _HOST.fullmatch(host) and re.search("[.:]", host)):
            raise ResourceError(
                path,
                f"{host!r} is not a registry host as it stands in image references, such as "
                "111122223333.dkr.ecr.eu-west-1.amazonaws.com or public.ecr.aws (lower case, no scheme, path or tag)",
            )
    return list(dict.fromkeys(hosts))


def check_template(template: object, field: str, path: str) -> dict[str, str]:
    """Return labels or annotations (which of them field says) for a Secret, none for None.

    Raises ResourceError with path: those by which a Secret is known as ours are not to be set.
    """
    if not isinstance(template or {}, dict):
        raise ResourceError(path, f"must hold {field}, a name and a text each")
    own = MANAGED_BY_LABEL if field == "labels" else EXPIRY
    for name, value in (template or {}).items():
        prefix, _slash, last = str(name).rpartition("/")
        is_label_value = field != "labels" or (isinstance(value, str) and _LABEL_VALUE.fullmatch(value))
        if not (isinstance(value, str) and is_label_value and _KEY_NAME.fullmatch(last)):
            raise ResourceError(path, f"{name!r} or its value cannot be one of a Secret's {field}")
        if prefix == GROUP or name == own:
            raise ResourceError(path, f"{name!r} is what kube_ecr.secrets itself uses; remove it")
    return dict(template or {})


def spec_of(resource: dict) -> dict:
    """Return the spec of a custom resource, empty where it has none."""
    spec = resource.get("spec")
    return spec if isinstance(spec, dict) else {}


def is_suspended(resource: dict) -> bool:
    """Return whether nothing is to be done for a custom resource; one that is deleted is undone all the same."""
    return spec_of(resource).get("suspend") is True and not resource["metadata"].get("deletionTimestamp")


def nudge_of(resource: dict) -> str:
    """Return what a custom resource is annotated with to have its token renewed at once, empty if with nothing.

    It is written to each Secret, so of a longer one the first MAX_NUDGE characters count.
    """
    return str((resource["metadata"].get("annotations") or {}).get(RECONCILE_AT) or "")[:MAX_NUDGE]


def is_cluster_scoped(resource: dict) -> bool:
    """Return whether a custom resource is of a cluster kind, and so the administrator's."""
    return not resource["metadata"].get("namespace")


def reference(resource: dict) -> str:
    """Return Kind/namespace/name, or Kind/name for the cluster kind: how the option names calls it."""
    metadata = resource["metadata"]
    return "/".join(filter(None, (resource["kind"], metadata.get("namespace"), metadata["name"])))


def namespace_in(reference: str) -> str:
    """Return the namespace in what reference() gave, empty for a cluster resource."""
    return reference.split("/")[1] if reference.count("/") == 2 else ""


def is_selected(resource: dict, names: Collection[str], namespaces: Collection[str]) -> bool:
    """Return whether the options names and namespaces of the inventory pick a resource.

    An empty collection picks all. A name is the bare name, namespace/name, or as reference gives it.
    """
    metadata = resource["metadata"]
    if namespaces and metadata.get("namespace") not in namespaces:
        return False
    full = reference(resource)
    return not names or bool({metadata["name"], full.partition("/")[2], full}.intersection(names))
