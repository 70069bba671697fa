"""The pod in which the runner is, by what the downward API tells a container. Pure.

https://kubernetes.io/docs/concepts/workloads/pods/downward-api/
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_POD = re.compile(r"(?P<namespace>[a-z0-9-]+)/(?P<name>[a-z0-9.-]+)/(?P<uid>[A-Za-z0-9-]+)")


@dataclass(frozen=True)
class Pod:
    """A pod; no other one has its UID, whatever its name."""

    namespace: str
    name: str
    uid: str

    @classmethod
    def parse(cls, text: str) -> Pod:
        """Return the pod in a text of the form NAMESPACE/NAME/UID. Raises ValueError."""
        found = _POD.fullmatch(text)
        if not found:
            raise ValueError(f"{text!r} is not of the form NAMESPACE/NAME/UID; the downward API has name and UID")
        return cls(**found.groupdict())

    @property
    def owner_reference(self) -> dict[str, str]:
        """What makes an object of its namespace go when it goes."""
        return {"apiVersion": "v1", "kind": "Pod", "name": self.name, "uid": self.uid}
