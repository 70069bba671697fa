"""Which pods are evicted because the Secret that they name was written after they began to wait for it. Pure.

kubelet waits longer after each attempt, up to five minutes, and counts by the UID of the pod: a pod that is made again
pulls at once. So this saves minutes, and is needed for nothing. Hence it does too little rather than too much: in the
time in which kubelet would try by itself, a few pods at a time, each once, and only those that are certain to be made
again.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from kube_ecr_runner.contract import reasons
from kube_ecr_runner.contract.timestamps import format_time
from kube_ecr_runner.model.event import Event
from kube_ecr_runner.model.resource import Key, Resource
from kube_ecr_runner.model.waiting_pod import WaitingPod

# By then kubelet has tried again, after 312 seconds at the latest: a pod that waits still was refused with the Secret
# as it is now, and another one would be, too.
WINDOW = timedelta(minutes=6)
ROUND = timedelta(seconds=10)
MAX_IN_ROUND = 5
# These make a pod again whatever became of the one before. A Job counts an evicted pod as failed, and may make no other
# (backoffLimit); a pod of the node itself comes back as it was; of others it is not known what they do.
_MAKES_AGAIN = frozenset(
    {("apps", "ReplicaSet"), ("apps", "StatefulSet"), ("apps", "DaemonSet"), ("", "ReplicationController")}
)
# Stands for all namespaces of a resource: its status tells when a Secret was written, and not where.
_ANYWHERE = ""


@dataclass(frozen=True)
class Candidate:
    """A pod that may be evicted, for a resource whose Secret was written in its namespace at that time."""

    resource: Resource
    pod: WaitingPod
    written_at: datetime

    @property
    def would_be_helped(self) -> bool:
        """Whether a pod that is made instead of this one pulls, as far as it is known, and is certain to be made."""
        pod = self.pod
        return (
            self.resource.secret_name in pod.pull_secrets
            and pod.created_at is not None
            and pod.created_at < self.written_at
            and _is_made_again(pod)
            and not pod.lacks_image
        )

    @property
    def event(self) -> Event:
        """The event about the controller of the pod, once the pod was evicted."""
        secret = f"Secret {self.resource.secret_name} of {self.resource.key}"
        text = (
            f"evicted pod {self.pod.name}, so that one that is made again pulls {', '.join(self.pod.images)} at once: "
            f"{secret} was written at {format_time(self.written_at)}, and kubelet would have tried again in up to 5 "
            "minutes (spec.recoverPods)"
        )
        return Event("Normal", reasons.POD_RECOVERED, text)


class Recoveries:
    """Where Secrets were written lately, and which pods were tried since."""

    def __init__(self) -> None:
        self._written: dict[Key, dict[str, datetime]] = {}
        # Of each pod that was tried when that was, and which of them were evicted.
        self._tried: dict[str, datetime] = {}
        self._evicted: set[str] = set()
        self._not_before = datetime.min.replace(tzinfo=UTC)
        self._round_at: datetime | None = None

    def note_written(self, key: Key, namespaces: Iterable[str], now: datetime) -> None:
        """Note that the Secret of a resource was just written in these namespaces."""
        self._note(key, dict.fromkeys(namespaces, now), now)

    def note_restart(self, key: Key, written_at: datetime, now: datetime) -> None:
        """Note when a Secret of a resource was written last, by a process before this one."""
        if _is_recent(written_at, now):
            self._note(key, {_ANYWHERE: written_at}, now)

    def next_due(self) -> datetime | None:
        """Return when the next round may begin, None if no Secret was written lately."""
        return self._round_at

    def begin(self, now: datetime) -> list[Key]:
        """Return the resources whose Secrets were written lately, none if it is not the time of a round."""
        if self._round_at is None or now < self._round_at:
            return []
        for key, times in list(self._written.items()):
            recent = {namespace: time for namespace, time in times.items() if _is_recent(time, now)}
            if recent:
                self._written[key] = recent
            else:
                del self._written[key]
        self._not_before = now + ROUND
        self._round_at = self._not_before if self._written else None
        return list(self._written)

    def written_at(self, key: Key, namespace: str) -> datetime | None:
        """Return when the Secret of a resource was written in a namespace, None if not lately."""
        times = self._written.get(key, {})
        return times.get(namespace) or times.get(_ANYWHERE)

    def choose(self, candidates: Iterable[Candidate]) -> list[Candidate]:
        """Return those that are to be evicted in this round, each once: those that were not tried yet go first."""
        found = {each.pod.uid: each for each in candidates if each.pod.uid not in self._evicted}
        helped = (each for each in found.values() if each.would_be_helped)
        return sorted(helped, key=self._turn)[:MAX_IN_ROUND]

    def note_tried(self, pod: WaitingPod, now: datetime, *, is_evicted: bool) -> None:
        """Note that the eviction of a pod was asked for; one that was refused may be tried in a later round."""
        self._tried[pod.uid] = now
        if is_evicted:
            self._evicted.add(pod.uid)

    def forget_pod(self, pod: WaitingPod) -> None:
        """Drop a pod that waits no more."""
        self._tried.pop(pod.uid, None)
        self._evicted.discard(pod.uid)

    def forget(self, key: Key) -> None:
        """Drop a resource that is gone."""
        self._written.pop(key, None)

    def hasten(self, now: datetime) -> None:
        """The clock was set back: what waits for a time waits for one of the old clock."""
        self._not_before = now
        self._round_at = self._round_at and now

    def _note(self, key: Key, times: dict[str, datetime], now: datetime) -> None:
        if times:
            self._written[key] = self._written.get(key, {}) | times
            self._round_at = self._round_at or max(now, self._not_before)

    def _turn(self, candidate: Candidate) -> tuple[bool, datetime, datetime]:
        tried_at = self._tried.get(candidate.pod.uid)
        assert candidate.pod.created_at, "one without a time is none that would be helped"
        return tried_at is not None, tried_at or candidate.pod.created_at, candidate.pod.created_at


def _is_recent(time: datetime, now: datetime) -> bool:
    """A time to come is one of another clock."""
    return timedelta(0) <= now - time <= WINDOW


def _is_made_again(pod: WaitingPod) -> bool:
    if pod.owner is None:
        return False
    group, slash, _ = pod.owner.api_version.partition("/")
    return (group if slash else "", pod.owner.kind) in _MAKES_AGAIN
