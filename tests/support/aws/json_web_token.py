"""Tokens as the API server of a cluster signs them for service accounts, without a cluster."""

from __future__ import annotations

import json
from base64 import urlsafe_b64encode
from datetime import UTC, datetime
from typing import Any

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

ISSUER, SUBJECT = "https://issuer.example.com", "system:serviceaccount:team:puller"


def json_web_token(key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey, **claims: Any) -> str:
    """Return a token of ISSUER, good but for the claims that are given."""
    now = int(datetime.now(UTC).timestamp())
    good = {"iss": ISSUER, "aud": ["sts.amazonaws.com"], "sub": SUBJECT, "nbf": now - 1, "exp": now + 600}
    algorithm = "RS256" if isinstance(key, rsa.RSAPrivateKey) else "ES256"
    parts = (json.dumps(part).encode() for part in ({"alg": algorithm}, good | claims))
    signed = ".".join(urlsafe_b64encode(part).decode().rstrip("=") for part in parts)
    if isinstance(key, rsa.RSAPrivateKey):
        signature = key.sign(signed.encode(), padding.PKCS1v15(), hashes.SHA256())
    else:
        r, s = decode_dss_signature(key.sign(signed.encode(), ec.ECDSA(hashes.SHA256())))
        signature = r.to_bytes(32) + s.to_bytes(32)
    return f"{signed}.{urlsafe_b64encode(signature).decode().rstrip('=')}"


def public_half(key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey) -> bytes:
    """Return the public key in PEM."""
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    return key.public_key().public_bytes(serialization.Encoding.PEM, form)
