"""Who may hold the Lease when, by a clock that the tests set, and what becomes of one that cannot be renewed."""

from __future__ import annotations

import logging
import socket
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import pytest

from kube_ecr_runner.cluster.errors import KubernetesError
from kube_ecr_runner.cluster.leader_election import Candidate, Identity, Leadership, Record, Terms
from kube_ecr_runner.cluster.lease import LEASE_SECONDS, Lease
from kube_ecr_runner.model.pod import Pod

TERMS = Terms(duration=11, deadline=7, period=2, look=1)
ME, IN_POD = Identity("host", "1"), Identity("pod_uid", "1", is_pod=True)
MINE = str(ME)
OTHERS = Record("other", 11, "t", "t", 3, "v1", "u1")
POD = Pod("ns", "pod", "uid")


def candidate(record: Record, seen_at: float = 0, identity: Identity = ME) -> Candidate:
    found = Candidate(identity, TERMS)
    found.see(record, seen_at)
    return found


@pytest.mark.parametrize(
    ("record", "now", "may"),
    [
        pytest.param(Record(), 0, True, id="not there"),
        pytest.param(Record("", 1, version="v1"), 0, True, id="released"),
        pytest.param(OTHERS, 10.9, False, id="held"),
        pytest.param(OTHERS, 11, True, id="not renewed for its duration"),
        pytest.param(Record("other", 30, version="v1"), 29, False, id="held on other terms"),
        pytest.param(Record("other", 0, version="v1"), 10, False, id="held on no terms"),
        pytest.param(Record(MINE, 11, version="v1"), 100, True, id="held by this runner"),
    ],
)
def test_who_may_take_a_lease(record: Record, now: float, may: bool) -> None:
    assert candidate(record).may_take(now) is may


@pytest.mark.parametrize(
    ("identity", "holder", "may"),
    [
        pytest.param(IN_POD, "pod_uid_0", True, id="an earlier process of the same pod"),
        pytest.param(IN_POD, "pod_uid2_0", False, id="a pod that was made again under the name"),
        pytest.param(IN_POD, "pod_uid", False, id="somebody else"),
        pytest.param(ME, "host_0", False, id="a process on the same host: it may be alive"),
    ],
)
def test_lease_of_who_is_known_to_be_dead_is_taken_at_once(identity: Identity, holder: str, may: bool) -> None:
    found = candidate(replace(OTHERS, holder=holder), identity=identity)
    assert found.may_take(0) is may
    assert found.claim("now") == Record(str(identity), 11, "now", "now", 4, "v1", "u1")


def test_process_is_named_by_its_pod_or_by_its_host() -> None:
    one, two = (Identity.of_this_process(POD) for _ in range(2))
    assert (str(one).startswith("pod_uid_"), one != two, one.succeeds(str(two))) == (True, True, True)
    one, two = (Identity.of_this_process(None) for _ in range(2))
    assert (str(one).startswith(f"{socket.gethostname()}_"), one != two, one.succeeds(str(two))) == (True, True, False)


def test_lease_that_is_gone_is_held_as_long_as_if_it_were_there() -> None:
    """Its holder may not know it yet, say if his pod was deleted by force."""
    found = candidate(OTHERS)
    for now in (3, 10):
        found.see(Record(), now)
    assert (found.may_take(10.9), found.may_take(11), found.wait(10.5)) == (False, True, 0.5)
    assert found.claim("now") == Record(MINE, 11, "now", "now", 3)
    found.see(replace(OTHERS, uid="u2"), 11)
    assert not found.may_take(21)


def test_lease_that_was_released_and_is_gone_may_be_taken() -> None:
    found = candidate(replace(OTHERS, holder=""))
    found.see(Record(), 1)
    assert found.may_take(1)


def test_each_renewal_by_another_begins_its_time_anew_by_the_own_clock() -> None:
    found = candidate(OTHERS)
    found.see(OTHERS, 5)
    assert found.may_take(11)
    found.see(Record("other", 11, "t", "t2", 3, "v2"), 10)
    assert not found.may_take(20)
    assert (found.wait(10), found.wait(20.5)) == (1, 0.5)


