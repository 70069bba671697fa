# Copyright: kube_ecr.secrets contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Tolerant reading of objects that came as JSON: a part of another type counts as absent.

For whoever must take any object, however malformed, and leaves it to others to refuse it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

# Nearly all are dictionaries, which takes a fraction of the time to tell.
_MAPPINGS = (dict, Mapping)


def mapping_in(item: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """Return the mapping of that name in an object, an empty one where there is none."""
    value = item.get(name)
    return value if isinstance(value, _MAPPINGS) else {}


def list_in(item: Mapping[str, Any], name: str) -> list[Any]:
    """Return the list of that name in an object, an empty one where there is none."""
    value = item.get(name)
    return value if isinstance(value, list) else []


def mappings_in(item: Mapping[str, Any], name: str) -> Iterator[Mapping[str, Any]]:
    """Yield the mappings in the list of that name in an object."""
    yield from (value for value in list_in(item, name) if isinstance(value, _MAPPINGS))


def text_in(item: Mapping[str, Any], name: str) -> str:
    """Return the text of that name in an object, an empty one where there is none."""
    value = item.get(name)
    return value if isinstance(value, str) else ""


def texts_in(item: Mapping[str, Any], name: str) -> tuple[str, ...]:
    """Return the texts in the list of that name in an object, none where one of them is something else."""
    values = list_in(item, name)
    return tuple(values) if all(isinstance(value, str) for value in values) else ()


def number_in(item: Mapping[str, Any], name: str) -> int:
    """Return the whole number of that name in an object, 0 where there is none."""
    value = item.get(name)
    return value if isinstance(value, int) and not isinstance(value, bool) else 0
