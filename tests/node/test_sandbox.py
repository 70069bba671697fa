"""Nothing of a node outlives the process that began it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.support.cluster.objects import Cluster
from tests.support.harness.processes import children
from tests.support.node import requirements


def test_it_ends_with_the_process_that_is_killed(cluster: Cluster) -> None:
    """Here a small one inside of the one that this test runs in."""
    program = f"import subprocess; subprocess.run({requirements.enter(['sleep', '1000'])!r})"
    with subprocess.Popen([sys.executable, "-c", program]) as starter:
        cluster.wait(lambda: _descendants(starter.pid, 2), "the command runs in its namespaces")
        inside = _descendants(starter.pid, 2)
        starter.kill()
    cluster.wait(lambda: not any(map(_lives, inside)), "it has ended")


def _descendants(pid: int, depth: int) -> list[int]:
    found = [pid]
    for _ in range(depth):
        found = [child for parent in found for child in children(parent)]
    return found


def _lives(pid: int) -> bool:
    """Return whether a process runs; one that has ended and that nobody waited for does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
