"""The control loop by its public run(): on a clock that goes ahead while it sleeps, with runs that answer at once.

What its parts do is tested part by part; here is what only the loop does: the order of things, when it wakes and ends.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial
from queue import Empty, SimpleQueue
from random import Random

import pytest

from kube_ecr_runner.cluster.errors import KubernetesError
from kube_ecr_runner.cluster.reflector import ChangeEvent, ListEvent
from kube_ecr_runner.cluster.sources import NAMESPACES, Source
from kube_ecr_runner.config.watches import WatchesEntry
from kube_ecr_runner.contract.kinds import CLUSTER_KIND, NAMESPACED_KIND
from kube_ecr_runner.controller.loop import MAX_SLEEP_SECONDS, Controller
from kube_ecr_runner.controller.messages import Message, Stop
from kube_ecr_runner.controller.parts import Parts
from kube_ecr_runner.model.conditions import condition_of
from kube_ecr_runner.model.event import Event
from kube_ecr_runner.model.observer import Observer
from kube_ecr_runner.model.playbook import PlaybookSpec
from kube_ecr_runner.model.resource import Key, Resource
from kube_ecr_runner.model.result import Result
from kube_ecr_runner.model.run import RunSummary
from kube_ecr_runner.telemetry.health import Health
from kube_ecr_runner.telemetry.metrics import Metrics
from kube_ecr_runner.telemetry.monitor import Monitor
from tests.unit.runner.controller.builders import (
    EXPIRY,
    HOUR,
    KEY,
    KEYS_SOURCE,
    LOGINS,
    NOW,
    OTHER,
    SOURCES,
    keys,
    login,
    make_namespace,
    make_pod,
    make_resource,
    ready,
    referring,
    served,
    suspended,
)
from tests.unit.runner.controller.parts import PODS, Api, Watch

# What happens when nothing is left to do; it may say how much time passes then.
Step = Callable[[], timedelta | None]
DOWN = KubernetesError("write", 0, "Unreachable", "no connection")


class Inbox:
    """The inbox of a loop for which time passes only while it sleeps."""

    def __init__(self, lab: Lab) -> None:
        self._lab = lab
        self._queue: SimpleQueue[Message] = SimpleQueue()
        self.put = self._queue.put
        self.get_nowait = self._queue.get_nowait
        self.empty = self._queue.empty

    def get(self, timeout: float) -> Message:
        if self._lab.is_running or not self.empty():
            return self._queue.get(timeout=10)
        self._lab.slept.append(timeout)
        self._lab.now += timedelta(seconds=timeout)
        raise Empty


class LabObserver(Observer):
    """Knows when the loop comes to the end of a turn, and has the lab take its next step there."""

    def __init__(self, lab: Lab) -> None:
        self._lab = lab
        self.queue: list[tuple[int, datetime | None]] = []
        self.moves = 0

    def loop_moved(self) -> None:
        self.moves += 1

    def run_started(self, run: str) -> None:
        self._lab.is_running = True

    def run_ended(self, status: str, seconds: float, resources: int) -> None:
        self._lab.is_running = False

    def queue_changed(self, depth: int, oldest_due: datetime | None) -> None:
        self.queue.append((depth, oldest_due))
        if not depth:
            self._lab.turn_ended()


class Both(Observer):
    """Tells the lab and the monitor, as the command has only the monitor told."""

    def __init__(self, *observers: Observer) -> None:
        for name in (name for name in vars(Observer) if not name.startswith("_")):
            setattr(self, name, partial(self._tell, observers, name))

    def _tell(self, observers: tuple[Observer, ...], name: str, *values: object) -> None:
        for observer in observers:
            getattr(observer, name)(*values)


@dataclass
class Lab:
    """A loop whose surroundings are made up. It is stopped when nothing is due and all steps were taken."""

    entries: Collection[WatchesEntry] = tuple(WatchesEntry(kind, PlaybookSpec("a.b.c")) for kind in SOURCES)
    present: Mapping[Source, tuple] = field(default_factory=dict)
    window: timedelta = timedelta(0)
    batch_size: int = 10
    answer: Callable[[Key], Result | None] | None = None
    during_run: Callable[[], object] = lambda: None
    now: datetime = NOW
    api: Api = field(default_factory=Api)
    runs: list[tuple[str, list[Key]]] = field(default_factory=list)
    calls: list[str] = field(default_factory=list)
    watches: list[Watch] = field(default_factory=list)
    slept: list[float] = field(default_factory=list)
    is_running: bool = False
    working: bool = True

    def __post_init__(self) -> None:
        self.inbox = Inbox(self)
        self.observer = LabObserver(self)
        self.monitor = Monitor(Health(300.0), Metrics(lambda: self.now))
        self._steps: list[Step] = []
        self._resume_at = self.now
        observer = Both(self.monitor, self.observer)
        parts = Parts.make(
            self.entries,
            SOURCES.values(),
            self.api,
            self,
            self.inbox.put,
            self._watch,
            observer,
            window=self.window,
            batch_size=self.batch_size,
            random=Random(1),
            pods=(PODS,),
            clock=lambda: self.now,
        )
        self.controller = Controller(parts, self.inbox, observer, lambda: self.now)  # type: ignore[arg-type]

    def serve(self, *resources: Resource, steps: Iterable[Step] = ()) -> None:
        """List these, then take each step when nothing is left to do after the one before."""
        for kind, source in SOURCES.items():
            self.put(ListEvent(source, tuple(resource for resource in resources if resource.key.kind == kind)))
        self.put(ListEvent(NAMESPACES, tuple(make_namespace(name) for name in ("ns1", "ns2"))))
        self.run_loop(*steps)

    def run_loop(self, *steps: Step) -> None:
        self._steps = list(steps)
        self.controller.run([self])

    def put(self, *messages: ListEvent | ChangeEvent) -> None:
        for message in messages:
            self.inbox.put(message)

    def see(self, resource: Resource) -> None:
        self.put(ChangeEvent(SOURCES[resource.key.kind], resource, is_gone=False))

    def turn_ended(self) -> None:
        if self.is_running or not self.inbox.empty() or self.now < self._resume_at:
            return
        if self._steps:
            pause = self._steps.pop(0)()
            self._resume_at = self.now + (pause or timedelta(0))
        else:
            self.inbox.put(Stop("SIGTERM"))

    @property
    def served(self) -> list[list[Key]]:
        return [sorted(keys) for _, keys in self.runs]

    # What runs playbooks

    def run(
        self, keys: list[Key], playbook: PlaybookSpec, deliver: Callable[[Result], None], cancelled: threading.Event
    ) -> RunSummary:
        self.runs.append((playbook.playbook, keys))
        self.during_run()
        results = {key: self.answer(key) if self.answer else served(key, now=self.now) for key in keys}
        for result in results.values():
            if result:
                deliver(result)
        status = "canceled" if cancelled.is_set() else "successful"
        return RunSummary(status, 0, 0.0, "no reason", [key for key, result in results.items() if not result])

    def tend(self, playbook: PlaybookSpec) -> None:
        self.calls.append(f"tend {playbook}{' while a run works' if self.is_running else ''}")

    def kill(self) -> None:
        self.calls.append("kill")

    def close(self) -> None:
        self.calls.append("close")

    # What watches

    def _watch(self, source: Source) -> Watch:
        self.watches.append(Watch(source))
        if source in self.present:
            self.put(ListEvent(source, self.present[source]))
        return self.watches[-1]

    def start(self) -> None:
        self.calls.append("start")

    def stop(self) -> None:
        self.calls.append("stop")

    def is_alive(self) -> bool:
        return self.working


def logged(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Return the messages, each with the number of the run that it names."""
    runs = [getattr(record, "fields", {}).get("run", "")[-2:] for record in caplog.records]
    return [f"{record.message}{run}" for record, run in zip(caplog.records, runs, strict=True)]


