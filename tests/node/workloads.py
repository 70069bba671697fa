"""Pods and Deployments of images in the registry, and what becomes of them."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

from tests.support.cluster.objects import Cluster
from tests.support.node.cluster import NodeCluster

_counter: Iterator[int] = itertools.count(1)


@dataclass(frozen=True)
class Workloads:
    """Pods of one node."""

    cluster: Cluster
    node: NodeCluster

    def image(self) -> str:
        """Put an image into the registry that the node has never seen; return its full name."""
        host, image = self.node.registry.hosts[0], f"team/app-{next(_counter)}:1"
        self.node.push(host, image)
        return f"{host}/{image}"

    def pod(self, namespace: str, name: str, image: str, *secrets: str, policy: str = "IfNotPresent") -> None:
        """Make a pod that pulls an image with these pull secrets."""
        metadata = {"name": name, "namespace": namespace}
        self.cluster.apply(
            {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": _spec(image, secrets, policy)}
        )

    def deployment(self, namespace: str, name: str, image: str, *secrets: str) -> dict:
        """Return a Deployment of one pod that pulls an image with these pull secrets."""
        labels = {"app": name}
        return {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": name, "namespace": namespace},
            "spec": {
                "selector": {"matchLabels": labels},
                "template": {"metadata": {"labels": labels}, "spec": _spec(image, secrets, "IfNotPresent")},
            },
        }

    def runs(self, namespace: str, name: str) -> bool:
        """Return whether a pod is Ready."""
        return self._status(namespace, name, '{.status.conditions[?(@.type=="Ready")].status}') == "True"

    def wait_running(self, namespace: str, name: str) -> None:
        """Wait until a pod is Ready."""
        self.cluster.wait(lambda: self.runs(namespace, name), f"pod {namespace}/{name} runs")

    def wait_refused(self, namespace: str, name: str, *words: str) -> None:
        """Wait until the image of a pod is refused in some of these words."""
        what = f"pod {namespace}/{name} is refused: {' or '.join(words)}"
        try:
            self.cluster.wait(lambda: any(each in self._pull_errors(name) for each in words), what)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self._pull_errors(name)}") from None

    def _pull_errors(self, name: str) -> str:
        return "\n".join(text for reason, text in self.cluster.events(name) if reason == "Failed")

    def _status(self, namespace: str, name: str, path: str) -> str:
        return self.cluster.kubectl("get", "pod", name, "-n", namespace, "-o", f"jsonpath={path}")


def _spec(image: str, secrets: tuple[str, ...], policy: str) -> dict:
    container = {"name": "app", "image": image, "imagePullPolicy": policy}
    pull_secrets = [{"name": secret} for secret in secrets]
    return {"terminationGracePeriodSeconds": 1, "containers": [container], "imagePullSecrets": pull_secrets}
