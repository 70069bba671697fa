# Copyright: kube_ecr.secrets contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Bring target namespaces to what a request wants, each on its own.

What always holds: a Secret is only ever replaced by one that holds a living token; one that appeared, or was changed,
since it was looked at is looked at again, never overwritten unseen. Where nothing is known to stand, a Secret is
created before anybody asks whether it is there: that saves half of the calls, and the API server says if it is.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from .._cluster.client import CONFLICT_ATTEMPTS, Cluster, KubernetesError
from .._contract.token_life import due_at, issued_at
from .._secret import merge, pull_secret
from .._secret.pull_secret import Held, Logins
from .._secret.shared_entries import entries_patch
from .outcomes import Outcome, refused
from .request import Request

NO_LOGINS = {
    "reason": "TokenNotHeld",
    "msg": "there is no living token to write: the Secret that held one is gone, or was edited meanwhile; the next "
    "attempt asks AWS for a new one",
}


@dataclass(frozen=True)
class Written:
    """That a Secret was written: whether there was none before, and the docker config JSON that it holds now."""

    is_new: bool
    config: str = field(repr=False)


@dataclass(frozen=True)
class Serving:
    """What all namespaces of a request have in common, where Secrets are the resource's own; see MergedServing.

    logins were just granted, sibling are those that another Secret of the resource holds; error says why some, or all,
    of what is wanted was not granted.
    """

    cluster: Cluster
    request: Request
    logins: Logins | None
    sibling: Logins | None
    error: Mapping | None
    now: datetime
    dry_run: bool

    is_shared = False

    def serve(self, namespace: str) -> Outcome:
        """Return what became of a namespace; never raises."""
        try:
            return self._serve(namespace)
        except KubernetesError as error:
            return _refusal(namespace, error)

    def _serve(self, namespace: str) -> Outcome:
        """A conflict means that somebody was faster, so look again."""
        held, current = self.request.known_in(namespace), None
        is_seen = self._is_enough(held)
        if held and held.is_shared != self.is_shared:
            held = None
        if held and self._stays(held, self.supply(None)):
            return self._unchanged(held)
        for attempt in range(CONFLICT_ATTEMPTS):
            try:
                if attempt or not is_seen:
                    current = self.cluster.read_object("Secret", namespace, self.request.wanted.name)
                    blocked = current and self.obstacle(current)
                    if blocked:
                        return Outcome(namespace, "failed", *blocked, self._valid_until(current))
                    held = self.held(current) if current else None
                logins = self.supply(current)
                if held and self._stays(held, logins):
                    return self._unchanged(held)
                if logins is None:
                    return self._without_logins(namespace, current)
                return self._written(namespace, current, held, logins)
            except KubernetesError as error:
                if error.status != 409 or attempt == CONFLICT_ATTEMPTS - 1:
                    return _refusal(namespace, error, current and self._valid_until(current))
        raise AssertionError("unreachable")

    def _is_enough(self, held: Held | None) -> bool:
        """Return whether what was listed will do: all is granted, and none is known, or one that can be replaced.

        What another Secret holds may stand in a copy that somebody made: to write the same there is no conflict.
        """
        if self.request.known is None or not self._has_all(self.logins):
            return False
        return held is None or (held.is_intact and held.is_shared == self.is_shared)

    def _has_all(self, logins: Logins | None) -> bool:
        return logins is not None and set(self.request.wanted.entries) <= set(logins.entries)

    def supply(self, current: dict | None) -> Logins | None:
        """Return the best that can be written: what is granted, and for what is not, what still lives elsewhere."""
        entries = self.request.wanted.entries
        if not entries:  # nobody could say what is wanted: what is there is not to be written again
            return self.logins
        kept = self.logins_in(current) if current else None
        kept, sibling = (each.only(entries) if each else None for each in (kept, self.sibling))
        if self.logins is None:
            return sibling or kept
        return self.logins.completed(kept, entries).completed(sibling, entries)

    def _stays(self, held: Held, logins: Logins | None) -> bool:
        """Return whether there is nothing better to write."""
        if self.request.force and self.logins:
            return False
        available = logins.entries if logins else ()
        if not (held.serves(self.request.wanted.entries, available) and held.lives(self.now)):
            return False
        is_better = self._is_newer(held, logins) or self._is_asked_for(held, logins)
        return held.is_fresh(self.now, self.request.wanted) or not (is_better or self._is_late(held))

    def _is_asked_for(self, held: Held, logins: Logins | None) -> bool:
        """Return whether logins came after a nudge that held does not answer, or after the clock was set back."""
        nudge = self.request.wanted.nudge
        is_answer = logins is not None and logins.nudge == nudge and not held.answers(nudge)
        return is_answer or (self.logins is not None and held.is_ahead(self.now))

    def _is_newer(self, held: Held, logins: Logins | None) -> bool:
        return logins is not None and held.renew_after is not None and logins.renew_after > held.renew_after

    def _is_late(self, held: Held) -> bool:
        """What is kept of a region in trouble holds the times of a Secret back. The others are renewed before they die
        all the same, though not at each attempt.
        """
        if not (self.logins and held.renew_after and held.expires_at):
            return False
        return self.now > held.renew_after + (held.expires_at - held.renew_after) * 2 / 3

    def _written(self, namespace: str, current: dict | None, held: Held | None, logins: Logins) -> Outcome:
        before = pull_secret.content(current) if current else ""
        written = self.write(namespace, current, held, logins)
        if written is None:
            return self._judged(Outcome(namespace, "unchanged", **self._times(logins)), logins)
        outcome = Outcome(
            namespace,
            "created" if written.is_new else "updated",
            **self._times(logins),
            before=pull_secret.describe(before, self._valid_until(current)) if current else _told(held),
            after=pull_secret.describe(written.config, logins.expires_at),
        )
        return self._judged(outcome, logins)

    def _unchanged(self, held: Held) -> Outcome:
        return self._judged(Outcome(held.namespace, "unchanged", **self._times(held)), held)

    def _times(self, token: Logins | Held) -> dict[str, datetime]:
        times = (token.expires_at, token.renew_after)
        renew_after = due_at(*times, self.request.wanted.refresh_interval)
        return {"expires_at": token.expires_at, "renew_after": renew_after, "issued_at": issued_at(*times)}

    def _judged(self, outcome: Outcome, logins: Logins | Held) -> Outcome:
        """A Secret that lacks a login has failed, however good the others in it are."""
        if set(self.request.wanted.entries) <= set(logins.entries):
            return outcome
        error = self.error or NO_LOGINS
        return replace(outcome, state="failed", reason=error["reason"], message=error["msg"], expires_at=None)

    def _without_logins(self, namespace: str, current: dict | None) -> Outcome:
        """Nothing is written; say whether the namespace can still pull, or is waited for."""
        name = self.request.wanted.name
        current = current or self.cluster.read_object("Secret", namespace, name)
        until = current and not self.obstacle(current) and self._valid_until(current)
        if until:
            return Outcome(namespace, "unchanged", expires_at=until)
        if current is None and name:
            # Whether one could be made: to ask so needs no right to read namespaces.
            try:
                self.cluster.apply_secret(
                    pull_secret.empty(name, namespace), self.request.wanted.manager, force=False, dry_run=True
                )
            except KubernetesError as error:
                outcome = _refusal(namespace, error)
                if outcome.state == "pending":
                    return outcome
        error = self.error or NO_LOGINS
        return Outcome(namespace, "failed", error["reason"], error["msg"])

    def _valid_until(self, current: dict | None) -> datetime | None:
        """A foreign Secret of the name does not count as served, whatever is in it."""
        if current is None or not self.is_ours(current):
            return None
        return self.expiry(current)

    # What depends on whether Secrets are our own

    def is_ours(self, current: dict) -> bool:
        """Return whether the resource has written to a Secret."""
        return pull_secret.is_ours(current["metadata"], self.request.wanted.owner)

    def expiry(self, current: dict) -> datetime | None:
        """Return when the first of the resource's tokens in a Secret dies, None if none lives."""
        return pull_secret.valid_until(current, self.now)

    def obstacle(self, current: dict) -> tuple[str, str] | None:
        """Return why an existing Secret must not or cannot be written (reason, message), or None if it may."""
        if merge.is_only_ours(current, self.request.key):
            return pull_secret.unfit(current)
        if not pull_secret.is_ours(current["metadata"], self.request.wanted.owner):
            shared = merge.conflict(current["metadata"], self.request.key)
            if shared:
                return shared
        return pull_secret.obstacle(current, self.request.wanted.owner, self.request.policy)

    def held(self, current: dict) -> Held | None:
        """Return what stands of the resource in a Secret, None if it has written nothing there."""
        metadata, wanted = current["metadata"], self.request.wanted
        return Held.of(metadata, wanted) if pull_secret.is_ours(metadata, wanted.owner) else None

    def logins_in(self, current: dict) -> Logins | None:
        """Return the living logins in a Secret that are of the identity that is wanted."""
        held = self.held(current)
        return Logins.held_in(current, self.now) if held and held.is_intact else None

    def write(self, namespace: str, current: dict | None, held: Held | None, logins: Logins) -> Written | None:
        """Write a Secret, None if there is no need to; without force where none is known, so that one which is there
        all the same stays.
        """
        wanted = self.request.wanted
        if current and not self.dry_run:
            current = self._freed(current)
        version = current["metadata"]["resourceVersion"] if current else held.version if held else None
        manifest = wanted.manifest(namespace, logins, version)
        is_new = self.cluster.apply_secret(manifest, wanted.manager, force=bool(version), dry_run=self.dry_run)
        return Written(is_new, logins.config)

    def _freed(self, current: dict) -> dict:
        """Take away what another form of us holds in a Secret that is now to be the resource's own."""
        metadata, owner = current["metadata"], self.request.wanted.owner
        former = pull_secret.predecessor(metadata, owner)
        changes = entries_patch(metadata, {}) if merge.sharers(metadata) == {self.request.key} else {}
        if not (former or changes):
            return current
        if owner:
            # In one step: a Secret that is nobody's for a moment would be nobody's for ever if this ended there.
            gone = (former["uid"] if former else "", owner.uid)
            others = [each for each in metadata.get("ownerReferences") or [] if each["uid"] not in gone]
            changes["ownerReferences"] = [*others, owner.reference()]
        patch = {"metadata": {"resourceVersion": metadata["resourceVersion"], **changes}}
        return self.cluster.patch_object("Secret", metadata["namespace"], metadata["name"], patch, dry_run=False)


def _refusal(namespace: str, error: KubernetesError, valid_until: datetime | None = None) -> Outcome:
    return refused(namespace, error.status, error.reason, str(error), valid_until)


def _told(held: Held | None) -> dict | None:
    """Return what a diff may show of a Secret of which the metadata alone was read."""
    if held is None:
        return None
    return {"registries": list(held.entries), "expires_at": held.as_dict()["expires_at"], "fingerprint": None}