# From a list to statuses


def test_new_resources_share_a_run_and_get_status_and_event() -> None:
    lab = Lab()
    others = [make_resource(key=replace(OTHER, name=name)) for name in "ab"]
    lab.serve(make_resource(), *others)
    assert lab.served == [sorted([KEY, *(resource.key for resource in others)])]
    assert [condition_of(status, "Ready")["status"] for status in lab.api.statuses] == ["True"] * 3
    assert set(lab.api.reasons) == {"SecretCreationSuccess"}


def test_what_an_entry_of_watches_says_is_for_its_kind() -> None:
    entries = [
        WatchesEntry(NAMESPACED_KIND, PlaybookSpec("a.b.c"), period=HOUR),
        WatchesEntry(CLUSTER_KIND, PlaybookSpec("d.e.f"), manages_status=False),
    ]
    lab = Lab(entries, batch_size=1)
    more = replace(OTHER, name="more")
    lab.serve(make_resource(), make_resource(key=OTHER), make_resource(key=more), steps=[lambda: HOUR])
    assert sorted(lab.runs) == [("a.b.c", [key]) for key in (more, more, OTHER, OTHER)] + [("d.e.f", [KEY])]
    assert len(lab.api.statuses) == 4
    assert lab.served.count([KEY]) == 1


