"""The workflows, beyond what actionlint says of them in make lint."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

WORKFLOWS = sorted((Path(__file__).parents[3] / ".github" / "workflows").glob("*.yml"))
LINE = re.compile(r"\s*(?:- )?uses: (?P<what>\S+?)(?:@(?P<version>\S+))?(?P<comment>  # v\d+\.\d+\.\d+)?")


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_actions_are_pinned_by_commit(path: Path) -> None:
    """A tag can be moved; the comment tells people, and Dependabot, which one it is."""
    lines = [line for line in path.read_text().splitlines() if "uses:" in line]
    assert lines
    for line in lines:
        match = LINE.fullmatch(line)
        assert match, line
        if not match["what"].startswith("./"):
            assert re.fullmatch(r"[0-9a-f]{40}", match["version"] or ""), line
            assert match["comment"], line


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_a_job_has_the_permissions_that_it_says_and_no_others(path: Path) -> None:
    workflow = yaml.safe_load(path.read_text())
    assert workflow["permissions"] in ({}, {"contents": "read"})
    if not workflow["permissions"]:
        assert [name for name, job in workflow["jobs"].items() if "permissions" not in job] == []
