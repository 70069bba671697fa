"""Which versions of the official Kubernetes client are supported: the same wherever that stands."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

from packaging.specifiers import SpecifierSet

from kube_ecr_runner.contract.kubeconfig import SUPPORTED

ROOT = Path(__file__).parents[3]
RANGE = SpecifierSet(SUPPORTED.removeprefix("kubernetes"))


def test_range_of_the_client_is_the_same_everywhere() -> None:
    """In requirements.txt, which the execution environment takes, too; for the runner; in documents."""
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    texts = {path: (ROOT / path).read_text(errors="replace") for path in listed if not (ROOT / path).is_dir()}
    found = {
        path: ranges for path, text in texts.items() if (ranges := re.findall(r"kubernetes[<>~!]=[^\s'\"]*", text))
    }
    found.pop("tests/unit/repository/test_requirements.py", None)
    assert {text.rstrip(",") for ranges in found.values() for text in ranges} == {SUPPORTED}
    assert {"requirements.txt", "runner/pyproject.toml", "README.md", "docs/install.md"} <= found.keys()
    for path in ("requirements-oldest.txt", "requirements.txt", "constraints.txt"):
        (pinned,) = re.findall(r"^kubernetes==(.+)$", (ROOT / "tests" / path).read_text(), re.MULTILINE)
        assert pinned in RANGE


def test_requirements_of_the_plugins_name_what_is_excluded() -> None:
    for path in (*ROOT.glob("plugins/modules/*.py"), *ROOT.glob("plugins/doc_fragments/*.py")):
        for line in re.findall(r"^  - kubernetes >= .*$", path.read_text(), re.MULTILINE):
            for spec in RANGE:
                assert spec.version in line, path


def test_versions_that_send_no_token_are_excluded() -> None:
    wanted = {"31.0.0": True, "35.0.0": True, "36.0.0": False, "36.0.1": False, "36.0.2": True, "37.0.1": True}
    assert {version: version in RANGE for version in wanted} == wanted


def test_kubernetes_is_the_same_in_all_test_tools() -> None:
    """What reads pull secrets like kubelet is the code of the kubelet that the node runs.

    All but the oldest control plane, which is of another version by intention.
    """
    files = ROOT.glob("tests/support/go/*/go.mod")
    found = {
        path.parent.name: re.findall(r"k8s.io/kubernetes (v\S+)$", path.read_text(), re.MULTILINE) for path in files
    }
    assert found.pop("controlplane-1.29")
    assert {"consumers", "controlplane", "node"} == {name for name, versions in found.items() if versions}
    assert len({version for versions in found.values() for version in versions}) == 1
