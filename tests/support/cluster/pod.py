"""A pod, as far as the code asks whether it runs in one: an environment, and the files of a service account."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

import pytest

from ansible_collections.kube_ecr.secrets.plugins.module_utils._cluster import client
from ansible_collections.kube_ecr.secrets.plugins.module_utils._contract import service_account as of_collection
from kube_ecr_runner.contract import service_account as of_runner


class Pod:
    """The pod that this process takes itself for; it has no proxy, and files that may be written and removed."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.token, self.ca = folder / "token", folder / "ca.crt"
        self._monkeypatch = monkeypatch
        for each in (of_collection, of_runner):
            monkeypatch.setattr(each, "TOKEN_FILE", str(self.token))
            monkeypatch.setattr(each, "SERVICE_ACCOUNT_CA", str(self.ca))
        for name in ("HTTPS_PROXY", "HTTP_PROXY", "NO_PROXY", "ALL_PROXY"):
            monkeypatch.delenv(name, raising=False)
            monkeypatch.delenv(name.lower(), raising=False)
        client._connect.cache_clear()

    def reach(self, url: str) -> None:
        """Have the API server there."""
        parts = urlsplit(url)
        self._monkeypatch.setenv("KUBERNETES_SERVICE_HOST", str(parts.hostname))
        self._monkeypatch.setenv("KUBERNETES_SERVICE_PORT", str(parts.port))

    def read_token_always(self) -> None:
        """Read the file of the token before each request, as if it was a minute later each time."""
        for each in (of_collection, of_runner):
            self._monkeypatch.setattr(each, "TOKEN_SECONDS", 0.0)
