"""The stand-ins are honest: the AWS endpoint and the registry refuse what the real ones refuse, and in their words.

A stand-in that takes everything would make every other test worthless.
"""

from __future__ import annotations

import json
import socket
import threading
import time
import urllib.request
from base64 import b64decode, urlsafe_b64encode
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
import botocore.auth
import pytest
from botocore import UNSIGNED
from botocore.config import Config
from botocore.exceptions import ClientError, ConnectionClosedError, EndpointConnectionError, ReadTimeoutError
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from tests.support.aws.endpoint import NO_ANSWER, AWSEndpoint, Call, Principal, Role, Session, Verdict
from tests.support.aws.json_web_token import ISSUER, SUBJECT, json_web_token, public_half
from tests.support.cluster.objects import Cluster, service_account
from tests.support.harness.processes import StartError
from tests.support.registry.server import PullError, Registry

IRELAND, FRANKFURT = "eu-west-1", "eu-central-1"
OPERATION = "GetAuthorizationToken"


def client_of(
    aws: AWSEndpoint,
    service: str,
    keys: Principal | Session | None,
    region: str = IRELAND,
    attempts: int = 1,
    **more: Any,
) -> Any:
    """Return a client of boto3 with these keys, or with none."""
    unsigned = {} if keys else {"signature_version": UNSIGNED}
    return boto3.client(
        service,
        region_name=region,
        endpoint_url=aws.url,
        aws_access_key_id=keys and keys.access_key,
        aws_secret_access_key=keys and keys.secret_key,
        aws_session_token=more.pop("session_token", getattr(keys, "session_token", None)),
        config=Config(retries={"mode": "standard", "total_max_attempts": attempts}, **unsigned, **more),
    )


def get_token(
    aws: AWSEndpoint, keys: Principal | Session, region: str = IRELAND, attempts: int = 1, **more: Any
) -> dict[str, Any]:
    """Return the authorization that boto3 gets."""
    return client_of(aws, "ecr", keys, region, attempts, **more).get_authorization_token()["authorizationData"][0]


def get_public_token(aws: AWSEndpoint, keys: Principal | Session, region: str = "us-east-1") -> dict[str, Any]:
    """Return the authorization of ECR Public that boto3 gets."""
    return client_of(aws, "ecr-public", keys, region).get_authorization_token()["authorizationData"]


def assume(aws: AWSEndpoint, keys: Principal | Session, role_arn: str, region: str = IRELAND, **more: Any) -> Session:
    """Return the temporary keys that boto3 gets."""
    answer = client_of(aws, "sts", keys, region).assume_role(RoleArn=role_arn, RoleSessionName="somebody", **more)
    return keys_of(answer)


def assume_by_token(aws: AWSEndpoint, role_arn: str, token: str) -> Session:
    """Return the temporary keys that boto3 gets without keys."""
    request = {"RoleArn": role_arn, "RoleSessionName": "somebody", "WebIdentityToken": token}
    return keys_of(client_of(aws, "sts", None).assume_role_with_web_identity(**request))


def keys_of(answer: dict[str, Any]) -> Session:
    keys = answer["Credentials"]
    secrets = (keys["AccessKeyId"], keys["SecretAccessKey"], keys["SessionToken"])
    return Session(*secrets, Role("", ""), answer["AssumedRoleUser"]["Arn"], keys["Expiration"])


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


def test_a_fault_strikes_what_it_is_meant_for(aws: AWSEndpoint) -> None:
    principal = aws.principal()
    role = aws.role("reader", trusts=[principal])
    aws.fail("ServerException", "It broke.", status=500, service="ecr", region=FRANKFURT)
    aws.hang(service="ecr-public")
    aws.fail("Throttling", "Rate exceeded", operation="AssumeRole", times=1)

    get_token(aws, principal)
    with pytest.raises(ClientError, match="It broke"):
        get_token(aws, principal, FRANKFURT)
    with pytest.raises(ReadTimeoutError):
        client_of(aws, "ecr-public", principal, "us-east-1", read_timeout=0.3).get_authorization_token()
    with pytest.raises(ClientError, match=r"\(Throttling\).*Rate exceeded"):
        assume(aws, principal, role.arn())
    assume(aws, principal, role.arn())

    aws.heal()

    get_token(aws, principal, FRANKFURT)
    get_public_token(aws, principal)


