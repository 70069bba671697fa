"""How the API server is reached, and how its refusals are worded."""

from __future__ import annotations

import json

import pytest

from ansible_collections.kube_ecr.secrets.plugins.module_utils._contract.api_server import (
    choose_proxy,
    describe_refusal,
    first_line,
    is_in_pod,
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


@pytest.mark.parametrize(("environment", "expected"), [({}, False), ({"KUBERNETES_SERVICE_HOST": "10.0.0.1"}, True)])
def test_pod(environment: dict[str, str], expected: bool) -> None:
    assert is_in_pod(environment) is expected
    assert is_in_pod({"KUBERNETES_SERVICE_HOST": ""}) is False


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ({"reason": "Forbidden", "message": " may not\nlist "}, ("Forbidden", "may not")),
        ({"message": "no"}, ("HTTP418", "no")),
        ({"reason": None, "message": "no"}, ("HTTP418", "no")),
        ({"reason": "Teapot"}, ("HTTP418", "the API server answered with HTTP status 418")),
        (["canary"], ("HTTP418", "the API server answered with HTTP status 418")),
        (None, ("HTTP418", "the API server answered with HTTP status 418")),
    ],
)
def test_refusal(answer: object, expected: tuple[str, str]) -> None:
    assert describe_refusal(418, json.dumps(answer).encode()) == expected


@pytest.mark.parametrize("body", [b"<html>canary", b"", b"\xff"])
def test_answer_that_is_no_status_is_not_quoted(body: bytes) -> None:
    assert describe_refusal(502, body) == ("HTTP502", "the API server answered with HTTP status 502")


def test_text_of_others_is_cut() -> None:
    assert first_line("x" * 500) == "x" * 500
    assert first_line("x" * 501) == "x" * 497 + "..."
