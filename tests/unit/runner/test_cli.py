"""What the command refuses before it begins, and what it serves."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from kube_ecr_runner import cli
from kube_ecr_runner.config.settings import Settings
from kube_ecr_runner.config.watches import WatchesEntry
from kube_ecr_runner.model.playbook import PlaybookSpec


@pytest.fixture
def watches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return the one option that is required, in an environment that says nothing of AWS."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_CONTAINER_AUTHORIZATION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TMPDIR", "/tmp")
    return ["--watches", str(tmp_path / "watches.yaml")]


def test_in_namespaces_cluster_resources_are_not_served(watches: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    entry = "{version: v1alpha2, group: aws.zakariaamine.com, playbook: a.b.c, kind: %s}"
    settings = Settings(Path(watches[1]), namespaces=("b", "a"), selector="x=y")
    both = [
        WatchesEntry("AWSECRImagePullSecret", PlaybookSpec(), selector="s"),
        WatchesEntry("ClusterAWSECRImagePullSecret", PlaybookSpec()),
    ]
    picked = cli._picked(both, settings)
    assert picked == both[:1]
    assert [(each.namespace, each.labels) for each in cli._sources(picked, settings)] == [
        ("b", "s,x=y"),
        ("a", "s,x=y"),
    ]
    Path(watches[1]).write_text(f"- {entry % 'ClusterAWSECRImagePullSecret'}")
    assert cli.main([*watches, "--namespaces", "a"]) == 2
    assert "has no entry for AWSECRImagePullSecret, but --namespaces picks just those" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"])
def test_half_a_key_pair_in_the_environment_is_refused_by_name(
    watches: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    monkeypatch.setenv(name, "CANARY")
    assert cli.main(watches) == 2
    told = capsys.readouterr().err
    assert told.startswith(f"kube-ecr-runner: {name} is set, but ")
    assert "CANARY" not in told


ENTRY = "[{version: v1alpha2, group: aws.zakariaamine.com, playbook: a.b.c, kind: AWSECRImagePullSecret}]"


def kubeconfig(folder: Path) -> str:
    """Write a kubeconfig for an API server that does not run; return its path."""
    cluster = {"name": "c", "cluster": {"server": "http://127.0.0.1:1"}}
    context = {"name": "c", "context": {"cluster": "c", "user": ""}}
    path = folder / "kubeconfig"
    path.write_text(json.dumps({"current-context": "c", "clusters": [cluster], "contexts": [context], "users": []}))
    return str(path)


def test_whatever_keeps_it_from_beginning_is_one_line_and_exit_code_2(
    watches: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    def told(*options: str) -> str:
        assert cli.main([*watches, *options]) == 2
        (line,) = capsys.readouterr().err.splitlines()
        return line.removeprefix("kube-ecr-runner: ")

    assert told("--forks", "0") == "--forks: '0' is not a whole number that is 1 or more"
    assert told() == f"{watches[1]}: cannot be read: No such file or directory"
    Path(watches[1]).write_text(ENTRY)
    with monkeypatch.context() as patched:
        patched.setenv("ANSIBLE_VAULT_PASSWORD_FILE", "~/nonexistent")
        assert told().startswith("ANSIBLE_VAULT_PASSWORD_FILE is set, but ~/nonexistent cannot be read")
        patched.setattr(tempfile, "tempdir", os.fsdecode(b"/tmp/caf\xe9"))
        assert told().startswith("the path of the directory for temporary files, '/tmp/caf\\udce9', is no UTF-8")
    assert told("--kubeconfig", "/nonexistent").startswith("find the cluster: Invalid kube-config file. ")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        line = told("--kubeconfig", kubeconfig(tmp_path), "--listen-address", address)
    assert line.startswith(f"cannot listen on {address}: Address already in use; set --listen-address (or KUBE_ECR_")
    monkeypatch.setattr(tempfile, "tempdir", "/tmp/" + "long" * 30)
    assert told().startswith("the path of the directory for temporary files, ")


def test_single_pass_opens_no_port(watches: list[str], tmp_path: Path) -> None:
    Path(watches[1]).write_text(ENTRY)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        options = [*watches, "--kubeconfig", kubeconfig(tmp_path), "--listen-address", address, "--once"]
        command = [sys.executable, "-m", "kube_ecr_runner", *options]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert "listening=nowhere" in done.stderr
    assert "no connection to the API server http://127.0.0.1:1" in done.stderr


@pytest.mark.parametrize(
    ("settings", "names"),
    [
        ({}, ["pods"]),
        ({"namespaces": ("b", "a")}, ["pods in b", "pods in a"]),
        ({"watch_pods": False}, []),
        ({"watch_pods": False, "namespaces": ("b",)}, []),
    ],
)
def test_pods_are_looked_at_where_resources_are_served(settings: dict, names: list[str]) -> None:
    assert [source.name for source in cli._pod_sources(Settings(Path("w"), **settings))] == names
