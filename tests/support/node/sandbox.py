"""Runs a command where a node can run: `python -m tests.support.node.sandbox [--or-skip] COMMAND...`

Outside, where there is a network, it prepares what the node needs: programs and images. Then it starts COMMAND in
mount, process and network namespaces of its own, as process 1 of them: when it ends, all that it started ends, too.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from contextlib import suppress
from pathlib import Path

from tests.support.harness.tools import ToolError, go_tool
from tests.support.node import requirements
from tests.support.node.images import ImageError, product_image

# Inside there is no network to build them.
_TOOLS = ("registry", "helm", "controlplane", "node")
_PREFIX, _LOCK = "kube-ecr-node-", "lock"
# The variables that tell COMMAND where it is.
DIRECTORY, IMAGE = "KUBE_ECR_SANDBOX", "KUBE_ECR_IMAGE_ARCHIVE"


def directory() -> Path:
    """Return the directory of the sandbox that this process is in; raises KeyError where it is in none."""
    return Path(os.environ[DIRECTORY])


def is_inside() -> bool:
    """Return whether this process is in a sandbox."""
    return DIRECTORY in os.environ


def image_archive() -> Path:
    """Return the archive of the product's image."""
    return Path(os.environ[IMAGE])


def run(command: list[str]) -> int:
    """Run a command in a sandbox and return its exit status; raises ToolError or ImageError. Nothing stays behind."""
    for name in _TOOLS:
        go_tool(name)
    archive = product_image()
    _sweep()
    with tempfile.TemporaryDirectory(prefix=_PREFIX) as name, Path(name, _LOCK).open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        home = Path(name)
        env = {**os.environ, DIRECTORY: name, IMAGE: str(archive)}
        begin = 'mount --make-rprivate / && mount -t tmpfs tmpfs /run && ip link set lo up && exec "$@"'
        # Ctrl-C is for the command, which cleans up and ends. A handler, since what is ignored is ignored by it, too.
        signal.signal(signal.SIGINT, lambda *_: None)
        try:
            return subprocess.run(requirements.enter(["sh", "-c", begin, "sh", *command]), env=env).returncode
        finally:
            remove_cgroups(home)


def _sweep() -> None:
    """Remove what a sandbox left that was killed: its folder, which nobody locks any more, and its control groups."""
    for home in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        with suppress(OSError), (home / _LOCK).open() as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            remove_cgroups(home)
            shutil.rmtree(home)


def cgroup_of(home: Path) -> str:
    """Return the name of the control group that holds all pods of the sandbox."""
    return home.name


def remove_cgroups(home: Path) -> None:
    """Remove the control groups of a sandbox that has ended."""
    for hierarchy in requirements.cgroup_hierarchies():
        group = hierarchy / cgroup_of(home)
        folders = [*group.rglob("*"), group] if group.exists() else []
        for folder in sorted((path for path in folders if path.is_dir()), key=lambda path: -len(path.parts)):
            with suppress(OSError):
                folder.rmdir()


def main() -> int:
    """Check, prepare and run; return the exit status.

    Where no node can run, say why and fail; with --or-skip that is no failure, unless $KUBE_ECR_NODE demands a node.
    """
    command = sys.argv[1:]
    is_demanded = os.environ.get("KUBE_ECR_NODE") == "1"
    may_skip = command[0] == "--or-skip" and not is_demanded
    if is_demanded or os.environ.get("INSTALL") == "1":
        requirements.install_packages()
    if why := requirements.obstacle():
        print(f"{'skipped' if may_skip else 'error'}: no node can run here, since {why}", file=sys.stderr)
        return 0 if may_skip else 1
    try:
        return run([part for part in command if part != "--or-skip"])
    except (ToolError, ImageError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