def test_an_assumed_role_is_another_caller(aws: AWSEndpoint) -> None:
    principal = aws.principal()
    role = aws.role("path/reader", "444455556666", trusts=[principal])

    session = assume(aws, principal, role.arn())

    assert session.access_key.startswith("ASIA")
    assert datetime.now(UTC) < session.expires_at <= datetime.now(UTC) + timedelta(hours=1)
    assert "444455556666" in get_token(aws, session)["proxyEndpoint"]
    who = client_of(aws, "sts", session).get_caller_identity()
    assert who["Arn"] == session.name == "arn:aws:sts::444455556666:assumed-role/reader/somebody"
    assert aws.calls[:2] == [
        Call("AssumeRole", principal.access_key, IRELAND, "", "sts", "somebody"),
        Call(OPERATION, session.access_key, IRELAND, ""),
    ]

    aws.role("path/reader", "444455556666", allowed=False)
    with pytest.raises(ClientError, match=rf"AccessDeniedException.*User: {session.name} is not authorized"):
        get_token(aws, session)


def test_temporary_keys_are_nothing_without_their_session_token_and_die(aws: AWSEndpoint) -> None:
    reader = aws.role("reader")
    role = aws.role("next", trusts=[reader])
    session = aws.session(reader)

    for wrong in ("", session.session_token[:-4] + "AAA="):
        with pytest.raises(ClientError, match=r"\(UnrecognizedClientException\)"):
            get_token(aws, replace(session, session_token=wrong))
        with pytest.raises(ClientError, match=r"\(InvalidClientTokenId\)") as caught:
            assume(aws, replace(session, session_token=wrong), role.arn())
        assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 403
    assume(aws, session, role.arn())

    aws.expire_sessions()

    with pytest.raises(ClientError, match=r"\(ExpiredTokenException\).*included in the request is expired"):
        get_token(aws, session)
    with pytest.raises(ClientError, match=r"\(ExpiredToken\).*included in the request is expired"):
        assume(aws, session, role.arn())


@pytest.mark.parametrize(
    ("region", "other"),
    [("cn-north-1", "aws"), ("us-gov-west-1", "aws"), ("eusc-de-east-1", "aws"), (IRELAND, "aws-cn")],
)
def test_a_role_is_assumed_in_its_own_partition(aws: AWSEndpoint, region: str, other: str) -> None:
    principal = aws.principal()
    role = aws.role("reader", trusts=[principal])

    session = assume(aws, principal, role.arn(region), region)

    assert session.name.split(":")[1] == role.arn(region).split(":")[1] != other
    assert get_token(aws, session, region)["proxyEndpoint"] == f"https://{role.registry(region)}"
    with pytest.raises(ClientError, match=r"\(AccessDenied\)"):
        assume(aws, principal, f"arn:{other}:iam::111122223333:role/reader", region)


def test_a_role_is_assumed_by_whom_it_trusts_alone(aws: AWSEndpoint) -> None:
    principal = aws.principal()
    role = aws.role("reader", trusts=[principal], external_id="of-the-trust")
    aws.role("unrelated", trusts=[principal])
    words = rf"User: {principal.arn(IRELAND)} is not authorized to perform: sts:AssumeRole on resource: {role.arn()}"

    assume(aws, principal, role.arn(), ExternalId="of-the-trust")
    for wrong in ({}, {"ExternalId": "another"}):
        with pytest.raises(ClientError, match=rf"\(AccessDenied\).*{words}") as caught:
            assume(aws, principal, role.arn(), **wrong)
        assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 403
    for stranger, arn in ((aws.principal(), role.arn()), (principal, role.arn() + "s")):
        with pytest.raises(ClientError, match=r"\(AccessDenied\)"):
            assume(aws, stranger, arn, ExternalId="of-the-trust")
    with pytest.raises(ClientError, match=r"\(SignatureDoesNotMatch\)"):
        assume(aws, replace(principal, secret_key="x" * 40), role.arn(), ExternalId="of-the-trust")

    aws.forget_trust()

    with pytest.raises(ClientError, match=r"\(AccessDenied\)"):
        assume(aws, principal, role.arn(), ExternalId="of-the-trust")


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"RoleSessionName": "team/puller"}, "at 'roleSessionName' failed to satisfy constraint: Member must satisfy"),
        ({"RoleSessionName": "x" * 65}, "have length less than or equal to 64"),
        ({"DurationSeconds": 3601}, "exceeds the MaxSessionDuration set for this role"),
        ({"RoleArn": "arn:aws:iam::1111:role/reader"}, "is invalid"),
    ],
)
def test_what_sts_takes_for_malformed_is_refused(aws: AWSEndpoint, wrong: dict[str, Any], words: str) -> None:
    principal = aws.principal()
    request = {"RoleArn": aws.role("reader", trusts=[principal]).arn(), "RoleSessionName": "x" * 64} | wrong

    with pytest.raises(ClientError, match=rf"\(ValidationError\).*{words}"):
        client_of(aws, "sts", principal).assume_role(**request)


