# Copyright: kube_ecr.secrets contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""One pull secret: what it should be, whether the one that is there is ours, and whether it is fresh.

Pure. A Secret is ours when it has an owner reference to our owner and the marks that we write, or, for a call without
an owner, our label and no owner of ours. Anything else belongs to somebody, and is touched only where a policy says so.

Whether somebody edited a Secret of ours shows in its metadata alone: each resource applies with a field manager of its
own, and whoever changes a field takes it away from that one
(https://kubernetes.io/docs/reference/using-api/server-side-apply/#field-management). It is by these managers, too, that
the API server itself settles which of two resources comes first.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime, timedelta

from .._aws.authorizations import Authorization
from .._aws.registries import answers
from .._contract.item import Owner
from .._contract.kinds import CLUSTER_KIND, LEGACY_KIND, RECONCILE_AT
from .._contract.ownership import (
    ANNOTATIONS,
    DATA_KEY,
    EXPIRY,
    FIELD_MANAGER,
    FINGERPRINT,
    IDENTITY,
    LABELS,
    MANAGED_BY,
    MANAGED_BY_LABEL,
    OPTIONAL_ANNOTATIONS,
    OWNER_LABEL,
    PLACE,
    REGISTRIES,
    RELEASED_MANAGER,
    RENEW_AFTER,
    annotations_of,
    applied_fields,
    applied_names,
    has_applied_all,
    is_of_group,
    manager_of,
    owner_of,
    owner_uids,
    place_of,
)
from .._contract.timestamps import format_time, parse_time
from .._contract.token_life import CLOCK_TOLERANCE, MAX_TOKEN_LIFE, due_at, issued_at
from . import docker_config


@dataclass(frozen=True)
class Logins:
    """What Secrets are to hold: a docker config JSON, the entries (see registries) that it answers, and its life.

    expires_at is when the first of its tokens dies, renew_after when half of the life is over that AWS granted.
    nudge is what the resource was annotated with (see Wanted) when the tokens were granted.
    """

    config: str = field(repr=False)
    entries: tuple[str, ...]
    expires_at: datetime
    renew_after: datetime
    nudge: str = ""

    @classmethod
    def of(cls, authorizations: list[Authorization], now: datetime, nudge: str = "") -> Logins:
        """Return the logins of authorizations that were just granted, of which there is at least one."""
        expires_at = min(each.expires_at for each in authorizations)
        entries = tuple(sorted({each.requested for each in authorizations}))
        renew_after = now + min(expires_at - now, MAX_TOKEN_LIFE) / 2
        return cls(docker_config.render(authorizations), entries, expires_at, renew_after, nudge)

    @classmethod
    def held_in(cls, secret: Mapping, now: datetime) -> Logins | None:
        """Return the logins that an owned Secret holds as we wrote them, None if it holds none that live."""
        held, config = annotations_of(secret["metadata"]), content(secret)
        expires_at, renew_after = parse_time(held.get(EXPIRY)), parse_time(held.get(RENEW_AFTER))
        is_intact = held.get(FINGERPRINT) == docker_config.fingerprint(config)
        if not (is_intact and renew_after and expires_at and expires_at > now):
            return None
        return cls(config, entries_in(held.get(REGISTRIES)), expires_at, renew_after, held.get(RECONCILE_AT, ""))

    def only(self, entries: Collection[str]) -> Logins:
        """Return the same without the logins that none of the entries asks for."""
        if set(self.entries) <= set(entries):
            return self
        hosts = [
            host for host in docker_config.registries(self.config) if any(answers(entry, host) for entry in entries)
        ]
        left = tuple(each for each in self.entries if each in entries)
        return replace(self, config=docker_config.selected(self.config, hosts), entries=left)

    def completed(self, other: Logins | None, entries: Iterable[str]) -> Logins:
        """Return the same with the logins of other for those of the entries that are missing here.

        Where a nudge asked for new ones in place of other's, the whole is due at once, to be completed with these.
        """
        lacking = [each for each in entries if other and each not in self.entries and each in other.entries]
        if not (other and lacking):
            return self
        hosts = set(docker_config.registries(other.config)) - set(docker_config.registries(self.config))
        kept = [host for host in hosts if any(answers(entry, host) for entry in lacking)]
        renew_after = min(self.renew_after, other.renew_after)
        if self.nudge not in ("", other.nudge):
            renew_after = min(renew_after, issued_at(self.expires_at, self.renew_after))
        return Logins(
            docker_config.merge(self.config, other.config, kept),
            tuple(sorted({*self.entries, *lacking})),
            min(self.expires_at, other.expires_at),
            renew_after,
            self.nudge,
        )


@dataclass(frozen=True)
class Wanted:
    """The Secret that every target namespace should have, but for what logs in.

    identity is what tells the AWS identity apart that its tokens come from, empty where nobody said; entries (see
    registries) are the logins that it should hold. refresh_interval is how old a token may be when it is renewed, None
    for half of its life; nudge is what the resource is annotated with to have its token renewed at once.
    """

    name: str
    owner: Owner | None
    identity: str = ""
    entries: tuple[str, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)
    refresh_interval: timedelta | None = None
    nudge: str = ""

    @property
    def manager(self) -> str:
        """The field manager that writes it."""
        return manager_of(self.owner.uid) if self.owner else FIELD_MANAGER

    def manifest(self, namespace: str, logins: Logins, version: str | None) -> dict:
        """Return the object to apply; version is the resourceVersion of the Secret that is known, if there is one."""
        metadata = {
            "name": self.name,
            "namespace": namespace,
            "labels": self._labels(),
            "annotations": {**self.annotations, **self._marks(namespace, logins)},
        }
        if version:
            metadata["resourceVersion"] = version
        if self.owner:
            metadata["ownerReferences"] = [self.owner.reference()]
        return {
            "apiVersion": "v1",
            "kind": "Secret",
            "type": docker_config.SECRET_TYPE,
            "metadata": metadata,
            "data": {DATA_KEY: base64.b64encode(logins.config.encode()).decode()},
        }

    def _labels(self) -> dict[str, str]:
        owner = {OWNER_LABEL: self.owner.uid} if self.owner else {}
        return {**self.labels, MANAGED_BY_LABEL: MANAGED_BY, **owner}

    def _marks(self, namespace: str, logins: Logins) -> dict[str, str]:
        marks = {
            EXPIRY: format_time(logins.expires_at),
            RENEW_AFTER: format_time(logins.renew_after),
            FINGERPRINT: docker_config.fingerprint(logins.config),
            REGISTRIES: json.dumps(list(logins.entries)),
            PLACE: f"{namespace}/{self.name}",
        }
        optional = {IDENTITY: self.identity, RECONCILE_AT: logins.nudge}
        return {**marks, **{name: value for name, value in optional.items() if value}}

    def is_shape_of(self, metadata: Mapping) -> bool:
        """Return whether a Secret has the labels and annotations that are wanted, and none that we set once besides."""
        fields = applied_fields(metadata, self.manager)
        labels, annotations = metadata.get("labels") or {}, annotations_of(metadata)
        return (
            metadata["name"] == self.name
            and applied_names(fields, "labels") == self._labels().keys()
            and all(labels.get(name) == value for name, value in self._labels().items())
            and applied_names(fields, "annotations") - set(ANNOTATIONS) == self.annotations.keys()
            and all(annotations.get(name) == value for name, value in self.annotations.items())
        )


@dataclass(frozen=True)
class Held:
    """A Secret of ours that stands in the cluster, as far as its metadata tells.

    is_intact says that nobody edited it since it was written, for the identity that is wanted; has_shape that it has
    the name, labels and annotations that are wanted; is_shared that other things than ours may be in it (see merge).
    """

    namespace: str
    name: str
    version: str
    is_intact: bool
    has_shape: bool
    entries: tuple[str, ...]
    expires_at: datetime | None
    renew_after: datetime | None
    is_shared: bool = False
    nudge: str = ""

    @classmethod
    def of(cls, metadata: Mapping, wanted: Wanted) -> Held:
        """Return what the metadata of a Secret of ours tells."""
        held = annotations_of(metadata)
        return cls(
            namespace=metadata["namespace"],
            name=metadata["name"],
            version=metadata["resourceVersion"],
            is_intact=_is_intact(metadata, wanted) and held.get(IDENTITY, "") == wanted.identity,
            has_shape=wanted.is_shape_of(metadata),
            entries=entries_in(held.get(REGISTRIES)),
            expires_at=parse_time(held.get(EXPIRY)),
            renew_after=parse_time(held.get(RENEW_AFTER)),
            nudge=held.get(RECONCILE_AT, ""),
        )

    def lives(self, now: datetime) -> bool:
        """Return whether it holds logins of the wanted identity that can be used, and copied."""
        return self.is_intact and bool(self.expires_at and self.renew_after and self.expires_at > now)

    def is_fresh(self, now: datetime, wanted: Wanted) -> bool:
        """Return whether its logins live, and are young enough, so that nobody need ask for new ones."""
        if not (self.lives(now) and self.expires_at and self.renew_after) or self.is_ahead(now):
            return False
        return due_at(self.expires_at, self.renew_after, wanted.refresh_interval) > now and self.answers(wanted.nudge)

    def answers(self, nudge: str) -> bool:
        """Return whether its logins were granted after the resource was annotated so, or need not have been."""
        return nudge in ("", self.nudge)

    def is_ahead(self, now: datetime) -> bool:
        """Return whether its logins are told to be of a time to come: the clock was set back, so nobody knows their
        age.
        """
        times = (self.expires_at, self.renew_after)
        return all(times) and issued_at(*times) > now + CLOCK_TOLERANCE

    def serves(self, wanted: Iterable[str], available: Iterable[str]) -> bool:
        """Return whether it is as it should be but for its age: no login that is not wanted, all that can be had."""
        return self.is_intact and self.has_shape and set(available) <= set(self.entries) <= set(wanted)

    def as_dict(self) -> dict:
        """Return the form in which the inventory hands it to the module."""
        moments = {name: getattr(self, name) for name in ("expires_at", "renew_after")}
        texts = {name: format_time(value) if value else None for name, value in moments.items()}
        return {**asdict(self), **texts, "entries": list(self.entries)}

    @classmethod
    def from_dict(cls, held: Mapping) -> Held:
        """Return what as_dict() made a dictionary of."""
        moments = {name: parse_time(held[name]) for name in ("expires_at", "renew_after")}
        return cls(**{**held, **moments, "entries": tuple(held["entries"])})


def _is_intact(metadata: Mapping, wanted: Wanted) -> bool:
    labels = LABELS if wanted.owner else (MANAGED_BY_LABEL,)
    without = OPTIONAL_ANNOTATIONS - ({IDENTITY} if wanted.identity else set())
    return is_marked(metadata, wanted.owner) and has_applied_all(metadata, wanted.manager, labels, without=without)


def is_marked(metadata: Mapping, owner: Owner | None) -> bool:
    """Return whether a Secret belongs to the owner beyond doubt, or for None was written by a playbook where it is."""
    if owner:
        return owner_of(metadata) == owner.uid
    labels = metadata.get("labels") or {}
    is_ownerless = labels.get(MANAGED_BY_LABEL) == MANAGED_BY and OWNER_LABEL not in labels
    return is_ownerless and annotations_of(metadata).get(PLACE) == place_of(metadata)


def is_ours(metadata: Mapping, owner: Owner | None) -> bool:
    """Return whether a Secret in a place of ours was written for the owner, marks or not.

    Somebody may have taken away some of them, and kube-ecr-secrets-operator sets the owner reference only.
    """
    labels, place = metadata.get("labels") or {}, annotations_of(metadata).get(PLACE)
    if place not in (None, place_of(metadata)):
        return False
    if owner:
        return owner.uid in owner_uids(metadata) or (labels.get(OWNER_LABEL) == owner.uid and place is not None)
    is_owned = OWNER_LABEL in labels or any(is_of_group(each) for each in metadata.get("ownerReferences") or [])
    return labels.get(MANAGED_BY_LABEL) == MANAGED_BY and not is_owned


def predecessor(metadata: Mapping, owner: Owner | None) -> dict | None:
    """Return the owner reference to the legacy resource whose place the owner takes, if there is one."""
    for each in metadata.get("ownerReferences") or []:
        is_legacy = is_of_group(each) and each["kind"] == LEGACY_KIND
        if is_legacy and owner and owner.kind == CLUSTER_KIND and each["name"] == owner.name:
            return each
    return None


def obstacle(secret: Mapping, owner: Owner | None, policy: str = "Fail") -> tuple[str, str] | None:
    """Return why an existing Secret must not or cannot be written (reason, message), or None if it may."""
    metadata = secret["metadata"]
    label = f"secrets/{metadata['name']} in namespace {metadata['namespace']}"
    is_free = is_ours(metadata, owner) or predecessor(metadata, owner)
    if not is_free and policy != "Fail":
        is_free = not is_held(metadata)
    if not is_free:
        remedy = "" if policy != "Fail" else ", or set existingSecretPolicy (existing_secret_policy) to Adopt or Merge"
        return "SecretConflict", (
            f"{label} exists and {holder(metadata)}; it was left as it is. "
            f"Delete it, or choose another name for the pull secret{remedy}"
        )
    return unfit(secret)


def unfit(secret: Mapping) -> tuple[str, str] | None:
    """Return why nobody could write a login into a Secret (reason, message), or None if one could."""
    metadata = secret["metadata"]
    label = f"secrets/{metadata['name']} in namespace {metadata['namespace']}"
    if secret.get("type") != docker_config.SECRET_TYPE:
        return "WrongSecretType", (
            f"{label} has type {secret.get('type')}, which cannot be changed; delete it, and it is made again "
            f"as {docker_config.SECRET_TYPE}"
        )
    if secret.get("immutable"):
        return "ImmutableSecret", f"{label} is immutable; delete it, and it is made again"
    return None


def is_held(metadata: Mapping) -> bool:
    """Return whether something looks after a Secret: a controller, or a custom resource of ours."""
    references = metadata.get("ownerReferences") or []
    return any(each.get("controller") or is_of_group(each) for each in references)


def released(metadata: Mapping, owner: Owner) -> dict:
    """Return the merge patch that makes a Secret of ours nobody's, as it was read."""
    references = [each for each in metadata.get("ownerReferences") or [] if each["uid"] != owner.uid]
    return {
        "metadata": {
            "resourceVersion": metadata["resourceVersion"],
            "ownerReferences": references,
            "labels": dict.fromkeys(LABELS),
            "annotations": dict.fromkeys(ANNOTATIONS),
        }
    }


def disowned(metadata: Mapping, manager: str) -> dict:
    """Return the part of a patch, for metadata, by which a field manager of ours has nothing in a Secret any more.

    It could apply what it once applied again, and the API server would see no conflict. What it has is told to be of a
    manager that never writes: two entries of the same one in the same second would become one.
    """
    fields = metadata.get("managedFields") or []
    is_ours = [(each.get("manager"), each.get("operation")) == (manager, "Apply") for each in fields]
    theirs = {"manager": RELEASED_MANAGER, "operation": "Update"}
    told = [{**each, **theirs} if ours else each for each, ours in zip(fields, is_ours)]
    return {"managedFields": told} if any(is_ours) else {}


def empty(name: str, namespace: str) -> dict:
    """Return a pull secret without any login, for asking the API server whether one could be made at all."""
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "type": docker_config.SECRET_TYPE,
        "metadata": {"name": name, "namespace": namespace},
        "stringData": {DATA_KEY: docker_config.render([])},
    }


