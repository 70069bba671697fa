"""What cannot be None."""

from __future__ import annotations

import pytest

from kube_ecr_runner.contract.errors import known


def test_what_is_known_is_returned_and_what_is_not_says_why_it_should_be() -> None:
    assert known(0, "it is there") == 0
    with pytest.raises(AssertionError, match="it is there"):
        known(None, "it is there")