def test_resource_whose_status_is_not_managed_is_renewed_all_the_same() -> None:
    lab = Lab([WatchesEntry(kind, PlaybookSpec(), manages_status=False) for kind in SOURCES])
    lab.serve(make_resource(), steps=[lambda: 5 * HOUR, lambda: 2 * HOUR])
    assert (len(lab.runs), lab.api.statuses, lab.api.events) == (2, [], [])


def test_restart_while_idle_runs_and_writes_nothing() -> None:
    lab = Lab()
    lab.serve(make_resource())
    again = Lab()
    again.serve(make_resource(status=lab.api.statuses[0]), steps=[lambda: HOUR])
    assert (again.runs, again.api.statuses, again.api.events) == ([], [], [])


def test_run_that_was_due_while_the_runner_was_down_happens_at_start() -> None:
    lab = Lab()
    lab.serve(make_resource())
    again = Lab(now=NOW + 7 * HOUR)
    again.serve(make_resource(status=lab.api.statuses[0]))
    assert len(again.runs) == 1


@pytest.mark.parametrize("missing", [NAMESPACES, *SOURCES.values()], ids=lambda source: source.name)
def test_nothing_is_served_before_all_is_listed(missing: Source) -> None:
    lab = Lab()
    lists = {SOURCES[CLUSTER_KIND]: (make_resource(),), SOURCES[NAMESPACED_KIND]: (make_resource(key=OTHER),)}
    for source in (*SOURCES.values(), NAMESPACES):
        if source != missing:
            lab.put(ListEvent(source, lists.get(source, ())))
    lab.run_loop(lambda: timedelta(minutes=1))
    assert (lab.runs, lab.watches) == ([], [])
    assert lab.monitor.health.unready_causes() == [f"waiting for the initial list of {missing.name}"]


def test_loop_says_when_it_begins_to_serve(caplog: pytest.LogCaptureFixture) -> None:
    lab = Lab()
    with caplog.at_level(logging.INFO, logger="kube_ecr_runner"):
        lab.serve(make_resource(), make_resource(key=OTHER, status=ready()))
    assert caplog.records[0].message == "watching"
    assert caplog.records[0].fields == {"resources": 2, "due": 1, "namespaces": 2}  # type: ignore[attr-defined]
    assert lab.monitor.health.unready_causes() == []


def test_each_kind_of_message_reaches_its_handler() -> None:
    lab = Lab(present={KEYS_SOURCE: (keys(),), LOGINS: (login("ns1"), login("ns2"))})
    lab.answer = lambda key: served(key, generation=min(len(lab.runs), 2))
    due: list[Step] = [
        lambda: lab.see(referring(2)),
        lambda: lab.put(ChangeEvent(KEYS_SOURCE, keys("2"), is_gone=False)),
        lambda: lab.put(ChangeEvent(LOGINS, login("ns1"), is_gone=True)),
        lambda: lab.put(ListEvent(LOGINS, ())),
        lambda: lab.put(ListEvent(NAMESPACES, (make_namespace("ns1"),))),
        lambda: lab.put(ChangeEvent(NAMESPACES, make_namespace("ns1"), is_gone=True)),
    ]
    other: list[Step] = [
        lambda: lab.put(ListEvent(SOURCES[NAMESPACED_KIND], (make_resource(key=OTHER),))),
        lambda: lab.put(ChangeEvent(SOURCES[CLUSTER_KIND], referring(2), is_gone=True)),
        lambda: lab.put(ChangeEvent(KEYS_SOURCE, keys("3"), is_gone=False)),
    ]
    lab.serve(referring(), steps=[*due, *other])
    assert lab.served == [[KEY]] * 7 + [[OTHER]]


