"""What tells both health and metrics how the work goes."""

from __future__ import annotations

from functools import partial

from kube_ecr_runner.model.observer import Observer
from kube_ecr_runner.telemetry.health import Health
from kube_ecr_runner.telemetry.metrics import Metrics

_METHODS = [name for name in vars(Observer) if not name.startswith("_")]


class Monitor(Observer):
    """Hands on each call to health and to metrics."""

    def __init__(self, health: Health, metrics: Metrics) -> None:
        self.health = health
        self.metrics = metrics
        metrics.show_watches(health.watch_ages)
        for name in _METHODS:
            setattr(self, name, partial(self._tell_both, name))

    def _tell_both(self, name: str, *values: object) -> None:
        getattr(self.health, name)(*values)
        getattr(self.metrics, name)(*values)
