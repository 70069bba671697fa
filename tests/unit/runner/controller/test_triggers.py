"""What namespaces, Secrets and service accounts that changed mean for a resource."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from kube_ecr_runner.contract.targets import Names, Targets
from kube_ecr_runner.controller.triggers import (
    is_disturbed,
    is_moved,
    is_older,
    is_outdated,
    is_settled,
    unsettled,
    waits_for,
)
from kube_ecr_runner.model.initial_list import InitialList
from kube_ecr_runner.model.resource import Key, Namespace, Reference, Referenced, Resource

REFRESHED = "2026-01-31T12:00:00Z"
NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)
BEFORE, AFTER = datetime(2026, 1, 31, 11, tzinfo=UTC), datetime(2026, 1, 31, 13, tzinfo=UTC)
NAMED = Targets.only("ns1", "ns2")
SELECTED = Targets.parse({"namespaceSelector": {"matchLabels": {"ecr": "yes"}}, "excludeNamespaces": ["kube-*"]})
MATCHED = Targets.parse({"namespaces": ["ns*"]})


def a_resource(targets: Targets = NAMED, *failures: dict, **changes: object) -> Resource:
    resource = Resource(Key("K", "", "r"), "u", 1, "login", targets, Names.of_service_accounts(["default", "build-*"]))
    return replace(resource, status={"failures": list(failures), "lastRefreshTime": REFRESHED}, **changes)


def failure(namespace: str, reason: str) -> dict:
    return {"namespace": namespace, "reason": reason, "message": ""}


def a_namespace(name: str = "ns1", uid: str = "1", ecr: str = "yes", terminating: bool = False) -> Namespace:
    return Namespace(name, uid, BEFORE, terminating, labels={"ecr": ecr})


HERE = a_namespace()
NOT_FOUND = failure("ns1", "NamespaceNotFound")


@pytest.mark.parametrize(
    ("resource", "before", "after", "moved"),
    [
        pytest.param(a_resource(NAMED, NOT_FOUND), None, HERE, True, id="named, and appeared"),
        pytest.param(a_resource(NAMED), None, HERE, False, id="named, and known to the status"),
        pytest.param(
            a_resource(NAMED, NOT_FOUND), None, a_namespace(terminating=True), False, id="appeared to go at once"
        ),
        pytest.param(a_resource(NAMED), HERE, None, True, id="named, and went"),
        pytest.param(a_resource(NAMED, NOT_FOUND), HERE, None, False, id="went, and that is known"),
        pytest.param(a_resource(NAMED), HERE, a_namespace(uid="2"), True, id="named, and made again"),
        pytest.param(a_resource(NAMED), HERE, a_namespace(uid="2", terminating=True), False, id="made again to go"),
        pytest.param(a_resource(NAMED), HERE, a_namespace(ecr="no"), False, id="named, and relabelled"),
        pytest.param(a_resource(NAMED), HERE, a_namespace(terminating=True), False, id="named, and on its way out"),
        pytest.param(a_resource(NAMED), None, a_namespace("ns3"), False, id="not named, and appeared"),
        pytest.param(a_resource(NAMED), a_namespace("ns3"), None, False, id="not named, and went"),
        pytest.param(a_resource(SELECTED), None, HERE, True, id="selected, and appeared"),
        pytest.param(a_resource(SELECTED), HERE, None, True, id="selected, and went"),
        pytest.param(a_resource(SELECTED), HERE, a_namespace(uid="2"), True, id="selected, and made again"),
        pytest.param(a_resource(SELECTED), HERE, HERE, False, id="selected, and as it was"),
        pytest.param(a_resource(SELECTED), HERE, a_namespace(ecr="no"), True, id="lost the label"),
        pytest.param(a_resource(SELECTED), a_namespace(ecr="no"), HERE, True, id="got the label"),
        pytest.param(a_resource(SELECTED), a_namespace(ecr="no"), a_namespace(ecr="maybe"), False, id="another label"),
        pytest.param(
            a_resource(SELECTED), HERE, a_namespace(ecr="no", terminating=True), True, id="lost it on its way out"
        ),
        pytest.param(a_resource(SELECTED), None, a_namespace("kube-x"), False, id="excluded, and appeared"),
        pytest.param(a_resource(MATCHED), None, HERE, True, id="matched, and appeared"),
        pytest.param(a_resource(MATCHED), HERE, None, True, id="matched, and went"),
        pytest.param(a_resource(MATCHED), HERE, a_namespace(ecr="no"), False, id="matched, and relabelled"),
        pytest.param(a_resource(SELECTED, deleting=True), None, HERE, False, id="of one that is being deleted"),
    ],
)
def test_namespace_moves_the_resources_that_it_comes_to_or_leaves(
    resource: Resource, before: Namespace | None, after: Namespace | None, moved: bool
) -> None:
    assert is_moved(resource, before, after, is_working=False) is moved


@pytest.mark.parametrize(
    ("before", "after", "moved"),
    [
        (None, HERE, True),
        (HERE, None, True),
        (HERE, a_namespace(ecr="no"), False),
        (HERE, a_namespace(terminating=True), False),
        (None, a_namespace("ns3"), False),
    ],
)
def test_what_a_run_may_not_have_seen_counts_whatever_the_status_says(
    before: Namespace | None, after: Namespace | None, moved: bool
) -> None:
    for resource in (a_resource(NAMED), a_resource(NAMED, NOT_FOUND)):
        assert is_moved(resource, before, after, is_working=True) is moved


ALIVE = {name: a_namespace(name) for name in ("ns1", "ns2", "ns3")} | {
    "going": a_namespace("going", terminating=True),
    "bare": a_namespace("bare", ecr="no"),
}
TARGETS = Targets.only("ns1", "ns2", "going", "later")


def a_secret(
    namespace: str = "ns1", *sound: str, owner: str = "", name: str = "login", version: str = "1"
) -> Referenced:
    return Referenced(Reference("Secret", namespace, name), version, None, owner, frozenset(sound))


def ours(namespace: str = "ns1", name: str = "login", uid: str = "u") -> Referenced:
    return a_secret(namespace, uid, owner=uid, name=name)


def edited(namespace: str = "ns1", name: str = "login", uid: str = "u") -> Referenced:
    return a_secret(namespace, owner=uid, name=name)


def an_account(namespace: str = "ns1", *pull_secrets: str, name: str = "default") -> Referenced:
    reference = Reference("ServiceAccount", namespace, name)
    return Referenced(reference, "1", None, pull_secrets=frozenset(pull_secrets))


FOREIGN = a_secret()
SHARED = a_secret("ns1", "u", "v")


@pytest.mark.parametrize(
    ("before", "after", "disturbed"),
    [
        pytest.param(None, ours(), False, id="created by a run"),
        pytest.param(ours(), ours(), False, id="updated by a run"),
        pytest.param(edited(), ours(), False, id="put right by a run"),
        pytest.param(FOREIGN, ours(), False, id="adopted by a run"),
        pytest.param(FOREIGN, SHARED, False, id="merged into by a run"),
        pytest.param(ours("ns3"), None, False, id="removed by a run where it is no target"),
        pytest.param(ours(name="old"), None, False, id="removed by a run under its old name"),
        pytest.param(ours("ns3"), a_secret("ns3"), False, id="released by a run"),
        pytest.param(ours(), None, True, id="deleted"),
        pytest.param(ours(), edited(), True, id="edited"),
        pytest.param(ours(), FOREIGN, True, id="replaced by somebody's"),
        pytest.param(SHARED, a_secret("ns1", "v"), True, id="taken out of a shared one"),
        pytest.param(FOREIGN, None, True, id="foreign, and deleted"),
        pytest.param(None, FOREIGN, False, id="foreign, and appeared"),
        pytest.param(FOREIGN, FOREIGN, False, id="foreign, and changed"),
        pytest.param(FOREIGN, ours(uid="v"), True, id="foreign, and becomes another resource's"),
        pytest.param(a_secret("ns1", "v"), a_secret("ns1", "v", "w"), True, id="others', and one more merges into it"),
        pytest.param(ours(uid="v"), a_secret("ns1", "v"), True, id="another's own, and becomes one to share"),
        pytest.param(edited(), edited(), False, id="edited again before it is put right"),
        pytest.param(None, edited("ns3"), True, id="ours where it is no target"),
        pytest.param(None, ours("ns3", "old"), True, id="ours under another name"),
        pytest.param(edited("ns3"), ours("ns3"), False, id="known to be ours where it is no target"),
        pytest.param(a_secret("ns3", owner="v"), edited("ns3"), True, id="became ours where it is no target"),
        pytest.param(None, ours("ns3", uid="v"), False, id="another resource's"),
        pytest.param(None, ours("ns3", "old", uid="v"), False, id="another resource's of another name"),
        pytest.param(a_secret("ns3"), None, False, id="foreign, no target, and deleted"),
        pytest.param(ours("going"), None, False, id="deleted with its namespace"),
        pytest.param(ours("later"), None, False, id="deleted after its namespace"),
        pytest.param(None, edited("going", "old"), False, id="will be gone with its namespace"),
    ],
)
def test_secret_disturbs_the_resource_that_has_something_to_put_right(
    before: Referenced | None, after: Referenced | None, disturbed: bool
) -> None:
    assert is_disturbed(a_resource(TARGETS), before, after, ALIVE) is disturbed
    assert not is_disturbed(a_resource(TARGETS, deleting=True), before, after, ALIVE)


def test_label_of_the_template_that_is_taken_away_disturbs() -> None:
    resource = replace(a_resource(TARGETS), template=frozenset([("labels", "tier")]))
    whole = replace(ours(), template=frozenset([("labels", "tier"), ("labels", "more")]))
    assert is_disturbed(resource, whole, ours(), ALIVE)
    assert not is_disturbed(resource, ours(), whole, ALIVE)
    assert not is_disturbed(resource, SHARED, SHARED, ALIVE)


@pytest.mark.parametrize("reason", ["SecretConflict", "WrongSecretType", "ImmutableSecret", "InvalidSecretContent"])
def test_change_of_a_secret_that_is_in_the_way_disturbs(reason: str) -> None:
    resource = a_resource(TARGETS, failure("ns2", "Forbidden"), failure("ns1", reason))
    assert is_disturbed(resource, FOREIGN, FOREIGN, ALIVE)
    # It stays in the way when another resource, which has it, writes it; nor is one that appears new to the run.
    assert not is_disturbed(resource, ours(uid="v"), ours(uid="v"), ALIVE)
    assert not is_disturbed(resource, None, FOREIGN, ALIVE)
    assert not is_disturbed(resource, a_secret("ns2"), a_secret("ns2"), ALIVE)


@pytest.mark.parametrize(
    ("after", "disturbed"),
    [
        pytest.param(an_account(), True, id="to be given the entry"),
        pytest.param(an_account(name="build-1"), True, id="matched by a glob"),
        pytest.param(an_account("ns1", "login"), False, id="given the entry by a run"),
        pytest.param(an_account("ns1", "old"), True, id="given an entry of the old name"),
        pytest.param(an_account("ns1", "old", "login"), False, id="given the entry beside others"),
        pytest.param(an_account(name="other"), False, id="not listed"),
        pytest.param(an_account("ns3"), False, id="no target"),
        pytest.param(an_account("going"), False, id="on its way out"),
        pytest.param(None, False, id="deleted"),
    ],
)
def test_service_account_disturbs_the_resource_that_wants_an_entry_in_it(
    after: Referenced | None, disturbed: bool
) -> None:
    for before in (None, an_account("ns1", "login")):
        if before or after:
            assert is_disturbed(a_resource(TARGETS), before, after, ALIVE) is disturbed


@pytest.mark.parametrize(
    ("reference", "item", "settled"),
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
        (an_account().reference, None, True),
        (an_account().reference, an_account(), False),
        (an_account().reference, an_account("ns1", "login"), True),
        (an_account("ns3").reference, an_account("ns3"), True),
    ],
)
def test_object_is_settled_when_a_run_has_nothing_to_do_about_it(
    reference: Reference, item: Referenced | None, settled: bool
) -> None:
    assert is_settled(a_resource(TARGETS), reference, item, ALIVE) is settled
    assert is_settled(a_resource(TARGETS, deleting=True), reference, item, ALIVE)


def test_without_the_right_to_list_namespaces_named_ones_count_as_there() -> None:
    """What is not known of them outdates nothing, and their Secrets are put right all the same."""
    resource, reference = a_resource(NAMED), Reference("Secret", "ns1", "login")
    assert not is_outdated(resource, {})
    assert not is_settled(resource, reference, None, {})
    assert is_disturbed(resource, Referenced(reference, "1", None), None, {})
    assert is_settled(resource, Reference("Secret", "ns3", "login"), None, {})
    other = Referenced(Reference("Secret", "ns3", "login"), "1", None, "u")
    assert is_disturbed(resource, None, other, {})


def seen(*objects: Referenced, name: str = "login") -> InitialList:
    return InitialList("Secret", name, objects)


def accounts_seen(*objects: Referenced) -> InitialList:
    return InitialList("ServiceAccount", "", objects)


@pytest.mark.parametrize(
    ("sight", "places"),
    [
        pytest.param(seen(ours("ns1"), ours("ns2")), [], id="all sound"),
        pytest.param(seen(ours("ns1")), ["ns2"], id="one missing"),
        pytest.param(seen(ours("ns1"), edited("ns2")), ["ns2"], id="one edited"),
        pytest.param(seen(ours("ns1"), a_secret("ns2")), ["ns2"], id="one foreign"),
        pytest.param(seen(), ["ns1", "ns2"], id="none there"),
        pytest.param(seen(ours("ns1"), ours("ns2"), ours("ns3")), ["ns3"], id="ours where it is no target"),
        pytest.param(seen(ours("ns1"), ours("ns2"), ours("ns3", uid="v")), [], id="another resource's"),
        pytest.param(seen(ours("ns1"), ours("ns2"), ours("going"), a_secret("bare")), [], id="no matter"),
        pytest.param(seen(name="other"), [], id="list of another name"),
        pytest.param(seen(ours("ns2", "old"), name="old"), ["ns2"], id="ours under another name"),
        pytest.param(accounts_seen(an_account("ns1", "login"), an_account("ns2")), ["ns2"], id="account without entry"),
        pytest.param(
            accounts_seen(an_account(name="x"), an_account("ns3"), an_account("going")), [], id="accounts not wanted"
        ),
        pytest.param(accounts_seen(), [], id="no account"),
    ],
)
def test_at_first_sight_what_a_runner_missed_is_found(sight: InitialList, places: list[str]) -> None:
    assert sorted(each.namespace for each in unsettled(a_resource(TARGETS), sight, ALIVE)) == places
    known = a_resource(TARGETS, *(failure(name, "X") for name in places))
    assert unsettled(known, sight, ALIVE) == set()
    blocked = a_resource(TARGETS, *(failure(name, "SecretConflict") for name in places))
    assert sorted(each.namespace for each in unsettled(blocked, sight, ALIVE)) == places


def test_at_first_sight_targets_are_those_that_exist() -> None:
    found = unsettled(a_resource(SELECTED), seen(ours("ns1"), ours("bare")), ALIVE)
    assert sorted(each.namespace for each in found) == ["bare", "ns2", "ns3"]


@pytest.mark.parametrize(
    ("status", "changed_at", "older"),
    [
        ({"lastRefreshTime": REFRESHED}, BEFORE, False),
        ({"lastRefreshTime": REFRESHED}, NOON, True),
        ({"lastRefreshTime": REFRESHED}, AFTER, True),
        ({"lastRefreshTime": REFRESHED}, None, False),
        ({}, AFTER, False),
    ],
)
def test_resource_is_older_than_what_was_written_since(status: dict, changed_at: datetime, older: bool) -> None:
    resource = Resource(Key("K", "", "r"), "u", 1, status=status)
    assert is_older(resource, Referenced(Reference("Secret", "a", "keys"), "7", changed_at)) is older


@pytest.mark.parametrize(
    ("failures", "awaited"),
    [
        ([], False),
        ([failure("ns1", "NamespaceNotFound")], True),
        ([failure("ns1", "NamespaceTerminating")], True),
        ([failure("ns1", "SecretConflict")], False),
        ([failure("ns2", "NamespaceNotFound")], False),
        ([failure(f"x{number}", "NamespaceNotFound") for number in range(20)], True),
    ],
)
def test_status_says_which_namespace_is_waited_for(failures: list[dict], awaited: bool) -> None:
    assert waits_for({"failures": failures}, "ns1") is awaited


def alive(*names: str, created_at: datetime = BEFORE) -> dict[str, Namespace]:
    return {name: Namespace(name, f"uid-{name}", created_at) for name in names}


PENDING = [failure("ns2", "NamespaceNotFound")]


@pytest.mark.parametrize(
    ("failures", "namespaces", "outdated"),
    [
        pytest.param([], alive("ns1", "ns2"), False, id="all there"),
        pytest.param(PENDING, alive("ns1"), False, id="still missing"),
        pytest.param(PENDING, alive("ns1", "ns2"), True, id="came"),
        pytest.param([], alive("ns1"), True, id="went"),
        pytest.param([failure("ns2", "SecretConflict")], alive("ns1", "ns2"), False, id="failed, and still there"),
        pytest.param([], alive("ns1", "ns2", created_at=AFTER), True, id="made again since the Secrets were written"),
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
def test_status_is_outdated_when_namespaces_came_or_went(
    failures: list[dict], namespaces: dict[str, Namespace], outdated: bool
) -> None:
    status = {"failures": failures, "lastRefreshTime": REFRESHED}
    resource = Resource(Key("K", "", "r"), "u", 1, targets=NAMED, status=status)
    assert is_outdated(resource, namespaces) is outdated


def labelled(*names: str, ecr: str = "yes", created_at: datetime = BEFORE) -> dict[str, Namespace]:
    return {name: replace(each, labels={"ecr": ecr}) for name, each in alive(*names, created_at=created_at).items()}


@pytest.mark.parametrize(
    ("total", "namespaces", "outdated"),
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
def test_status_is_outdated_when_other_namespaces_match(
    total: int | None, namespaces: dict[str, Namespace], outdated: bool
) -> None:
    status = {"namespacesTotal": total, "lastRefreshTime": REFRESHED}
    assert is_outdated(replace(a_resource(SELECTED), status=status), namespaces) is outdated
