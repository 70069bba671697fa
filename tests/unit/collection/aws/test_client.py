"""Errors of AWS and of the way there: told apart, and worded without any text that could hold a credential."""

from __future__ import annotations

import os
from base64 import b64encode
from types import SimpleNamespace

import pytest
from botocore import exceptions as botocore_exceptions
from botocore.config import Config
from botocore.parsers import ResponseParserError

from ansible_collections.kube_ecr.secrets.plugins.module_utils._aws import client, errors, session
from ansible_collections.kube_ecr.secrets.plugins.module_utils._aws.registries import TokenCall
from ansible_collections.kube_ecr.secrets.plugins.module_utils._aws.session import Calls, Credentials, Session
from ansible_collections.kube_ecr.secrets.plugins.module_utils._contract.aws_requests import LastRequest

CANARY = "canary-key"
ROLE = "arn:aws:iam::111122223333:role/path/reader"
# https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot_access-denied.html
DENIED = (
    "User: arn:aws:sts::111122223333:assumed-role/ci/kube-ecr@team-a@ecr is not authorized to perform: {} "
    "on resource: {}{}"
)
CALL = "ECR GetAuthorizationToken"
HOST = "https://api.ecr.eu-west-1.amazonaws.com"
# What is called, with what may not be told of it.
URL = f"{HOST}/{CANARY}?{CANARY}#{CANARY}"
STS_HOST = "https://sts.eu-west-1.amazonaws.com"
STS_URL = f"{STS_HOST}/?WebIdentityToken={CANARY}"
KEYS = {"access_key": "AKIAIOSFODNN7EXAMPLE", "secret_key": "secret"}


