# Copyright: kube_ecr.secrets contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How the API server is reached: what a pod is given for it, which proxy is used, and how a refusal is worded."""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Mapping
from typing import Any, NamedTuple
from urllib.parse import urlsplit

# What a pod finds of its service account: https://kubernetes.io/docs/tasks/run-application/access-api-from-pod/
SERVICE_ACCOUNT_FOLDER = "/var/run/secrets/kubernetes.io/serviceaccount"
NAMESPACE_FILE = f"{SERVICE_ACCOUNT_FOLDER}/namespace"
TOKEN_FILE = f"{SERVICE_ACCOUNT_FOLDER}/token"
_MAX_TEXT = 500
# The body of net/http.NotFound of Go: https://pkg.go.dev/net/http#NotFound
_UNKNOWN_PATH = b"404 page not found"


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


class Refusal(NamedTuple):
    """An answer that is no success: status, reason, a word in CamelCase, and text, for a person.

    status is 0 where nothing shows that the API server itself has answered: what a proxy says with 404, 409 or 403
    tells nothing of an object.
    """

    status: int
    reason: str
    text: str


def describe_refusal(status: int, body: bytes, *, is_of_kind: bool = False, token_trouble: str = "") -> Refusal:
    """Return what an answer that is no success says; one that is no Status (a proxy's HTML) is not quoted.

    token_trouble is why the token that was sent is an old one, empty if it is not.

    With is_of_kind a list or watch was asked for: the API server answers in plain text where it knows no such kind.
    https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/status/
    """
    refusal = _refusal_in(status, body, is_of_kind=is_of_kind)
    if token_trouble:
        return refusal._replace(text=f"{refusal.text}; the token cannot be renewed: {token_trouble}")
    return refusal


def _refusal_in(status: int, body: bytes, *, is_of_kind: bool) -> Refusal:
    answer = _object_in(body)
    message, reason = answer.get("message"), answer.get("reason")
    if answer.get("kind") == "Status" and isinstance(message, str):
        return Refusal(status, reason if isinstance(reason, str) and reason else f"HTTP{status}", first_line(message))
    if is_of_kind and status == 404 and body.strip() == _UNKNOWN_PATH:
        return Refusal(status, f"HTTP{status}", "the server could not find the requested resource")
    text = (
        f"what answered with HTTP status {status} is not the API server, or it is in trouble; check what answers, and"
    )
    return Refusal(0, f"HTTP{status}", f"{text} proxies on the way")


def _object_in(body: bytes) -> Mapping[str, Any]:
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        found = None
    return found if isinstance(found, dict) else {}


def first_line(text: str) -> str:
    """Return the first line of what somebody else worded, cut to a length that fits into a condition."""
    line = text.strip().partition("\n")[0]
    return line if len(line) <= _MAX_TEXT else f"{line[: _MAX_TEXT - 3]}..."
