"""What makes a runner unhealthy, and what keeps it from being ready."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from kube_ecr_runner.model.observer import Part
from kube_ecr_runner.telemetry.health import Health


class Clock:
    """Stands still until it is set."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


Signs = Callable[[Health], None]


def watching(health: Health) -> None:
    health.watch_started("secrets/a")
    health.watch_heard("secrets/b")


def failing(health: Health) -> None:
    health.watch_failed("secrets/a", "no connection")


def running(health: Health) -> None:
    health.run_started("abc-1")


def ran(health: Health) -> None:
    running(health)
    health.run_ended("successful", 1.0, 1)


def standing_by(health: Health) -> None:
    watching(health)
    running(health)
    health.leads(False)


def ended(health: Health) -> None:
    watching(health)
    health.watch_ended("secrets/a")
    health.watch_ended("secrets/b")


# The loop moves in all but the first two; the deadline of a run is 300 s.
@pytest.mark.parametrize(
    ("signs", "loop_moves", "seconds", "told"),
    [
        (lambda _: None, False, 119, []),
        (lambda _: None, False, 121, ["the work loop made no progress for 121 s"]),
        (watching, True, 359, []),
        (watching, True, 361, ["the watch of secrets/a made no progress for 361 s", "the watch of secrets/b"]),
        (failing, True, 359, []),
        (failing, True, 361, ["the watch of secrets/a"]),
        (ended, True, 9999, []),
        (running, True, 329, []),
        (running, True, 331, ["run abc-1 should have been stopped 1 s ago"]),
        (ran, True, 9999, []),
        (standing_by, False, 9999, []),
    ],
)
def test_silence_that_should_have_ended_is_unhealthy(
    signs: Signs, loop_moves: bool, seconds: float, told: list[str]
) -> None:
    clock = Clock()
    health = Health(300.0, clock)
    signs(health)
    clock.now += seconds
    if loop_moves:
        health.loop_moved()
    causes = health.unhealthy_causes()
    assert len(causes) == len(told)
    for cause, start in zip(causes, told, strict=True):
        assert cause.startswith(start)
        assert "restart the runner" in cause


def test_a_replica_that_comes_to_lead_has_time_to_begin() -> None:
    clock = Clock()
    health = Health(300.0, clock)
    health.leads(False)
    clock.now += 9999
    health.leads(True)
    assert health.unhealthy_causes() == []


def test_it_is_ready_when_all_is_listed_and_while_another_leads() -> None:
    health = Health(300.0)
    assert health.unready_causes() == ["the runner is starting"]
    health.leads(False)
    assert health.unready_causes() == ["waiting for the first look at the Lease"]
    health.part_works(Part.LEASE, "")
    assert health.unready_causes() == []
    health.part_works(Part.LEASE, "read the Lease a/b: forbidden")
    assert health.unready_causes() == ["read the Lease a/b: forbidden"]
    health.leads(True)
    health.waits_for(["b", "a"])
    health.watch_failed("a", "not installed; install it")
    assert health.unready_causes() == [
        "waiting for the initial list of a: not installed; install it",
        "waiting for the initial list of b",
    ]
    health.waits_for([])
    assert health.unready_causes() == []


def test_it_is_not_ready_while_a_part_does_not_work() -> None:
    health = Health(300.0)
    health.waits_for([])
    health.part_works(Part.STATUSES, "forbidden")
    health.part_works(Part.PLAYBOOK, "no collection")
    assert health.unready_causes() == ["no collection", "forbidden"]
    health.part_works(Part.PLAYBOOK, "")
    assert health.unready_causes() == ["forbidden"]
    health.leads(False)
    assert health.unready_causes() == ["waiting for the first look at the Lease"], "it works for nobody"


def listing(health: Health) -> None:
    health.watch_moved("secrets/a")


def hearing(health: Health) -> None:
    health.watch_heard("secrets/a")


def refused(health: Health) -> None:
    health.watch_failed("secrets/a", "may not watch; grant it", False)


@pytest.mark.parametrize(
    ("signs", "told"),
    [
        pytest.param(hearing, None, id="it brings something"),
        pytest.param(listing, "not even a bookmark; check what is between", id="only lists work"),
        pytest.param(failing, "no connection", id="it fails, and the cause is known"),
        pytest.param(refused, None, id="a right is missing that is not needed"),
    ],
)
def test_watch_that_brings_nothing_is_told_of_though_lists_work(signs: Signs, told: str | None) -> None:
    clock = Clock()
    health = Health(300.0, clock)
    health.waits_for([])
    health.watch_started("secrets/a")
    for _ in range(3):
        assert health.unready_causes() == []
        clock.now += 60
        signs(health)
    clock.now += 1
    health.loop_moved()
    assert health.unhealthy_causes() == [], "a restart would not help"
    causes = health.unready_causes()
    assert len(causes) == (told is not None)
    for cause in causes:
        assert cause.startswith(f"the watch of secrets/a has brought nothing for 181 s: {told}")
    health.watch_heard("secrets/a")
    assert health.unready_causes() == []


def test_age_of_a_watch_grows_while_it_is_tried_again() -> None:
    clock = Clock()
    health = Health(300.0, clock)
    health.watch_heard("secrets/a")
    clock.now += 50
    health.watch_failed("secrets/a", "no connection")
    clock.now += 50
    health.watch_moved("secrets/a")
    health.watch_failed("namespaces", "may not list", False)
    assert health.watch_ages() == {"secrets/a": 100}
