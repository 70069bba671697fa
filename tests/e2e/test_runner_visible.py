"""What an operator of a cluster sees of the runner: probes, metrics, logs, and events that are counted."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from datetime import UTC, datetime

from prometheus_client.parser import text_string_to_metric_families

from kube_ecr_runner.cluster.client import Cluster as Connection
from kube_ecr_runner.contract.timestamps import parse_time
from kube_ecr_runner.model.event import Event
from kube_ecr_runner.model.resource import Resource
from tests.support.aws.endpoint import AWSEndpoint, Principal
from tests.support.cluster.objects import NAMESPACED, Cluster, pull_secret
from tests.support.harness.ansible import Ansible
from tests.support.harness.runner import WATCHES, Runner

OPERATION = "ecr:GetAuthorizationToken"


def samples(runner: Runner) -> dict[str, dict[tuple[str, ...], float]]:
    """Return the values of each metric by those of its labels."""
    found: dict[str, dict[tuple[str, ...], float]] = {}
    for family in text_string_to_metric_families(runner.ask("/metrics")[1]):
        for each in family.samples:
            found.setdefault(each.name, {})[tuple(each.labels.values())] = each.value
    return found


def start_another(runner: Runner, ansible: Ansible) -> subprocess.CompletedProcess[str]:
    """Start a runner on the port of this one, which it cannot have."""
    command = [str(ansible.bin_dir / "kube-ecr-runner"), "--watches", str(WATCHES), "--listen-address", runner.address]
    return subprocess.run(command, env=ansible.environment(), capture_output=True, text=True, timeout=30)


def test_probes_metrics_and_logs_tell_what_is_and_no_secret(
    cluster: Cluster, aws: AWSEndpoint, principal: Principal, start: Callable[..., Runner], ansible: Ansible
) -> None:
    """AWS throttles two attempts, then serves one resource and refuses the other; the first one goes in the end."""
    own, other = cluster.namespaces("own", "other")
    wrong = Principal(principal.access_key, "canary-secret", principal.account)
    cluster.apply(pull_secret("good", principal, namespace=own), pull_secret("bad", wrong, namespace=other))
    aws.fail("ThrottlingException", "Rate exceeded", times=2)
    runner = start("--log-format", "json")
    good = cluster.wait_ready(NAMESPACED, "good", own)
    cluster.wait_ready(NAMESPACED, "bad", other, status="False")
    password = cluster.config(own)["auths"][principal.registry()]["password"]
    cluster.wait(lambda: "kube_ecr_runs_total" in samples(runner), "a run has ended")
    assert runner.ask("/healthz") == runner.ask("/readyz") == (200, "ok\n")

    found = samples(runner)
    good_one, bad_one = (NAMESPACED, "good", own), (NAMESPACED, "bad", other)
    expires_at = parse_time(good["status"]["expiresAt"])
    assert expires_at
    assert found["kube_ecr_secret_expiry_timestamp_seconds"] == {good_one: expires_at.timestamp()}
    assert found["kube_ecr_resource_ready"] == {good_one: 1, bad_one: 0}
    assert found["kube_ecr_resource_refresh_failing"] == {good_one: 0, bad_one: 1}
    assert found["kube_ecr_results_total"].keys() == {("Succeeded",), ("InvalidSignatureException",)}
    calls = dict(found["kube_ecr_aws_calls_total"])
    assert calls.pop(("InvalidSignatureException", OPERATION)) >= 1
    assert calls == {("OK", OPERATION): 1, ("ThrottlingException", OPERATION): 2}
    watches = {"namespaces", "secrets", "awsecrimagepullsecrets.aws.zakariaamine.com"}
    assert {(each,) for each in watches} <= found["kube_ecr_watch_age_seconds"].keys()

    taken = start_another(runner, ansible)
    assert taken.returncode == 2
    assert "Address already in use; set --listen-address" in taken.stderr
    assert len(taken.stderr.splitlines()) == 1

    shown = runner.ask("/metrics")[1]
    cluster.delete(NAMESPACED, "good", own)
    cluster.wait(lambda: samples(runner)["kube_ecr_resource_ready"].keys() == {bad_one}, "it is not measured any more")
    assert "kube_ecr_secret_expiry_timestamp_seconds" not in samples(runner)

    assert runner.stop() == 0
    lines = [json.loads(line) for line in runner.log.splitlines()]
    assert all({"time", "level", "message"} <= each.keys() for each in lines)
    (ready,) = (each for each in lines if each["message"] == "ready")
    assert ready["resource"] == f"{NAMESPACED}/{own}/good"
    assert ready["run"] in {each["run"] for each in lines if each["message"] == "run ended"}
    for secret in (principal.secret_key, principal.access_key, "canary", password[-40:]):
        assert secret not in shown + runner.log


def test_event_that_happens_again_is_one_event_with_a_count(
    cluster: Cluster, principal: Principal, ansible: Ansible
) -> None:
    (own,) = cluster.namespaces("own")
    cluster.apply(pull_secret("app", principal, namespace=own))
    resource = Resource.parse(cluster.resource(NAMESPACED, "app", own))
    connection, now = Connection.connect(cluster.kubeconfig, None, silence=90), datetime.now(UTC)
    name = connection.create_event(resource, Event("Warning", "GetAWSAuthTokenFailed", "no"), now)
    assert connection.repeat_event(resource, name, 2, now)
    assert connection.repeat_event(resource, name, 7, now)
    described = cluster.kubectl("describe", "aeps", "app", "-n", own)
    (line,) = (line for line in described.splitlines() if "GetAWSAuthTokenFailed" in line)
    assert "(x7 over" in line
    cluster.kubectl("delete", "event", name, "-n", own)
    assert not connection.repeat_event(resource, name, 8, now)
