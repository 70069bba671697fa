# Copyright: kube_ecr.secrets contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""ecr_pull_secret_info: the function that the module and its action plugin share.

What always holds: of Secrets the metadata is asked for and nothing else, so that no login can be in a result. What is
returned comes from the labels and annotations that this collection left; an edit of them shows, see ObservedSecret.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone

from .._cluster.auth_options import AUTH_OPTIONS
from .._cluster.client import Cluster, connect
from .._cluster.errors import KubernetesError
from .._contract import reasons
from .._contract.grammar import check_secret_name
from .._contract.item import Owner
from .._contract.kinds import CLUSTER_KIND, LEGACY_KIND
from .._contract.ownership import (
    IDENTITY,
    MANAGED_BY,
    MANAGED_BY_LABEL,
    OWNER_LABEL,
    PLACE,
    SHARED,
    SHARED_ANNOTATION,
    annotations_of,
    is_of_group,
    output_type,
    place_of,
)
from .._contract.targets import Names
from .._contract.timestamps import format_time
from .._reconcile.request import PLAYBOOK
from .._secret import conflicts
from .._secret.desired import DesiredSecret
from .._secret.observed import ObservedSecret
from .._secret.shared_entries import shared_entries
from .._secret.whose import whose_by_metadata
from .runtime import Feature

ARGUMENT_SPEC = {
    **AUTH_OPTIONS,
    # Not a secret: masking the name would blot it out wherever it occurs in a result.
    "secret_name": {"type": "str", "no_log": False},
    "namespaces": {"type": "list", "elements": "str"},
    "expires_within_seconds": {"type": "int"},
}
A_YEAR = 365 * 24 * 3600
# Our own Secrets have both labels, or with no custom resource the first; somebody's Secret that we share the second.
_OURS = (
    {"label_selector": f"{MANAGED_BY_LABEL}={MANAGED_BY}"},
    {"label_selector": OWNER_LABEL},
)


@dataclass(frozen=True)
class Finding:
    """A Secret that was found.

    owners are the custom resources that it was written for, of which only the UID may be known; parts what each of
    those that wrote to it, or a playbook, has in it. is_managed says that this collection did so.
    """

    metadata: Mapping
    owners: tuple[Owner, ...]
    parts: tuple[ObservedSecret, ...]
    is_managed: bool

    @classmethod
    def of(cls, metadata: Mapping) -> Finding:
        """Return what the metadata of a Secret says."""
        owners, is_marked = _owners(metadata), _is_marked(metadata)
        own, shared = [_own_part(metadata, owner) for owner in owners], _shared_parts(metadata)
        if not (own or shared) and PLACE in annotations_of(metadata):
            own = [_own_part(metadata, None)]  # a copy: nobody renews it, but it has a life
        # Whoever else is an owner has nothing in it besides.
        written = sorted(own, key=lambda part: not part.is_intact)[:1]
        return cls(
            metadata,
            (
                *(owner for owner in owners if owner),
                *(_known_by_uid(uid) for uid in sorted(shared) if uid != PLAYBOOK),
            ),
            (*written, *shared.values()),
            bool((owners and is_marked) or shared),
        )

    def expires_by(self, limit: datetime) -> bool:
        """Return whether a token in it has expired at that time, or may have: somebody took away its expiry."""
        return any(part.expires_at <= limit if part.expires_at else self.is_managed for part in self.parts)

    def as_dict(self, now: datetime) -> dict:
        """Return the form in which a result lists it."""
        expires_at = _earliest(part.expires_at for part in self.parts)
        renew_after = _earliest(part.renew_after for part in self.parts)
        seconds = math.ceil((expires_at - now).total_seconds()) if expires_at else None
        return {
            "namespace": self.metadata["namespace"],
            "name": self.metadata["name"],
            "managed": self.is_managed,
            "output": output_type(self.metadata) or None,
            "shared": any(part.is_shared for part in self.parts),
            "intact": self.is_managed and all(part.is_intact for part in self.parts),
            "held_by": "" if self.is_managed else _describe_holder(self.metadata),
            "owners": [_owner_as_dict(owner) for owner in self.owners],
            "requested": sorted({str(request) for part in self.parts for request in part.registries}),
            "expires_at": format_time(expires_at) if expires_at else None,
            "renew_after": format_time(renew_after) if renew_after else None,
            "expires_in": seconds,
            "expired": seconds is not None and seconds <= 0,
        }


def _owners(metadata: Mapping) -> list[Owner | None]:
    """Return the custom resources that a Secret which is not shared was written for; None stands for a playbook."""
    referred = [
        Owner(
            api_version=reference["apiVersion"],
            kind=reference["kind"],
            namespace=_namespace_of(reference, metadata),
            name=reference["name"],
            uid=reference["uid"],
            generation=0,
        )
        for reference in metadata.get("ownerReferences") or []
        if is_of_group(reference)
    ]
    uid = (metadata.get("labels") or {}).get(OWNER_LABEL)
    known = (SHARED, *(owner.uid for owner in referred))
    labelled = [] if uid is None or uid in known else [_known_by_uid(uid)]
    return [owner for owner in (*referred, *labelled) or (None,) if _is_for(metadata, owner)]


