"""The pod that a text names."""

from __future__ import annotations

import pytest

from kube_ecr_runner.model.pod import Pod


def test_pod_is_named_by_namespace_name_and_uid() -> None:
    pod = Pod.parse("kube-ecr/runner-7d9c-x2x/0f9c5a1e-3b7d")
    assert pod == Pod("kube-ecr", "runner-7d9c-x2x", "0f9c5a1e-3b7d")
    owner = {"apiVersion": "v1", "kind": "Pod", "name": "runner-7d9c-x2x", "uid": "0f9c5a1e-3b7d"}
    assert pod.owner_reference == owner


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("ns/pod", id="no UID"),
        pytest.param("ns/pod/", id="an empty UID"),
        pytest.param("ns/pod/uid/more", id="too much"),
        pytest.param("ns/$(POD_NAME)/$(POD_UID)", id="variables that are not there"),
        pytest.param("ns/pod_1/uid", id="no name of a pod"),
        pytest.param("ns/pod/uid\n", id="more lines"),
    ],
)
def test_text_that_names_no_pod_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not of the form NAMESPACE/NAME/UID"):
        Pod.parse(text)
