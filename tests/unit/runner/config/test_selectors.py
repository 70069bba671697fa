"""Label selectors as kubectl takes them; those of watches.yaml are tested with it."""

from __future__ import annotations

import pytest

from kube_ecr_runner.config.selectors import SelectorError, check, joined


@pytest.mark.parametrize(
    "text",
    ["a=b", "a==b", "a!=b", "a", "!a", "a=", "x.y/a in (b, c)", "a notin (b),c=d , !e", "a>1,b<2", "a in (,b)"],
)
def test_what_kubectl_takes_is_taken(text: str) -> None:
    assert check(f" {text} ") == text


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("", "''"),
        ("a=b,", "''"),
        ("a=b;c=d", "'a=b;c=d'"),
        ("a in b", "'a in b'"),
        ("a in ()x", "'a in ()x'"),
        ("a = b c", "'a = b c'"),
        ("-a=b,c", "'-a=b'"),
        ("a=b&limit=1", "'a=b&limit=1'"),
        ("a~b", "'a~b'"),
    ],
)
def test_refusal_names_the_part(text: str, part: str) -> None:
    with pytest.raises(SelectorError) as refused:
        check(text)
    assert str(refused.value).startswith(f"{part} is no condition on a label, such as ")


def test_joined_selectors_select_what_all_do() -> None:
    assert joined("a=b", "", "c in (d,e)") == "a=b,c in (d,e)"
    assert joined("", "") == ""
