"""Pods pull by what the runner writes."""

from __future__ import annotations

from tests.node.workloads import Workloads
from tests.support.aws.endpoint import AWSEndpoint
from tests.support.cluster.objects import NAMESPACED, Cluster, pull_secret


def test_a_pod_that_was_refused_runs_when_the_resource_is_there(
    cluster: Cluster, aws: AWSEndpoint, workloads: Workloads
) -> None:
    (team,) = cluster.namespaces("team")
    workloads.pod(team, "app", workloads.image(), "ecr-login")
    workloads.wait_refused(team, "app", "401")
    cluster.apply(pull_secret("app", aws.principal(), namespace=team))
    cluster.wait_ready(NAMESPACED, "app", team)
    workloads.wait_running(team, "app")
