"""What a run is given, and that nothing of it stays."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from kube_ecr_runner.runs.processes import end_all, resident_in
from kube_ecr_runner.runs.run import RunSettings
from kube_ecr_runner.runs.run_directory import remove_abandoned, run_directory, tmpdir_of

NAMES, FIFO = Path("/run/x/names.json"), Path("/run/x/release")


def test_inventory_waits_and_holds_nothing_that_was_not_given() -> None:
    expected = {"plugin": "kube_ecr.secrets.pull_secrets", "names_file": str(NAMES), "wait_for": str(FIFO)}
    for is_pass in (False, True):
        options = RunSettings(is_pass=is_pass).inventory(NAMES, FIFO)
        assert options == {**expected, "renew_early": is_pass}, "only who keeps running knows when a token is due"


def test_inventory_says_which_cluster_and_endpoint(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    options = RunSettings(kubeconfig="config", context="staging", aws_endpoint_url="http://aws").inventory(NAMES, FIFO)
    assert options["kubeconfig"] == str(tmp_path / "config")
    assert (options["context"], options["aws_endpoint_url"]) == ("staging", "http://aws")


def test_inventory_says_what_is_allowed() -> None:
    options = RunSettings(allowed_aws_identities=("runner", "arn:*")).inventory(NAMES, FIFO)
    assert options["allowed_aws_identities"] == ["runner", "arn:*"]


def test_inventory_reads_nothing_outside_the_namespaces_that_are_served() -> None:
    assert RunSettings(namespaces=("a", "b")).inventory(NAMES, FIFO)["namespaces"] == ["a", "b"]


def test_processes_of_a_run_are_gone_in_whatever_session_and_others_are_not(tmp_path: Path) -> None:
    begin = ["setsid", "sh", "-c", "setsid sleep 60 >&- & echo $!"]
    started = subprocess.run(begin, env={**os.environ, "TMPDIR": str(tmp_path)}, stdout=subprocess.PIPE, text=True)
    with subprocess.Popen(["sleep", "60"]) as other:
        end_all(tmp_path)
        assert other.poll() is None
        other.kill()
    status = Path(f"/proc/{started.stdout.strip()}/stat")
    assert not status.exists() or status.read_text().rpartition(")")[2].split()[0] == "Z"


_HOLD_MEMORY = """
import mmap, os, time
held = b"1" * 2**26, mmap.mmap(-1, 2**28)
if os.fork():
    print(flush=True)
time.sleep(60)
"""


def test_memory_of_a_run_is_that_of_ansible_playbook_without_its_workers(tmp_path: Path) -> None:
    """Workers share it. They have hardly ended when a round is over."""
    assert resident_in(tmp_path) == 0
    command, env = [sys.executable, "-c", _HOLD_MEMORY], {**os.environ, "TMPDIR": str(tmp_path)}
    with subprocess.Popen(command, env=env, stdout=subprocess.PIPE) as holder:
        assert holder.stdout
        holder.stdout.readline()
        assert 2**26 < resident_in(tmp_path) < 1.5 * 2**26, "not what it could use, but does not"
        end_all(tmp_path)
    assert resident_in(tmp_path) == 0


_ADOPT = """
import ctypes, subprocess, time
from kube_ecr_runner.runs.processes import Reaper, _ended_children
ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)  # PR_SET_CHILD_SUBREAPER: children of children that end become its own
subprocess.run(["sh", "-c", "sleep 0.1 &"])
while not list(_ended_children()):
    time.sleep(0.01)
own = subprocess.Popen(["true"])
reaper = Reaper()
reaper.reap()
print(len(list(_ended_children())) > 0, own.wait(), end=" ")
reaper.reap()
print(list(_ended_children()))
"""


def test_children_that_nobody_waits_for_are_waited_for_at_the_second_look() -> None:
    """In a process of its own, since it waits for all of its children."""
    done = subprocess.run([sys.executable, "-c", _ADOPT], capture_output=True, text=True, timeout=20)
    assert (done.stdout, done.stderr) == ("True 0 []\n", "")


_HOLD = """
import sys, time
from kube_ecr_runner.runs.run_directory import run_directory
with run_directory() as path:
    (path / "file").write_text("x")
    print(path, flush=True)
    time.sleep(60)
"""


def test_processes_in_a_directory_that_was_left_behind_are_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    left = tmp_path / "kube-ecr-12345678"
    tmpdir_of(left).mkdir(parents=True)
    with subprocess.Popen(["sleep", "60"], env={**os.environ, "TMPDIR": str(tmpdir_of(left))}) as orphan:
        assert remove_abandoned() == [left]
        assert orphan.wait(5) == -signal.SIGKILL


def test_directory_of_a_runner_that_was_killed_is_removed_and_that_of_one_that_lives_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    command, env = [sys.executable, "-c", _HOLD], {**os.environ, "TMPDIR": str(tmp_path)}
    with subprocess.Popen(command, env=env, stdout=subprocess.PIPE, text=True) as other, run_directory() as own:
        assert other.stdout
        theirs = Path(other.stdout.readline().strip())
        assert remove_abandoned() == []
        other.send_signal(signal.SIGKILL)
        other.wait()
        assert remove_abandoned() == [theirs]
        assert (theirs.exists(), own.stat().st_mode & 0o777) == (False, 0o700)
    assert not list(tmp_path.iterdir())
