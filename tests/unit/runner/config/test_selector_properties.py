"""Any selector of an entry of watches.yaml selects the same as text, which is what the API server gets."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kube_ecr_runner.config import selectors
from kube_ecr_runner.contract.filters import selector_of
from tests.support.oracle import properties  # noqa: F401
from tests.support.oracle.selection import LABELS, SELECTORS, selector_matches, text_matches

MEANINGFUL = SELECTORS.filter(lambda selector: any(selector.values()))


@given(MEANINGFUL, LABELS)
def test_text_selects_what_the_selector_does(selector: dict, labels: dict[str, str]) -> None:
    text = selectors.text_of(selector)
    assert text_matches(text, labels) == selector_matches(selector, labels)
    assert selector_of(text) == text


@given(MEANINGFUL, MEANINGFUL, LABELS)
def test_joined_text_selects_what_both_do(one: dict, other: dict, labels: dict[str, str]) -> None:
    text = selectors.joined(selectors.text_of(one), "", selectors.text_of(other))
    assert text_matches(text, labels) == (selector_matches(one, labels) and selector_matches(other, labels))


@given(SELECTORS.filter(lambda selector: not any(selector.values())))
def test_selector_without_a_condition_is_refused(selector: dict) -> None:
    with pytest.raises(selectors.SelectorError, match="selects everything"):
        selectors.text_of(selector)


@given(st.text(alphabet="ab1/.-_=!<>(), in\n"))
def test_any_text_is_a_selector_or_refused(text: str) -> None:
    try:
        assert selector_of(text) == text.strip()
    except ValueError as error:
        assert "is no condition on a label" in str(error)  # noqa: PT017 (most texts are refused)
