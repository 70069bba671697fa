"""docs/examples/mutating-admission-policy.yaml, in a real API server: which pods name the Secret afterwards."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from tests.conftest import ROOT
from tests.support.cluster.objects import Cluster

EXAMPLE = ROOT / "docs" / "examples" / "mutating-admission-policy.yaml"
OURS, OTHER = {"name": "ecr-login"}, {"name": "other"}


def created(cluster: Cluster, namespace: str, *secrets: dict[str, str]) -> list[dict[str, str]]:
    """Return the pull secrets of a pod that is created with these, without storing it."""
    spec = {"containers": [{"name": "app", "image": "app"}], "imagePullSecrets": secrets}
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "app", "namespace": namespace}, "spec": spec}
    text = cluster.kubectl("create", "--dry-run=server", "-o", "json", "-f", "-", stdin=json.dumps(pod))
    return json.loads(text)["spec"].get("imagePullSecrets", [])


@pytest.fixture
def namespace(cluster: Cluster) -> Iterator[str]:
    """A namespace with the label, in which the policy is in effect."""
    (name,) = cluster.namespaces("ecr")
    cluster.kubectl("label", "namespace", name, "ecr=yes")
    cluster.wait(lambda: cluster.kubectl("get", "sa", "default", "-n", name, "--ignore-not-found"), "it is made")
    cluster.kubectl("create", "-f", str(EXAMPLE))
    cluster.wait(lambda: created(cluster, name), "the API server has read the policy")
    yield name
    cluster.kubectl("delete", "-f", str(EXAMPLE))


def test_the_policy_adds_the_secret_once_to_pods_of_its_namespaces(cluster: Cluster, namespace: str) -> None:
    assert created(cluster, namespace) == [OURS]
    assert created(cluster, namespace, OTHER) == [OTHER, OURS]
    assert created(cluster, namespace, OURS) == [OURS]
    assert created(cluster, namespace, OURS, OTHER) == [OURS, OTHER]
    cluster.core.patch_namespaced_service_account("default", namespace, {"imagePullSecrets": [OTHER]})
    cluster.wait(lambda: created(cluster, namespace) == [OTHER, OURS], "what its service account has is there, too")
    (elsewhere,) = cluster.namespaces("other")
    cluster.wait(lambda: cluster.kubectl("get", "sa", "default", "-n", elsewhere, "--ignore-not-found"), "it is made")
    assert created(cluster, elsewhere) == []
