"""Which resources are due when Secrets and service accounts are not what they were, also during and after runs."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from kube_ecr_runner.cluster.sources import Source, objects_named, resources_of
from kube_ecr_runner.contract.kinds import CLUSTER_KIND, NAMESPACED_KIND
from kube_ecr_runner.contract.targets import Names, Targets
from kube_ecr_runner.model.resource import Key, Reference, Referenced
from tests.unit.runner.controller.builders import (
    ACCOUNTS,
    HOUR,
    KEY,
    KEYS,
    KEYS_SOURCE,
    LOGINS,
    NOW,
    OTHER,
    account,
    conflicting,
    foreign,
    keys,
    login,
    make_namespace,
    make_resource,
    ready,
    referring,
    refused,
    served,
)
from tests.unit.runner.controller.parts import Parts, Watch

SOUND = (login("ns1"), login("ns2"))
WRITES = (login("ns1", "2"), login("ns2", "2"))
ELSEWHERE = objects_named("Secret", "other")


def with_keys(*present: Referenced) -> Parts:
    """Return the parts where a resource that refers to KEYS was served before."""
    parts = Parts({KEYS_SOURCE: present})
    parts.list(referring(status=ready()))
    return parts


def with_logins(*present: Referenced) -> Parts:
    """Return the parts where a resource was served before, and these Secrets are there."""
    parts = Parts({LOGINS: present})
    parts.list(make_resource(status=ready()), namespaces=["ns1", "ns2", "ns3"])
    return parts


def new(present: Iterable[Referenced] | None = None, source: Source = LOGINS) -> Parts:
    """Return the parts where a new resource is due; None stands for a watch that has not listed yet."""
    parts = Parts({} if present is None else {source: present})
    parts.list(make_resource(), namespaces=["ns1", "ns2", "ns3"])
    return parts


def then(parts: Parts) -> list[Key]:
    """Return what is due when it is known what the run did."""
    assert parts.start() == []
    parts.wait()
    return parts.start()


# What resources refer to


@pytest.mark.parametrize(
    ("item", "is_gone", "is_due"),
    [
        pytest.param(keys("2"), False, True, id="changed"),
        pytest.param(keys("2"), True, True, id="deleted"),
        pytest.param(keys("1"), False, False, id="as it was"),
        pytest.param(keys("2", reference=replace(KEYS, namespace="ns8")), False, False, id="another namespace"),
    ],
)
def test_change_of_what_a_resource_refers_to_is_due_at_once(item: Referenced, is_gone: bool, is_due: bool) -> None:
    parts = with_keys(keys())
    parts.objects.changed(KEYS_SOURCE, item, NOW, is_gone=is_gone)
    assert parts.start() == [KEY] * is_due


@pytest.mark.parametrize(
    ("listed", "is_due"),
    [
        pytest.param([keys("2")], True, id="changed"),
        pytest.param([], True, id="deleted"),
        pytest.param([keys("1")], False, id="as it was"),
    ],
)
def test_what_changed_while_the_watch_was_broken_is_noticed(listed: list[Referenced], is_due: bool) -> None:
    parts = with_keys(keys())
    parts.objects.listed(KEYS_SOURCE, listed, NOW)
    assert parts.start() == [KEY] * is_due


def test_objects_that_nobody_names_are_no_matter() -> None:
    parts = with_keys(keys())
    parts.change(ELSEWHERE, keys("2"))
    parts.objects.listed(ELSEWHERE, [keys("3")], NOW)
    assert parts.start() == []


@pytest.mark.parametrize("is_listed", [False, True])
def test_secret_that_appears_is_due_at_once_and_failures_before_are_forgotten(is_listed: bool) -> None:
    parts = Parts({KEYS_SOURCE: ()})
    parts.list(referring())
    for _ in range(8):
        parts.serve(refused())
        parts.wait(timedelta(minutes=10))
    parts.serve(refused())
    if is_listed:
        parts.objects.listed(KEYS_SOURCE, [keys()], parts.now)
    else:
        parts.change(KEYS_SOURCE, keys())
    assert (parts.start(), parts.store[KEY].failures) == ([KEY], 0)


@pytest.mark.parametrize(
    ("changed_at", "is_due"),
    [
        pytest.param(NOW - 2 * HOUR, False, id="written before the Secrets"),
        pytest.param(NOW - 0.5 * HOUR, True, id="written after them"),
        pytest.param(NOW - HOUR, True, id="in the same second"),
        pytest.param(None, False, id="nobody knows when"),
    ],
)
def test_change_while_the_runner_was_down_is_noticed(changed_at: datetime | None, is_due: bool) -> None:
    assert with_keys(keys(changed_at=changed_at)).start() == [KEY] * is_due


def test_reference_that_is_first_seen_during_the_run_is_not_missed() -> None:
    parts = Parts()
    parts.list(referring())
    parts.serve(served(), during=lambda: parts.objects.listed(KEYS_SOURCE, [keys()], NOW))
    assert parts.start() == [KEY]


def test_reference_that_is_first_seen_after_the_run_makes_nothing_due() -> None:
    parts = Parts()
    parts.list(referring())
    parts.serve(served())
    parts.objects.listed(KEYS_SOURCE, [keys()], NOW)
    assert parts.start() == []


# What is watched


def watching(parts: Parts) -> list[str]:
    return [watch.source.name for watch in parts.watches if watch.is_working and watch.source != LOGINS]


def test_resources_that_share_a_name_share_a_watch_until_the_last_of_them_is_gone() -> None:
    other = replace(referring(), key=OTHER, references=frozenset([replace(KEYS, namespace="ns1")]))
    parts = Parts()
    parts.list(referring(), other)
    assert watching(parts) == ["secrets/keys"]
    parts.resources.gone(OTHER)
    parts.watch()
    assert watching(parts) == ["secrets/keys"]
    parts.resources.gone(KEY)
    parts.watch()
    assert watching(parts) == []


def test_edit_changes_what_is_watched_and_late_messages_are_no_news() -> None:
    parts = with_keys(keys())
    parts.resources.seen(referring(2, None, Reference("ServiceAccount", "ns9", "puller")), NOW)
    parts.watch()
    assert watching(parts) == ["serviceaccounts/puller"]
    parts.serve(served(generation=2))
    parts.change(KEYS_SOURCE, keys("2"))
    parts.objects.listed(KEYS_SOURCE, [keys("3")], NOW)
    assert (watching(parts), parts.start()) == (["serviceaccounts/puller"], [])
    parts.resources.seen(referring(3), NOW)
    parts.watch()
    assert watching(parts) == ["secrets/keys"]


def test_secrets_are_watched_under_their_new_name() -> None:
    parts = Parts()
    parts.list(make_resource())
    parts.resources.seen(replace(make_resource(2), secret_name="other"), NOW)
    parts.watch()
    assert [(watch.source, watch.is_working) for watch in parts.watches] == [(LOGINS, False), (ELSEWHERE, True)]


def test_nothing_is_watched_before_all_resources_are_known() -> None:
    parts = Parts()
    parts.resources.seen(referring(), NOW)
    parts.watch()
    assert parts.watches == []


def test_resources_of_each_namespace_have_watches_of_their_own_that_say_nothing_of_others() -> None:
    sources = [resources_of(NAMESPACED_KIND, name) for name in ("ns1", "ns2")]
    resources = [
        replace(
            make_resource(key=Key(NAMESPACED_KIND, name, "app"), status=ready()), targets=Targets.only(name), uid=name
        )
        for name in ("ns1", "ns2")
    ]
    logins = [objects_named("Secret", "ecr-login", name) for name in ("ns1", "ns2")]
    parts = Parts({logins[0]: [login("ns1", owner="ns1")], logins[1]: [login("ns2", owner="ns2")]}, sources)
    parts.list(*resources)
    assert parts.watches == [Watch(source, is_working=True) for source in logins]
    assert parts.start() == [], "the list of one namespace lacks the Secret of the other"
    parts.delete(logins[1], login("ns2", owner="ns2"))
    assert parts.start() == [resources[1].key]


# What runs write


def test_own_writes_that_are_seen_during_the_run_cause_no_other() -> None:
    parts = new([])
    assert parts.serve(served(), during=lambda: parts.change(LOGINS, *WRITES)) == [KEY]
    assert then(parts) == []


def test_own_writes_that_are_seen_after_the_run_cause_no_other() -> None:
    parts = new([])
    assert parts.serve(served()) == [KEY]
    parts.change(LOGINS, *WRITES)
    assert then(parts) == []


@pytest.mark.parametrize("are_late", [False, True])
def test_first_list_during_the_run_that_does_not_have_its_writes_yet_causes_no_other(are_late: bool) -> None:
    parts = new()

    def see() -> None:
        parts.objects.listed(LOGINS, [], NOW)
        parts.change(LOGINS, *(() if are_late else WRITES))

    parts.serve(served(), during=see)
    parts.change(LOGINS, *(WRITES if are_late else ()))
    assert then(parts) == []


def test_what_was_missing_in_the_first_list_and_stays_so_after_the_run_is_put_right() -> None:
    parts = new()
    parts.serve(served(), during=lambda: parts.objects.listed(LOGINS, [login("ns1")], NOW))
    assert then(parts) == [KEY]


def test_check_of_a_resource_that_is_gone_is_not_made() -> None:
    parts = new()
    parts.serve(served(), during=lambda: parts.objects.listed(LOGINS, [], NOW))
    parts.resources.gone(KEY)
    assert then(parts) == []


def test_check_that_is_due_while_another_run_works_waits_for_that_one() -> None:
    parts = new()
    parts.serve(served(), during=lambda: parts.objects.listed(LOGINS, [login("ns1")], NOW))
    parts.resources.seen(make_resource(2), NOW)
    assert parts.start() == [KEY]
    parts.wait()
    parts.change(LOGINS, login("ns2"))
    parts.end(served(generation=2))
    assert then(parts) == []


def test_change_that_is_to_be_checked_while_another_run_works_stays_a_change() -> None:
    """A Secret that was in the way of both runs is gone since the first."""
    parts = new([foreign("ns2")])

    def see() -> None:
        parts.change(LOGINS, login("ns1"))
        parts.delete(LOGINS, foreign("ns2"))

    parts.serve(conflicting(), during=see)
    parts.resources.seen(make_resource(2), NOW)
    assert parts.start() == [KEY]
    parts.wait()
    parts.end(replace(conflicting(), generation=2))
    assert then(parts) == [KEY]


def test_what_was_missing_in_a_namespace_that_is_going_is_not_put_right() -> None:
    parts = new()
    parts.serve(served(), during=lambda: parts.objects.listed(LOGINS, [login("ns1")], NOW))
    parts.namespaces.changed(make_namespace("ns2", terminating=True), NOW, is_gone=False)
    parts.serve(served(state="unchanged"))
    assert then(parts) == []


def test_secret_that_goes_with_its_namespace_is_not_put_right() -> None:
    parts = Parts({LOGINS: SOUND})
    parts.list(make_resource(status=ready()), namespaces=["ns1", make_namespace("ns2", terminating=True)])
    parts.delete(LOGINS, login("ns2"))
    assert parts.start() == []


def test_watch_of_all_namespaces_tells_what_a_namespaced_resource_misses() -> None:
    parts = Parts({LOGINS: ()})
    parts.list(make_resource(key=OTHER, status=ready()))
    assert parts.start() == [OTHER]


def test_what_is_put_right_is_told_for_debugging(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG, logger="kube_ecr_runner"):
        with_logins()
    (record,) = caplog.records
    assert record.message == "drift detected"
    assert record.fields == {"resource": KEY, "objects": 2, "first": login("ns1").reference}  # type: ignore[attr-defined]


def test_secret_in_the_way_that_the_run_tells_of_is_no_reason_for_another() -> None:
    parts = new()

    def see() -> None:
        parts.objects.listed(LOGINS, [foreign("ns2")], NOW)
        parts.change(LOGINS, login("ns1"))

    parts.serve(conflicting(), during=see)
    assert then(parts) == []


@pytest.mark.parametrize(
    ("item", "is_gone", "is_due"),
    [
        pytest.param(login("ns1"), True, True, id="deleted"),
        pytest.param(login("ns1", "2", intact=False), False, True, id="edited"),
        pytest.param(login("ns1", "2"), False, False, id="written by a run"),
        pytest.param(login("ns3"), False, True, id="ours where it is no target"),
        pytest.param(foreign("ns3"), False, False, id="foreign where it is no target"),
        pytest.param(login("ns4"), True, False, id="never there"),
    ],
)
def test_secret_that_is_not_as_it_was_written_is_put_right_at_once(
    item: Referenced, is_gone: bool, is_due: bool
) -> None:
    parts = with_logins(*SOUND)
    parts.objects.changed(LOGINS, item, NOW, is_gone=is_gone)
    assert parts.start() == [KEY] * is_due


def test_secret_that_was_deleted_while_the_watch_was_broken_is_put_right() -> None:
    parts = with_logins(*SOUND)
    parts.objects.listed(LOGINS, [login("ns1")], NOW)
    assert parts.start() == [KEY]


@pytest.mark.parametrize(
    "found",
    [
        pytest.param([], id="deleted"),
        pytest.param([login("ns2", intact=False)], id="edited"),
        pytest.param([foreign("ns2")], id="in other hands"),
    ],
)
def test_what_became_of_a_secret_that_no_watch_and_no_list_had_told_of_is_put_right(found: list[Referenced]) -> None:
    """The watch was down when the run wrote it."""
    parts = new([])
    assert parts.serve(served()) == [KEY]
    parts.objects.listed(LOGINS, [login("ns1"), *found], NOW)
    assert parts.serve(served()) == [KEY]
    parts.objects.listed(LOGINS, WRITES, NOW)
    assert parts.start() == []


def test_list_that_shows_what_a_run_wrote_makes_nothing_due() -> None:
    parts = new([])
    assert parts.serve(served()) == [KEY]
    parts.objects.listed(LOGINS, WRITES, NOW)
    assert parts.start() == []


def test_only_the_resource_whose_secret_it_is_is_due() -> None:
    other = replace(make_resource(uid="v", key=OTHER, status=ready()), targets=Targets.only("ns3"))
    theirs = login("ns3", owner="v")
    parts = Parts({LOGINS: (*SOUND, theirs)})
    parts.list(make_resource(status=ready()), other, namespaces=["ns1", "ns2", "ns3"])
    parts.delete(LOGINS, theirs)
    assert parts.start() == [OTHER]


def test_foreign_secret_in_the_way_that_is_deleted_is_replaced_at_once() -> None:
    parts = new([foreign("ns2")])
    parts.serve(conflicting())
    parts.change(LOGINS, login("ns1"))
    assert parts.start() == []
    parts.delete(LOGINS, foreign("ns2"))
    assert parts.start() == [KEY]


def test_foreign_secret_that_is_deleted_during_the_run_is_not_missed() -> None:
    parts = new([foreign("ns2")])

    def see() -> None:
        parts.change(LOGINS, login("ns1"))
        parts.delete(LOGINS, foreign("ns2"))

    parts.serve(conflicting(), during=see)
    assert then(parts) == [KEY]


@pytest.mark.parametrize(
    ("after", "is_due"),
    [
        pytest.param(None, True, id="deleted after the run looked"),
        pytest.param(login("ns1", "3"), False, id="deleted before, and created by the run"),
        pytest.param(login("ns1", "3", intact=False), True, id="edited after the run looked"),
    ],
)
def test_drift_during_the_run_is_not_lost_and_makes_no_run_that_is_not_needed(
    after: Referenced | None, is_due: bool
) -> None:
    parts = new(SOUND)

    def drift() -> None:
        parts.delete(LOGINS, login("ns1"))
        parts.change(LOGINS, *filter(None, [after]))

    parts.serve(served(), during=drift)
    assert then(parts) == [KEY] * is_due


def test_run_that_changes_nothing_about_what_was_wrong_is_not_repeated() -> None:
    parts = with_logins(*SOUND)
    parts.delete(LOGINS, login("ns1"))
    assert parts.serve(served(), during=lambda: parts.delete(LOGINS, login("ns1"))) == [KEY]
    for _ in range(5):
        assert then(parts) == []


@pytest.mark.parametrize(
    ("found", "is_due"),
    [
        (SOUND, False),
        ([login("ns1")], True),
        ([], True),
        ((*SOUND, login("ns3")), True),
        ((*SOUND, foreign("ns3")), False),
    ],
    ids=["all sound", "one deleted", "all deleted", "one too many", "one of somebody else"],
)
def test_what_became_of_secrets_while_the_runner_was_down_is_noticed(found: Iterable[Referenced], is_due: bool) -> None:
    assert with_logins(*found).start() == [KEY] * is_due


def test_service_account_that_appears_gets_its_entry_at_once_and_that_is_no_news() -> None:
    parts = Parts({LOGINS: SOUND, ACCOUNTS: ()})
    parts.list(replace(make_resource(status=ready()), accounts=Names.of_service_accounts(["default"])))
    parts.change(ACCOUNTS, account("1"))
    assert parts.serve(served(), during=lambda: parts.change(ACCOUNTS, account("2", "ecr-login"))) == [KEY]
    assert then(parts) == []


def test_entries_that_two_resources_give_one_service_account_in_a_run_cause_no_other() -> None:
    names = Names.of_service_accounts(["default"])
    first = replace(make_resource(status=ready()), accounts=names)
    other = replace(first, key=Key(CLUSTER_KIND, "", "other"), secret_name="other")
    parts = Parts({ACCOUNTS: [account("1")]})
    parts.list(first, other)

    def write() -> None:
        parts.change(ACCOUNTS, account("2", "ecr-login"))
        parts.change(ACCOUNTS, account("3", "ecr-login", "other"))

    assert parts.serve(served(), served(other.key), during=write) == [other.key, KEY]
    assert then(parts) == []
