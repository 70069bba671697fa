"""Runs jobs of a GitHub workflow on this machine: its shell steps as they stand, and a few actions by stand-ins.

What GitHub does around the steps is done as its documentation says: expressions, outputs, environments, artifacts.
https://docs.github.com/actions/reference/workflows-and-actions/workflow-syntax
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from tests.support.harness.tools import cache_dir

_SECONDS = 300.0
_EXPRESSION = re.compile(r"\$\{\{\s*(.*?)\s*\}\}")


class StepError(RuntimeError):
    """A step failed; the text has its name and what it wrote to stderr."""


def needs_of(job: Mapping) -> list[str]:
    """Return the jobs that a job of a workflow names as those that have to be done before it."""
    needs = job.get("needs", [])
    return [needs] if isinstance(needs, str) else needs


@dataclass
class Workflow:
    """A workflow in a checkout, the tag that started it, and what its jobs have left so far.

    `values` are those of expressions, by their text, such as `secrets.TOKEN`. `artifacts` is the folder of what jobs
    upload. `login` is what docker/login-action stands for: it gets the registry.
    """

    checkout: Path
    file: str
    tag: str
    values: dict[str, str]
    artifacts: Path
    login: Callable[[str], None]
    said: str = field(default="", init=False)

    def __post_init__(self) -> None:
        self._content = yaml.safe_load((self.checkout / self.file).read_text())

    def needed(self, job: str) -> list[str]:
        """Return the jobs that have to be done before that one."""
        return needs_of(self._content["jobs"][job])

    def run(self, job: str, environment: Mapping[str, str]) -> None:
        """Do the steps of a job with these variables, and keep its outputs. Raises StepError.

        A variable of the same name that the workflow sets goes before one that is given here.
        """
        content = self._content["jobs"][job]
        given = {**self._expanded(self._content.get("env", {})), **self._expanded(content.get("env", {}))}
        self.values.update({f"env.{name}": text for name, text in given.items()})
        env = {**environment, **given}
        for step in content["steps"]:
            if "uses" in step:
                self._use(step["uses"].partition("@")[0], self._expanded(step.get("with", {})))
            else:
                self._call(step, {**env, **self._expanded(step.get("env", {}))})
        for name, text in self._expanded(content.get("outputs", {})).items():
            self.values[f"needs.{job}.outputs.{name}"] = text

    def _expanded(self, texts: Mapping[str, object]) -> dict[str, str]:
        """Return the texts with the values of their expressions. Raises KeyError if one has none."""
        return {name: _EXPRESSION.sub(lambda found: self.values[found[1]], str(text)) for name, text in texts.items()}

    def _call(self, step: dict, env: dict[str, str]) -> None:
        outputs = self.artifacts / "outputs"
        outputs.write_text("")
        variables = {**env, "GITHUB_REF_NAME": self.tag, "GITHUB_OUTPUT": str(outputs)}
        # The shell of a step that names none.
        command = ["bash", "-e", "-c", step["run"]]
        done = subprocess.run(
            command, cwd=self.checkout, env=variables, capture_output=True, text=True, timeout=_SECONDS
        )
        self.said += done.stdout + done.stderr
        if done.returncode != 0:
            raise StepError(f"{step.get('name', step['run'])}: {done.stderr.strip() or done.stdout.strip()}")
        for line in outputs.read_text().splitlines():
            name, _, text = line.partition("=")
            self.values[f"steps.{step['id']}.outputs.{name}"] = text

    def _use(self, action: str, options: dict[str, str]) -> None:
        match action:
            case "actions/upload-artifact":
                found = sorted(self.checkout.glob(options["path"]))
                if not found:
                    raise StepError(f"{action}: no file is {options['path']}")
                for path in found:
                    target = self.artifacts / "uploaded" / options["name"] / path.name
                    target.parent.mkdir(parents=True, exist_ok=True)
                    shutil.copy(path, target)
            case "actions/download-artifact":
                assert options["merge-multiple"] == "True", "each artifact would be in a folder of its own"
                for path in (self.artifacts / "uploaded").glob(f"{options['pattern']}/*"):
                    (self.checkout / options["path"]).mkdir(exist_ok=True)
                    shutil.copy(path, self.checkout / options["path"])
            case "actions/attest-build-provenance":
                if "subject-path" in options and not list(self.checkout.glob(options["subject-path"])):
                    raise StepError(f"{action}: no file is {options['subject-path']}")
                if "subject-digest" in options and not re.fullmatch("sha256:[0-9a-f]{64}", options["subject-digest"]):
                    raise StepError(f"{action}: {options['subject-digest']!r} is no digest")
            case "docker/login-action":
                self.login(options["registry"])
            # What they install is here.
            case (
                "actions/checkout"
                | "actions/setup-go"
                | "actions/setup-python"
                | "oras-project/setup-oras"
                | "sigstore/cosign-installer"
            ):
                pass
            case _:
                raise StepError(f"{action}: nothing stands in for it")


def program(folder: Path, name: str, script: str) -> None:
    """Write an executable of that name, for a PATH that begins with the folder."""
    path = folder / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


def environment_of_a_runner(home: Path, *folders: Path) -> dict[str, str]:
    """Return the variables of a machine with that home, on whose PATH these folders come first."""
    # Where packages come from, and which certificates count, are this machine's.
    kept = {name: text for name, text in os.environ.items() if name.startswith(("PIP_", "SSL_", "REQUESTS_", "GO"))}
    go = Path(shutil.which("go") or "/usr/bin/go").parent
    path = os.pathsep.join([*map(str, folders), str(go), "/usr/local/bin", "/usr/bin", "/bin"])
    return {**kept, "HOME": str(home), "PATH": path, "LANG": "C.UTF-8", "KUBE_ECR_CACHE": str(cache_dir())}
