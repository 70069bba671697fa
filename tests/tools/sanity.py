"""Runs `ansible-test sanity` on the collection as it ships, as `make sanity` does, with the given versions of Ansible.

    python -m tests.tools.sanity build/kube_ecr-secrets-1.0.0.tar.gz .venv .venv/oldest

The artifact is unpacked where no other collection is, as on the machines that certify collections: an import of another
collection has to be guarded there.

ansible-test makes a virtual environment for each test and each version of Python that it finds. For pip it downloads a
script from a server of its own, which cannot be reached from everywhere. Here the script is three lines of ours, around
the same version of pip from the package index. A package that ansible-test takes from an address comes from the index,
too: a candidate of ansible-core has such ones until they are released. What is made is kept below .venv/sanity.

A test that cannot run on this machine, for want of a version of Python or of PowerShell, is named at the end.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[2]
HOME = ROOT / ".venv" / "sanity"
# Where pyenv has the versions that are not on the PATH.
PYTHONS = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
# What is excepted, by the files that it is about, and why. It is written into an ignore file where the tests run, and
# does not ship: ansible-lint, and so Galaxy, objects to one that names such tests, whatever the reason.
_SEVERAL = "yamllint:multiple-yaml-documents"
_OBJECTS = "objects of Kubernetes, each a document, as kubectl takes them"
EXCEPTED = {
    ("roles/runner/files/chart/templates/**/*.yaml", "yamllint!skip"): "no YAML before helm renders it",
    ("roles/runner/files/*.yaml", _SEVERAL): _OBJECTS,
    ("docs/examples/*.yaml", _SEVERAL): _OBJECTS,
    ("docs/examples/gitops/*/*s.yaml", _SEVERAL): _OBJECTS,
    ("docs/examples/gitops/*/runner.yaml", _SEVERAL): _OBJECTS,
}
_SKIPPED = re.compile(r"(?:WARNING: )?Skipping .*")
# What pip says of what it installs.
_CHATTER = re.compile(r"Collecting |  |Installing |Successfully installed |Using cached pip |\s*$")
_BOOTSTRAP = """\
# Written by tests/tools/sanity.py. ansible-test starts it as it would start get-pip.py, with what to install.
import runpy
import sys

