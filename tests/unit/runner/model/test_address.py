"""Addresses to listen on."""

from __future__ import annotations

import pytest

from kube_ecr_runner.model.address import Address


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [
        (":8080", "", 8080),
        ("127.0.0.1:0", "127.0.0.1", 0),
        ("[::1]:65535", "::1", 65535),
        ("[fe80::1%eth0]:80", "fe80::1%eth0", 80),
        ("localhost:80", "localhost", 80),
        ("XBOX:80", "XBOX", 80),
    ],
)
def test_address(text: str, host: str, port: int) -> None:
    assert Address.parse(text) == Address(host, port)
    assert str(Address(host, port)) == text


@pytest.mark.parametrize("text", ["", "8080", ":", ":65536", "::1:80", "a b:80", "http://x:80", ":80\n", "[::1]"])
def test_address_that_is_none_is_refused_with_the_forms_there_are(text: str) -> None:
    with pytest.raises(ValueError, match=r"give :8080, 127\.0\.0\.1:8080 or"):
        Address.parse(text)
