"""What kubelet refuses of a docker config; tests/integration/consumers has its own code say the same."""

from __future__ import annotations

import pytest

from ansible_collections.kube_ecr.secrets.plugins.module_utils._secret import kubelet
from tests.support.oracle.docker_configs import ENTRIES, TEXTS, with_entry


@pytest.mark.parametrize(("entry", "words"), ENTRIES.values(), ids=ENTRIES)
@pytest.mark.parametrize("name", ["auths", "AUTHS"])
def test_one_entry_that_kubelet_cannot_read_is_named_and_not_quoted(
    entry: object, words: str | None, name: str
) -> None:
    """It may stand anywhere."""
    found = kubelet.refusal(with_entry(entry, name))
    if words is None:
        assert found is None
        return
    assert found is not None
    assert f"the entry 'b.example' of {name} " in found
    assert words in found
    assert "canary" not in found


@pytest.mark.parametrize(("text", "words"), TEXTS)
def test_the_whole_is_read_as_kubelet_reads_it(text: str, words: str | None) -> None:
    found = kubelet.refusal(text)
    assert (found or "").find(words or "") >= 0
    assert (found is None) is (words is None)
    assert "canary" not in (found or "")
