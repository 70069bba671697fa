"""Login requests in the tests, by their texts."""

from __future__ import annotations

from ansible_collections.kube_ecr.secrets.plugins.module_utils._contract.login_request import LoginRequest


def requests(*texts: str) -> tuple[LoginRequest, ...]:
    """Return the requests that texts name."""
    return tuple(map(LoginRequest.from_text, texts))