def test_resource_without_result_is_told_why() -> None:
    lab = Lab(answer=lambda key: None)
    lab.serve(make_resource())
    assert condition_of(lab.api.statuses[0], "RefreshFailing")["reason"] == "RunFailed"
    assert lab.api.events == [Event("Warning", "RunFailed", "no reason")]
    assert lab.monitor.metrics.registry.get_sample_value("kube_ecr_results_total", {"reason": "RunFailed"}) == 1


def test_lines_of_a_run_name_it_and_one_without_news_is_not_told(caplog: pytest.LogCaptureFixture) -> None:
    """A token that is renewed is told once for the resource, a failure that stays is not told again."""
    lab = Lab()

    def again(state: str, uid: str) -> None:
        lab.answer = lambda key: served(key, state)
        lab.put(ChangeEvent(NAMESPACES, make_namespace("ns2", uid=uid), is_gone=False))

    with caplog.at_level(logging.INFO, logger="kube_ecr_runner"):
        lab.serve(make_resource(), steps=[lambda: again("updated", "2"), lambda: again("unchanged", "3")])
    assert len(lab.runs) == 3
    assert logged(caplog) == [
        "watching",
        "ready-1",
        "run ended-1",
        "refreshed-2",
        "run ended-2",
        "stopping",
        "stopped",
    ]


# When the loop wakes


def test_run_begins_when_changes_were_quiet_for_a_moment() -> None:
    lab = Lab(window=timedelta(seconds=10))
    lab.serve(make_resource())
    assert (lab.slept[0], len(lab.runs)) == (0.25, 1)


def test_loop_wakes_when_a_resource_is_due_and_never_sleeps_longer_than_the_clock_may_be_wrong() -> None:
    lab = Lab()
    due = NOW + timedelta(seconds=75)
    lab.serve(make_resource(status=ready() | {"nextRefreshTime": due.isoformat()}), steps=[lambda: HOUR])
    assert lab.slept[:3] == [30.0, 30.0, 15.0]
    assert lab.served == [[KEY]]


def test_loop_wakes_to_write_a_status_that_could_not_be_written() -> None:
    lab = Lab()
    lab.api.error = DOWN

    def recover() -> timedelta:
        lab.api.error = None
        return timedelta(seconds=10)

    lab.serve(make_resource(), steps=[recover])
    assert (len(lab.runs), len(lab.api.statuses), lab.slept[0]) == (1, 1, 10.0)


def test_loop_tells_that_runs_bring_nothing_or_that_no_status_is_taken() -> None:
    lab = Lab(answer=lambda key: None)
    seen: list[list[str]] = []

    def look() -> timedelta:
        seen.append(lab.monitor.health.unready_causes())
        lab.answer, lab.api.error = None, DOWN
        return timedelta(seconds=30)

    lab.serve(make_resource(), steps=[lambda: timedelta(seconds=7), look, look])
    assert seen == [["the last runs brought no result: no reason"], [str(DOWN)]]


def test_loop_wakes_to_check_what_looked_wrong_during_a_run() -> None:
    lab = Lab()
    lab.during_run = lambda: lab.put(ListEvent(LOGINS, (login("ns1"),))) if len(lab.runs) == 1 else None
    lab.serve(make_resource(), steps=[lambda: timedelta(seconds=2)])
    assert (len(lab.runs), lab.slept[0]) == (2, 2.0)


