"""The image as a container."""

from __future__ import annotations

import re

from tests.support.cluster.objects import Cluster
from tests.support.harness.helm import Release


def test_python_compiles_nothing_at_its_start(cluster: Cluster, release: Release) -> None:
    """python -v tells where the code of each module comes from."""
    command = ("exec", f"deployment/{release.name}", "-n", release.namespace, "--", "sh", "-c")
    said = cluster.kubectl(*command, "python3 -v -c 'import kube_ecr_runner.cli, boto3' 2>&1")
    assert "kube_ecr_runner/__pycache__" in said
    assert re.findall(r"^# code object from (.*\.py)$", said, re.MULTILINE) == []
