"""One version in all files; make lint says whether it is so now."""

from __future__ import annotations

import pytest

from tests.tools.version import PLACES, ROOT, problems, release_notes, versions, with_version

TEXTS = {path: (ROOT / path).read_text() for path, _ in PLACES}
CHANGELOG = """# Notes

<a id="v1-2-3"></a>
## v1\\.2\\.3

### Minor Changes

* x \\- y\\.

<a id="v1-2-2"></a>
## v1\\.2\\.2

* z
"""


def at(version: str) -> dict[str, str]:
    """Return the files with that version."""
    return {path: with_version(path, text, version) for path, text in TEXTS.items()}


def test_a_version_is_set_in_all_places() -> None:
    assert {*versions(at("1.2.3")).values()} == {"1.2.3"}
    assert problems(at("1.2.3"), "v1.2.3", CHANGELOG) == []


@pytest.mark.parametrize(("path", "before"), PLACES)
def test_a_place_with_another_version_is_named(path: str, before: str) -> None:
    """Files with two places get both changed, which is seen all the same."""
    texts = {**at("1.2.3"), path: with_version(path, TEXTS[path], "1.2.4")}
    assert any(path in line and "1.2.4" in line for line in problems(texts))


@pytest.mark.parametrize(
    ("version", "tag", "said"),
    [
        ("1.2.3", "v1.2.4", "the tag is v1.2.4, but the version is 1.2.3"),
        ("1.2.3", "1.2.3", "the tag is 1.2.3"),
        ("1.2.4", "v1.2.4", "no section for 1.2.4"),
        ("1.2", "", "no version such as 1.2.3"),
        ("1.2.3rc1", "", "no version such as 1.2.3"),
    ],
)
def test_what_must_not_be_released_is_refused(version: str, tag: str, said: str) -> None:
    assert said in "\n".join(problems(at(version), tag, CHANGELOG))


def test_a_file_without_a_version_is_an_error() -> None:
    with pytest.raises(ValueError, match=r"galaxy\.yml: 0 versions"):
        versions({**TEXTS, "galaxy.yml": ""})


def test_the_notes_of_a_release_are_its_section() -> None:
    assert release_notes(CHANGELOG, "1.2.3") == "### Minor Changes\n\n* x \\- y\\."
    assert release_notes(CHANGELOG, "1.2.2") == "* z"
    assert release_notes(CHANGELOG, "1.2") == ""
