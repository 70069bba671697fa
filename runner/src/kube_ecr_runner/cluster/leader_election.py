"""Leader election: of several runners the one that holds a Lease works, the others wait.

The rules are those of client-go (https://pkg.go.dev/k8s.io/client-go/tools/leaderelection): who holds the Lease renews
it; who finds it unchanged for its duration, by his own clock, takes it; the resourceVersion sees to it that only one
succeeds. What always holds: a runner that could not renew it has stopped to write before another may take it.

Two rules are our own (docs/decisions/0014-pod-owns-its-lease.md). A Lease that an earlier process of the same pod held
is taken at once, since that process is dead. And the pod of its holder owns the Lease, so that it goes with the pod.
Where a Lease is deleted while its holder lives (a pod is deleted by force, say), the holder ends at its next renewal,
and who waited for it takes it no sooner than if it were there; but a runner that starts after that knows of no holder.

The Python client's leader election is not used: it waits for an answer without end, goes by the time of day, and can
neither be stopped nor release the Lease.
"""

from __future__ import annotations

import logging
import socket
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, Protocol
from uuid import uuid4

from kube_ecr_runner.cluster.errors import KubernetesError
from kube_ecr_runner.contract.timestamps import format_micro_time
from kube_ecr_runner.log import fields
from kube_ecr_runner.model.pod import Pod

# Who holds a Lease and lives renews it every few seconds, whatever its duration: any other runner, and client-go.
ABANDONED_SECONDS = 60.0

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Terms:
    """Seconds: a Lease that was not renewed for duration may be taken, and who holds it gives up after deadline.

    Between the two there is time for a call that hangs (LEASE_SECONDS) and for what has to be ended. It is renewed
    once in period; who waits for it looks once in look.
    """

    duration: float = 11.0
    deadline: float = 7.0
    period: float = 2.0
    look: float = 1.0


@dataclass(frozen=True)
class Identity:
    """Which process holds a Lease or waits for it: where that runs, and a text that no other process has."""

    where: str
    process: str
    is_pod: bool = False

    @classmethod
    def of_this_process(cls, pod: Pod | None) -> Identity:
        """Return the identity of this process, which runs in that pod, or in no pod that it knows."""
        where = f"{pod.name}_{pod.uid}" if pod else socket.gethostname()
        return cls(where, str(uuid4()), is_pod=pod is not None)

    def __str__(self) -> str:
        return f"{self.where}_{self.process}"

    def succeeds(self, holder: str) -> bool:
        """Return whether a holder was an earlier process of the same pod: then it is dead.

        kubelet starts a container again only when it has ended, with all of its processes. The name of a host says
        nothing of the kind: with hostNetwork, pods of one node share it.
        """
        return self.is_pod and holder.startswith(f"{self.where}_")


@dataclass(frozen=True)
class Record:
    """What a Lease says; version is its resourceVersion, and it and uid are empty if it is not there."""

    holder: str = ""
    duration: float = 0.0
    acquired: str = ""
    renewed: str = ""
    transitions: int = 0
    version: str = ""
    uid: str = ""

    @classmethod
    def parse(cls, lease: Mapping | None) -> Record:
        """Return the record in an object of the API server, or that of a Lease that is not there."""
        if lease is None:
            return cls()
        spec = lease.get("spec") or {}
        return cls(
            holder=spec.get("holderIdentity") or "",
            duration=float(spec.get("leaseDurationSeconds") or 0),
            acquired=spec.get("acquireTime") or "",
            renewed=spec.get("renewTime") or "",
            transitions=spec.get("leaseTransitions") or 0,
            version=lease["metadata"].get("resourceVersion") or "",
            uid=lease["metadata"].get("uid") or "",
        )

    @property
    def preconditions(self) -> dict[str, str]:
        """What tells this Lease, as it is, from any other; nothing if it is not there."""
        return {"uid": self.uid, "resourceVersion": self.version} if self.version else {}

    def spec(self) -> dict[str, object]:
        """Return the spec of the Lease."""
        spec = {
            "holderIdentity": self.holder,
            "leaseDurationSeconds": max(round(self.duration), 1),
            "acquireTime": self.acquired or None,
            "renewTime": self.renewed or None,
            "leaseTransitions": self.transitions,
        }
        return {name: value for name, value in spec.items() if value is not None}


