"""What `make lint` says of the chart's files: only what is as it would be written passes."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.tools import chart_files


@pytest.fixture
def copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The parts of the repository that matter, to change them."""
    chart = Path("roles", "runner", "files", "chart")
    for folder in (chart, Path("crds")):
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
