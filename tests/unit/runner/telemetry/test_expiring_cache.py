"""Values that are remembered for a while."""

from __future__ import annotations

from kube_ecr_runner.telemetry.expiring_cache import ExpiringCache


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_value_is_there_until_its_time_is_over() -> None:
    clock = Clock()
    cache: ExpiringCache[str, bool] = ExpiringCache(2, clock)
    cache.put("short", False, 30)
    cache.put("long", True, 60)
    assert (cache.get("short"), cache.get("long"), cache.get("other")) == (False, True, None)
    clock.now = 30.0
    assert (cache.get("short"), cache.get("long")) == (None, True)
    cache.put("long", False, 60)
    clock.now = 89.9
    assert cache.get("long") is False
    clock.now = 90.0
    assert cache.get("long") is None


def test_of_too_many_the_one_goes_that_was_not_used_for_longest() -> None:
    cache: ExpiringCache[int, str] = ExpiringCache(2, Clock())
    cache.put(1, "a", 60)
    cache.put(2, "b", 60)
    cache.get(1)
    cache.put(3, "c", 60)
    assert [cache.get(key) for key in (1, 2, 3)] == ["a", None, "c"]
