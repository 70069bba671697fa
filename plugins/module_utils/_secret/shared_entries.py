# Copyright: kube_ecr.secrets contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Marks on objects that are not ours alone: what each custom resource put in, by the UID of the resource.

Pure. They stand in an annotation as a JSON object, and hold nothing secret. Whatever the runner remembers, just what is
told there can be taken out again.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from .._contract.resources import GROUP
from .._contract.timestamps import format_rfc3339
from .pull_secret import OWNER_LABEL, annotations_of, moment, place_of

ANNOTATION = f"{GROUP}/shared"
SHARED = "shared"
# Beside the UIDs: where the object stands.
_PLACE = "place"
# Beside what one put in: somebody changed the object since.
EDITED = {"edited": True}
# All resources write to shared objects as one, so that the second takes nothing away from the first.
FIELD_MANAGER = "kube-ecr-secrets"


@dataclass(frozen=True)
class Mark:
    """What one custom resource put into an object: registry hosts (Secret) or names of Secrets (ServiceAccount).

    The rest is for Secrets: the life of the logins, the identity and entries (see registries) that they are for,
    whether the Secret was not there before, and what the resource was annotated with (see Wanted).
    """

    names: tuple[str, ...]
    expires_at: datetime | None = None
    renew_after: datetime | None = None
    identity: str = ""
    registries: tuple[str, ...] = ()
    created: bool = False
    nudge: str = ""

    @classmethod
    def of(cls, told: object) -> Mark:
        """Return the mark that a part of the annotation tells; whatever is odd in it counts as not said."""
        told = told if isinstance(told, dict) else {}
        identity, nudge = told.get("identity"), told.get("reconcileAt")
        return cls(
            _texts(told.get("names")),
            _moment(told.get("expiry")),
            _moment(told.get("renewAfter")),
            identity if isinstance(identity, str) else "",
            _texts(told.get("registries")),
            told.get("created") is True,
            nudge if isinstance(nudge, str) else "",
        )

    def as_dict(self) -> dict:
        """Return the part of the annotation that tells it."""
        if self.expires_at is None:
            return {"names": list(self.names)}
        return {
            "names": list(self.names),
            "expiry": format_rfc3339(self.expires_at),
            "renewAfter": format_rfc3339(self.renew_after) if self.renew_after else None,
            "identity": self.identity,
            "registries": list(self.registries),
            "created": self.created,
            **({"reconcileAt": self.nudge} if self.nudge else {}),
        }

    def is_fresh(self, identity: str, registries: Iterable[str], now: datetime) -> bool:
        """Return whether nobody need ask AWS for new logins: they are for these, and half of their life is left."""
        is_young = self.renew_after is not None and self.renew_after > now
        return is_young and self.identity == identity and set(self.registries) == set(registries)


def marks(metadata: Mapping) -> dict[str, Mark]:
    """Return the marks on an object by UID; an annotation that cannot be read tells none."""
    return {uid: Mark.of(told) for uid, told in told_by(metadata).items()}


def told_by(metadata: Mapping) -> dict[str, object]:
    """Return the annotation as it stands, by UID: what is told of others is written back untouched.

    One that is told of another place came along when somebody copied the object; it tells nothing of this one.
    """
    try:
        told = json.loads(annotations_of(metadata).get(ANNOTATION) or "{}")
    except (ValueError, RecursionError):
        return {}
    if not isinstance(told, dict) or told.pop(_PLACE, None) != place_of(metadata):
        return {}
    return told


def edited(told: object) -> dict:
    """Return EDITED if the part of an annotation tells that, and else nothing."""
    return EDITED if isinstance(told, dict) and told.get("edited") is True else {}


def named_by_others(told: Mapping[str, object], uid: str) -> set[str]:
    """Return what resources other than that of the UID put in."""
    return {name for other, each in told.items() if other != uid for name in Mark.of(each).names}


def marked(metadata: Mapping, told: Mapping[str, object]) -> dict:
    """Return the part of a patch, for metadata, that leaves just these marks, empty if they are there already."""
    label, before = (metadata.get("labels") or {}).get(OWNER_LABEL), told_by(metadata)
    patch: dict = {}
    if told and label != SHARED:
        patch["labels"] = {OWNER_LABEL: SHARED}
    elif before and not told and label == SHARED:
        patch["labels"] = {OWNER_LABEL: None}
    if before != told:
        patch["annotations"] = {ANNOTATION: annotation(metadata, told) if told else None}
    return patch


def manages(metadata: Mapping, *path: str) -> bool:
    """Return whether nobody has changed a field, given by its path, since we wrote it."""
    return any(
        _is_ours(each.get("manager")) and _reaches(each.get("fieldsV1"), path)
        for each in metadata.get("managedFields") or []
    )


def _is_ours(manager: object) -> bool:
    """Whoever creates a shared object does it as himself, so that the API server tells two of them apart."""
    return isinstance(manager, str) and manager.partition("/")[0] == FIELD_MANAGER


def _reaches(fields: object, path: Iterable[str]) -> bool:
    for name in path:
        fields = fields.get(f"f:{name}") if isinstance(fields, dict) else None
    return fields is not None


def annotation(metadata: Mapping, told: Mapping[str, object]) -> str:
    """Return the annotation that tells these marks of an object."""
    return text_of({_PLACE: place_of(metadata), **told})


def text_of(value: object) -> str:
    """Return JSON without white space."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"))


def _texts(value: object) -> tuple[str, ...]:
    return tuple(value) if isinstance(value, list) and all(isinstance(each, str) for each in value) else ()


def _moment(value: object) -> datetime | None:
    return moment(value) if isinstance(value, str) else None
