"""What is known, and what is new about what is told."""

from __future__ import annotations

from dataclasses import replace

import pytest

from kube_ecr_runner.cluster.sources import NAMESPACES, resources_of
from kube_ecr_runner.contract.kinds import CLUSTER_KIND, NAMESPACED_KIND
from kube_ecr_runner.contract.targets import Names
from kube_ecr_runner.controller.store import NamespaceChange, ResourceChange, Store
from kube_ecr_runner.model.resource import Key, Resource
from tests.unit.runner.controller.builders import (
    CLEANUP,
    KEY,
    KEYS,
    OTHER,
    SOURCES,
    make_namespace,
    make_resource,
    referring,
)

NS1 = make_namespace("ns1")


def make_store(*resources: Resource) -> Store:
    store = Store(SOURCES.values())
    for resource in resources:
        store.see(resource)
    return store


def test_all_is_known_when_each_source_was_listed_once() -> None:
    store = make_store()
    for source in (*SOURCES.values(), NAMESPACES):
        assert not store.is_complete
        assert source.name in store.unlisted
        assert store.note_listed(source)
        assert source.name not in store.unlisted
    assert store.is_complete
    assert not store.note_listed(NAMESPACES), "it is not the first time"
    assert store.is_complete


def test_source_of_custom_resources_is_told_from_others() -> None:
    store = make_store()
    assert store.has_source(SOURCES[CLUSTER_KIND])
    assert not store.has_source(NAMESPACES)
    assert not store.has_source(resources_of(NAMESPACED_KIND, "ns1"))


EDITED = make_resource(2, status={"observedGeneration": 2})


@pytest.mark.parametrize(
    ("known", "seen", "change", "is_same"),
    [
        pytest.param(None, EDITED, ResourceChange(None, EDITED), False, id="new"),
        pytest.param(
            make_resource(),
            EDITED,
            ResourceChange(make_resource(), make_resource(2)),
            True,
            id="edited, but its status",
        ),
        pytest.param(
            make_resource(uid="v"), EDITED, ResourceChange(make_resource(uid="v"), EDITED), False, id="made again"
        ),
        pytest.param(
            make_resource(),
            CLEANUP,
            ResourceChange(make_resource(), replace(CLEANUP, status={})),
            True,
            id="to clean up",
        ),
        pytest.param(
            make_resource(),
            replace(CLEANUP, cleanup=False),
            ResourceChange(make_resource(), None),
            False,
            id="deleted without our finalizer",
        ),
        pytest.param(
            None, replace(CLEANUP, cleanup=False), ResourceChange(None, None), False, id="deleted, and unknown"
        ),
    ],
)
def test_resource_is_compared_with_what_was_known_of_it(
    known: Resource | None, seen: Resource, change: ResourceChange, is_same: bool
) -> None:
    store = make_store(*filter(None, [known]))
    found = store.see(seen)
    assert (found, found.is_same_object) == (change, is_same)
    assert list(store.resources()) == list(filter(None, [change.after]))


def test_what_is_known_of_a_resource_stays_when_it_is_edited_and_goes_when_it_is_made_again() -> None:
    store = make_store(make_resource())
    store[KEY].failures, store[KEY].served_generation = 3, 1
    store.see(make_resource(2))
    assert (store[KEY].failures, store[KEY].served_generation) == (3, 1)
    store.see(make_resource(uid="v"))
    assert (store[KEY].failures, store[KEY].served_generation) == (0, None)


def test_removed_resource_is_unknown() -> None:
    store = make_store(make_resource(), make_resource(key=OTHER))
    assert (len(store), KEY in store) == (2, True)
    assert store.remove(KEY) == ResourceChange(make_resource(), None)
    assert store.remove(KEY) == ResourceChange(None, None)
    assert (len(store), KEY in store, store.get(KEY)) == (1, False, None)
    assert [tracked.resource.key for tracked in store.tracked()] == [OTHER]


