"""Which resources log in to the registry of an image, so that a pod is no reason to look at all of them. Pure."""

from __future__ import annotations

from collections.abc import Collection

from kube_ecr_runner.model.resource import Key


class HostIndex:
    """The resources by host: namespaced ones also by their namespace, since they serve no other."""

    def __init__(self) -> None:
        self._keys: dict[tuple[str, str], set[Key]] = {}
        self._hosts: dict[Key, frozenset[str]] = {}

    def put(self, key: Key, hosts: Collection[str]) -> None:
        """Take it that a resource logs in to these hosts, and to no others."""
        before, now = self._hosts.get(key, frozenset()), frozenset(hosts)
        if before == now:
            return
        for host in before - now:
            keys = self._keys[key.namespace, host]
            keys.discard(key)
            if not keys:
                del self._keys[key.namespace, host]
        for host in now - before:
            self._keys.setdefault((key.namespace, host), set()).add(key)
        if now:
            self._hosts[key] = now
        else:
            del self._hosts[key]

    def forget(self, key: Key) -> None:
        """Drop a resource; an unknown one is no error."""
        self.put(key, ())

    def of(self, host: str, namespace: str) -> set[Key]:
        """Return which resources log in to a host, and may have a namespace among their targets."""
        return {*self._keys.get((namespace, host), ()), *self._keys.get(("", host), ())}