def test_a_service_account_assumes_a_role_with_a_token_of_the_api_server(aws: AWSEndpoint, cluster: Cluster) -> None:
    own, other = cluster.namespaces("own", "other")
    cluster.apply(service_account("puller", own), service_account("puller", other))
    role = aws.role("reader", "444455556666", web_identities=[f"system:serviceaccount:{own}:puller"])

    def token_of(namespace: str, audience: str = "sts.amazonaws.com") -> str:
        return cluster.kubectl("create", "token", "puller", "-n", namespace, f"--audience={audience}").strip()

    token = token_of(own)
    with pytest.raises(ClientError, match=r"\(InvalidIdentityToken\).*No OpenIDConnect provider found in your account"):
        assume_by_token(aws, role.arn(), token)
    aws.trust_issuer(cluster.plane.issuer, public_half(ec.generate_private_key(ec.SECP256R1())))
    with pytest.raises(ClientError, match=r"\(InvalidIdentityToken\).*retrieve verification key"):
        assume_by_token(aws, role.arn(), token)
    aws.trust_issuer(cluster.plane.issuer, cluster.plane.issuer_key)

    session = assume_by_token(aws, role.arn(), token)

    assert session.name == "arn:aws:sts::444455556666:assumed-role/reader/somebody"
    assert "444455556666" in get_token(aws, session)["proxyEndpoint"]
    assert aws.calls[-2] == Call("AssumeRoleWithWebIdentity", "", "", "", "sts", "somebody")
    for refused, words in (
        (token_of(other), r"\(AccessDenied\).*Not authorized to perform sts:AssumeRoleWithWebIdentity"),
        (token_of(own, "https://kubernetes.default.svc"), r"\(InvalidIdentityToken\).*Incorrect token audience"),
    ):
        with pytest.raises(ClientError, match=words):
            assume_by_token(aws, role.arn(), refused)


@pytest.mark.parametrize("key", [rsa.generate_private_key(65537, 2048), ec.generate_private_key(ec.SECP256R1())])
def test_a_web_identity_token_is_looked_at_closely(
    aws: AWSEndpoint, key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey
) -> None:
    aws.trust_issuer(ISSUER, public_half(key))
    role = aws.role("reader", web_identities=[SUBJECT])
    now = int(datetime.now(UTC).timestamp())
    good = json_web_token(key)
    header, claims, signature = good.split(".")
    forged = urlsafe_b64encode(b64decode(claims + "==").replace(b"team", b"mine")).decode().rstrip("=")

    assume_by_token(aws, role.arn(), good)

    for token, words in (
        (json_web_token(key, exp=now - 1), r"\(ExpiredTokenException\).*must be before the expiration date/time"),
        (json_web_token(key, nbf=now + 60), r"\(InvalidIdentityToken\)"),
        (json_web_token(key, aud="sts.example.com"), r"\(InvalidIdentityToken\).*Incorrect token audience"),
        (json_web_token(key, iss="https://example.com"), r"found in your account for https://example.com"),
        (f"{header}.{forged}.{signature}", r"\(InvalidIdentityToken\).*retrieve verification key"),
        (f"{urlsafe_b64encode(b'{"alg":"none"}').decode()}.{claims}.", r"\(InvalidIdentityToken\)"),
        ("no token at all", r"\(InvalidIdentityToken\).*not a valid JWT"),
    ):
        with pytest.raises(ClientError, match=words):
            assume_by_token(aws, role.arn(), token)


def test_ecr_public_has_tokens_of_its_own(aws: AWSEndpoint) -> None:
    principal = aws.principal()
    authorization = get_public_token(aws, principal)
    public, private = password_of(authorization), password_of(get_token(aws, principal, "us-east-1"))

    assert authorization.keys() == {"authorizationToken", "expiresAt"}
    assert aws.calls[0] == Call(OPERATION, principal.access_key, "us-east-1", "", "ecr-public")
    assert (aws.count(OPERATION), aws.count(OPERATION, "ecr-public")) == (2, 1)
    for host in ("public.ecr.aws", "ecr-public.aws.com"):
        assert aws.verify(host, "AWS", public)
        assert not aws.verify(host, "AWS", private)
    assert not aws.verify(principal.registry("us-east-1"), "AWS", public)

    with pytest.raises(ClientError, match=r"\(InvalidSignatureException\).*scoped to a valid region"):
        get_public_token(aws, principal, IRELAND)
    get_token(aws, lacking := aws.principal(public=False))
    with pytest.raises(
        ClientError, match=r"\(AccessDeniedException\).*not authorized to perform: sts:GetServiceBearer"
    ):
        get_public_token(aws, lacking)
    with pytest.raises(ClientError, match="not authorized to perform: ecr-public:GetAuthorizationToken"):
        get_public_token(aws, aws.principal(allowed=False))


