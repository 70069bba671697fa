# Copyright: kube_ecr.secrets contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How the API server is reached: what a pod is given for it, which proxy is used, and how a refusal is worded."""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Mapping
from urllib.parse import urlsplit

# What a pod finds of its service account: https://kubernetes.io/docs/tasks/run-application/access-api-from-pod/
SERVICE_ACCOUNT_FOLDER = "/var/run/secrets/kubernetes.io/serviceaccount"
NAMESPACE_FILE = f"{SERVICE_ACCOUNT_FOLDER}/namespace"
TOKEN_FILE = f"{SERVICE_ACCOUNT_FOLDER}/token"
_MAX_TEXT = 500


def is_in_pod(environment: Mapping[str, str]) -> bool:
    """Return whether a process with that environment runs in a pod."""
    return bool(environment.get("KUBERNETES_SERVICE_HOST"))


def choose_proxy(
    url: str, proxy: str | None, no_proxy: str | None, proxies: Mapping[str, str]
) -> tuple[str | None, str | None]:
    """Return the proxy for an API server, and the hosts for which there is none.

    proxy and no_proxy are what the official client has found: its versions read all, a part or nothing of HTTPS_PROXY,
    HTTP_PROXY and NO_PROXY. proxies is what urllib.request.getproxies() makes of these. A proxy that an option or a
    kubeconfig names is used whatever NO_PROXY says, as kubectl does.
    """
    if proxy and proxy not in proxies.values():
        return proxy, None if no_proxy == proxies.get("no") else no_proxy
    return proxies.get(urlsplit(url).scheme) or proxies.get("all"), no_proxy or proxies.get("no")


def proxy_to(url: str, proxies: Mapping[str, str]) -> str:
    """Return the proxy that the environment names for an API server; empty if none, or if NO_PROXY names the server.

    proxies is as above. NO_PROXY has names, which stand for all that end in them, and networks, as with the official
    client (should_bypass_proxies).
    """
    proxy, no_proxy = choose_proxy(url, None, None, proxies)
    parts = urlsplit(url)
    host, place = parts.hostname or "", parts.netloc.lower()
    entries = [entry.strip().lower() for entry in (no_proxy or "").split(",") if entry.strip()]
    return "" if any(_is_named(host, place, entry) for entry in entries) else proxy or ""


def _is_named(host: str, place: str, entry: str) -> bool:
    """Return whether an entry of NO_PROXY stands for a host, which place names together with its port."""
    if entry == "*":
        return True
    try:
        if ipaddress.ip_address(host) in ipaddress.ip_network(entry, strict=False):
            return True
    except ValueError:
        pass  # a name, on either side
    name = entry.lstrip(".")
    return any(each == name or each.endswith(f".{name}") for each in (host, place))


def describe_refusal(status: int, body: bytes) -> tuple[str, str]:
    """Return reason and text of an answer that is no success; one that is no Status (a proxy's HTML) is not quoted.

    https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/status/
    """
    try:
        answer = json.loads(body)
        reason, text = str(answer.get("reason") or ""), str(answer["message"])
    except (ValueError, KeyError, TypeError, AttributeError):
        reason, text = "", f"the API server answered with HTTP status {status}"
    return reason or f"HTTP{status}", first_line(text)


def first_line(text: str) -> str:
    """Return the first line of what somebody else worded, cut to a length that fits into a condition."""
    line = text.strip().partition("\n")[0]
    return line if len(line) <= _MAX_TEXT else f"{line[: _MAX_TEXT - 3]}..."
