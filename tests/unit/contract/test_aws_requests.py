"""How a message names a request to AWS, without what in a URL may be secret; and where STS is for the runner itself."""

from __future__ import annotations

import threading
from types import SimpleNamespace

import pytest

from ansible_collections.kube_ecr.secrets.plugins.module_utils._contract.aws_requests import (
    AwsRequest,
    LastRequest,
    container_origin,
    origin_of,
    own_sts_endpoint,
)


@pytest.mark.parametrize(
    ("url", "origin"),
    [
        ("https://sts.eu-west-1.amazonaws.com", "https://sts.eu-west-1.amazonaws.com"),
        (
            "https://sts.eu-west-1.amazonaws.com/?Action=x&WebIdentityToken=canary",
            "https://sts.eu-west-1.amazonaws.com",
        ),
        ("http://127.0.0.1:4566/canary/path#canary", "http://127.0.0.1:4566"),
        ("http://[fd00:ec2::23]/v1/credentials", "http://[fd00:ec2::23]"),
        ("http://[::1]:8080", "http://[::1]:8080"),
        ("HTTPS://AWS.example.com:443", "https://aws.example.com:443"),
        ("http://user:canary@proxy.example.com:3128", "http://proxy.example.com:3128"),
        ("http://canary@proxy.example.com", "http://proxy.example.com"),
        # What a person writes who does not encode a password; the first part of it is no port of a host.
        ("http://canary:12/34@proxy.example.com:3128", ""),
        ("http://canary:canary/34@proxy.example.com:3128", ""),
        ("http://canary?:x@proxy.example.com", ""),
        ("http://canary#:x@proxy.example.com", ""),
        # As botocore masks a URL, where the name of the user is found in the scheme first.
        ("***://http:canary@proxy.example.com", ""),
        ("http://canary host", ""),
        ("http://canary\\host", ""),
        ("http://[canary", ""),
        ("http://host:canary", ""),
        ("ftp://canary", ""),
        ("http:///canary", ""),
        ("canary", ""),
        ("", ""),
        (None, ""),
        (b"http://canary", ""),
    ],
)
def test_of_a_url_scheme_host_and_port_are_told(url: object, origin: str) -> None:
    assert origin_of(url) == origin
    assert "canary" not in origin_of(url)


@pytest.mark.parametrize(
    ("event", "name"),
    [
        ("before-send.sts.AssumeRole", "STS AssumeRole"),
        ("before-send.ecr.GetAuthorizationToken", "ECR GetAuthorizationToken"),
        ("before-send.ecr-public.GetAuthorizationToken", "ECR Public GetAuthorizationToken"),
        ("before-send.sso-oidc.CreateToken", "SSO OIDC CreateToken"),
        ("before-send.sts.Operation.with.dots", "STS Operation.with.dots"),
    ],
)
def test_a_request_is_named_as_aws_does(event: str, name: str) -> None:
    last = LastRequest()
    last.note(SimpleNamespace(url="https://aws.example.com/?canary"), event, headers="canary")
    assert last.request == AwsRequest(name, "https://aws.example.com")
    assert str(last.request) == f"{name} at https://aws.example.com"
    assert str(AwsRequest(name, "")) == name


def test_each_thread_has_a_last_request_of_its_own() -> None:
    last = LastRequest()
    last.note(SimpleNamespace(url="https://a.example.com"), "before-send.sts.AssumeRole")
    seen: list[AwsRequest | None] = []
    thread = threading.Thread(target=lambda: seen.append(last.request))
    thread.start()
    thread.join()
    assert seen == [None]
    assert last.request is not None
    last.forget()
    assert last.request is None


@pytest.mark.parametrize(
    ("given", "environ", "is_ignored", "endpoint"),
    [
        (None, {}, False, None),
        ("http://all", {}, False, "http://all"),
        ("http://all", {"AWS_ENDPOINT_URL": "http://other"}, False, "http://all"),
        ("http://all", {"AWS_ENDPOINT_URL_STS": ""}, False, "http://all"),
        ("http://all", {"AWS_ENDPOINT_URL_STS": "http://sts"}, False, None),
        ("http://all", {"AWS_ENDPOINT_URL_STS": "http://sts"}, True, "http://all"),
    ],
)
def test_an_endpoint_for_sts_alone_goes_before_the_one_for_all(
    given: str | None, environ: dict[str, str], is_ignored: bool, endpoint: str | None
) -> None:
    assert own_sts_endpoint(given, environ, is_ignored=is_ignored) == endpoint


@pytest.mark.parametrize(
    ("environ", "origin"),
    [
        ({}, ""),
        ({"AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://169.254.170.23/v1/credentials"}, "http://169.254.170.23"),
        ({"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI": "/v2/canary"}, "http://169.254.170.2"),
    ],
)
def test_the_place_of_a_container_is_told_by_its_environment(environ: dict[str, str], origin: str) -> None:
    assert container_origin(environ) == origin
