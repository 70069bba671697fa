# Copyright: kube_ecr.secrets contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The roots of the exception trees: what was asked for cannot be done, and a call that came to nothing."""

from __future__ import annotations

import traceback
from typing import TypeVar

from .reasons import UNKNOWN

T = TypeVar("T")


class SpecError(ValueError):
    """What was asked for cannot be done as it is written; the text names what to change."""


class ResourceError(SpecError):
    """A custom resource or an option asks for something that cannot be done; field is the path of what to change."""

    def __init__(self, path: str, message: str) -> None:
        super().__init__(f"{path}: {message}")
        self.field = path


class ApiError(Exception):
    """A call to the API server or to AWS failed; reason is a word in CamelCase, the text is for a person."""

    reason: str = UNKNOWN


def unforeseen(error: Exception) -> str:
    """Return the text of an error that nobody foresaw: its type and place alone, since its own could hold anything."""
    place = traceback.extract_tb(error.__traceback__)[-1]
    return f"internal error: {type(error).__name__} at {place.filename}:{place.lineno}; please report it"


def known(value: T | None, why: str) -> T:
    """Return a value that cannot be None here; why says what rules that out. Raises AssertionError if it is None.

    ansible-test allows no assert statement in a collection, since Python leaves these out with -O.
    """
    if value is None:
        raise AssertionError(why)
    return value
