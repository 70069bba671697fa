"""The objects in the first list of a source. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from kube_ecr_runner.model.resource import Reference, Referenced, ReferenceKind


class InitialList:
    """Index of the objects in the initial list of a source: there is nothing yet that they could be compared with."""

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
