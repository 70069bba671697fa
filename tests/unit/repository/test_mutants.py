"""What counts as a change of wording, which no test need notice."""

from __future__ import annotations

import pytest

from tests.tools.mutants import is_reworded

CODE = """def check(names: list[str], path: str = "names") -> str:
    raise ValueError(
        f"{', '.join(names)} is no name, "
        "see RFC 1123"
    )
"""


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        pytest.param('"see RFC 1123"', '"XXsee RFC 1123XX"', True, id="in XX"),
        pytest.param('"see RFC 1123"', '"see rfc 1123"', True, id="in lower case"),
        pytest.param('"see RFC 1123"', '"SEE RFC 1123"', True, id="in upper case"),
        pytest.param('"see RFC 1123"', "None", False, id="gone"),
        pytest.param('"see RFC 1123"', '""', False, id="empty"),
        pytest.param('"names"', '"NAMES"', False, id="one word"),
        pytest.param("', '", "'XX, XX'", False, id="no words"),
        pytest.param("ValueError", "VALUEERROR", False, id="code"),
        pytest.param('"see RFC 1123"', '"SEE RFC 1123" or True', False, id="more than wording"),
    ],
)
def test_only_a_sentence_in_other_letters_is_wording(before: str, after: str, expected: bool) -> None:
    assert before in CODE
    assert is_reworded(CODE, CODE.replace(before, after)) is expected
