"""The work loop, with the time standing still and runs that answer at once."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from queue import SimpleQueue
from random import Random

import pytest

from kube_ecr_runner.cluster.client import KubernetesError
from kube_ecr_runner.cluster.reflector import Changed, Listed
from kube_ecr_runner.cluster.sources import NAMESPACES, Source, objects_named, resources_of
from kube_ecr_runner.config.watches import Watch as Entry
from kube_ecr_runner.contract.kinds import CLUSTER_KIND, NAMESPACED_KIND
from kube_ecr_runner.contract.targets import Names, Targets
from kube_ecr_runner.controller import loop as controller
from kube_ecr_runner.controller.loop import Controller, Inbox, Stop
from kube_ecr_runner.model.conditions import condition_of
from kube_ecr_runner.model.event import Event
from kube_ecr_runner.model.playbook import Play
from kube_ecr_runner.model.resource import Key, Namespace, Reference, Referenced, Resource
from kube_ecr_runner.model.result import Origin, Outcome, Problem, Result, Step
from kube_ecr_runner.model.run import RunSummary
from kube_ecr_runner.telemetry.health import Health
from kube_ecr_runner.telemetry.metrics import Metrics
from kube_ecr_runner.telemetry.monitor import Monitor

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)
RENEW = NOW + timedelta(hours=6)
SOURCES = {kind: resources_of(kind) for kind in (NAMESPACED_KIND, CLUSTER_KIND)}
KEY = Key(CLUSTER_KIND, "", "shared")
KEYS = Reference("Secret", "ns9", "keys")
KEYS_SOURCE = objects_named("Secret", "keys")
LOGINS = objects_named("Secret", "ecr-login")
ACCOUNTS = objects_named("ServiceAccount", "default")
Action = Callable[[], None]


def resource(generation: int = 1, uid: str = "u", status: Mapping | None = None, key: Key = KEY) -> Resource:
    return Resource(key, uid, generation, "ecr-login", Targets.only("ns1", "ns2"), status=status or {})


def namespaces(*names: str) -> Listed:
    return Listed(NAMESPACES, tuple(namespace(name) for name in names))


def namespace(name: str, uid: str = "1") -> Namespace:
    return Namespace(name, uid, NOW - timedelta(days=1))


def referring(generation: int = 1, status: Mapping | None = None, *references: Reference) -> Resource:
    return replace(resource(generation, status=status), references=frozenset(references or [KEYS]))


def keys(version: str = "1", changed_at: datetime | None = None, reference: Reference = KEYS) -> Referenced:
    return Referenced(reference, version, changed_at)


def seen(item: Resource, is_gone: bool = False) -> Changed:
    return Changed(SOURCES[item.key.kind], item, is_gone)


@dataclass
class Watch:
    """A watch of what resources name: it delivers what there is when it is started."""

    source: Source
    lab: Lab
    working: bool = False

    def start(self) -> None:
        self.working = True
        if self.source in self.lab.present:
            self.lab.inbox.put(Listed(self.source, self.lab.present[self.source]))

    def stop(self) -> None:
        self.working = False

    def is_alive(self) -> bool:
        return self.working


@dataclass
class Lab:
    """A controller whose parts are made up. It stops when nothing is due and all steps were taken."""

    playbooks: Mapping[str, str] = field(default_factory=lambda: dict.fromkeys(SOURCES, "a.b.c"))
    watch_options: Mapping[str, object] = field(default_factory=dict)
    sources: tuple[Source, ...] = tuple(SOURCES.values())
    batch_size: int = 10
    runs: list[list[Key]] = field(default_factory=list)
    played: list[str] = field(default_factory=list)
    tended: list[str] = field(default_factory=list)
    killed: bool = False
    statuses: list[Mapping] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    counts: list[int] = field(default_factory=list)
    write_error: KubernetesError | None = None
    answer: Callable[[Key], Result | None] = lambda key: served(key)
    during_run: Action = lambda: None
    present: dict[Source, tuple[Referenced, ...]] = field(default_factory=dict)
    watches: list[Watch] = field(default_factory=list)
    steps: list[Action] = field(default_factory=list)
    now: datetime = NOW

    def __post_init__(self) -> None:
        self.inbox: Inbox = SimpleQueue()
        self.monitor = Monitor(Health(300.0), Metrics(lambda: self.now))
        self.controller = Controller(
            [Entry(kind, Play(playbook), **self.watch_options) for kind, playbook in self.playbooks.items()],
            self.sources,
            self,
            self,
            self.inbox,
            self.watch,
            self.monitor,
            window=timedelta(0),
            batch_size=self.batch_size,
            random=Random(1),
            clock=lambda: self.now,
        )

    def serve(self, resources: list[Resource], *steps: Action, present: tuple[str, ...] = ("ns1", "ns2")) -> None:
        """List these, then take each step when nothing is left to do after the one before."""
        self.steps = list(steps)
        for kind, source in SOURCES.items():
            self.inbox.put(Listed(source, tuple(each for each in resources if each.key.kind == kind)))
        self.inbox.put(namespaces(*present))
        self.controller.run([self])

    def tend(self, play: Play) -> None:
        self.tended.append(play.playbook)

    def kill(self) -> None:
        self.killed = True

    def close(self) -> None:
        self.tended.append("closed")

    def run(
        self, keys: list[Key], play: Play, deliver: Callable[[Result], None], cancelled: threading.Event
    ) -> RunSummary:
        self.runs.append(keys)
        self.played.append(play.playbook)
        self.during_run()
        results = {key: self.answer(key) for key in keys}
        for result in results.values():
            if result:
                deliver(result)
        return RunSummary("successful", 0, 0.0, "no reason", [key for key, result in results.items() if not result])

    def put(self, *messages: Listed | Changed) -> None:
        for each in messages:
            self.inbox.put(each)

    def wait(self, minutes: float = 0.1) -> None:
        """Let time pass: by default as long as it takes until what a run did must be known."""
        self.now += timedelta(minutes=minutes)

    @property
    def reference_watches(self) -> list[Watch]:
        """The watches of what gives resources their way into AWS."""
        return [each for each in self.watches if each.source != LOGINS]

    def watch(self, source: Source) -> Watch:
        self.watches.append(Watch(source, self))
        return self.watches[-1]

    def apply_status(self, item: Resource, status: Mapping) -> bool:
        if self.write_error:
            raise self.write_error
        self.statuses.append(status)
        return True

    def create_event(self, item: Resource, event: Event, now: datetime) -> str:
        self.events.append(event)
        return "name"

    def repeat_event(self, item: Resource, name: str, count: int, now: datetime) -> bool:
        self.counts.append(count)
        return True

    def sample(self, name: str, **labels: str) -> float | None:
        """The value of a metric of the resource, or of what the labels say."""
        named = labels or {"kind": KEY.kind, "namespace": KEY.namespace, "name": KEY.name}
        return self.monitor.metrics.registry.get_sample_value(f"kube_ecr_{name}", named)

    def start(self) -> None:
        pass

    def stop(self) -> None:
        pass

    def is_alive(self) -> bool:
        """Asked once in each turn of the loop, after what was in the inbox has been handled."""
        due = self.controller._batcher.count_due(self.now) or self.controller._suspended.count(self.now)
        if not self.controller._supervisor.is_running and self.inbox.empty():
            if self.steps or due:
                if not due:
                    self.steps.pop(0)()
                # A step may only have moved the clock, and what is due be suspended: the loop sees it when it wakes.
                self.inbox.put(Changed(NAMESPACES, namespace("unrelated"), is_gone=False))
            else:
                self.inbox.put(Stop("SIGTERM"))
        return True


def served(key: Key = KEY, state: str = "created", generation: int = 1, uid: str = "u") -> Result:
    outcomes = tuple(Outcome(name, state, expires_at=NOW + timedelta(hours=12)) for name in ("ns1", "ns2"))
    return Result(key, uid, generation, outcomes, ("host",), RENEW)


def waiting(key: Key = KEY) -> Result:
    outcomes = (
        Outcome("ns1", "created", expires_at=NOW + timedelta(hours=12)),
        Outcome("ns2", "pending", "NamespaceNotFound"),
    )
    return Result(key, "u", 1, outcomes, ("host",), RENEW)


def refused(key: Key = KEY) -> Result:
    return Result(key, "u", 1, (Outcome("ns1", "failed", "X", "no"),), problem=Problem("X", "no", Origin.AWS))


def test_new_resources_share_a_run_and_get_status_and_event() -> None:
    lab = Lab()
    others = [resource(key=Key(NAMESPACED_KIND, "ns1", name)) for name in "ab"]
    lab.serve([resource(), *others])
    assert [sorted(keys) for keys in lab.runs] == [sorted([KEY, *(each.key for each in others)])]
    assert [condition_of(each, "Ready")["status"] for each in lab.statuses] == ["True"] * 3
    assert {each.reason for each in lab.events} == {"SecretCreationSuccess"}


def test_run_takes_no_more_than_a_batch() -> None:
    lab = Lab(batch_size=2)
    lab.serve([resource(key=Key(NAMESPACED_KIND, "ns1", name)) for name in "abc"])
    assert [len(keys) for keys in lab.runs] == [2, 1]


def test_each_playbook_has_runs_of_its_own() -> None:
    lab = Lab(playbooks={NAMESPACED_KIND: "a.b.c", CLUSTER_KIND: "d.e.f"})
    lab.serve([resource(), resource(key=Key(NAMESPACED_KIND, "ns1", "a"))])
    assert sorted(lab.played) == ["a.b.c", "d.e.f"]


def test_a_period_limits_how_long_nobody_looks_at_a_resource_also_after_a_restart() -> None:
    hour = timedelta(hours=1)
    lab = Lab(watch_options={"period": hour})
    lab.serve([resource()], lambda: lab.wait(30), lambda: lab.wait(31))
    assert lab.runs == [[KEY], [KEY]]
    assert lab.statuses[0]["nextRefreshTime"] <= "2026-01-31T13:00:00Z"

    without = Lab()
    without.serve([resource()])
    again = Lab(watch_options={"period": hour})
    again.serve([resource(status=without.statuses[0])], lambda: again.wait(30), lambda: again.wait(31))
    assert again.runs == [[KEY]]


def test_where_no_status_is_wanted_none_and_no_event_is_written_and_the_resource_is_renewed_all_the_same() -> None:
    lab = Lab(watch_options={"is_told": False})
    lab.serve([resource()], lambda: lab.wait(60 * 5), lambda: lab.wait(60 * 2))
    assert (lab.runs, lab.statuses, lab.events) == ([[KEY], [KEY]], [], [])


def test_resources_of_each_namespace_have_watches_of_their_own() -> None:
    """A list of one namespace says nothing of another, nor do the Secrets in it."""
    sources = tuple(resources_of(NAMESPACED_KIND, name) for name in ("ns1", "ns2"))
    one, other = (resource(key=Key(NAMESPACED_KIND, name, "app")) for name in ("ns1", "ns2"))
    one, other = replace(one, targets=Targets.only("ns1")), replace(other, targets=Targets.only("ns2"))
    logins = [objects_named("Secret", "ecr-login", name) for name in ("ns1", "ns2")]
    lab = Lab(sources=sources, present={each: (login(each.namespace),) for each in logins})
    lab.answer = lambda key: served(key, generation=len(lab.runs))
    relist = partial(lab.put, Listed(sources[0], ()), Listed(sources[1], (replace(other, generation=2),)))
    lab.steps = [lab.wait, relist, lab.wait]
    lab.put(Listed(sources[0], (one,)), Listed(sources[1], (other,)), namespaces("ns1", "ns2"))
    lab.controller.run([lab])
    assert [each.source for each in lab.watches] == logins
    assert [sorted(keys) for keys in lab.runs] == [[one.key, other.key], [other.key]]


def test_restart_while_idle_runs_and_writes_nothing() -> None:
    lab = Lab()
    lab.serve([resource()])
    again = Lab()
    again.serve([resource(status=lab.statuses[0])])
    assert (again.runs, again.statuses, again.events) == ([], [], [])


def test_own_status_writes_that_come_back_cause_nothing() -> None:
    lab = Lab()
    lab.serve([resource()], lambda: lab.inbox.put(seen(resource(status=lab.statuses[0]))))
    assert len(lab.runs) == 1


def test_nothing_new_is_not_written() -> None:
    lab = Lab()

    def later() -> None:
        lab.answer = lambda key: served(key, "unchanged")
        lab.inbox.put(Changed(NAMESPACES, namespace("ns2", uid="2"), is_gone=False))

    lab.serve([resource()], later)
    assert (len(lab.runs), len(lab.statuses)) == (2, 1)


def test_edit_is_served_at_once_and_deletion_is_not() -> None:
    lab = Lab()

    def edit() -> None:
        lab.answer = lambda key: served(key, generation=2)
        lab.inbox.put(seen(resource(generation=2)))

    lab.serve([resource()], edit, lambda: lab.inbox.put(seen(resource(generation=3), is_gone=True)))
    assert len(lab.runs) == 2
    assert lab.statuses[-1]["observedGeneration"] == 2


def test_edit_that_the_run_has_seen_already_is_not_served_twice() -> None:
    lab = Lab(answer=lambda key: served(key, generation=2))
    lab.serve([resource()], lambda: lab.inbox.put(seen(resource(generation=2))))
    assert len(lab.runs) == 1


def test_resource_that_was_made_again_is_served_again() -> None:
    lab = Lab()

    def make_again() -> None:
        lab.answer = lambda key: served(key, uid="v")
        lab.inbox.put(seen(resource(uid="v")))

    lab.serve([resource()], make_again)
    assert len(lab.runs) == 2


def test_result_for_a_resource_that_was_made_again_meanwhile_is_dropped() -> None:
    lab = Lab()

    def make_again() -> None:
        lab.during_run = lambda: None
        lab.inbox.put(seen(resource(uid="v")))

    lab.during_run = make_again
    lab.answer = lambda key: served(key, uid="u" if len(lab.runs) == 1 else "v")
    lab.serve([resource()])
    assert (len(lab.runs), len(lab.statuses)) == (2, 1)


def test_relist_forgets_what_is_gone() -> None:
    lab = Lab()
    gone = [
        lambda: lab.inbox.put(Listed(SOURCES[CLUSTER_KIND], ())),
        lambda: lab.inbox.put(Changed(NAMESPACES, namespace("ns1"), is_gone=True)),
    ]
    lab.serve([resource()], *gone)
    assert len(lab.runs) == 1


def test_namespace_that_appears_is_served_at_once() -> None:
    lab = Lab(answer=waiting)

    def appear() -> None:
        lab.answer = served
        lab.inbox.put(Changed(NAMESPACES, namespace("ns2"), is_gone=False))

    lab.serve([resource()], appear, present=("ns1",))
    assert len(lab.runs) == 2
    assert lab.statuses[-1]["namespacesReady"] == 2


@pytest.mark.parametrize(
    "item", [namespace("other"), Namespace("ns2", "1", NOW, terminating=True)], ids=["no target", "terminating"]
)
def test_other_namespaces_cause_nothing(item: Namespace) -> None:
    lab = Lab(answer=waiting)
    lab.serve([resource()], lambda: lab.inbox.put(Changed(NAMESPACES, item, is_gone=False)), present=("ns1",))
    assert len(lab.runs) == 1


def test_target_that_goes_is_told() -> None:
    lab = Lab()

    def go() -> None:
        lab.answer = waiting
        lab.inbox.put(Changed(NAMESPACES, namespace("ns2"), is_gone=True))

    lab.serve([resource()], go)
    assert [each["namespacesReady"] for each in lab.statuses] == [2, 1]


def test_namespace_that_appears_during_the_run_is_not_missed() -> None:
    lab = Lab()

    def appear() -> None:
        lab.inbox.put(Changed(NAMESPACES, namespace("ns2"), is_gone=False))
        lab.during_run = lambda: None

    lab.during_run = appear
    lab.answer = lambda key: waiting(key) if len(lab.runs) == 1 else served(key)
    lab.serve([resource()], present=("ns1",))
    assert (len(lab.runs), lab.statuses[-1]["namespacesReady"]) == (2, 2)


def test_cause_that_stays_is_told_in_one_event_and_counted() -> None:
    lab = Lab(answer=refused)

    def later() -> None:
        lab.now += timedelta(minutes=10)

    lab.serve([resource()], later, later)
    assert len(lab.runs) == 3
    assert lab.events == [Event("Warning", "GetAWSAuthTokenFailed", "no")]
    assert lab.counts == [2, 3]


def test_resource_without_result_is_told_why() -> None:
    lab = Lab(answer=lambda key: None)
    lab.serve([resource()])
    assert condition_of(lab.statuses[0], "RefreshFailing")["reason"] == "RunFailed"
    assert lab.events == [Event("Warning", "RunFailed", "no reason")]


def test_status_that_could_not_be_written_is_written_later() -> None:
    lab = Lab(write_error=KubernetesError("x", 0, "Unreachable", "no connection"))

    def recover() -> None:
        lab.write_error = None
        lab.now += timedelta(seconds=20)

    lab.serve([resource()], recover)
    assert (len(lab.runs), len(lab.statuses)) == (1, 1)


def test_each_outage_is_told_once(caplog: pytest.LogCaptureFixture) -> None:
    down = KubernetesError("x", 0, "Unreachable", "no connection")
    lab = Lab(write_error=down)

    def recover() -> None:
        lab.write_error = None
        lab.now += timedelta(seconds=20)

    def fail() -> None:
        lab.write_error = down
        lab.answer = lambda key: served(key, generation=4)
        lab.put(seen(resource(generation=4)))

    lab.serve([resource()], recover, fail)
    assert [each.message for each in caplog.records].count("cannot write to the API server") == 2


def test_nothing_is_served_before_all_is_listed() -> None:
    lab = Lab(steps=[])
    lab.inbox.put(Listed(SOURCES[CLUSTER_KIND], (resource(),)))
    lab.inbox.put(namespaces("ns1", "ns2"))
    lab.controller.run([lab])
    assert lab.runs == []


def test_watch_that_died_ends_the_process() -> None:
    lab = Lab()
    lab.is_alive = lambda: False  # type: ignore[method-assign]
    with pytest.raises(RuntimeError, match="watch died"):
        lab.serve([resource()])


def ready(refreshed_at: datetime = NOW - timedelta(hours=1)) -> dict:
    """Return the status of a resource that was served, and is not due for hours."""
    return {
        "observedGeneration": 1,
        "lastRefreshTime": refreshed_at.isoformat(),
        "nextRefreshTime": (NOW + timedelta(hours=5)).isoformat(),
    }


@pytest.mark.parametrize(
    ("message", "runs"),
    [
        pytest.param(Changed(KEYS_SOURCE, keys("2"), is_gone=False), 1, id="changed"),
        pytest.param(Changed(KEYS_SOURCE, keys("2"), is_gone=True), 1, id="deleted"),
        pytest.param(Changed(KEYS_SOURCE, keys("1"), is_gone=False), 0, id="as it was"),
        pytest.param(
            Changed(KEYS_SOURCE, keys("2", reference=replace(KEYS, namespace="ns8")), is_gone=False),
            0,
            id="another namespace",
        ),
        pytest.param(Listed(KEYS_SOURCE, (keys("2"),)), 1, id="changed while the watch was broken"),
        pytest.param(Listed(KEYS_SOURCE, ()), 1, id="deleted while the watch was broken"),
        pytest.param(Listed(KEYS_SOURCE, (keys("1"),)), 0, id="as it was when listed again"),
        pytest.param(Changed(objects_named("Secret", "other"), keys("2"), is_gone=False), 0, id="of nobody"),
        pytest.param(Listed(objects_named("Secret", "other"), (keys("2"),)), 0, id="list of nobody"),
    ],
)
def test_change_of_what_a_resource_refers_to_is_served_at_once(message: Listed | Changed, runs: int) -> None:
    lab = Lab(present={KEYS_SOURCE: (keys(),)})
    lab.serve([referring(status=ready())], lambda: None, lambda: lab.inbox.put(message))
    assert len(lab.runs) == runs


@pytest.mark.parametrize("message", [Changed(KEYS_SOURCE, keys(), False), Listed(KEYS_SOURCE, (keys(),))])
def test_secret_that_appears_is_served_at_once_and_failures_before_are_forgotten(message: Listed | Changed) -> None:
    lab = Lab(answer=refused, present={KEYS_SOURCE: ()})

    def later() -> None:
        lab.now += timedelta(minutes=10)

    lab.serve([referring()], *[later] * 8, lambda: lab.inbox.put(message))
    assert len(lab.runs) == 10
    delay = datetime.fromisoformat(str(lab.statuses[-1]["nextRefreshTime"])) - lab.now
    assert delay <= timedelta(seconds=7)


@pytest.mark.parametrize(
    ("status", "changed_at", "runs"),
    [
        pytest.param(ready(), NOW - timedelta(hours=2), 0, id="written before the Secrets"),
        pytest.param(ready(), NOW - timedelta(minutes=30), 1, id="written after them"),
        pytest.param(ready(), NOW - timedelta(hours=1), 1, id="in the same second"),
        pytest.param(ready(), None, 0, id="nobody knows when"),
    ],
)
def test_change_while_the_runner_was_down_is_noticed(status: dict, changed_at: datetime | None, runs: int) -> None:
    lab = Lab(present={KEYS_SOURCE: (keys(changed_at=changed_at),)})
    lab.serve([referring(status=status)], lambda: None)
    assert len(lab.runs) == runs


def test_reference_that_is_first_seen_during_the_run_is_not_missed() -> None:
    lab = Lab()

    def first_sight() -> None:
        lab.during_run = lambda: None
        lab.inbox.put(Listed(KEYS_SOURCE, (keys(),)))

    lab.during_run = first_sight
    lab.serve([referring()])
    assert len(lab.runs) == 2


def test_resources_that_share_a_name_share_a_watch_until_the_last_of_them_is_gone() -> None:
    lab = Lab()
    other = replace(
        referring(), key=Key(NAMESPACED_KIND, "ns1", "a"), references=frozenset([replace(KEYS, namespace="ns1")])
    )
    working: list[list[bool]] = []

    def look() -> None:
        working.append([each.working for each in lab.reference_watches])

    gone = [lambda item=item: lab.inbox.put(seen(item, is_gone=True)) for item in (other, referring())]
    lab.serve([referring(), other], look, gone[0], look, gone[1], look)
    assert [each.source for each in lab.reference_watches] == [KEYS_SOURCE]
    assert working == [[True], [True], [False]]


def test_edit_changes_what_is_watched_and_late_messages_are_no_news() -> None:
    lab = Lab(present={KEYS_SOURCE: (keys(),)})
    told: list[tuple[list[bool], int]] = []
    account = Reference("ServiceAccount", "ns9", "puller")

    def edit() -> None:
        lab.answer = lambda key: served(key, generation=2)
        lab.inbox.put(seen(referring(2, None, account)))

    def look() -> None:
        told.append(([each.working for each in lab.reference_watches], len(lab.runs)))

    def late() -> None:
        look()
        lab.inbox.put(Changed(KEYS_SOURCE, keys("2"), is_gone=False))
        lab.inbox.put(Listed(KEYS_SOURCE, (keys("3"),)))

    def back() -> None:
        lab.answer = lambda key: served(key, generation=3)
        lab.inbox.put(seen(referring(3, None, KEYS)))

    lab.serve([referring()], edit, late, look, back)
    names = ["secrets/keys", "serviceaccounts/puller", "secrets/keys"]
    assert [each.source.name for each in lab.reference_watches] == names
    before, after = told
    assert before == after
    assert before[0] == [False, True]


def test_watch_of_a_reference_that_says_nothing_holds_up_nothing() -> None:
    lab = Lab()
    lab.serve([referring()])
    assert (len(lab.reference_watches), len(lab.statuses)) == (1, 1)


def test_watch_of_a_reference_that_died_ends_the_process() -> None:
    lab = Lab()

    def die() -> None:
        lab.reference_watches[0].working = False

    with pytest.raises(RuntimeError, match="watch died"):
        lab.serve([referring()], die, lambda: None)


def test_stop_ends_the_watches_of_references() -> None:
    lab = Lab()
    lab.serve([referring()])
    assert [each.working for each in lab.reference_watches] == [False]


@pytest.mark.parametrize(
    ("item", "namespace_now", "runs"),
    [
        pytest.param({"uses_own_identity": True}, {"allowed_identities": "runner"}, 2, id="allowed"),
        pytest.param({"uses_own_identity": True}, {}, 1, id="as it was"),
        pytest.param({"uses_own_identity": False}, {"allowed_identities": "runner"}, 1, id="another way in"),
        pytest.param(
            {"uses_own_identity": True}, {"name": "ns2", "allowed_identities": "runner"}, 1, id="another namespace"
        ),
        pytest.param({"uses_own_identity": True, "key": KEY}, {"allowed_identities": "runner"}, 1, id="cluster kind"),
    ],
)
def test_what_a_namespace_allows_is_noticed_at_once(item: dict, namespace_now: dict, runs: int) -> None:
    lab = Lab()
    tracked = replace(resource(key=Key(NAMESPACED_KIND, "ns1", "a")), **item)
    now = replace(namespace("ns1"), **namespace_now)
    lab.serve([tracked], lambda: lab.inbox.put(Changed(NAMESPACES, now, is_gone=False)))
    assert len(lab.runs) == runs


def test_permission_forgets_failures() -> None:
    lab = Lab(answer=refused)

    def later() -> None:
        lab.now += timedelta(minutes=10)

    allowing = replace(namespace("ns1"), allowed_identities="runner")
    tracked = replace(resource(key=Key(NAMESPACED_KIND, "ns1", "a")), uses_own_identity=True)
    lab.serve([tracked], *[later] * 8, lambda: lab.inbox.put(Changed(NAMESPACES, allowing, is_gone=False)))
    delay = datetime.fromisoformat(str(lab.statuses[-1]["nextRefreshTime"])) - lab.now
    assert delay <= timedelta(seconds=7)


def login(namespace: str, version: str = "1", owner: str = "u", sound: bool = True) -> Referenced:
    """Return the Secret that is written for resource(), as it was written."""
    reference = Reference("Secret", namespace, "ecr-login")
    return Referenced(reference, version, None, owner, frozenset([owner] if sound else []))


def foreign(namespace: str, version: str = "1") -> Referenced:
    return login(namespace, version, owner="", sound=False)


def appeared(item: Referenced, source: Source = LOGINS) -> Changed:
    return Changed(source, item, is_gone=False)


def went(item: Referenced, source: Source = LOGINS) -> Changed:
    return Changed(source, item, is_gone=True)


WRITES = [appeared(login("ns1", "2")), appeared(login("ns2", "2"))]
SOUND = (login("ns1"), login("ns2"))


def conflicting(key: Key = KEY) -> Result:
    outcomes = (
        Outcome("ns1", "created", expires_at=NOW + timedelta(hours=12)),
        Outcome("ns2", "failed", "SecretConflict", "it is not ours"),
    )
    return Result(key, "u", 1, outcomes, ("host",), RENEW)


def test_own_writes_that_are_seen_during_the_run_cause_no_other() -> None:
    lab = Lab(present={LOGINS: ()})
    lab.during_run = lambda: lab.put(*WRITES)
    lab.serve([resource()], lab.wait)
    assert len(lab.runs) == 1


def test_own_writes_that_are_seen_after_the_run_cause_no_other() -> None:
    lab = Lab(present={LOGINS: ()})
    lab.serve([resource()], lambda: lab.put(*WRITES), lab.wait)
    assert len(lab.runs) == 1


@pytest.mark.parametrize("are_late", [False, True])
def test_first_list_during_the_run_that_does_not_have_its_writes_yet_causes_no_other(are_late: bool) -> None:
    lab = Lab()
    lab.during_run = lambda: lab.put(Listed(LOGINS, ()), *([] if are_late else WRITES))
    lab.serve([resource()], lambda: lab.put(*(WRITES if are_late else [])), lab.wait)
    assert len(lab.runs) == 1


def test_doubts_are_looked_at_soon_after_the_run_and_not_when_the_resource_is_gone() -> None:
    lab = Lab()
    lab.during_run = lambda: lab.put(Listed(LOGINS, ()))
    waits: list[float] = []

    def look() -> None:
        waits.append(lab.controller._seconds_to_wait())
        lab.put(seen(resource(), is_gone=True))

    lab.serve([resource()], look, lab.wait)
    assert len(lab.runs) == 1
    assert waits[0] <= 2


def test_what_is_wrong_at_first_sight_and_stays_so_after_the_run_is_put_right() -> None:
    lab = Lab()
    lab.during_run = lambda: lab.put(Listed(LOGINS, (login("ns1"),))) if len(lab.runs) == 1 else None
    lab.serve([resource()], lab.wait, lab.wait)
    assert len(lab.runs) == 2


def test_secret_in_the_way_that_the_run_tells_of_is_no_reason_for_another() -> None:
    lab = Lab(answer=conflicting)
    lab.during_run = lambda: lab.put(Listed(LOGINS, (foreign("ns2"),)), appeared(login("ns1")))
    lab.serve([resource()], lab.wait)
    assert len(lab.runs) == 1


@pytest.mark.parametrize(
    ("message", "runs"),
    [
        pytest.param(went(login("ns1")), 1, id="deleted"),
        pytest.param(appeared(login("ns1", "2", sound=False)), 1, id="edited"),
        pytest.param(Listed(LOGINS, (login("ns1"),)), 1, id="deleted while the watch was broken"),
        pytest.param(appeared(login("ns1", "2")), 0, id="written by a run"),
        pytest.param(appeared(login("ns3")), 1, id="ours where it is no target"),
        pytest.param(appeared(foreign("ns3")), 0, id="foreign where it is no target"),
        pytest.param(went(login("ns4")), 0, id="never there"),
    ],
)
def test_secret_that_is_not_as_it_was_written_is_put_right_at_once(message: Listed | Changed, runs: int) -> None:
    lab = Lab(present={LOGINS: SOUND})
    lab.serve([resource(status=ready())], lambda: None, lambda: lab.put(message), present=("ns1", "ns2", "ns3"))
    assert len(lab.runs) == runs


def test_only_the_resource_whose_secret_it_is_is_due() -> None:
    lab = Lab(present={LOGINS: (*SOUND, login("ns1", owner="v"))}, answer=lambda key: served(key, uid="v"))
    other = replace(
        resource(uid="v", key=Key(NAMESPACED_KIND, "ns3", "a"), status=ready()), targets=Targets.only("ns3")
    )
    lab.present[LOGINS] = (*SOUND, login("ns3", owner="v"))
    lab.serve(
        [resource(status=ready()), other],
        lambda: lab.put(went(login("ns3", owner="v"))),
        present=("ns1", "ns2", "ns3"),
    )
    assert lab.runs == [[other.key]]


def test_foreign_secret_in_the_way_that_is_deleted_is_replaced_at_once() -> None:
    lab = Lab(present={LOGINS: (foreign("ns2"),)}, answer=conflicting)

    def delete() -> None:
        lab.answer = served
        lab.put(went(foreign("ns2")))

    lab.serve([resource()], lambda: lab.put(appeared(login("ns1"))), delete)
    assert len(lab.runs) == 2
    assert lab.statuses[-1]["namespacesReady"] == 2


@pytest.mark.parametrize(
    ("messages", "runs"),
    [
        pytest.param([went(login("ns1"))], 2, id="deleted after the run looked"),
        pytest.param([went(login("ns1")), appeared(login("ns1", "3"))], 1, id="deleted before, and created by the run"),
        pytest.param([appeared(login("ns1", "3", sound=False))], 2, id="edited after the run looked"),
    ],
)
def test_drift_during_the_run_is_not_lost_and_makes_no_run_that_is_not_needed(messages: list, runs: int) -> None:
    lab = Lab(present={LOGINS: SOUND})

    def drift() -> None:
        lab.during_run = lambda: None
        lab.put(*messages)

    lab.during_run = drift
    lab.serve([resource()], lab.wait, lab.wait)
    assert len(lab.runs) == runs


def test_foreign_secret_that_is_deleted_during_the_run_is_not_missed() -> None:
    lab = Lab(present={LOGINS: (foreign("ns2"),)}, answer=conflicting)

    def delete() -> None:
        lab.during_run = lambda: None
        lab.put(appeared(login("ns1")), went(foreign("ns2")))

    lab.during_run = delete
    lab.serve([resource()], lab.wait)
    assert len(lab.runs) == 2


def test_run_that_changes_nothing_about_what_disturbed_is_not_repeated() -> None:
    lab = Lab(present={LOGINS: SOUND})
    lab.during_run = lambda: lab.put(went(login("ns1")))
    lab.serve([resource(status=ready())], lambda: lab.put(went(login("ns1"))), *[lab.wait] * 5)
    assert len(lab.runs) == 1


@pytest.mark.parametrize(
    ("found", "runs"),
    [(SOUND, 0), ((login("ns1"),), 1), ((), 1), ((*SOUND, login("ns3")), 1), ((*SOUND, foreign("ns3")), 0)],
    ids=["all sound", "one deleted", "all deleted", "one too many", "one of somebody else"],
)
def test_what_became_of_secrets_while_the_runner_was_down_is_noticed(found: tuple, runs: int) -> None:
    lab = Lab(present={LOGINS: found})
    lab.serve([resource(status=ready())], lambda: None, lab.wait, present=("ns1", "ns2", "ns3"))
    assert len(lab.runs) == runs


def test_secrets_are_watched_under_their_new_name() -> None:
    lab = Lab(present={LOGINS: SOUND})

    def rename() -> None:
        lab.answer = lambda key: served(key, generation=2)
        lab.put(seen(replace(resource(2), secret_name="other")))

    lab.serve([resource()], rename)
    working = [each.source.name for each in lab.watches if each.source == LOGINS or each.source.name.endswith("other")]
    assert working == ["secrets/ecr-login", "secrets/other"]


def account(version: str, *pull_secrets: str) -> Referenced:
    reference = Reference("ServiceAccount", "ns1", "default")
    return Referenced(reference, version, NOW, pull_secrets=frozenset(pull_secrets))


def test_service_account_that_appears_gets_its_entry_at_once_and_that_is_no_news() -> None:
    lab = Lab(present={LOGINS: SOUND, ACCOUNTS: ()})
    tracked = replace(resource(status=ready()), accounts=Names.of_service_accounts(["default"]))

    def appear() -> None:
        lab.during_run = lambda: lab.put(appeared(account("2", "ecr-login"), ACCOUNTS))
        lab.put(appeared(account("1"), ACCOUNTS))

    lab.serve([tracked], lambda: None, appear, lab.wait)
    assert len(lab.runs) == 1


def test_entries_that_two_resources_give_one_service_account_in_a_run_cause_no_other() -> None:
    lab = Lab(present={ACCOUNTS: (account("1"),)})
    names = Names.of_service_accounts(["default"])
    first = replace(resource(status=ready()), accounts=names)
    other = replace(first, key=Key(CLUSTER_KIND, "", "other"), secret_name="other")
    lab.during_run = lambda: lab.put(
        *(appeared(account(version, *entries), ACCOUNTS) for version, entries in (("2", ["ecr-login"]), ("3", both)))
    )
    both = ["ecr-login", "other"]
    lab.serve([first, other], lab.wait, lab.wait)
    assert [sorted(each.name for each in keys) for keys in lab.runs] == [["other", "shared"]]


def labelled(name: str, ecr: str = "yes", uid: str = "1") -> Namespace:
    return replace(namespace(name, uid), labels={"ecr": ecr})


def selecting(key: Key = KEY, total: int = 1) -> Resource:
    """Return a resource that was served, and had that many targets."""
    status = ready() | {"namespacesTotal": total}
    targets = Targets.parse({"namespaceSelector": {"matchLabels": {"ecr": "yes"}}})
    return replace(resource(status=status, key=key), targets=targets)


@pytest.mark.parametrize(
    ("messages", "runs"),
    [
        pytest.param([Changed(NAMESPACES, labelled("ns3"), False)], 1, id="appeared"),
        pytest.param([Changed(NAMESPACES, labelled("ns3", "no"), False)], 0, id="another appeared"),
        pytest.param([Changed(NAMESPACES, labelled("ns1", "no"), False)], 1, id="lost the label"),
        pytest.param([Changed(NAMESPACES, labelled("ns2"), False)], 1, id="got the label"),
        pytest.param([Changed(NAMESPACES, labelled("ns1"), True)], 1, id="went"),
        pytest.param([Changed(NAMESPACES, labelled("ns2", "no"), True)], 0, id="another went"),
        pytest.param([Changed(NAMESPACES, labelled("ns1", uid="2"), False)], 1, id="made again"),
        pytest.param([Changed(NAMESPACES, labelled("ns1"), False)], 0, id="as it was"),
        pytest.param([Listed(NAMESPACES, (labelled("ns2"), namespace("ns9")))], 1, id="while the watch was broken"),
        pytest.param(
            [Changed(NAMESPACES, labelled("ns1", "no"), False), Changed(NAMESPACES, labelled("ns2"), False)],
            1,
            id="two at once",
        ),
    ],
)
def test_namespace_that_comes_to_a_selector_or_leaves_it_is_served_at_once(messages: list, runs: int) -> None:
    lab = Lab()
    other = replace(resource(status=ready(), key=Key(NAMESPACED_KIND, "ns9", "a")), targets=Targets.only("ns9"))
    lab.steps = [lambda: lab.put(*messages)]
    for kind, source in SOURCES.items():
        lab.put(Listed(source, tuple(each for each in (selecting(), other) if each.key.kind == kind)))
    lab.put(Listed(NAMESPACES, (labelled("ns1"), labelled("ns2", "no"), namespace("ns9"))))
    lab.controller.run([lab])
    assert lab.runs == [[KEY]] * runs


def test_resource_that_selects_nothing_is_content_until_something_matches() -> None:
    lab = Lab(answer=lambda key: Result(key, "u", 1))

    def appear() -> None:
        lab.answer = served
        lab.put(Changed(NAMESPACES, labelled("ns3"), False))

    def hours() -> None:
        lab.wait(5 * 60)

    lab.serve([replace(selecting(), status={})], hours, appear, present=("ns1",))
    assert len(lab.runs) == 2
    condition = condition_of(lab.statuses[0], "Ready")
    assert (condition["status"], condition["reason"]) == ("True", "NoNamespaceMatches")
    assert [each["namespacesTotal"] for each in lab.statuses] == [0, 2]


UNDO = replace(resource(2, status=ready() | {"observedGeneration": 2}), deleting=True, undo=True)


def undone(key: Key = KEY, state: str = "deleted") -> Result:
    removed = (Step("ns1", "ecr-login", state, "Forbidden" if state == "failed" else "", "may not delete"),)
    return Result(key, "u", 2, removed=removed, is_undo=True)


def test_deleted_resource_that_has_something_to_undo_is_due_at_once_and_then_gone() -> None:
    lab = Lab(answer=undone)
    lab.serve([resource(status=ready())], lambda: lab.put(seen(UNDO)), lambda: lab.put(seen(UNDO, is_gone=True)))
    assert (len(lab.runs), lab.statuses, lab.events) == (1, [], [])
    assert lab.controller._tracked == {}


def test_deleted_resource_is_undone_after_a_restart_and_stays_until_it_is_gone() -> None:
    lab = Lab(answer=undone, present={LOGINS: ()})
    lab.serve([UNDO], lambda: lab.put(Changed(NAMESPACES, namespace("ns1"), is_gone=True)))
    assert len(lab.runs) == 1
    assert list(lab.controller._tracked) == [KEY]


def test_deleted_resource_without_our_finalizer_is_forgotten() -> None:
    lab = Lab()
    lab.serve([resource(status=ready())], lambda: lab.put(seen(replace(UNDO, undo=False))))
    assert (lab.runs, lab.controller._tracked) == ([], {})


def test_deletion_during_the_run_is_not_missed() -> None:
    lab = Lab(answer=lambda key: served(key) if len(lab.runs) == 1 else undone(key))

    def delete() -> None:
        lab.during_run = lambda: None
        lab.put(seen(UNDO))

    lab.during_run = delete
    lab.serve([resource()])
    assert len(lab.runs) == 2


def test_undo_that_fails_is_told_and_tried_again_with_growing_delay() -> None:
    lab = Lab(answer=lambda key: undone(key, "failed"))
    delays: list[float] = []

    def next_time() -> None:
        due = datetime.fromisoformat(str(lab.statuses[-1]["nextRefreshTime"]))
        delays.append((due - lab.now).total_seconds())
        lab.now = due

    lab.serve([UNDO], *[next_time] * 5)
    assert len(lab.runs) == 6
    assert delays == sorted(delays)
    assert delays[0] < 7 < 60 < delays[-1]
    assert [each.reason for each in lab.events] == ["DeleteSecretError"]
    assert condition_of(lab.statuses[-1], "RefreshFailing")["reason"] == "Forbidden"
    assert condition_of(lab.statuses[-1], "Ready")["reason"] == "Deleting"


def test_what_is_measured_of_a_resource_comes_from_its_status_and_goes_with_it() -> None:
    lab = Lab(answer=lambda key: refused(key) if key == KEY else None)
    values: list[tuple[float | None, ...]] = []

    def look() -> None:
        gauges = ("secret_expiry_timestamp_seconds", "resource_ready", "resource_refresh_failing")
        values.append(tuple(lab.sample(each) for each in gauges))

    def edit() -> None:
        look()
        lab.inbox.put(seen(resource(generation=2)))
        lab.answer = lambda key: replace(refused(key), generation=2)

    def fail() -> None:
        look()
        lab.inbox.put(seen(resource(generation=3), is_gone=True))

    until = NOW + timedelta(hours=3)
    conditions = [{"type": "Ready", "status": "True"}, {"type": "RefreshFailing", "status": "False"}]
    status = ready() | {"conditions": conditions, "expiresAt": until.isoformat()}
    lab.serve([resource(status=status)], edit, fail, look)
    assert values == [(until.timestamp(), 1, 0), (None, 0, 1), (None, None, None)]
    assert lab.sample("results_total", reason="X") == 1
    assert lab.monitor.metrics.registry.get_sample_value("kube_ecr_batch_resources_sum") == 1
    assert lab.monitor.health.obstacles() == []


def test_what_waits_for_a_run_is_told_with_the_time_at_which_it_was_due() -> None:
    lab = Lab(batch_size=1)
    told: list[tuple[int, datetime | None]] = []
    lab.monitor.queue_changed = lambda *values: told.append(values)  # type: ignore[method-assign]
    lab.serve([resource(key=Key(NAMESPACED_KIND, "ns1", name)) for name in "ab"])
    assert (1, NOW) in told
    assert told[-1][0] == 0


def test_loop_shows_life_when_it_wakes(monkeypatch: pytest.MonkeyPatch) -> None:
    """One sign for each message; and where there is none, one for the time that it slept."""
    monkeypatch.setattr(controller, "MAX_SLEEP_SECONDS", 0.0)
    signs: list[str] = []
    lab = Lab()
    lab.monitor.loop_moved = lambda: signs.append("moved")  # type: ignore[method-assign]
    lab.controller._receive()
    assert len(signs) == 1
    lab.put(*[Changed(NAMESPACES, namespace("other"), is_gone=False)] * 3)
    lab.controller._receive()
    assert len(signs) == 1 + 3 + 1


def test_lines_of_a_run_name_it_and_one_without_news_is_not_told(caplog: pytest.LogCaptureFixture) -> None:
    """A token that is renewed is told once for the resource, a failure that stays is not told again."""
    lab = Lab()

    def renew() -> None:
        lab.answer = lambda key: served(key, "updated")
        lab.inbox.put(Changed(NAMESPACES, namespace("ns2", uid="2"), is_gone=False))

    def look() -> None:
        lab.answer = lambda key: served(key, "unchanged")
        lab.inbox.put(Changed(NAMESPACES, namespace("ns2", uid="3"), is_gone=False))

    with caplog.at_level(logging.INFO, logger="kube_ecr_runner"):
        lab.serve([resource()], renew, look)
    told = [(each.message, getattr(each, "fields", {}).get("run", "")[-2:]) for each in caplog.records]
    lines = ["ready", "run ended", "refreshed", "run ended"]
    counts = [each.fields for each in caplog.records if each.message == "run ended"]  # type: ignore[attr-defined]
    assert [(str(each["changed"]), "failed" in each) for each in counts] == [("1", False)] * 2
    assert told[1:-2] == list(zip(lines, ["-1", "-1", "-2", "-2"], strict=True))
    assert len(lab.runs) == 3
