"""Each error code that AWS documents for the calls that are made: which reason it has, and what to do about it."""

from __future__ import annotations

import re

import pytest

from ansible_collections.kube_ecr.secrets.plugins.module_utils._contract import reasons
from ansible_collections.kube_ecr.secrets.plugins.module_utils._contract.aws_errors import (
    DEFAULT_REMEDY,
    REMEDIES,
    TRANSIENT,
    file_remedy,
    reason_of_answer,
    remedy_of_answer,
)

CANARY = "canary"


def answer(code: object, text: object = CANARY, status: object = 400) -> dict:
    return {"Error": {"Code": code, "Message": text}, "ResponseMetadata": {"HTTPStatusCode": status}}


SAME = """
    AccessDeniedException ClockSkew ExpiredTokenException IDPCommunicationError IDPRejectedClaim IncompleteSignature
    InvalidAction InvalidIdentityToken InvalidParameterCombination InvalidParameterException InvalidParameterValue
    InvalidQueryParameter InvalidSignatureException MalformedPolicyDocument MalformedQueryString MissingAction
    MissingAuthenticationToken MissingParameter OptInRequired PackedPolicyTooLarge RegionDisabledException
    SerializationException ThrottlingException UnknownOperationException UnrecognizedClientException
    UnsupportedCommandTypeException ValidationError ValidationException IncompleteSignatureException
    MissingAuthenticationTokenException"""


@pytest.mark.parametrize("code", SAME.split())
def test_a_code_that_stays_has_a_remedy_of_its_own(code: str) -> None:
    assert reason_of_answer(answer(code)) == code
    assert remedy_of_answer(answer(code)) not in (DEFAULT_REMEDY, "")


@pytest.mark.parametrize(
    ("reason", "codes", "is_transient"),
    [
        (reasons.UNRECOGNIZED_CLIENT, "InvalidClientTokenId InvalidAccessKeyId AuthFailure", False),
        (reasons.INVALID_SIGNATURE, "SignatureDoesNotMatch", False),
        (reasons.EXPIRED_TOKEN, "ExpiredToken", False),
        (reasons.ACCESS_DENIED, "AccessDenied NotAuthorized UnauthorizedOperation ForbiddenException", False),
        (reasons.OPT_IN_REQUIRED, "OptInRequired SubscriptionRequiredException", False),
        (reasons.INVALID_IDENTITY_TOKEN, "InvalidIdentityTokenException", False),
        ("IDPRejectedClaim", "IDPRejectedClaimException", False),
        (reasons.CLOCK_SKEW, "RequestExpired RequestTimeTooSkewed RequestInTheFuture", False),
        (reasons.IDP_COMMUNICATION_ERROR, "IDPCommunicationErrorException", True),
        (reasons.THROTTLING, "Throttling RequestLimitExceeded TooManyRequestsException SlowDown", True),
        (reasons.TIMED_OUT, "RequestTimeout RequestTimeoutException", True),
        (
            reasons.SERVER_ERROR,
            "ServiceUnavailable InternalFailure InternalServerError ServerException InternalSomethingNew",
            True,
        ),
    ],
)
def test_codes_that_mean_the_same(reason: str, codes: str, is_transient: bool) -> None:
    for code in codes.split():
        assert (reason_of_answer(answer(code)), reason in TRANSIENT) == (reason, is_transient)
        assert ("tried again" in remedy_of_answer(answer(code))) is (is_transient and reason != reasons.TIMED_OUT)


@pytest.mark.parametrize(
    ("code", "status", "reason"),
    [
        ("503", 503, "ServerError"),
        ("", 500, "ServerError"),
        ("SomethingNew", 500, "ServerError"),
        ("429", 429, "ThrottlingException"),
        ("408", 408, "TimedOut"),
        ("302", 302, "MalformedAnswer"),
        ("403", 403, "MalformedAnswer"),
        (407, 407, "MalformedAnswer"),
        ("", 400, "MalformedAnswer"),
        (None, None, "MalformedAnswer"),
        (["canary"], "canary", "MalformedAnswer"),
        ("SomethingNew", 400, "SomethingNew"),
        ("<html>canary", 400, "UnknownError"),
    ],
)
def test_an_answer_without_a_code_that_is_known(code: object, status: object, reason: str) -> None:
    assert reason_of_answer(answer(code, status=status)) == reason
    assert CANARY not in remedy_of_answer(answer(code, status=status))