def _is_for(metadata: Mapping, owner: Owner | None) -> bool:
    return whose_by_metadata(metadata, owner, is_as_written=False).is_free


def _known_by_uid(uid: str) -> Owner:
    return Owner("", "", "", "", uid, 0)


def _namespace_of(reference: Mapping, metadata: Mapping) -> str:
    """Kubernetes has owners in the namespace of what they own, or in none."""
    return "" if reference["kind"] in (CLUSTER_KIND, LEGACY_KIND) else metadata["namespace"]


def _own_part(metadata: Mapping, owner: Owner | None) -> ObservedSecret:
    """Whatever identity it is for will do, but for a custom resource it has one."""
    unknown = "unknown" if owner else ""
    identity = annotations_of(metadata).get(IDENTITY, unknown)
    return ObservedSecret.of(metadata, DesiredSecret(metadata["name"], owner, identity))


def _shared_parts(metadata: Mapping) -> dict[str, ObservedSecret]:
    """Return what is in a shared Secret by the UID of who put it there, or PLAYBOOK."""
    parts = {}
    for uid, entry in shared_entries(metadata).items():
        # Whatever identity it is for will do.
        desired = DesiredSecret(metadata["name"], None, entry.identity)
        part = ObservedSecret.of_shared(metadata, desired, uid)
        if part:
            parts[uid] = part
    return parts


def _is_marked(metadata: Mapping) -> bool:
    """Return whether a Secret has any of our marks; those of kube-ecr-secrets-operator have none."""
    labels, annotations = metadata.get("labels") or {}, annotations_of(metadata)
    is_labelled = labels.get(MANAGED_BY_LABEL) == MANAGED_BY or OWNER_LABEL in labels
    return is_labelled or PLACE in annotations or SHARED_ANNOTATION in annotations


def _describe_holder(metadata: Mapping) -> str:
    """Return whose a Secret is that is not ours, as the rest of a sentence."""
    place = annotations_of(metadata).get(PLACE)
    if place not in (None, place_of(metadata)):
        return f"is a copy of {place}"
    if place is None and _is_marked(metadata):
        return "is a copy of a Secret of kube_ecr.secrets"
    return conflicts.describe_owner(metadata)


def _owner_as_dict(owner: Owner) -> dict:
    return {name: getattr(owner, name) or None for name in ("kind", "namespace", "name", "uid")}


def _earliest(moments: Iterable[datetime | None]) -> datetime | None:
    return min(filter(None, moments), default=None)


def run(params: dict, check_mode: bool, diff_mode: bool) -> dict:
    """List the pull secrets that there are; nothing is changed, so check mode makes no difference.

    params are validated options. Returns the result of the task (see RETURN of the module).
    """
    try:
        name, namespaces, seconds = _checked(params)
        findings = [Finding.of(metadata) for metadata in _listed(connect(params), name, namespaces)]
    except ValueError as invalid:
        return _failure(reasons.INVALID_OPTION, str(invalid))
    except KubernetesError as error:
        return _failure(error.reason, str(error))
    now = datetime.now(timezone.utc)
    # A Secret that is asked for by its name is listed, whosever it is.
    findings = [finding for finding in findings if name or finding.is_managed]
    if seconds is not None:
        findings = [finding for finding in findings if finding.expires_by(now + timedelta(seconds=seconds))]
    secrets = [finding.as_dict(now) for finding in findings]
    return {
        "changed": False,
        "pull_secrets": sorted(secrets, key=lambda secret: (secret["namespace"], secret["name"])),
        # All in UTC and of one form, so that the least text is the earliest time.
        "expires_at": min((secret["expires_at"] for secret in secrets if secret["expires_at"]), default=None),
    }


def _checked(params: dict) -> tuple[str | None, Names, int | None]:
    """Return the options that pick Secrets. Raises ValueError naming the option."""
    name, listed, seconds = params["secret_name"], params["namespaces"], params["expires_within_seconds"]
    if name is not None:
        check_secret_name(name)
    namespaces = Names.of_namespaces(listed, "namespaces")
    if listed is not None and not namespaces:
        raise ValueError("namespaces: the list is empty; leave the option out for all namespaces")
    if seconds is not None and not 0 <= seconds <= A_YEAR:
        raise ValueError(f"expires_within_seconds: {seconds} is not between 0 and {A_YEAR} (a year)")
    return name, namespaces, seconds


def _listed(cluster: Cluster, name: str | None, namespaces: Names) -> Iterator[Mapping]:
    """Yield the metadata of each Secret once; literal names need no right in other namespaces."""
    selections = ({"field_selector": f"metadata.name={name}"},) if name else _OURS
    places = namespaces.literals if namespaces.literals and not namespaces.globs else ("",)
    seen = set()
    for selection in selections:
        for place in places:
            for metadata in cluster.list_metadata("secrets", namespace=place, **selection):
                is_wanted = not namespaces or namespaces.matches(metadata["namespace"])
                if is_wanted and metadata["uid"] not in seen:
                    seen.add(metadata["uid"])
                    yield metadata


def _failure(reason: str, message: str) -> dict:
    return {"changed": False, "failed": True, "msg": message, "error": {"reason": reason, "msg": message}}


FEATURE = Feature(
    argument_spec=ARGUMENT_SPEC,
    libraries=("kubernetes",),
    run=run,
)
