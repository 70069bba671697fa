"""What `make lint` says of the chart's files: only what is as it would be written passes."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import yaml

from tests.conftest import ROOT
from tests.tools import chart_files


@pytest.fixture
def copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The parts of the repository that matter, to change them."""
    chart = Path("roles", "runner", "files", "chart")
    for folder in (chart, Path("crds"), Path("changelogs")):
        shutil.copytree(ROOT / folder, tmp_path / folder)
    shutil.copy(ROOT / "galaxy.yml", tmp_path)
    monkeypatch.setattr(chart_files, "ROOT", tmp_path)
    monkeypatch.setattr(chart_files, "CHART", tmp_path / chart)
    monkeypatch.setattr(chart_files, "CRDS", tmp_path / chart / "files" / "crds")
    return tmp_path


def stale() -> set[str]:
    return {path.name for path, text in chart_files.wanted().items() if not path.exists() or path.read_text() != text}


@pytest.mark.parametrize(
    ("path", "before", "after", "names"),
    [
        ("crds/awsecrcredentials.yaml", "Cluster", "Namespaced", {"awsecrcredentials.yaml"}),
        ("galaxy.yml", "version: ", "version: 9.", {"Chart.yaml"}),
        ("roles/runner/files/chart/values.yaml", "replicas: 1", "replicas: 2", {"README.md", "defaults.json"}),
        ("roles/runner/files/chart/values.yaml", "# Annotations for", "# Notes for", {"README.md"}),
    ],
)
def test_a_change_elsewhere_is_missed_in_the_chart(
    copy: Path, path: str, before: str, after: str, names: set[str]
) -> None:
    assert stale() == set()
    text = (copy / path).read_text()
    assert before in text
    (copy / path).write_text(text.replace(before, after))
    assert stale() == names


def test_a_definition_that_is_gone_is_to_go(copy: Path) -> None:
    (copy / "crds" / "awsecrcredentials.yaml").unlink()
    assert stale() == {"awsecrcredentials.yaml"}


def test_a_value_without_a_comment_is_refused_by_name(copy: Path) -> None:
    values = copy / "roles/runner/files/chart/values.yaml"
    values.write_text(f"{values.read_text()}\nbare:\n  # Told.\n  told: 1\n\n  untold: 2\n")
    with pytest.raises(chart_files.UndocumentedError, match=r"bare\.untold has no comment"):
        chart_files.wanted()


def test_changes_of_the_version_are_told_and_those_of_others_not(copy: Path) -> None:
    """By the words of Artifact Hub, of what a user of the chart has."""
    version = yaml.safe_load((copy / "galaxy.yml").read_text())["version"]
    changes = {
        "release_summary": "A release.",
        "major_changes": ["chart - it is there."],
        "minor_changes": [
            "runner, image - ``--option`` is new: see\n  below.",
            "ecr_token - not for the runner.",
        ],
        "security_fixes": ["custom resources - a hole is closed."],
    }
    releases = {version: {"changes": changes}, "0.0.1": {"changes": {"bugfixes": ["chart - long ago."]}}}
    changelog = copy / "changelogs" / "changelog.yaml"
    changelog.unlink(missing_ok=True)
    chart = copy / "roles/runner/files/chart/Chart.yaml"
    before = yaml.safe_load(chart_files.wanted()[chart] or "")
    changelog.write_text(yaml.safe_dump({"releases": releases}))
    for _ in range(2):  # The second time they are there.
        chart.write_text(chart_files.wanted()[chart] or "")
    after = yaml.safe_load(chart.read_text())
    assert yaml.safe_load(after["annotations"].pop("artifacthub.io/changes")) == [
        {"kind": "added", "description": "chart - it is there."},
        {"kind": "changed", "description": "runner, image - `--option` is new: see\n  below."},
        {"kind": "security", "description": "custom resources - a hole is closed."},
    ]
    assert after["annotations"].pop("artifacthub.io/containsSecurityUpdates") == "true"
    assert after == before
    changelog.unlink()
    assert yaml.safe_load(chart_files.wanted()[chart] or "") == before
