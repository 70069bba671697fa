# Copyright: kube_ecr.secrets contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The content of a Secret of type kubernetes.io/dockerconfigjson.

Pure. Written exactly as kubelet, containerd and Flux read it: bare host keys, with username, password
and an auth that is base64 without line breaks
(https://kubernetes.io/docs/concepts/containers/images/#config-json). Read with tolerance, because the
content of somebody else's Secret can be anything; but never changed where it could not be understood.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from datetime import datetime

from .._aws.authorizations import Authorization
from .._contract.errors import SpecError
from .._contract.ownership import DATA_KEY
from .._contract.timestamps import format_time

SECRET_TYPE = "kubernetes.io/dockerconfigjson"
# What kubelet takes for the bare host too, since it strips the scheme, and /v1 or /v2 before a slash
# (https://github.com/kubernetes/kubernetes/blob/v1.37.2/pkg/credentialprovider/keyring.go).
_KEY_OF_HOST = re.compile(r"(?:https?://)?(?P<host>[^/]+)(?:/(?:v[12]/)?)?")
# What it takes for a part of a host: a beginning of the names of repositories, as ECR allows them
# (https://docs.aws.amazon.com/AmazonECR/latest/APIReference/API_CreateRepository.html).
_KEY_OF_PART = re.compile(r"(?:https?://)?(?P<host>[^/]+)/(?:v[12]/)?[a-z0-9][a-z0-9._/-]{0,255}")
# Of the keys of others that are told: their form, and how many.
_TOLD_KEY = re.compile(r"[a-z0-9:./_-]{1,300}")
_MAX_TOLD = 10


class ContentError(SpecError):
    """What is read is no docker config. The message quotes nothing of it, and names the key of a Secret."""

    def __init__(self, form: str) -> None:
        super().__init__(form.format(DATA_KEY))
        self._form = form

    def about(self, place: str) -> str:
        """Return the message with another place in it, such as that of a file."""
        return self._form.format(place)


def render(authorizations: Iterable[Authorization]) -> str:
    """Return the docker config JSON for these authorizations; the same input gives the same text."""
    auths = {
        login.registry: {
            "username": login.username,
            "password": login.password,
            "auth": base64.b64encode(f"{login.username}:{login.password}".encode()).decode(),
        }
        for login in authorizations
    }
    return json.dumps({"auths": auths}, sort_keys=True, separators=(",", ":"))


def merge(config: str, other: str, hosts: Iterable[str]) -> str:
    """Return a docker config JSON with the logins of other for these hosts added, which other holds."""
    merged, source = json.loads(config), json.loads(other)["auths"]
    merged["auths"].update({host: source[host] for host in hosts})
    return json.dumps(merged, sort_keys=True, separators=(",", ":"))


def hosts_in(config: str) -> list[str]:
    """Return, sorted, the hosts that a docker config JSON holds a complete login for.

    Whatever is not a docker config, or not a login as render writes it, counts as nothing.
    """
    try:
        auths = json.loads(config)["auths"]
        return sorted(host for host, entry in auths.items() if _is_complete(entry))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return []


def _is_complete(entry: object) -> bool:
    if not isinstance(entry, dict):
        return False
    login = f"{entry.get('username')}:{entry.get('password')}".encode(errors="surrogatepass")
    return bool(entry.get("password")) and entry.get("auth") == base64.b64encode(login).decode()


def fingerprint(config: str) -> str:
    """Return 12 hex digits that tell two docker configs apart and reveal nothing of either."""
    return hashlib.sha256(config.encode()).hexdigest()[:12]


def content(secret: Mapping) -> str:
    """Return the docker config JSON in a Secret, or an empty text where there is none that can be read."""
    try:
        return base64.b64decode((secret.get("data") or {})[DATA_KEY]).decode()
    except (KeyError, TypeError, ValueError):
        return ""


def describe(config: str, expires_at: datetime | None) -> dict:
    """Return what a diff may show of a docker config: hosts, expiry and a fingerprint, never its data."""
    return {
        "registries": hosts_in(config),
        "expires_at": format_time(expires_at) if expires_at else None,
        "fingerprint": fingerprint(config),
    }


def stored(data: Mapping[str, str] | None) -> str:
    """Return the docker config JSON in the data of a Secret, empty if there is none; raise ContentError."""
    try:
        return base64.b64decode((data or {}).get(DATA_KEY) or "", validate=True).decode()
    except ValueError:
        raise ContentError("{} is not text in UTF-8") from None


def logins(text: str) -> dict[str, dict]:
    """Return the entries of a docker config JSON by host; raise ContentError."""
    return _auths(_parse(text))


def with_logins(text: str, ours: Mapping[str, dict]) -> str:
    """Return a docker config JSON with these entries in it, by host; raise ContentError.

    Other entries for the same hosts, as under C(https://HOST), are taken out: kubelet would try them too. All
    else stays in its order. The text comes back as it is if that changes nothing.
    """
    config = _parse(text)
    held = _auths(config)
    auths = {key: entry for key, entry in held.items() if key in ours or host_of(key) not in ours}
    auths.update(ours)
    return _replaced(text, config, auths)


def without_logins(text: str, hosts: Iterable[str]) -> str:
    """Return a docker config JSON without the entries of these hosts, as with_logins makes them; see there."""
    config, gone = _parse(text), set(hosts)
    return _replaced(text, config, {key: entry for key, entry in _auths(config).items() if key not in gone})


def shadows(text: str, hosts: Iterable[str]) -> tuple[str, ...]:
    """Return the keys of others that are for a part of these hosts, such as C(HOST/team): sorted, and ten at most.

    For images of that part, kubelet tries their logins first, and some consumers nothing else (see docs/consumers.md).
    The same goes for any key of these hosts under C(Auths), which many take for C(auths). None where text is no docker
    config.
    """
    wanted = set(hosts)
    try:
        config = _parse(text)
    except ContentError:
        return ()
    found = {
        key
        for name, auths in config.items()
        if name.casefold() == "auths" and isinstance(auths, dict)
        for key in auths
        if _host_of_part(key) in wanted or (name != "auths" and host_of(key) in wanted)
    }
    return told_keys(sorted(found))


def told_keys(keys: Iterable[str]) -> tuple[str, ...]:
    """Return which of the keys that shadows() gave, and that somebody may have edited since, a person is told."""
    return tuple(filter(_TOLD_KEY.fullmatch, keys))[:_MAX_TOLD]


def selected(text: str, hosts: Iterable[str]) -> str:
    """Return a docker config JSON of the complete logins for these hosts that text holds, and nothing else of it."""
    wanted = set(hosts).intersection(hosts_in(text))
    return merge(render([]), text, wanted) if wanted else render([])


def bare(key: str) -> str:
    """Return the host that a key of auths stands for, the key itself where it has a path."""
    return host_of(key) or key


def is_empty(text: str) -> bool:
    """Return whether a docker config JSON holds nothing at all; what cannot be read holds something."""
    try:
        return not any(_parse(text).values())
    except ContentError:
        return False


def host_of(key: str) -> str | None:
    """Return the host that a key of auths stands for as a whole; None where it stands for a part of a registry."""
    found = _KEY_OF_HOST.fullmatch(key)
    return found["host"] if found else None


def _replaced(text: str, config: dict, auths: dict) -> str:
    if auths == _auths(config):
        return text
    try:
        return json.dumps({**config, "auths": auths}, separators=(",", ":"), allow_nan=False)
    except (ValueError, RecursionError):
        raise ContentError("{} holds something that cannot be written again") from None


def _parse(text: str) -> dict:
    """Return an object whose auths are one, null or missing."""
    try:
        config = json.loads(text, object_pairs_hook=_object) if text.strip() else None
    except ContentError:
        raise
    except (ValueError, RecursionError):
        raise ContentError("{} is not valid JSON") from None
    if config is None:
        return {}
    if not isinstance(config, dict):
        raise ContentError("{} is JSON, but not an object")
    if not isinstance(config.get("auths"), (dict, type(None))):
        raise ContentError("auths in {} is not an object")
    if not all(isinstance(entry, (dict, type(None))) for entry in _auths(config).values()):
        # Kubelet would refuse our login together with it.
        raise ContentError("an entry of auths in {} is not an object")
    return config


def _object(pairs: list[tuple[str, object]]) -> dict:
    """Kubelet puts the parts of what stands there twice together; one of them would be lost here."""
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ContentError("{} has a key twice in one object")
    return found


def _auths(config: dict) -> dict[str, dict]:
    return config.get("auths") or {}


def _host_of_part(key: str) -> str | None:
    found = None if host_of(key) else _KEY_OF_PART.fullmatch(key)
    return found["host"] if found else None