@pytest.mark.parametrize("garbage", [{}, {"Error": None}, {"Error": "canary", "ResponseMetadata": []}])
def test_what_is_no_answer_at_all(garbage: dict) -> None:
    assert reason_of_answer(garbage) == "MalformedAnswer"


# https://docs.aws.amazon.com/IAM/latest/UserGuide/signature-v4-troubleshooting.html
@pytest.mark.parametrize("code", ["InvalidSignatureException", "SignatureDoesNotMatch"])
@pytest.mark.parametrize(
    ("text", "reason", "words", "not_words"),
    [
        (
            "The request signature we calculated does not match the",
            "InvalidSignatureException",
            "secret access key",
            "",
        ),
        (
            "Credential should be scoped to a valid region, not 'us-east-1'. ",
            "InvalidSignatureException",
            "another region than the one that this endpoint serves; the keys are not to blame",
            "secret",
        ),
        ("Credential should be scoped to a valid Region.", "InvalidSignatureException", "another region", "secret"),
        (
            "Credential should be scoped to correct service: 'ecr'. ",
            "InvalidSignatureException",
            "the endpoint of another service (ecr); the keys are not to blame",
            "secret",
        ),
        (
            "Credential should be scoped to correct service: '<canary>'",
            "InvalidSignatureException",
            "the endpoint of another service; the",
            CANARY,
        ),
        ("Credential must have exactly 5 slash-delimited elements", "InvalidSignatureException", "proxies", "secret"),
        ("Signature expired: 20260101T000000Z is now earlier than", "ClockSkew", "synchronise", "secret"),
        ("Signature not yet current: 2026", "ClockSkew", "synchronise", "secret"),
        ("Date in Credential scope does not match YYYYMMDD", "ClockSkew", "synchronise", "secret"),
    ],
)
def test_a_signature_is_told_by_what_aws_says_is_wrong(
    code: str, text: str, reason: str, words: str, not_words: str
) -> None:
    assert reason_of_answer(answer(code, text)) == reason
    assert words in remedy_of_answer(answer(code, text))
    assert not not_words or not_words not in remedy_of_answer(answer(code, text))


def test_each_remedy_says_what_to_do() -> None:
    doing = (
        r"check|correct|enable|get|give|install|log in|make|raise|run it|set|shorten|synchronise|tried again|unset|use"
    )
    known = {reasons.ACCESS_DENIED, reasons.INVALID_IDENTITY_TOKEN, "IDPRejectedClaim", reasons.OPT_IN_REQUIRED}
    # Whoever tells these adds who lacks what.
    assert {name for name, text in REMEDIES.items() if not re.search(rf"\b({doing})\b", text, re.IGNORECASE)} <= known
    assert not [text for text in REMEDIES.values() if "internal" in text]


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (
            FileNotFoundError(2, CANARY, "/token"),
            "/token: No such file or directory; AWS_WEB_IDENTITY_TOKEN_FILE names",
        ),
        (
            IsADirectoryError(21, CANARY, "/x"),
            "/x: Is a directory; AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE names it: EKS",
        ),
        (PermissionError(13, CANARY, "/other"), "/other: Permission denied; check the AWS_... variable or the shared"),
        (OSError(24, CANARY, "/token"), "/token: too many files are open; raise the limit (ulimit -n); AWS_WEB"),
        (OSError(CANARY), "a file cannot be read or written (OSError); check"),
    ],
)
def test_a_file_is_named_with_its_variable(error: OSError, words: str) -> None:
    environ = {"AWS_WEB_IDENTITY_TOKEN_FILE": "/token", "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": "/x", "X": "/other"}
    assert file_remedy(error, environ).startswith(words)
    assert CANARY not in file_remedy(error, environ)
