"""The tokens that ECR gave out in the tests, and which registry each of them opens."""

from __future__ import annotations

import json
import secrets
import threading
from base64 import b64encode
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from tests.support.aws import hosts as ecrhosts


class Verdict(StrEnum):
    """What becomes of a login at a registry."""

    VALID = "valid"
    EXPIRED = "expired"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class _Token:
    scope: str
    expires_at: datetime


class Tokens:
    """All tokens, for several threads. The scope of one is a region, or ecrhosts.PUBLIC."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._tokens: dict[str, _Token] = {}
        self._custom_hosts: dict[str, str] = {}

    def new(self, scope: str, life: timedelta) -> dict[str, str | float]:
        """Give out a token, in the form that ECR and ECR Public answer it."""
        expires_at = datetime.now(UTC) + life
        password = _password(expires_at)
        with self._lock:
            self._tokens[password] = _Token(scope, expires_at)
        return {
            "authorizationToken": b64encode(f"AWS:{password}".encode()).decode(),
            "expiresAt": round(expires_at.timestamp(), 3),
        }

    def verdict(self, host: str, username: str, password: str) -> Verdict:
        """Return whether the password was given out for the host, and whether it is still alive."""
        with self._lock:
            token = self._tokens.get(password)
            scope = self._custom_hosts.get(host) or ecrhosts.scope_of(host)
        if token is None or username != "AWS" or token.scope != scope:
            return Verdict.UNKNOWN
        return Verdict.VALID if datetime.now(UTC) < token.expires_at else Verdict.EXPIRED

    def expire(self) -> None:
        """Make all tokens given so far dead from now on."""
        with self._lock:
            now = datetime.now(UTC)
            for password, token in self._tokens.items():
                self._tokens[password] = _Token(token.scope, min(now, token.expires_at))

    def add_custom_host(self, host: str, region: str) -> None:
        """Let tokens of that region log in to a host that is none of AWS."""
        with self._lock:
            self._custom_hosts[host] = region

    def forget_custom_hosts(self) -> None:
        """Let nobody log in to hosts that are none of AWS."""
        with self._lock:
            self._custom_hosts.clear()


def _password(expires_at: datetime) -> str:
    """Return a random password of the form and size of ECR's (about 2,000 characters)."""
    payload, data_key = (b64encode(secrets.token_bytes(size)).decode() for size in (950, 170))
    content = {"payload": payload, "datakey": data_key, "version": "2", "type": "DATA_KEY"}
    return b64encode(json.dumps({**content, "expiration": int(expires_at.timestamp())}).encode()).decode()
