"""Pods that wait for an image that kubelet could not pull, as much of them as the runner needs. Pure.

What always holds: of a pod that waits for no image nothing is kept but its name, so a cluster in which thousands of
pods start costs no memory.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Self

from kube_ecr_runner.contract import reasons
from kube_ecr_runner.contract.reading import mapping_in, mappings_in, text_in
from kube_ecr_runner.contract.timestamps import parse_time

# Of what kubelet says: it names the image twice before it comes to the cause.
MAX_MESSAGE = 1000
_WAITS = frozenset({"ErrImagePull", reasons.IMAGE_PULL_BACK_OFF})
# Where containers are in a pod's spec, and where their states are in its status.
_CONTAINERS = (
    ("initContainers", "initContainerStatuses"),
    ("containers", "containerStatuses"),
    ("ephemeralContainers", "ephemeralContainerStatuses"),
)
# How runtimes and registries say that there is no such image, in lower case. That a repository "does not exist or may
# require authorization" is what they say of a login that is missing, so it is none of these.
_MISSING = ("not found", "manifest unknown", "name unknown", "code = notfound")


@dataclass(frozen=True)
class Owner:
    """The controller of a pod, which makes another one when the pod goes."""

    api_version: str
    kind: str
    name: str
    uid: str


@dataclass(frozen=True)
class WaitingPod:
    """A pod, and for which images it waits; no other pod has its UID.

    images are those that could not be pulled; there are none if the pod waits for none, or is being deleted. message is
    what kubelet says of the first of them, pull_secrets are the names in its imagePullSecrets.
    """

    namespace: str
    name: str
    uid: str
    version: str = ""
    created_at: datetime | None = None
    images: tuple[str, ...] = ()
    message: str = ""
    pull_secrets: frozenset[str] = frozenset()
    owner: Owner | None = None

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"

    @classmethod
    def parse(cls, item: Mapping[str, Any]) -> Self:
        """Return the pod in an object of the API server."""
        metadata, spec = mapping_in(item, "metadata"), mapping_in(item, "spec")
        namespace, name, uid = (text_in(metadata, each) for each in ("namespace", "name", "uid"))
        version = text_in(metadata, "resourceVersion")
        waiting = () if "deletionTimestamp" in metadata else tuple(_waiting(spec, mapping_in(item, "status")))
        if not waiting:
            return cls(namespace, name, uid, version)
        return cls(
            namespace,
            name,
            uid,
            version,
            created_at=parse_time(metadata.get("creationTimestamp")),
            images=tuple(dict.fromkeys(image for image, _ in waiting)),
            message=waiting[0][1][:MAX_MESSAGE],
            pull_secrets=frozenset(text_in(each, "name") for each in mappings_in(spec, "imagePullSecrets")),
            owner=next(_controllers(metadata), None),
        )

    @property
    def hosts(self) -> set[str]:
        """The hosts of the registries that hold the images."""
        return set(filter(None, map(host_of, self.images)))

    @property
    def names_cause(self) -> bool:
        """Whether kubelet says why it could not pull; older ones say so only right after each attempt."""
        return ": " in self.message

    @property
    def lacks_image(self) -> bool:
        """Whether kubelet says that there is no such image, so that no login would help."""
        told = self.message.lower()
        return any(words in told for words in _MISSING)


def host_of(image: str) -> str:
    """Return the host of the registry that an image is named with, an empty text if it is named without one."""
    host, slash, _ = image.partition("/")
    return host if slash else ""


def _waiting(spec: Mapping[str, Any], status: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield the image of each container that waits for it, as it stands in the spec, and what kubelet says of it."""
    for containers, statuses in _CONTAINERS:
        for state in mappings_in(status, statuses):
            waiting = mapping_in(mapping_in(state, "state"), "waiting")
            if text_in(waiting, "reason") in _WAITS:
                named = (each for each in mappings_in(spec, containers) if each.get("name") == state.get("name"))
                image = text_in(next(named, {}), "image") or text_in(state, "image")
                yield image, text_in(waiting, "message")


def _controllers(metadata: Mapping[str, Any]) -> Iterator[Owner]:
    for owner in mappings_in(metadata, "ownerReferences"):
        if owner.get("controller") is True:
            yield Owner(*(text_in(owner, name) for name in ("apiVersion", "kind", "name", "uid")))