def test_loop_wakes_when_the_token_of_a_suspended_resource_expires() -> None:
    lab = Lab()
    status = {
        "expiresAt": (NOW + timedelta(seconds=20)).isoformat(),
        "conditions": [{"type": "Ready", "status": "True"}],
    }
    lab.serve(suspended(status=status), steps=[lambda: timedelta(seconds=20)])
    assert [condition_of(status, "Ready")["status"] for status in lab.api.statuses] == ["True", "False"]
    assert (lab.slept[0], lab.runs) == (20.0, [])


def test_suspended_resource_rests_whatever_happens_until_it_is_resumed() -> None:
    lab = Lab()

    def happen() -> timedelta:
        assert condition_of(lab.api.statuses[-1], "Ready")["reason"] == "Suspended"
        lab.put(
            ChangeEvent(NAMESPACES, make_namespace("ns2"), is_gone=True),
            ChangeEvent(NAMESPACES, make_namespace("ns2", uid="2"), is_gone=False),
        )
        lab.see(suspended(reconcile_request="1"))
        return 7 * HOUR

    def resume() -> None:
        assert (len(lab.runs), len(lab.api.statuses)) == (1, 2)
        lab.answer = lambda key: replace(served(key, generation=3), reconcile_request="1")
        lab.see(replace(make_resource(3), reconcile_request="1"))

    lab.serve(make_resource(), steps=[lambda: lab.see(suspended()), happen, resume])
    assert (len(lab.runs), lab.api.reasons.count("Suspended"), lab.api.reasons.count("Resumed")) == (2, 1, 1)
    assert condition_of(lab.api.statuses[-1], "Ready")["reason"] == "SecretsUpdated"
    assert lab.api.statuses[-1]["lastHandledReconcileAt"] == "1"


@pytest.mark.parametrize(("minutes", "runs"), [(-4, 1), (-6, 2), (5 * 60, 1), (7 * 60, 2)])
def test_clock_that_was_set_is_noticed_at_the_next_turn(
    minutes: float, runs: int, caplog: pytest.LogCaptureFixture
) -> None:
    lab = Lab()

    def jump() -> None:
        lab.now += timedelta(minutes=minutes)

    lab.serve(make_resource(), steps=[jump, lambda: timedelta(seconds=1)])
    assert len(lab.runs) == runs
    assert logged(caplog).count("the clock was set back") == (minutes == -6)


def test_clock_that_was_set_back_is_no_matter_before_all_is_listed() -> None:
    lab = Lab()

    def jump() -> None:
        lab.now -= HOUR

    lab.put(ListEvent(SOURCES[CLUSTER_KIND], (make_resource(status=ready()),)))
    lab.run_loop(jump)
    assert lab.observer.queue[-1] == (0, None)


def test_status_that_could_not_be_written_is_written_at_once_when_the_clock_was_set_back() -> None:
    lab = Lab()
    lab.api.error = DOWN

    def recover() -> None:
        lab.api.error = None
        lab.now -= HOUR

    lab.serve(make_resource(), steps=[recover])
    assert (len(lab.api.statuses), lab.slept) == (2, [MAX_SLEEP_SECONDS])


# Beside the work


def test_loop_shows_life_for_each_message_and_each_time_that_it_slept() -> None:
    lab = Lab()
    lab.put(*[ChangeEvent(NAMESPACES, make_namespace("other"), is_gone=False)] * 3)
    lab.run_loop(lambda: timedelta(seconds=90))
    # Three messages and Stop, and in each turn one sign when nothing is left in the inbox.
    assert lab.observer.moves == 4 + len(lab.observer.queue)
    assert len(lab.slept) == 3


def test_what_waits_for_a_run_is_told_with_the_time_at_which_it_was_due() -> None:
    lab = Lab(batch_size=1)
    lab.serve(*(make_resource(key=replace(OTHER, name=name)) for name in "ab"))
    assert (1, NOW) in lab.observer.queue
    assert lab.observer.queue[-1][0] == 0


def test_change_during_a_run_has_the_next_one_whatever_else_waits() -> None:
    lab = Lab(batch_size=4)

    def change() -> None:
        if len(lab.runs) == 1:
            lab.see(make_resource())

    lab.during_run = change
    others = [replace(OTHER, name=name) for name in "abcdef"]
    lab.serve(*(make_resource(key=key) for key in others))
    assert lab.served == [others[:4], [KEY], others[4:5], others[5:]]


