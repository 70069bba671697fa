"""Real runs of Ansible's commands, in an environment of their own: no AWS_*, no ansible.cfg, an empty HOME.

The collection is the installed one, as `make install-collection` puts it beside the virtual environment's packages.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Self

from tests.support.documentation.returned import problems_of_run

# What is tested: Ansible, collections and runner of the virtual environment of the tests, or of another that
# `make matrix` has made; and the Python of the hosts that modules are shipped to.
_VENV = Path(os.environ.get("KUBE_ECR_TEST_VENV", sys.prefix))
COLLECTIONS = _VENV / "collections"
TARGET_PYTHON = os.environ.get("KUBE_ECR_TEST_TARGET_PYTHON", "{{ ansible_playbook_python }}")
_CALLBACKS = Path(__file__).parents[1] / "callback_plugins"
_RUN_SECONDS = 120.0


@dataclass(frozen=True)
class Run:
    """How a command ended; results is what callback plugins were told, in order (see callback_plugins/record)."""

    status: int
    stdout: str
    stderr: str
    results: list[dict] = field(default_factory=list)

    @property
    def output(self) -> str:
        """Everything that it printed."""
        return f"{self.stdout}\n{self.stderr}"

    def results_of(self, task: str) -> list[dict]:
        """Return what a task ended with on each host, without what it told while it was still at work."""
        return [each["result"] for each in self.results if each["task"] == task and each["status"] != "retry"]

    def result(self, task: str) -> dict:
        """Return the last result of the only task of that name."""
        (found,) = self.results_of(task)
        return found

    def items(self, task: str) -> dict[str, dict]:
        """Return what a task on some hosts came to for each custom resource, by the name of the resource."""
        return {
            served["resource"]["owner"]["name"]: served
            for result in self.results_of(task)
            for served in result.get("resources", ())
        }


def returned(result: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a module returned, without what Ansible adds; 2.19 adds `invocation` to that of a shipped one."""
    added = ("_ansible", "exception", "invocation")
    return {name: value for name, value in result.items() if not name.startswith(added)}


@dataclass(frozen=True)
class Ansible:
    """Runs Ansible's commands out of one virtual environment, with HOME and working directory in `home`.

    `env` is all that the commands see beside PATH and what keeps them apart from this machine.
    """

    home: Path
    env: Mapping[str, str]
    bin_dir: Path = _VENV / "bin"

    def oldest(self) -> Self:
        """Return the same with the oldest versions that are supported (tests/requirements-oldest.txt)."""
        return replace(self, bin_dir=Path(sys.prefix) / "oldest" / "bin")

    def environment(self) -> dict[str, str]:
        """Return all variables that the commands see."""
        settings = {
            "PATH": f"{self.bin_dir}:{os.environ['PATH']}",
            "HOME": str(self.home),
            "LANG": "C.UTF-8",
            "ANSIBLE_COLLECTIONS_PATH": str(COLLECTIONS),
            "ANSIBLE_NOCOLOR": "1",
            "ANSIBLE_LOCALHOST_WARNING": "0",
            "ANSIBLE_INVENTORY_UNPARSED_WARNING": "0",
        }
        return {**settings, **self.env}

    def run(self, command: str, *args: str, **env: str) -> Run:
        """Run ansible, ansible-playbook, ansible-inventory or the like with `env` on top.

        Whatever is tested, what our modules returned is compared with what they document.
        """
        record = self.home / "results.jsonl"
        record.unlink(missing_ok=True)
        done = subprocess.run(
            [str(self.bin_dir / command), *args],
            cwd=self.home,
            env={**self.environment(), **_recording(record), **env},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_RUN_SECONDS,
        )
        lines = record.read_text().splitlines() if record.exists() else []
        results = [json.loads(line) for line in lines]
        assert not (problems := problems_of_run(results)), "\n".join(problems)
        return Run(done.returncode, done.stdout, done.stderr, results)

    def play(self, *tasks: dict, args: tuple[str, ...] = (), **env: str) -> Run:
        """Run a play of these tasks on localhost."""
        play = {"name": "Test", "hosts": "localhost", "gather_facts": False, "tasks": list(tasks)}
        playbook = self.home / "playbook.yml"
        playbook.write_text(json.dumps([play]))
        return self.run("ansible-playbook", str(playbook), *args, **env)

    def reconcile(self, *args: str, options: Mapping[str, object] | None = None, **env: str) -> Run:
        """Run the reconcile playbook over the inventory plugin with these options in its file."""
        return self.run("ansible-playbook", "-i", self.inventory(options), "kube_ecr.secrets.reconcile", *args, **env)

    def bare_interpreter(self) -> Path:
        """Return an interpreter that can import the standard library and nothing else."""
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(self.home / "bare")], check=True)
        return self.home / "bare" / "bin" / "python"

    def inventory(self, options: Mapping[str, object] | None = None) -> str:
        """Write an inventory file for our plugin and return its path."""
        path = self.home / "ecr.yml"
        path.write_text(json.dumps({"plugin": "kube_ecr.secrets.pull_secrets", **(options or {})}))
        return str(path)


def _recording(path: Path) -> dict[str, str]:
    callback = {"ANSIBLE_CALLBACK_PLUGINS": str(_CALLBACKS), "ANSIBLE_CALLBACKS_ENABLED": "record"}
    return {**callback, "RECORD_RESULTS": str(path)}
