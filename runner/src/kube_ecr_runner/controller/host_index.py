"""Which resources log in to the registry of an image, so that a pod is no reason to look at all of them. Pure."""

from __future__ import annotations

from collections.abc import Collection

from kube_ecr_runner.contract.targets import Targets
from kube_ecr_runner.model.resource import Key

# A resource with more hosts and namespaces, multiplied, is found by its hosts alone.
MAX_PLACES = 200
_ANYWHERE = ""


class HostIndex:
    """The resources by host and namespace; by host alone where their targets are not a list of a few names."""

    def __init__(self) -> None:
        self._keys: dict[tuple[str, str], set[Key]] = {}
        self._places: dict[Key, frozenset[tuple[str, str]]] = {}

    def put(self, key: Key, hosts: Collection[str], targets: Targets) -> None:
        """Take it that a resource logs in to these hosts, and to no others, in these targets."""
        names: Collection[str] = targets.names.literals
        if targets.needs_namespaces or len(names) * len(hosts) > MAX_PLACES:
            names = (_ANYWHERE,)
        self._put(key, frozenset((host, name) for host in hosts for name in names))

    def forget(self, key: Key) -> None:
        """Drop a resource; an unknown one is no error."""
        self._put(key, frozenset())

    def of(self, host: str, namespace: str) -> set[Key]:
        """Return which resources log in to a host, and may have a namespace among their targets."""
        return {*self._keys.get((host, namespace), ()), *self._keys.get((host, _ANYWHERE), ())}

    def _put(self, key: Key, now: frozenset[tuple[str, str]]) -> None:
        before = self._places.pop(key, frozenset())
        if now:
            self._places[key] = now
        for place in before - now:
            keys = self._keys[place]
            keys.discard(key)
            if not keys:
                del self._keys[place]
        for place in now - before:
            self._keys.setdefault(place, set()).add(key)
