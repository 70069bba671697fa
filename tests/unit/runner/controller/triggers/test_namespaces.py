"""Which namespaces that come, go or change give a resource something to do."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

import pytest

from kube_ecr_runner.contract.targets import Names, Targets
from kube_ecr_runner.controller.triggers.namespaces import (
    allows_other_identities,
    targets_changed,
    targets_changed_since_status,
    targets_differ_from_status,
    uses_identity_of_runner_in,
)
from kube_ecr_runner.model.resource import Key, Namespace, Resource, WrittenSecret
from tests.unit.runner.controller.triggers.builders import (
    AFTER,
    BEFORE,
    MATCHED,
    NAMED,
    NOON,
    REFRESHED,
    SELECTED,
    failure,
    make_namespace,
    make_resource,
)

HERE = make_namespace()
NOT_FOUND = failure("ns1", "NamespaceNotFound")


@pytest.mark.parametrize(
    ("resource", "before", "after", "changed"),
    [
        pytest.param(make_resource(NAMED, NOT_FOUND), None, HERE, True, id="named, and appeared"),
        pytest.param(make_resource(NAMED), None, HERE, False, id="named, and known to the status"),
        pytest.param(
            make_resource(NAMED, NOT_FOUND), None, make_namespace(terminating=True), False, id="appeared to go at once"
        ),
        pytest.param(make_resource(NAMED), HERE, None, True, id="named, and went"),
        pytest.param(make_resource(NAMED, NOT_FOUND), HERE, None, False, id="went, and that is known"),
        pytest.param(make_resource(NAMED), HERE, make_namespace(uid="2"), True, id="named, and made again"),
        pytest.param(
            make_resource(NAMED), HERE, make_namespace(uid="2", terminating=True), False, id="made again to go"
        ),
        pytest.param(make_resource(NAMED), HERE, make_namespace(ecr="no"), False, id="named, and relabelled"),
        pytest.param(
            make_resource(NAMED), HERE, make_namespace(terminating=True), False, id="named, and on its way out"
        ),
        pytest.param(make_resource(NAMED), None, make_namespace("ns3"), False, id="not named, and appeared"),
        pytest.param(make_resource(NAMED), make_namespace("ns3"), None, False, id="not named, and went"),
        pytest.param(make_resource(SELECTED), None, HERE, True, id="selected, and appeared"),
        pytest.param(make_resource(SELECTED), HERE, None, True, id="selected, and went"),
        pytest.param(make_resource(SELECTED), HERE, make_namespace(uid="2"), True, id="selected, and made again"),
        pytest.param(make_resource(SELECTED), HERE, HERE, False, id="selected, and as it was"),
        pytest.param(make_resource(SELECTED), HERE, make_namespace(ecr="no"), True, id="lost the label"),
        pytest.param(make_resource(SELECTED), make_namespace(ecr="no"), HERE, True, id="got the label"),
        pytest.param(
            make_resource(SELECTED), make_namespace(ecr="no"), make_namespace(ecr="maybe"), False, id="another label"
        ),
        pytest.param(
            make_resource(SELECTED), HERE, make_namespace(ecr="no", terminating=True), True, id="lost it on its way out"
        ),
        pytest.param(make_resource(SELECTED), None, make_namespace("kube-x"), False, id="excluded, and appeared"),
        pytest.param(make_resource(MATCHED), None, HERE, True, id="matched, and appeared"),
        pytest.param(make_resource(MATCHED), HERE, None, True, id="matched, and went"),
        pytest.param(make_resource(MATCHED), HERE, make_namespace(ecr="no"), False, id="matched, and relabelled"),
        pytest.param(make_resource(SELECTED, deleting=True), None, HERE, False, id="of one that is being deleted"),
    ],
)
def test_targets_change_when_a_namespace_comes_or_leaves(
    resource: Resource, before: Namespace | None, after: Namespace | None, changed: bool
) -> None:
    assert targets_changed(resource, before, after, is_working=False) is changed


@pytest.mark.parametrize(
    ("before", "after", "changed"),
    [
        (None, HERE, True),
        (HERE, None, True),
        (HERE, make_namespace(ecr="no"), False),
        (HERE, make_namespace(terminating=True), False),
        (None, make_namespace("ns3"), False),
    ],
)
def test_what_a_run_may_not_have_seen_counts_whatever_the_status_says(
    before: Namespace | None, after: Namespace | None, changed: bool
) -> None:
    for resource in (make_resource(NAMED), make_resource(NAMED, NOT_FOUND)):
        assert targets_changed(resource, before, after, is_working=True) is changed


def alive(*names: str, created_at: datetime = BEFORE) -> dict[str, Namespace]:
    return {name: Namespace(name, f"uid-{name}", created_at) for name in names}


PENDING = [failure("ns2", "NamespaceNotFound")]


@pytest.mark.parametrize(
    ("failures", "namespaces", "changed"),
    [
        pytest.param([], alive("ns1", "ns2"), False, id="all there"),
        pytest.param(PENDING, alive("ns1"), False, id="still missing"),
        pytest.param(PENDING, alive("ns1", "ns2"), True, id="came"),
        pytest.param([], alive("ns1"), True, id="went"),
        pytest.param([failure("ns2", "SecretConflict")], alive("ns1", "ns2"), False, id="failed, and still there"),
        pytest.param([], alive("ns1", "ns2", created_at=AFTER), True, id="made again since the Secrets were written"),
        pytest.param([], alive("ns1", "ns2", created_at=NOON), False, id="made when the Secrets were written"),
        pytest.param(
            PENDING,
            alive("ns1") | {"ns2": Namespace("ns2", "uid", BEFORE, terminating=True)},
            False,
            id="on its way out",
        ),
        pytest.param([], alive("ns1", "ns2", "other"), False, id="no target"),
        pytest.param(
            [failure(f"x{number}", "X") for number in range(20)], alive("ns1", "ns2"), True, id="more alive than ready"
        ),
    ],
)
def test_targets_changed_since_the_status_when_namespaces_came_or_went(
    failures: list[dict], namespaces: dict[str, Namespace], changed: bool
) -> None:
    status = {"failures": failures, "lastRefreshTime": REFRESHED}
    resource = Resource(Key("K", "", "r"), "u", 1, targets=NAMED, status=status)
    assert targets_changed_since_status(resource, namespaces) is changed


@pytest.mark.parametrize(("ready", "changed"), [(1, True), (2, False), (3, False)])
def test_where_the_list_of_failures_is_full_more_are_alive_than_ready(ready: int, changed: bool) -> None:
    failures = [failure(f"x{number}", "X") for number in range(20)]
    status = {"failures": failures, "namespacesReady": ready, "lastRefreshTime": REFRESHED}
    assert targets_changed_since_status(replace(make_resource(NAMED), status=status), alive("ns1", "ns2")) is changed


def labelled(*names: str, ecr: str = "yes", created_at: datetime = BEFORE) -> dict[str, Namespace]:
    return {name: replace(each, labels={"ecr": ecr}) for name, each in alive(*names, created_at=created_at).items()}


@pytest.mark.parametrize(
    ("total", "namespaces", "changed"),
    [
        pytest.param(2, labelled("ns1", "ns2"), False, id="all there"),
        pytest.param(2, labelled("ns1", "ns2", "kube-x"), False, id="excluded"),
        pytest.param(2, labelled("ns1"), True, id="went"),
        pytest.param(2, labelled("ns1") | labelled("ns2", ecr="no"), True, id="lost the label"),
        pytest.param(2, labelled("ns1", "ns2", "ns3"), True, id="got the label"),
        pytest.param(2, labelled("ns1") | labelled("ns3", created_at=AFTER), True, id="one went, one came"),
        pytest.param(0, {}, False, id="nothing matches"),
        pytest.param(0, labelled("ns1"), True, id="something matches"),
        pytest.param(None, labelled("ns1"), False, id="status does not tell how many there were"),
    ],
)
def test_targets_changed_since_the_status_when_other_namespaces_match(
    total: int | None, namespaces: dict[str, Namespace], changed: bool
) -> None:
    status = {"namespacesTotal": total, "lastRefreshTime": REFRESHED}
    assert targets_changed_since_status(replace(make_resource(SELECTED), status=status), namespaces) is changed


def test_without_the_right_to_list_namespaces_nothing_has_changed() -> None:
    assert not targets_changed_since_status(make_resource(NAMED), {})


ALLOWING = replace(HERE, allowed_identities="runner")


@pytest.mark.parametrize(
    ("before", "after", "allows"),
    [
        pytest.param(HERE, ALLOWING, True, id="allowed"),
        pytest.param(ALLOWING, HERE, True, id="forbidden"),
        pytest.param(ALLOWING, ALLOWING, False, id="as it was"),
        pytest.param(None, ALLOWING, False, id="appeared"),
        pytest.param(HERE, None, False, id="went"),
        pytest.param(HERE, replace(ALLOWING, uid="2"), False, id="made again"),
        pytest.param(HERE, replace(ALLOWING, terminating=True), False, id="on its way out"),
    ],
)
def test_namespace_allows_other_identities_than_before(
    before: Namespace | None, after: Namespace | None, allows: bool
) -> None:
    assert allows_other_identities(before, after) is allows


@pytest.mark.parametrize(
    ("key", "uses_own_identity", "matters"),
    [
        pytest.param(Key("K", "ns1", "r"), True, True, id="of the namespace"),
        pytest.param(Key("K", "ns1", "r"), False, False, id="another way into AWS"),
        pytest.param(Key("K", "ns2", "r"), True, False, id="another namespace"),
        pytest.param(Key("K", "", "r"), True, False, id="cluster kind"),
    ],
)
def test_what_a_namespace_allows_matters_to_its_resources(key: Key, uses_own_identity: bool, matters: bool) -> None:
    resource = make_resource(key=key, uses_own_identity=uses_own_identity)
    assert uses_identity_of_runner_in(resource, "ns1") is matters


def test_a_namespace_of_an_output_alone_counts_as_well() -> None:
    output = WrittenSecret("basic", Targets(Names(("argocd",), ("ci-*",))))
    resource = replace(make_resource(NAMED), outputs=(output,))
    ci, argocd = make_namespace("ci-1"), make_namespace("argocd")
    assert targets_changed(resource, None, ci, is_working=False)
    assert targets_changed(resource, ci, None, is_working=False)
    assert not targets_changed(resource, ci, ci, is_working=False)
    awaited = replace(make_resource(NAMED, failure("argocd", "NamespaceNotFound")), outputs=(output,))
    assert targets_changed(awaited, None, argocd, is_working=False)
    assert not targets_changed(resource, None, make_namespace("other"), is_working=False)


def test_outputs_that_the_status_does_not_count_are_found_by_a_runner_that_was_down() -> None:
    output = WrittenSecret("basic", Targets(Names(("argocd",), ("ci-*",))))
    status = {**make_resource(NAMED).status, "namespacesTotal": 2, "namespacesReady": 2}
    resource = replace(make_resource(NAMED), status=status, outputs=(output,))
    there = {name: make_namespace(name) for name in ("ns1", "ns2", "argocd")}
    counted = replace(resource, status={**status, "outputsTotal": 1, "outputsReady": 1})
    assert targets_differ_from_status(resource, there)
    assert not targets_differ_from_status(counted, there)
    assert targets_differ_from_status(counted, {**there, "ci-1": make_namespace("ci-1")})
    assert targets_differ_from_status(counted, {name: there[name] for name in ("ns1", "ns2")}), "argocd is gone"
