# Copyright: kube_ecr.secrets contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Bring target namespaces to what a request wants, each on its own: read, decide (see decision), carry that out.

What always holds: a Secret is only ever replaced by one that holds a valid token; one that appeared, or was changed,
since it was looked at is looked at again, never overwritten unseen.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from .._cluster.client import CONFLICT_ATTEMPTS, Cluster
from .._cluster.errors import KubernetesError
from .._contract import reasons
from .._contract.errors import known
from .._contract.item import NamespacedName
from .._contract.result import CREATED, FAILED, PENDING, UNCHANGED, UPDATED
from .._contract.token_life import due_at, issued_at
from .._secret import conflicts, content, docker_config, handover
from .._secret.desired import empty_manifest
from .._secret.extra_logins import Held
from .._secret.logins import Logins
from .._secret.observed import ObservedSecret
from .decision import Decision, Fail, Leave, LeaveUnrenewed, ProbeNamespace, Read, Write, decide
from .outcomes import NamespaceOutcome, refused
from .request import AvailableLogins, Request
from .steps import alone_at
from .target_state import TargetState, as_listed, as_read, valid_until


@dataclass(frozen=True)
class Written:
    """That a Secret was written: whether there was none before, and what it holds now (see _secret.content)."""

    is_new: bool
    text: str = field(repr=False)