def test_next_run_is_made_ready_but_while_one_works_only_if_something_waits() -> None:
    entries = [WatchesEntry(NAMESPACED_KIND, PlaybookSpec("a.b.c")), WatchesEntry(CLUSTER_KIND, PlaybookSpec("d.e.f"))]
    lab = Lab(entries)
    waits = threading.Event()

    def another() -> None:
        if len(lab.runs) == 1:
            lab.see(make_resource(key=OTHER))
            waits.wait(0.2)

    lab.during_run = another
    lab.serve(make_resource())
    assert "tend a.b.c while a run works" in lab.calls
    assert "tend d.e.f while a run works" not in lab.calls
    assert "tend d.e.f" in lab.calls


def test_watch_of_a_reference_that_says_nothing_holds_up_nothing() -> None:
    lab = Lab()
    lab.serve(referring())
    assert (len(lab.watches), len(lab.api.statuses)) == (2, 1)


def test_pod_that_waits_is_told_in_time_and_makes_nothing_due() -> None:
    lab, pod = Lab(), make_pod(images=("host/app",))

    def stick() -> timedelta:
        lab.slept.clear()
        lab.put(ListEvent(PODS, ()), ChangeEvent(PODS, pod, is_gone=False))
        return timedelta(seconds=20)

    def pull() -> timedelta:
        assert lab.api.statuses[-1]["podsWaiting"] == 1
        assert sum(lab.slept) == 20
        lab.put(ChangeEvent(PODS, pod, is_gone=True))
        return timedelta(seconds=10)

    lab.serve(make_resource(), steps=[stick, pull])
    assert condition_of(lab.api.statuses[-1], "PodsWaiting")["status"] == "False"
    assert len(lab.runs) == 1


def test_list_of_pods_is_not_waited_for() -> None:
    lab = Lab()
    lab.serve(make_resource())
    assert lab.monitor.health.unready_causes() == []
    assert len(lab.runs) == 1


# The end


def test_watch_that_died_ends_the_process() -> None:
    lab = Lab(working=False)
    with pytest.raises(RuntimeError, match="watch died"):
        lab.serve(make_resource())
    assert lab.calls[-2:] == ["stop", "close"]


def test_watch_of_a_reference_that_died_ends_the_process() -> None:
    lab = Lab()

    def die() -> None:
        lab.watches[0].is_working = False

    with pytest.raises(RuntimeError, match="watch died"):
        lab.serve(referring(), steps=[die, lambda: None])


def test_stop_ends_all_watches_and_the_run_that_waits() -> None:
    lab = Lab()
    lab.serve(referring())
    assert [watch.is_working for watch in lab.watches] == [False, False]
    assert (lab.calls[0], lab.calls[-2:]) == ("start", ["stop", "close"])


def test_stop_cancels_the_run_and_tells_what_it_did() -> None:
    lab = Lab(answer=lambda key: served(key) if key == KEY else None)

    def stop() -> None:
        lab.inbox.put(Stop("SIGTERM"))
        deadline = threading.Event()
        while "close" not in lab.calls:
            assert not deadline.wait(0.01)

    lab.during_run = stop
    lab.serve(make_resource(), make_resource(key=OTHER))
    assert len(lab.api.statuses) == 1
    assert lab.api.statuses[0]["expiresAt"] == f"{EXPIRY:%Y-%m-%dT%H:%M:%SZ}"
    assert lab.api.reasons == ["SecretCreationSuccess"], "the run was cancelled, so nothing has failed"
    assert lab.monitor.metrics.registry.get_sample_value("kube_ecr_runs_total", {"status": "canceled"}) == 1


def test_nothing_is_written_after_halt() -> None:
    lab = Lab()
    lab.during_run = lambda: lab.controller.halt("the Lease is lost")
    assert not lab.controller.is_halted
    lab.serve(make_resource())
    assert (lab.controller.is_halted, lab.api.statuses, lab.api.events) == (True, [], [])
    assert "kill" in lab.calls
