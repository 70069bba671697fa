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

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from kube_ecr_runner.contract.timestamps import parse_time
from kube_ecr_runner.model.aws_calls import OTHER, Call
from kube_ecr_runner.model.conditions import condition_of
from kube_ecr_runner.model.resource import Key
from kube_ecr_runner.model.result import Result

# What every Prometheus understands: https://prometheus.io/docs/instrumenting/exposition_formats/
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
SUCCEEDED = "Succeeded"
MAX_WORDS = 100
_WORD = re.compile(r"[A-Za-z][A-Za-z0-9]{0,63}", re.ASCII)
_RESOURCE = ("kind", "namespace", "name")
_RUN_BUCKETS = (0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600)
_BATCH_BUCKETS = (1, 2, 5, 10, 20, 50, 100, 200, 500)


class Metrics:
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
        self._leader = self._gauge("leader", "1 if this replica serves the resources, 0 if it waits to")
        self._leader.set(1)
        info = self._gauge("build_info", "Versions; the value is 1.", ("version", "ansible_core", "python"))
        info.labels(version("kube-ecr-runner"), version("ansible-core"), platform.python_version()).set(1)
        ProcessCollector(registry=self.registry)

    def _make_resource_metrics(self) -> None:
        self._expiry = self._gauge(
            "secret_expiry_timestamp_seconds",
            "When the first token in the Secrets of a resource dies; absent while none holds a valid one.",
            _RESOURCE,
        )
        self._next_refresh = self._gauge(
            "resource_next_refresh_timestamp_seconds", "When a resource is looked at next.", _RESOURCE
        )
        self._ready = self._gauge("resource_ready", "1 if the condition Ready is True, else 0.", _RESOURCE)
        self._failing = self._gauge(
            "resource_refresh_failing", "1 if the condition RefreshFailing is True, else 0.", _RESOURCE
        )

    def _make_work_metrics(self) -> None:
        self._results = self._counter(
            "results", "Results of resources, by the reason of the failure, or Succeeded.", "reason"
        )
        self._calls = self._counter("aws_calls", "Attempts of calls to AWS; code OK is success.", "operation", "code")
        self._runs = self._counter("runs", "Runs of the playbook, by how they ended.", "status")
        self._run_duration = self._histogram("run_duration_seconds", "How long runs took.", _RUN_BUCKETS)
        self._batch = self._histogram("batch_resources", "How many resources runs were for.", _BATCH_BUCKETS)
        self._depth = self._gauge("queue_depth", "Resources that are due and wait for a run.")
        self._gauge("queue_oldest_wait_seconds", "For how long the first of them has waited.").set_function(
            self._oldest_wait
        )

    def _gauge(self, name: str, text: str, labels: Iterable[str] = ()) -> Gauge:
        return Gauge(f"kube_ecr_{name}", text, labels, registry=self.registry)

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(f"kube_ecr_{name}", text, labels, registry=self.registry)

    def _histogram(self, name: str, text: str, buckets: Iterable[float]) -> Histogram:
        return Histogram(f"kube_ecr_{name}", text, buckets=tuple(buckets), registry=self.registry)

    def text(self) -> bytes:
        """Return all of them as CONTENT_TYPE says."""
        return generate_latest(self.registry)

    def show_watches(self, ages: Callable[[], Mapping[str, float]]) -> None:
        """Show the watches too; ages tells for each how many seconds ago the API server was last heard from."""
        self.registry.register(_Watches(ages))

    def resource_known(self, key: Key, status: Mapping) -> None:
        """The status of a resource became known, or another one."""
        labels = (key.kind, key.namespace, key.name)
        for gauge, field in ((self._expiry, "expiresAt"), (self._next_refresh, "nextRefreshTime")):
            moment = parse_time(status.get(field))
            if moment:
                gauge.labels(*labels).set(moment.timestamp())
            else:
                _remove(gauge, labels)
        for gauge, kind in ((self._ready, "Ready"), (self._failing, "RefreshFailing")):
            gauge.labels(*labels).set(condition_of(status, kind).get("status") == "True")

    def resource_gone(self, key: Key) -> None:
        """A resource is not there any more."""
        for gauge in (self._expiry, self._next_refresh, self._ready, self._failing):
            _remove(gauge, (key.kind, key.namespace, key.name))

    def result_arrived(self, result: Result) -> None:
        """A run brought the result of a resource."""
        self._results.labels(*self._known("results", _word(result.cause or SUCCEEDED))).inc()

    def aws_called(self, calls: Iterable[Call]) -> None:
        """A run asked AWS."""
        for each in calls:
            self._calls.labels(*self._known("calls", each.operation, each.code)).inc(each.count)

    def run_ended(self, status: str, seconds: float, resources: int) -> None:
        """A run for so many resources ended after so many seconds; status is ansible-runner's."""
        self._runs.labels(_word(status)).inc()
        self._run_duration.observe(seconds)
        self._batch.observe(resources)

    def queue_changed(self, depth: int, oldest_due: datetime | None) -> None:
        """So many resources wait for a run; the first of all is due at that time, or will be."""
        self._depth.set(depth)
        self._oldest_due = oldest_due

    def leader(self, is_leader: bool) -> None:
        """This process serves the resources, or waits to; then it has nothing to say of them."""
        self._leader.set(is_leader)
        if not is_leader:
            for gauge in (self._expiry, self._next_refresh, self._ready, self._failing):
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
            "Seconds since the API server was last heard from on a watch; of several, the oldest.",
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
