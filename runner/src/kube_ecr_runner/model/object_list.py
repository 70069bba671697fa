"""The objects in a list of a source. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from kube_ecr_runner.model.resource import Reference, Referenced, ReferenceKind


class ObjectList:
    """Index of the objects in a list of a source, which are compared with what the statuses say."""

    def __init__(self, kind: ReferenceKind, name: str, objects: Iterable[Referenced]) -> None:
        """name is what all objects are called, empty if they have any name."""
        self.kind = kind
        self.name = name
        self.found: dict[Reference, Referenced] = {}
        self.by_namespace: dict[str, list[Reference]] = defaultdict(list)
        self.by_owner: dict[str, list[Reference]] = defaultdict(list)
        for item in objects:
            self.found[item.reference] = item
            self.by_namespace[item.reference.namespace].append(item.reference)
            self.by_owner[item.owner].append(item.reference)
