"""Secrets and service accounts are watched, by name: which watches there are, and what each has seen last.

These watches only hasten things. Whatever keeps one from working (a right that is missing, say), resources are served
and refreshed all the same.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from itertools import product
from typing import NamedTuple, Protocol

from kube_ecr_runner.cluster.sources import Source, objects_named
from kube_ecr_runner.log import fields
from kube_ecr_runner.model.object_list import ObjectList
from kube_ecr_runner.model.resource import Reference, Referenced, ReferenceKind

# Each is a thread and a connection, and whoever may create a resource can name what there is not.
MAX_WATCHES = 200

_log = logging.getLogger(__name__)


class Watcher(Protocol):
    """What delivers ListEvent and ChangeEvent: reflector.Reflector."""

    def start(self) -> None: ...

    def stop(self) -> None: ...

    def is_alive(self) -> bool: ...


class Change(NamedTuple):
    """What an object was when it was last seen, and what it is: None where it is not there."""

    before: Referenced | None
    after: Referenced | None


class Listing(NamedTuple):
    """All objects of a source, and what changed since they were last seen, also what came or went.

    changes is None the first time: there is nothing to compare them with.
    """

    objects: ObjectList
    changes: list[Change] | None


class WatchManager:
    """Watches of Secrets and service accounts: one for each kind and name, in all namespaces at once or in one."""

    def __init__(self, watch: Callable[[Source], Watcher]) -> None:
        """watch makes the watch of a source, which is started and stopped here."""
        self._watch = watch
        self._watchers: dict[Source, Watcher] = {}
        self._named: dict[Source, tuple[ReferenceKind, str, str]] = {}
        # By source, each object; a source that was not listed yet is not in it.
        self._seen: dict[Source, dict[Reference, Referenced]] = {}
        self._is_full = False

    def watchers(self) -> list[Watcher]:
        """Return the watches that should be working now."""
        return list(self._watchers.values())

    def follow(self, named: Iterable[tuple[ReferenceKind, str, str]]) -> None:
        """Watch what has these kinds and names (see Resource.watched) and nothing else.

        The third is the namespace in which to watch, empty for all. What is watched already stays so, what is not among
        them any more ends.
        """
        wanted = {objects_named(*name): name for name in set(named)}
        for source in self._watchers.keys() - wanted.keys():
            self._watchers.pop(source).stop()
            self._seen.pop(source, None)
        self._named = wanted
        new = sorted(wanted.keys() - self._watchers.keys(), key=lambda source: source.name)
        room = MAX_WATCHES - len(self._watchers)
        for source in new[:room]:
            self._watchers[source] = self._watch(source)
            self._watchers[source].start()
        self._tell_if_full(len(new) - room)

    def listed(self, source: Source, objects: Iterable[Referenced]) -> Listing | None:
        """Take all objects of a source.

        Returns None for a source that is not watched any more: it has nothing new to tell.
        """
        if source not in self._watchers:
            return None
        before, now = self._seen.get(source), {item.reference: item for item in objects}
        self._seen[source] = now
        kind, name, _ = self._named[source]
        found = ObjectList(kind, name, now.values())
        if before is None:
            return Listing(found, None)
        changes = (Change(before.get(reference), now.get(reference)) for reference in before.keys() | now.keys())
        return Listing(found, [change for change in changes if _version(change.before) != _version(change.after)])

    def changed(self, source: Source, item: Referenced, is_gone: bool) -> list[Change]:
        """Take one object of a source; return the change if it is not as it was last seen. See listed()."""
        seen = self._seen.get(source)
        if seen is None:
            return []
        change = Change(seen.pop(item.reference, None), None if is_gone else item)
        if not is_gone:
            seen[item.reference] = item
        return [change] if _version(change.before) != _version(change.after) else []

    def find(self, reference: Reference) -> Referenced | None:
        """Return an object as it was last seen, None if it was not."""
        for namespace, name in product((reference.namespace, ""), (reference.name, "")):
            seen = self._seen.get(objects_named(reference.kind, name, namespace))
            if seen is not None:
                return seen.get(reference)
        return None

    def _tell_if_full(self, left: int) -> None:
        if left > 0 and not self._is_full:
            cause = f"the resources name Secrets and service accounts of more than {MAX_WATCHES} names"
            effect = "a change of the others is noticed only when the resources that name them are refreshed"
            _log.warning("watch limit reached", extra=fields(cause=f"{cause}; {effect}"))
        self._is_full = left > 0


def _version(item: Referenced | None) -> str | None:
    return item.version if item else None
