"""What is known of the cluster: its custom resources, its namespaces, and which first lists are still waited for.

It holds what the watches deliver, and says what is new about it; the handlers decide what that means.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import NamedTuple

from kube_ecr_runner.cluster.sources import NAMESPACES, Source
from kube_ecr_runner.controller.host_index import HostIndex
from kube_ecr_runner.model.resource import Key, Namespace, ReferenceKind, Resource


@dataclass
class TrackedResource:
    """One resource, and how it went; resource.status is what was last worked out, even if it could not be written.

    failures is how many of its results in a row have failed, served_generation the one that its last result is of.
    """

    resource: Resource
    failures: int = 0
    served_generation: int | None = None


class ResourceChange(NamedTuple):
    """What a resource was when it was last seen, None where it was unknown, and what it is, None where it is gone."""

    before: Resource | None
    after: Resource | None

    @property
    def is_same_object(self) -> bool:
        """Whether it was not deleted, nor made again under its name."""
        return self.before is not None and self.after is not None and self.before.uid == self.after.uid


class NamespaceChange(NamedTuple):
    """What a namespace was when it was last seen, None where it was unknown, and what it is, None where it is gone."""

    before: Namespace | None
    after: Namespace | None


class Store:
    """Everything by its name; changes of a resource or a namespace are in the order in which they were seen."""

    def __init__(self, sources: Iterable[Source]) -> None:
        """sources are those of the custom resources."""
        self._sources = frozenset(sources)
        self._tracked: dict[Key, TrackedResource] = {}
        self._namespaces: dict[str, Namespace] = {}
        self._by_host = HostIndex()
        self._unlisted = {*self._sources, NAMESPACES}
        self._has_changed = False

    # First lists

    @property
    def is_complete(self) -> bool:
        """Whether all sources have been listed once: only then is it known what is due."""
        return not self._unlisted

    @property
    def unlisted(self) -> list[str]:
        """The names of the sources whose first list is waited for."""
        return [source.name for source in self._unlisted]

    def note_listed(self, source: Source) -> bool:
        """Note that a source was listed; return whether it is the first time."""
        is_first = source in self._unlisted
        self._unlisted.discard(source)
        return is_first

    def has_source(self, source: Source) -> bool:
        """Return whether a source is one of custom resources."""
        return source in self._sources

    # Resources

    def __len__(self) -> int:
        return len(self._tracked)

    def __contains__(self, key: Key) -> bool:
        return key in self._tracked

    def __getitem__(self, key: Key) -> TrackedResource:
        return self._tracked[key]

    def get(self, key: Key) -> TrackedResource | None:
        """Return what is known of a resource, None if nothing is."""
        return self._tracked.get(key)

    def tracked(self) -> Iterator[TrackedResource]:
        """Yield what is known of all resources."""
        yield from self._tracked.values()

    def resources(self) -> Iterator[Resource]:
        """Yield all resources."""
        return (tracked.resource for tracked in self._tracked.values())

    def see(self, resource: Resource) -> ResourceChange:
        """Take a resource as a watch shows it, and return what became of it.

        One that is being deleted is as good as gone, unless a run has something to clean up. The status of a resource
        that is known stays: the one in an event may be older than what was worked out since.
        """
        if resource.deleting and not resource.cleanup:
            return self.remove(resource.key)
        known = self._tracked.get(resource.key)
        before = known.resource if known else None
        if known is None or known.resource.uid != resource.uid:
            known = self._tracked[resource.key] = TrackedResource(resource)
        else:
            known.resource = replace(resource, status=known.resource.status)
        self._has_changed |= known.resource != before
        self._by_host.put(resource.key, known.resource.hosts, resource.targets)
        return ResourceChange(before, known.resource)

    def remove(self, key: Key) -> ResourceChange:
        """Drop a resource that is gone, and return what became of it."""
        known = self._tracked.pop(key, None)
        self._by_host.forget(key)
        self._has_changed |= known is not None
        return ResourceChange(known.resource if known else None, None)

    def missing_in(self, source: Source, listed: Collection[Key]) -> list[Key]:
        """Return the resources of a source that are known, and are not in a list of it."""
        return [key for key in self._tracked if _is_of(key, source) and key not in listed]

    def set_status(self, key: Key, status: Mapping[str, object]) -> Resource:
        """Note what the status of a resource is from now on, and return the resource."""
        tracked = self._tracked[key]
        tracked.resource = replace(tracked.resource, status=status)
        self._by_host.put(key, tracked.resource.hosts, tracked.resource.targets)
        return tracked.resource

    def logged_in_to(self, host: str, namespace: str) -> set[Key]:
        """Return which resources log in to a host, and may have a namespace among their targets."""
        return self._by_host.of(host, namespace)

    def watched_objects(self) -> set[tuple[ReferenceKind, str, str]] | None:
        """Return kind and name of what the resources name, and the namespace to watch it in, empty for all.

        Returns None where no resource has changed since this was asked last. Where resources are those of some
        namespaces only, nothing outside of these is to be read.
        """
        if not self._has_changed:
            return None
        self._has_changed = False
        is_local = all(source.namespace for source in self._sources)
        return {
            (kind, name, resource.key.namespace if is_local else "")
            for resource in self.resources()
            for kind, name in resource.watched
        }

    # Namespaces

    @property
    def namespaces(self) -> Mapping[str, Namespace]:
        """The namespaces of the cluster by name; none where they may not be listed."""
        return self._namespaces

    def see_namespace(self, namespace: Namespace, *, is_gone: bool = False) -> NamespaceChange:
        """Take a namespace as a watch shows it, and return what became of it."""
        before = self._namespaces.pop(namespace.name, None)
        if is_gone:
            return NamespaceChange(before, None)
        self._namespaces[namespace.name] = namespace
        return NamespaceChange(before, namespace)

    def list_namespaces(self, listed: Iterable[Namespace]) -> Iterator[NamespaceChange]:
        """Take all namespaces, one after the other, and yield what became of each; those that are gone come first."""
        present = {namespace.name: namespace for namespace in listed}
        for name in self._namespaces.keys() - present.keys():
            yield self.see_namespace(self._namespaces[name], is_gone=True)
        for namespace in present.values():
            yield self.see_namespace(namespace)


def _is_of(key: Key, source: Source) -> bool:
    return key.kind == source.kind and source.namespace in ("", key.namespace)
