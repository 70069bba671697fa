"""The version of the project: one, in all files that name it.

python tests/tools/version.py                 complains if they do not agree
python tests/tools/version.py --tag v1.2.3    also if the version is another one, or the changelog lacks it
python tests/tools/version.py --set 1.2.3     writes it
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).parents[2]
# Files, and what stands in front of the version in a line of theirs.
PLACES = (
    ("galaxy.yml", r"version: "),
    ("runner/pyproject.toml", r'version = "'),
    ("runner/Containerfile", r'.*org\.opencontainers\.image\.version="'),
    ("roles/runner/files/chart/Chart.yaml", r"version: "),
    ("roles/runner/files/chart/Chart.yaml", r'appVersion: "?'),
    ("docs/install.md", r".*kube-ecr/runner:(?=\d)"),
    ("docs/aws-identities.md", r".*terraform\?ref=v"),
    ("docs/install.md", r"VERSION="),
    ("docs/install.md", r".*secrets\?ref=v"),
    ("docs/install.md", r".*releases/download/v(?=\d)"),
    ("docs/install.md", r" *newTag: "),
    ("docs/openshift.md", r".*kube-ecr/runner-bundle:(?=\d)"),
)
# Galaxy and Helm take semantic versions, Python packages do not take all of these.
VERSION = re.compile(r"(0|[1-9]\d*)(\.(0|[1-9]\d*)){2}")


def versions(texts: Mapping[str, str]) -> dict[str, str]:
    """Return the version at each place by a name for it, where texts has the contents of the files.

    Raises ValueError if a file names none there, or several.
    """
    found = {}
    for path, before in PLACES:
        matches = re.findall(rf'^{before}([^\s"`/]+)', texts[path], re.MULTILINE)
        if len(set(matches)) != 1:
            raise ValueError(f"{path}: {len(set(matches))} versions stand behind {before}, there should be one")
        found[f"{path}, {before}"] = matches[0]
    return found


def problems(texts: Mapping[str, str], tag: str = "", changelog: str = "") -> list[str]:
    """Return what is wrong with the versions in these files, for a release of that tag if there is one."""
    found = versions(texts)
    wrong = [f"{place}{version}: no version such as 1.2.3" for place, version in found.items() if not is_valid(version)]
    if len(set(found.values())) > 1:
        wrong += ["the versions differ, set them by make version VERSION=x.y.z:"]
        wrong += [f"  {place}{version}" for place, version in found.items()]
    if tag:
        version = tag.removeprefix("v")
        if tag == version or {*found.values()} != {version}:
            wrong.append(f"the tag is {tag}, but the version is {', '.join(sorted({*found.values()}))}")
        if not release_notes(changelog, version):
            wrong.append(f"CHANGELOG.md has no section for {version}: antsibull-changelog release")
    return wrong


def is_valid(version: str) -> bool:
    """Return whether it is a version of this project's form."""
    return VERSION.fullmatch(version) is not None


def with_version(path: str, text: str, version: str) -> str:
    """Return the text of that file with another version."""
    for each, before in PLACES:
        if each == path:
            text = re.sub(rf'^({before})[^\s"`/]+', rf"\g<1>{version}", text, flags=re.MULTILINE)
    return text


def release_notes(changelog: str, version: str) -> str:
    """Return the section of that version in the changelog, without its heading; empty if there is none."""
    # Markdown of antsibull-changelog: anchors in front of headings, and dots are escaped.
    anchor = r'(?:<a id="[^"]*"></a>\n)?'
    heading = re.escape(version).replace(r"\.", r"\\?\.")
    match = re.search(rf"^## v{heading}\n(.*?)(?=^{anchor}## v|\Z)", changelog, re.MULTILINE | re.DOTALL)
    return match[1].strip() if match else ""


def main() -> int:
    """Do what the command line says."""
    parser = argparse.ArgumentParser(description="Check or set the version of the project.")
    parser.add_argument("--tag", default="", metavar="vX.Y.Z", help="the tag of a release")
    parser.add_argument("--notes", action="store_true", help="with --tag: print the changelog's section")
    parser.add_argument("--set", default="", metavar="X.Y.Z", help="write this version into all files")
    args = parser.parse_args()
    texts = {path: (ROOT / path).read_text(encoding="utf-8") for path, _ in PLACES}
    if args.set:
        if not is_valid(args.set):
            parser.error(f"{args.set!r} is no version such as 1.2.3")
        versions(texts)
        for path, text in texts.items():
            (ROOT / path).write_text(with_version(path, text, args.set), encoding="utf-8")
        return 0
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    wrong = problems(texts, args.tag, changelog)
    print("\n".join(wrong), file=sys.stderr, end="\n" if wrong else "")
    if args.notes and not wrong:
        print(release_notes(changelog, args.tag.removeprefix("v")))
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main())
