"""Which way to the API server is taken."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.kube_ecr.secrets.plugins.module_utils._cluster.connection import is_of_pod


@pytest.fixture(autouse=True)
def _in_pod(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.0.0.1")
    monkeypatch.delenv("K8S_AUTH_KUBECONFIG", raising=False)


@pytest.mark.parametrize(
    ("params", "variables", "expected"),
    [
        ({}, {}, True),
        ({}, {"KUBERNETES_SERVICE_HOST": ""}, False),
        ({}, {"K8S_AUTH_HOST": ""}, True),
        ({}, {"K8S_AUTH_HOST": "https://api.example.com"}, False),
        ({}, {"K8S_AUTH_IMPERSONATE_USER": "me"}, False),
        ({"kubeconfig": "config"}, {}, False),
        ({"validate_certs": False}, {}, False),
    ],
)
def test_a_pod_takes_its_own_way_unless_it_is_told_another(
    params: dict[str, Any], variables: dict[str, str], expected: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert is_of_pod(params) is expected
