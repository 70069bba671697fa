"""The pods of the runner: which one leads, and its processes, as the node sees them."""

from __future__ import annotations

import json
import os
import signal
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from tests.support.cluster.objects import Cluster
from tests.support.harness.helm import Release
from tests.support.harness.processes import parent_of


@dataclass(frozen=True)
class RunnerPods:
    """The pods of one release; kubelet is where kubelet keeps its files."""

    cluster: Cluster
    release: Release
    kubelet: Path

    def names(self) -> list[str]:
        """Return the pods that are not being deleted."""
        return [pod["metadata"]["name"] for pod in self._pods() if "deletionTimestamp" not in pod["metadata"]]

    def leader(self) -> str:
        """Return the name of the pod whose runner holds the Lease, empty if none does."""
        path = ("get", "lease", self.release.name, "-n", self.release.namespace, "--ignore-not-found")
        holder = self.cluster.kubectl(*path, "-o", "jsonpath={.spec.holderIdentity}")
        return next((name for name in self.names() if holder.startswith(name)), "")

    def wait_leader(self, other_than: str = "") -> str:
        """Wait until a pod leads, another one than that; return its name."""
        self.cluster.wait(lambda: self.leader() not in ("", other_than), "a runner leads", timeout=120)
        return self.leader()

    def restarts(self, name: str) -> int:
        """Return how often the container of a pod was started again."""
        (pod,) = (pod for pod in self._pods() if pod["metadata"]["name"] == name)
        return pod["status"]["containerStatuses"][0]["restartCount"]

    def volume(self, name: str, kind: str, volume: str) -> Path:
        """Return the folder on the node that holds a volume of a pod."""
        (pod,) = (pod for pod in self._pods() if pod["metadata"]["name"] == name)
        return self.kubelet / "pods" / pod["metadata"]["uid"] / "volumes" / f"kubernetes.io~{kind}" / volume

    def signal(self, name: str, number: signal.Signals) -> None:
        """Send a signal to the first process of a pod's container, as its own kernel would."""
        (pod,) = (pod for pod in self._pods() if pod["metadata"]["name"] == name)
        (runner,) = (pid for pid in _processes(pod["metadata"]["uid"]) if b"kube-ecr-runner" in _command(pid))
        os.kill(runner, number)

    def ids(self, name: str) -> set[tuple[int, int]]:
        """Return user and group of the processes of a pod's containers, without that which only holds the sandbox."""
        (pod,) = (pod for pod in self._pods() if pod["metadata"]["name"] == name)
        processes = [pid for pid in _processes(pod["metadata"]["uid"]) if b"kube-ecr-runner" in _command(pid)]
        return {(found.st_uid, found.st_gid) for found in (Path(f"/proc/{pid}").stat() for pid in processes)}

    def _pods(self) -> list[dict]:
        labels = "app.kubernetes.io/name=kube-ecr-runner,app.kubernetes.io/component!=test"
        found = self.cluster.kubectl("get", "pods", "-n", self.release.namespace, "-l", labels, "-o", "json")
        return json.loads(found)["items"]


def _processes(uid: str) -> list[int]:
    """Return the processes of a pod that no other process of it started."""
    found = set()
    for path in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it has ended
            if f"pod{uid}" in (path / "cgroup").read_text():
                found.add(int(path.name))
    return [pid for pid in found if parent_of(pid) not in found]


def _command(pid: int) -> bytes:
    with suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    return b""
