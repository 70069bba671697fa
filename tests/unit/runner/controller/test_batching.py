"""Which resources share a run, and when it begins."""

from __future__ import annotations

from collections.abc import Collection
from datetime import UTC, datetime, timedelta

import pytest

from kube_ecr_runner.controller.batching import Batch, Batcher
from kube_ecr_runner.model.playbook import PlaybookSpec
from kube_ecr_runner.model.resource import Key

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)
A, B, C = (Key("K", "ns", name) for name in "abc")
OTHER = Key("Other", "", "x")
PLAY, OTHER_PLAY = PlaybookSpec("a.b.c"), PlaybookSpec("d.e.f")
WINDOW = timedelta(seconds=10)
QUIET = 0.25


def after(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


def batcher(size: int = 10, window: timedelta = timedelta(0)) -> Batcher:
    return Batcher({"K": PLAY, "Other": OTHER_PLAY}, window, size)


def taken(batches: Batcher, seconds: float = 0, suspended: Collection[Key] = ()) -> list[Key]:
    """Return the keys of the run that begins at that time, none if none does."""
    batch = batches.next_batch(after(seconds), lambda key: key in suspended)
    return batch.keys if batch else []


EIGHT = "nopqrstu"


def begun(size: int = 10) -> Batcher:
    """Return a batcher whose first run is over; its resource is due no more in these tests."""
    batches, first = batcher(size), Key("K", "ns", "first")
    batches.enqueue(first, NOW)
    assert taken(batches) == [first]
    batches.finish(first, after(10**6))
    return batches


def test_run_takes_what_is_due_in_turn_and_no_more_than_a_batch() -> None:
    batches = batcher(size=2)
    for key, seconds in ((A, 3), (B, 1), (C, 2)):
        batches.enqueue(key, after(seconds))
    assert taken(batches) == []
    assert taken(batches, 3) == [B, C]
    assert taken(batches, 3) == [A]
    assert taken(batches, 3) == []


def test_what_changed_goes_before_what_is_due_by_the_clock() -> None:
    batches = batcher(size=1)
    batches.enqueue(A, after(0))
    batches.enqueue_now(B, after(1))
    assert [taken(batches, 1), taken(batches, 1)] == [[B], [A]]


def test_first_run_takes_all_that_is_due_at_the_start_up_to_a_batch() -> None:
    batches = batcher(size=3)
    for key in (A, B):
        batches.enqueue(key, NOW)
    for key in (C, Key("K", "ns", "d")):
        batches.enqueue_now(key, after(1))
    assert taken(batches, 1) == [C, Key("K", "ns", "d"), A]
    assert taken(batches, 1) == [B]


@pytest.mark.parametrize(
    ("scheduled", "runs"),
    [
        pytest.param("abcd", [("", "ab"), ("", "cd")], id="no run by the clock is large"),
        pytest.param("abc", [("", "ab"), ("x", "x"), ("", "c")], id="a change gets in between"),
        pytest.param("abc", [("b", "b"), ("", "ac")], id="a change of what is due"),
        pytest.param("abcd", [("x", "x"), ("y", "ab"), ("z", "yz"), ("", "cd")], id="changes leave others their turn"),
        pytest.param("a", [("x", "x"), ("y", "a"), ("z", "yz"), ("x", "x")], id="until none waits"),
        pytest.param("", [(EIGHT, EIGHT)], id="changes fill a batch"),
        pytest.param("", [(f"{EIGHT}wx", EIGHT), ("y", "y"), ("", "wx")], id="a change gets in between more"),
        pytest.param("", [(f"{EIGHT}wxyz", EIGHT), ("1", "1"), ("2", "wx"), ("3", "23"), ("", "yz")], id="and another"),
        pytest.param("ab", [(f"{EIGHT}w", EIGHT), ("", "wa"), ("", "b")], id="what is left over goes before refreshes"),
        pytest.param("", [(f"{EIGHT}w", EIGHT), ("xw", "wx")], id="what is left over changes again"),
    ],
)
def test_change_waits_for_one_small_run_and_others_for_every_other(scheduled: str, runs: list[tuple[str, str]]) -> None:
    """Each pair is what changes before a run, and what that run is for.

    Eight changes fit in, and two that are due by the clock, a quarter of that.
    """
    batches = begun(size=8)
    for name in scheduled:
        batches.enqueue(Key("K", "ns", name), NOW)
    for number, (changed, expected) in enumerate(runs):
        for name in changed:
            batches.enqueue_now(Key("K", "ns", name), after(number))
        keys = taken(batches, number)
        assert "".join(key.name for key in keys) == expected
        for key in keys:
            batches.finish(key, after(1000))
    assert taken(batches, 100) == []


@pytest.mark.parametrize(
    ("names", "identities", "at", "expected"),
    [
        pytest.param("abcd", {"a": 1, "b": 1, "c": 1, "d": 1}, 4, "abcd", id="all, more than by the clock"),
        pytest.param("abcd", {"a": 1, "b": 2, "c": 1, "d": 2}, 4, "ac", id="none of another identity"),
        pytest.param("abcd", {"b": 1, "c": 1}, 4, "a", id="none beside what needs no token"),
        pytest.param("abcdefghij", dict.fromkeys("abcdefghij", 1), 4, "abcdefgh", id="no more than a batch"),
    ],
)
def test_attempts_at_aws_of_one_identity_are_taken_together(
    names: str, identities: dict[str, int], at: int, expected: str
) -> None:
    """After throttling each of them comes back at a time of its own, and each run would ask AWS."""
    batches = begun(size=8)
    found = [Key("K", "ns", name) for name in names]
    for key in found:
        batches.enqueue(key, NOW)
    while taken(batches):
        pass
    for number, key in enumerate(found):
        batches.finish(key, after(at + number), retry_of=identities.get(key.name))
    assert "".join(key.name for key in taken(batches, at)) == expected


def test_an_attempt_that_succeeded_is_none_any_more() -> None:
    batches = begun(size=8)
    for key in (A, B):
        batches.enqueue(key, NOW, retry_of=1)
    assert taken(batches) == [A, B]
    batches.finish(A, after(100))
    batches.finish(B, after(10), retry_of=1)
    assert taken(batches, 10) == [B]
    batches.finish(B, after(50), retry_of=1)
    batches.forget(B)
    assert taken(batches, 100) == [A]


def test_turns_of_one_playbook_are_no_matter_to_another() -> None:
    batches = begun()
    batches.enqueue(OTHER, NOW)
    batches.enqueue_now(A, after(1))
    batches.enqueue(B, after(1))
    assert [taken(batches, 1) for _ in range(3)] == [[OTHER], [A], [B]]


def test_no_stream_of_changes_keeps_a_refresh_waiting() -> None:
    """More changes come than fit in, all the time, and what is left over alone would fill the other runs."""
    batches = begun(size=8)
    batches.enqueue(A, NOW)
    seconds, run = 0, list[Key]()
    while A not in run:
        assert seconds < 700
        for number in range(12):
            batches.enqueue_now(Key("K", "ns", f"{seconds}-{number}"), after(seconds))
        run = taken(batches, seconds)
        for key in run:
            batches.finish(key, after(100_000))
        seconds += 10


def test_resources_of_one_playbook_share_a_run_and_those_due_first_go_first() -> None:
    batches = batcher()
    for key, seconds in ((A, 2), (B, 3), (OTHER, 1)):
        batches.enqueue(key, after(seconds))
    assert batches.next_playbook() == OTHER_PLAY
    assert batches.next_batch(after(3), lambda _: False) == Batch(OTHER_PLAY, [OTHER])
    assert batches.next_playbook() == PLAY
    assert batches.next_batch(after(3), lambda _: False) == Batch(PLAY, [A, B])


@pytest.mark.parametrize(
    ("scheduled", "changes", "start"),
    [
        pytest.param([], [], None, id="nothing waits"),
        pytest.param([0], [], 0, id="due by the clock, and nothing changed"),
        pytest.param([], [0], QUIET, id="quiet after one change"),
        pytest.param([], [0, QUIET / 2], 1.5 * QUIET, id="quiet after the last change"),
        pytest.param([], [0, 1, 9.8], 10, id="not longer than the window"),
        pytest.param([5], [0], QUIET, id="the first of two"),
        pytest.param([0], [3], 3 + QUIET, id="a change meets what is due by the clock"),
    ],
)
def test_run_waits_for_the_window_but_not_much_longer_than_changes_come(
    scheduled: list[float], changes: list[float], start: float | None
) -> None:
    batches = batcher(window=WINDOW)
    for seconds in scheduled:
        batches.enqueue(A, after(seconds))
    for seconds in changes:
        batches.enqueue_now(B, after(seconds))
    assert batches.next_start() == (None if start is None else after(start))
    if start is not None:
        assert taken(batches, start - 0.01) == []
        assert taken(batches, start) != []


def test_full_batch_does_not_wait_for_the_window() -> None:
    batches = batcher(size=2, window=WINDOW)
    batches.enqueue_now(A, NOW)
    assert taken(batches) == []
    batches.enqueue_now(B, NOW)
    assert taken(batches) == [A, B]


def test_start_is_that_of_the_playbook_that_is_due_first() -> None:
    batches = batcher(window=WINDOW)
    batches.enqueue(A, after(5))
    batches.enqueue(OTHER, after(2))
    assert (batches.next_start(), batches.next_due()) == (after(2), after(2))
    assert [batches.count_due(after(seconds)) for seconds in (1, 2, 5)] == [0, 1, 2]


def test_change_of_one_playbook_has_the_others_wait_too() -> None:
    batches = batcher(window=WINDOW)
    batches.enqueue(A, NOW)
    batches.enqueue_now(OTHER, after(1))
    assert batches.next_start() == after(1 + QUIET)


def test_suspended_resources_are_dropped_when_their_turn_comes() -> None:
    batches = batcher()
    for key in (A, B):
        batches.enqueue(key, NOW)
    assert taken(batches, suspended=[A]) == [B]
    assert not batches.is_working(A)
    batches.finish(B, after(60))
    assert taken(batches, 1) == []
    assert batches.next_due() == after(60)


def test_playbook_whose_resources_are_all_suspended_leaves_the_run_to_another() -> None:
    batches = batcher()
    batches.enqueue(A, NOW)
    batches.enqueue(OTHER, after(1))
    assert taken(batches, 1, suspended=[A]) == [OTHER]


def test_resource_is_worked_on_until_it_is_finished_and_then_due_as_planned() -> None:
    batches = batcher()
    batches.enqueue(A, NOW)
    assert taken(batches) == [A]
    assert (batches.is_working(A), batches.next_due()) == (True, None)
    batches.enqueue_now(A, after(1))
    assert batches.finish(A, after(60))
    assert (batches.is_working(A), batches.next_due()) == (False, after(1))
    assert not batches.finish(A, after(2)), "it is not worked on any more"


def test_what_hangs_is_alone_in_the_end_and_delays_no_others_till_then() -> None:
    batches = batcher(size=96)
    keys = [Key("K", "ns", f"{number:02}") for number in range(20)]
    sizes = []
    for key in keys:
        batches.enqueue(key, NOW)
    for _ in range(3):
        run = taken(batches)
        sizes.append(len(run))
        for key in run:
            batches.finish(key, NOW, has_timed_out=True)
    assert sizes[:2] == [20, 12]
    batches.enqueue(A, NOW)
    assert taken(batches) == [A], "others are in none of these runs"
    while run := taken(batches):
        for key in run:
            batches.finish(key, after(60) if key != keys[-1] else NOW, has_timed_out=key == keys[-1])
        if run == [keys[-1]]:
            break
    assert taken(batches) == [keys[-1]]
    batches.finish(keys[-1], after(60))
    assert len(taken(batches, 60)) == 20, "one that had a result is like all others"


def test_what_hung_goes_after_what_did_not_though_it_was_due_before() -> None:
    batches = batcher(size=64)
    batches.enqueue(A, NOW)
    for key in taken(batches):
        batches.finish(key, NOW, has_timed_out=True)
    batches.enqueue(B, after(1))
    assert [taken(batches, 1), taken(batches, 1)] == [[B], [A]]


def test_each_of_several_that_hang_is_alone_in_the_end() -> None:
    batches = batcher(size=64)
    for key in (A, B):
        batches.enqueue(key, NOW)
    for _ in range(10):
        run = taken(batches)
        for key in run:
            batches.finish(key, NOW, has_timed_out=True)
    assert len(run) == 1


def test_resource_that_was_forgotten_has_a_clean_slate() -> None:
    batches = batcher(size=8)
    for key in (A, B):
        batches.enqueue(key, NOW)
    for key in taken(batches):
        batches.finish(key, NOW, has_timed_out=True)
    for key in (A, B):
        batches.forget(key)
    assert (batches.next_due(), taken(batches)) == (None, [])
    for key in (A, B):
        batches.enqueue(key, NOW)
    assert taken(batches) == [A, B]
