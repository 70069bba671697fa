"""Writes what the chart has from elsewhere: custom resource definitions, its version, the changes in that version, and
two forms of its values.

Of values.yaml are made the table in README.md, and what templates read instead: helm shows them any file but that one.

python tests/tools/chart_files.py           writes them anew (make chart-files)
python tests/tools/chart_files.py --check   says which are not as they would be written (make lint)
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[2]
CHART = ROOT / "roles" / "runner" / "files" / "chart"
CRDS = CHART / "files" / "crds"
_BEGIN, _END = "<!-- values: made by `make chart-files` of values.yaml -->", "<!-- end of values -->"


# How Artifact Hub calls what stands in a section of the changelog. The summary and known issues are no changes.
# https://github.com/artifacthub/hub/blob/master/docs/helm_annotations.md
_KINDS = {
    "major_changes": "added",
    "minor_changes": "changed",
    "breaking_changes": "changed",
    "deprecated_features": "deprecated",
    "removed_features": "removed",
    "security_fixes": "security",
    "bugfixes": "fixed",
}
# What an entry of the changelog is about, in front of " - ", if a user of the chart has it.
_OF_CHART = re.compile(r"\b(chart|custom resources|image|kube-ecr-runner|runner)\b")
_CHANGES = re.compile(r"^  artifacthub\.io/(?:changes: \|\n(?:    .*\n)*|containsSecurityUpdates: .*\n)", re.MULTILINE)


class UndocumentedError(Exception):
    """A value has no comment."""


def wanted() -> dict[Path, str | None]:
    """Return what each file is to hold; None for one that is to go. Raises UndocumentedError."""
    sources = {CRDS / path.name: path.read_text() for path in (ROOT / "crds").glob("*.yaml")}
    stale = {path: None for path in CRDS.glob("*") if path not in sources}
    readme = CHART / "README.md"
    before, rest = readme.read_text().split(_BEGIN)
    after = rest.split(_END)[1]
    values = (CHART / "values.yaml").read_text()
    return {
        **sources,
        **stale,
        CHART / "Chart.yaml": _versioned(),
        CHART / "files" / "defaults.json": f"{json.dumps(yaml.safe_load(values), indent=2)}\n",
        readme: f"{before}{_BEGIN}\n{_table(values)}{_END}{after}",
    }


def _versioned() -> str:
    version = yaml.safe_load((ROOT / "galaxy.yml").read_text())["version"]
    text = (CHART / "Chart.yaml").read_text()
    text = re.sub(r"^version: .*$", f"version: {version}", text, flags=re.MULTILINE)
    text = re.sub(r"^appVersion: .*$", f'appVersion: "{version}"', text, flags=re.MULTILINE)
    text = re.sub(r"(image: ghcr\.io/kube-ecr/runner):\S+", rf"\1:{version}", text)
    return _CHANGES.sub("", text) + _changes(version)


def _changes(version: str) -> str:
    """Return the annotations that tell what is new in that version, as lines; none before the changelog has it.

    They are the last ones of Chart.yaml. `make version` writes the changelog before it comes here.
    """
    path = ROOT / "changelogs" / "changelog.yaml"
    releases = yaml.safe_load(path.read_text())["releases"] if path.exists() else {}
    sections = releases.get(version, {}).get("changes", {})
    # Artifact Hub shows plain text, the changelog is reStructuredText.
    found = [
        {"kind": kind, "description": text.replace("``", "`")}
        for section, kind in _KINDS.items()
        for text in sections.get(section, ())
        if _OF_CHART.search(text.split(" - ")[0])
    ]
    if not found:
        return ""
    # A line is broken behind the word that reaches the width; yamllint takes 120.
    lines = yaml.safe_dump(found, sort_keys=False, width=80, allow_unicode=True).splitlines()
    is_security = any(each["kind"] == "security" for each in found)
    text = '  artifacthub.io/containsSecurityUpdates: "true"\n' if is_security else ""
    return f"{text}  artifacthub.io/changes: |\n{''.join(f'    {line}\n' for line in lines)}"


def _table(text: str) -> str:
    rows = "".join(f"| `{name}` | {default} | {what} |\n" for name, default, what in _values(text))
    return f"\n| value | default | |\n| --- | --- | --- |\n{rows}\n"


def _values(text: str) -> Iterator[tuple[str, str, str]]:
    """Yield name, default and comment of the values, in order; of a mapping that has a comment, as a whole."""
    lines = text.splitlines()

    def walk(node: yaml.MappingNode, prefix: str) -> Iterator[tuple[str, str, str]]:
        for key, value in node.value:
            name, comment = f"{prefix}{key.value}", _comment_above(lines, key.start_mark.line)
            if comment:
                default = json.dumps(yaml.safe_load(yaml.serialize(value)), ensure_ascii=False)
                yield name, f"`{default}`", comment.replace("|", "\\|")
            elif isinstance(value, yaml.MappingNode) and value.value:
                yield from walk(value, f"{name}.")
            else:
                raise UndocumentedError(f"values.yaml: {name} has no comment above it")

    root = yaml.compose(text)
    assert isinstance(root, yaml.MappingNode)
    yield from walk(root, "")


def _comment_above(lines: list[str], number: int) -> str:
    found: list[str] = []
    while (line := lines[number - 1].strip()).startswith("#"):
        found.insert(0, line.removeprefix("#").strip())
        number -= 1
    return " ".join(found)


def main() -> int:
    parser = argparse.ArgumentParser(description="Write what the chart has from elsewhere.")
    parser.add_argument("--check", action="store_true", help="write nothing, and fail where something would be")
    check = parser.parse_args().check
    try:
        files = wanted()
    except UndocumentedError as error:
        sys.exit(str(error))
    stale = [path for path, text in files.items() if (path.read_text() if path.exists() else None) != text]
    for path in stale:
        text = files[path]
        if check:
            print(f"{path.relative_to(ROOT)} is not as it would be written: run 'make chart-files'", file=sys.stderr)
        elif text is None:
            path.unlink()
        else:
            path.write_text(text)
    return 1 if check and stale else 0


if __name__ == "__main__":
    sys.exit(main())
