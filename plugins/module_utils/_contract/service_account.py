# Copyright: kube_ecr.secrets contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a pod knows of its API server: an address in its environment, the CA and a token in files.

The rules are those of the official client, which a pod needs for nothing else. No error text quotes a token.
https://kubernetes.io/docs/tasks/run-application/access-api-from-pod/
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path

from .api_server import TOKEN_FILE
from .tls import SERVICE_ACCOUNT_CA

# How long a token that was read is used before its file is looked at again: kubelet replaces it long before it expires.
TOKEN_SECONDS = 60.0
_REMEDY = "set automountServiceAccountToken: true for the pod or its service account, or name a kubeconfig"


class NoServiceAccount(Exception):
    """A pod lacks what it needs to reach its API server; the text names what is missing, and what to do."""


class ServiceAccount:
    """The service account of the pod that this runs in: url, the CA file, and the token as it is now."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        """Look at the environment of the process, and read the files. Raises NoServiceAccount."""
        self.url = _url_in(environment)
        self.ca_file = SERVICE_ACCOUNT_CA
        _read(self.ca_file)
        self._token = _read(TOKEN_FILE)
        self._is_good_until = time.monotonic() + TOKEN_SECONDS
        # Why the token is an old one, empty if it is not.
        self.trouble = ""

    def authorization(self) -> str:
        """Return the value of the header Authorization; may be called from any thread."""
        now = time.monotonic()
        if now >= self._is_good_until:
            # While the file is being replaced, what stood there lives on for a while.
            try:
                self._token, self._is_good_until = _read(TOKEN_FILE), now + TOKEN_SECONDS
                self.trouble = ""
            except NoServiceAccount as error:
                self.trouble = str(error)
        return f"Bearer {self._token}"


def _url_in(environment: Mapping[str, str]) -> str:
    host, port = (environment.get(f"KUBERNETES_SERVICE_{name}", "") for name in ("HOST", "PORT"))
    if not host or not port:
        missing = "PORT" if host else "HOST"
        raise NoServiceAccount(f"KUBERNETES_SERVICE_{missing} is not set; kubelet sets it, or name a kubeconfig")
    return f"https://[{host}]:{port}" if ":" in host else f"https://{host}:{port}"


def _read(path: str) -> str:
    """Return what stands in a file of the service account, without the newline at its end."""
    try:
        # What is no UTF-8 is no token either: a request refuses it, in words.
        content = Path(path).read_text(encoding="utf-8", errors="replace").strip()
    except OSError as error:
        raise NoServiceAccount(f"{path}: {error.strerror}; {_REMEDY}") from None
    if not content:
        raise NoServiceAccount(f"{path} is empty; {_REMEDY}")
    return content
