"""What logins are asked for, and which texts stand for them at the edges."""

from __future__ import annotations

import pytest

from ansible_collections.kube_ecr.secrets.plugins.module_utils._contract.errors import ResourceError
from ansible_collections.kube_ecr.secrets.plugins.module_utils._contract.login_request import EcrHost, LoginRequest

PRIVATE = "111122223333.dkr.ecr.eu-west-1.amazonaws.com"
CUSTOM = "registry.example.com:8443"


@pytest.mark.parametrize(
    ("text", "request_"),
    [
        ("eu-west-1", LoginRequest(None, "eu-west-1")),
        (PRIVATE, LoginRequest(PRIVATE, None)),
        ("public.ecr.aws", LoginRequest("public.ecr.aws", None)),
        (f"{CUSTOM}@eu-west-1", LoginRequest(CUSTOM, "eu-west-1")),
        (CUSTOM, LoginRequest(CUSTOM, None)),
    ],
)
def test_text_and_request_name_each_other(text: str, request_: LoginRequest) -> None:
    assert LoginRequest.parse(text) == request_
    assert str(request_) == text


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("eu-west-1a", "availability zone"),
        ("eu-west-1@eu-west-1", "not an AWS region"),
        ("", "is missing"),
        (f"{CUSTOM}@", "is missing"),
        (f"{CUSTOM}@Ireland", "not an AWS region"),
        ("https://public.ecr.aws", "not a registry host"),
        ("public.ecr.aws/team", "not a registry host"),
        (None, "no text"),
    ],
)
def test_text_that_names_no_login_is_refused_with_the_field(text: object, words: str) -> None:
    with pytest.raises(ResourceError, match=words) as caught:
        LoginRequest.parse(text)
    assert caught.value.field == "registries"


@pytest.mark.parametrize("host", [PRIVATE, "public.ecr.aws", "111122223333.dkr-ecr.eu-west-1.on.aws", "1.dkr.ecr.x"])
def test_host_of_aws_is_the_same_in_resources_of_all_regions(host: str) -> None:
    assert LoginRequest.for_host(host, "eu-west-1") == LoginRequest.for_host(host, "us-east-1")


def test_host_of_others_is_tied_to_the_region_of_its_resource() -> None:
    assert LoginRequest.for_host(CUSTOM, "eu-west-1") == LoginRequest(CUSTOM, "eu-west-1")


@pytest.mark.parametrize(
    ("text", "host", "is_answered"),
    [
        ("eu-west-1", PRIVATE, True),
        ("eu-west-1", "444455556666.dkr-ecr-fips.eu-west-1.on.aws", True),
        ("eu-central-1", PRIVATE, False),
        ("eu-west-1", CUSTOM, False),
        (PRIVATE, PRIVATE, True),
        (PRIVATE, "444455556666.dkr.ecr.eu-west-1.amazonaws.com", False),
        (f"{CUSTOM}@eu-west-1", CUSTOM, True),
        (f"{CUSTOM}@eu-west-1", PRIVATE, False),
    ],
)
def test_login_for_a_host_answers_the_requests_for_it(text: str, host: str, is_answered: bool) -> None:
    assert LoginRequest.parse(text).is_answered_by(host) is is_answered


def test_requests_are_sorted_by_their_texts() -> None:
    texts = ["eu-west-1", "z.example.com@eu-west-1", PRIVATE]
    for listed in (texts, texts[::-1]):
        assert list(map(str, sorted(map(LoginRequest.parse, listed)))) == [PRIVATE, "eu-west-1", texts[1]]
    assert not LoginRequest.parse(PRIVATE) < LoginRequest.parse(PRIVATE)


@pytest.mark.parametrize(
    ("host", "parts"),
    [
        (PRIVATE, EcrHost("eu-west-1", "amazonaws.com", is_fips=False, is_dual_stack=False)),
        (
            "111122223333.dkr.ecr-fips.us-gov-west-1.amazonaws.com",
            EcrHost("us-gov-west-1", "amazonaws.com", is_fips=True, is_dual_stack=False),
        ),
        (
            "111122223333.dkr-ecr.cn-north-1.on.amazonwebservices.com.cn",
            EcrHost("cn-north-1", "on.amazonwebservices.com.cn", is_fips=False, is_dual_stack=True),
        ),
        ("11112222333.dkr.ecr.eu-west-1.amazonaws.com", None),
        ("public.ecr.aws", None),
    ],
)
def test_host_of_ecr_says_region_suffix_and_endpoint(host: str, parts: EcrHost | None) -> None:
    assert EcrHost.parse(host) == parts