@dataclass
class Candidate:
    """What one runner knows of a Lease, and what it may do. Pure; moments are of a clock that never goes back."""

    identity: Identity
    terms: Terms
    seen: Record = field(default_factory=Record)
    seen_at: float = 0.0

    def see(self, record: Record, now: float) -> None:
        """Note what the Lease says; a record that was seen before is as old as it was then.

        So is that of another whose Lease is gone: he may not know it yet.
        """
        if not record.version and not self.holds:
            self.seen = replace(self.seen, version="", uid="")
        elif record != self.seen:
            self.seen, self.seen_at = record, now

    @property
    def holds(self) -> bool:
        """Whether the Lease was this runner's when it was seen last."""
        return self.seen.holder == str(self.identity)

    def may_take(self, now: float) -> bool:
        """Return whether the Lease is this runner's, or may become it."""
        holder = self.seen.holder
        return self.holds or not holder or self.identity.succeeds(holder) or self._left(now) <= 0

    def wait(self, now: float) -> float:
        """Return for how many seconds who waits for it need not look: at most until the Lease may be taken."""
        left = self._left(now)
        return min(self.terms.look, left) if left > 0 else self.terms.look

    def doubt(self, now: float) -> str:
        """Return why it is in vain to wait for the Lease, as it seems, empty if its holder works."""
        age = now - self.seen_at
        if self.holds or not self.seen.holder or age < ABANDONED_SECONDS:
            return ""
        return (
            f"{self.seen.holder} holds the Lease for {self.seen.duration:g} s, but has not renewed it for {age:.0f} s; "
            "delete the Lease if nobody works"
        )

    def claim(self, moment: str) -> Record:
        """Return the record by which this runner takes or renews the Lease at that time of day."""
        if self.holds:
            return replace(self.seen, renewed=moment, duration=self.terms.duration)
        return replace(
            self.seen,
            holder=str(self.identity),
            duration=self.terms.duration,
            acquired=moment,
            renewed=moment,
            transitions=self.seen.transitions + (1 if self.seen.version else 0),
        )

    def release(self, moment: str) -> Record:
        """Return the record by which this runner gives the Lease up: the next one need not wait."""
        return replace(self.seen, holder="", duration=1.0, renewed=moment)

    def _left(self, now: float) -> float:
        return self.seen_at + (self.seen.duration or self.terms.duration) - now


class Lock(Protocol):
    """Where the Lease is: lease.Lease."""

    def read(self) -> Mapping[str, Any] | None: ...

    def write(self, preconditions: Mapping[str, str], spec: Mapping[str, Any]) -> Mapping[str, Any]: ...


class Leadership:
    """Holds a Lease from acquire() to release(), and tells when it is lost."""

    def __init__(
        self,
        lock: Lock,
        identity: Identity,
        lost: Callable[[str], None],
        terms: Terms = Terms(),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """lost is called once, from another thread, with the cause, in time to end what only the leader may do."""
        self._lock = lock
        self._lost = lost
        self._candidate = Candidate(identity, terms)
        self._terms = terms
        self._clock = clock
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._keep, name="lease", daemon=True)
        self._trouble = ""
        self._is_lost = False

    def acquire(self, pause: Callable[[float], bool], waits: Callable[[str], None] = lambda _: None) -> bool:
        """Return True when the Lease is held, from when on it is renewed, or False if it is not waited for any more.

        pause waits for that many seconds and says whether to go on; it may be shorter. waits is told after each attempt
        why the Lease is not to be had, an empty text if another holds and renews it.
        """
        told, doubt = "", ""
        while True:
            if self._attempt():
                _log.info("became leader", extra=fields(identity=str(self._candidate.identity)))
                self._thread.start()
                return True
            if (in_vain := self._candidate.doubt(self._clock())) and not doubt:
                _log.warning("cannot acquire or renew the Lease", extra=fields(cause=in_vain))
            doubt = in_vain
            waits(self._trouble or doubt)
            holder = self._candidate.seen.holder
            if holder and holder != told:
                told = holder
                _log.info("waiting, another replica is the leader", extra=fields(leader=holder))
            if not pause(self._candidate.wait(self._clock())):
                return False

    def release(self) -> None:
        """Renew the Lease no more, and give it up if it is held. Call it when all is over that only a leader may do."""
        self._ending.set()
        if self._is_lost or not self._candidate.holds:
            return
        self._thread.join()
        try:
            self._write(self._candidate.release(_now()))
        except KubernetesError as error:
            _log.warning("cannot release the Lease; it expires by itself", extra=fields(cause=error))

    def _keep(self) -> None:
        """Renew the Lease; whatever ends this but release() is a loss of it."""
        cause = "the renewal broke"
        try:
            cause = self._renew()
        finally:
            if not self._ending.is_set():
                self._is_lost = True
                _log.error("lost the leader lease, exiting", extra=fields(cause=cause))
                self._lost(cause)

    def _renew(self) -> str:
        """Return why the Lease is lost, or anything after release()."""
        renewed = self._clock()
        while not self._ending.wait(self._terms.period):
            started = self._clock()
            if self._attempt():
                renewed = started
            elif not self._candidate.holds:
                holder = self._candidate.seen.holder
                return f"{holder} took it" if holder else "somebody deleted or released it"
            if self._clock() - renewed >= self._terms.deadline:
                return f"it could not be renewed for {self._terms.deadline:g} s: {self._trouble}"
        return ""

    def _attempt(self) -> bool:
        """Take or renew the Lease if that may be; return whether that was done."""
        try:
            if not self._candidate.holds:
                self._look()
            if not self._candidate.may_take(self._clock()):
                self._trouble = ""
                return False
            self._write(self._candidate.claim(_now()))
        except KubernetesError as error:
            self._failed(error)
            return False
        self._trouble = ""
        return True

    def _failed(self, error: KubernetesError) -> None:
        """Look again after a conflict: a write that was not answered may have been one of this runner all the same.

        Or the Lease is another, or is gone.
        """
        if error.status == 409:
            try:
                self._look()
            except KubernetesError as other:
                error = other
        if error.status != 409 and str(error) != self._trouble:
            _log.warning("cannot acquire or renew the Lease", extra=fields(cause=error))
        self._trouble = str(error)

    def _look(self) -> None:
        self._candidate.see(Record.parse(self._lock.read()), self._clock())

    def _write(self, record: Record) -> None:
        self._candidate.see(Record.parse(self._lock.write(record.preconditions, record.spec())), self._clock())


def _now() -> str:
    return format_micro_time(datetime.now(UTC))
