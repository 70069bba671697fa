"""A Kubernetes event about a custom resource. Pure."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Event:
    """A Kubernetes event to be; type is Normal or Warning."""

    type: str
    reason: str
    message: str
