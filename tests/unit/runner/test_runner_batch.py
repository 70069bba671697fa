"""What a run is given, and that nothing of it stays."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from kube_ecr_runner.batch import Settings
from kube_ecr_runner.resources import Key


def test_inventory_names_the_resources_and_nothing_that_was_not_given() -> None:
    keys = [Key("AWSECRImagePullSecret", "a", "ecr"), Key("ClusterAWSECRImagePullSecret", "", "shared")]
    names = ["AWSECRImagePullSecret/a/ecr", "ClusterAWSECRImagePullSecret/shared"]
    assert Settings().inventory(keys) == {"plugin": "kube_ecr.secrets.pull_secrets", "names": names}


def test_inventory_says_which_cluster_and_endpoint(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    settings = Settings(kubeconfig="config", context="staging", aws_endpoint_url="http://aws")
    options = settings.inventory([])
    assert options["kubeconfig"] == str(tmp_path / "config")
    assert (options["context"], options["aws_endpoint_url"]) == ("staging", "http://aws")


def test_inventory_says_what_is_allowed() -> None:
    options = Settings(allowed_aws_identities=("runner", "arn:*")).inventory([])
    assert options["allowed_aws_identities"] == ["runner", "arn:*"]


def test_inventory_reads_nothing_outside_the_namespaces_of_the_resources_where_that_is_wanted() -> None:
    keys = [Key("AWSECRImagePullSecret", namespace, name) for namespace, name in ("bx", "ax", "by")]
    assert Settings(is_local=True).inventory(iter(keys))["namespaces"] == ["a", "b"]


# In a process of its own, since it ends all children in other sessions: the tests have some.
_LEAVE_AN_ORPHAN = """
import subprocess, sys
from kube_ecr_runner.batch import adopt_orphans, end_orphans
adopt_orphans()
started = subprocess.run(["setsid", "sh", "-c", "setsid sleep 60 >&- & echo $!"], stdout=subprocess.PIPE, text=True)
own = subprocess.Popen(["sleep", "60"])
end_orphans()
print(started.stdout.strip(), own.poll())
own.kill()
own.wait()
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the runner runs on Linux")
def test_orphans_in_other_sessions_are_gone_and_own_children_are_not() -> None:
    done = subprocess.run([sys.executable, "-c", _LEAVE_AN_ORPHAN], capture_output=True, text=True, timeout=20)
    assert done.returncode == 0, done.stderr
    orphan, own = done.stdout.split()
    assert own == "None"
    with pytest.raises(ProcessLookupError):
        os.kill(int(orphan), 0)
