# Copyright: kube_ecr.secrets contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""One pull secret: what it should be, whether the one that is there is ours, and whether it is fresh.

Pure. A Secret is ours when it has an owner reference to our owner, or, for a call without an owner, when it
has our label and no custom resource of ours owns it. Anything else belongs to somebody and is never touched.
"""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass, replace
from datetime import datetime

from ansible_collections.kube_ecr.secrets.plugins.module_utils import _docker_config
from ansible_collections.kube_ecr.secrets.plugins.module_utils._authorizations import Authorization
from ansible_collections.kube_ecr.secrets.plugins.module_utils._registries import answers
from ansible_collections.kube_ecr.secrets.plugins.module_utils._resources import GROUP
from ansible_collections.kube_ecr.secrets.plugins.module_utils._timestamps import (
    format_rfc3339,
    parse_rfc3339,
)

MANAGED_BY_LABEL = "app.kubernetes.io/managed-by"
MANAGED_BY = "kube-ecr-secrets"
EXPIRY = "expiry"
IDENTITY = f"{GROUP}/identity"
FINGERPRINT = f"{GROUP}/fingerprint"


@dataclass(frozen=True)
class Owner:
    """The custom resource that a Secret is written for; namespace is empty for a cluster-scoped one."""

    api_version: str
    kind: str
    namespace: str
    name: str
    uid: str
    generation: int

    def __str__(self) -> str:
        return "/".join(filter(None, (self.kind, self.namespace, self.name)))


@dataclass(frozen=True)
class Wanted:
    """The Secret that every target namespace should hold.

    expires_at is when the first of its tokens dies, renewed_until when the first of the new ones does. identity
    is what tells the AWS identity apart that they come from, None where nobody said. lacking are the entries (see
    _registries) that there is no login for.
    """

    name: str
    config: str
    expires_at: datetime
    renewed_until: datetime
    owner: Owner | None
    identity: str | None = None
    lacking: tuple[str, ...] = ()

    @classmethod
    def of(
        cls,
        name: str,
        authorizations: list[Authorization],
        owner: Owner | None,
        identity: str | None = None,
        lacking: tuple[str, ...] = (),
    ) -> Wanted:
        """Return what is wanted for these authorizations, of which there is at least one."""
        until = min(each.expires_at for each in authorizations)
        return cls(name, _docker_config.render(authorizations), until, until, owner, identity or None, lacking)

    def keeping(self, secret: dict, now: datetime) -> Wanted:
        """Return the same with the logins that a Secret of ours still holds for what is lacking."""
        until = valid_until(secret, now)
        if not (self.lacking and until and _annotation(secret, IDENTITY) == self.identity):
            return self
        held = content(secret)
        kept = [
            host
            for host in _docker_config.registries(held)
            if any(answers(entry, host) for entry in self.lacking)
            and host not in _docker_config.registries(self.config)
        ]
        return replace(
            self,
            config=_docker_config.merge(self.config, held, kept),
            expires_at=min(until, self.expires_at) if kept else self.expires_at,
            lacking=tuple(entry for entry in self.lacking if not any(answers(entry, host) for host in kept)),
        )

    def manifest(self, namespace: str, resource_version: str | None) -> dict:
        """Return the object to apply; resource_version ties it to the Secret that was read, if there was one."""
        metadata = {
            "name": self.name,
            "namespace": namespace,
            "labels": {MANAGED_BY_LABEL: MANAGED_BY},
            "annotations": self._annotations(),
        }
        if resource_version:
            metadata["resourceVersion"] = resource_version
        if self.owner:
            metadata["ownerReferences"] = [
                {
                    "apiVersion": self.owner.api_version,
                    "kind": self.owner.kind,
                    "name": self.owner.name,
                    "uid": self.owner.uid,
                }
            ]
        return {
            "apiVersion": "v1",
            "kind": "Secret",
            "type": _docker_config.SECRET_TYPE,
            "metadata": metadata,
            "data": {_docker_config.DATA_KEY: base64.b64encode(self.config.encode()).decode()},
        }

    def _annotations(self) -> dict[str, str]:
        """The identity makes new keys or another role outdate a token that still lives."""
        annotations = {
            EXPIRY: format_rfc3339(self.expires_at),
            FINGERPRINT: _docker_config.fingerprint(self.config),
        }
        if self.identity:
            annotations[IDENTITY] = self.identity
        return annotations

    def is_served_by(self, secret: dict, now: datetime) -> bool:
        """Return whether a Secret of ours can stay: unchanged since we wrote it, for the same registries
        and identity, with more than half of the life left that a new token would have."""
        labels = secret["metadata"].get("labels") or {}
        config = content(secret)
        left = (_expiry(secret) or now) - now
        return (
            left > (self.renewed_until - now) / 2
            and labels.get(MANAGED_BY_LABEL) == MANAGED_BY
            and _annotation(secret, FINGERPRINT) == _docker_config.fingerprint(config)
            and _annotation(secret, IDENTITY) == self.identity
            and _docker_config.registries(config) == _docker_config.registries(self.config)
        )


def empty(name: str, namespace: str) -> dict:
    """Return a pull secret without any login, for asking the API server whether one could be made at all."""
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "type": _docker_config.SECRET_TYPE,
        "metadata": {"name": name, "namespace": namespace},
        "stringData": {_docker_config.DATA_KEY: _docker_config.render([])},
    }


def obstacle(secret: dict, owner: Owner | None) -> tuple[str, str] | None:
    """Return why an existing Secret must not or cannot be written (reason, message), or None if it may."""
    metadata = secret["metadata"]
    label = f"secrets/{metadata['name']} in namespace {metadata['namespace']}"
    if not _is_ours(metadata, owner):
        return "SecretConflict", (
            f"{label} exists and {_holder(metadata)}; it was left as it is. "
            "Delete it, or choose another name for the pull secret"
        )
    if secret.get("type") != _docker_config.SECRET_TYPE:
        return "WrongSecretType", (
            f"{label} has type {secret.get('type')}, which cannot be changed; delete it, and it is made again "
            f"as {_docker_config.SECRET_TYPE}"
        )
    if secret.get("immutable"):
        return "ImmutableSecret", f"{label} is immutable; delete it, and it is made again"
    return None


def _is_ours(metadata: dict, owner: Owner | None) -> bool:
    references = metadata.get("ownerReferences") or []
    if owner:
        return any(each["uid"] == owner.uid for each in references)
    labels = metadata.get("labels") or {}
    return labels.get(MANAGED_BY_LABEL) == MANAGED_BY and not any(
        each["apiVersion"].partition("/")[0] == GROUP for each in references
    )


def _holder(metadata: dict) -> str:
    references = metadata.get("ownerReferences") or []
    if references:
        return "is owned by " + ", ".join(f"{each['kind']}/{each['name']}" for each in references)
    manager = (metadata.get("labels") or {}).get(MANAGED_BY_LABEL)
    if manager == MANAGED_BY:
        return "was written by a playbook, for no custom resource"
    return f"is managed by {manager}" if manager else "was not made by kube_ecr.secrets"


def valid_until(secret: dict, now: datetime) -> datetime | None:
    """Return when the token in a Secret dies, or None if it is dead, or there is no usable login in it."""
    expiry = _expiry(secret)
    usable = expiry is not None and expiry > now and _docker_config.registries(content(secret))
    return expiry if usable else None


def _expiry(secret: dict) -> datetime | None:
    try:
        return parse_rfc3339(_annotation(secret, EXPIRY) or "")
    except ValueError:
        return None


def _annotation(secret: dict, name: str) -> str | None:
    return (secret["metadata"].get("annotations") or {}).get(name)


def content(secret: dict) -> str:
    """Return the docker config JSON in a Secret, or an empty text where there is none that can be read."""
    try:
        return base64.b64decode((secret.get("data") or {})[_docker_config.DATA_KEY]).decode()
    except (KeyError, TypeError, binascii.Error, UnicodeDecodeError):
        return ""


def describe(config: str, expires_at: datetime | None) -> dict:
    """Return what a diff may show of a docker config: hosts, expiry and a fingerprint, never its data."""
    return {
        "registries": _docker_config.registries(config),
        "expires_at": format_rfc3339(expires_at) if expires_at else None,
        "fingerprint": _docker_config.fingerprint(config),
    }
