"""A private file is replaced as a whole, and what a link leads to in place of the link."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ansible_collections.kube_ecr.secrets.plugins.module_utils._host.private_file import FileError, PrivateFile


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


def test_a_file_and_its_folders_are_made_for_their_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b" / "config.json"
    file = PrivateFile(path)
    assert file.read() == ""
    file.replace("é")
    assert file.read() == "é"
    assert file.is_private()
    assert [mode(each) for each in (path, path.parent, path.parent.parent)] == [0o600, 0o700, 0o700]
    assert list(path.parent.iterdir()) == [path]


def test_a_folder_that_is_there_stays_as_it_is_and_a_file_becomes_private(tmp_path: Path) -> None:
    folder = tmp_path / "open"
    folder.mkdir(mode=0o755)
    path = folder / "config.json"
    path.write_text("old")
    path.chmod(0o644)
    file = PrivateFile(path)
    assert not file.is_private()
    file.replace("new")
    assert (path.read_text(), mode(path), mode(folder)) == ("new", 0o600, 0o755)


def test_links_are_followed_and_kept(tmp_path: Path) -> None:
    target, first, second = tmp_path / "files" / "config.json", tmp_path / "first", tmp_path / "second"
    first.symlink_to(second)
    second.symlink_to("files/config.json")
    PrivateFile(first).replace("made")  # what it leads to was missing
    assert PrivateFile(first).read() == target.read_text() == "made"
    assert first.is_symlink()
    assert second.is_symlink()


def test_a_file_is_never_changed_in_place(tmp_path: Path) -> None:
    """Whoever reads it meanwhile reads the old one to its end."""
    path = tmp_path / "config.json"
    path.write_text("old")
    with path.open() as reader:
        PrivateFile(path).replace("new")
        assert reader.read() == "old"


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda path: path.write_bytes(b"\xff"), "is not text in UTF-8"),
        (lambda path: path.mkdir(), "is no file"),
        (lambda path: os.mkfifo(path), "is no file"),
        (lambda path: path.symlink_to(path), "cannot be read: Too many levels of symbolic links"),
        (lambda path: path.symlink_to(path.parent / "config.json" / "x"), "cannot be read: "),
    ],
    ids=["bytes", "folder", "fifo", "loop", "nowhere"],
)
def test_what_is_no_text_file_is_refused_by_name(tmp_path: Path, make, words: str) -> None:
    path = tmp_path / "config.json"
    make(path)
    with pytest.raises(FileError) as refused:
        PrivateFile(path).read()
    assert f"{path} {words}" in str(refused.value)


def test_what_could_not_be_written_leaves_nothing_behind(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(FileError, match=r"config.json cannot be written: Not a directory"):
        PrivateFile(tmp_path / "file" / "config.json").replace("x")
    path = tmp_path / "config.json"
    file = PrivateFile(path)
    path.mkdir()  # since it was looked at
    with pytest.raises(FileError, match="cannot be written: Is a directory"):
        file.replace("x")
    assert {each.name for each in tmp_path.iterdir()} == {"file", "config.json"}
