"""The work loop about resources that are suspended or nudged, and about a clock that is set back."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from kube_ecr_runner.cluster.client import KubernetesError
from kube_ecr_runner.cluster.reflector import Changed
from kube_ecr_runner.cluster.sources import NAMESPACES
from kube_ecr_runner.model.conditions import condition_of
from kube_ecr_runner.model.resource import Resource
from kube_ecr_runner.model.result import Result
from tests.unit.runner.controller.test_loop import (
    KEY,
    KEYS,
    NOW,
    Lab,
    namespace,
    refused,
    resource,
    seen,
    served,
)


def suspended(generation: int = 2, **changes: object) -> Resource:
    return replace(resource(generation), suspended=True, **changes)


def reasons(lab: Lab) -> list[str]:
    return [each.reason for each in lab.events]


def ready(lab: Lab) -> tuple[object, object]:
    condition = condition_of(lab.statuses[-1], "Ready")
    return condition["status"], condition["reason"]


def test_suspended_resource_is_told_and_rests_whatever_happens_until_it_goes_on() -> None:
    lab = Lab()

    def suspend() -> None:
        lab.put(seen(suspended(references=frozenset([KEYS]))))

    def happen() -> None:
        assert (ready(lab), reasons(lab)[-1]) == (("True", "Suspended"), "Suspended")
        assert "nextRefreshTime" not in lab.statuses[-1]
        lab.put(
            Changed(NAMESPACES, namespace("ns2"), is_gone=True),
            Changed(NAMESPACES, namespace("ns2", uid="2"), is_gone=False),
            seen(suspended(references=frozenset([KEYS]), nudge="1")),
        )

    def go_on() -> None:
        assert (len(lab.runs), len(lab.statuses)) == (1, 2)
        lab.answer = lambda key: replace(served(key, generation=3), nudge="1")
        lab.put(seen(replace(resource(3), nudge="1")))

    lab.serve([resource()], suspend, happen, lambda: lab.wait(7 * 60), go_on)
    assert (len(lab.runs), reasons(lab).count("Suspended"), reasons(lab).count("Resumed")) == (2, 1, 1)
    assert ready(lab) == ("True", "SecretsUpdated")
    assert lab.statuses[-1]["lastHandledReconcileAt"] == "1"


def test_tokens_of_a_suspended_resource_that_die_are_told() -> None:
    lab = Lab()
    lab.serve([resource()], lambda: lab.put(seen(suspended())), lambda: lab.wait(12 * 60 - 1), lambda: lab.wait(2))
    assert (len(lab.runs), ready(lab), lab.statuses[-1]["namespacesReady"]) == (1, ("False", "Suspended"), 0)
    assert len(lab.statuses) == 3


def test_restart_tells_only_what_changed_while_it_was_down() -> None:
    lab = Lab()
    lab.serve([resource()], lambda: lab.put(seen(suspended())))
    told = lab.statuses[-1]

    same = Lab()
    same.serve([replace(suspended(), status=told)])
    assert (same.runs, same.statuses, same.events) == ([], [], [])

    new = Lab()
    new.serve([replace(suspended(), status=lab.statuses[0])])
    assert (new.runs, new.statuses, reasons(new)) == ([], [told], ["Suspended"])

    resumed = Lab(answer=lambda key: served(key, "unchanged", 3))
    resumed.serve([replace(resource(3), status=told)])
    assert (len(resumed.runs), reasons(resumed)) == (1, ["Resumed"])


def test_token_that_came_while_its_resource_was_suspended_counts() -> None:
    lab = Lab(during_run=lambda: lab.put(seen(suspended())))
    lab.serve([resource()])
    assert (len(lab.runs), ready(lab)) == (1, ("True", "Suspended"))
    assert lab.statuses[-1]["expiresAt"] == "2026-02-01T00:00:00Z"


def test_run_that_left_out_what_was_suspended_meanwhile_has_not_failed() -> None:
    lab = Lab(answer=lambda key: None, during_run=lambda: lab.put(seen(suspended())))

    def go_on() -> None:
        assert (ready(lab), reasons(lab)) == (("False", "Suspended"), ["Suspended"])
        assert lab.controller._tracked[KEY].failures == 0
        lab.during_run, lab.answer = lambda: None, lambda key: served(key, generation=3)
        lab.put(seen(resource(3)))

    lab.serve([resource()], go_on)
    assert (len(lab.runs), ready(lab)[0]) == (2, "True")


def test_suspended_resource_that_is_deleted_is_undone() -> None:
    lab = Lab(answer=lambda key: Result(key, "u", 3, is_undo=True))
    gone = replace(resource(3), deleting=True, undo=True)
    lab.serve([replace(suspended(), status={})], lambda: lab.put(seen(gone)))
    assert (len(lab.runs), reasons(lab)) == (1, ["Suspended"])


def test_status_of_a_suspended_resource_is_written_when_it_can_be() -> None:
    lab = Lab(write_error=KubernetesError("PATCH", 503, "ServiceUnavailable", ""))

    def heal() -> None:
        lab.write_error = None
        lab.wait(1)

    lab.serve([suspended()], heal)
    assert (lab.runs, ready(lab)) == ([], ("False", "Suspended"))


def test_nudge_is_served_at_once_and_once_however_long_others_have_to_wait() -> None:
    lab = Lab(answer=refused)

    def fail_often() -> None:
        assert len(lab.runs) == 1
        lab.wait(6)

    def nudge() -> None:
        lab.answer = lambda key: replace(refused(key), nudge="1")
        lab.put(seen(replace(resource(), nudge="1")))

    def heal() -> None:
        assert (len(lab.runs), lab.controller._tracked[KEY].failures) == (3, 1), "as at the first failure"
        lab.answer = lambda key: replace(served(key), nudge="1")
        lab.wait()

    lab.serve([resource()], fail_often, nudge, heal, lambda: lab.put(seen(replace(resource(), nudge="1"))))
    assert len(lab.runs) == 4
    assert lab.statuses[-1]["lastHandledReconcileAt"] == "1"

    for value, runs in (("1", 0), ("2", 1), ("", 0)):
        again = Lab()
        again.serve([replace(resource(status=lab.statuses[-1]), nudge=value)])
        assert len(again.runs) == runs, f"after a restart with {value!r}"


@pytest.mark.parametrize(("minutes", "runs"), [(-4, 1), (-6, 2), (5 * 60, 1), (7 * 60, 2)])
def test_clock_that_jumps_is_noticed_at_the_next_pass(minutes: float, runs: int) -> None:
    lab = Lab()

    def jump() -> None:
        lab.now += timedelta(minutes=minutes)

    lab.serve([resource()], jump)
    assert len(lab.runs) == runs
    assert lab.now == NOW + timedelta(minutes=minutes)


def test_run_that_was_due_while_the_runner_was_down_happens_at_start() -> None:
    lab = Lab()
    lab.serve([resource()])
    again = Lab(now=NOW + timedelta(hours=7))
    again.serve([resource(status=lab.statuses[0])])
    assert len(again.runs) == 1
