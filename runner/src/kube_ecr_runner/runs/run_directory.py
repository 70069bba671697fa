"""Private directories of runs: 0700, in $TMPDIR, and gone when the run is, even if the runner was killed meanwhile.

A directory is locked as long as the process lives that made it (flock(2): the kernel unlocks it when the process dies
in whatever way), so one without a lock was left behind by a runner that was killed.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from kube_ecr_runner.model.errors import StartupError
from kube_ecr_runner.runs.processes import end_all

PREFIX = "kube-ecr-"
# ansible-core opens a Unix socket in its TMPDIR, and the name of one may have 107 bytes: see unix(7).
MAX_TMPDIR = 107 - len(f"/{PREFIX}12345678/t/pymp-12345678/listener-12345678")


class TemporaryDirectoryError(StartupError):
    """Runs could not work in the directory for temporary files; the text says what to set."""


def check_tmpdir() -> None:
    """Raise TemporaryDirectoryError if the directory where runs would have their private ones is of no use."""
    try:
        path = tempfile.gettempdir()
    except FileNotFoundError:
        raise TemporaryDirectoryError(
            f"{os.environ.get('TMPDIR') or '/tmp'} is full or cannot be written to; set TMPDIR to a directory "  # noqa: S108
            "with room for some megabytes (in a pod: an emptyDir)"
        ) from None
    if os.fsencode(path) != path.encode(errors="replace"):
        raise TemporaryDirectoryError(
            f"the path of the directory for temporary files, {path!a}, is no UTF-8, which ansible-runner demands; set "
            "TMPDIR to another one, such as /tmp"
        )
    if len(os.fsencode(path)) > MAX_TMPDIR:
        raise TemporaryDirectoryError(
            f"the path of the directory for temporary files, {path}, is too long for the Unix sockets of ansible-core; "
            f"set TMPDIR to one of at most {MAX_TMPDIR} bytes, such as /tmp"
        )


def tmpdir_of(directory: Path) -> Path:
    """Return the TMPDIR of a run by its private directory: no other process has it."""
    return directory / "t"


@contextmanager
def run_directory() -> Iterator[Path]:
    """Give a new directory, which is removed with all that is in it in the end. Raises OSError."""
    path = Path(tempfile.mkdtemp(prefix=PREFIX))
    try:
        with _locked(path):
            yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


def remove_abandoned() -> list[Path]:
    """Remove what runners that were killed left in $TMPDIR; return the directories.

    Those of a runner that works in the same TMPDIR, or that somebody else owns, stay. Processes that live in those that
    go are killed: ansible-playbook ends with the runner only from a moment after its start on.
    """
    removed = []
    for path in Path(tempfile.gettempdir()).glob(f"{PREFIX}????????"):
        with suppress(OSError), _locked(path):
            end_all(tmpdir_of(path))
            shutil.rmtree(path)
            removed.append(path)
    return removed


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Hold the lock of a directory. Raises OSError if it cannot be had, BlockingIOError if somebody else has it."""
    folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(folder)
