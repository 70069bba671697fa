"""What tells health and metrics how the work goes."""

from __future__ import annotations

import inspect

import pytest

from kube_ecr_runner.model.observer import Observer
from kube_ecr_runner.telemetry.health import Health
from kube_ecr_runner.telemetry.metrics import Metrics
from kube_ecr_runner.telemetry.monitor import Monitor

METHODS = [name for name, _ in inspect.getmembers(Observer, inspect.isfunction)]


@pytest.mark.parametrize("name", METHODS)
def test_both_are_told_all_that_there_is_to_tell(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    told: list[tuple[object, ...]] = []
    for part in (Health, Metrics):
        monkeypatch.setattr(part, name, lambda *values: told.append(values))
    monitor = Monitor(Health(300.0), Metrics())
    values = tuple(inspect.signature(getattr(Observer, name)).parameters)[1:]
    assert getattr(monitor, name)(*values) is None
    assert told == [(monitor.health, *values), (monitor.metrics, *values)]


def test_there_is_something_to_tell() -> None:
    assert {"leads", "loop_moved", "result_arrived", "watch_failed", "run_ended"} <= set(METHODS)
