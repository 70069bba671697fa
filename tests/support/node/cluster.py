"""A whole cluster of one node: control plane, AWS endpoint, registry, node, and the product's image on it.

`make node` opens a shell in one.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from tests.support.aws.endpoint import AWSEndpoint
from tests.support.cluster.control_plane import kubectl_path
from tests.support.harness.processes import Service, StartError, wait_for_signal
from tests.support.harness.tools import HELM, ToolError, go_tool
from tests.support.node import network, sandbox
from tests.support.node.images import PRODUCT, busybox_image
from tests.support.node.node import Node, NodeControlPlane
from tests.support.registry.server import Registry


class NodeCluster(Service):
    """A cluster that runs pods, from `start()` to `stop()`, or as a context manager; only inside of a sandbox."""

    plane: NodeControlPlane
    aws: AWSEndpoint
    registry: Registry
    node: Node

    def __init__(self) -> None:
        self._stack = ExitStack()

    def stop(self) -> None:
        """End all parts, the last started first."""
        self._stack.close()

    def push(self, host: str, image: str) -> None:
        """Put an image that runs until it is told to stop at HOST/IMAGE; each is another one."""
        with tempfile.TemporaryDirectory() as scratch:
            archive = Path(scratch, "image.tar")
            busybox_image(archive, f"{host}/{image}")
            self.registry.push_archive(host, image, archive)

    def _start(self) -> None:
        home = sandbox.directory()
        enter = self._stack.enter_context
        network.set_up(home / "cni")
        self.plane = enter(NodeControlPlane(home / "control-plane"))
        self.aws = enter(AWSEndpoint(address=network.SERVICE_ADDRESS))
        self.registry = enter(Registry(self.aws.url))
        env = self.registry.client_env(home)
        self.node = enter(Node(self.plane, home, env))
        self.node.load(sandbox.image_archive())


def chart_values(cluster: NodeCluster) -> dict[str, Any]:
    """Return the chart's values that every installation on the node needs: its image, and where AWS is."""
    repository, _, tag = PRODUCT.rpartition(":")
    registry, _, repository = repository.partition("/")
    image = {"registry": registry, "repository": repository, "tag": tag, "pullPolicy": "Never"}
    return {"image": image, "runner": {"awsEndpointUrl": cluster.aws.url}}


def programs(cluster: NodeCluster) -> str:
    """Return a PATH with kubectl, helm and crane on it."""
    found = (kubectl_path(), go_tool(HELM), cluster.registry.client_path)
    return os.pathsep.join([*(str(path.parent) for path in found), os.environ["PATH"]])


def open_shell(cluster: NodeCluster) -> None:
    """Let a person work in the cluster until the shell ends, or without a terminal until Ctrl-C."""
    if not sys.stdin.isatty():
        wait_for_signal()
        return
    env = {**os.environ, "KUBECONFIG": str(cluster.plane.kubeconfig), "PATH": programs(cluster)}
    # kubectl and helm reach the API server without the way to the registry.
    env |= {**cluster.registry.client_env(cluster.node.directory), "NO_PROXY": network.SERVICE_ADDRESS}
    subprocess.run([os.environ.get("SHELL", "/bin/sh")], env=env)


def main() -> None:
    """Run a cluster for play."""
    try:
        with NodeCluster() as cluster:
            print(_introduction(cluster), flush=True)
            open_shell(cluster)
    except (ToolError, StartError) as error:
        raise SystemExit(f"error: {error}") from None


def _introduction(cluster: NodeCluster) -> str:
    """Return what to try."""
    principal, host = cluster.aws.principal(), cluster.registry.hosts[0]
    cluster.push(host, "team/app:1.0")
    values = json.dumps(chart_values(cluster))
    return f"""
A cluster of one node is up: {cluster.plane.url}. This shell is in its network; exit ends all of it.

  kubectl get nodes
  helm install kube-ecr-runner chart --namespace kube-ecr --create-namespace --wait --values - <<<'{values}'
  kubectl create deployment app --image={host}/team/app:1.0

The registry {host} takes the tokens of {cluster.aws.url}, which knows one IAM user:
  accessKeyId: {principal.access_key}
  secretAccessKey: {principal.secret_key}
docs/examples has custom resources for these keys. Then: kubectl get aeps -A
"""


if __name__ == "__main__":
    main()