def test_taking_renewing_and_releasing_write_what_client_go_writes() -> None:
    taken = candidate(OTHERS).claim("now")
    assert taken == Record(MINE, 11, "now", "now", 4, "v1", "u1")
    assert candidate(Record()).claim("now").transitions == 0
    renewed = candidate(Record(MINE, 11, "before", "before", 4, "v2", "u1")).claim("now")
    assert renewed == Record(MINE, 11, "before", "now", 4, "v2", "u1")
    assert candidate(renewed).release("end").spec() == {
        "holderIdentity": "",
        "leaseDurationSeconds": 1,
        "acquireTime": "before",
        "renewTime": "end",
        "leaseTransitions": 4,
    }


def test_there_is_time_to_end_before_another_may_take_it() -> None:
    """A renewal may begin just before the deadline, and hang."""
    terms = Terms()
    assert terms.deadline + LEASE_SECONDS < terms.duration - 1


def lease_of(holder: str, uid: str = "u") -> dict:
    """Return the Lease as the API server has it."""
    return {"metadata": {"uid": uid, "resourceVersion": "99"}, "spec": {"holderIdentity": holder}}


@dataclass
class Lock:
    """A Lease in memory; error is what each write comes to, is_applied whether it is written all the same."""

    record: dict | None = None
    error: KubernetesError | None = None
    is_applied: bool = False
    version: int = 0
    writes: threading.Event = field(default_factory=threading.Event)

    def read(self) -> Mapping | None:
        return self.record

    def write(self, preconditions: Mapping[str, str], spec: Mapping) -> Mapping:
        self.writes.set()
        if self.error and not self.is_applied:
            raise self.error
        if preconditions != (self.record["metadata"] if self.record else {}):
            raise KubernetesError("write", 409, "Conflict", "it was changed")
        self.version += 1
        self.record = {"metadata": {"uid": "u", "resourceVersion": str(self.version)}, "spec": dict(spec)}
        if self.error:
            self.is_applied, error = False, self.error
            self.error = None
            raise error
        return self.record


QUICK = Terms(duration=11, deadline=0.05, period=0.01, look=0.01)


def leading(lock: Lock, terms: Terms = QUICK) -> tuple[Leadership, threading.Event, list[str]]:
    lost, causes = threading.Event(), []

    def tell(cause: str) -> None:
        causes.append(cause)
        lost.set()

    leadership = Leadership(lock, ME, tell, terms)
    assert leadership.acquire(lambda _: True)
    return leadership, lost, causes


def test_a_lease_that_cannot_be_renewed_is_lost_and_not_released() -> None:
    lock = Lock()
    leadership, lost, causes = leading(lock)
    lock.error = KubernetesError("write", 0, "Unreachable", "no answer")
    assert lost.wait(10)
    assert "no answer" in causes[0]
    before, lock.error = lock.record, None
    leadership.release()
    assert lock.record == before


@pytest.mark.parametrize(
    ("record", "cause"),
    [
        pytest.param(lease_of("other"), "other took it", id="another took it"),
        pytest.param(lease_of("other", uid="u2"), "other took it", id="another made it again"),
        pytest.param(None, "somebody deleted or released it", id="it is gone"),
        pytest.param(lease_of(""), "somebody deleted or released it", id="nobody holds it"),
    ],
)
def test_lease_in_other_hands_is_lost_at_once_and_not_taken_again(record: dict | None, cause: str) -> None:
    lock = Lock()
    leadership, lost, causes = leading(lock, Terms(11, 1000, 0.01, 0.01))
    lock.record = record
    assert lost.wait(10)
    assert causes == [cause]
    leadership.release()
    assert lock.record == record


def test_a_renewal_without_an_answer_that_was_written_is_none_that_is_lost() -> None:
    lock = Lock()
    leadership, lost, _ = leading(lock, Terms(11, 1000, 0.01, 0.01))
    lock.is_applied, lock.error = True, KubernetesError("write", 0, "Unreachable", "no answer")
    for _ in range(5):
        lock.writes.clear()
        assert lock.writes.wait(10)
    assert not lost.is_set()
    leadership.release()
    assert lock.record
    assert lock.record["spec"]["holderIdentity"] == ""


