"""What an answer of ECR, or the option authorizations, is believed and refused for."""

from __future__ import annotations

from base64 import b64encode
from datetime import UTC, datetime, timedelta, timezone

import pytest

from ansible_collections.kube_ecr.secrets.plugins.module_utils._aws.authorizations import (
    Authorization,
    MalformedAnswer,
    from_answer,
    from_options,
)
from tests.support.logins import requests

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)
HOST = "111122223333.dkr.ecr.eu-west-1.amazonaws.com"
PASSWORD = "canary-password"


def entry(**changes: object) -> dict:
    return {
        "authorizationToken": b64encode(f"AWS:{PASSWORD}".encode()).decode(),
        "proxyEndpoint": f"https://{HOST}",
        "expiresAt": NOW + timedelta(hours=12),
    } | changes


@pytest.mark.parametrize(
    ("endpoint", "host"),
    [
        (f"https://{HOST}", HOST),
        (
            "https://1.dkr.ecr.cn-north-1.amazonaws.com.cn",
            "1.dkr.ecr.cn-north-1.amazonaws.com.cn",
        ),
        ("http://localhost:4566", "localhost:4566"),
    ],
)
def test_the_host_is_the_one_that_aws_names(endpoint: str, host: str) -> None:
    found = from_answer({"authorizationData": [entry(proxyEndpoint=endpoint)]}, *requests("eu-west-1"), NOW)
    assert (found.registry, found.username, found.password) == (host, "AWS", PASSWORD)


@pytest.mark.parametrize(
    ("requested", "host"),
    [
        ("444455556666.dkr.ecr.eu-west-1.amazonaws.com", "444455556666.dkr.ecr.eu-west-1.amazonaws.com"),
        ("registry.example.com:5000@eu-west-1", "registry.example.com:5000"),
    ],
)
def test_a_host_that_was_asked_for_gets_the_login_of_its_region(requested: str, host: str) -> None:
    found = from_answer({"authorizationData": [entry()]}, *requests(requested), NOW)
    assert (found.registry, str(found.requested), found.password) == (host, requested, PASSWORD)


def test_ecr_public_answers_with_one_object_and_no_host() -> None:
    found = from_answer({"authorizationData": without(entry(), "proxyEndpoint")}, *requests("public.ecr.aws"), NOW)
    assert (found.registry, found.password) == ("public.ecr.aws", PASSWORD)


def without(content: dict, name: str) -> dict:
    return {key: value for key, value in content.items() if key != name}


def test_the_expiry_is_told_in_utc() -> None:
    local = (NOW + timedelta(hours=12)).astimezone(timezone(timedelta(hours=5)))
    found = from_answer({"authorizationData": [entry(expiresAt=local)]}, *requests(HOST), NOW)
    assert found.as_dict()["expires_at"] == "2026-02-01T00:00:00Z"


def test_no_token_is_said_to_live_longer_than_those_of_aws_do() -> None:
    found = from_answer(
        {"authorizationData": [entry(expiresAt=datetime.max.replace(tzinfo=UTC))]}, *requests(HOST), NOW
    )
    assert found.expires_at == NOW + timedelta(hours=12)


def test_a_password_is_not_in_repr() -> None:
    assert PASSWORD not in repr(Authorization(HOST, "AWS", PASSWORD, NOW, *requests(HOST)))


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        ({}, "without authorizationData"),
        ({"authorizationData": []}, "without authorizationData"),
        ({"authorizationData": [entry(proxyEndpoint=None)]}, "proxyEndpoint"),
        ({"authorizationData": [entry(proxyEndpoint=HOST)]}, "proxyEndpoint"),
        ({"authorizationData": [entry(authorizationToken="!")]}, "not base64"),
        ({"authorizationData": [entry(authorizationToken=None)]}, "user:password"),
        ({"authorizationData": [entry(authorizationToken="Y2FuYXJ5")]}, "user:password"),
        ({"authorizationData": [entry(authorizationToken=b64encode(b"AWS:").decode())]}, "user:password"),
        ({"authorizationData": [entry(expiresAt=None)]}, "without expiresAt"),
        ({"authorizationData": [entry(expiresAt=NOW)]}, "expired at 2026-01-31T12:00:00Z"),
        (
            {"authorizationData": [entry(expiresAt=NOW + timedelta(seconds=10))]},
            "about to expire at 2026-01-31T12:00:10Z",
        ),
        ({"authorizationData": [entry(expiresAt=datetime(2015, 1, 1, tzinfo=UTC))]}, "expired at 2015"),
    ],
)
def test_an_answer_that_cannot_be_used_is_an_error_without_the_token(answer: dict, message: str) -> None:
    with pytest.raises(MalformedAnswer, match=message) as caught:
        from_answer(answer, *requests("eu-west-1"), NOW)
    assert "canary" not in str(caught.value)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"registry": f"https://{HOST}"}, "not a bare host"),
        ({"registry": f"{HOST}/team"}, "not a bare host"),
        ({"registry": f"{HOST}\n"}, "not a bare host"),
        ({"registry": f"AWS@{HOST}"}, "not a bare host"),
        ({"registry": ""}, "not a bare host"),
        ({"password": ""}, f"password for {HOST} is empty"),
        ({"expires_at": "soon"}, f"expires_at of {HOST}"),
        ({"expires_at": "2026-01-31T12:00:00"}, "no UTC offset"),
    ],
)
def test_an_option_that_cannot_be_used_is_refused_by_name(changes: dict, message: str) -> None:
    option = {"registry": HOST, "username": "AWS", "password": PASSWORD, "expires_at": "2026-02-01T00:00:00Z"}
    assert from_options(option).expires_at == datetime(2026, 2, 1, tzinfo=UTC)
    with pytest.raises(ValueError, match=message) as caught:
        from_options(option | changes)
    assert PASSWORD not in str(caught.value)
