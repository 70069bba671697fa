"""Whether containers can run on this machine, and if not, why, with the remedy where there is one."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

CNI_PLUGINS = Path("/usr/lib/cni")
CGROUPS = Path("/sys/fs/cgroup")
# The controllers that kubelet asks for, by version of the cgroup file system.
CONTROLLERS_V1 = ("cpu", "cpuacct", "cpuset", "memory", "devices", "freezer", "pids", "blkio")
CONTROLLERS_V2 = ("cpu", "cpuset", "memory", "pids")
# What is needed, by the package of Debian and Ubuntu that has it.
PACKAGES = {
    "containerd": "/usr/bin/containerd",
    "runc": "/usr/sbin/runc",
    "containernetworking-plugins": str(CNI_PLUGINS / "bridge"),
    "busybox-static": "/bin/busybox",
    "iproute2": "/usr/sbin/ip",
    "buildah": "/usr/bin/buildah",
    "debootstrap": "/usr/sbin/debootstrap",
    # Clients that the role registry_login logs in; no daemon of theirs is started.
    "docker.io": "/usr/bin/docker",
    "podman": "/usr/bin/podman",
    "skopeo": "/usr/bin/skopeo",
}
# CAP_NET_ADMIN and CAP_SYS_ADMIN, see capabilities(7).
_CAPABILITIES = {"CAP_NET_ADMIN": 12, "CAP_SYS_ADMIN": 21}
# setpriv and --kill-child: whoever kills the process that began it, or unshare itself, kills all that is inside.
_NAMESPACES = (
    *("setpriv", "--pdeathsig", "KILL"),
    *("unshare", "--mount", "--pid", "--net", "--fork", "--kill-child", "--mount-proc"),
)


def missing_packages() -> list[str]:
    """Return the packages that are not installed."""
    return [package for package, path in PACKAGES.items() if not Path(path).exists()]


def install_command(packages: list[str]) -> list[str]:
    """Return the command that installs them, as root on Debian and Ubuntu."""
    return ["apt-get", "install", "--yes", "--no-install-recommends", *packages]


def install_packages() -> None:
    """Install what is missing, where apt-get is; what fails shows in missing_packages() afterwards."""
    missing = missing_packages()
    if not missing or shutil.which("apt-get") is None or os.geteuid() != 0:
        return
    print(f"== installing {' '.join(missing)}", file=sys.stderr, flush=True)
    env = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for command in (["apt-get", "update"], install_command(missing)):
        done = subprocess.run([*command, "-q"], env=env, capture_output=True, text=True)
        if done.returncode:
            print(done.stdout + done.stderr, file=sys.stderr)


def obstacle() -> str:
    """Return in one line why no node can run here, empty if one can."""
    return _of_platform() or _of_rights() or _of_packages() or _of_cgroups() or _of_namespaces()


def cgroup_hierarchies() -> list[Path]:
    """Return where control groups are made: one place with version 2, and one for each hierarchy with version 1."""
    if (CGROUPS / "cgroup.controllers").exists():
        return [CGROUPS]
    # Version 2 without controllers stands beside those of version 1.
    return [path for path in CGROUPS.iterdir() if path.is_dir() and not (path / "cgroup.controllers").exists()]


def enter(command: list[str]) -> list[str]:
    """Return the command line that runs a command in namespaces of its own.

    All that it started ends with it, and with the process that runs this command line from its main thread.
    """
    return [*_NAMESPACES, *command]


def _of_platform() -> str:
    return "" if sys.platform == "linux" else f"a node needs Linux, and this is {sys.platform}"


def _of_rights() -> str:
    if os.geteuid() != 0:
        return "a node needs root, and this is another user; try sudo"
    status = Path("/proc/self/status").read_text()
    effective = int(next(line for line in status.splitlines() if line.startswith("CapEff")).split()[1], 16)
    lacking = [name for name, bit in _CAPABILITIES.items() if not effective >> bit & 1]
    return f"root lacks {', '.join(lacking)} here, as in a container without rights" if lacking else ""


def _of_packages() -> str:
    missing = missing_packages()
    return f"these packages are missing: {' '.join(install_command(missing))}" if missing else ""


def _of_cgroups() -> str:
    unified = CGROUPS / "cgroup.controllers"
    if unified.exists():
        lacking = set(CONTROLLERS_V2) - set(unified.read_text().split())
    else:
        lacking = {name for name in CONTROLLERS_V1 if not os.access(CGROUPS / name, os.W_OK)}
    return f"these cgroup controllers cannot be used: {', '.join(sorted(lacking))}" if lacking else ""


def _of_namespaces() -> str:
    """Try what the node will do: namespaces, a bridge, a pair of interfaces, an overlay."""
    script = """
set -e
mount -t tmpfs tmpfs /run
ip link set lo up
ip link add br-try type bridge
ip link add veth-try type veth peer name veth-peer
mkdir /run/lower /run/upper /run/work /run/merged
mount -t overlay overlay -o lowerdir=/run/lower,upperdir=/run/upper,workdir=/run/work /run/merged
"""
    done = subprocess.run(enter(["sh", "-c", script]), capture_output=True, text=True)
    return f"namespaces, a bridge or an overlay cannot be made: {done.stderr.strip()}" if done.returncode else ""