@pytest.fixture(autouse=True)
def bare(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of the machine that the tests run on."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, "/nonexistent")


def client_error(code: str, message: str = CANARY, status: int = 400) -> botocore_exceptions.ClientError:
    answer = {"Error": {"Code": code, "Message": message}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return botocore_exceptions.ClientError(answer, "GetAuthorizationToken")


@pytest.mark.parametrize(
    ("error", "reason", "words"),
    [
        (client_error("UnrecognizedClientException"), "UnrecognizedClientException", "base64"),
        (client_error("InvalidClientTokenId"), "UnrecognizedClientException", "base64"),
        (client_error("InvalidSignatureException"), "InvalidSignatureException", "secret access key"),
        (client_error("InvalidSignatureException", "Signature expired: 20260101T000000Z is now"), "ClockSkew", "clock"),
        (client_error("InvalidSignatureException", "Signature not yet current: x"), "ClockSkew", "clock"),
        (client_error("RequestTimeTooSkewed"), "ClockSkew", "clock"),
        (client_error("ExpiredTokenException"), "ExpiredTokenException", "session token"),
        (client_error("AccessDeniedException"), "AccessDeniedException", "allow it ecr:GetAuthorizationToken"),
        (
            client_error("AccessDeniedException", DENIED.format("ecr:GetAuthorizationToken", "*", CANARY)),
            "AccessDeniedException",
            "assumed-role/ci/kube-ecr@team-a@ecr do not allow ecr:GetAuthorizationToken on resource *; allow it",
        ),
        (
            client_error("AccessDenied", DENIED.format("sts:AssumeRole", ROLE, f" {CANARY}")),
            "AccessDeniedException",
            f"sts:AssumeRole on resource {ROLE}",
        ),
        (
            client_error(
                "AccessDeniedException",
                DENIED.format("x:Y", "*", " with an explicit deny in a service control policy"),
            ),
            "AccessDeniedException",
            "a service control policy denies arn:aws:sts::111122223333:assumed-role/ci/kube-ecr@team-a@ecr x:Y",
        ),
        (client_error("InvalidIdentityToken"), "InvalidIdentityToken", "does not accept the web identity token"),
        (client_error("ThrottlingException"), "ThrottlingException", "again"),
        (client_error("TooManyRequestsException"), "ThrottlingException", "again"),
        (client_error("InternalFailure", status=500), "ServerError", "again"),
        (client_error("503", status=503), "ServerError", "again"),
        (client_error("SomethingNew"), "SomethingNew", "refused"),
        (client_error(f"<html>{CANARY}"), "UnknownError", "refused"),
    ],
)
def test_an_answer_of_aws(error: botocore_exceptions.ClientError, reason: str, words: str) -> None:
    told = raised(error, "allow it ecr:GetAuthorizationToken")
    assert told.reason == reason
    assert words in str(told)
    assert str(told).startswith(f"AWS {CALL} in eu-west-1 at {HOST}: {reason}: ")
    assert CANARY not in str(told)


ECR_SENT = ("before-send.ecr.GetAuthorizationToken", URL)
STS_SENT = ("before-send.sts.AssumeRoleWithWebIdentity", STS_URL)


def raised(error: Exception, remedy: str = "", sent: tuple[tuple[str, str], ...] = (ECR_SENT,)) -> errors.AWSError:
    """Return what becomes of an error after these requests, in a thread that had one before."""
    last = LastRequest()

    def ask() -> None:
        for event, url in sent:
            last.note(SimpleNamespace(url=url), event)
        raise error

    last.note(SimpleNamespace(url="https://stale.example.com"), "before-send.sso.GetRoleCredentials")
    with pytest.raises(errors.AWSError) as caught, errors.translated(CALL, "", remedy, last, "eu-west-1"):
        ask()
    return caught.value


def test_the_chain_of_boto3_is_told_from_the_call_itself() -> None:
    denied = DENIED.format("sts:AssumeRoleWithWebIdentity", ROLE, "")
    answer = {"Error": {"Code": "AccessDenied", "Message": denied}}
    error = botocore_exceptions.ClientError(answer, "AssumeRoleWithWebIdentity")
    told = raised(error, "allow it ecr:Get", (STS_SENT,))
    assert str(told).startswith(
        f"AWS STS AssumeRoleWithWebIdentity at {STS_HOST}: AccessDeniedException: the IAM policies of arn:"
    )
    assert "ecr:Get" not in str(told)


def on_the_way(url: str) -> list[tuple[Exception, str, str]]:
    """Return botocore's errors of a connection to a URL, with what becomes of each; some do not hold the URL."""
    canary = ValueError(f"Authorization: {CANARY}")
    return [
        (botocore_exceptions.EndpointConnectionError(endpoint_url=url, error=canary), "Unreachable", "DNS"),
        (botocore_exceptions.ConnectionClosedError(endpoint_url=url, error=canary, request=CANARY), "Unreachable", ""),
        (botocore_exceptions.ConnectTimeoutError(endpoint_url=url, error=canary), "TimedOut", "security groups"),
        (botocore_exceptions.ReadTimeoutError(endpoint_url=url, error=canary), "TimedOut", "VPC endpoint"),
        (botocore_exceptions.SSLError(endpoint_url=url, error=canary), "CertificateNotTrusted", "AWS_CA_BUNDLE"),
        (
            botocore_exceptions.ProxyConnectionError(
                proxy_url=f"http://u:{CANARY}@proxy.example.com:3128", error=canary
            ),
            "Unreachable",
            "the proxy http://proxy.example.com:3128 gives no connection; check HTTPS_PROXY and NO_PROXY",
        ),
        (
            botocore_exceptions.ProxyConnectionError(proxy_url=f"http://u:{CANARY}/@proxy.example.com", error=canary),
            "Unreachable",
            "the proxy gives no connection",
        ),
        (botocore_exceptions.HTTPClientError(error=canary, request=CANARY), "Unreachable", "proxy settings"),
        (botocore_exceptions.ResponseStreamingError(error=canary), "Unreachable", "proxy settings"),
        (ResponseParserError(CANARY), "MalformedAnswer", "cannot be read"),
        (TypeError(CANARY), "MalformedAnswer", "cannot be read"),
    ]


@pytest.mark.parametrize(("error", "reason", "words"), on_the_way(URL))
def test_what_went_wrong_on_the_way_names_the_service_and_its_host(error: Exception, reason: str, words: str) -> None:
    told = raised(error)
    assert str(told).startswith(f"AWS {CALL} in eu-west-1 at {HOST}: {reason}: ")
    assert (told.reason, words in str(told), CANARY in str(told)) == (reason, True, False)


@pytest.mark.parametrize(("error", "reason", "words"), on_the_way(STS_URL))
def test_what_went_wrong_in_the_chain_of_boto3_names_its_service(error: Exception, reason: str, words: str) -> None:
    told = raised(error, "allow it ecr:Get", (STS_SENT,))
    assert str(told).startswith(f"AWS STS AssumeRoleWithWebIdentity at {STS_HOST}: {reason}: ")
    assert (words in str(told), "ecr:Get" in str(told), CANARY in str(told)) == (True, False, False)
    assert str(raised(error, sent=(STS_SENT, ECR_SENT))).startswith(f"AWS {CALL} in eu-west-1 at {HOST}: {reason}: ")


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (botocore_exceptions.NoCredentialsError(), "NoCredentials"),
        (botocore_exceptions.PartialCredentialsError(provider="env", cred_var="AWS_X"), "PartialCredentials: AWS_X"),
        (botocore_exceptions.ProfileNotFound(profile="dev"), "ProfileNotFound: dev"),
        (botocore_exceptions.NoRegionError(), "NoRegion"),
        (ValueError(f"Invalid endpoint: {CANARY}"), "InvalidEndpoint"),
        (ValueError(CANARY), "ValueError"),
        (botocore_exceptions.UnknownServiceError(service_name="x", known_service_names=CANARY), "UnknownServiceError"),
    ],
)
def test_what_was_wrong_before_anything_was_sent(error: Exception, reason: str) -> None:
    told = raised(error, sent=())
    assert str(told).startswith(f"AWS {CALL} in eu-west-1: {reason}: ")
    assert CANARY not in str(told)


