"""What is measured, for Prometheus. docs/operations.md explains each metric, and a test keeps it so.

What always holds: label values are names of resources, words in CamelCase and names of operations, never a text.
Words that come from outside (error codes) are limited in form and in number.
"""

from __future__ import annotations

import platform
import re
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any, override

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
)
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from kube_ecr_runner import PROGRAM
from kube_ecr_runner.contract.timestamps import parse_time
from kube_ecr_runner.model.aws_calls import OTHER, AwsCallCount
from kube_ecr_runner.model.conditions import condition_of
from kube_ecr_runner.model.observer import Observer
from kube_ecr_runner.model.resource import Key
from kube_ecr_runner.model.result import Result

SUCCEEDED = "Succeeded"
MAX_WORDS = 100
_WORD = re.compile(r"[A-Za-z][A-Za-z0-9]{0,63}", re.ASCII)
_RESOURCE = ("kind", "namespace", "name")
_RUN_BUCKETS = (0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600)
_BATCH_BUCKETS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)


class Metrics(Observer):
    """The metrics of one process, in a registry of their own; its methods may be called from any thread."""

    def __init__(self, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        # A series for each counter that says when the process began; process_start_time_seconds does.
        disable_created_metrics()
        self.registry = CollectorRegistry()
        self._clock = clock
        self._lock = threading.Lock()
        self._words: dict[str, set[tuple[str, ...]]] = {}
        self._oldest_due: datetime | None = None
        self._make_resource_metrics()
        self._make_work_metrics()
        self._leader = self._gauge("leader", "1 if this replica is the leader, else 0.")
        self._leader.set(1)
        info = self._gauge(
            "build_info",
            "Versions of the runner, ansible-core and Python; the value is always 1.",
            ("version", "ansible_core", "python"),
        )
        info.labels(version(PROGRAM), version("ansible-core"), platform.python_version()).set(1)
        ProcessCollector(registry=self.registry)

    def _make_resource_metrics(self) -> None:
        self._expiry = self._gauge(
            "secret_expiry_timestamp_seconds",
            "Earliest expiry of the tokens of a resource; absent if no Secret holds a valid token.",
            _RESOURCE,
        )
        self._next_refresh = self._gauge(
            "resource_next_refresh_timestamp_seconds",
            "When a resource is reconciled next, unless it changes before.",
            _RESOURCE,
        )
        self._ready = self._gauge("resource_ready", "1 if the condition Ready is True, else 0.", _RESOURCE)
        self._failing = self._gauge(
            "resource_refresh_failing", "1 if the condition RefreshFailing is True, else 0.", _RESOURCE
        )

        self._pods_waiting = self._gauge(
            "pods_waiting", "Pods that wait for an image of a resource's registries; absent if none does.", _RESOURCE
        )
        self._pods_without_secret = self._gauge(
            "pods_without_pull_secret",
            "Those of them that do not name the pull secret of the resource, and so never pull with it.",
            _RESOURCE,
        )
        self._resource_gauges = (
            self._expiry,
            self._next_refresh,
            self._ready,
            self._failing,
            self._pods_waiting,
            self._pods_without_secret,
        )

    def _make_work_metrics(self) -> None:
        self._results = self._counter(
            "results", "Reconciliation results of resources, by reason of the failure, or Succeeded.", "reason"
        )
        self._calls = self._counter(
            "aws_calls",
            "Attempts of calls to the AWS API, by operation and error code; OK is a success.",
            "operation",
            "code",
        )
        self._recovered = self._counter(
            "pods_recovered", "Pods that were evicted because the pull secret that they name was written."
        )
        self._runs = self._counter("runs", "Playbook runs, by final status.", "status")
        self._run_duration = self._histogram(
            "run_duration_seconds", "Duration of playbook runs in seconds.", _RUN_BUCKETS
        )
        self._batch = self._histogram("batch_resources", "Number of resources in a playbook run.", _BATCH_BUCKETS)
        self._depth = self._gauge("queue_depth", "Number of resources that are due and wait for a run.")
        self._gauge(
            "queue_oldest_wait_seconds", "How many seconds the oldest resource in the queue has waited."
        ).set_function(self._oldest_wait)

    def _gauge(self, name: str, text: str, labels: Iterable[str] = ()) -> Gauge:
        return Gauge(f"kube_ecr_{name}", text, labels, registry=self.registry)

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(f"kube_ecr_{name}", text, labels, registry=self.registry)

    def _histogram(self, name: str, text: str, buckets: Iterable[float]) -> Histogram:
        return Histogram(f"kube_ecr_{name}", text, buckets=tuple(buckets), registry=self.registry)

    def show_watches(self, ages: Callable[[], Mapping[str, float]]) -> None:
        """Show the watches too; ages tells for each how many seconds ago the API server was last heard from."""
        self.registry.register(_Watches(ages))

    @override
    def resource_known(self, key: Key, status: Mapping[str, Any]) -> None:
        labels = (key.kind, key.namespace, key.name)
        for gauge, field in ((self._expiry, "expiresAt"), (self._next_refresh, "nextRefreshTime")):
            moment = parse_time(status.get(field))
            if moment:
                gauge.labels(*labels).set(moment.timestamp())
            else:
                _remove(gauge, labels)
        for gauge, kind in ((self._ready, "Ready"), (self._failing, "RefreshFailing")):
            gauge.labels(*labels).set(condition_of(status, kind).get("status") == "True")

    @override
    def resource_gone(self, key: Key) -> None:
        for gauge in self._resource_gauges:
            _remove(gauge, (key.kind, key.namespace, key.name))

    @override
    def pods_waiting(self, key: Key, waiting: int, without_secret: int) -> None:
        # In most clusters no pod waits, and a series for each resource takes memory, here and in Prometheus.
        labels = (key.kind, key.namespace, key.name)
        for gauge, count in ((self._pods_waiting, waiting), (self._pods_without_secret, without_secret)):
            if count:
                gauge.labels(*labels).set(count)
            else:
                _remove(gauge, labels)

    @override
    def pod_recovered(self) -> None:
        self._recovered.inc()

    @override
    def result_arrived(self, result: Result) -> None:
        self._results.labels(*self._known("results", _word(result.cause or SUCCEEDED))).inc()

    @override
    def aws_called(self, calls: Iterable[AwsCallCount]) -> None:
        for call in calls:
            self._calls.labels(*self._known("calls", call.operation, call.code)).inc(call.count)

    @override
    def run_ended(self, status: str, seconds: float, resources: int) -> None:
        self._runs.labels(_word(status)).inc()
        self._run_duration.observe(seconds)
        self._batch.observe(resources)

    @override
    def queue_changed(self, depth: int, oldest_due: datetime | None) -> None:
        self._depth.set(depth)
        self._oldest_due = oldest_due

    @override
    def leads(self, is_leader: bool) -> None:
        self._leader.set(is_leader)
        # One that waits knows nothing of resources.
        if not is_leader:
            for gauge in self._resource_gauges:
                gauge.clear()

    def _oldest_wait(self) -> float:
        due = self._oldest_due
        return max(0.0, (self._clock() - due).total_seconds()) if due else 0.0

    def _known(self, metric: str, *words: str) -> tuple[str, ...]:
        """Return the words if there are not too many others already, for whoever writes playbooks invents them."""
        with self._lock:
            known = self._words.setdefault(metric, set())
            if words not in known and len(known) >= MAX_WORDS:
                return (OTHER,) * len(words)
            known.add(words)
        return words


class _Watches(Collector):
    """The age of watches by what they watch, not by name: custom resources name Secrets as they like."""

    def __init__(self, ages: Callable[[], Mapping[str, float]]) -> None:
        self._ages = ages

    def collect(self) -> Iterator[Metric]:
        """Yield the metric; of several watches the oldest counts."""
        family = GaugeMetricFamily(
            "kube_ecr_watch_age_seconds",
            "Seconds since a watch last brought an event or a bookmark; the oldest of several watches.",
            labels=("watch",),
        )
        oldest: dict[str, float] = {}
        for name, age in self._ages().items():
            kind = name.partition("/")[0]
            oldest[kind] = max(age, oldest.get(kind, 0.0))
        for kind, age in sorted(oldest.items()):
            family.add_metric((kind,), age)
        yield family


def _word(text: str) -> str:
    return text if _WORD.fullmatch(text) else OTHER


def _remove(gauge: Gauge, labels: tuple[str, ...]) -> None:
    with suppress(KeyError):  # that there is none is an error for some versions
        gauge.remove(*labels)
