"""Who the API server says shows a token. Pure."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class User:
    """A user, UserInfo of authentication.k8s.io/v1; extra is what an authenticator adds, by names in order."""

    name: str
    uid: str = ""
    groups: tuple[str, ...] = ()
    extra: tuple[tuple[str, tuple[str, ...]], ...] = ()
