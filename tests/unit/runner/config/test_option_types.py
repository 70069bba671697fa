"""Types of options by themselves; what the command makes of their refusals is in test_settings.py."""

from __future__ import annotations

from collections.abc import Callable

import click
import pytest

from kube_ecr_runner.config.option_types import Flag, Parsed, at_least, file_of

OPTION = click.Option(["--option"])
CONTEXT = click.Context(click.Command("command"))


@pytest.mark.parametrize(
    ("kind", "least", "text", "value"),
    [(int, 1, "1", 1), (int, 1, "200", 200), (float, 0, "0", 0.0), (float, 0, "1e3", 1000.0), (float, 1, "1.5", 1.5)],
)
def test_number_that_is_large_enough_is_taken(
    kind: Callable[[str], float], least: int, text: str, value: float
) -> None:
    assert at_least(kind, least).convert(text, OPTION, CONTEXT) == value


@pytest.mark.parametrize("text", ["0", "-5", "", "x", "nan", "inf", "-inf"])
@pytest.mark.parametrize(("kind", "what"), [(int, "a whole number"), (float, "a number")])
def test_other_numbers_are_refused(kind: Callable[[str], float], what: str, text: str) -> None:
    with pytest.raises(click.BadParameter) as caught:
        at_least(kind, 1).convert(text, OPTION, CONTEXT)
    assert caught.value.message == f"{text!r} is not {what} that is 1 or more"


@pytest.mark.parametrize("type_", [Parsed(file_of), Flag()])
def test_refusal_tells_of_which_option_it_is(type_: click.ParamType) -> None:
    with pytest.raises(click.BadParameter) as caught:
        type_.convert("", OPTION, CONTEXT)
    assert (caught.value.param, caught.value.ctx) == (OPTION, CONTEXT)
