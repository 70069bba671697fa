# Copyright: kube_ecr.secrets contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The content of a Secret of type kubernetes.io/dockerconfigjson.

Pure. Written exactly as kubelet, containerd and Flux read it: bare host keys, with username, password
and an auth that is base64 without line breaks
(https://kubernetes.io/docs/concepts/containers/images/#config-json). Read with tolerance, because the
content of somebody else's Secret can be anything.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterable

from ansible_collections.kube_ecr.secrets.plugins.module_utils._authorizations import Authorization

SECRET_TYPE = "kubernetes.io/dockerconfigjson"
DATA_KEY = ".dockerconfigjson"


def render(authorizations: Iterable[Authorization]) -> str:
    """Return the docker config JSON for these authorizations; the same input gives the same text."""
    auths = {
        each.registry: {
            "username": each.username,
            "password": each.password,
            "auth": base64.b64encode(f"{each.username}:{each.password}".encode()).decode(),
        }
        for each in authorizations
    }
    return json.dumps({"auths": auths}, sort_keys=True, separators=(",", ":"))


def merge(config: str, other: str, hosts: Iterable[str]) -> str:
    """Return a docker config JSON with the logins of other for these hosts added, which other holds."""
    merged, source = json.loads(config), json.loads(other)["auths"]
    merged["auths"].update({host: source[host] for host in hosts})
    return json.dumps(merged, sort_keys=True, separators=(",", ":"))


def registries(config: str) -> list[str]:
    """Return, sorted, the hosts that a docker config JSON holds a complete login for.

    Whatever is not a docker config, or not a login as render writes it, counts as nothing.
    """
    try:
        auths = json.loads(config)["auths"]
        return sorted(host for host, entry in auths.items() if _is_complete(entry))
    except (ValueError, KeyError, TypeError, AttributeError):
        return []


def _is_complete(entry: dict) -> bool:
    login = f"{entry.get('username')}:{entry.get('password')}".encode()
    return bool(entry.get("password")) and entry.get("auth") == base64.b64encode(login).decode()


def fingerprint(config: str) -> str:
    """Return 12 hex digits that tell two docker configs apart and reveal nothing of either."""
    return hashlib.sha256(config.encode()).hexdigest()[:12]
