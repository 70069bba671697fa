"""The queue of due times: folding, order, priorities, and what is enqueued while it is worked on."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from random import Random

import pytest

from kube_ecr_runner.controller.work_queue import DueTimes, Priority, Turn, WorkQueue
from kube_ecr_runner.model.resource import Key

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)
A, B, C = (Key("K", "ns", name) for name in "abc")
CHANGED, LEFT_OVER, SCHEDULED = Priority.CHANGED, Priority.LEFT_OVER, Priority.SCHEDULED


def after(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


def waiting(queue: WorkQueue, seconds: float) -> list[Key]:
    """Return the keys that are due at that time, in order."""
    return [turn.key for turn in sorted(queue.turns(after(seconds)))]


def test_events_of_one_resource_make_one_entry_due_at_the_earliest() -> None:
    queue = WorkQueue()
    for seconds in (5, 1, 3):
        queue.enqueue(A, after(seconds))
    assert (len(queue), queue.next_due()) == (1, after(1))
    assert queue.turns(after(1)) == [Turn(SCHEDULED, after(1), A)]


def test_due_first_has_its_turn_first() -> None:
    queue = WorkQueue()
    for key, seconds in ((A, 3), (B, 1), (C, 2)):
        queue.enqueue(key, after(seconds))
    assert [queue.count_due(after(seconds)) for seconds in (0.9, 1, 2, 3)] == [0, 1, 2, 3]
    assert waiting(queue, 3) == [B, C, A]
    queue.start([B, C])
    assert (queue.next_due(), queue.count_due(after(3)), len(queue)) == (after(3), 1, 3)


def test_what_is_not_due_stays() -> None:
    queue = WorkQueue()
    queue.enqueue(A, after(1))
    assert queue.turns(NOW) == []
    assert queue.next_due() == after(1)


def test_finished_key_is_due_when_it_was_planned() -> None:
    queue = WorkQueue()
    queue.enqueue(A, NOW)
    queue.start([A])
    assert (queue.is_working(A), queue.next_due()) == (True, None)
    assert queue.finish(A, after(60))
    assert (queue.is_working(A), queue.next_due()) == (False, after(60))
    assert waiting(queue, 59) == []


@pytest.mark.parametrize(
    ("enqueued", "expected"),
    [
        pytest.param([(1, SCHEDULED)], Turn(SCHEDULED, after(1), A), id="once"),
        pytest.param([(2, CHANGED), (1, SCHEDULED)], Turn(CHANGED, after(1), A), id="earlier, and of higher priority"),
        pytest.param([(1, SCHEDULED), (2, CHANGED)], Turn(CHANGED, after(1), A), id="in the other order"),
        pytest.param([(70, CHANGED)], Turn(CHANGED, after(60), A), id="later than it is planned"),
    ],
)
def test_key_enqueued_while_worked_on_is_due_again_after(enqueued: list, expected: Turn) -> None:
    queue = WorkQueue()
    queue.enqueue(A, NOW, CHANGED)
    queue.start([A])
    for seconds, priority in enqueued:
        queue.enqueue(A, after(seconds), priority)
    assert queue.turns(after(100)) == []
    queue.finish(A, after(60))
    assert queue.turns(after(100)) == [expected]


def test_key_that_was_started_has_no_priority_left() -> None:
    queue = WorkQueue()
    queue.enqueue(A, NOW, CHANGED)
    queue.start([A])
    queue.finish(A, after(60))
    assert queue.turns(after(60)) == [Turn(SCHEDULED, after(60), A)]


def test_forgotten_key_does_not_come_back() -> None:
    queue = WorkQueue()
    queue.enqueue(A, NOW)
    queue.enqueue(B, NOW, CHANGED)
    queue.start([A])
    for key in (A, B, C):
        queue.forget(key)
    assert not queue.finish(A, after(60))
    assert (len(queue), queue.next_due(), queue.count_due(after(60))) == (0, None, 0)
    queue.enqueue(B, NOW)
    assert queue.turns(NOW) == [Turn(SCHEDULED, NOW, B)]


def test_result_for_a_key_that_was_made_again_meanwhile_does_not_delay_it() -> None:
    queue = WorkQueue()
    queue.enqueue(A, NOW)
    queue.start([A])
    queue.forget(A)
    queue.enqueue(A, after(1))
    assert not queue.finish(A, after(60))
    assert queue.next_due() == after(1)


def test_changes_go_before_refreshes_but_no_token_expires_of_it() -> None:
    queue = WorkQueue()
    queue.enqueue(A, after(0))
    queue.enqueue(B, after(2), CHANGED)
    queue.enqueue(C, after(2), CHANGED)
    assert waiting(queue, 2) == [B, C, A]
    queue.start([C])
    assert sorted(queue.turns(after(599))) == [Turn(LEFT_OVER, after(2), B), Turn(SCHEDULED, after(0), A)]
    assert sorted(queue.turns(after(600))) == [Turn(LEFT_OVER, after(0), A), Turn(LEFT_OVER, after(2), B)]


def test_what_is_left_over_is_no_news_any_more_until_it_changes_again() -> None:
    queue = WorkQueue()
    for key in (A, B, C):
        queue.enqueue(key, NOW, CHANGED)
    queue.start([A])
    queue.enqueue(C, after(1), CHANGED)
    assert sorted(queue.turns(after(1))) == [Turn(CHANGED, NOW, C), Turn(LEFT_OVER, NOW, B)]


def test_change_that_waits_while_others_have_their_turn_is_still_news() -> None:
    queue = WorkQueue()
    queue.enqueue(A, NOW)
    queue.enqueue(B, NOW, CHANGED)
    queue.start([A])
    assert queue.turns(NOW) == [Turn(CHANGED, NOW, B)]


def test_refresh_of_what_changes_goes_first_with_the_time_that_it_had() -> None:
    queue = WorkQueue()
    queue.enqueue(A, after(0))
    queue.enqueue(B, after(1))
    queue.enqueue(B, after(2), CHANGED)
    assert sorted(queue.turns(after(2))) == [Turn(CHANGED, after(1), B), Turn(SCHEDULED, after(0), A)]


def test_of_two_priorities_the_higher_one_stays() -> None:
    for priorities in ((CHANGED, LEFT_OVER), (LEFT_OVER, CHANGED), (CHANGED, SCHEDULED)):
        queue = WorkQueue()
        for priority in priorities:
            queue.enqueue(A, NOW, priority)
        assert queue.turns(NOW) == [Turn(CHANGED, NOW, A)]


def test_keys_of_one_time_keep_their_order_when_one_is_added_again() -> None:
    times = DueTimes()
    for key in (B, A, B):
        times.add(key, NOW)
    assert times.due(NOW) == [(NOW, B), (NOW, A)]


def test_times_are_in_order_whatever_happens_to_them() -> None:
    """The order is that of a plain dictionary that is sorted anew each time."""
    random, times, plain = Random(1), DueTimes(), dict[Key, datetime]()
    keys = [Key("K", "ns", str(number)) for number in range(30)]
    for step in range(2000):
        key, moment = random.choice(keys), after(random.randrange(40))
        match random.randrange(4):
            case 0:
                times.discard(key)
                plain.pop(key, None)
            case 1 if step % 5 == 0:
                popped = times.pop(moment)
                assert [plain[key] for key in popped] == sorted(due for due in plain.values() if due <= moment)
                assert set(popped) == {key for key, due in plain.items() if due <= moment}
                plain = {key: due for key, due in plain.items() if due > moment}
            case _:
                times.add(key, moment)
                plain[key] = min(moment, plain.get(key, moment))
        assert len(times) == len(plain)
        assert times.earliest() == min(plain.values(), default=None)
        assert times.count(moment) == sum(due <= moment for due in plain.values())
        assert sorted(times.due(moment)) == sorted((due, key) for key, due in plain.items() if due <= moment)
