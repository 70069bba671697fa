"""The molecule scenarios, on the control plane and the AWS endpoint of the tests."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.ansible import COLLECTIONS
from tests.support.awsendpoint import AWSEndpoint, Principal
from tests.support.cluster import Cluster

ROOT = Path(__file__).parents[2]
SCENARIOS = sorted(path.parent.name for path in (ROOT / "molecule").glob("*/molecule.yml"))


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_scenario(scenario: str, cluster: Cluster, aws: AWSEndpoint, principal: Principal, tmp_path: Path) -> None:
    bin_dir = Path(sys.executable).parent
    env = {
        "PATH": f"{bin_dir}:{os.environ['PATH']}",
        "HOME": str(tmp_path),
        "LANG": "C.UTF-8",
        "ANSIBLE_COLLECTIONS_PATH": str(COLLECTIONS),
        "KUBECONFIG": cluster.kubeconfig,
        "AWS_ACCESS_KEY_ID": principal.access_key,
        "AWS_SECRET_ACCESS_KEY": principal.secret_key,
        "AWS_ENDPOINT_URL": aws.url,
    }
    command = [str(bin_dir / "molecule"), "test", "--scenario-name", scenario]
    done = subprocess.run(
        command, cwd=ROOT, env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    assert aws.count("GetAuthorizationToken") == 2, "once to converge, once to prove idempotence"
