"""Web identity tokens (JSON Web Tokens, RFC 7519), verified as AWS STS does it, and refused in its words."""

from __future__ import annotations

import json
from base64 import urlsafe_b64decode
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from tests.support.aws.refusal import Refused


@dataclass(frozen=True)
class Provider:
    """An OIDC provider of IAM: whom its tokens must be for, and the issuer's public keys in PEM."""

    audience: str
    keys: tuple[bytes, ...]


@dataclass(frozen=True)
class WebIdentity:
    """What a good token says."""

    issuer: str
    subject: str
    audience: str


def verify(token: str, providers: Mapping[str, Provider], now: datetime) -> WebIdentity:
    """Return what the token says; `providers` are by issuer. Raises Refused."""
    header, claims, signed, signature = _parse(token)
    issuer = claims.get("iss", "")
    provider = providers.get(issuer)
    if provider is None:
        raise _invalid(f"No OpenIDConnect provider found in your account for {issuer}")
    if not any(_is_signed_by(key, header.get("alg"), signed, signature) for key in provider.keys):
        raise _invalid(
            "Couldn't retrieve verification key from your identity provider,  please reference "
            "AssumeRoleWithWebIdentity documentation for requirements"
        )
    audiences = claims.get("aud", [])
    if provider.audience not in ([audiences] if isinstance(audiences, str) else audiences):
        raise _invalid("Incorrect token audience")
    _check_times(claims, int(now.timestamp()))
    return WebIdentity(issuer, claims.get("sub", ""), provider.audience)


def _parse(token: str) -> tuple[dict[str, Any], dict[str, Any], bytes, bytes]:
    try:
        header, claims, signature = token.split(".")
        parts = (json.loads(_decode(header)), json.loads(_decode(claims)))
        if not all(isinstance(part, dict) for part in parts):
            raise ValueError("no JSON object")
        return *parts, f"{header}.{claims}".encode(), _decode(signature)
    except ValueError:
        raise _invalid(
            "The ID Token provided is not a valid JWT. (You may see this error if you sent an Access Token)"
        ) from None


def _check_times(claims: Mapping[str, Any], now: int) -> None:
    expires_at = claims.get("exp")
    if not isinstance(expires_at, int):
        raise _invalid("Missing a required claim: exp")
    if now >= expires_at:
        message = f"Token expired: current date/time {now} must be before the expiration date/time {expires_at}"
        raise Refused("ExpiredTokenException", message)
    if now < claims.get("nbf", 0):
        raise _invalid("Token is not yet valid")


def _is_signed_by(key_pem: bytes, algorithm: object, signed: bytes, signature: bytes) -> bool:
    key = load_pem_public_key(key_pem)
    try:
        if algorithm == "RS256" and isinstance(key, rsa.RSAPublicKey):
            key.verify(signature, signed, padding.PKCS1v15(), hashes.SHA256())
            return True
        if algorithm == "ES256" and isinstance(key, ec.EllipticCurvePublicKey) and len(signature) == 64:
            r, s = (int.from_bytes(half) for half in (signature[:32], signature[32:]))
            key.verify(encode_dss_signature(r, s), signed, ec.ECDSA(hashes.SHA256()))
            return True
    except InvalidSignature:
        pass
    return False


def _decode(part: str) -> bytes:
    return urlsafe_b64decode(part + "=" * (-len(part) % 4))


def _invalid(message: str) -> Refused:
    return Refused("InvalidIdentityToken", message)
