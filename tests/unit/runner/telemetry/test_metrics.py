"""What is measured where the work loop is not asked: calls, words from outside, watches, time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from prometheus_client import generate_latest

from kube_ecr_runner.contract.kinds import CLUSTER_KIND
from kube_ecr_runner.model.aws_calls import AwsCallCount
from kube_ecr_runner.model.resource import Key
from kube_ecr_runner.model.result import Origin, Problem, Result
from kube_ecr_runner.telemetry.metrics import MAX_WORDS, Metrics

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)
KEY = Key(CLUSTER_KIND, "", "shared")
OK = {"operation": "ecr:GetAuthorizationToken", "code": "OK", "count": 2}


def told(calls: object, **event: object) -> list[AwsCallCount]:
    data = {"task": "Write the pull secrets", "res": {"calls": calls}}
    return AwsCallCount.from_event({"event": "runner_on_ok", "event_data": data} | event)


@pytest.mark.parametrize(
    ("calls", "expected"),
    [
        ([OK], [AwsCallCount("ecr:GetAuthorizationToken", "OK", 2)]),
        ([OK | {"operation": "canary text", "code": "<b>"}], [AwsCallCount("Other", "Other", 2)]),
        ([OK | {"operation": 1, "code": None}], [AwsCallCount("Other", "Other", 2)]),
        ([OK | {"count": count} for count in (0, -1, "2", None)], []),
        ("text", []),
        ([None, "x"], []),
        (None, []),
    ],
)
def test_calls_are_words_and_numbers_whatever_a_playbook_says(calls: object, expected: list[AwsCallCount]) -> None:
    assert told(calls) == expected


@pytest.mark.parametrize(
    "event", [{"event": "runner_retry"}, {"event_data": {"task": "Another", "res": {}}}, {"event_data": None}]
)
def test_other_events_tell_of_no_calls(event: dict) -> None:
    assert told([OK], **event) == []


def test_calls_add_up() -> None:
    metrics = Metrics()
    metrics.aws_called([AwsCallCount("sts:AssumeRole", "OK", 1), AwsCallCount("sts:AssumeRole", "OK", 2)])
    assert b'kube_ecr_aws_calls_total{code="OK",operation="sts:AssumeRole"} 3.0' in generate_latest(metrics.registry)


def test_words_from_outside_are_limited_in_form_and_number() -> None:
    metrics = Metrics()
    for reason in ("canary text", *(f"Word{number}" for number in range(MAX_WORDS + 10))):
        metrics.result_arrived(Result(KEY, "u", 1, problem=Problem(reason, "", Origin.RUN)))
    text = generate_latest(metrics.registry).decode()
    assert text.count("kube_ecr_results_total{") == MAX_WORDS
    assert 'kube_ecr_results_total{reason="Other"} 12.0' in text
    assert "canary" not in text


@pytest.mark.parametrize(
    ("due", "seconds"), [(NOW - timedelta(seconds=40), 40), (NOW + timedelta(seconds=40), 0), (None, 0)]
)
def test_what_waits_is_measured_at_the_time_of_asking(due: datetime | None, seconds: float) -> None:
    metrics = Metrics(lambda: NOW)
    metrics.queue_changed(1, due)
    assert metrics.registry.get_sample_value("kube_ecr_queue_oldest_wait_seconds") == seconds


def test_of_watches_of_one_kind_the_oldest_is_shown_and_no_name() -> None:
    metrics = Metrics()
    metrics.show_watches(lambda: {"secrets/canary": 5.0, "secrets/b": 7.0, "namespaces": 1.0})
    text = generate_latest(metrics.registry).decode()
    assert 'kube_ecr_watch_age_seconds{watch="secrets"} 7.0' in text
    assert 'kube_ecr_watch_age_seconds{watch="namespaces"} 1.0' in text
    assert "canary" not in text


def test_resource_has_a_series_for_its_pods_only_while_some_wait() -> None:
    metrics, labels = Metrics(), {"kind": CLUSTER_KIND, "namespace": "", "name": "shared"}

    def shown() -> list[float | None]:
        names = ("kube_ecr_pods_waiting", "kube_ecr_pods_without_pull_secret")
        return [metrics.registry.get_sample_value(name, labels) for name in names]

    assert shown() == [None, None]
    metrics.pods_waiting(KEY, 3, 0)
    assert shown() == [3, None]
    metrics.pods_waiting(KEY, 3, 2)
    assert shown() == [3, 2]
    metrics.pods_waiting(KEY, 0, 0)
    assert shown() == [None, None]
    metrics.pods_waiting(KEY, 1, 1)
    metrics.resource_gone(KEY)
    assert shown() == [None, None]


def test_a_replica_that_does_not_lead_says_nothing_of_resources() -> None:
    metrics = Metrics()
    metrics.resource_known(KEY, {"expiresAt": "2026-01-31T12:00:00Z"})
    metrics.pods_waiting(KEY, 1, 1)
    metrics.leads(False)
    text = generate_latest(metrics.registry).decode()
    assert "kube_ecr_leader 0.0" in text
    assert "shared" not in text
