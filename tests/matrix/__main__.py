"""Runs tests with each environment of environments.py, or with those that the command line names.

    python -m tests.matrix                            all, one after the other
    python -m tests.matrix helm-3.14 target-3.9
    python -m tests.matrix kubernetes-1.29 --args '-k reconcile -x'
    python -m tests.matrix ansible-core-2.19 --args '-m slow'       tests that are left out otherwise
    python -m tests.matrix --list
    python -m tests.matrix ansible-core-2.22 --make                 runs nothing, tells where its virtual environment is

`make matrix` installs the collection and builds the artifact before. Virtual environments are kept in .venv/matrix and
made anew when what goes into them has changed. An environment whose Python is not on this machine fails.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import shlex
import shutil
import subprocess
import sys
import time
from pathlib import Path

from tests.matrix.environments import ENVIRONMENTS, Environment
from tests.support.harness import packaged_collections
from tests.support.harness.tools import ToolError, go_tool

ROOT = Path(__file__).parents[2]
_HOME = ROOT / ".venv" / "matrix"
_VARIABLES = {"helm": "KUBE_ECR_TEST_HELM", "kubernetes": "KUBE_ECR_TEST_CONTROL_PLANE"}
# pytest's, for "no test was collected".
_NONE_CHOSEN = 5


class MatrixError(RuntimeError):
    """An environment cannot be made; the text says what is missing."""


def prepared(environment: Environment) -> dict[str, str]:
    """Make what the environment needs, and return the variables that have the tests use it. Raises MatrixError."""
    try:
        for name in environment.tools.values():
            go_tool(name)
    except ToolError as error:
        raise MatrixError(str(error)) from None
    variables = {_VARIABLES[what]: name for what, name in environment.tools.items()}
    if not environment.requirements:
        return variables
    venv = _venv(environment)
    if environment.is_target:
        return variables | {"KUBE_ECR_TEST_TARGET_PYTHON": str(venv / "bin" / "python")}
    _install_collections(environment, venv)
    if environment.has_runner:
        pinned = ["--constraint", str(ROOT / environment.requirements)]
        _call(str(venv / "bin" / "pip"), "install", "--quiet", *pinned, str(ROOT / "runner"))
    return variables | {"KUBE_ECR_TEST_VENV": str(venv)}


def run(environment: Environment, arguments: list[str]) -> int:
    """Run the tests of an environment and return pytest's exit status. Raises MatrixError."""
    variables = prepared(environment)
    left_out = [f"--deselect={test}" for test in environment.leaves_out]
    chosen = ["-k", environment.keyword] if environment.keyword else []
    # Most slow tests are about one thing each that hardly depends on a version. For a host they are nearly all.
    quick = [] if environment.is_target else ["-m", "not slow or versions"]
    command = [sys.executable, "-m", "pytest", *environment.tests, *quick, *chosen, *left_out, *arguments]
    return subprocess.run(command, cwd=ROOT, env={**os.environ, **variables}).returncode


def _venv(environment: Environment) -> Path:
    """Return the environment's virtual environment, made if it is not there with that content. Raises MatrixError."""
    requirements = (ROOT / environment.requirements).read_text()
    python = _python(environment.python)
    key = hashlib.sha256(f"{python}\n{requirements}".encode()).hexdigest()
    venv, stamp = _HOME / environment.name, _HOME / environment.name / ".made"
    if stamp.exists() and stamp.read_text() == key:
        return venv
    shutil.rmtree(venv, ignore_errors=True)
    _call(python, "-m", "venv", str(venv))
    _call(str(venv / "bin" / "pip"), "install", "--quiet", "--requirement", str(ROOT / environment.requirements))
    stamp.write_text(key)
    return venv


def _python(version: str) -> str:
    """Return a Python of that version that can make virtual environments: from PATH, or one of pyenv's."""
    pyenv = Path(os.environ.get("PYENV_ROOT", "~/.pyenv")).expanduser() / "versions"
    found = sorted(pyenv.glob(f"{version}.*/bin/python{version}"), reverse=True)
    for candidate in (f"python{version}", *map(str, found)):
        check = "import sys, venv, ensurepip; print(sys._base_executable)"
        try:
            done = subprocess.run([candidate, "-c", check], capture_output=True, text=True)
        except OSError:
            continue
        if done.returncode == 0:
            return done.stdout.strip()
    raise MatrixError(f"no Python {version} with the modules venv and ensurepip, neither on PATH nor in {pyenv}")


def _install_collections(environment: Environment, venv: Path) -> None:
    path = venv / "collections"
    packaged_collections.install(packaged_collections.KUBERNETES_CORE, path, environment.kubernetes_core)
    (artifact,) = (ROOT / "build").glob("kube_ecr-secrets-*.tar.gz")
    galaxy = str(Path(sys.executable).parent / "ansible-galaxy")
    _call(galaxy, "collection", "install", str(artifact), "--force", "--offline", "--no-deps", "-p", str(path))


def _call(*command: str) -> None:
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    if done.returncode != 0:
        raise MatrixError(f"{shlex.join(command)}: {done.stderr.strip() or done.stdout.strip()}")


def _listed(environment: Environment) -> str:
    parts = [environment.python and f"Python {environment.python}", environment.requirements]
    parts += [environment.kubernetes_core and f"kubernetes.core {environment.kubernetes_core}"]
    parts += environment.tools.values()
    return ", ".join(part for part in parts if part)


def main() -> int:
    """Do what the command line says."""
    by_name = {environment.name: environment for environment in ENVIRONMENTS}
    parser = argparse.ArgumentParser(prog="python -m tests.matrix", description="Run tests with other versions.")
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(by_name))
    parser.add_argument("--args", default="", help="options for pytest")
    parser.add_argument("--workers", default="1", help="number of tests that run in parallel; the default is 1")
    parser.add_argument("--list", action="store_true", help="show the environments, and run nothing")
    parser.add_argument("--make", action="store_true", help="make and show virtual environments, and run nothing")
    args = parser.parse_args()
    if unknown := sorted(set(args.names) - set(by_name)):
        parser.error(f"unknown environment: {', '.join(unknown)}")
    chosen = [by_name[name] for name in args.names] or list(ENVIRONMENTS)
    if args.make:
        try:
            print(*(_venv(environment) for environment in chosen if environment.requirements), sep="\n")
        except MatrixError as error:
            sys.exit(f"error: {error}")
        return 0
    options = ["--numprocesses", args.workers, "--dist", "worksteal", *shlex.split(args.args)]
    outcomes: dict[str, str] = {}
    for environment in chosen:
        print(f"== {environment.name}: {_listed(environment)}", flush=True)
        for test, reason in environment.leaves_out.items():
            print(f"   left out: {test} ({reason})", flush=True)
        if args.list:
            continue
        started = time.monotonic()
        try:
            status = run(environment, options)
        except MatrixError as error:
            outcomes[environment.name] = f"cannot run: {error}"
            continue
        # With options for pytest, an environment may have none of the tests that they choose.
        is_green = status == 0 or (bool(args.args) and status == _NONE_CHOSEN)
        outcomes[environment.name] = "" if is_green else f"failed, pytest ended with {status}"
        print(f"   {environment.name}: {time.monotonic() - started:.0f} s", flush=True)
    for name, problem in outcomes.items():
        print(f"{name}: {problem or 'passed'}")
    return any(outcomes.values())


if __name__ == "__main__":
    sys.exit(main())
