"""Pods without a node: the tests say what kubelet would."""

from __future__ import annotations

import json

from tests.support.cluster.objects import Cluster

_REFUSED = "failed to pull and unpack image: failed to resolve reference: unexpected status: 401 Unauthorized"


def make_owner(cluster: Cluster, namespace: str, name: str = "app") -> dict:
    """Make a ReplicaSet, whose controller does not run here; return the owner reference of its pods."""
    labels = {"app": name}
    spec = {"containers": [{"name": "app", "image": "app"}]}
    replica_set = {
        "apiVersion": "apps/v1",
        "kind": "ReplicaSet",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"selector": {"matchLabels": labels}, "template": {"metadata": {"labels": labels}, "spec": spec}},
    }
    cluster.apply(replica_set)
    uid = cluster.kubectl("get", "replicaset", name, "-n", namespace, "-o", "jsonpath={.metadata.uid}")
    return {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": name, "uid": uid, "controller": True}


def make_stuck_pod(
    cluster: Cluster, namespace: str, name: str, image: str, *pull_secrets: str, owner: dict | None = None
) -> None:
    """Make a pod that waits for its image, as kubelet says."""
    cluster.wait_account(namespace)
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": name,
            "namespace": namespace,
            "labels": {"app": name},
            "ownerReferences": [owner] if owner else [],
        },
        "spec": {
            "containers": [{"name": "app", "image": image}],
            "imagePullSecrets": [{"name": each} for each in pull_secrets],
        },
    }
    cluster.kubectl("create", "-f", "-", stdin=json.dumps(pod))
    tell(cluster, namespace, name, "Pending", {"waiting": {"reason": "ImagePullBackOff", "message": _REFUSED}})


def tell(cluster: Cluster, namespace: str, name: str, phase: str, state: dict) -> None:
    """Say how a pod is."""
    container = {"name": "app", "image": "app", "imageID": "", "ready": False, "restartCount": 0, "state": state}
    patch = json.dumps({"status": {"phase": phase, "containerStatuses": [container]}})
    cluster.kubectl("patch", "pod", name, "-n", namespace, "--subresource=status", "--type=merge", f"--patch={patch}")


def pods(cluster: Cluster, namespace: str) -> set[str]:
    """Return the names of the pods in a namespace."""
    return set(cluster.kubectl("get", "pods", "-n", namespace, "-o", "jsonpath={.items[*].metadata.name}").split())


def read_pod(cluster: Cluster, namespace: str, name: str) -> dict:
    """Return a pod as the API server holds it."""
    return json.loads(cluster.kubectl("get", "pod", name, "-n", namespace, "-o", "json"))


def guard(cluster: Cluster, namespace: str, name: str) -> None:
    """Give a pod a disruption budget that allows nothing; its controller does not run here."""
    budget = {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"maxUnavailable": 0, "selector": {"matchLabels": {"app": name}}},
    }
    cluster.apply(budget)
    numbers = {"disruptionsAllowed": 0, "currentHealthy": 0, "desiredHealthy": 1, "expectedPods": 1}
    patch = json.dumps({"status": {"observedGeneration": 1, **numbers}})
    cluster.kubectl("patch", "pdb", name, "-n", namespace, "--subresource=status", "--type=merge", f"--patch={patch}")
