"""Which resources are due when namespaces come, go or change."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from kube_ecr_runner.cluster.sources import NAMESPACES
from kube_ecr_runner.contract.kinds import NAMESPACED_KIND
from kube_ecr_runner.contract.targets import Targets
from kube_ecr_runner.model.resource import Key, Namespace, Resource
from tests.unit.runner.controller.builders import (
    KEY,
    NOW,
    make_namespace,
    make_resource,
    ready,
    refused,
    served,
    waiting,
)
from tests.unit.runner.controller.parts import Parts


def labelled(name: str, ecr: str = "yes", **changes: object) -> Namespace:
    return make_namespace(name, labels={"ecr": ecr}, **changes)


SELECTING = replace(
    make_resource(status=ready() | {"namespacesTotal": 1}),
    targets=Targets.parse({"namespaceSelector": {"matchLabels": {"ecr": "yes"}}}),
)
ELSEWHERE = replace(make_resource(status=ready(), key=Key(NAMESPACED_KIND, "ns9", "a")), targets=Targets.only("ns9"))


@pytest.mark.parametrize(
    ("namespace", "is_gone", "is_due"),
    [
        pytest.param(labelled("ns3"), False, True, id="appeared"),
        pytest.param(labelled("ns3", "no"), False, False, id="another appeared"),
        pytest.param(labelled("ns1", "no"), False, True, id="lost the label"),
        pytest.param(labelled("ns2"), False, True, id="got the label"),
        pytest.param(labelled("ns1"), True, True, id="went"),
        pytest.param(labelled("ns2", "no"), True, False, id="another went"),
        pytest.param(labelled("ns1", uid="2"), False, True, id="made again"),
        pytest.param(labelled("ns1"), False, False, id="as it was"),
    ],
)
def test_resource_is_due_at_once_when_a_namespace_comes_to_its_selector_or_leaves_it(
    namespace: Namespace, is_gone: bool, is_due: bool
) -> None:
    parts = Parts()
    parts.list(SELECTING, ELSEWHERE, namespaces=[labelled("ns1"), labelled("ns2", "no"), "ns9"])
    assert parts.start() == []
    parts.namespaces.changed(namespace, NOW, is_gone=is_gone)
    assert parts.start() == [KEY] * is_due


def test_what_changed_while_the_watch_was_broken_is_noticed_when_it_lists_again() -> None:
    parts = Parts()
    parts.list(SELECTING, ELSEWHERE, namespaces=[labelled("ns1"), labelled("ns2", "no"), "ns9"])
    parts.namespaces.listed([labelled("ns2"), make_namespace("ns9")], NOW)
    assert (parts.start(), set(parts.store.namespaces)) == ([KEY], {"ns2", "ns9"})


def test_namespace_that_came_and_went_between_two_lists_is_taken_out_of_the_status() -> None:
    """A run saw it, and no watch told of it; where the run failed, the next attempt comes by itself."""
    for result, is_due in ((served(generation=2), True), (refused(generation=2), False)):
        parts = Parts()
        parts.list(SELECTING, namespaces=[labelled("ns1")])
        parts.resources.seen(replace(SELECTING, generation=2), NOW)
        assert parts.serve(result) == [KEY]
        parts.namespaces.listed([labelled("ns1")], NOW)
        assert parts.start() == [KEY] * is_due


def test_namespaces_that_are_listed_first_make_nothing_due() -> None:
    """They are compared with the statuses when everything is known, and were never known to be missing."""
    parts = Parts()
    for source in parts.sources:
        parts.resources.listed(source, [SELECTING], NOW)
    parts.namespaces.listed([labelled("ns1"), labelled("ns2")], NOW)
    assert parts.batcher.next_due() is None
    parts.store.note_listed(NAMESPACES)
    assert len(parts.store.namespaces) == 2


def test_namespace_that_is_waited_for_is_due_at_once() -> None:
    parts = Parts()
    parts.list(make_resource(), namespaces=["ns1"])
    parts.serve(waiting())
    parts.namespaces.changed(make_namespace("ns2"), NOW, is_gone=False)
    assert parts.serve(served()) == [KEY]
    assert parts.api.statuses[-1]["namespacesReady"] == 2


@pytest.mark.parametrize(
    "namespace", [make_namespace("other"), make_namespace("ns2", terminating=True)], ids=["no target", "terminating"]
)
def test_other_namespaces_make_nothing_due(namespace: Namespace) -> None:
    parts = Parts()
    parts.list(make_resource(), namespaces=["ns1"])
    parts.serve(waiting())
    parts.namespaces.changed(namespace, NOW, is_gone=False)
    assert parts.start() == []


def test_target_that_goes_is_told() -> None:
    parts = Parts()
    parts.list(make_resource())
    parts.serve(served())
    parts.namespaces.changed(make_namespace("ns2"), NOW, is_gone=True)
    assert parts.serve(waiting()) == [KEY]
    assert [status["namespacesReady"] for status in parts.api.statuses] == [2, 1]


def test_namespace_that_appears_during_the_run_is_not_missed() -> None:
    parts = Parts()
    parts.list(make_resource(), namespaces=["ns1"])
    parts.serve(waiting(), during=lambda: parts.namespaces.changed(make_namespace("ns2"), NOW, is_gone=False))
    assert parts.start() == [KEY]


OWN = replace(make_resource(key=Key(NAMESPACED_KIND, "ns1", "a")), uses_own_identity=True)


@pytest.mark.parametrize(
    ("resource", "namespace", "is_due"),
    [
        pytest.param(OWN, make_namespace("ns1", allowed_identities="runner"), True, id="allowed"),
        pytest.param(OWN, make_namespace("ns1"), False, id="as it was"),
        pytest.param(
            replace(OWN, uses_own_identity=False),
            make_namespace("ns1", allowed_identities="runner"),
            False,
            id="another way in",
        ),
        pytest.param(OWN, make_namespace("ns2", allowed_identities="runner"), False, id="another namespace"),
        pytest.param(
            replace(OWN, key=KEY), make_namespace("ns1", allowed_identities="runner"), False, id="cluster kind"
        ),
    ],
)
def test_what_a_namespace_allows_is_noticed_at_once_and_forgets_failures(
    resource: Resource, namespace: Namespace, is_due: bool
) -> None:
    parts = Parts()
    parts.list(resource)
    for _ in range(8):
        parts.serve(refused(resource.key))
        parts.wait(timedelta(minutes=10))
    parts.serve(refused(resource.key))
    parts.namespaces.changed(namespace, parts.now, is_gone=False)
    assert (parts.start(), parts.store[resource.key].failures) == ([resource.key] * is_due, 0 if is_due else 9)
