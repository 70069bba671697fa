"""Which Secrets and service accounts are watched, and what is new about them."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field

import pytest

from kube_ecr_runner.cluster import watch_manager
from kube_ecr_runner.cluster.sources import Source, objects_named
from kube_ecr_runner.cluster.watch_manager import WatchManager
from kube_ecr_runner.model.resource import Reference, Referenced

SECRET = ("Secret", "keys", "")
KEYS = objects_named(*SECRET)


@dataclass
class Watches:
    """Notes what is started and stopped."""

    working: list[str] = field(default_factory=list)

    def __call__(self, source: Source) -> _Watch:
        return _Watch(source.name, self)


@dataclass
class _Watch:
    name: str
    all: Watches

    def start(self) -> None:
        self.all.working.append(self.name)

    def stop(self) -> None:
        self.all.working.remove(self.name)

    def is_alive(self) -> bool:
        return self.name in self.all.working


def objects(**versions: str) -> list[Referenced]:
    """Return the Secrets `keys` of these namespaces."""
    return [Referenced(Reference("Secret", namespace, "keys"), each, None) for namespace, each in versions.items()]


def test_names_are_watched_once_for_each_kind_and_all_of_a_kind_by_one_watch() -> None:
    watches = Watches()
    WatchManager(watches).follow([SECRET, SECRET, ("ServiceAccount", "keys", ""), ("ServiceAccount", "", "")])
    assert sorted(watches.working) == ["secrets/keys", "serviceaccounts/*", "serviceaccounts/keys"]


def test_what_stays_wanted_is_not_watched_anew() -> None:
    watches = Watches()
    followed = WatchManager(watches)
    followed.follow([("Secret", "x", ""), ("Secret", "y", "")])
    first = followed.watchers()
    followed.follow([("Secret", "y", ""), ("Secret", "z", "")])
    assert sorted(watches.working) == ["secrets/y", "secrets/z"]
    assert len([each for each in followed.watchers() if each in first]) == 1


def followed_keys(**versions: str) -> WatchManager:
    followed = WatchManager(Watches())
    followed.follow([SECRET])
    followed.listed(KEYS, objects(**versions))
    return followed


def test_first_list_is_a_sight() -> None:
    followed = WatchManager(Watches())
    followed.follow([SECRET])
    (item,) = objects(a="1")
    listing = followed.listed(KEYS, [item])
    assert listing
    assert listing.changes is None
    seen = listing.objects
    assert (seen.kind, seen.name, seen.found) == ("Secret", "keys", {item.reference: item})


@pytest.mark.parametrize(
    ("now", "changes"),
    [
        ({"a": "1", "b": "1"}, []),
        ({"a": "1", "b": "2"}, [("1", "2")]),
        ({"a": "1"}, [("1", None)]),
        ({"a": "1", "b": "1", "c": "1"}, [(None, "1")]),
    ],
)
def test_second_list_is_compared_with_the_first(now: dict[str, str], changes: list[tuple]) -> None:
    told = followed_keys(a="1", b="1").listed(KEYS, objects(**now))
    assert told
    assert told.changes is not None
    versions = [(each.before and each.before.version, each.after and each.after.version) for each in told.changes]
    assert versions == changes
    assert {each.namespace for each in told.objects.found} == now.keys()


def test_change_counts_once() -> None:
    followed = WatchManager(Watches())
    followed.follow([SECRET])
    before, now = *objects(a="1"), *objects(a="2")
    assert followed.changed(KEYS, now, is_gone=False) == []
    followed.listed(KEYS, [before])
    assert followed.changed(KEYS, now, is_gone=False) == [(before, now)]
    assert followed.changed(KEYS, now, is_gone=False) == []
    assert followed.changed(KEYS, now, is_gone=True) == [(now, None)]
    assert followed.changed(KEYS, now, is_gone=True) == []


def test_objects_are_found_as_they_were_last_seen() -> None:
    followed = followed_keys(a="1", b="1")
    (now,), (gone,) = objects(a="2"), objects(b="1")
    followed.changed(KEYS, now, is_gone=False)
    followed.changed(KEYS, gone, is_gone=True)
    assert followed.find(now.reference) == now
    assert followed.find(gone.reference) is None
    assert followed.find(Reference("Secret", "a", "other")) is None


def test_objects_are_found_among_all_of_their_kind() -> None:
    followed = WatchManager(Watches())
    followed.follow([("ServiceAccount", "", "")])
    item = Referenced(Reference("ServiceAccount", "a", "default"), "1", None)
    followed.listed(objects_named("ServiceAccount", ""), [item])
    assert followed.find(item.reference) == item


def test_what_is_watched_again_is_seen_for_the_first_time() -> None:
    followed = WatchManager(Watches())
    for _ in range(2):
        followed.follow([SECRET])
        listing = followed.listed(KEYS, objects(a="1"))
        assert listing
        assert listing.changes is None
        followed.follow([])
        assert followed.listed(KEYS, objects(a="2")) is None


def test_watches_are_limited_and_that_is_told_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(watch_manager, "MAX_WATCHES", 2)
    watches = Watches()
    followed = WatchManager(watches)
    with caplog.at_level(logging.WARNING):
        for _ in range(2):
            followed.follow([("Secret", "x", ""), ("Secret", "y", ""), ("Secret", "z", "")])
    assert sorted(watches.working) == ["secrets/x", "secrets/y"]
    assert [each.message for each in caplog.records] == ["watch limit reached"]
    followed.follow([("Secret", "y", ""), ("Secret", "z", "")])
    assert sorted(watches.working) == ["secrets/y", "secrets/z"]


def test_objects_are_found_in_the_namespace_that_is_watched() -> None:
    followed = WatchManager(Watches())
    followed.follow([("Secret", "keys", "a"), ("Secret", "keys", "b")])
    (item,) = objects(b="1")
    followed.listed(objects_named("Secret", "keys", "a"), [])
    followed.listed(objects_named("Secret", "keys", "b"), [item])
    assert followed.find(item.reference) == item
