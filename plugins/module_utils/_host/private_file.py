# Copyright: kube_ecr.secrets contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A private file of text: read as a whole, and replaced as a whole.

Whoever reads it meanwhile finds the old content or the new one, and nobody but its owner may read it.
"""

from __future__ import annotations

import os
import stat
import tempfile
from contextlib import suppress
from pathlib import Path

_PRIVATE_FILE, _PRIVATE_FOLDER = 0o600, 0o700


class FileError(Exception):
    """A file cannot be read or written. The text says which one, and why; it quotes nothing of it."""


class PrivateFile:
    """A file by its path; a link is followed, as docker does."""

    def __init__(self, path: Path) -> None:
        self.path = path
        # A link is kept, and what it leads to is replaced.
        self._target = Path(os.path.realpath(path))

    def read(self) -> str:
        """Return its text, an empty one where there is no such file; raise FileError."""
        try:
            # A file of another kind could be one that never ends, or that waits for a writer.
            if self._target.exists() and not self._target.is_file():
                raise FileError(f"{self.path} is no file; remove it")
            return self._target.read_bytes().decode()
        except FileNotFoundError:
            return ""
        except UnicodeDecodeError:
            raise FileError(f"{self.path} is not text in UTF-8; it was left as it is") from None
        except OSError as error:
            raise self._failure("read", error) from None

    def is_private(self) -> bool:
        """Return whether it belongs to this process's user, and nobody else may read or write it; raise FileError."""
        try:
            status = self._target.stat()
        except OSError as error:
            raise self._failure("read", error) from None
        return status.st_uid == os.geteuid() and stat.S_IMODE(status.st_mode) == _PRIVATE_FILE

    def replace(self, text: str) -> None:
        """Write it anew; folders that are missing are made, for its owner alone. Raises FileError."""
        try:
            self._make_folders()
            self._replace(text.encode())
        except OSError as error:
            raise self._failure("written", error) from None

    def _make_folders(self) -> None:
        missing = [folder for folder in self._target.parents if not folder.exists()]
        for folder in reversed(missing):
            folder.mkdir(mode=_PRIVATE_FOLDER)

    def _replace(self, content: bytes) -> None:
        # mkstemp makes it readable for its owner alone.
        descriptor, name = tempfile.mkstemp(prefix=f".{self._target.name}.", dir=self._target.parent)
        temporary = Path(name)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(self._target)
        except BaseException:
            with suppress(OSError):
                temporary.unlink()
            raise

    def _failure(self, done: str, error: OSError) -> FileError:
        return FileError(f"{self.path} cannot be {done}: {error.strerror or type(error).__name__}{self._owner()}")

    def _owner(self) -> str:
        try:
            uid = self._target.stat().st_uid
        except OSError:
            return ""
        return (
            "" if uid == os.geteuid() else f"; it belongs to the user with UID {uid}: give it to its user, or remove it"
        )
