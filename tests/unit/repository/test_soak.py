"""The account that a soak keeps counts what it is there to count."""

from __future__ import annotations

from tests.soak.watch import Account

TARGETS = frozenset({"a", "b"})


def test_seconds_without_a_token_are_counted_but_for_what_the_soak_took() -> None:
    restored: list[tuple[str, float]] = []
    account = Account(returning={"a": 0.0, "b": 0.0})
    looks = [
        ({}, set(), []),  # not served yet
        ({"a": "1", "b": "1"}, set(), []),
        ({"a": "2"}, set(), ["b"]),
        ({}, {"a"}, ["b"]),
        ({"b": "2"}, set(), ["a"]),
    ]
    for number, (found, away, lost) in enumerate(looks, start=1):
        account.away = away
        told = account.look(TARGETS, found, float(number), 1.5, lambda *what: restored.append(what))
        assert told == lost
    assert account.uncovered == {"a": 1.5, "b": 3.0}
    assert restored == [("a", 2.0), ("b", 2.0)]
    assert (account.refreshes, account.looks, account.longest_restore) == (2, 5, 2.0)
