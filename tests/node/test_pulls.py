"""Pods pull by what the runner writes, as kubelet and containerd read it."""

from __future__ import annotations

import base64
import json

import pytest

from tests.node.conftest import Upgrade
from tests.node.workloads import Workloads
from tests.support.aws.endpoint import AWSEndpoint
from tests.support.cluster.objects import CLUSTER, GROUP, NAMESPACED, Cluster, pull_secret


def test_a_pod_that_was_refused_runs_when_the_resource_is_there(
    cluster: Cluster, aws: AWSEndpoint, workloads: Workloads
) -> None:
    (team,) = cluster.namespaces("team")
    workloads.pod(team, "app", workloads.image(), "ecr-login")
    # As containerd 1 and 2 say it.
    workloads.wait_refused(team, "app", "401", "no basic auth credentials")
    cluster.apply(pull_secret("app", aws.principal(), namespace=team))
    cluster.wait_ready(NAMESPACED, "app", team)
    workloads.wait_running(team, "app")


def test_a_secret_that_is_renewed_in_place_starts_pods_though_its_token_is_dead(
    cluster: Cluster, aws: AWSEndpoint, workloads: Workloads
) -> None:
    """Kubelet notes with which Secret an image was pulled (KubeletEnsureSecretPulledImages, on since 1.35).

    https://kubernetes.io/docs/concepts/containers/images/#ensureimagepullcredentialverification
    """
    (team,) = cluster.namespaces("team")
    image = workloads.image()
    cluster.apply(pull_secret("app", aws.principal(), namespace=team))
    cluster.wait_ready(NAMESPACED, "app", team)
    workloads.pod(team, "first", image, "ecr-login")
    workloads.wait_running(team, "first")
    before = cluster.secret(team)
    cluster.annotate(NAMESPACED, "app", team, f"{GROUP}/reconcile-at", "now")
    cluster.wait(lambda: cluster.secret(team) != before, "the token is renewed")
    aws.expire_tokens()
    workloads.pod(team, "second", image, "ecr-login")
    workloads.wait_running(team, "second")


@pytest.mark.slow
def test_a_secret_that_is_deleted_and_made_again_does_not(
    cluster: Cluster, aws: AWSEndpoint, workloads: Workloads
) -> None:
    """What scripts do that know no patch; here with what the runner wrote elsewhere."""
    team, source = cluster.namespaces("team", "source")
    image = workloads.image()
    resource = pull_secret("app", aws.principal(), namespace=source)
    cluster.apply(resource)
    cluster.wait_ready(NAMESPACED, "app", source)
    _put(cluster, team, "by-script", cluster.config(source))
    workloads.pod(team, "first", image, "by-script")
    workloads.wait_running(team, "first")
    before = cluster.secret(source)
    cluster.annotate(NAMESPACED, "app", source, f"{GROUP}/reconcile-at", "now")
    cluster.wait(lambda: cluster.secret(source) != before, "the token is renewed")
    cluster.kubectl("delete", "secret", "by-script", "-n", team)
    _put(cluster, team, "by-script", cluster.config(source))
    aws.expire_tokens()
    workloads.pod(team, "second", image, "by-script")
    workloads.wait_refused(team, "second", "403")


@pytest.mark.slow
def test_another_spelling_of_the_host_does_not_stand_in_the_way(
    cluster: Cluster, aws: AWSEndpoint, workloads: Workloads
) -> None:
    """Kubelet would try both logins. One Secret of both spellings, the other dead, keeps working when ours is in it."""
    (team,) = cluster.namespaces("team")
    host = workloads.node.registry.hosts[0]
    stale = {"username": "AWS", "password": "dead", "auth": base64.b64encode(b"AWS:dead").decode()}
    other = {"username": "x", "password": "y", "auth": base64.b64encode(b"x:y").decode()}
    _put(cluster, team, "ecr-login", {"auths": {f"https://{host}": stale, "registry.example.com": other}})
    resource = pull_secret("app", aws.principal(), namespace=team)
    resource["spec"]["existingSecretPolicy"] = "Merge"
    cluster.apply(resource)
    cluster.wait_ready(NAMESPACED, "app", team)
    assert sorted(cluster.config(team)["auths"]) == [host, "registry.example.com"]
    workloads.pod(team, "app", workloads.image(), "ecr-login")
    workloads.wait_running(team, "app")


@pytest.mark.slow
@pytest.mark.parametrize("secrets", [["ecr-login"], []], ids=["named", "injected"])
def test_a_namespace_and_a_deployment_in_it_at_once(
    secrets: list[str], cluster: Cluster, aws: AWSEndpoint, workloads: Workloads
) -> None:
    """As a file with both is applied: the Secret comes by the label of the namespace.

    The Deployment names it; or the API server adds it to the pods, and nobody names it.
    """
    (team,) = cluster.names("team")
    resource = pull_secret("app", aws.principal())
    del resource["spec"]["namespaces"]
    resource["spec"]["namespaceSelector"] = {"matchLabels": {"ecr": "yes"}}
    resource["spec"]["podInjection"] = "Never" if secrets else "Ecr"
    cluster.apply(resource)
    cluster.wait_ready(CLUSTER, "app")
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": team, "labels": {"ecr": "yes"}}}
    cluster.apply(namespace, workloads.deployment(team, "app", workloads.image(), *secrets))
    cluster.kubectl("rollout", "status", "deployment/app", "-n", team, "--timeout=60s")


@pytest.mark.slow
def test_a_pod_that_waits_is_made_anew_when_its_secret_was_written(
    cluster: Cluster, aws: AWSEndpoint, workloads: Workloads, upgrade: Upgrade
) -> None:
    """Kubelet tries about 0, 15, 40 and 85 s after the start: whoever waits after the third attempt waits long."""
    upgrade({"runner": {"recoverPods": True}})
    (team,) = cluster.namespaces("team")
    cluster.apply(workloads.deployment(team, "app", workloads.image(), "ecr-login"))
    pods = ("get", "pods", "-n", team, "-o", "jsonpath={.items[*].metadata.uid}")
    failed = ("get", "events", "-n", team, "--field-selector=reason=Failed", "-o", "json")
    cluster.wait(lambda: _pull_failures(cluster.kubectl(*failed)) > 2, "kubelet has tried three times", timeout=90)
    before = cluster.kubectl(*pods)
    resource = pull_secret("app", aws.principal(), namespace=team)
    resource["spec"]["recoverPods"] = "Delete"
    cluster.apply(resource)
    cluster.kubectl("rollout", "status", "deployment/app", "-n", team, "--timeout=25s")
    cluster.wait(lambda: before not in cluster.kubectl(*pods), "the pod that waited is gone")
    recovered = ("get", "events", "-n", team, "--field-selector=reason=PodRecovered")
    told = cluster.kubectl(*recovered, "-o", "jsonpath={.items[*].involvedObject.kind}")
    assert told == "ReplicaSet"


def _pull_failures(events: str) -> int:
    """Return how often kubelet failed to pull, by its events, which count."""
    items = [each for each in json.loads(events)["items"] if "Failed to pull" in each["message"]]
    return sum(each.get("count") or 1 for each in items)


def _put(cluster: Cluster, namespace: str, name: str, config: dict) -> None:
    """Make a pull secret as `kubectl create secret` makes it."""
    secret = {
        "apiVersion": "v1",
        "kind": "Secret",
        "type": "kubernetes.io/dockerconfigjson",
        "metadata": {"name": name, "namespace": namespace},
        "stringData": {".dockerconfigjson": json.dumps(config)},
    }
    cluster.core.create_namespaced_secret(namespace, secret)