sys.path.insert(0, {wheel!r})
unknown = ("--no-setuptools", "--no-wheel")
sys.argv[1:] = ["install", *(argument for argument in sys.argv[1:] if argument not in unknown)]
runpy.run_module("pip", run_name="__main__", alter_sys=True)
"""


def unpack(artifact: Path, into: Path, core: str) -> Path:
    """Return the folder with the content of the artifact, where ansible-test wants it."""
    folder = into / "ansible_collections" / "kube_ecr" / "secrets"
    folder.mkdir(parents=True)
    with tarfile.open(artifact) as tar:
        tar.extractall(folder, filter="data")
    write_exceptions(folder, ".".join(core.split(".")[:2]))
    return folder


def write_exceptions(folder: Path, version: str) -> None:
    """Write the ignore file of a version. A line that nothing needs would be an error to ansible-test."""
    lines = [
        f"{path.relative_to(folder)} {test} # {reason}\n"
        for (pattern, test), reason in EXCEPTED.items()
        for path in sorted(folder.glob(pattern))
        if test != _SEVERAL or len(list(yaml.safe_load_all(path.read_text()))) > 1
    ]
    target = folder / "tests" / "sanity" / f"ignore-{version}.txt"
    target.parent.mkdir(parents=True)
    target.write_text("".join(lines))


def provide_pip(venv: Path) -> None:
    """Put the script that ansible-test would download for pip where it looks for it first."""
    (version,) = re.findall(r"pip='([0-9.]+)'", (_ansible_test(venv) / "_internal/python_requirements.py").read_text())
    wheel = HOME / "pip" / f"pip-{version}-py3-none-any.whl"
    if not wheel.exists():
        command = ["-m", "pip", "download", "--quiet", "--no-deps", "--dest", str(wheel.parent), f"pip=={version}"]
        _output(f"{venv}/bin/python", *command)
    script = HOME / ".ansible" / "test" / "cache" / f"get_pip_{version.replace('.', '_')}.py"
    script.parent.mkdir(parents=True, exist_ok=True)
    script.write_text(_BOOTSTRAP.format(wheel=str(wheel)))


def take_from_index(venv: Path) -> None:
    """Have ansible-test ask the package index for all that it installs, by whichever version if it names an address."""
    for path in (_ansible_test(venv) / "_data/requirements").glob("sanity.*.txt"):
        path.write_text(re.sub(r"^(\S+) @ \S+$", r"\1", path.read_text(), flags=re.MULTILINE))


def search_path(venv: Path) -> str:
    """Return a PATH on which ansible-test finds its program and every version of Python that is installed."""
    here = [part for part in os.environ["PATH"].split(os.pathsep) if not part.endswith("/.pyenv/shims")]
    return os.pathsep.join([f"{venv}/bin", *here, *map(str, sorted(PYTHONS.glob("*/bin")))])


def sanity(artifact: Path, venv: Path, options: list[str]) -> tuple[int, list[str]]:
    """Run the tests, telling what they find; return how it ended and which tests did not run."""
    core = _output(f"{venv}/bin/python", "-c", "import ansible.release as r; print(r.__version__)")
    print(f"== ansible-test sanity of ansible-core {core}", flush=True)
    provide_pip(venv)
    take_from_index(venv)
    # Outside of the checkout: of a folder that git ignores, ansible-test tests nothing, and is content.
    with tempfile.TemporaryDirectory(prefix="sanity-") as scratch:
        status, lines = run(venv, unpack(artifact, Path(scratch), core), options)
    if not any(line.startswith("Running sanity test") for line in lines):
        print("ansible-test ran no test", file=sys.stderr)
        status = status or 1
    skipped = {line.strip().removeprefix("WARNING: ") for line in lines if _SKIPPED.match(line)}
    return status, [f"ansible-core {core}: {line}" for line in sorted(skipped)]


def run(venv: Path, folder: Path, options: list[str]) -> tuple[int, list[str]]:
    """Run ansible-test, showing what it says; return its exit status, and its lines."""
    env = {"PATH": search_path(venv), "HOME": str(HOME), "LANG": "C.UTF-8", "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    env |= {name: value for name, value in os.environ.items() if name.startswith("PIP_")}
    command = [f"{venv}/bin/ansible-test", "sanity", "--venv", "--color", "no", *options]
    process = subprocess.Popen(
        command,
        cwd=folder,
        env=env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert process.stdout
    lines = []
    for line in process.stdout:
        lines.append(line)
        if not _CHATTER.match(line):
            print(line, end="", flush=True)
    return process.wait(), lines


def _ansible_test(venv: Path) -> Path:
    """Return the folder of ansible-test's own files."""
    return Path(_output(f"{venv}/bin/python", "-c", "import ansible_test; print(ansible_test.__file__)")).parent


def _output(*command: str) -> str:
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.strip()


def main() -> int:
    parser = argparse.ArgumentParser(description="Run ansible-test sanity on the artifact.")
    parser.add_argument("artifact", type=Path)
    parser.add_argument("venvs", type=Path, nargs="+", help="virtual environments with an ansible-core each")
    args, options = parser.parse_known_args()
    ended = [sanity(args.artifact.resolve(), venv.absolute(), options) for venv in args.venvs]
    missing = [line for _status, skipped in ended for line in skipped]
    if missing:
        print("\nNot run on this machine:", *missing, sep="\n  ")
    if any(status for status, _skipped in ended):
        print("ansible-test sanity found what is above", file=sys.stderr)
        return 1
    print("ansible-test sanity: no problem found")
    return 0


if __name__ == "__main__":
    sys.exit(main())
