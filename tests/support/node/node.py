"""The parts of a node, containerd, kubelet and the scheduler, beside a control plane that knows how to use one.

They are started inside of a sandbox, see sandbox.py, and end with it.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping
from pathlib import Path

from tests.support.cluster.control_plane import ControlPlane
from tests.support.harness.processes import Child, Service
from tests.support.harness.tools import go_tool
from tests.support.node.images import PAUSE, busybox_image
from tests.support.node.network import NODE_ADDRESS, SERVICE_ADDRESS
from tests.support.node.requirements import CNI_PLUGINS, cgroup_hierarchies
from tests.support.node.sandbox import cgroup_of

NAME = "node"
_SECONDS = 60.0
_CONTROLLERS = (
    "root-ca-certificate-publisher-controller",
    "deployment-controller",
    "replicaset-controller",
    "job-controller",
    "cronjob-controller",
    "disruption-controller",
    "pod-garbage-collector-controller",
    # Without it the node keeps the taint not-ready.
    "node-lifecycle-controller",
)


class NodeControlPlane(ControlPlane):
    """A control plane that pods reach, at the address of the Service `kubernetes`."""

    address = SERVICE_ADDRESS
    more_controllers = _CONTROLLERS

    def _ports(self) -> tuple[int, int, int]:
        etcd_port, peer_port, _ = super()._ports()
        return etcd_port, peer_port, 443

    def _api_server_flags(self, api_port: int) -> dict[str, str]:
        kubelet = self.ca.client("kube-apiserver-kubelet-client", ["system:masters"])
        return super()._api_server_flags(api_port) | {
            "authorization-mode": "Node,RBAC",
            "enable-admission-plugins": "NodeRestriction",
            "allow-privileged": "true",
            # For `kubectl logs` and `exec`.
            "kubelet-client-certificate": str(self.write("kubelet-client.crt", kubelet.public)),
            "kubelet-client-key": str(self.write("kubelet-client.key", kubelet.key)),
            "kubelet-preferred-address-types": "InternalIP",
        }

    def _controller_manager_flags(self) -> dict[str, str]:
        return super()._controller_manager_flags() | {"root-ca-file": str(self.directory / "ca.crt")}


class Node(Service):
    """A node that runs pods, from `start()` to `stop()`, or as a context manager.

    `env` is what containerd pulls with: proxy and certificates of a registry.
    """

    def __init__(self, plane: NodeControlPlane, directory: Path, env: Mapping[str, str]) -> None:
        self.plane = plane
        self.directory = directory
        self._env = dict(env)
        self._children: list[Child] = []

    @property
    def socket(self) -> Path:
        """Where containerd listens."""
        return self.directory / "containerd.sock"

    def stop(self) -> None:
        """End the parts, the last started first. Containers go on until the sandbox ends."""
        while self._children:
            self._children.pop().stop()

    def load(self, archive: Path) -> None:
        """Import an archive of images into containerd."""
        self.ctr("images", "import", "--no-unpack", str(archive))

    def ctr(self, *arguments: str) -> str:
        """Run containerd's client and return what it says."""
        command = ["ctr", f"--address={self.socket}", "--namespace=k8s.io", *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout

    def restart_kubelet(self) -> None:
        """End kubelet and start it again. Pods go on; it asks for the tokens of their service accounts anew."""
        ended = next(child for child in self._children if child.name == "kubelet")
        ended.stop()
        self._children.remove(ended)
        self._start_kubelet()

    def _start(self) -> None:
        self.directory.mkdir(parents=True, exist_ok=True)
        self._start_containerd()
        pause = self.directory / "pause.tar"
        busybox_image(pause, PAUSE)
        self.load(pause)
        self._start_kubelet()
        scheduler = {"kubeconfig": self.plane.kubeconfig, "leader-elect": "false", "secure-port": "0"}
        self._children.append(self._part("kube-scheduler", scheduler))

    def _is_ready(self) -> bool:
        path = '{.items[*].status.conditions[?(@.type=="Ready")].status}:{.items[*].spec.taints}'
        return self.plane.kubectl("get", "nodes", "-o", f"jsonpath={path}") == "True:"

    def _start_containerd(self) -> None:
        cri = "io.containerd.grpc.v1.cri"
        # As TOML, of which JSON's strings are a part.
        settings = f"""
version = 2
root = {_quoted(self.directory / "containerd")}
state = {_quoted(self.directory / "containerd-state")}
[grpc]
address = {_quoted(self.socket)}
[plugins."{cri}"]
sandbox_image = {_quoted(PAUSE)}
restrict_oom_score_adj = true
[plugins."{cri}".cni]
bin_dir = {_quoted(CNI_PLUGINS)}
conf_dir = {_quoted(self.directory / "cni")}
[plugins."{cri}".containerd.runtimes.runc]
runtime_type = "io.containerd.runc.v2"
[plugins."{cri}".containerd.runtimes.runc.options]
SystemdCgroup = false
"""
        config = self.plane.write("containerd.toml", settings.encode())
        command = ["containerd", f"--config={config}"]
        containerd = Child("containerd", command, self.directory / "containerd.log", self._env)
        self._children.append(containerd)
        containerd.wait_until(self._answers, "it answers", _SECONDS)

    def _answers(self) -> bool:
        try:
            self.ctr("version")
        except subprocess.CalledProcessError:
            return False
        return True

    def _start_kubelet(self) -> None:
        identity = self.plane.kubeconfig_for(f"system:node:{NAME}", ["system:nodes"])
        serving = self.plane.ca.server("kubelet", [NODE_ADDRESS])
        group = cgroup_of(self.directory)
        for hierarchy in cgroup_hierarchies():
            (hierarchy / group).mkdir(exist_ok=True)
        config = {
            "apiVersion": "kubelet.config.k8s.io/v1beta1",
            "kind": "KubeletConfiguration",
            "containerRuntimeEndpoint": f"unix://{self.socket}",
            "authentication": {
                "anonymous": {"enabled": False},
                "webhook": {"enabled": True},
                "x509": {"clientCAFile": str(self.plane.directory / "ca.crt")},
            },
            "authorization": {"mode": "Webhook"},
            "tlsCertFile": str(self.plane.write("kubelet.crt", serving.public)),
            "tlsPrivateKeyFile": str(self.plane.write("kubelet.key", serving.key)),
            "cgroupDriver": "cgroupfs",
            # Kubelet ends what it finds below /kubepods and does not know: another kubelet's pods, too.
            "cgroupRoot": f"/{group}",
            "failCgroupV1": False,
            "failSwapOn": False,
            "localStorageCapacityIsolation": False,
            "evictionHard": {"memory.available": "10Mi"},
            "enforceNodeAllocatable": ["pods"],
            "resolvConf": "",
            # Nothing answers there. But without an address each pod gets a warning.
            "clusterDNS": [NODE_ADDRESS],
            "healthzPort": 0,
            "imageGCHighThresholdPercent": 100,
        }
        flags = {
            "config": self.plane.write("kubelet.json", json.dumps(config).encode()),
            "kubeconfig": identity,
            "root-dir": self.directory / "kubelet",
            "hostname-override": NAME,
            "node-ip": NODE_ADDRESS,
        }
        kubelet = self._part("kubelet", flags)
        self._children.append(kubelet)
        kubelet.wait_until(self._is_ready, "the node is Ready", _SECONDS)

    def _part(self, name: str, flags: Mapping[str, object]) -> Child:
        command = [str(go_tool("node")), name, *(f"--{flag}={value}" for flag, value in flags.items())]
        return Child(name, command, self.directory / f"{name}.log")


def _quoted(path: Path | str) -> str:
    return json.dumps(str(path))
