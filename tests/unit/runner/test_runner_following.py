"""Which objects are watched because a resource refers to them."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field

import pytest

from kube_ecr_runner import following
from kube_ecr_runner.following import Following
from kube_ecr_runner.kube import Source, objects_named
from kube_ecr_runner.resources import Reference, Referenced

KEYS = objects_named("Secret", "keys")


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


def a_secret(name: str = "keys", namespace: str = "a") -> Reference:
    return Reference("Secret", namespace, name)


def objects(**versions: str) -> list[Referenced]:
    return [Referenced(a_secret(namespace=namespace), version, None) for namespace, version in versions.items()]


def test_names_are_watched_once_for_each_kind() -> None:
    watches = Watches()
    account = Reference("ServiceAccount", "a", "keys")
    Following(watches).follow([a_secret(), a_secret(namespace="b"), account])
    assert sorted(watches.working) == ["secrets/keys", "serviceaccounts/keys"]


def test_what_stays_wanted_is_not_watched_anew() -> None:
    watches = Watches()
    followed = Following(watches)
    followed.follow([a_secret("x"), a_secret("y")])
    first = followed.watchers()
    followed.follow([a_secret("y"), a_secret("z")])
    assert sorted(watches.working) == ["secrets/y", "secrets/z"]
    assert len([each for each in followed.watchers() if each in first]) == 1


@pytest.mark.parametrize(
    ("now", "changed"),
    [({"a": "1", "b": "1"}, ""), ({"a": "1", "b": "2"}, "b"), ({"a": "1"}, "b"), ({"a": "1", "b": "1", "c": "1"}, "c")],
)
def test_second_list_is_compared_with_the_first(now: dict[str, str], changed: str) -> None:
    followed = Following(Watches())
    followed.follow([a_secret()])
    assert followed.listed(KEYS, objects(a="1", b="1")) is None
    assert followed.listed(KEYS, objects(**now)) == {a_secret(namespace=each) for each in changed}


def test_change_counts_once() -> None:
    followed = Following(Watches())
    followed.follow([a_secret()])
    (item,) = objects(a="2")
    assert followed.changed(KEYS, item, is_gone=False) == set()
    followed.listed(KEYS, objects(a="1"))
    assert followed.changed(KEYS, item, is_gone=False) == {a_secret()}
    assert followed.changed(KEYS, item, is_gone=False) == set()
    assert followed.changed(KEYS, item, is_gone=True) == {a_secret()}
    assert followed.changed(KEYS, item, is_gone=True) == set()


def test_what_is_watched_again_is_seen_for_the_first_time() -> None:
    followed = Following(Watches())
    for _ in range(2):
        followed.follow([a_secret()])
        assert followed.listed(KEYS, objects(a="1")) is None
        followed.follow([])
        assert followed.listed(KEYS, objects(a="2")) == set()


def test_watches_are_limited_and_that_is_told_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(following, "MAX_WATCHES", 2)
    watches = Watches()
    followed = Following(watches)
    with caplog.at_level(logging.WARNING):
        for _ in range(2):
            followed.follow([a_secret("x"), a_secret("y"), a_secret("z")])
    assert sorted(watches.working) == ["secrets/x", "secrets/y"]
    assert [each.message for each in caplog.records] == ["not all references are watched"]
    followed.follow([a_secret("y"), a_secret("z")])
    assert sorted(watches.working) == ["secrets/y", "secrets/z"]
