"""The chart on a node: installed, tested, upgraded, as a CronJob, as plain manifests, and removed."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
import yaml

from tests.node.conftest import Upgrade
from tests.node.runner_pods import RunnerPods
from tests.support.aws.endpoint import AWSEndpoint
from tests.support.cluster.objects import NAMESPACED, Cluster, pull_secret
from tests.support.harness.helm import Release, run_helm
from tests.support.node.cluster import NodeCluster, chart_values
from tests.tools.manifests import FILES

# The first of the users that OpenShift gave a namespace, which its pods have by the constraints restricted-v2.
_OF_NAMESPACE = 1000680000


def warnings(cluster: Cluster, namespace: str) -> list[str]:
    found = json.loads(cluster.kubectl("get", "events", "-n", namespace, "--field-selector=type=Warning", "-o", "json"))
    return [f"{each['reason']}: {each['message']}" for each in found["items"]]


def test_it_is_ready_under_pod_security_restricted_without_a_warning(cluster: Cluster, release: Release) -> None:
    """The fixture waits until it is Ready."""
    assert warnings(cluster, release.namespace) == []
    labels = json.loads(cluster.kubectl("get", "namespace", release.namespace, "-o", "json"))["metadata"]["labels"]
    assert labels["pod-security.kubernetes.io/enforce"] == "restricted"


def test_helm_test_passes_and_leaves_no_pod(cluster: Cluster, release: Release) -> None:
    said = run_helm(
        "test", release.name, f"--namespace={release.namespace}", "--logs", kubeconfig=release.plane.kubeconfig
    )
    assert "Succeeded" in said
    assert "POD LOGS" in said


def test_an_upgrade_serves_on(cluster: Cluster, aws: AWSEndpoint, pods: RunnerPods, upgrade: Upgrade) -> None:
    before = pods.wait_leader()
    upgrade({"replicas": 1, "podAnnotations": {"upgraded": "yes"}})
    assert pods.wait_leader(other_than=before)
    (team,) = cluster.namespaces("team")
    cluster.apply(pull_secret("app", aws.principal(), namespace=team))
    cluster.wait_ready(NAMESPACED, "app", team)


@pytest.mark.slow
def test_it_serves_as_the_user_that_openshift_gives_its_namespace(
    cluster: Cluster, aws: AWSEndpoint, pods: RunnerPods, upgrade: Upgrade
) -> None:
    """One that the image does not know. The group is 0 then, and volumes have a group of the same number."""
    before = pods.wait_leader()
    upgrade({"securityContext": {"runAsUser": _OF_NAMESPACE}, "podSecurityContext": {"fsGroup": _OF_NAMESPACE}})
    leader = pods.wait_leader(other_than=before)
    (team,) = cluster.namespaces("team")
    cluster.apply(pull_secret("app", aws.principal(), namespace=team))
    cluster.wait_ready(NAMESPACED, "app", team)
    assert pods.ids(leader) == {(_OF_NAMESPACE, 0)}


@pytest.mark.slow
def test_a_cron_job_makes_passes(cluster: Cluster, aws: AWSEndpoint, release: Release, upgrade: Upgrade) -> None:
    upgrade({"mode": "cronjob"})
    (team,) = cluster.namespaces("team")
    cluster.apply(pull_secret("app", aws.principal(), namespace=team))
    within = ("-n", release.namespace)
    cluster.kubectl("create", "job", "now", f"--from=cronjob/{release.name}", *within)
    cluster.kubectl("wait", "--for=condition=Complete", "job/now", "--timeout=60s", *within)
    cluster.wait_ready(NAMESPACED, "app", team)
    cluster.kubectl("delete", "job", "now", *within)


def test_the_release_leaves_nothing(
    cluster: Cluster, release: Release, node: NodeCluster, pods: RunnerPods, installed_again: None
) -> None:
    pods.wait_leader()
    release.uninstall()
    wait_for_nothing(cluster, release, pods)


@pytest.mark.slow
def test_the_manifests_do_the_same(
    cluster: Cluster, aws: AWSEndpoint, release: Release, node: NodeCluster, pods: RunnerPods, installed_again: None
) -> None:
    release.uninstall()
    wait_for_nothing(cluster, release, pods)
    manifests = list(_with_image(_manifests(), chart_values(node)))
    cluster.kubectl("apply", "--server-side", "-f", "-", stdin=yaml.safe_dump_all(manifests))
    try:
        pods.wait_leader()
        (team,) = cluster.namespaces("team")
        cluster.apply(pull_secret("app", aws.principal(), namespace=team))
        cluster.wait_ready(NAMESPACED, "app", team)
    finally:
        ours = [each for each in manifests if each["kind"] not in ("CustomResourceDefinition", "Namespace")]
        cluster.kubectl("delete", "--wait", "-f", "-", stdin=yaml.safe_dump_all(ours))
    wait_for_nothing(cluster, release, pods)


def wait_for_nothing(cluster: Cluster, release: Release, pods: RunnerPods) -> None:
    """Wait until nothing is left in the namespace but what Kubernetes puts into each."""
    cluster.wait(lambda: pods.names() == [], "its pods are gone")
    command = ("get", "all,lease,configmap,role,rolebinding", "-n", release.namespace, "-o", "name")
    cluster.wait(
        lambda: cluster.kubectl(*command).split() == ["configmap/kube-root-ca.crt"],
        f"nothing is left in the namespace {release.namespace}",
    )


@pytest.fixture
def installed_again(release: Release, node: NodeCluster) -> Iterator[None]:
    """The release, for the tests that follow."""
    yield
    release.upgrade(chart_values(node), "--wait", "--timeout=60s", "--take-ownership", "--force-conflicts")


def _manifests() -> str:
    """Return what is applied to a cluster that knows policies for pods."""
    return "".join((FILES / name).read_text() for name in ("manifests.yaml", "pod-injection.yaml"))


def _with_image(text: str, values: dict) -> list[dict]:
    """Return the manifests with the image of the node, and the endpoint that AWS is at there."""
    manifests = [each for each in yaml.safe_load_all(text) if each]
    (deployment,) = (each for each in manifests if each["kind"] == "Deployment")
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    image = values["image"]
    container["image"] = f"{image['registry']}/{image['repository']}:{image['tag']}"
    container["imagePullPolicy"] = image["pullPolicy"]
    container["env"].append({"name": "KUBE_ECR_AWS_ENDPOINT_URL", "value": values["runner"]["awsEndpointUrl"]})
    return manifests
