# Copyright: kube_ecr.secrets contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Static AWS keys as they stand in a custom resource: plain text, or base64.

Pure. The webhook of kube-ecr-secrets-operator replaces both keys by their base64 on create, so a cluster
holds base64 where the manifests in git hold plain text; a resource that was exported and applied again
holds base64 of base64. The base64 form is told by its shape alone: it decodes to an access key ID of IAM
(AKIA or ASIA and upper case letters and digits, 16 to 128 characters in all,
https://docs.aws.amazon.com/IAM/latest/APIReference/API_AccessKey.html), which the raw value is not.
Any other value is taken as it stands: LocalStack's C(test) is a key too.
"""

from __future__ import annotations

import base64
import binascii
import re

from .._contract.errors import SpecError

_ACCESS_KEY_ID = re.compile(r"(AKIA|ASIA)[A-Z0-9]{12,124}")


class KeyFormError(SpecError):
    """A key is in a form that cannot have been meant. field names it; the message never quotes a key."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field


def decode_keys(access_key_id: str, secret_access_key: str) -> tuple[str, str]:
    """Return both keys in plain text, decoded as often as it takes for the key ID to get its shape.

    Raises KeyFormError when the key ID was encoded together with a line break, or when the secret key
    is not encoded as often as the key ID.
    """
    times = _encodings(access_key_id)
    plain_id, plain_secret = access_key_id, secret_access_key
    for _each in range(times):
        plain_id = _decode(plain_id) or ""
        decoded = _decode(plain_secret)
        if not decoded:
            raise KeyFormError(
                "secretAccessKey",
                "is not base64 of a secret key, while accessKeyId is base64; give both in plain text or both in base64",
            )
        plain_secret = decoded
    if plain_secret != plain_secret.strip():
        raise KeyFormError(
            "secretAccessKey",
            "is base64 of a secret key and a line break or space; encode it with printf %s or echo -n",
        )
    return plain_id, plain_secret


def _encodings(access_key_id: str) -> int:
    """Return how many times the key ID was base64-encoded: 0 when it is to be taken as it stands."""
    times = 0
    value: str | None = access_key_id
    while value is not None and not _ACCESS_KEY_ID.fullmatch(value):
        if _ACCESS_KEY_ID.fullmatch(value.strip()):
            raise KeyFormError(
                "accessKeyId",
                "is base64 of a key ID and a line break or space; encode it with printf %s or echo -n",
            )
        value, times = _decode(value), times + 1
    return 0 if value is None else times


def _decode(value: str) -> str | None:
    """Return what a base64 text decodes to if that is non-empty printable ASCII (spaces too), else None."""
    try:
        decoded = base64.b64decode(value, validate=True).decode("ascii")
    except (binascii.Error, UnicodeError, ValueError):
        return None
    return decoded if decoded and re.fullmatch(r"[!-~\s]+", decoded) else None