@pytest.mark.parametrize(
    ("read", "told"),
    [
        pytest.param(None, "", id="another holds it and works"),
        pytest.param(KubernetesError("read the Lease", 403, "Forbidden", "no"), "read the Lease: no"),
        pytest.param(KubernetesError("read", 0, "Unreachable", "no connection"), "read: no connection"),
    ],
)
def test_who_waits_tells_whether_the_lease_is_to_be_had(
    monkeypatch: pytest.MonkeyPatch, read: KubernetesError | None, told: str
) -> None:
    """After a trouble that is over, it waits as before."""
    lock = Lock({"metadata": {"resourceVersion": "0"}, "spec": OTHERS.spec()})
    said: list[str] = []

    def refuse() -> Mapping | None:
        if read and len(said) == 1:
            raise read
        return lock.record

    monkeypatch.setattr(lock, "read", refuse)
    leadership = Leadership(lock, ME, lambda _: None, TERMS)
    assert not leadership.acquire(lambda _: len(said) < 3, said.append)
    assert said == ["", told, ""]


def test_lease_that_nobody_renews_is_told_once(caplog: pytest.LogCaptureFixture) -> None:
    lock = Lock({"metadata": {"resourceVersion": "0"}, "spec": replace(OTHERS, duration=86400).spec()})
    said: list[str] = []
    with caplog.at_level(logging.WARNING):
        leadership = Leadership(lock, ME, lambda _: None, TERMS, lambda: 40.0 * len(said))
        assert not leadership.acquire(lambda _: len(said) < 4, said.append)
    assert [bool(each) for each in said] == [False, False, True, True]
    (record,) = caplog.records
    assert record.fields["cause"] == said[2]  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("holder", "now", "told"), [("other", 59, False), ("other", 60, True), ("", 60, False), (MINE, 60, False)]
)
def test_lease_that_nobody_renews_for_long_is_told_of(holder: str, now: float, told: bool) -> None:
    """Whatever time somebody gave it: till that is over, nothing is served."""
    found = candidate(replace(OTHERS, holder=holder, duration=86400))
    text = found.doubt(now)
    assert bool(text) is told
    assert not told or text.startswith("other holds the Lease for 86400 s, but has not renewed it for 60 s; delete")


def test_who_waits_can_be_told_to_stop() -> None:
    lock = Lock({"metadata": {"resourceVersion": "0"}, "spec": OTHERS.spec()})
    asked: list[float] = []

    def pause(seconds: float) -> bool:
        asked.append(seconds)
        return len(asked) < 3

    leadership = Leadership(lock, ME, lambda _: None, TERMS)
    assert not leadership.acquire(pause)
    leadership.release()
    assert (len(asked), lock.record["spec"]["holderIdentity"]) == (3, "other")


class Calls:
    """Takes the calls of a Lease; answer is what each comes to."""

    def __init__(self, answer: dict | KubernetesError) -> None:
        self.answer = answer
        self.made: list[tuple[str, str, dict]] = []

    def __call__(self, call: str, method: str, path: str, query: dict, parse: object, **options) -> dict:
        self.made.append((method, path, options.get("body", {}).get("metadata", {})))
        if isinstance(self.answer, KubernetesError):
            raise self.answer
        return self.answer


NAMED = {"name": "runner", "namespace": "ns"}
OWNED = {"ownerReferences": [{"apiVersion": "v1", "kind": "Pod", "name": "pod", "uid": "uid"}]}
SEEN = {"uid": "u", "resourceVersion": "7"}


@pytest.mark.parametrize(
    ("pod", "owned"),
    [
        pytest.param(POD, OWNED, id="its pod"),
        pytest.param(None, {}, id="nobody, and who was it before is it no more"),
        pytest.param(replace(POD, namespace="other"), {}, id="nobody: a pod of another namespace cannot"),
    ],
)
def test_who_holds_a_lease_says_who_owns_it(pod: Pod | None, owned: dict) -> None:
    calls = Calls({"metadata": {}})
    lease = Lease(calls, "ns", "runner", pod)
    lease.write({}, {})
    lease.write(SEEN, {})
    path = "/apis/coordination.k8s.io/v1/namespaces/ns/leases"
    assert calls.made == [("POST", path, NAMED | owned), ("PUT", f"{path}/runner", NAMED | SEEN | owned)]


def test_only_the_api_server_knows_that_a_lease_is_not_there() -> None:
    assert Lease(Calls(KubernetesError("read", 404, "NotFound", "")), "ns", "runner", None).read() is None
    for status, reason in ((404, "HTTP404"), (403, "Forbidden")):
        with pytest.raises(KubernetesError):
            Lease(Calls(KubernetesError("read", status, reason, "")), "ns", "runner", None).read()