@pytest.mark.parametrize(
    ("region", "hosts", "strangers"),
    [
        (
            "us-east-1",
            ("dkr.ecr-fips.us-east-1.amazonaws.com", "dkr-ecr.us-east-1.on.aws", "dkr-ecr-fips.us-east-1.on.aws"),
            ("dkr.ecr.us-east-1.on.aws", "dkr-ecr.us-east-1.amazonaws.com", "dkr.ecr.us-east-1.amazonaws.com.cn"),
        ),
        (
            "cn-north-1",
            ("dkr.ecr.cn-north-1.amazonaws.com.cn", "dkr-ecr.cn-north-1.on.amazonwebservices.com.cn"),
            ("dkr.ecr.cn-north-1.amazonaws.com", "dkr.ecr.cn-northwest-1.amazonaws.com.cn"),
        ),
        ("eusc-de-east-1", ("dkr.ecr.eusc-de-east-1.amazonaws.eu",), ("dkr.ecr.eusc-de-east-1.amazonaws.com",)),
        ("us-iso-east-1", ("dkr.ecr.us-iso-east-1.c2s.ic.gov",), ("dkr.ecr.us-isob-east-1.sc2s.sgov.gov",)),
    ],
)
def test_a_registry_has_several_names(
    aws: AWSEndpoint, region: str, hosts: tuple[str, ...], strangers: tuple[str, ...]
) -> None:
    password = password_of(get_token(aws, aws.principal(), region))

    assert [host for host in hosts if not aws.verify(f"444455556666.{host}", "AWS", password)] == []
    assert [host for host in strangers if aws.verify(f"444455556666.{host}", "AWS", password)] == []


def test_the_control_interface_makes_who_assumes_a_role(aws: AWSEndpoint) -> None:
    def control(command: str, **arguments: Any) -> dict[str, Any]:
        request = urllib.request.Request(f"{aws.url}/_control/{command}", json.dumps(arguments).encode())
        with urllib.request.urlopen(request) as answer:
            return json.load(answer)

    key = ec.generate_private_key(ec.SECP256R1())
    principal = control("principal", account="444455556666")
    reader = control("role", name="reader", trusts=[principal["access_key"]], web_identities=[SUBJECT])
    chained = control("role", name="chained", trusts=[reader["arn"]])
    control("trust-issuer", issuer=ISSUER, public_key_pem=public_half(key).decode())
    control("custom-host", host="registry.example.com", region=IRELAND)

    assume(aws, Principal(**principal), reader["arn"])
    session = assume(aws, assume_by_token(aws, reader["arn"], json_web_token(key)), chained["arn"])
    assert aws.verify("registry.example.com", "AWS", password_of(get_token(aws, session)))

    control("fail", code="Throttling", service="sts")
    get_token(aws, session)
    with pytest.raises(ClientError, match=r"\(Throttling\)"):
        assume(aws, Principal(**principal), reader["arn"])


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


def test_each_host_pulls_with_the_token_that_is_for_it(aws: AWSEndpoint, registry: Registry) -> None:
    principal = aws.principal()
    aws.custom_host("registry.example.com", IRELAND)
    ireland, frankfurt = (password_of(get_token(aws, principal, region)) for region in (IRELAND, FRANKFURT))
    public = password_of(get_public_token(aws, principal))

    for host, good, bad in (
        ("444455556666.dkr.ecr.eu-west-1.amazonaws.com", ireland, frankfurt),
        ("111122223333.dkr.ecr.eu-central-1.amazonaws.com", frankfurt, ireland),
        ("public.ecr.aws", public, ireland),
        ("registry.example.com", ireland, public),
    ):
        digest = registry.push(host, "team/app:3")
        assert registry.pull(host, "team/app:3", docker_config(host, good)) == digest
        with pytest.raises(PullError, match="401 Unauthorized"):
            registry.pull(host, "team/app:3", docker_config(host, bad))


def test_what_does_not_come_up_leaves_nothing_behind(aws: AWSEndpoint, tmp_path: Path) -> None:
    slow = Registry(aws.url, timeout=0)

    with pytest.raises(StartError, match="still waiting"):
        slow.start()

    variables = slow.client_env(tmp_path)
    assert not Path(variables["SSL_CERT_FILE"]).parent.exists()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", int(variables["HTTPS_PROXY"].rpartition(":")[2])))


def test_the_client_reaches_nothing_but_ecr(aws: AWSEndpoint, registry: Registry) -> None:
    with pytest.raises(PullError, match="Forbidden"):
        registry.pull("public.example.com", "team/app:1", "{}")
