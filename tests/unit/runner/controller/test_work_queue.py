"""The queue of due times: folding, order, turns, and what is marked while it is worked on."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from kube_ecr_runner.controller.work_queue import DueQueue
from kube_ecr_runner.model.resource import Key

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)
A, B, C = (Key("K", "ns", name) for name in "abc")


def after(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


def test_events_of_one_resource_make_one_entry_due_at_the_earliest() -> None:
    queue = DueQueue()
    for seconds in (5, 1, 3):
        queue.mark(A, after(seconds))
    assert (len(queue), queue.next_due()) == (1, after(1))
    assert queue.take(after(1), 10) == [A]
    assert queue.take(after(9), 10) == []


def test_due_first_is_taken_first_and_no_more_than_the_limit() -> None:
    queue = DueQueue()
    for key, seconds in ((A, 3), (B, 1), (C, 2)):
        queue.mark(key, after(seconds))
    assert queue.count_due(after(3)) == 3
    assert queue.take(after(3), 2) == [B, C]
    assert queue.next_due() == after(3)


def test_what_is_not_due_stays() -> None:
    queue = DueQueue()
    queue.mark(A, after(1))
    assert queue.take(NOW, 10) == []
    assert queue.next_due() == after(1)


def test_finished_key_is_due_when_it_was_planned() -> None:
    queue = DueQueue()
    queue.mark(A, NOW)
    queue.take(NOW, 1)
    assert queue.is_working(A)
    assert queue.finish(A, after(60))
    assert (queue.is_working(A), queue.next_due()) == (False, after(60))


def test_key_marked_while_worked_on_is_due_again_after() -> None:
    queue = DueQueue()
    queue.mark(A, NOW)
    queue.take(NOW, 1)
    queue.mark(A, after(1))
    assert queue.take(after(2), 10) == []
    queue.finish(A, after(60))
    assert queue.take(after(2), 10) == [A]


def test_forgotten_key_does_not_come_back() -> None:
    queue = DueQueue()
    queue.mark(A, NOW)
    queue.mark(B, NOW)
    queue.take(NOW, 1)
    queue.forget(A)
    queue.forget(B)
    queue.forget(C)
    assert not queue.finish(A, after(60))
    assert (len(queue), queue.next_due()) == (0, None)


def test_result_for_a_key_that_was_made_again_meanwhile_does_not_delay_it() -> None:
    queue = DueQueue()
    queue.mark(A, NOW)
    queue.take(NOW, 1)
    queue.forget(A)
    queue.mark(A, after(1))
    assert not queue.finish(A, after(60))
    assert queue.next_due() == after(1)


def test_news_go_before_refreshes_but_no_token_dies_of_it() -> None:
    queue = DueQueue()
    queue.mark(A, after(0))
    queue.mark(B, after(2), is_news=True)
    assert queue.take(after(2), 1) == [B]
    queue.mark(C, after(601), is_news=True)
    assert queue.take(after(601), 1) == [A]


def test_a_refresh_that_becomes_news_goes_first() -> None:
    queue = DueQueue()
    queue.mark(A, after(0))
    queue.mark(B, after(1))
    queue.mark(B, after(2), is_news=True)
    assert queue.take(after(2), 1) == [B]


def test_news_of_a_key_that_is_worked_on_are_news_when_that_is_over() -> None:
    queue = DueQueue()
    queue.mark(A, NOW)
    queue.take(NOW, 1)
    queue.mark(B, after(1))
    queue.mark(A, after(2), is_news=True)
    queue.finish(A, after(60))
    assert queue.take(after(2), 1) == [A]


def test_what_hangs_is_alone_in_the_end_and_delays_no_others_till_then() -> None:
    queue = DueQueue()
    keys = [Key("K", "ns", f"{number:02}") for number in range(20)]
    sizes = []
    for key in keys:
        queue.mark(key, NOW)
    for _ in range(3):
        taken = queue.take(NOW, 64)
        sizes.append(len(taken))
        for key in taken:
            queue.finish(key, NOW, has_hung=True)
    assert sizes[:2] == [20, 8]
    queue.mark(A, NOW)
    assert queue.take(NOW, 64) == [A], "others are in none of these runs"
    while taken := queue.take(NOW, 64):
        for key in taken:
            queue.finish(key, after(60) if key != keys[-1] else NOW, has_hung=key == keys[-1])
        if taken == [keys[-1]]:
            break
    assert queue.take(NOW, 64) == [keys[-1]]
    queue.finish(keys[-1], after(60))
    assert len(queue.take(after(60), 64)) == 20, "one that had a result is like all others"
