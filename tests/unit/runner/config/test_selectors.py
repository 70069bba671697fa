"""Label selectors of watches.yaml by themselves; their properties, and how a file is refused, are tested beside."""

from __future__ import annotations

from kube_ecr_runner.config.selectors import joined


def test_joined_selectors_select_what_all_do() -> None:
    assert joined("a=b", "", "c in (d,e)") == "a=b,c in (d,e)"
    assert joined("", "") == ""
