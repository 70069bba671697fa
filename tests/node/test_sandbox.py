"""Nothing of a node outlives the process that began it."""

from __future__ import annotations

import subprocess
import sys

from tests.support.cluster.objects import Cluster
from tests.support.harness.processes import children, parent_of
from tests.support.node import requirements


def test_it_ends_with_the_process_that_is_killed(cluster: Cluster) -> None:
    """Here a small one inside of the one that this test runs in."""
    program = f"import subprocess; subprocess.run({requirements.enter(['sleep', '1000'])!r})"
    with subprocess.Popen([sys.executable, "-c", program]) as starter:
        cluster.wait(lambda: _descendants(starter.pid, 2), "the command runs in its namespaces")
        inside = _descendants(starter.pid, 2)
        starter.kill()
    cluster.wait(lambda: all(parent_of(pid) is None for pid in inside), "it has ended")


def _descendants(pid: int, depth: int) -> list[int]:
    found = [pid]
    for _ in range(depth):
        found = [child for parent in found for child in children(parent)]
    return found
