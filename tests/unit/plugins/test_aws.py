"""Errors of AWS and of the way there: told apart, and worded without any text that could hold a credential."""

from __future__ import annotations

import pytest
from botocore import exceptions as botocore_exceptions

from ansible_collections.kube_ecr.secrets.plugins.module_utils import _aws

CANARY = "canary-key"


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
        (client_error("AccessDeniedException"), "AccessDeniedException", "ecr:GetAuthorizationToken"),
        (
            client_error("AccessDeniedException", "User: arn:aws:iam::1:user/ci is not authorized to perform: x"),
            "AccessDeniedException",
            "for arn:aws:iam::1:user/ci",
        ),
        (client_error("ThrottlingException"), "ThrottlingException", "again"),
        (client_error("TooManyRequestsException"), "ThrottlingException", "again"),
        (client_error("InternalFailure", status=500), "ServerError", "again"),
        (client_error("503", status=503), "ServerError", "again"),
        (client_error("SomethingNew"), "SomethingNew", "refused"),
        (client_error(f"<html>{CANARY}"), "UnknownError", "refused"),
    ],
)
def test_an_answer_of_aws(error: botocore_exceptions.ClientError, reason: str, words: str) -> None:
    told = _aws._from_client_error(error)
    assert told.reason == reason
    assert words in str(told)
    assert CANARY not in str(told)


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (botocore_exceptions.NoCredentialsError(), "NoCredentials"),
        (botocore_exceptions.PartialCredentialsError(provider="env", cred_var=CANARY), "PartialCredentials"),
        (botocore_exceptions.ProfileNotFound(profile=CANARY), "ProfileNotFound"),
        (botocore_exceptions.NoRegionError(), "NoRegion"),
        (botocore_exceptions.SSLError(endpoint_url="x", error=CANARY), "CertificateNotTrusted"),
        (botocore_exceptions.ConnectTimeoutError(endpoint_url="x"), "TimedOut"),
        (botocore_exceptions.ReadTimeoutError(endpoint_url="x"), "TimedOut"),
        (botocore_exceptions.EndpointConnectionError(endpoint_url="x", error=CANARY), "Unreachable"),
        (botocore_exceptions.ProxyConnectionError(proxy_url=CANARY), "Unreachable"),
        (botocore_exceptions.HTTPClientError(error=f"Authorization: {CANARY}"), "Unreachable"),
        (ValueError(CANARY), "InvalidEndpoint"),
        (botocore_exceptions.UnknownServiceError(service_name="x", known_service_names=CANARY), "UnknownServiceError"),
    ],
)
def test_what_went_wrong_on_the_way(error: Exception, reason: str) -> None:
    told = _aws.AWSError(_aws._reason_of(error))
    assert told.reason == reason
    assert CANARY not in str(told)


def test_an_endpoint_of_the_environment_is_not_used_with_explicit_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://ambient.example")
    keys = {"access_key": "AKIAIOSFODNN7EXAMPLE", "secret_key": "secret"}
    explicit = _aws._client(_aws.Credentials(region="eu-west-1", **keys))
    assert explicit.meta.endpoint_url == "https://api.ecr.eu-west-1.amazonaws.com"
    ambient = _aws._client(_aws.Credentials(region="eu-west-1"))
    assert ambient.meta.endpoint_url == "http://ambient.example"
