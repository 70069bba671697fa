"""The pages of the repository: each link leads somewhere, and each decision is in the list of decisions."""

from __future__ import annotations

import re
from fnmatch import fnmatch
from pathlib import Path

import pytest
import yaml

from kube_ecr_runner.runs.environment import PASSED_ON
from tests.conftest import ROOT

FOLDERS = [ROOT / "docs", ROOT / "roles", ROOT / "extensions", ROOT / ".github"]
PAGES = sorted(
    [*ROOT.glob("*.md"), ROOT / "runner" / "README.md", *(page for folder in FOLDERS for page in folder.rglob("*.md"))]
)
DECISIONS = ROOT / "docs" / "decisions"
SECTIONS = ["Context", "Decision", "Consequences", "Alternatives"]


def without_code(page: Path) -> str:
    """Return the text of a page without its blocks of code, in which a bracket is no link and `#` no heading."""
    return re.sub(r"^( *)```.*?^\1```$", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)


def anchors(page: Path) -> set[str]:
    """Return what GitHub makes of the headings of a page."""
    headings = re.findall(r"^#+ (.*)$", without_code(page), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def links(page: Path) -> list[str]:
    """Return where the links of a page lead; those to a file of the repository on GitHub as a path below its root."""
    targets = re.findall(r"\]\(([^)\s]+)\)", without_code(page))
    return [re.sub(r"^https://github\.com/kube-ecr/secrets/blob/main/", f"{ROOT}/", target) for target in targets]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_each_link_leads_somewhere(page: Path) -> None:
    for target in links(page):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        linked = page.parent / path if path else page
        assert linked.exists(), target
        assert not anchor or anchor in (anchors if linked.suffix == ".md" else lines)(linked), target


def test_what_galaxy_shows_leads_only_to_what_it_has() -> None:
    ignored = yaml.safe_load((ROOT / "galaxy.yml").read_text())["build_ignore"]
    targets = [target.partition("#")[0] for target in links(ROOT / "README.md") if not target.startswith(("/", "http"))]
    assert {target for target in targets for rule in ignored if fnmatch(target, rule)} == set()


def lines(path: Path) -> set[str]:
    """Return what GitHub calls the lines of a file."""
    return {f"L{number}" for number, _ in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1)}


def test_each_decision_is_listed_once_under_its_title() -> None:
    listed = re.findall(r"^\| \[(\d{4})\]\((\S+)\) \| (.*) \|$", (DECISIONS / "README.md").read_text(), re.MULTILINE)
    titles = {path.name: path.read_text().splitlines()[0] for path in sorted(DECISIONS.glob("[0-9]*.md"))}
    assert {name: f"# {number}: {title}" for number, name, title in listed} == titles
    assert [number for number, _, _ in listed] == [f"{number:04}" for number in range(1, len(titles) + 1)]


@pytest.mark.parametrize("path", sorted(DECISIONS.glob("[0-9]*.md")), ids=lambda path: path.stem)
def test_a_decision_has_the_form_of_one(path: Path) -> None:
    text = path.read_text()
    assert re.search(r"^- Date: \d{4}-\d\d-\d\d\n- Status: (proposed|accepted|replaced by \d{4})$", text, re.MULTILINE)
    assert re.findall(r"^## (.*)$", text, re.MULTILINE) == SECTIONS
    assert 15 <= len(text.splitlines()) <= 40


def test_settings_that_are_passed_on_to_a_run_are_listed() -> None:
    page = (ROOT / "docs" / "watches.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (.*) \| as in the runner", page, re.MULTILINE)
    assert sorted(name for row in rows for name in re.findall("`(.*?)`", row)) == sorted(PASSED_ON)


@pytest.mark.parametrize("name", ["gitops.md", "openshift.md"])
def test_manifests_of_a_page_are_those_of_the_examples_that_are_tested(name: str) -> None:
    """Those tests read the files. A page shows a file, or some lines in a row of one."""
    examples = [_lines(path.read_text()) for path in (ROOT / "docs" / "examples").rglob("*.yaml")]
    shown = re.findall(r"^```yaml\n(.*?)^```$", (ROOT / "docs" / name).read_text(), re.MULTILINE | re.DOTALL)
    assert shown
    for block in map(_lines, shown):
        assert any(f"{block}\n" in f"{each}\n" for each in examples), block


def _lines(text: str) -> str:
    """Return the lines without what moves when a part is shown alone: indentation, and empty lines."""
    return "\n".join(line.strip() for line in text.splitlines() if line.strip())
