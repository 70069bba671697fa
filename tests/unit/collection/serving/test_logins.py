"""The logins of an identity: who may be asked, and what is told where they are missing."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from ansible_collections.kube_ecr.secrets.plugins.module_utils._aws.errors import AWSError
from ansible_collections.kube_ecr.secrets.plugins.module_utils._aws.session import Calls, Credentials
from ansible_collections.kube_ecr.secrets.plugins.module_utils._cluster.errors import KubernetesError
from ansible_collections.kube_ecr.secrets.plugins.module_utils._contract.item import Owner
from ansible_collections.kube_ecr.secrets.plugins.module_utils._inventory.identities import Settings
from ansible_collections.kube_ecr.secrets.plugins.module_utils._inventory.login_order import LoginOrder
from ansible_collections.kube_ecr.secrets.plugins.module_utils._serving import logins
from ansible_collections.kube_ecr.secrets.plugins.module_utils._serving.logins import Answer
from tests.support.logins import requests

HOST = "111122223333.dkr.ecr.eu-west-1.amazonaws.com"
OWNER = Owner("aws.zakariaamine.com/v1alpha2", "AWSECRImagePullSecret", "team-a", "ecr", "uid-1", 3)
ORDER = LoginOrder(OWNER, "eu-west-1", requests(HOST), ("AWSECRImagePullSecret/team-a/ecr",))
ROLE = "arn:aws:iam::111122223333:role/reader"


class Cluster:
    """Holds one custom resource, and service account `puller` with a role; notes the tokens that it is asked for."""

    def __init__(self, access: Mapping[str, Any], **metadata: object) -> None:
        known = {"namespace": OWNER.namespace, "name": OWNER.name, "uid": OWNER.uid, "generation": OWNER.generation}
        self.resource = {"kind": OWNER.kind, "metadata": known | metadata, "spec": {"awsAccess": access}}
        self.tokens: list[tuple[str, str, str]] = []

    def read_resource(self, kind: str, namespace: str, name: str) -> dict:
        if (kind, namespace, name) != (OWNER.kind, OWNER.namespace, OWNER.name):
            raise KubernetesError(f"get {name}", 404, "NotFound", "is not there")
        return self.resource

    def read_object(self, kind: str, namespace: str, name: str) -> dict | None:
        if (kind, namespace, name) != ("ServiceAccount", OWNER.namespace, "puller"):
            return None
        return {"metadata": {"name": name, "annotations": {"eks.amazonaws.com/role-arn": ROLE}}}

    def create_token(self, namespace: str, name: str, audience: str) -> str:
        self.tokens.append((namespace, name, audience))
        return "canary-token"


KEYS = {"accessKeyId": b64encode(b"AKIAIOSFODNN7EXAMPLE").decode(), "secretAccessKey": b64encode(b"k" * 40).decode()}


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[Credentials]:
    """With which credentials AWS was asked; it grants nothing and refuses nothing."""
    made: list[Credentials] = []
    monkeypatch.setattr(logins, "connect", lambda credentials, calls: made.append(credentials))
    monkeypatch.setattr(logins, "get_logins", lambda session, wanted: ([], []))
    return made


def carry_out(cluster: Cluster, order: LoginOrder = ORDER, settings: Settings = Settings()) -> Answer:  # noqa: B008
    return logins.carry_out(order, cluster, settings, Calls())  # type: ignore[arg-type]


def test_a_token_of_a_service_account_is_for_sts_alone_and_asked_for_once(asked: list[Credentials]) -> None:
    cluster = Cluster({"serviceAccountRef": {"name": "puller"}})
    assert carry_out(cluster) == Answer([], [])
    assert cluster.tokens == [("team-a", "puller", "sts.amazonaws.com")]
    (credentials,) = asked
    assert (credentials.web_identity_token, credentials.web_identity_role_arn) == ("canary-token", ROLE)
    assert (credentials.region, credentials.role_session_name) == ("eu-west-1", "kube-ecr@team-a@ecr")


@pytest.mark.parametrize("changed", [{"uid": "uid-2"}, {"generation": 4}, {"generation": None}])
def test_a_resource_that_was_edited_or_made_again_is_refused_and_aws_not_asked(
    asked: list[Credentials], changed: dict[str, object]
) -> None:
    """The inventory made sure of what it found; nobody did of what is there now."""
    cluster = Cluster({"serviceAccountRef": {"name": "puller"}}, **changed)
    (error,) = carry_out(cluster).errors
    assert (error.requested, error.reason) == (None, "CredentialsUnavailable")
    assert error.message == "AWSECRImagePullSecret/team-a/ecr: was edited or made again meanwhile; run again"
    assert (asked, cluster.tokens) == ([], [])


@pytest.mark.parametrize(
    ("access", "order", "words"),
    [
        pytest.param({}, ORDER, "--allowed-aws-identities", id="the identity of the runner is not allowed"),
        pytest.param({"credentialsSecretRef": {"name": "gone"}}, ORDER, "gone", id="no such Secret"),
        pytest.param({"serviceAccountRef": {}}, ORDER, "serviceAccountRef", id="it is written wrongly"),
        pytest.param(KEYS, replace(ORDER, owner=replace(OWNER, name="gone")), "NotFound", id="no such resource"),
    ],
)
def test_an_identity_without_credentials_says_why(
    asked: list[Credentials], access: dict, order: LoginOrder, words: str
) -> None:
    (error,) = carry_out(Cluster(access), order).errors
    assert (error.requested, error.reason) == (None, "CredentialsUnavailable")
    assert words in error.message
    assert "canary" not in error.message
    assert asked == []


@pytest.mark.parametrize(
    ("raised", "reason", "message"),
    [
        (AWSError("STS", "AccessDenied", "may not"), "AccessDenied", "AWS STS: AccessDenied: may not"),
        (RuntimeError("canary"), "Unknown", "internal error: RuntimeError at "),
    ],
)
def test_what_comes_of_asking_aws_is_told_and_never_raised(
    monkeypatch: pytest.MonkeyPatch, raised: Exception, reason: str, message: str
) -> None:
    def connect(*_: object) -> None:
        raise raised

    monkeypatch.setattr(logins, "connect", connect)
    (error,) = carry_out(Cluster(KEYS)).errors
    assert (error.requested, error.reason) == (None, reason)
    assert error.message.startswith(message)
    assert "canary" not in error.message
