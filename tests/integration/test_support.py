"""The stand-ins are honest: the AWS endpoint and the registry refuse what the real ones refuse, and in their words.

A stand-in that takes everything would make every other test worthless.
"""

from __future__ import annotations

import json
import threading
import time
from base64 import b64decode
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import botocore.auth
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError, ConnectionClosedError, EndpointConnectionError, ReadTimeoutError

from tests.support.awsendpoint import NO_ANSWER, AWSEndpoint, Call, Principal, Verdict
from tests.support.registry import PullError, Registry

IRELAND, FRANKFURT = "eu-west-1", "eu-central-1"
OPERATION = "GetAuthorizationToken"


def get_token(
    aws: AWSEndpoint, principal: Principal, region: str = IRELAND, attempts: int = 1, **options: Any
) -> dict[str, Any]:
    """Return the authorization that boto3 gets."""
    client = boto3.client(
        "ecr",
        region_name=region,
        endpoint_url=aws.url,
        aws_access_key_id=principal.access_key,
        aws_secret_access_key=principal.secret_key,
        aws_session_token=options.pop("session_token", None),
        config=Config(retries={"mode": "standard", "total_max_attempts": attempts}, **options),
    )
    return client.get_authorization_token()["authorizationData"][0]


def password_of(authorization: dict[str, Any]) -> str:
    username, _, password = b64decode(authorization["authorizationToken"]).decode().partition(":")
    assert username == "AWS"
    return password


def docker_config(host: str, password: str) -> str:
    return json.dumps({"auths": {host: {"username": "AWS", "password": password}}})


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_token_has_the_life_account_and_region_that_were_asked_for(aws: AWSEndpoint) -> None:
    aws.token_life = timedelta(minutes=10)
    principal = aws.principal(account="444455556666")

    before = datetime.now(UTC)
    authorization = get_token(aws, principal, "cn-north-1")
    after = datetime.now(UTC)

    rounding = timedelta(milliseconds=1)
    assert before - rounding <= authorization["expiresAt"] - aws.token_life <= after + rounding
    assert authorization["proxyEndpoint"] == "https://444455556666.dkr.ecr.cn-north-1.amazonaws.com.cn"
    assert aws.calls == [Call(OPERATION, principal.access_key, "cn-north-1", "")]


@pytest.mark.parametrize(
    ("mistake", "code", "words"),
    [
        ({"secret_key": "x" * 40}, "InvalidSignatureException", "does not match"),
        ({"access_key": "AKIAAAAAAAAAAAAAAAAA"}, "UnrecognizedClientException", "is invalid"),
    ],
)
def test_wrong_keys_are_refused(aws: AWSEndpoint, mistake: dict[str, str], code: str, words: str) -> None:
    wrong = replace(aws.principal(), **mistake)

    with pytest.raises(ClientError, match=rf"\({code}\).*{words}"):
        get_token(aws, wrong)

    assert aws.calls == [Call(OPERATION, wrong.access_key, IRELAND, code)]


def test_a_session_token_beside_the_keys_of_a_user_is_refused(aws: AWSEndpoint) -> None:
    with pytest.raises(ClientError, match="UnrecognizedClientException"):
        get_token(aws, aws.principal(), session_token="of somebody else")


def test_a_principal_without_the_permission_is_refused(aws: AWSEndpoint) -> None:
    principal = aws.principal(allowed=False)

    with pytest.raises(ClientError, match=r"AccessDeniedException.*user/test is not authorized to perform: ecr:Get"):
        get_token(aws, principal)

    aws.principal(access_key=principal.access_key, secret_key=principal.secret_key, allowed=True)
    get_token(aws, principal)


@pytest.mark.parametrize(
    ("minutes", "refusal"),
    [(-6, "Signature expired: "), (-4, None), (4, None), (6, "Signature not yet current: ")],
)
def test_a_clock_that_is_wrong_is_refused(
    aws: AWSEndpoint, monkeypatch: pytest.MonkeyPatch, minutes: int, refusal: str | None
) -> None:
    wrong = datetime.now(UTC) + timedelta(minutes=minutes)
    monkeypatch.setattr(botocore.auth, "get_current_datetime", lambda: wrong)

    if refusal is None:
        get_token(aws, aws.principal())
    else:
        with pytest.raises(ClientError, match=rf"\(InvalidSignatureException\).*{refusal}"):
            get_token(aws, aws.principal())


