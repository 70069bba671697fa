"""The identity of the controller or runner itself, with real requests: where they go, and who is named if they fail.

All in this process, to be quick: its environment is that of a pod.
"""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from ansible_collections.kube_ecr.secrets.plugins.module_utils._aws import session
from ansible_collections.kube_ecr.secrets.plugins.module_utils._contract import aws_retries
from ansible_collections.kube_ecr.secrets.plugins.module_utils._features.ecr_token import FEATURE
from tests.support.aws.endpoint import AWSEndpoint, Principal
from tests.support.aws.json_web_token import ISSUER, SUBJECT, json_web_token, public_half

REGION = "eu-west-1"
WEB, PROFILE, CANARY = "STS AssumeRoleWithWebIdentity", "STS AssumeRole", "canary"
CONTAINER_URL = "AWS_CONTAINER_CREDENTIALS_FULL_URI"


@pytest.fixture
def pod(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> pytest.MonkeyPatch:
    """An environment without an identity, a file or a proxy of the machine that the tests run on."""
    for name in [name for name in os.environ if name.startswith("AWS_") or name.lower().endswith("_proxy")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setattr(aws_retries, "FIRST_WAIT", 0.01)
    return monkeypatch


@pytest.fixture
def web_identity(pod: pytest.MonkeyPatch, aws: AWSEndpoint, tmp_path: Path) -> str:
    """What EKS gives a pod for IRSA; return the token."""
    key = ec.generate_private_key(ec.SECP256R1())
    aws.trust_issuer(ISSUER, public_half(key))
    role = aws.role("pod", account="444455556666", web_identities=[SUBJECT])
    token = json_web_token(key)
    (tmp_path / "token").write_text(token)
    pod.setenv("AWS_ROLE_ARN", role.arn())
    pod.setenv("AWS_WEB_IDENTITY_TOKEN_FILE", str(tmp_path / "token"))
    return token


@pytest.fixture
def profile(pod: pytest.MonkeyPatch, aws: AWSEndpoint, principal: Principal, tmp_path: Path) -> None:
    """A profile of the shared config file that assumes a role with keys of the environment."""
    role = aws.role("profile", account="444455556666", trusts=[principal])
    pod.setenv("AWS_ACCESS_KEY_ID", principal.access_key)
    pod.setenv("AWS_SECRET_ACCESS_KEY", principal.secret_key)
    (tmp_path / "config").write_text(f"[profile role]\nrole_arn={role.arn()}\ncredential_source=Environment\n")


@pytest.fixture
def closed() -> str:
    """The URL of a port of this machine at which nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return f"http://127.0.0.1:{server.getsockname()[1]}"


@pytest.fixture
def refusing() -> Iterator[str]:
    """The URL of a server that answers everything with status 403 and a text that holds a secret."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(403)
            self.end_headers()
            self.wfile.write(CANARY.encode())

        def log_message(self, *_: object) -> None:
            """Stay silent."""

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def ask(**options: Any) -> dict[str, Any]:
    given = {"region": REGION, "role_session_name": "test", "registries": [REGION, "us-east-1", "eu-central-1"]}
    return FEATURE.run(dict.fromkeys(FEATURE.argument_spec) | given | options, False, False)


def message(**options: Any) -> str:
    """Return the one message that there is for all regions."""
    result = ask(**options)
    assert result["authorizations"] == []
    assert len({error["msg"] for error in result["errors"]}) == 1
    assert CANARY not in result["msg"]
    return result["msg"]


def accounts(result: dict[str, Any]) -> set[str]:
    return {each["registry"].partition(".")[0] for each in result["authorizations"]}


@pytest.mark.usefixtures("web_identity")
def test_a_web_identity_needs_no_endpoint_but_the_option(aws: AWSEndpoint) -> None:
    assert accounts(ask(endpoint_url=aws.url)) == {"444455556666"}
    assert aws.calls[0].operation == "AssumeRoleWithWebIdentity"
    assert aws.count("AssumeRoleWithWebIdentity") == 1


@pytest.mark.usefixtures("web_identity")
def test_a_role_on_top_of_a_web_identity_needs_no_endpoint_but_the_option(aws: AWSEndpoint) -> None:
    role = aws.role("next", account="555566667777", trusts=["arn:aws:iam::444455556666:role/pod"])
    assert accounts(ask(endpoint_url=aws.url, role_arn=role.arn())) == {"555566667777"}


@pytest.mark.usefixtures("profile")
def test_a_profile_that_assumes_a_role_needs_no_endpoint_but_the_option(aws: AWSEndpoint) -> None:
    assert accounts(ask(endpoint_url=aws.url, profile="role")) == {"444455556666"}


@pytest.mark.usefixtures("web_identity")
def test_sts_can_have_another_endpoint_than_the_option_gives(
    aws: AWSEndpoint, pod: pytest.MonkeyPatch, closed: str
) -> None:
    """As for a VPC endpoint that is one of ECR."""
    pod.setenv("AWS_ENDPOINT_URL_STS", aws.url)
    assert f"AWS ECR GetAuthorizationToken in {REGION} at {closed}: Unreachable: " in ask(endpoint_url=closed)["msg"]
    assert {call.operation for call in aws.calls} == {"AssumeRoleWithWebIdentity"}


@pytest.mark.parametrize("kind", ["web_identity", "profile"])
def test_an_sts_that_cannot_be_reached_is_named_though_ecr_can(
    request: pytest.FixtureRequest, kind: str, aws: AWSEndpoint, pod: pytest.MonkeyPatch, closed: str
) -> None:
    request.getfixturevalue(kind)
    pod.setenv("AWS_ENDPOINT_URL_STS", f"{closed}/?{CANARY}")
    options = {"profile": "role"} if kind == "profile" else {}
    told = message(endpoint_url=aws.url, **options)
    assert told.startswith(
        f"AWS {WEB if kind == 'web_identity' else PROFILE} in {REGION} at {closed}: Unreachable: no connection;"
    )
    assert aws.calls == []


def test_an_sts_that_does_not_answer_is_given_up_once_for_all_regions(
    aws: AWSEndpoint, web_identity: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session, "READ_TIMEOUT", 0.1)
    aws.hang(service="sts")
    told = message(endpoint_url=aws.url)
    assert told.startswith(f"AWS {WEB} in {REGION} at {aws.url}: TimedOut: ")
    assert web_identity not in told
    assert aws.count("AssumeRoleWithWebIdentity") == aws_retries.ATTEMPTS


@pytest.mark.usefixtures("web_identity")
@pytest.mark.parametrize("body", ["<html>canary</html>", "[]", ""])
def test_what_is_no_answer_of_sts_is_told_of_sts(aws: AWSEndpoint, body: str) -> None:
    aws.answer(body, service="sts")
    assert message(endpoint_url=aws.url).startswith(f"AWS {WEB} in {REGION} at {aws.url}: MalformedAnswer: ")


def test_an_sts_that_refuses_is_named(aws: AWSEndpoint, web_identity: str) -> None:
    aws.forget_trust()
    told = message(endpoint_url=aws.url)
    assert told.startswith(f"AWS {WEB} in {REGION} at {aws.url}: InvalidIdentityToken: ")
    assert web_identity not in told


def test_a_token_file_that_is_missing_is_named(pod: pytest.MonkeyPatch, aws: AWSEndpoint) -> None:
    pod.setenv("AWS_ROLE_ARN", "arn:aws:iam::111122223333:role/pod")
    pod.setenv("AWS_WEB_IDENTITY_TOKEN_FILE", "/nonexistent/token")
    told = message(endpoint_url=aws.url)
    assert told.startswith("AWS credentials: CredentialRetrievalError: /nonexistent/token: No such file or directory;")


@pytest.mark.parametrize(("answers", "words"), [(False, "no connection;"), (True, "it answered with status 403;")])
def test_the_agent_of_a_pod_that_gives_no_credentials_is_named(
    pod: pytest.MonkeyPatch, closed: str, refusing: str, answers: bool, words: str
) -> None:
    pod.setattr("botocore.utils.ContainerMetadataFetcher.SLEEP_TIME", 0)
    origin = refusing if answers else closed
    pod.setenv(CONTAINER_URL, f"{origin}/v1/credentials?{CANARY}")
    pod.setenv("AWS_CONTAINER_AUTHORIZATION_TOKEN", CANARY)
    place = f"AWS container credentials (EKS Pod Identity, ECS) at {origin}: MetadataRetrievalError: "
    assert message().startswith(f"{place}{words} check that the agent runs on this node")


def test_the_metadata_of_an_instance_is_named(pod: pytest.MonkeyPatch, closed: str, refusing: str) -> None:
    pod.delenv("AWS_EC2_METADATA_DISABLED")
    pod.setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", closed)
    assert "NoCredentials: no AWS credentials found in the environment and the shared files, and none" in message()
    assert f" given by instance metadata (IMDS) at {closed};" in message()
    pod.setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", refusing)
    pod.setenv("AWS_EC2_METADATA_V1_DISABLED", "true")
    assert message().startswith(f"AWS instance metadata (IMDS) at {refusing}: MetadataRetrievalError: it gave no")


@pytest.mark.parametrize(
    ("program", "words"),
    [
        ("sh -c 'echo canary >&2; exit 3'", "the program that gives the credentials (credential_process) failed;"),
        ("echo canary", "the program that gives the credentials (credential_process) failed;"),
        ("/nonexistent/program canary", "/nonexistent/program: No such file or directory;"),
        ("sh -c 'echo kube-ecr-runner: AWS STS is away >&2; exit 1'", "AWS STS is away"),
    ],
)
def test_a_program_that_gives_no_credentials_is_named(
    pod: pytest.MonkeyPatch, tmp_path: Path, program: str, words: str
) -> None:
    (tmp_path / "config").write_text(f"[default]\ncredential_process = {program}\n")
    assert message().startswith(f"AWS credentials: CredentialRetrievalError: {words}")


@pytest.mark.parametrize("is_web", [False, True])
def test_a_proxy_that_gives_no_connection_is_named_without_its_password(
    request: pytest.FixtureRequest, pod: pytest.MonkeyPatch, principal: Principal, closed: str, is_web: bool
) -> None:
    pod.setenv("HTTPS_PROXY", closed.replace("http://", f"http://user:{CANARY}@"))
    if is_web:
        request.getfixturevalue("web_identity")
    keys = {} if is_web else {"access_key": principal.access_key, "secret_key": principal.secret_key}
    told = ask(registries=[REGION], **keys)["msg"]
    place = (
        f"{WEB} in {REGION} at https://sts" if is_web else f"ECR GetAuthorizationToken in {REGION} at https://api.ecr"
    )
    assert told.startswith(f"AWS {place}.{REGION}.amazonaws.com: Unreachable: the proxy {closed} gives no connection;")
    assert CANARY not in told


def test_a_server_without_tls_is_named(pod: pytest.MonkeyPatch, principal: Principal, refusing: str) -> None:
    url = refusing.replace("http:", "https:")
    keys = {"access_key": principal.access_key, "secret_key": principal.secret_key}
    told = message(endpoint_url=f"{url}/{CANARY}?{CANARY}", registries=[REGION], **keys)
    assert told.startswith(f"AWS ECR GetAuthorizationToken in {REGION} at {url}: CertificateNotTrusted: ")


@pytest.mark.parametrize("name", ["AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_STS"])
@pytest.mark.usefixtures("web_identity")
def test_an_endpoint_of_the_environment_that_is_no_url_is_told_of(pod: pytest.MonkeyPatch, name: str) -> None:
    pod.setenv(name, f"{CANARY} no url")
    assert message().startswith("AWS credentials: InvalidEndpoint: the URL of the endpoint is not valid; check")


@pytest.mark.usefixtures("web_identity")
def test_without_a_region_of_its_own_sts_is_asked_where_ecr_is(pod: pytest.MonkeyPatch, closed: str) -> None:
    pod.setenv("HTTPS_PROXY", closed)
    told = ask(region=None, registries=["eu-central-1"])["msg"]
    assert told.startswith(
        f"AWS {WEB} in eu-central-1 at https://sts.eu-central-1.amazonaws.com: Unreachable: the proxy"
    )


def test_the_host_is_the_one_that_was_called(pod: pytest.MonkeyPatch, principal: Principal, closed: str) -> None:
    """For FIPS endpoints, the URL that a client of boto3 shows is another one."""
    pod.setenv("HTTPS_PROXY", closed)
    keys = {"access_key": principal.access_key, "secret_key": principal.secret_key}
    told = message(registries=["111122223333.dkr.ecr-fips.us-east-1.amazonaws.com"], **keys)
    assert told.startswith(
        "AWS ECR GetAuthorizationToken in us-east-1 at https://api.ecr-fips.us-east-1.amazonaws.com: "
    )
