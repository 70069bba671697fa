"""Which Secrets and service accounts that come, go or change give a resource something to do."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

import pytest

from kube_ecr_runner.contract.targets import Targets
from kube_ecr_runner.controller.triggers.objects import (
    drifted_in_list,
    is_in_sync,
    may_predate,
    may_predate_any,
    needs_reconcile,
    needs_reconcile_after_run,
    refers_to,
)
from kube_ecr_runner.model.object_list import ObjectList
from kube_ecr_runner.model.resource import Key, Reference, Referenced, Resource, WrittenSecret
from tests.unit.runner.controller.triggers.builders import (
    AFTER,
    BEFORE,
    NAMED,
    NOON,
    REFRESHED,
    SELECTED,
    edited,
    failure,
    make_account,
    make_namespace,
    make_resource,
    make_secret,
    ours,
)

ALIVE = {name: make_namespace(name) for name in ("ns1", "ns2", "ns3")} | {
    "going": make_namespace("going", terminating=True),
    "bare": make_namespace("bare", ecr="no"),
}
TARGETS = Targets.only("ns1", "ns2", "going", "later")

FOREIGN = make_secret()
SHARED = make_secret("ns1", "u", "v")


@pytest.mark.parametrize(
    ("before", "after", "needed"),
    [
        pytest.param(None, ours(), False, id="created by a run"),
        pytest.param(ours(), ours(), False, id="updated by a run"),
        pytest.param(edited(), ours(), False, id="put right by a run"),
        pytest.param(FOREIGN, ours(), False, id="adopted by a run"),
        pytest.param(FOREIGN, SHARED, False, id="merged into by a run"),
        pytest.param(ours("ns3"), None, False, id="removed by a run where it is no target"),
        pytest.param(ours(name="old"), None, False, id="removed by a run under its old name"),
        pytest.param(ours("ns3"), make_secret("ns3"), False, id="released by a run"),
        pytest.param(ours(), None, True, id="deleted"),
        pytest.param(ours(), edited(), True, id="edited"),
        pytest.param(ours(), FOREIGN, True, id="replaced by somebody's"),
        pytest.param(SHARED, make_secret("ns1", "v"), True, id="taken out of a shared one"),
        pytest.param(FOREIGN, None, True, id="foreign, and deleted"),
        pytest.param(None, FOREIGN, False, id="foreign, and appeared"),
        pytest.param(FOREIGN, FOREIGN, False, id="foreign, and changed"),
        pytest.param(FOREIGN, ours(uid="v"), True, id="foreign, and becomes another resource's"),
        pytest.param(
            make_secret("ns1", "v"), make_secret("ns1", "v", "w"), True, id="others', and one more merges into it"
        ),
        pytest.param(ours(uid="v"), make_secret("ns1", "v"), True, id="another's own, and becomes one to share"),
        pytest.param(edited(), edited(), False, id="edited again before it is put right"),
        pytest.param(None, edited("ns3"), True, id="ours where it is no target"),
        pytest.param(None, ours("ns3", "old"), True, id="ours under another name"),
        pytest.param(edited("ns3"), ours("ns3"), False, id="known to be ours where it is no target"),
        pytest.param(make_secret("ns3", owner="v"), edited("ns3"), True, id="became ours where it is no target"),
        pytest.param(None, ours("ns3", uid="v"), False, id="another resource's"),
        pytest.param(None, ours("ns3", "old", uid="v"), False, id="another resource's of another name"),
        pytest.param(make_secret("ns3"), None, False, id="foreign, no target, and deleted"),
        pytest.param(ours("going"), None, False, id="deleted with its namespace"),
        pytest.param(ours("later"), None, False, id="deleted after its namespace"),
        pytest.param(None, edited("going", "old"), False, id="will be gone with its namespace"),
    ],
)
def test_secret_needs_its_resource_reconciled_if_that_has_something_to_put_right(
    before: Referenced | None, after: Referenced | None, needed: bool
) -> None:
    assert needs_reconcile(make_resource(TARGETS), before, after, ALIVE) is needed
    assert not needs_reconcile(make_resource(TARGETS, deleting=True), before, after, ALIVE)


def test_labels_of_its_namespace_say_whether_a_secret_is_a_target_s() -> None:
    resource = make_resource(SELECTED)
    assert needs_reconcile(resource, ours(), edited(), ALIVE)
    assert not needs_reconcile(resource, edited("bare"), edited("bare"), ALIVE)


def test_label_of_the_template_that_is_taken_away_is_put_back() -> None:
    resource = replace(make_resource(TARGETS), template=frozenset([("labels", "tier")]))
    whole = replace(ours(), template=frozenset([("labels", "tier"), ("labels", "more")]))
    assert needs_reconcile(resource, whole, ours(), ALIVE)
    assert not needs_reconcile(resource, ours(), whole, ALIVE)
    assert not needs_reconcile(resource, SHARED, SHARED, ALIVE)


@pytest.mark.parametrize("reason", ["SecretConflict", "WrongSecretType", "ImmutableSecret", "InvalidSecretContent"])
def test_change_of_make_secret_that_is_in_the_way_disturbs(reason: str) -> None:
    resource = make_resource(TARGETS, failure("ns2", "Forbidden"), failure("ns1", reason))
    assert needs_reconcile(resource, FOREIGN, FOREIGN, ALIVE)
    # It stays in the way when another resource, which has it, writes it; nor is one that appears new to the run.
    assert not needs_reconcile(resource, ours(uid="v"), ours(uid="v"), ALIVE)
    assert not needs_reconcile(resource, None, FOREIGN, ALIVE)
    assert not needs_reconcile(resource, make_secret("ns2"), make_secret("ns2"), ALIVE)


@pytest.mark.parametrize(
    ("after", "needed"),
    [
        pytest.param(make_account(), True, id="to be given the entry"),
        pytest.param(make_account(name="build-1"), True, id="matched by a glob"),
        pytest.param(make_account("ns1", "login"), False, id="given the entry by a run"),
        pytest.param(make_account("ns1", "old"), True, id="given an entry of the old name"),
        pytest.param(make_account("ns1", "old", "login"), False, id="given the entry beside others"),
        pytest.param(make_account(name="other"), False, id="not listed"),
        pytest.param(make_account("ns3"), False, id="no target"),
        pytest.param(make_account("going"), False, id="on its way out"),
        pytest.param(None, False, id="deleted"),
    ],
)
def test_service_account_needs_the_resource_reconciled_that_wants_an_entry_in_it(
    after: Referenced | None, needed: bool
) -> None:
    for before in (None, make_account("ns1", "login")):
        if before or after:
            assert needs_reconcile(make_resource(TARGETS), before, after, ALIVE) is needed


@pytest.mark.parametrize(
    ("reference", "item", "in_sync"),
    [
        (ours().reference, None, False),
        (ours().reference, ours(), True),
        (ours().reference, edited(), False),
        (ours().reference, FOREIGN, False),
        (ours("ns3").reference, None, True),
        (ours("ns3").reference, ours("ns3"), False),
        (ours("ns3").reference, ours("ns3", uid="v"), True),
        (ours("going").reference, None, True),
        (ours("later").reference, None, True),
        (make_account().reference, None, True),
        (make_account().reference, make_account(), False),
        (make_account().reference, make_account("ns1", "login"), True),
        (make_account("ns3").reference, make_account("ns3"), True),
    ],
)
def test_object_is_in_sync_when_a_run_has_nothing_to_do_about_it(
    reference: Reference, item: Referenced | None, in_sync: bool
) -> None:
    assert is_in_sync(make_resource(TARGETS), reference, item, ALIVE) is in_sync
    assert is_in_sync(make_resource(TARGETS, deleting=True), reference, item, ALIVE)


def test_without_the_right_to_list_namespaces_named_ones_count_as_there() -> None:
    """Their Secrets are put right all the same."""
    resource, reference = make_resource(NAMED), Reference("Secret", "ns1", "login")
    assert not is_in_sync(resource, reference, None, {})
    assert needs_reconcile(resource, Referenced(reference, "1", None), None, {})
    assert is_in_sync(resource, Reference("Secret", "ns3", "login"), None, {})
    other = Referenced(Reference("Secret", "ns3", "login"), "1", None, "u")
    assert needs_reconcile(resource, None, other, {})


def listed(*objects: Referenced, name: str = "login") -> ObjectList:
    return ObjectList("Secret", name, objects)


def accounts_listed(*objects: Referenced) -> ObjectList:
    return ObjectList("ServiceAccount", "", objects)


@pytest.mark.parametrize(
    ("initial", "places"),
    [
        pytest.param(listed(ours("ns1"), ours("ns2")), [], id="all sound"),
        pytest.param(listed(ours("ns1")), ["ns2"], id="one missing"),
        pytest.param(listed(ours("ns1"), edited("ns2")), ["ns2"], id="one edited"),
        pytest.param(listed(ours("ns1"), make_secret("ns2")), ["ns2"], id="one foreign"),
        pytest.param(listed(), ["ns1", "ns2"], id="none there"),
        pytest.param(listed(ours("ns1"), ours("ns2"), ours("ns3")), ["ns3"], id="ours where it is no target"),
        pytest.param(listed(ours("ns1"), ours("ns2"), ours("ns3", uid="v")), [], id="another resource's"),
        pytest.param(listed(ours("ns1"), ours("ns2"), ours("going"), make_secret("bare")), [], id="no matter"),
        pytest.param(listed(name="other"), [], id="list of another name"),
        pytest.param(listed(ours("ns2", "old"), name="old"), ["ns2"], id="ours under another name"),
        pytest.param(
            accounts_listed(make_account("ns1", "login"), make_account("ns2")), ["ns2"], id="account without entry"
        ),
        pytest.param(
            accounts_listed(make_account(name="x"), make_account("ns3"), make_account("going")),
            [],
            id="accounts not wanted",
        ),
        pytest.param(accounts_listed(), [], id="no account"),
    ],
)
def test_initial_list_shows_what_a_runner_missed(initial: ObjectList, places: list[str]) -> None:
    found = drifted_in_list(make_resource(TARGETS), initial, ALIVE, is_first=True)
    assert sorted(each.namespace for each in found) == places
    known = make_resource(TARGETS, *(failure(name, "X") for name in places))
    assert drifted_in_list(known, initial, ALIVE, is_first=True) == set()
    blocked = make_resource(TARGETS, *(failure(name, "SecretConflict") for name in places))
    assert sorted(each.namespace for each in drifted_in_list(blocked, initial, ALIVE, is_first=True)) == places


SERVED = {"conditions": [{"type": "RefreshFailing", "status": "False"}], "namespacesReady": 2}
REFUSED = {"conditions": [{"type": "RefreshFailing", "status": "True"}], "namespacesReady": 0}
PARTLY = REFUSED | {"namespacesReady": 1}


@pytest.mark.parametrize(
    ("status", "failures", "initial", "places"),
    [
        pytest.param(SERVED, [], listed(ours("ns1"), ours("ns2")), [], id="all sound"),
        pytest.param(SERVED, [], listed(ours("ns1")), ["ns2"], id="one is gone"),
        pytest.param(SERVED, [], listed(ours("ns1"), edited("ns2")), ["ns2"], id="one was edited"),
        pytest.param(SERVED, [], listed(ours("ns1"), make_secret("ns2")), ["ns2"], id="one is in other hands"),
        pytest.param(SERVED, [], accounts_listed(make_account("ns1")), ["ns1"], id="an account lost its entry"),
        pytest.param(PARTLY, [("ns1", "X")], listed(), ["ns2"], id="one failed, the other is gone"),
        pytest.param(REFUSED, [], listed(), [], id="none was ever there"),
        pytest.param({}, [], listed(), [], id="it was not served yet"),
        pytest.param(PARTLY, [("ns1", "SecretConflict")], listed(ours("ns2")), ["ns1"], id="what blocked is gone"),
        pytest.param(
            PARTLY, [("ns1", "SecretConflict")], listed(FOREIGN, ours("ns2")), [], id="what blocks is still there"
        ),
        pytest.param(
            PARTLY, [(f"ns{number}", "X") for number in range(10, 30)], listed(), [], id="not all failures are known"
        ),
    ],
)
def test_later_list_shows_what_the_status_says_of_objects_that_are_not_there(
    status: dict, failures: list[tuple[str, str]], initial: ObjectList, places: list[str]
) -> None:
    """And nothing that the status tells of: a run after each list would be one too many."""
    resource = make_resource(TARGETS)
    resource = replace(resource, status=status | {"failures": [failure(*each) for each in failures]})
    found = drifted_in_list(resource, initial, ALIVE, is_first=False)
    assert sorted(each.namespace for each in found) == places


def test_targets_of_an_initial_list_are_those_that_exist() -> None:
    found = drifted_in_list(make_resource(SELECTED), listed(ours("ns1"), ours("bare")), ALIVE, is_first=True)
    assert sorted(each.namespace for each in found) == ["bare", "ns2", "ns3"]


@pytest.mark.parametrize(
    ("status", "changed_at", "predates"),
    [
        ({"lastRefreshTime": REFRESHED}, BEFORE, False),
        ({"lastRefreshTime": REFRESHED}, NOON, True),
        ({"lastRefreshTime": REFRESHED}, AFTER, True),
        ({"lastRefreshTime": REFRESHED}, None, False),
        ({}, AFTER, False),
    ],
)
def test_resource_may_predate_what_was_written_since(status: dict, changed_at: datetime, predates: bool) -> None:
    resource = Resource(Key("K", "", "r"), "u", 1, status=status)
    assert may_predate(resource, Referenced(Reference("Secret", "a", "keys"), "7", changed_at)) is predates


def test_resource_refers_to_the_objects_that_its_way_into_aws_names() -> None:
    keys, other = (Reference("Secret", "ns9", name) for name in ("keys", "other"))
    resource = make_resource(references=frozenset([keys]))
    assert refers_to(resource, {keys, other})
    assert not refers_to(resource, {other})
    assert not refers_to(make_resource(), {keys})


def test_resource_may_predate_any_of_the_objects_that_it_refers_to() -> None:
    keys, account = Reference("Secret", "ns9", "keys"), Reference("ServiceAccount", "ns9", "puller")
    resource = make_resource(references=frozenset([keys, account]))
    old, new = (Referenced(keys, "1", moment) for moment in (BEFORE, AFTER))
    assert may_predate_any(resource, {keys: new})
    assert may_predate_any(resource, {account: replace(new, reference=account), keys: old})
    assert not may_predate_any(resource, {keys: old})
    assert not may_predate_any(make_resource(), {keys: new})


@pytest.mark.parametrize(
    ("failures", "item", "has_changed", "needed"),
    [
        pytest.param([], ours(), True, False, id="put right by the run"),
        pytest.param([], None, True, True, id="deleted after the run looked"),
        pytest.param([], None, False, True, id="seen to be missing for the first time"),
        pytest.param([failure("ns1", "SecretConflict")], FOREIGN, False, False, id="what the run tells of"),
        pytest.param([failure("ns1", "SecretConflict")], None, True, True, id="deleted, and it was in the way"),
        pytest.param([failure("ns2", "SecretConflict")], FOREIGN, False, True, id="a failure elsewhere"),
    ],
)
def test_what_looked_wrong_during_a_run_is_checked_again_after_it(
    failures: list[dict], item: Referenced | None, has_changed: bool, needed: bool
) -> None:
    resource = make_resource(TARGETS, *failures)
    found = needs_reconcile_after_run(resource, ours().reference, item, ALIVE, has_changed=has_changed)
    assert found is needed
    going = needs_reconcile_after_run(resource, ours("going").reference, None, ALIVE, has_changed=has_changed)
    assert not going, "there is nothing to do in a namespace on its way out"


def test_an_output_is_put_right_where_it_is_wanted_and_only_there() -> None:
    output = WrittenSecret("basic", Targets.only("ns3"), frozenset([("labels", "team")]))
    resource = replace(make_resource(TARGETS), outputs=(output,))
    whole = replace(ours("ns3", "basic"), template=frozenset([("labels", "team")]))
    assert needs_reconcile(resource, whole, None, ALIVE)
    assert needs_reconcile(resource, whole, edited("ns3", "basic"), ALIVE)
    assert needs_reconcile(resource, whole, ours("ns3", "basic"), ALIVE), "its label was taken away"
    assert not needs_reconcile(resource, whole, whole, ALIVE)
    assert not needs_reconcile(resource, ours("ns1", "basic"), None, ALIVE)
    assert needs_reconcile(resource, None, ours("ns1", "basic"), ALIVE), "it is wanted no more there"
    listed = ObjectList("Secret", "basic", [])
    assert drifted_in_list(resource, listed, ALIVE, is_first=True) == {Reference("Secret", "ns3", "basic")}