def test_a_token_logs_in_within_its_region_and_its_life(aws: AWSEndpoint) -> None:
    principal = aws.principal()
    password = password_of(get_token(aws, principal))
    assert aws.verify(principal.registry(IRELAND), "AWS", password)
    assert aws.verify(aws.principal(account="444455556666").registry(IRELAND), "AWS", password)
    assert not aws.verify(principal.registry(FRANKFURT), "AWS", password)
    assert not aws.verify(principal.registry(IRELAND), "aws", password)
    assert not aws.verify(principal.registry(IRELAND), "AWS", password + "x")

    aws.expire_tokens()

    assert aws.verdict(principal.registry(IRELAND), "AWS", password) is Verdict.EXPIRED
    assert aws.verify(principal.registry(IRELAND), "AWS", password_of(get_token(aws, principal)))


def test_a_token_dies_by_itself(aws: AWSEndpoint) -> None:
    aws.token_life = timedelta(seconds=0.5)
    principal = aws.principal()
    authorization = get_token(aws, principal)

    # What expiresAt promises is rounded to a millisecond.
    until(lambda: datetime.now(UTC) > authorization["expiresAt"] + timedelta(milliseconds=1))

    assert aws.verdict(principal.registry(), "AWS", password_of(authorization)) is Verdict.EXPIRED


def test_a_fault_that_passes_is_retried_and_counted(aws: AWSEndpoint) -> None:
    principal = aws.principal()
    aws.fail("ThrottlingException", "Rate exceeded", times=2)

    get_token(aws, principal, attempts=3)

    assert [call.code for call in aws.calls] == ["ThrottlingException", "ThrottlingException", ""]
    assert aws.count(OPERATION) == 3


def test_a_fault_lasts_until_it_is_healed(aws: AWSEndpoint) -> None:
    principal = aws.principal()
    aws.fail("ServerException", "It broke.", status=500)
    for _ in range(2):
        with pytest.raises(ClientError, match="It broke"):
            get_token(aws, principal)
    aws.answer({"authorizationData": [{"authorizationToken": "nonsense"}]})
    assert get_token(aws, principal) == {"authorizationToken": "nonsense"}

    aws.heal()

    assert len(password_of(get_token(aws, principal))) > 1000


def test_a_call_without_an_answer_ends_by_the_time_out_of_the_client(aws: AWSEndpoint) -> None:
    aws.hang()

    with pytest.raises(ReadTimeoutError):
        get_token(aws, aws.principal(), read_timeout=0.3)

    assert [call.code for call in aws.calls] == [NO_ANSWER]


@pytest.mark.parametrize("release", [AWSEndpoint.heal, AWSEndpoint.stop])
def test_calls_that_hang_are_let_go(aws: AWSEndpoint, release: Callable[[AWSEndpoint], None]) -> None:
    principal = aws.principal()
    errors: list[Exception] = []

    def call() -> None:
        try:
            get_token(aws, principal, read_timeout=30)
        except ConnectionClosedError as error:
            errors.append(error)

    aws.hang()
    thread = threading.Thread(target=call)
    thread.start()
    until(lambda: len(aws.calls) == 1)

    release(aws)

    thread.join(10)
    assert len(errors) == 1


def test_an_outage_ends_on_the_same_port(aws: AWSEndpoint) -> None:
    principal = aws.principal()
    password, url = password_of(get_token(aws, principal)), aws.url

    aws.stop()
    with pytest.raises(EndpointConnectionError):
        get_token(aws, principal)
    aws.start()

    assert aws.url == url
    get_token(aws, principal)
    assert aws.verify(principal.registry(), "AWS", password)


def test_pulling_needs_a_login_that_is_alive(aws: AWSEndpoint, registry: Registry) -> None:
    principal = aws.principal()
    host = principal.registry()
    digest = registry.push(host, "team/app:1")
    password = password_of(get_token(aws, principal))
    good = docker_config(host, password)
    assert registry.pull(host, "team/app:1", good) == digest

    for refused in ("{}", docker_config(host, password[:-1]), docker_config("other.example.com", password)):
        with pytest.raises(PullError, match="401 Unauthorized"):
            registry.pull(host, "team/app:1", refused)

    aws.expire_tokens()
    with pytest.raises(PullError, match="Your authorization token has expired") as caught:
        registry.pull(host, "team/app:1", good)
    assert password not in str(caught.value)
    assert registry.pull(host, "team/app:1", docker_config(host, password_of(get_token(aws, principal)))) == digest


def test_a_token_of_another_region_does_not_pull(aws: AWSEndpoint, registry: Registry) -> None:
    principal = aws.principal()
    host = principal.registry()
    registry.push(host, "team/app:2")

    with pytest.raises(PullError, match="401 Unauthorized"):
        registry.pull(host, "team/app:2", docker_config(host, password_of(get_token(aws, principal, FRANKFURT))))


def test_the_client_reaches_nothing_but_ecr(aws: AWSEndpoint, registry: Registry) -> None:
    with pytest.raises(PullError, match="Forbidden"):
        registry.pull("public.example.com", "team/app:1", "{}")
