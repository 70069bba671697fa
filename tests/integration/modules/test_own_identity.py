"""The identity of the controller or runner itself, with real requests: where they go.

All in this process, to be quick: its environment is that of a pod.
"""

from __future__ import annotations

import os
import socket
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from ansible_collections.kube_ecr.secrets.plugins.module_utils._aws import session
from ansible_collections.kube_ecr.secrets.plugins.module_utils._features.ecr_token import FEATURE
from tests.support.aws.endpoint import AWSEndpoint, Principal
from tests.support.aws.json_web_token import ISSUER, SUBJECT, json_web_token, public_half

REGION = "eu-west-1"


@pytest.fixture
def pod(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> pytest.MonkeyPatch:
    """An environment without an identity, a file or a proxy of the machine that the tests run on."""
    for name in [name for name in os.environ if name.startswith("AWS_") or name.lower().endswith("_proxy")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
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


def ask(**options: Any) -> dict[str, Any]:
    given = {"region": REGION, "role_session_name": "test", "registries": [REGION, "us-east-1", "eu-central-1"]}
    return FEATURE.run(dict.fromkeys(FEATURE.argument_spec) | given | options, False, False)


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
    assert "AWS ECR GetAuthorizationToken: Unreachable" in ask(endpoint_url=closed)["msg"]
    assert {call.operation for call in aws.calls} == {"AssumeRoleWithWebIdentity"}


def test_an_sts_that_does_not_answer_is_given_up(
    aws: AWSEndpoint, web_identity: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session, "READ_TIMEOUT", 0.1)
    aws.hang(service="sts")
    result = ask(endpoint_url=aws.url, registries=[REGION])
    assert {error["reason"] for error in result["errors"]} == {"TimedOut"}
    assert web_identity not in result["msg"]
    assert aws.count("AssumeRoleWithWebIdentity") == session.ATTEMPTS
