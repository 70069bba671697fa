"""The work loop, with the time standing still and runs that answer at once."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from queue import SimpleQueue
from random import Random

import pytest

from kube_ecr_runner.batch import Summary
from kube_ecr_runner.controller import Controller, Inbox, Stop
from kube_ecr_runner.kube import NAMESPACES, Changed, KubernetesError, Listed, Source, objects_named, resources_of
from kube_ecr_runner.resources import (
    CLUSTER_KIND,
    NAMESPACED_KIND,
    Key,
    Namespace,
    Reference,
    Referenced,
    Resource,
)
from kube_ecr_runner.results import Origin, Outcome, Problem, Result
from kube_ecr_runner.status import Event, condition_of

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)
SOURCES = {kind: resources_of(kind) for kind in (NAMESPACED_KIND, CLUSTER_KIND)}
KEY = Key(CLUSTER_KIND, "", "shared")
KEYS = Reference("Secret", "ns9", "keys")
KEYS_SOURCE = objects_named("Secret", "keys")
Step = Callable[[], None]


def resource(generation: int = 1, uid: str = "u", status: Mapping | None = None, key: Key = KEY) -> Resource:
    return Resource(key, uid, generation, "ecr-login", ("ns1", "ns2"), status=status or {})


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
    """A watch of what resources refer to: it delivers what there is when it is started."""

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
    batch_size: int = 10
    runs: list[list[Key]] = field(default_factory=list)
    played: list[str] = field(default_factory=list)
    statuses: list[Mapping] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    write_error: KubernetesError | None = None
    answer: Callable[[Key], Result | None] = lambda key: served(key)
    during_run: Step = lambda: None
    present: dict[Source, tuple[Referenced, ...]] = field(default_factory=dict)
    watches: list[Watch] = field(default_factory=list)
    steps: list[Step] = field(default_factory=list)
    now: datetime = NOW

    def __post_init__(self) -> None:
        self.inbox: Inbox = SimpleQueue()
        self.controller = Controller(
            self.playbooks,
            SOURCES,
            self,
            self.run_batch,
            self.inbox,
            self.watch,
            window=timedelta(0),
            batch_size=self.batch_size,
            random=Random(1),
            clock=lambda: self.now,
        )

    def serve(self, resources: list[Resource], *steps: Step, present: tuple[str, ...] = ("ns1", "ns2")) -> None:
        """List these, then take each step when nothing is left to do after the one before."""
        self.steps = list(steps)
        for kind, source in SOURCES.items():
            self.inbox.put(Listed(source, tuple(each for each in resources if each.key.kind == kind)))
        self.inbox.put(namespaces(*present))
        self.controller.run([self])

    def run_batch(
        self, keys: list[Key], playbook: str, deliver: Callable[[Result], None], cancelled: threading.Event
    ) -> Summary:
        self.runs.append(keys)
        self.played.append(playbook)
        self.during_run()
        results = {key: self.answer(key) for key in keys}
        for result in results.values():
            if result:
                deliver(result)
        return Summary("successful", 0, 0.0, "no reason", [key for key, result in results.items() if not result])

    def watch(self, source: Source) -> Watch:
        self.watches.append(Watch(source, self))
        return self.watches[-1]

    def apply_status(self, item: Resource, status: Mapping) -> bool:
        if self.write_error:
            raise self.write_error
        self.statuses.append(status)
        return True

    def create_event(self, item: Resource, event: Event, now: datetime) -> None:
        self.events.append(event)

    def start(self) -> None:
        pass

    def stop(self) -> None:
        pass

    def is_alive(self) -> bool:
        """Asked once in each turn of the loop, after what was in the inbox has been handled."""
        due = any(queue.count_due(self.now) for queue in self.controller._queues.values())
        if self.controller._run_playbook is None and not due and self.inbox.empty():
            if self.steps:
                self.steps.pop(0)()
                # A step may only have moved the clock, which the loop sees when it wakes.
                self.inbox.put(Changed(NAMESPACES, namespace("unrelated"), is_gone=False))
            else:
                self.inbox.put(Stop("SIGTERM"))
        return True


def served(key: Key = KEY, state: str = "created", generation: int = 1, uid: str = "u") -> Result:
    outcomes = tuple(Outcome(name, state, expires_at=NOW + timedelta(hours=12)) for name in ("ns1", "ns2"))
    return Result(key, uid, generation, outcomes, ("host",), 43200)


def waiting(key: Key = KEY) -> Result:
    outcomes = (
        Outcome("ns1", "created", expires_at=NOW + timedelta(hours=12)),
        Outcome("ns2", "pending", "NamespaceNotFound"),
    )
    return Result(key, "u", 1, outcomes, ("host",), 43200)


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


def test_cause_that_stays_is_told_in_one_event() -> None:
    lab = Lab(answer=refused)

    def later() -> None:
        lab.now += timedelta(minutes=10)

    lab.serve([resource()], later, later)
    assert len(lab.runs) == 3
    assert lab.events == [Event("Warning", "GetAWSAuthTokenFailed", "no")]


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
        working.append([each.working for each in lab.watches])

    gone = [lambda item=item: lab.inbox.put(seen(item, is_gone=True)) for item in (other, referring())]
    lab.serve([referring(), other], look, gone[0], look, gone[1], look)
    assert [each.source for each in lab.watches] == [KEYS_SOURCE]
    assert working == [[True], [True], [False]]


def test_edit_changes_what_is_watched_and_late_messages_are_no_news() -> None:
    lab = Lab(present={KEYS_SOURCE: (keys(),)})
    told: list[tuple[list[bool], int]] = []
    account = Reference("ServiceAccount", "ns9", "puller")

    def edit() -> None:
        lab.answer = lambda key: served(key, generation=2)
        lab.inbox.put(seen(referring(2, None, account)))

    def look() -> None:
        told.append(([each.working for each in lab.watches], len(lab.runs)))

    def late() -> None:
        look()
        lab.inbox.put(Changed(KEYS_SOURCE, keys("2"), is_gone=False))
        lab.inbox.put(Listed(KEYS_SOURCE, (keys("3"),)))

    def back() -> None:
        lab.answer = lambda key: served(key, generation=3)
        lab.inbox.put(seen(referring(3, None, KEYS)))

    lab.serve([referring()], edit, late, look, back)
    names = ["secrets/keys", "serviceaccounts/puller", "secrets/keys"]
    assert [each.source.name for each in lab.watches] == names
    before, after = told
    assert before == after
    assert before[0] == [False, True]


def test_watch_of_a_reference_that_says_nothing_holds_up_nothing() -> None:
    lab = Lab()
    lab.serve([referring()])
    assert (len(lab.watches), len(lab.statuses)) == (1, 1)


def test_watch_of_a_reference_that_died_ends_the_process() -> None:
    lab = Lab()

    def die() -> None:
        lab.watches[0].working = False

    with pytest.raises(RuntimeError, match="watch died"):
        lab.serve([referring()], die, lambda: None)


def test_stop_ends_the_watches_of_references() -> None:
    lab = Lab()
    lab.serve([referring()])
    assert [each.working for each in lab.watches] == [False]


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
