"""How the API server is reached, and how its refusals are worded."""

from __future__ import annotations

import json

import pytest
from kubernetes.client.rest import should_bypass_proxies

from ansible_collections.kube_ecr.secrets.plugins.module_utils._contract.api_server import (
    choose_proxy,
    describe_refusal,
    first_line,
    is_in_pod,
    proxy_to,
)

URL = "https://api.example.com:6443"
OWN, HTTP, HTTPS, ALL = "http://own:1", "http://http:1", "http://https:1", "http://all:1"


@pytest.mark.parametrize(
    ("proxy", "no_proxy", "proxies", "expected"),
    [
        # Nothing is set anywhere.
        (None, None, {}, (None, None)),
        # The environment has one, whether the client read it or not.
        (None, None, {"https": HTTPS, "no": "a"}, (HTTPS, "a")),
        (HTTPS, "a", {"https": HTTPS, "no": "a"}, (HTTPS, "a")),
        # The client took the one for another scheme.
        (HTTP, None, {"http": HTTP, "https": HTTPS}, (HTTPS, None)),
        (HTTP, None, {"http": HTTP}, (None, None)),
        (None, None, {"all": ALL}, (ALL, None)),
        # A kubeconfig or an option names one: NO_PROXY does not count, but an option for the same does.
        (OWN, "a", {"https": HTTPS, "no": "a"}, (OWN, None)),
        (OWN, None, {"https": HTTPS, "no": "a"}, (OWN, None)),
        (OWN, "b", {"no": "a"}, (OWN, "b")),
        (None, "b", {"https": HTTPS, "no": "a"}, (HTTPS, "b")),
    ],
)
def test_proxy(
    proxy: str | None, no_proxy: str | None, proxies: dict[str, str], expected: tuple[str | None, str | None]
) -> None:
    assert choose_proxy(URL, proxy, no_proxy, proxies) == expected


def test_proxy_goes_by_the_scheme_of_the_api_server() -> None:
    assert choose_proxy("http://api", None, None, {"http": HTTP, "https": HTTPS}) == (HTTP, None)


@pytest.mark.parametrize(
    ("host", "no_proxy", "is_direct"),
    [
        ("10.0.0.1", None, False),
        ("10.0.0.1", "", False),
        ("10.0.0.1", " , ", False),
        ("10.0.0.1", "*", True),
        ("10.0.0.1", "10.0.0.1", True),
        ("10.0.0.1", "a, 10.0.0.0/8", True),
        ("10.0.0.1", "10.0.0.77/8", True),
        ("10.0.0.1", "11.0.0.0/8,10.0.0.2,0.0.1.1", False),
        ("10.0.0.1", "10.0.0.1:443", True),
        ("10.0.0.1", "10.0.0.1:444", False),
        ("[fd00::1]", "fd00::/8", True),
        ("[fd00::1]", "10.0.0.0/8,fe00::/8", False),
        ("kubernetes.default.svc", ".svc", True),
        ("kubernetes.default.svc", "SVC", True),
        ("kubernetes.default.svc", "kubernetes.default.svc", True),
        ("kubernetes.default.svc", "default.svc:443", True),
        ("kubernetes.default.svc", "vc,svc.local,kubernetes,10.0.0.0/8", False),
    ],
)
def test_proxy_of_a_pod(host: str, no_proxy: str | None, is_direct: bool) -> None:
    proxies = {"https": HTTPS} | ({} if no_proxy is None else {"no": no_proxy})
    url = f"https://{host}:443"
    assert proxy_to(url, proxies) == ("" if is_direct else HTTPS)
    # As the official client has it, which is asked with a kubeconfig.
    assert should_bypass_proxies(url, no_proxy or "") is is_direct


def test_a_pod_needs_no_proxy() -> None:
    assert proxy_to(URL, {"no": "*"}) == proxy_to(URL, {"http": HTTP}) == ""
    assert proxy_to(URL, {"all": ALL}) == ALL


@pytest.mark.parametrize(("environment", "expected"), [({}, False), ({"KUBERNETES_SERVICE_HOST": "10.0.0.1"}, True)])
def test_pod(environment: dict[str, str], expected: bool) -> None:
    assert is_in_pod(environment) is expected
    assert is_in_pod({"KUBERNETES_SERVICE_HOST": ""}) is False


STATUS = {"kind": "Status", "reason": "Forbidden", "message": " may not\nlist "}
NO_STATUS = (
    "what answered with HTTP status 418 is not the API server, or it is in trouble; check what answers, and proxies"
)


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (STATUS, (418, "Forbidden", "may not")),
        (STATUS | {"reason": ""}, (418, "HTTP418", "may not")),
        (STATUS | {"reason": None}, (418, "HTTP418", "may not")),
        (STATUS | {"reason": 5}, (418, "HTTP418", "may not")),
        (STATUS | {"message": None}, (0, "HTTP418", f"{NO_STATUS} on the way")),
        (STATUS | {"kind": "Secret"}, (0, "HTTP418", f"{NO_STATUS} on the way")),
        (["canary"], (0, "HTTP418", f"{NO_STATUS} on the way")),
        (None, (0, "HTTP418", f"{NO_STATUS} on the way")),
    ],
)
def test_refusal(answer: object, expected: tuple[int, str, str]) -> None:
    assert describe_refusal(418, json.dumps(answer).encode()) == expected


@pytest.mark.parametrize("body", [b"<html>canary", b"", b"\xff", b"[" * 100_000, b"404 page not found"])
@pytest.mark.parametrize("status", [302, 403, 404, 409, 410, 429, 502])
def test_answer_that_is_no_status_is_not_quoted_and_tells_nothing_of_an_object(status: int, body: bytes) -> None:
    refusal = describe_refusal(status, body)
    assert (refusal.status, refusal.reason) == (0, f"HTTP{status}")
    assert "canary" not in refusal.text


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [(404, b"404 page not found\n", 404), (404, b"<html>not found", 0), (403, b"404 page not found", 0)],
)
def test_kind_that_the_api_server_does_not_know(status: int, body: bytes, expected: int) -> None:
    assert describe_refusal(status, body, is_of_kind=True).status == expected


def test_text_of_others_is_cut() -> None:
    assert first_line("x" * 500) == "x" * 500
    assert first_line("x" * 501) == "x" * 497 + "..."
