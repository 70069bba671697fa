"""Which checks are pending, and when they are due."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from kube_ecr_runner.controller.recheck import RECHECK_DELAY, Rechecks
from kube_ecr_runner.model.resource import Key, Reference

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)
A, B = (Key("K", "ns", name) for name in "ab")
ONE, TWO = (Reference("Secret", namespace, "login") for namespace in ("ns1", "ns2"))


def test_checks_are_due_soon_after_the_run() -> None:
    """The watches have some time to tell what it did."""
    rechecks = Rechecks()
    rechecks.add(A, [ONE], has_changed=True)
    assert (rechecks.next_due(), rechecks.pop(NOW + timedelta(days=1))) == (None, [])
    rechecks.run_ended(A, NOW)
    assert rechecks.next_due() == NOW + RECHECK_DELAY == NOW + timedelta(seconds=2)
    assert rechecks.pop(NOW + timedelta(seconds=1.9)) == []
    assert rechecks.pop(NOW + RECHECK_DELAY) == [(A, {ONE: True})]
    assert (rechecks.next_due(), rechecks.pop(NOW + timedelta(days=1))) == (None, [])


def test_run_of_a_resource_without_checks_makes_none_due() -> None:
    rechecks = Rechecks()
    rechecks.add(A, [ONE], has_changed=True)
    rechecks.run_ended(B, NOW)
    assert rechecks.next_due() is None


def test_of_an_object_counts_what_was_seen_last() -> None:
    rechecks = Rechecks()
    rechecks.add(A, [ONE, TWO], has_changed=False)
    rechecks.add(A, [TWO], has_changed=True)
    rechecks.run_ended(A, NOW)
    rechecks.run_ended(A, NOW + timedelta(seconds=1))
    assert rechecks.pop(NOW + RECHECK_DELAY) == [(A, {ONE: False, TWO: True})]


def test_checks_of_a_resource_that_is_gone_are_forgotten() -> None:
    rechecks = Rechecks()
    for key in (A, B):
        rechecks.add(key, [ONE], has_changed=True)
        rechecks.run_ended(key, NOW)
    rechecks.forget(A)
    assert rechecks.pop(NOW + RECHECK_DELAY) == [(B, {ONE: True})]
    rechecks.run_ended(A, NOW)
    assert rechecks.next_due() is None
