# Copyright: kube_ecr.secrets contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Authorizations: who may log in to which registry, with which password, until when.

Pure. An answer of AWS is believed as to the host and nothing else: whatever is malformed or already
expired is refused here, so that no later part ever writes it into a Secret.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from urllib.parse import urlsplit

from .._contract.errors import ApiError
from .._contract.login_request import LoginRequest
from .._contract.timestamps import format_time, parse_rfc3339
from .._contract.token_life import MAX_TOKEN_LIFE

# With less of it left, nobody pulls with a token, and whoever renews it does nothing else.
_MIN_TOKEN_LIFE = timedelta(seconds=10)


class MalformedAnswer(ApiError):
    """AWS answered, but with nothing that can be used. The message holds no part of the token."""


@dataclass(frozen=True)
class Authorization:
    """A login for one registry.

    registry is the host (with a port where the endpoint names one) as it stands in image references;
    expires_at is an aware UTC datetime. The password is left out of repr. requested is the entry (see
    registries) that it answers.
    """

    registry: str
    username: str
    password: str = field(repr=False)
    expires_at: datetime
    requested: LoginRequest

    def as_dict(self) -> dict[str, str]:
        """Return the form that modules pass to each other, with expires_at in RFC 3339."""
        return {
            "registry": self.registry,
            "username": self.username,
            "password": self.password,
            "expires_at": format_time(self.expires_at),
            "requested": str(self.requested),
        }


@dataclass(frozen=True)
class LoginError:
    """Why a login is missing, as a word in CamelCase and a text; requested is None where it is about all of them."""

    requested: LoginRequest | None
    reason: str
    message: str

    def as_dict(self) -> dict[str, str | None]:
        """Return the form that modules pass to each other."""
        return {
            "requested": str(self.requested) if self.requested else None,
            "reason": self.reason,
            "msg": self.message,
        }

    @classmethod
    def from_options(cls, option: dict) -> LoginError:
        """Return the error that a validated module option describes."""
        requested = option.get("requested")
        return cls(LoginRequest.from_text(requested) if requested else None, option["reason"], option["msg"])


def from_options(option: dict) -> Authorization:
    """Return the authorization that a validated module option describes.

    Raises ValueError naming the suboption that cannot be used.
    """
    registry = option["registry"]
    parts = urlsplit(f"//{registry}")
    if not registry or parts.netloc != registry or parts.username is not None or registry != registry.strip():
        raise ValueError(
            f"authorizations: registry {registry!r} is not a bare host, such as "
            "111122223333.dkr.ecr.eu-west-1.amazonaws.com (no scheme, no path)"
        )
    if not option["password"]:
        raise ValueError(f"authorizations: the password for {registry} is empty")
    try:
        expires_at = parse_rfc3339(option["expires_at"])
    except ValueError as error:
        raise ValueError(f"authorizations: expires_at of {registry} is not RFC 3339: {error}") from None
    return Authorization(registry, option["username"], option["password"], expires_at, requested_in(option))


def living_from_options(options: Iterable[dict], now: datetime) -> list[Authorization]:
    """Return the authorizations in a validated module option. Raises ValueError if one has expired."""
    found = list(map(from_options, options))
    for each in found:
        if each.expires_at <= now:
            raise ValueError(f"authorizations: the token for {each.registry} expired at {each.expires_at}")
    return found


def requested_in(option: dict) -> LoginRequest:
    """Return the request that the authorization in an option answers: its own registry where it does not say."""
    text = option.get("requested")
    return LoginRequest.from_text(text) if text else LoginRequest(option["registry"], None)


def from_answer(answer: dict, requested: LoginRequest, now: datetime) -> Authorization:
    """Return the authorization for what was requested, in an answer to GetAuthorizationToken.

    answer is boto3's response, of ECR or of ECR Public; requested is what was asked for; now an aware
    datetime. The shapes are documented at
    https://docs.aws.amazon.com/AmazonECR/latest/APIReference/API_AuthorizationData.html (a list) and
    https://docs.aws.amazon.com/AmazonECRPublic/latest/APIReference/API_AuthorizationData.html (one object, without
    an endpoint): authorizationToken is base64 of C(user:password), proxyEndpoint a URL.

    Raises MalformedAnswer when there is no usable, living token in it.
    """
    data = answer.get("authorizationData")
    entry = data[0] if isinstance(data, list) and data else data
    if not isinstance(entry, dict) or not entry:
        raise MalformedAnswer("AWS ECR answered without authorizationData")
    registry = requested.host or _endpoint_host(entry)
    if not registry:
        raise MalformedAnswer("AWS ECR answered without a usable proxyEndpoint")
    username, password = _split_token(_text(entry, "authorizationToken"))
    return Authorization(registry, username, password, _expiry(entry, now), requested)


def _text(entry: dict, name: str) -> str:
    """botocore (1.44) does not look at the type of what it reads."""
    value = entry.get(name)
    return value if isinstance(value, str) else ""


def _endpoint_host(entry: dict) -> str:
    try:
        return urlsplit(_text(entry, "proxyEndpoint")).netloc
    except ValueError:
        return ""


def _expiry(entry: dict, now: datetime) -> datetime:
    expires_at = entry.get("expiresAt")
    if not isinstance(expires_at, datetime):
        raise MalformedAnswer("AWS ECR answered without expiresAt, so the life of its token is not known")
    expires_at = expires_at.astimezone(timezone.utc)
    if expires_at <= now + _MIN_TOKEN_LIFE:
        raise MalformedAnswer(
            f"AWS ECR answered with a token that {'expired' if expires_at <= now else 'is about to expire'} at "
            f"{format_time(expires_at)}; the clock of this machine says {format_time(now)}, check it"
        )
    # Whatever is said of a time beyond, nobody may take the token for a living one then.
    return min(expires_at, now + MAX_TOKEN_LIFE)


def _split_token(token: str) -> tuple[str, str]:
    try:
        username, colon, password = base64.b64decode(token, validate=True).decode("ascii").partition(":")
    except (binascii.Error, UnicodeDecodeError):
        raise MalformedAnswer("AWS ECR answered with an authorizationToken that is not base64") from None
    if not (username and colon and password):
        raise MalformedAnswer("AWS ECR answered with an authorizationToken that is not of the form user:password")
    return username, password
