"""The molecule scenarios, on a control plane and the AWS endpoint of the tests."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.aws.endpoint import AWSEndpoint, Principal
from tests.support.cluster.control_plane import ControlPlane
from tests.support.cluster.objects import Cluster
from tests.support.harness.ansible import COLLECTIONS
from tests.support.harness.tools import HELM, go_tool

ROOT = Path(__file__).parents[2]
# Each installs the runner by another way, into a cluster that has nothing of ours.
INSTALLATIONS = ("runner", "runner_manifests")


@pytest.fixture(scope="module")
def empty_plane() -> Iterator[ControlPlane]:
    """A control plane without our CRDs."""
    with ControlPlane() as plane:
        yield plane


@pytest.fixture
def no_helm(tmp_path: Path) -> Path:
    """A folder for PATH with what is as good as no helm, where the machine may have one."""
    helm = tmp_path / "bin" / "helm"
    helm.parent.mkdir()
    helm.write_text("#!/bin/sh\nexit 127\n")
    helm.chmod(0o755)
    return helm.parent


def molecule(scenario: str, kubeconfig: str, home: Path, *path: Path, **env: str) -> None:
    """Run a scenario with these folders first on PATH; fails if it does."""
    bin_dir = Path(sys.executable).parent
    settings = {
        "PATH": ":".join(map(str, (*path, bin_dir, os.environ["PATH"]))),
        "HOME": str(home),
        "LANG": "C.UTF-8",
        "ANSIBLE_COLLECTIONS_PATH": str(COLLECTIONS),
        "KUBECONFIG": kubeconfig,
    }
    command = [str(bin_dir / "molecule"), "test", "--scenario-name", scenario]
    done = subprocess.run(
        command,
        cwd=ROOT,
        env={**settings, **env},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"


def test_each_scenario_is_run() -> None:
    assert {path.parent.name for path in (ROOT / "molecule").glob("*/molecule.yml")} == {"default", *INSTALLATIONS}


@pytest.mark.slow
def test_a_playbook_of_two_tasks(cluster: Cluster, aws: AWSEndpoint, principal: Principal, tmp_path: Path) -> None:
    keys = {"AWS_ACCESS_KEY_ID": principal.access_key, "AWS_SECRET_ACCESS_KEY": principal.secret_key}
    molecule("default", cluster.kubeconfig, tmp_path, AWS_ENDPOINT_URL=aws.url, **keys)
    assert aws.count("GetAuthorizationToken") == 2, "once to converge, once to prove idempotence"


@pytest.mark.slow
def test_the_role_installs_by_helm(empty_plane: ControlPlane, tmp_path: Path) -> None:
    molecule("runner", str(empty_plane.kubeconfig), tmp_path, go_tool(HELM).parent)


@pytest.mark.slow
def test_the_role_installs_where_helm_is_absent(empty_plane: ControlPlane, no_helm: Path, tmp_path: Path) -> None:
    molecule("runner_manifests", str(empty_plane.kubeconfig), tmp_path, no_helm)
