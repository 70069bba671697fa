"""Pods that cannot pull: what the resources tell of them, and which are evicted when the Secret comes.

There is no kubelet, so the tests say what it would.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from kube_ecr_runner.cluster.client import Cluster as Connection
from kube_ecr_runner.model.waiting_pod import WaitingPod
from tests.e2e.test_runner_visible import samples
from tests.support.aws.endpoint import AWSEndpoint, Principal
from tests.support.cluster.objects import NAMESPACED, Cluster, condition, pull_secret
from tests.support.cluster.placement import grant
from tests.support.cluster.pods import guard, make_owner, make_stuck_pod, pods, read_pod, tell
from tests.support.harness.runner import Runner


@pytest.mark.slow
def test_pods_that_wait_are_told_in_status_column_and_metrics(
    cluster: Cluster, principal: Principal, start: Callable[..., Runner]
) -> None:
    own, other = cluster.namespaces("own", "other")
    cluster.apply(pull_secret("app", principal, namespace=own))
    runner = start()
    cluster.wait_ready(NAMESPACED, "app", own)
    image = f"{principal.registry()}/team/app:1"
    make_stuck_pod(cluster, own, "naming", image, "ecr-login")
    make_stuck_pod(cluster, own, "bare", image)
    make_stuck_pod(cluster, own, "foreign", "registry.example.com/app", "ecr-login")
    make_stuck_pod(cluster, other, "elsewhere", image, "ecr-login")

    def told() -> tuple[object, object, object]:
        resource = cluster.resource(NAMESPACED, "app", own)
        found = condition(resource, "PodsWaiting")
        return found.get("status"), found.get("reason"), resource["status"].get("podsWaiting")

    assert told() == (None, None, None)
    cluster.wait(lambda: told() == ("True", "PullSecretNotNamed", 2), "both pods are told")
    message = condition(cluster.resource(NAMESPACED, "app", own), "PodsWaiting")["message"]
    assert f"2 pods wait for an image of {principal.registry()}: {own}/bare, {own}/naming; " in message
    labels = (NAMESPACED, "app", own)
    assert samples(runner)["kube_ecr_pods_waiting"] == {labels: 2}
    assert samples(runner)["kube_ecr_pods_without_pull_secret"] == {labels: 1}
    head, row = cluster.kubectl("get", "aeps", "-n", own, "-o", "wide").splitlines()
    assert row[head.index("WAITING") :].split()[0] == "2"

    cluster.kubectl("delete", "pod", "bare", "-n", own)
    cluster.wait(lambda: told() == ("True", "ImagePullBackOff", 1), "the one that names the Secret is left")
    tell(cluster, own, "naming", "Running", {"running": {}})
    cluster.wait(lambda: told() == ("False", "NoPodWaits", None), "none waits any more")
    assert "kube_ecr_pods_waiting" not in samples(runner)
    assert condition(cluster.resource(NAMESPACED, "app", own), "Ready")["status"] == "True"


def test_runner_that_may_not_read_pods_serves_and_says_what_is_missing(
    cluster: Cluster, principal: Principal, start: Callable[..., Runner]
) -> None:
    (own,) = cluster.namespaces("own")
    user = f"no-pods-{own}"
    everything_else = [
        {"apiGroups": ["aws.zakariaamine.com"], "resources": ["*"], "verbs": ["*"]},
        {"apiGroups": ["events.k8s.io"], "resources": ["events"], "verbs": ["*"]},
        {"apiGroups": [""], "resources": ["namespaces", "secrets", "serviceaccounts"], "verbs": ["*"]},
    ]
    grant(cluster, user, everything_else)
    cluster.apply(pull_secret("app", principal, namespace=own))
    runner = start(K8S_AUTH_KUBECONFIG=str(cluster.plane.kubeconfig_for(user)))
    cluster.wait_ready(NAMESPACED, "app", own)
    assert runner.ask("/readyz") == runner.ask("/healthz") == (200, "ok\n")
    (line,) = (line for line in runner.log.splitlines() if "watch failed" in line)
    assert "which pods cannot pull is not told" in line
    assert "runner.watchPods=false" in line


@pytest.mark.slow
def test_pods_are_evicted_when_the_secret_that_they_name_was_written(
    cluster: Cluster, aws: AWSEndpoint, principal: Principal, start: Callable[..., Runner]
) -> None:
    """AWS refuses at first. Then the Secret comes, and of the pods that wait only those that it helps are evicted."""
    (own,) = cluster.namespaces("own")
    owner = make_owner(cluster, own)
    image = f"{principal.registry()}/team/app:1"
    for name in ("waits", "guarded"):
        make_stuck_pod(cluster, own, name, image, "ecr-login", owner=owner)
    make_stuck_pod(cluster, own, "alone", image, "ecr-login")
    make_stuck_pod(cluster, own, "bare", image, owner=owner)
    make_stuck_pod(cluster, own, "foreign", "registry.example.com/app", "ecr-login", owner=owner)
    guard(cluster, own, "guarded")
    resource = pull_secret("app", principal, namespace=own, registries=[principal.registry()])
    resource["spec"]["recoverPods"] = "Delete"
    everything = pods(cluster, own)

    aws.fail("AccessDeniedException", "no")
    cluster.apply(resource)
    runner = start("--recover-pods")
    cluster.wait_ready(NAMESPACED, "app", own, status="False")
    cluster.wait(lambda: told_pods(cluster, own) == 4, "they are told")
    assert pods(cluster, own) == everything
    aws.heal()
    cluster.annotate(NAMESPACED, "app", own, "aws.zakariaamine.com/reconcile-at", "now")
    cluster.wait_ready(NAMESPACED, "app", own)
    # A pod that is Pending is not available, so it is no budget's concern.
    cluster.wait(lambda: pods(cluster, own) == everything - {"waits", "guarded"}, "the Secret helps two of them")
    cluster.wait(lambda: told_pods(cluster, own) == 2, "the others wait")
    assert samples(runner)["kube_ecr_pods_recovered_total"] == {(): 2}
    reasons = [reason for reason, _ in cluster.events("app")]
    assert reasons.count("PodRecovered") == 2
    texts = [text for reason, text in cluster.events("app") if reason == "PodRecovered"]
    assert any(f"evicted pod waits, so that one that is made again pulls {image} at once" in text for text in texts)
    assert "cannot write to the API server" not in runner.log


def told_pods(cluster: Cluster, namespace: str) -> object:
    return cluster.resource(NAMESPACED, "app", namespace)["status"].get("podsWaiting")


def test_pod_that_has_changed_or_runs_by_now_is_not_evicted(cluster: Cluster) -> None:
    (own,) = cluster.namespaces("own")
    for name in ("changed", "runs", "gone"):
        make_stuck_pod(cluster, own, name, "registry.example.com/app", "ecr-login")
    guard(cluster, own, "runs")
    seen = {name: WaitingPod.parse(read_pod(cluster, own, name)) for name in ("changed", "runs", "gone")}
    cluster.kubectl("label", "pod", "changed", "-n", own, "a=b")
    cluster.kubectl("delete", "pod", "gone", "-n", own)
    tell(cluster, own, "runs", "Running", {"running": {}})
    seen["runs"] = replace(seen["runs"], version=read_pod(cluster, own, "runs")["metadata"]["resourceVersion"])
    connection = Connection.connect(cluster.kubeconfig, None, silence=90)
    assert [connection.evict_pod(pod) for pod in seen.values()] == [False, False, False]
    assert pods(cluster, own) == {"changed", "runs"}
    cluster.kubectl("delete", "pdb", "runs", "-n", own)
    assert connection.evict_pod(seen["runs"]), "it was the budget that was in the way"
