"""Which versions are supported: what files demand, what documents say and what the tests run with agree."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.version import Version

from tests.matrix.environments import ENVIRONMENTS, Environment
from tests.support.harness.packaged_collections import KUBERNETES_CORE, VERSIONS

ROOT = Path(__file__).parents[3]
TESTS = ROOT / "tests"
GO = TESTS / "support" / "go"
PINS = [TESTS / "requirements.txt", TESTS / "requirements-oldest.txt", *(TESTS / "matrix").glob("*.txt")]


def document() -> dict[str, tuple[str, str]]:
    """Return oldest and newest version of each row of docs/support.md."""
    text = (ROOT / "docs" / "support.md").read_text()
    (table,) = re.findall(r"versions: begin -->\n(.*?)<!-- versions: end", text, re.DOTALL)
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in table.strip().splitlines()[2:]]
    return {what: (oldest, newest) for what, oldest, newest in rows}


def pinned(package: str) -> list[Version]:
    """Return the versions of a package that the tests run with, in order."""
    found = [
        re.findall(rf"^{re.escape(package)}==(\S+)$", path.read_text(), re.MULTILINE | re.IGNORECASE) for path in PINS
    ]
    return sorted({Version(version) for versions in found for version in versions})


def lowest(specifiers: SpecifierSet) -> str:
    """Return the version that a range begins with."""
    (found,) = [each.version for each in specifiers if each.operator == ">="]
    return found


def is_from(demanded: str, oldest: str) -> bool:
    """Return whether the oldest that is tried is of the minor release that is demanded: 2.19.0 for 2.19, say."""
    line = Version(demanded).release[:2]
    return Version(oldest).release[: len(line)] == line


@pytest.mark.parametrize("package", ["ansible-core", "kubernetes", "boto3", "ansible-runner"])
def test_ends_of_a_package_are_those_that_tests_run_with(package: str) -> None:
    row = next(ends for what, ends in document().items() if what.partition(" ")[0] == package)
    versions = pinned(package)
    assert row == (str(versions[0]), str(versions[-1]))


def test_what_is_demanded_is_the_oldest_that_is_tried() -> None:
    rows = document()
    plugins = [Requirement(line) for line in (ROOT / "requirements.txt").read_text().splitlines() if line[0] != "#"]
    runner = (ROOT / "runner" / "pyproject.toml").read_text()
    demanded = {
        "ansible-core": lowest(
            SpecifierSet(yaml.safe_load((ROOT / "meta" / "runtime.yml").read_text())["requires_ansible"])
        ),
        **{
            "kubernetes (Python)" if each.name == "kubernetes" else each.name: lowest(each.specifier)
            for each in plugins
        },
        "Python of the runner": lowest(SpecifierSet(re.findall(r'requires-python = "(.*)"', runner)[0])),
        "Kubernetes": lowest(
            SpecifierSet(re.findall(r"kubeVersion: \"(.*?)-0", (ROOT / "chart" / "Chart.yaml").read_text())[0])
        ),
    }
    assert [what for what, version in demanded.items() if not is_from(version, rows[what][0])] == []
    pins = (TESTS / "matrix" / "runner-oldest.txt").read_text()
    for requirement in map(Requirement, re.findall(r'^  "(.*)",$', runner, re.MULTILINE)):
        (oldest,) = re.findall(rf"^{requirement.name}==(\S+)$", pins, re.MULTILINE)
        assert is_from(lowest(requirement.specifier), oldest), requirement


def test_kubernetes_core_is_the_same_everywhere() -> None:
    galaxy = yaml.safe_load((ROOT / "galaxy.yml").read_text())["dependencies"][KUBERNETES_CORE]
    (required,) = yaml.safe_load((ROOT / "requirements.yml").read_text())["collections"]
    assert galaxy == required["version"]
    tried = sorted({Version(each.kubernetes_core) for each in ENVIRONMENTS if each.kubernetes_core})
    assert lowest(SpecifierSet(galaxy)) == str(tried[0])
    assert document()[KUBERNETES_CORE] == (str(tried[0]), VERSIONS[KUBERNETES_CORE])


def test_pythons_are_those_of_the_environments_and_of_ci() -> None:
    workflow = yaml.safe_load((ROOT / ".github" / "workflows" / "test.yml").read_text())
    in_ci = set(workflow["jobs"]["test"]["strategy"]["matrix"]["python"])
    ran = {
        "Python, where Ansible runs": {each.python for each in ENVIRONMENTS if each.kubernetes_core},
        "Python of a host that a module is shipped to": {each.python for each in ENVIRONMENTS if each.is_target},
        "Python of the runner": {each.python for each in ENVIRONMENTS if each.has_runner},
    }
    for what, pythons in ran.items():
        in_order = sorted(pythons | in_ci, key=Version)
        assert document()[what] == (in_order[0], in_order[-1]), what


def test_ansible_test_galaxy_and_the_docs_site_use_the_same_versions() -> None:
    rows = document()
    config = yaml.safe_load((TESTS / "config.yml").read_text())["modules"]["python_requires"]
    assert lowest(SpecifierSet(config)) == rows["Python of a host that a module is shipped to"][0]
    roles = [yaml.safe_load(path.read_text())["galaxy_info"] for path in (ROOT / "roles").glob("*/meta/main.yml")]
    oldest = Version(rows["ansible-core"][0]).release[:2]
    assert {Version(each["min_ansible_version"]).release for each in roles} == {oldest}
    ours, *others = (
        dict(re.findall(r"^(ansible-\S+)==(\S+)$", (TESTS / name).read_text(), re.MULTILINE))
        for name in ("constraints.txt", "requirements-importer.txt", "requirements-docs.txt")
    )
    for pins in others:
        assert "ansible-core" in pins
        shared = ours.keys() & pins.keys()
        assert {name: pins[name] for name in shared} == {name: ours[name] for name in shared}


@pytest.mark.parametrize("environment", ENVIRONMENTS, ids=lambda environment: environment.name)
def test_each_file_of_an_environment_has_a_test_that_it_runs(environment: Environment) -> None:
    """A slow one is left out, unless a version matters to it, or the environment is a target."""
    idle = []
    for path in map(ROOT.joinpath, environment.tests):
        files = sorted(path.glob("test_*.py")) if path.is_dir() else [path]
        idle += [file.name for file in files if not any(_runs(test, environment) for test in _tests(file))]
    assert idle == []


def _tests(path: Path) -> Iterator[ast.FunctionDef]:
    return (
        node
        for node in ast.parse(path.read_text()).body
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
    )


def _runs(test: ast.FunctionDef, environment: Environment) -> bool:
    marks = {ast.unparse(mark) for mark in test.decorator_list}
    return environment.is_target or "pytest.mark.slow" not in marks or "pytest.mark.versions" in marks


def test_programs_are_those_that_are_built() -> None:
    rows = document()

    def version(module: str, package: str) -> str:
        (found,) = re.findall(rf"{package} v(\S+)", (GO / module / "go.mod").read_text())
        return found

    assert rows["Kubernetes"] == (
        version("controlplane-1.29", "k8s.io/kubernetes"),
        version("controlplane", "k8s.io/kubernetes"),
    )
    assert rows["helm"] == (version("helm-3.14", "helm.sh/helm/v3"), version("helm", "helm.sh/helm/v4"))


def test_readers_are_told_the_same() -> None:
    """In the README, in what helm and Galaxy show, and on the page that installs it."""
    rows = document()
    short = {what: ".".join(oldest.split(".")[:2]) for what, (oldest, _) in rows.items()}
    target = rows["Python of a host that a module is shipped to"][0]
    readme = (ROOT / "README.md").read_text()
    for text in (
        f"ansible-core {short['ansible-core']} or newer",
        f"`kubernetes.core` {short['kubernetes.core']} or newer",
        f"Python {target} or newer with `boto3` {short['boto3']} or newer",
        f"Kubernetes {short['Kubernetes']} or newer",
        f"Python {rows['Python of the runner'][0]} or newer",
    ):
        assert re.search(r"\s+".join(map(re.escape, text.split())), readme), text
    helm = f"helm {short['helm']} or newer"
    assert helm in (ROOT / "docs" / "install.md").read_text()
    assert helm in (ROOT / "chart" / "README.md").read_text()