def test_status_that_was_worked_out_is_that_of_the_resource() -> None:
    store = make_store(make_resource())
    status = {"observedGeneration": 1}
    assert store.set_status(KEY, status) == make_resource(status=status)
    assert store.see(make_resource(2)).after == make_resource(2, status=status)


def test_what_a_list_lacks_is_missing_only_if_it_is_of_its_source() -> None:
    store = Store(resources_of(NAMESPACED_KIND, name) for name in ("ns1", "ns2"))
    mine, gone, elsewhere = (Key(NAMESPACED_KIND, *name) for name in (("ns1", "a"), ("ns1", "b"), ("ns2", "c")))
    for key in (mine, gone, elsewhere, KEY):
        store.see(make_resource(key=key))
    assert store.missing_in(resources_of(NAMESPACED_KIND, "ns1"), {mine}) == [gone]
    assert store.missing_in(resources_of(NAMESPACED_KIND), {mine}) == [gone, elsewhere]
    assert store.missing_in(resources_of(CLUSTER_KIND), set()) == [KEY]


NAMED = replace(referring(), accounts=Names.of_service_accounts(["default"]))
WATCHED = {("Secret", "keys", ""), ("Secret", "ecr-login", ""), ("ServiceAccount", "default", "")}


def test_what_resources_name_is_watched_everywhere() -> None:
    store = make_store(NAMED, make_resource(key=OTHER))
    assert store.watched_objects() == WATCHED


def test_what_resources_of_some_namespaces_name_is_watched_there_alone() -> None:
    store = Store(resources_of(NAMESPACED_KIND, name) for name in ("ns1", "ns2"))
    for name in ("ns1", "ns2"):
        store.see(make_resource(key=Key(NAMESPACED_KIND, name, "a")))
    assert store.watched_objects() == {("Secret", "ecr-login", "ns1"), ("Secret", "ecr-login", "ns2")}


def test_what_to_watch_is_told_again_when_a_resource_has_changed() -> None:
    assert make_store().watched_objects() is None
    store = make_store(NAMED)
    store.see(NAMED)
    assert store.watched_objects() == WATCHED
    store.see(replace(NAMED, status={"observedGeneration": 1}))
    store.remove(OTHER)
    assert store.watched_objects() is None, "nothing but a status was written"
    store.see(replace(NAMED, generation=2, secret_name="other", references=frozenset([replace(KEYS, name="new")])))
    assert store.watched_objects() == {
        ("Secret", "new", ""),
        ("Secret", "other", ""),
        ("ServiceAccount", "default", ""),
    }
    store.see(make_resource(key=OTHER))
    store.remove(replace(OTHER, name="unknown"))
    assert store.watched_objects() is not None
    store.remove(KEY)
    assert store.watched_objects() == {("Secret", "ecr-login", "")}


def test_namespace_is_compared_with_what_was_known_of_it() -> None:
    store = make_store()
    labelled = replace(NS1, labels={"ecr": "yes"})
    assert store.see_namespace(NS1, is_gone=False) == NamespaceChange(None, NS1)
    assert store.see_namespace(labelled, is_gone=False) == NamespaceChange(NS1, labelled)
    assert store.namespaces == {"ns1": labelled}
    assert store.see_namespace(NS1, is_gone=True) == NamespaceChange(labelled, None)
    assert store.namespaces == {}


def test_list_of_namespaces_tells_what_came_and_went_one_after_the_other() -> None:
    """While one of them is looked at, those that were told before are in the store, and no others."""
    store = make_store()
    for name in ("ns1", "ns2"):
        store.see_namespace(make_namespace(name), is_gone=False)
    found = [
        (change.before, change.after, set(store.namespaces))
        for change in store.list_namespaces([make_namespace("ns2"), make_namespace("ns3")])
    ]
    two, three = make_namespace("ns2"), make_namespace("ns3")
    assert found == [(NS1, None, {"ns2"}), (two, two, {"ns2"}), (None, three, {"ns2", "ns3"})]
