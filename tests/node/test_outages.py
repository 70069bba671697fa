"""A runner that dies, hangs or has to leave its node: another one serves, without a word from anybody."""

from __future__ import annotations

import json
import signal

import pytest

from tests.node.conftest import Upgrade
from tests.node.runner_pods import RunnerPods
from tests.support.aws.endpoint import AWSEndpoint
from tests.support.cluster.control_plane import KubectlError
from tests.support.cluster.objects import NAMESPACED, Cluster, pull_secret


def assert_serves(cluster: Cluster, aws: AWSEndpoint) -> None:
    (team,) = cluster.namespaces("team")
    cluster.apply(pull_secret("app", aws.principal(), namespace=team))
    cluster.wait_ready(NAMESPACED, "app", team)


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP], ids=["killed", "hung"])
def test_the_only_runner(number: signal.Signals, cluster: Cluster, aws: AWSEndpoint, pods: RunnerPods) -> None:
    leader = pods.wait_leader()
    before = pods.restarts(leader)
    pods.signal(leader, number)
    cluster.wait(lambda: pods.restarts(leader) > before, "kubelet starts it again", timeout=120)
    assert_serves(cluster, aws)


@pytest.mark.slow
def test_the_only_runner_on_a_node_that_is_drained(cluster: Cluster, aws: AWSEndpoint, pods: RunnerPods) -> None:
    leader = pods.wait_leader()
    selector = "--pod-selector=app.kubernetes.io/name=kube-ecr-runner"
    cluster.kubectl("drain", "node", selector, "--delete-emptydir-data", "--timeout=60s")
    cluster.kubectl("uncordon", "node")
    assert pods.wait_leader(other_than=leader)
    assert_serves(cluster, aws)


@pytest.mark.slow
def test_one_of_two_runners(cluster: Cluster, aws: AWSEndpoint, pods: RunnerPods, upgrade: Upgrade) -> None:
    """One that hangs is followed by the other, one that is killed by its own successor in the same pod."""
    upgrade({"replicas": 2})
    hung = pods.wait_leader()
    pods.signal(hung, signal.SIGSTOP)
    try:
        killed = pods.wait_leader(other_than=hung)
    finally:
        pods.signal(hung, signal.SIGCONT)
    assert_serves(cluster, aws)
    before = pods.restarts(killed)
    pods.signal(killed, signal.SIGKILL)
    cluster.wait(lambda: pods.restarts(killed) > before, "kubelet starts it again")
    pods.wait_leader()
    assert_serves(cluster, aws)


@pytest.mark.slow
def test_two_runners_on_a_node_that_is_drained(
    cluster: Cluster, aws: AWSEndpoint, pods: RunnerPods, upgrade: Upgrade
) -> None:
    """There is no other node. So the budget keeps one of them until the node takes pods again."""
    upgrade({"replicas": 2, "podDisruptionBudget": {"enabled": True}})
    leader = pods.wait_leader()
    (other,) = set(pods.names()) - {leader}
    cluster.kubectl("cordon", "node")
    try:
        _evict(cluster, pods, leader)
        with pytest.raises(KubectlError, match="disruption budget"):
            _evict(cluster, pods, other)
        assert pods.wait_leader(other_than=leader) == other
        assert_serves(cluster, aws)
    finally:
        cluster.kubectl("uncordon", "node")
    cluster.wait(lambda: len(pods.names()) == 2 and pods.leader(), "two run again")


def _evict(cluster: Cluster, pods: RunnerPods, name: str) -> None:
    """Ask for what `kubectl drain` asks for, once."""
    metadata = {"name": name, "namespace": pods.release.namespace}
    body = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": metadata}
    path = f"/api/v1/namespaces/{pods.release.namespace}/pods/{name}/eviction"
    cluster.kubectl("create", "--raw", path, "-f", "-", stdin=json.dumps(body))
