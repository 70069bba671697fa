"""What holds for the image, as far as its files tell; test_hardships.py starts the runner from what they install."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement

from tests.support.harness.image import TREE, stages
from tests.support.harness.packaged_collections import ANSIBLE_VERSION, KUBERNETES_CORE, VERSIONS

ROOT = Path(__file__).parents[3]
RUNNER = ROOT / "runner"
PROJECT = tomllib.loads((RUNNER / "pyproject.toml").read_text())


@pytest.fixture(autouse=True, scope="module")
def _built() -> None:
    assert TREE.exists(), f"{TREE} is missing: run 'make install-image'"


def locked(name: str) -> dict[str, str]:
    """Return the versions in a lock file, by the names of the packages."""
    return dict(re.findall(r"^([a-z0-9.-]+)==([^\s;]+)", (RUNNER / name).read_text(), re.MULTILINE))


def known_to_pass() -> dict[str, str]:
    """Return the versions that the tests run with."""
    pins = re.findall(r"^([^\s=#]+)==(.+)$", (ROOT / "tests" / "constraints.txt").read_text(), re.MULTILINE)
    return {name.lower().replace("_", "-"): version for name, version in pins}


@pytest.mark.parametrize("lock", ["requirements.lock", "build.lock", "kubernetes.core.lock"])
def test_each_package_of_a_lock_file_has_hashes(lock: str) -> None:
    entries = re.split(r"\n(?=\S)", re.sub(r"^\s*#.*\n", "", (RUNNER / lock).read_text(), flags=re.MULTILINE).strip())
    assert [each for each in entries if "--hash=sha256:" not in each] == []


@pytest.mark.parametrize(
    ("lock", "wanted"),
    [
        ("requirements.lock", PROJECT["project"]["dependencies"]),
        ("build.lock", PROJECT["build-system"]["requires"]),
        ("kubernetes.core.lock", [f"ansible=={ANSIBLE_VERSION}"]),
    ],
)
def test_a_lock_file_has_what_the_package_asks_for(lock: str, wanted: list[str]) -> None:
    """If not: make lock."""
    versions = locked(lock)
    for each in map(Requirement, wanted):
        assert each.specifier.contains(versions[each.name]), f"{each}, but {lock} has {versions[each.name]}"


@pytest.mark.parametrize("lock", ["requirements.lock", "build.lock"])
def test_the_image_has_the_versions_that_are_tested(lock: str) -> None:
    """If not: make lock."""
    assert locked(lock).items() <= known_to_pass().items()


def test_nothing_is_missing_in_what_is_installed() -> None:
    command = [sys.executable, "-m", "pip", "--python", str(TREE / "bin" / "python"), "check"]
    done = subprocess.run(command, capture_output=True, text=True)
    missing = re.findall(r"requires (\S+), which is not installed", done.stdout)
    assert sorted(missing) == ["aiohttp", "aiohttp-retry"], "only the asynchronous client, which is removed, needs them"
    assert len(done.stdout.splitlines()) == len(missing)
    held = {each["name"].lower().replace("_", "-") for each in json.loads(list_of(TREE))}
    assert held == {*locked("requirements.lock"), "kube-ecr-runner"}, "and no pip"


def list_of(tree: Path) -> str:
    """Return what pip says is installed there."""
    command = [sys.executable, "-m", "pip", "--python", str(tree / "bin" / "python"), "list", "--format", "json"]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def test_the_collections_are_there() -> None:
    found = {
        path.parent.relative_to(TREE / "collections" / "ansible_collections").as_posix(): json.loads(path.read_text())[
            "collection_info"
        ]["version"]
        for path in TREE.glob("collections/ansible_collections/*/*/MANIFEST.json")
    }
    version = yaml.safe_load((ROOT / "galaxy.yml").read_text())["version"]
    assert found == {"kube_ecr/secrets": version, "kubernetes/core": VERSIONS[KUBERNETES_CORE]}


def test_python_neither_compiles_nor_looks_at_times() -> None:
    """A .pyc whose first flag is set and second is not is taken as it stands, see PEP 552."""
    (packages,) = TREE.glob("lib/python3*/site-packages")
    flags = {path: path.read_bytes()[4:8] for path in packages.rglob("*.pyc")}
    assert len(flags) > 1000
    assert {path for path, found in flags.items() if found != b"\x01\0\0\0"} == set()


def test_it_holds_what_is_used() -> None:
    (packages,) = TREE.glob("lib/python3*/site-packages")
    services = {path.name for path in (packages / "botocore" / "data").iterdir() if path.is_dir()}
    assert services == {"ecr", "ecr-public", "sts", "sso", "sso-oidc", "signin"}
    assert not (TREE / "bin" / "ansible-test").exists()


def test_everybody_can_read_it_and_only_the_owner_write() -> None:
    modes = {path: path.stat().st_mode for path in TREE.rglob("*") if not path.is_symlink()}
    assert len(modes) > 1000
    assert [path for path, mode in modes.items() if mode & 0o022 or not mode & 0o004] == []
    assert [path for path, mode in modes.items() if path.is_dir() and not mode & 0o001] == []


def test_what_the_containerfile_says() -> None:
    base, _, image = stages()
    assert re.fullmatch(r"docker\.io/library/python:3\.13\.\d+-slim-\w+@sha256:[0-9a-f]{64}", base.base)
    assert [stage.base for stage in stages()[1:]] == ["base", "base"]
    user, group = map(int, image.values("USER")[-1].split(":"))
    assert user
    assert group
    assert image.command() == ["kube-ecr-runner"]
    assert f"runner/watches.yaml {image.pairs('ENV')['KUBE_ECR_WATCHES']}" in image.values("COPY")[-1]


def test_the_build_context_has_what_the_collection_is_made_of() -> None:
    entries = (ROOT / ".dockerignore").read_text().splitlines()
    makefile = (ROOT / "Makefile").read_text().replace("\\\n", " ")
    (sources,) = re.findall(r"^COLLECTION_SOURCES := (.*)$", makefile, re.MULTILINE)
    assert {each[1:] for each in entries if each.startswith("!")} == {*sources.split(), "runner"}


def test_without_an_engine_make_image_says_what_is_missing(tmp_path: Path) -> None:
    """docker is a program that complains, as its client does where no daemon runs."""
    for name in ("sh", "tail"):
        (tmp_path / name).symlink_to(
            next(path for path in (Path("/usr/bin") / name, Path("/bin") / name) if path.exists())
        )
    docker = tmp_path / "docker"
    docker.write_text("#!/bin/sh\necho Cannot connect to the daemon >&2\nexit 1\n")
    docker.chmod(0o755)
    done = subprocess.run(
        [str(ROOT / "tests" / "tools" / "build-image"), "name"],
        env={**os.environ, "PATH": str(tmp_path)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    for said in ("podman: not installed", "docker: Cannot connect to the daemon", "apt-get install podman"):
        assert said in done.stderr
