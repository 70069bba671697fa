"""A part of another type than the wanted one counts as absent."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import pytest

from ansible_collections.kube_ecr.secrets.plugins.module_utils._contract.reading import (
    list_in,
    mapping_in,
    mappings_in,
    number_in,
    text_in,
)


def mappings(item: Mapping[str, object], name: str) -> list[Mapping[str, object]]:
    return list(mappings_in(item, name))


@pytest.mark.parametrize(
    ("read", "value", "found", "others"),
    [
        (mapping_in, {"a": 1}, {"a": 1}, [[], "a", 1, None]),
        (list_in, [1], [1], [{}, "a", 1, None]),
        (mappings, [{"a": 1}, "a", {}], [{"a": 1}, {}], [{}, "a", 1, None]),
        (text_in, "a", "a", [{}, [], 1, None]),
        (number_in, 5, 5, [{}, [], "5", 5.0, True, None]),
    ],
)
def test_a_part_of_another_type_counts_as_absent(
    read: Callable[[Mapping[str, object], str], object], value: object, found: object, others: list[object]
) -> None:
    assert read({"part": value, "other": None}, "part") == found
    nothing = type(found)()
    assert [read(item, "part") for item in ({}, *({"part": other} for other in others))] == [nothing] * (
        len(others) + 1
    )
