"""What a pod knows of its API server: address, CA and token, and what is said where one is missing."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ansible_collections.kube_ecr.secrets.plugins.module_utils._contract import service_account
from ansible_collections.kube_ecr.secrets.plugins.module_utils._contract.service_account import (
    NoServiceAccount,
    ServiceAccount,
)

ADDRESS = {"KUBERNETES_SERVICE_HOST": "10.0.0.1", "KUBERNETES_SERVICE_PORT": "443"}
REMEDY = "; set automountServiceAccountToken: true for the pod or its service account, or name a kubeconfig"


class Clock:
    """Stands for the module time."""

    now = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """A clock that stands still until it is put forward."""
    clock = Clock()
    monkeypatch.setattr(service_account, "time", clock)
    return clock


@pytest.fixture
def token(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file of the token, with that of the CA beside it."""
    token, authority = tmp_path / "token", tmp_path / "ca.crt"
    token.write_text("first\n")
    authority.write_text("a certificate")
    monkeypatch.setattr(service_account, "TOKEN_FILE", str(token))
    monkeypatch.setattr(service_account, "SERVICE_ACCOUNT_CA", str(authority))
    return token


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("10.0.0.1", "https://10.0.0.1:6443"),
        ("fd00::1", "https://[fd00::1]:6443"),
        ("kubernetes.default.svc", "https://kubernetes.default.svc:6443"),
    ],
)
def test_url(token: Path, host: str, url: str) -> None:
    account = ServiceAccount({"KUBERNETES_SERVICE_HOST": host, "KUBERNETES_SERVICE_PORT": "6443"})
    assert (account.url, account.ca_file) == (url, str(token.parent / "ca.crt"))


@pytest.mark.parametrize("name", list(ADDRESS))
def test_an_address_that_is_not_set_is_named(token: Path, name: str) -> None:
    without = {other: value for other, value in ADDRESS.items() if other != name}
    for environment in (without, without | {name: ""}):
        with pytest.raises(NoServiceAccount, match=f"^{name} is not set; "):
            ServiceAccount(environment)


@pytest.mark.parametrize("name", ["token", "ca.crt"])
def test_a_file_that_is_missing_or_empty_is_named(token: Path, name: str) -> None:
    path = token.parent / name
    for content in ("", "\n"):
        path.write_text(content)
        with pytest.raises(NoServiceAccount) as caught:
            ServiceAccount(ADDRESS)
        assert str(caught.value) == f"{path} is empty{REMEDY}"
    path.unlink()
    with pytest.raises(NoServiceAccount) as caught:
        ServiceAccount(ADDRESS)
    assert str(caught.value) == f"{path}: {os.strerror(2)}{REMEDY}"


def test_the_token_is_read_again_once_a_minute(token: Path, clock: Clock) -> None:
    account = ServiceAccount(ADDRESS)
    token.write_text("second")
    clock.now += 59.9
    assert account.authorization() == "Bearer first"
    clock.now += 0.1
    assert account.authorization() == "Bearer second"
    token.write_text("third")
    clock.now += 59.9
    assert account.authorization() == "Bearer second"


def test_while_the_file_is_replaced_the_last_token_counts(token: Path, clock: Clock) -> None:
    account = ServiceAccount(ADDRESS)
    clock.now += 60
    token.write_text("")
    assert account.authorization() == "Bearer first"
    token.unlink()
    assert account.authorization() == "Bearer first"
    token.write_text("second")
    assert account.authorization() == "Bearer second"
