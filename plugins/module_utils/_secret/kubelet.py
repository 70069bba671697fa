# Copyright: kube_ecr.secrets contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What kubelet makes of a docker config JSON: one part that it cannot read makes it refuse all pull secrets of a pod.

Pure. The rule is kubelet's own:
https://github.com/kubernetes/kubernetes/blob/v1.37.2/pkg/credentialprovider/config.go (DockerConfigJSON). Go's
encoding/json reads it, which takes names in any letter case, and null for any value.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator, Mapping

_AUTH = "auth"
_FIELDS = ("username", "password", "email", _AUTH)
_PADDED = re.compile(r"(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)")
_UNPADDED = re.compile(r"(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2,3})?")
# Go's decoder leaves these out wherever they stand.
_LINE_BREAKS = str.maketrans("", "", "\r\n")
# A key of this form names a registry; another one may hold anything, so it is not shown.
_SHOWN_KEY = re.compile(r"[A-Za-z0-9.*:/_-]{1,128}")


def refusal(text: str) -> str | None:
    """Return why kubelet would refuse a docker config JSON, as the rest of a sentence; None if it would take it.

    text is one that docker_config can parse. Of what it holds only the name of a registry is quoted.
    """
    config = json.loads(text) if text.strip() else None
    if not isinstance(config, dict):
        return None
    return next(_faults(config), None)


def _faults(config: Mapping[str, object]) -> Iterator[str]:
    for name, value in config.items():
        if _is_named(name, "httpheaders") and not _is_texts(value):
            yield f"{name} holds a value that is no text"
        if not _is_named(name, "auths") or value is None:
            continue
        if not isinstance(value, dict):
            yield f"{name} is not an object"
            continue
        for number, (key, entry) in enumerate(value.items(), 1):
            if fault := _fault_of(entry):
                yield f"the entry {_shown(key, number)} of {name} {fault}"


def _fault_of(entry: object) -> str | None:
    if entry is None:
        return None
    if not isinstance(entry, dict):
        return "is not an object"
    auth = ""
    for name, value in entry.items():
        field = next((each for each in _FIELDS if _is_named(name, each)), None)
        if field is None or value is None:
            continue
        if not isinstance(value, str):
            return f"has a {field} that is no text"
        auth = value if field == _AUTH else auth
    return _fault_of_auth(auth) if auth else None


def _fault_of_auth(auth: str) -> str | None:
    text = auth.translate(_LINE_BREAKS)
    form = _PADDED if auth.strip().endswith("=") else _UNPADDED
    if not form.fullmatch(text):
        return "has an auth that is not in standard base64"
    if b":" not in base64.b64decode(text + "=" * (-len(text) % 4)):
        return "has an auth without a colon in it (base64 of USERNAME:PASSWORD)"
    return None


def _is_texts(value: object) -> bool:
    is_empty = value is None
    return is_empty or (isinstance(value, dict) and all(isinstance(each, (str, type(None))) for each in value.values()))


def _is_named(key: str, name: str) -> bool:
    """Return whether Go takes a key for the field of that name, which is in lower case. It never changes the length."""
    return len(key) == len(name) and key.casefold() == name


def _shown(key: str, number: int) -> str:
    return repr(key) if _SHOWN_KEY.fullmatch(key) else f"number {number}"