def holder(metadata: Mapping) -> str:
    references = metadata.get("ownerReferences") or []
    if references:
        return "is owned by " + ", ".join(f"{each['kind']}/{each['name']}" for each in references)
    labels = metadata.get("labels") or {}
    manager = labels.get(MANAGED_BY_LABEL)
    if manager == MANAGED_BY and OWNER_LABEL not in labels:
        return "was written by a playbook, for no custom resource"
    return f"is managed by {manager}" if manager else "was not made by kube_ecr.secrets"


def valid_until(secret: Mapping, now: datetime) -> datetime | None:
    """Return when the token in a Secret dies, or None if it is dead, or there is no usable login in it."""
    expiry = parse_time(annotations_of(secret["metadata"]).get(EXPIRY))
    usable = expiry is not None and expiry > now and docker_config.registries(content(secret))
    return expiry if usable else None


def entries_in(text: str | None) -> tuple[str, ...]:
    """Return the entries that the annotation C(registries) tells, empty if it tells none."""
    try:
        entries = json.loads(text or "[]")
    except ValueError:
        return ()
    return tuple(entries) if isinstance(entries, list) and all(isinstance(each, str) for each in entries) else ()


def content(secret: Mapping) -> str:
    """Return the docker config JSON in a Secret, or an empty text where there is none that can be read."""
    try:
        return base64.b64decode((secret.get("data") or {})[DATA_KEY]).decode()
    except (KeyError, TypeError, binascii.Error, UnicodeDecodeError):
        return ""


def describe(config: str, expires_at: datetime | None) -> dict:
    """Return what a diff may show of a docker config: hosts, expiry and a fingerprint, never its data."""
    return {
        "registries": docker_config.registries(config),
        "expires_at": format_time(expires_at) if expires_at else None,
        "fingerprint": docker_config.fingerprint(config),
    }
