"""When a request to AWS is sent again: a hiccup of some seconds is waited for, with a clock that stands in."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace

import botocore.endpoint
import pytest
from botocore import exceptions as botocore_exceptions
from botocore.awsrequest import AWSResponse

from ansible_collections.kube_ecr.secrets.plugins.module_utils._aws import errors
from ansible_collections.kube_ecr.secrets.plugins.module_utils._aws import session as session_file
from ansible_collections.kube_ecr.secrets.plugins.module_utils._aws.session import Calls, Credentials, Session
from ansible_collections.kube_ecr.secrets.plugins.module_utils._contract.aws_retries import ATTEMPTS, Retries
from kube_ecr_runner.runs import credential_process

PATIENCE = session_file.PATIENCE
URL = "https://api.ecr.eu-west-1.amazonaws.com"


class Clock:
    """A time that passes only when somebody sleeps, or an attempt takes it."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


def lowest(low: float, _high: float) -> float:
    return low


def highest(_low: float, high: float) -> float:
    return high


@pytest.mark.parametrize("draw", [lowest, highest])
@pytest.mark.parametrize("patience", [PATIENCE, credential_process.PATIENCE_SECONDS])
def test_a_hiccup_of_some_seconds_is_outlived_and_the_wait_has_an_end(
    draw: Callable[[float, float], float], patience: float
) -> None:
    clock = Clock()
    retries, attempts = Retries(patience, clock, draw), 1
    while (seconds := retries.after(attempts, clock.now)) is not None:
        clock.sleep(seconds)
        attempts += 1
    assert (attempts, 4.5 < clock.now < 8.5) == (ATTEMPTS, True)
    # The program that the run waits for ends in time, whatever the last attempt takes.
    limit = credential_process.CONNECT_SECONDS + credential_process.READ_SECONDS
    assert credential_process.PATIENCE_SECONDS + limit < credential_process.DEADLINE_SECONDS


def test_callers_that_fail_together_do_not_come_back_together() -> None:
    first = {Retries(PATIENCE).after(1, 0) for _ in range(50)}
    assert len(first) == 50


def answer(status: int, code: str = "", text: str = "") -> tuple[object, dict]:
    error = {"Error": {"Code": code, "Message": text}} if code else {}
    return SimpleNamespace(status_code=status), error


def no_way(kind: str, **more: str) -> Exception:
    return getattr(botocore_exceptions, kind)(endpoint_url=URL, **{"error": "x", **more})


PASS = [
    answer(503, "503"),
    answer(502, "502"),
    answer(500, "InternalFailure"),
    answer(400, "ServerException"),
    answer(400, "ThrottlingException"),
    answer(429, "429"),
    answer(400, "RequestTimeout"),
    answer(400, "IDPCommunicationError"),
    no_way("EndpointConnectionError"),
    no_way("ConnectionClosedError"),
    no_way("ConnectTimeoutError"),
    no_way("ReadTimeoutError"),
    no_way("ProxyConnectionError", proxy_url="http://proxy"),
    no_way("SSLError", error="[SSL: UNEXPECTED_EOF_WHILE_READING]"),
]
STAY = [
    answer(200),
    answer(400, "AccessDeniedException"),
    answer(403, "403"),
    answer(302, "302"),
    answer(400, "InvalidSignatureException", "Signature expired"),
    no_way("SSLError", error="[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed"),
    ValueError("x"),
]


@pytest.mark.parametrize(
    ("outcome", "is_tried"), [*[(each, True) for each in PASS], *[(each, False) for each in STAY]], ids=str
)
def test_what_may_pass_is_tried_again_and_nothing_else(outcome: object, is_tried: bool) -> None:
    error = outcome if isinstance(outcome, Exception) else None
    response = outcome if isinstance(outcome, tuple) else None
    waited = Retries(PATIENCE).wait(
        attempts=1, response=response, caught_exception=error, request_dict={"context": {}}, event_name="needs-retry"
    )
    assert (waited is not None) is is_tried


@pytest.mark.parametrize(
    ("outage", "takes", "reason", "attempts"),
    [
        pytest.param(4.5, 0.0, None, 4, id="over in time"),
        pytest.param(1.0, 0.0, None, 3, id="short"),
        pytest.param(99, 0.0, "ServerError", 4, id="no hiccup"),
        pytest.param(99, 10.0, "ServerError", 2, id="attempts that take their time"),
    ],
)
@pytest.mark.parametrize("keys", [{}, {"access_key": "AKIAIOSFODNN7EXAMPLE", "secret_key": "secret"}])
def test_boto3_waits_as_it_is_told(
    outage: float, takes: float, reason: str | None, attempts: int, keys: dict, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its own waits are 0.15 seconds in all, and none are left of them."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "x")
    clock, sent = Clock(), []
    monkeypatch.setattr(session_file, "Retries", lambda patience: Retries(patience, clock, lambda *_: 1.0))
    monkeypatch.setattr(botocore.endpoint.time, "sleep", clock.sleep)

    def send(request: object, **_: object) -> AWSResponse:
        sent.append(clock.now)
        is_out = clock.now < outage
        clock.sleep(takes)
        response = AWSResponse(URL, 503 if is_out else 200, {}, None)
        response._content = b"<html>busy</html>" if is_out else b'{"authorizationData": []}'
        return response

    session = Session(Credentials(region="eu-west-1", **keys), Calls())
    client = session.client("ecr")
    client.meta.events.register("before-send.ecr", send)
    told = None
    try:
        with session.asking("ECR GetAuthorizationToken"):
            client.get_authorization_token()
    except errors.AWSError as error:
        told = error.reason
    assert (told, len(sent)) == (reason, attempts)
