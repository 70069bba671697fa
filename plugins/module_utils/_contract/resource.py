# Copyright: kube_ecr.secrets contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a custom resource says of itself, read from the object as the API server holds it.

The CRDs refuse most of what is wrong, but a cluster may hold resources that were stored under the laxer CRDs of
kube-ecr-secrets-operator, so everything is checked again here. All text stays data: a value that does not pass is only
ever quoted in a message.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from .errors import ResourceError
from .grammar import is_label_value, is_qualified_name
from .kinds import FINALIZER, GROUP, MAX_RECONCILE_REQUEST, RECONCILE_AT
from .ownership import EXPIRY, MANAGED_BY_LABEL
from .reading import list_in, mapping_in

# Characters in all values together.
_MAX_ANNOTATIONS = 32768


def spec_of(resource: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the spec of a custom resource, empty where it has none."""
    return mapping_in(resource, "spec")


def is_deleting(resource: Mapping[str, Any]) -> bool:
    """Return whether a custom resource is being deleted."""
    return bool(mapping_in(resource, "metadata").get("deletionTimestamp"))


def has_finalizer(resource: Mapping[str, Any]) -> bool:
    """Return whether a custom resource has our finalizer."""
    return FINALIZER in list_in(mapping_in(resource, "metadata"), "finalizers")


def is_suspended(resource: Mapping[str, Any]) -> bool:
    """Return whether reconciliation is suspended; the cleanup after a deletion never is."""
    return spec_of(resource).get("suspend") is True and not is_deleting(resource)


def reconcile_request_of(resource: Mapping[str, Any]) -> str:
    """Return the value of the annotation that asks for a new token now, empty without one."""
    annotations = mapping_in(mapping_in(resource, "metadata"), "annotations")
    return str(annotations.get(RECONCILE_AT) or "")[:MAX_RECONCILE_REQUEST]


def is_cluster_scoped(resource: Mapping[str, Any]) -> bool:
    """Return whether a custom resource is of a cluster kind, and so the administrator's."""
    return not resource["metadata"].get("namespace")


def reference(resource: Mapping[str, Any]) -> str:
    """Return Kind/namespace/name, or Kind/name for the cluster kind: how the option names calls it."""
    metadata = resource["metadata"]
    return "/".join(filter(None, (resource["kind"], metadata.get("namespace"), metadata["name"])))


def namespace_in(reference: str) -> str:
    """Return the namespace in what reference() gave, empty for a cluster resource."""
    return reference.split("/")[1] if reference.count("/") == 2 else ""


def names_in(reference: str) -> tuple[str, str, str]:
    """Return the names by which an option may pick the resource of what reference() gave."""
    return reference, reference.partition("/")[2], reference.rpartition("/")[2]


def is_selected(resource: Mapping[str, Any], names: Collection[str], namespaces: Collection[str]) -> bool:
    """Return whether the options names and namespaces of the inventory pick a resource.

    An empty collection picks all. A name is the bare name, namespace/name, or as reference gives it.
    """
    metadata = resource["metadata"]
    if namespaces and metadata.get("namespace") not in namespaces:
        return False
    return not names or not set(names_in(reference(resource))).isdisjoint(names)


def check_template(template: object, field: str, path: str) -> dict[str, str]:
    """Return labels or annotations (which of them field says) for a Secret, none for None.

    Raises ResourceError with path: those that mark a Secret as ours are not to be set, and annotations have a limit.
    """
    if not isinstance(template or {}, dict):
        raise ResourceError(path, f"must hold {field}, a name and a text each")
    own = MANAGED_BY_LABEL if field == "labels" else EXPIRY
    entries: dict[str, str] = dict(template or {})  # type: ignore[call-overload]
    for name, value in entries.items():
        prefix, _slash, last = str(name).rpartition("/")
        is_value = isinstance(value, str) and (field != "labels" or is_label_value(value))
        if not (is_value and is_qualified_name(last)):
            raise ResourceError(path, f"{name!r} or its value cannot be one of a Secret's {field}")
        if prefix == GROUP or name == own:
            raise ResourceError(path, f"{name!r} is what kube_ecr.secrets itself uses; remove it")
    # No rule of the custom resource definitions: Kubernetes 1.29 takes its cost for boundless and refuses them.
    size = sum(map(len, entries.values()))
    if field == "annotations" and size > _MAX_ANNOTATIONS:
        text = f"the values have {size} characters all together, and {_MAX_ANNOTATIONS} are allowed"
        raise ResourceError(path, f"{text}; shorten or remove some")
    return entries
