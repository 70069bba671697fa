"""What resources refer to is watched, by name: which watches there are, and what each has seen last.

These watches only hasten things. Whatever keeps one from working (a right that is missing, say), resources are served
and refreshed all the same.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from typing import Protocol

from kube_ecr_runner.kube import Source, objects_named
from kube_ecr_runner.logs import fields
from kube_ecr_runner.resources import Reference, Referenced

# Each is a thread and a connection, and whoever may create a resource can name what there is not.
MAX_WATCHES = 200

_log = logging.getLogger(__name__)


class Watcher(Protocol):
    """What delivers Listed and Changed into the inbox: kube.Stream."""

    def start(self) -> None:
        """Begin."""

    def stop(self) -> None:
        """End soon."""

    def is_alive(self) -> bool:
        """Return whether it still works."""


class Following:
    """Watches of the objects that resources refer to: one for each kind and name, in all namespaces at once."""

    def __init__(self, watch: Callable[[Source], Watcher]) -> None:
        """watch makes the watch of a source, which is started and stopped here."""
        self._watch = watch
        self._watchers: dict[Source, Watcher] = {}
        # By source, the resourceVersion of each object; a source that was not listed yet is not in it.
        self._seen: dict[Source, dict[Reference, str]] = {}
        self._is_full = False

    def watchers(self) -> list[Watcher]:
        """Return the watches that should be working now."""
        return list(self._watchers.values())

    def follow(self, references: Iterable[Reference]) -> None:
        """Watch these and nothing else: what is watched already stays so, what is not among them any more ends."""
        wanted = {objects_named(*each) for each in {(each.kind, each.name) for each in references}}
        for source in self._watchers.keys() - wanted:
            self._watchers.pop(source).stop()
            self._seen.pop(source, None)
        new = sorted(wanted - self._watchers.keys(), key=lambda source: source.name)
        room = MAX_WATCHES - len(self._watchers)
        for source in new[:room]:
            self._watchers[source] = self._watch(source)
            self._watchers[source].start()
        self._tell_if_full(len(new) - room)

    def listed(self, source: Source, objects: Iterable[Referenced]) -> set[Reference] | None:
        """Take all objects of a source; return those that changed since they were last seen, also what came or went.

        Returns None the first time: there is nothing to compare them with. A source that is not watched any more has
        nothing new to tell.
        """
        if source not in self._watchers:
            return set()
        versions = {each.reference: each.version for each in objects}
        before = self._seen.get(source)
        self._seen[source] = versions
        if before is None:
            return None
        return {each for each in before.keys() | versions.keys() if before.get(each) != versions.get(each)}

    def changed(self, source: Source, item: Referenced, is_gone: bool) -> set[Reference]:
        """Take one object of a source; return it if it is not as it was last seen. See listed()."""
        seen = self._seen.get(source)
        if seen is None:
            return set()
        before, version = seen.pop(item.reference, None), None if is_gone else item.version
        if version is not None:
            seen[item.reference] = version
        return {item.reference} if version != before else set()

    def _tell_if_full(self, left: int) -> None:
        if left > 0 and not self._is_full:
            cause = f"the resources refer to Secrets and service accounts of more than {MAX_WATCHES} names"
            effect = "a change of the others is noticed only when the resources that name them are refreshed"
            _log.warning("not all references are watched", extra=fields(cause=f"{cause}; {effect}"))
        self._is_full = left > 0
