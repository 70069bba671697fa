"""What the tests on a node share: one cluster of one node, in which everything runs as pods of real images.

They run inside of a sandbox only (`make node-tests`); elsewhere pytest does not collect them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest

from tests.node.runner_pods import RunnerPods
from tests.node.workloads import Workloads
from tests.support.aws.endpoint import AWSEndpoint
from tests.support.cluster.control_plane import ControlPlane
from tests.support.cluster.objects import Cluster
from tests.support.harness.helm import Release
from tests.support.node import sandbox
from tests.support.node.cluster import NodeCluster, chart_values

Upgrade = Callable[[Mapping[str, Any]], None]

if not sandbox.is_inside():
    collect_ignore_glob = ["test_*.py"]


@pytest.fixture(scope="session")
def node() -> Iterator[NodeCluster]:
    """The cluster, with nothing of ours in it."""
    with NodeCluster() as cluster:
        yield cluster


@pytest.fixture(scope="session")
def control_plane(node: NodeCluster) -> ControlPlane:
    """The control plane, whose CRDs come with the chart."""
    return node.plane


@pytest.fixture(scope="session")
def _endpoint(node: NodeCluster) -> AWSEndpoint:
    return node.aws


@pytest.fixture(scope="module")
def release(node: NodeCluster) -> Iterator[Release]:
    """The chart, installed with default values in a namespace that enforces Pod Security `restricted`."""
    namespace = "kube-ecr"
    node.plane.kubectl("create", "namespace", namespace)
    node.plane.kubectl("label", "namespace", namespace, "pod-security.kubernetes.io/enforce=restricted")
    release = Release(node.plane, namespace)
    release.upgrade(chart_values(node), "--wait", "--timeout=60s")
    yield release
    release.uninstall()
    node.plane.kubectl("delete", "namespace", namespace)


@pytest.fixture
def cluster(release: Release, cluster: Cluster) -> Cluster:
    """The cluster with a runner in it, cleared of the test's custom resources and namespaces afterwards."""
    return cluster


@pytest.fixture
def pods(cluster: Cluster, release: Release, node: NodeCluster) -> RunnerPods:
    """The pods of the runner."""
    return RunnerPods(cluster, release, node.node.directory / "kubelet")


@pytest.fixture
def upgrade(node: NodeCluster, release: Release) -> Iterator[Upgrade]:
    """Upgrades the release to other values, and back at the end."""

    def to(values: Mapping[str, Any]) -> None:
        default = chart_values(node)
        runner = {**default["runner"], **values.get("runner", {})}
        release.upgrade({**default, **values, "runner": runner}, "--wait", "--timeout=90s")

    yield to
    to({})


@pytest.fixture
def workloads(cluster: Cluster, node: NodeCluster) -> Workloads:
    """Makes pods and looks at them."""
    return Workloads(cluster, node)
