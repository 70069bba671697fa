"""What a run is given, and that nothing of it stays."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from kube_ecr_runner.batch import Settings, child_environment
from kube_ecr_runner.resources import Key

SCRATCH, PROGRAMS = Path("/run/scratch"), Path("/venv/bin")


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


@pytest.mark.parametrize(
    "name",
    [
        "AWS_ACCESS_KEY_ID",
        "AWS_SECRET_ACCESS_KEY",
        "AWS_SESSION_TOKEN",
        "AWS_SECURITY_TOKEN",
        "K8S_AUTH_API_KEY",
        "KUBE_ECR_NAMES",
    ],
)
def test_run_does_not_inherit(name: str) -> None:
    assert name not in child_environment({name: "x"}, SCRATCH, PROGRAMS)


@pytest.mark.parametrize("name", ["HTTPS_PROXY", "AWS_CA_BUNDLE", "ANSIBLE_STDOUT_CALLBACK", "KUBERNETES_SERVICE_HOST"])
def test_run_inherits(name: str) -> None:
    assert child_environment({name: "x"}, SCRATCH, PROGRAMS)[name] == "x"


def test_relative_paths_count_from_the_working_directory_of_the_runner(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    environment = child_environment({"KUBECONFIG": "a:/b", "ANSIBLE_COLLECTIONS_PATH": "c"}, SCRATCH, PROGRAMS)
    assert environment["KUBECONFIG"] == f"{tmp_path}/a:/b"
    assert environment["ANSIBLE_COLLECTIONS_PATH"] == f"{tmp_path}/c"


def test_run_uses_the_programs_of_this_python_and_its_own_scratch_folder() -> None:
    environment = child_environment({"PATH": "/usr/bin", "TMPDIR": "/tmp"}, SCRATCH, PROGRAMS)
    assert environment["PATH"] == "/venv/bin:/usr/bin"
    assert (environment["TMPDIR"], environment["ANSIBLE_LOCAL_TEMP"]) == ("/run/scratch", "/run/scratch")


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
