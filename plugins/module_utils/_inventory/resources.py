# Copyright: kube_ecr.secrets contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The custom resources that an inventory is for, read from the API server."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any

from .._cluster.client import Cluster
from .._cluster.errors import KubernetesError
from .._contract.kinds import CLUSTER_KIND, KINDS, LEGACY_KIND, NAMESPACED_KIND
from .._contract.reading import mapping_in, number_in
from .._contract.resource import has_finalizer, is_deleting, is_selected, reference


def is_reference(name: object) -> bool:
    """Return whether name is Kind/namespace/name, or Kind/name, of one of our kinds."""
    return isinstance(name, str) and name.partition("/")[0] in KINDS and name.count("/") in (1, 2)


def named(cluster: Cluster, references: list[str]) -> Iterator[dict]:
    """Yield the resources of these references that exist, and what may have taken the place of a legacy one.

    Raises KubernetesError.
    """
    wanted: dict[tuple[str, str, str], None] = {}
    for reference_ in references:
        kind, *namespace, name = reference_.split("/")
        wanted[kind, "".join(namespace), name] = None
        if kind == LEGACY_KIND:
            wanted[CLUSTER_KIND, "", name] = None
    for kind, within, name in wanted:
        try:
            yield cluster.read_resource(kind, within, name)
        except KubernetesError as error:
            if error.status != 404:
                raise


def listed(cluster: Cluster, namespaces: Collection[str], label_selector: str | None) -> list[dict]:
    """Return the resources of all kinds, or with namespaces those in them. Raises KubernetesError."""
    return [resource for kind in KINDS for resource in _listed(cluster, kind, namespaces, label_selector)]


def _listed(cluster: Cluster, kind: str, namespaces: Collection[str], label_selector: str | None) -> list[dict]:
    if namespaces:
        within = namespaces if kind == NAMESPACED_KIND else []
        return [item for namespace in within for item in cluster.list_resources(kind, label_selector, namespace)]
    try:
        return list(cluster.list_resources(kind, label_selector))
    except KubernetesError as error:
        # Only a cluster that comes from kube-ecr-secrets-operator has the legacy kind.
        if kind == LEGACY_KIND and error.status in (403, 404):
            return []
        raise


def selected(resources: list[dict], names: Collection[str], namespaces: Collection[str]) -> list[dict]:
    """Return, sorted by reference, what the options names and namespaces pick and there is something to do for.

    Kubernetes itself removes a resource that is being deleted where we have nothing to clean up.
    """
    picked = (resource for resource in resources if is_selected(resource, names, namespaces))
    return sorted((item for item in picked if not is_deleting(item) or has_finalizer(item)), key=reference)


def served(resources: Iterable[Mapping[str, Any]]) -> dict[str, int]:
    """Return how many Secrets resources have by their statuses, by UID, of those that have such a status."""
    statuses = {uid_of(resource): mapping_in(resource, "status") for resource in resources}
    return {
        uid: status["namespacesReady"] + number_in(status, "outputsReady")
        for uid, status in statuses.items()
        if isinstance(status.get("namespacesReady"), int)
    }


def uid_of(resource: Mapping[str, Any]) -> str:
    """Return the UID of a resource."""
    return resource["metadata"]["uid"]