UNSIGNED = Config(signature_version="unsigned")


def test_an_endpoint_of_the_environment_is_not_used_with_explicit_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://ambient.example")
    for credentials, endpoint in (
        (Credentials(region="eu-west-1", **KEYS), "https://{}.eu-west-1.amazonaws.com"),
        (Credentials(region="eu-west-1", web_identity_token="x"), "https://{}.eu-west-1.amazonaws.com"),
        (Credentials(region="eu-west-1"), "http://ambient.example"),
        (Credentials(region="eu-west-1", endpoint_url="http://given.example", **KEYS), "http://given.example"),
    ):
        session = Session(credentials, Calls())
        assert session.client("ecr").meta.endpoint_url == endpoint.format("api.ecr")
        assert session.client("sts").meta.endpoint_url == endpoint.format("sts")


@pytest.mark.parametrize(
    ("environment", "endpoint", "explicit"),
    [
        ({}, "http://given.example", "http://given.example"),
        ({"AWS_ENDPOINT_URL_STS": "http://sts.example"}, "http://sts.example", "http://given.example"),
        (
            {"AWS_ENDPOINT_URL_STS": "http://sts.example", "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "true"},
            "http://given.example",
            "http://given.example",
        ),
    ],
)
def test_sts_has_the_endpoint_that_is_given_for_boto3_too_unless_it_has_one_of_its_own(
    environment: dict[str, str], endpoint: str, explicit: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """boto3 makes clients of STS by itself, to find credentials; those of SSO are none of ours."""
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    own = Session(Credentials(region="eu-west-1", endpoint_url="http://given.example"), Calls())
    by_boto3 = own._botocore.create_client
    assert by_boto3("sts", region_name="eu-west-1", config=UNSIGNED).meta.endpoint_url == endpoint
    assert own.client("sts").meta.endpoint_url == endpoint
    assert own.client("ecr").meta.endpoint_url == "http://given.example"
    assert "amazonaws.com" in by_boto3("sso", region_name="eu-west-1", config=UNSIGNED).meta.endpoint_url
    other = Session(Credentials(region="eu-west-1", endpoint_url="http://given.example", **KEYS), Calls())
    assert other.client("sts").meta.endpoint_url == explicit


def test_endpoints_of_the_environment_can_be_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://ambient.example")
    monkeypatch.setenv("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "true")
    own = Session(Credentials(region="eu-west-1"), Calls())
    assert own.client("ecr").meta.endpoint_url == "https://api.ecr.eu-west-1.amazonaws.com"


def test_each_client_gives_up_in_time() -> None:
    own = Session(Credentials(region="eu-west-1"), Calls())
    for made in (own.client("ecr"), own._botocore.create_client("sts", region_name="eu-west-1", config=UNSIGNED)):
        config = made.meta.config
        assert (config.connect_timeout, config.read_timeout) == (session.CONNECT_TIMEOUT, session.READ_TIMEOUT)
        # Retries say when to try again, see there.
        assert (config.retries["mode"], config.retries["total_max_attempts"]) == ("standard", 1)


def test_the_endpoint_of_a_call_is_of_the_kind_of_its_hosts() -> None:
    session = Session(Credentials(region="eu-west-1", **KEYS), Calls())
    for call, words in (
        (TokenCall("ecr", "us-east-1"), ["us-east-1", "api.ecr.", ".amazonaws.com"]),
        (TokenCall("ecr", "us-east-1", fips=True), ["us-east-1", "ecr-fips.", ".amazonaws.com"]),
        (TokenCall("ecr", "us-east-1", dual_stack=True), ["us-east-1", "ecr.", ".api.aws"]),
        (TokenCall("ecr", "cn-north-1"), ["cn-north-1", ".amazonaws.com.cn"]),
        (TokenCall("ecr-public", "us-east-1"), ["api.ecr-public.us-east-1.amazonaws.com"]),
    ):
        url = session.client(call.service, call.region, **client._endpoint(call)).meta.endpoint_url
        assert all(word in url for word in words), url


TOKEN = ".".join(["x", b64encode(b'{"iss": "https://issuer", "sub": "me", "aud": ["sts"]}').decode().rstrip("="), "x"])


@pytest.mark.parametrize(
    ("token", "words"),
    [
        (TOKEN, f"issuer https://issuer with the audience sts, and {ROLE} a trust policy that lets the subject me in"),
        ("canary", "no JSON web token"),
        ("a.canary.c", "no JSON web token"),
        (f"a.{b64encode(b'[]').decode()}.c", "no JSON web token"),
    ],
)
def test_what_has_to_trust_a_web_identity_is_said(token: str, words: str) -> None:
    told = raised(client_error("AccessDenied", "Not authorized"), errors.trust_wanted(ROLE, token))
    assert words in str(told)
    assert "canary" not in str(told)
