# Copyright: kube_ecr.secrets contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Logins of other registries beside ECR's in the one pull secret (spec.extraAuths), out of Secrets of the user.

Pure. They are written in the form of our own logins, which all consumers read. An annotation says which of them a pull
secret holds: they are no logins that another namespace is served with, and stay where their Secret cannot be read.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from .._contract import reasons
from .._contract.item import ExtraAuth
from .._contract.ownership import EXTRA_AUTHS, annotations_of
from .._contract.reading import list_in, text_in
from .._contract.result import ErrorResult
from . import docker_config, kubelet


@dataclass(frozen=True)
class ExtraLogins:
    """The entries for a docker config by registry, and what tells them apart from those of another time.

    error says which of them are missing, and why; those that were read are there all the same, and the digest is empty.
    """

    entries: Mapping[str, Mapping[str, str]] = field(default_factory=dict, repr=False)
    digest: str = ""
    error: ErrorResult | None = None

    @property
    def note(self) -> str:
        """The annotation of a pull secret that holds them, empty if there are none."""
        told = {"digest": self.digest, "registries": sorted(self.entries)}
        return json.dumps(told, sort_keys=True, separators=(",", ":")) if self.entries or self.digest else ""

    def added_to(self, config: str) -> str:
        """Return a docker config JSON of ours with them added; our own logins stay as they are."""
        if not self.entries:
            return config
        auths = {**self.entries, **docker_config.logins(config)}
        return json.dumps({"auths": auths}, sort_keys=True, separators=(",", ":"))

    def with_held(self, config: str, names: Iterable[str]) -> ExtraLogins:
        """Return the same with those of the names that a Secret holds, where some could not be read."""
        if self.error is None:
            return self
        held = docker_config.logins(docker_config.selected(config, names))
        return ExtraLogins({**held, **self.entries}, "", self.error)


NO_EXTRA_LOGINS = ExtraLogins()


@dataclass(frozen=True)
class Held:
    """What the annotation of a pull secret says of extra logins in it."""

    digest: str = ""
    registries: tuple[str, ...] = ()

    @classmethod
    def on(cls, metadata: Mapping[str, Any]) -> Held:
        """Return what is noted on a pull secret; what cannot be read counts as nothing."""
        text = text_in(annotations_of(metadata), EXTRA_AUTHS)
        try:
            note = json.loads(text) if text else None
        except (ValueError, RecursionError):
            return cls()
        if not isinstance(note, dict):
            return cls()
        registries = tuple(each for each in list_in(note, "registries") if isinstance(each, str))
        return cls(text_in(note, "digest"), registries)


def without(config: str, registries: Iterable[str]) -> str:
    """Return a docker config JSON of ours without what is noted as extra logins."""
    extra = set(registries)
    if not extra:
        return config
    return docker_config.selected(config, [host for host in docker_config.hosts_in(config) if host not in extra])


def extra_logins(
    wanted: Sequence[ExtraAuth], secrets: Mapping[ExtraAuth, Mapping[str, Any] | ErrorResult | None]
) -> ExtraLogins:
    """Return the logins that references stand for; secrets are the Secrets as they were read, or why they were not.

    None stands for a Secret that is not there.
    """
    entries: dict[str, Mapping[str, str]] = {}
    errors: list[ErrorResult] = []
    versions = []
    for auth in wanted:
        secret = secrets[auth]
        found = _entries(auth, secret) if not isinstance(secret, ErrorResult) else secret
        if isinstance(found, ErrorResult):
            errors.append(found)
            continue
        entries.update(found)
        metadata = (secret or {})["metadata"]  # type: ignore[index]
        versions.append([*vars(auth).values(), metadata.get("uid"), metadata.get("resourceVersion")])
    digest = hashlib.sha256(json.dumps(versions).encode()).hexdigest()[:12] if wanted and not errors else ""
    return ExtraLogins(entries, digest, errors[0] if errors else None)


def _entries(auth: ExtraAuth, secret: Mapping[str, Any] | None) -> dict[str, Mapping[str, str]] | ErrorResult:
    if secret is None:
        return ErrorResult(
            reasons.EXTRA_AUTH_NOT_FOUND, f"{auth} does not exist; it should hold the login of a registry"
        )
    if secret.get("type") == docker_config.SECRET_TYPE:
        return _of_docker_config(auth, secret)
    values = [_value(secret, key) for key in ("username", "password")]
    missing = [key for key, value in zip(("username", "password"), values) if not value]
    if missing:
        return _invalid(
            auth, f"has no {missing[0]} that is text; it needs the keys username and password, or be a docker config"
        )
    if not auth.registry:
        return _invalid(auth, "holds one login; say in extraAuths[].registry for which registry it is")
    return {auth.registry: _entry(*values)}


def _of_docker_config(auth: ExtraAuth, secret: Mapping[str, Any]) -> dict[str, Mapping[str, str]] | ErrorResult:
    try:
        text = docker_config.stored(secret.get("data"))
        held = docker_config.logins(text)
    except docker_config.ContentError as error:
        return _invalid(auth, f"holds no docker config: {error}")
    if fault := kubelet.refusal(text):
        return _invalid(auth, f"holds what kubelet cannot read: {fault}")
    found = {docker_config.bare(key): login for key, entry in held.items() if (login := _login(entry))}
    if auth.registry and auth.registry not in found:
        return _invalid(auth, f"holds no login for {auth.registry}")
    return {auth.registry: found[auth.registry]} if auth.registry else found


def _login(entry: Mapping[str, Any]) -> Mapping[str, str] | None:
    """Return an entry in the form of our own logins, None if it logs nobody in. kubelet takes it, so it can be read."""
    auth, username, password = (text_in(entry, name) for name in ("auth", "username", "password"))
    if auth:
        text = base64.b64decode(auth + "=" * (-len(auth) % 4)).decode(errors="replace")
        username, _colon, password = text.partition(":")
    return _entry(username, password) if username and password else None


def _entry(username: str, password: str) -> dict[str, str]:
    auth = base64.b64encode(f"{username}:{password}".encode()).decode()
    return {"username": username, "password": password, "auth": auth}


def _value(secret: Mapping[str, Any], key: str) -> str:
    try:
        return base64.b64decode((secret.get("data") or {})[key]).decode()
    except (KeyError, TypeError, ValueError):
        return ""


def _invalid(auth: ExtraAuth, text: str) -> ErrorResult:
    return ErrorResult(reasons.INVALID_EXTRA_AUTH, f"{auth} {text}")
