"""What kubelet's own code refuses of a docker config, and that neither our rule nor what we write differs from it."""

from __future__ import annotations

import base64
import json

import pytest

from ansible_collections.kube_ecr.secrets.plugins.module_utils._contract.ownership import SharedEntry
from ansible_collections.kube_ecr.secrets.plugins.module_utils._secret import conflicts, docker_config, kubelet, merge
from tests.support.oracle.docker_configs import ENTRIES, STRICTER, TEXTS, UNREADABLE, with_entry
from tests.support.registry.consumers import refusals_of_kubelet

HOST = "111122223333.dkr.ecr.eu-west-1.amazonaws.com"
OURS = json.dumps({"auths": {HOST: {"username": "AWS", "password": "new", "auth": "QVdTOm5ldw=="}}})
READABLE = [
    *(with_entry(entry, name) for entry, _ in ENTRIES.values() for name in ("auths", "AUTHS")),
    *(text for text, _ in TEXTS),
]
# An entry of our host is replaced, whatever it is.
REPLACED = [json.dumps({"auths": {key: {"auth": "!"}}}) for key in (HOST, f"https://{HOST}", f"{HOST}/v2/")]


def secret_with(text: str) -> dict:
    return {
        "metadata": {"name": "ecr-login", "namespace": "team", "resourceVersion": "1"},
        "type": docker_config.SECRET_TYPE,
        "data": {".dockerconfigjson": base64.b64encode(text.encode()).decode()},
    }


def merged(text: str) -> str | None:
    """Return what a Secret with that docker config holds after a merge, None if nothing is merged into it."""
    secret = secret_with(text)
    if conflicts.unmergeable_because(secret, [HOST]):
        return None
    patch = merge.merge_patch(secret, "uid", OURS, SharedEntry((HOST,)))
    assert patch is not None
    return docker_config.content(patch)


def test_our_rule_is_that_of_kubelet_itself() -> None:
    """Case by case, so that a Kubernetes of another rule shows here."""
    refused = dict(zip(READABLE, refusals_of_kubelet(READABLE), strict=True))
    differing = [text for text, why in refused.items() if bool(why) is not bool(kubelet.refusal(text))]
    assert differing == []
    assert {bool(why) for why in refused.values()} == {True, False}


def test_what_we_merge_is_never_refused_by_kubelet() -> None:
    """What we leave alone it would refuse, too, but for what we could not write again as it was."""
    before = [*READABLE, *REPLACED, " \n", *UNREADABLE, *STRICTER]
    after = {text: merged(text) for text in before}
    written = [text for text in after.values() if text is not None]
    assert refusals_of_kubelet(written) == [""] * len(written)
    assert all(HOST in json.loads(text)["auths"] for text in written)
    assert [text for text in (*UNREADABLE, *STRICTER) if after[text] is not None] == []

    left = [text for text, text_after in after.items() if text_after is None]
    taken = [text for text, why in zip(left, refusals_of_kubelet(left), strict=True) if not why]
    assert taken == STRICTER


@pytest.mark.parametrize("text", [*UNREADABLE, *STRICTER])
def test_the_reason_quotes_nothing(text: str) -> None:
    reason, message = conflicts.unmergeable_because(secret_with(text), [HOST]) or ("", "")
    assert reason == "InvalidSecretContent"
    assert "canary" not in message
