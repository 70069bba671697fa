"""What is listed and watched, and what is handed on of each object. Pure.

What always holds: objects are handed on only through the parser of their source, so that what must not stay in memory
does not.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any
from urllib.parse import quote

from kube_ecr_runner.contract.answers import METADATA_KIND
from kube_ecr_runner.contract.kinds import GROUP, KINDS, LEGACY_KIND, api_version
from kube_ecr_runner.model.resource import ReferenceKind, Resource, WatchedObject, parse_namespace, parse_referenced
from kube_ecr_runner.model.waiting_pod import WaitingPod

# A pod takes several kB, and while many start, a page of the usual size would take more memory than the runner at rest.
PODS_PAGE = 100


@dataclass(frozen=True)
class Source:
    """Objects of one kind in the whole cluster, or in a namespace, or those of them that selectors pick.

    kind is that of the objects, selector is one of fields, labels one of labels.

    parse makes of each what is handed on; absent is what to do when the API server does not know the kind, unseen
    what does not work for someone who may not read it, where the rest does. optional is what the rest works without,
    because a cluster need not know the kind, or RBAC not grant it: nobody waits for a list of it. keeps says which
    objects are handed on, None if all are; page is how many are asked for at once, 0
    for as many as usual.
    """

    name: str
    path: str
    kind: str
    parse: Callable[[Mapping[str, Any]], WatchedObject]
    metadata_only: bool = False
    absent: str = ""
    selector: str = ""
    unseen: str = ""
    optional: bool = False
    namespace: str = ""
    labels: str = ""
    keeps: Callable[[WatchedObject], bool] | None = None
    page: int = 0

    @property
    def object_kind(self) -> str:
        """The kind that the API server gives each object in its answers."""
        return METADATA_KIND if self.metadata_only else self.kind


NAMESPACES = Source(
    "namespaces",
    "/api/v1/namespaces",
    "Namespace",
    parse_namespace,
    metadata_only=True,
    optional=True,
    unseen=(
        "a namespace that appears, is relabelled or goes is noticed only when the custom resources are refreshed; "
        "grant the runner list and watch of namespaces for it to be noticed at once"
    ),
)


def resources_of(kind: str, namespace: str = "", labels: str = "") -> Source:
    """Return the source of the custom resources of a kind: all, or those of a namespace or with labels.

    With a namespace, a Role in it is enough.
    """
    plural = KINDS[kind].plural
    return Source(
        name=_named(f"{plural}.{GROUP}", namespace),
        path=_collection(f"/apis/{api_version(kind)}", namespace, plural),
        kind=kind,
        parse=Resource.parse,
        namespace=namespace,
        labels=labels,
        optional=kind == LEGACY_KIND,
        absent=(
            f"the custom resource definition {plural}.{GROUP} is not installed; install it with "
            f"'kubectl apply -f crds/' from the folder of the collection kube_ecr.secrets"
        ),
    )


_REFERENCED = {
    "Secret": ("secrets", partial(parse_referenced, "Secret")),
    "ServiceAccount": ("serviceaccounts", partial(parse_referenced, "ServiceAccount")),
}


def objects_named(kind: ReferenceKind, name: str, namespace: str = "") -> Source:
    """Return the source of the objects of one kind and name in all namespaces, or one; of Secrets, the metadata alone.

    An empty name stands for all of that kind. With one name, RBAC that grants it by resourceNames is enough:
    https://kubernetes.io/docs/reference/access-authn-authz/rbac/#referring-to-resources
    """
    plural, parse = _REFERENCED[kind]
    return Source(
        name=_named(f"{plural}/{name or '*'}", namespace),
        path=_collection("/api/v1", namespace, plural),
        kind=kind,
        parse=parse,
        namespace=namespace,
        metadata_only=kind == "Secret",
        selector=name and f"metadata.name={name}",
        unseen=(
            f"a change of {kind} {name or '*'} is noticed only when the custom resources that name it are refreshed; "
            f"grant the runner list and watch of {plural} for it to be noticed at once"
        ),
    )


def pods_in(namespace: str = "") -> Source:
    """Return the source of the pods that wait for an image, in all namespaces or one.

    A pod that waits for its first image is Pending, and most pods are not: so the API server leaves those out. It has
    no selector for the cause.
    """
    return Source(
        name=_named("pods", namespace),
        path=_collection("/api/v1", namespace, "pods"),
        kind="Pod",
        parse=WaitingPod.parse,
        namespace=namespace,
        selector="status.phase=Pending",
        keeps=_waits,
        page=PODS_PAGE,
        unseen=(
            "which pods cannot pull is not told in the status of the custom resources; grant the runner list and watch "
            "of pods, or turn this off: --no-watch-pods, in the chart runner.watchPods=false"
        ),
    )


def _waits(item: WatchedObject) -> bool:
    return isinstance(item, WaitingPod) and bool(item.images)


def _named(name: str, namespace: str) -> str:
    return f"{name} in {namespace}" if namespace else name


def _collection(api: str, namespace: str, plural: str) -> str:
    return f"{api}/namespaces/{quote(namespace)}/{plural}" if namespace else f"{api}/{plural}"