@dataclass(frozen=True)
class OwnSecretWriter:
    """Writes the Secrets of a request where they are its own; where they are shared, MergedSecretWriter does."""

    cluster: Cluster
    request: Request
    available: AvailableLogins
    now: datetime
    dry_run: bool

    def reconcile(self, namespace: str) -> NamespaceOutcome:
        """Bring one namespace to what is wanted; return what became of it. Never raises."""
        with alone_at(NamespacedName(namespace, self.request.desired.name)):
            return self._reconcile(namespace)

    def _reconcile(self, namespace: str) -> NamespaceOutcome:
        observed = as_listed(self.request, namespace)
        decision = self._decide(observed)
        for attempt in range(CONFLICT_ATTEMPTS):
            try:
                if attempt or isinstance(decision, Read):
                    observed = self._read(namespace)
                    decision = self._decide(observed)
                return self._carry_out(decision, observed)
            except KubernetesError as error:
                # A conflict means that somebody was faster, so look again.
                if error.status != 409 or attempt == CONFLICT_ATTEMPTS - 1:
                    return _refusal(namespace, error, self._valid_until(observed))
        raise AssertionError("unreachable")

    def _read(self, namespace: str) -> TargetState:
        secret = self.cluster.read_object("Secret", namespace, self.request.desired.name)
        return as_read(self.request, namespace, secret, self.now)

    def _decide(self, observed: TargetState) -> Decision:
        return decide(self.request, observed, self.available, self.now)

    def _carry_out(self, decision: Decision, observed: TargetState) -> NamespaceOutcome:
        namespace = observed.namespace
        if isinstance(decision, Leave):
            outcome = NamespaceOutcome(namespace=namespace, state=UNCHANGED, **self._times(decision.part))
            return self._judged(self._shadowed(outcome, decision.part.shadowed_by), decision.shortfall)
        if isinstance(decision, LeaveUnrenewed):
            return NamespaceOutcome(namespace, UNCHANGED, expires_at=decision.valid_until)
        if isinstance(decision, Fail):
            return _failed(namespace, decision)
        if isinstance(decision, ProbeNamespace):
            return self._probe(namespace, decision.otherwise)
        if isinstance(decision, Write):
            return self._write(decision, observed)
        raise TypeError(f"{type(decision).__name__}: whoever reads decides again")

    def _write(self, decision: Write, observed: TargetState) -> NamespaceOutcome:
        logins = decision.logins
        written = self.write(observed, logins)
        outcome = NamespaceOutcome(namespace=observed.namespace, state=UNCHANGED, **self._times(logins))
        text = content.stored(observed.secret) if observed.secret else ""
        if written:
            text = written.text
            outcome = replace(
                outcome,
                state=CREATED if written.is_new else UPDATED,
                before=self._described(observed),
                after=docker_config.describe(text, logins.expires_at),
            )
        keys = docker_config.shadows(text, docker_config.hosts_in(logins.config))
        return self._judged(self._shadowed(outcome, keys), decision.shortfall)

    def _judged(self, outcome: NamespaceOutcome, shortfall: Fail | None) -> NamespaceOutcome:
        """A Secret that lacks a login has failed, however good the others in it are: with those of AWS it is valid."""
        failure = shortfall or self.request.desired.extra.error
        if failure is None:
            return outcome
        failed = replace(outcome, state=FAILED, reason=failure.reason, message=failure.message, shadowed_by=())
        return replace(failed, expires_at=None) if shortfall else failed

    def _probe(self, namespace: str, otherwise: Fail) -> NamespaceOutcome:
        """Say whether a namespace without a Secret is waited for; to ask so needs no right to read namespaces."""
        desired = self.request.desired
        try:
            empty = empty_manifest(desired.name, namespace)
            self.cluster.apply_secret(empty, desired.manager, force=False, dry_run=True)
        except KubernetesError as error:
            if error.status == 409:  # a Secret appeared meanwhile
                raise
            outcome = _refusal(namespace, error)
            if outcome.state == PENDING:
                return outcome
        return _failed(namespace, otherwise)

    def _shadowed(self, outcome: NamespaceOutcome, keys: tuple[str, ...]) -> NamespaceOutcome:
        """Logins of others for parts of our registries are theirs, and may be meant: so they stay, and are told."""
        if not keys:
            return outcome
        place = NamespacedName(outcome.namespace, self.request.desired.name)
        text = conflicts.shadow_warning(place, keys)
        return replace(outcome, reason=reasons.LOGIN_SHADOWED, message=text, shadowed_by=keys)

    def _times(self, token: Logins | ObservedSecret) -> dict[str, Any]:
        """Return the times of a token that lives, by the fields of an outcome."""
        why = "a token without a life is never left or written"
        times = known(token.expires_at, why), known(token.renew_after, why)
        renew_after = due_at(*times, self.request.desired.refresh_interval)
        return {"expires_at": token.expires_at, "renew_after": renew_after, "issued_at": issued_at(*times)}

    def _valid_until(self, observed: TargetState) -> datetime | None:
        return valid_until(self.request, observed.secret, self.now) if observed.secret else None

    def _described(self, observed: TargetState) -> dict | None:
        """Return what a diff may show of a Secret before it was written; its metadata alone may have been listed."""
        if observed.secret:
            return docker_config.describe(content.stored(observed.secret), self._valid_until(observed))
        part = observed.part
        if part is None:
            return None
        return {
            "registries": list(map(str, part.registries)),
            "expires_at": part.as_dict()["expires_at"],
            "fingerprint": None,
        }

    # What differs where Secrets are shared with others

    def write(self, observed: TargetState, logins: Logins) -> Written | None:
        """Write a Secret, None if there is no need to; without force where none is known, so that one which is there
        all the same stays. Raises KubernetesError.
        """
        desired, secret, part = self.request.desired, observed.secret, observed.part
        if secret:
            held = Held.on(secret["metadata"]).registries if part and part.is_intact else ()
            extra = desired.extra.with_held(docker_config.content(secret), held)
            desired = replace(desired, extra=extra)
        if secret and not self.dry_run:
            patch = handover.take_over_patch(secret["metadata"], desired.owner, self.request.key, self.request.resource)
            secret = self._patch(observed.namespace, patch) if patch else secret
        version = secret["metadata"]["resourceVersion"] if secret else part.version if part else None
        manifest = desired.manifest(observed.namespace, logins, version)
        is_new = self.cluster.apply_secret(manifest, desired.manager, force=bool(version), dry_run=self.dry_run)
        return Written(is_new, content.text(desired.data(logins)))

    def _patch(self, namespace: str, patch: dict) -> dict:
        return self.cluster.patch_object("Secret", namespace, self.request.desired.name, patch, dry_run=self.dry_run)


def _failed(namespace: str, failure: Fail) -> NamespaceOutcome:
    return NamespaceOutcome(namespace, FAILED, failure.reason, failure.message, failure.valid_until)


def _refusal(namespace: str, error: KubernetesError, until: datetime | None = None) -> NamespaceOutcome:
    return refused(namespace, error.status, error.reason, str(error), until)
