"""Pods that cannot pull: what the resources tell of them. There is no kubelet, so the tests say what it would."""

from __future__ import annotations

from collections.abc import Callable

from tests.e2e.test_runner_visible import samples
from tests.support.aws.endpoint import Principal
from tests.support.cluster.objects import NAMESPACED, Cluster, condition, pull_secret
from tests.support.cluster.placement import grant
from tests.support.cluster.pods import make_stuck_pod, tell
from tests.support.harness.runner import Runner


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
