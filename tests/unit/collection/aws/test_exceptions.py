"""Whatever boto3 raises, wherever it does: a message with the object and what to do, and nothing of its own text."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from types import SimpleNamespace

import botocore.httpsession
import pytest

from ansible_collections.kube_ecr.secrets.plugins.module_utils._aws import client, own_identity, session
from ansible_collections.kube_ecr.secrets.plugins.module_utils._aws.authorizations import LoginError
from ansible_collections.kube_ecr.secrets.plugins.module_utils._aws.session import Calls, Credentials
from ansible_collections.kube_ecr.secrets.plugins.module_utils._contract import aws_retries
from ansible_collections.kube_ecr.secrets.plugins.module_utils._contract.login_request import LoginRequest
from ansible_collections.kube_ecr.secrets.plugins.module_utils._serving import logins
from kube_ecr_runner.runs import credential_process
from tests.support.aws.exceptions import CANARY, raisable

REGION = "eu-west-1"
KEYS = {"access_key": "AKIAIOSFODNN7EXAMPLE", "secret_key": "secret"}
ROLE = "arn:aws:iam::111122223333:role/reader"
# What the program of the runner does to a session of botocore.
SETTERS = ("register", "set_config_variable", "set_default_client_config")
REMEDY = re.compile(
    r"\b(check|correct|explains|give|has to|install|log in|make|raise|run it|set|shorten|synchronise|tried again|unset|"
    r"use)\b"
)


@pytest.fixture(autouse=True)
def bare(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of the machine that the tests run on, and no wait."""
    for name in [name for name in os.environ if name.startswith("AWS_") or name.lower().endswith("_proxy")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, "/nonexistent")
    monkeypatch.setattr(aws_retries, "FIRST_WAIT", 0)


def keys_of_nobody(**more: str) -> Credentials:
    return Credentials(region=REGION, **KEYS, **more)


WEB_IDENTITY = {"web_identity_token": "x.y.z", "web_identity_role_arn": ROLE}


@pytest.mark.parametrize(
    ("owner", "name", "credentials"),
    [
        pytest.param(session, "_isolated_session", keys_of_nobody(), id="session"),
        pytest.param(session, "_botocore_session", Credentials(region=REGION), id="own session"),
        pytest.param(session._LimitedSession, "create_client", keys_of_nobody(), id="client"),
        pytest.param(client, "partitions", keys_of_nobody(), id="data"),
        pytest.param(botocore.httpsession.URLLib3Session, "send", keys_of_nobody(), id="ECR"),
        pytest.param(None, "assume_role", keys_of_nobody(role_arn=ROLE), id="STS"),
        pytest.param(
            None,
            "assume_role_with_web_identity",
            Credentials(region=REGION, **WEB_IDENTITY),
            id="STS with a web identity",
        ),
    ],
)
def test_whatever_is_raised_is_told(
    owner: object, name: str, credentials: Credentials, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logins, "_credentials", lambda *_: credentials)
    if owner is None:
        owner = SimpleNamespace(**{name: None})
        monkeypatch.setattr(session.Session, "client", lambda *_, **__: owner)
    elif name == "send":
        # One for all, which saves the time to make them.
        used = session.Session(credentials, Calls())
        made = used.client("ecr")
        monkeypatch.setattr(logins, "connect", lambda *_: used)
        monkeypatch.setattr(used, "client", lambda *_, **__: made)
    order = SimpleNamespace(registries=[LoginRequest(None, REGION)])
    for error in raisable():
        monkeypatch.setattr(owner, name, raising(error))
        (told,) = logins.carry_out(order, None, None, Calls()).errors
        check(error, told)


def raising(error: Exception) -> Callable[..., object]:
    def fail(*_: object, **__: object) -> object:
        raise error

    return fail


def check(error: Exception, told: LoginError) -> None:
    assert told.message.startswith("AWS "), repr(error)
    assert f": {told.reason}: " in told.message, repr(error)
    assert re.fullmatch(r"[A-Z][A-Za-z0-9]+", told.reason), repr(error)
    check_text(error, told.message)


def check_text(error: Exception, text: str) -> None:
    assert "internal" not in text.lower(), repr(error)
    assert CANARY not in text, repr(error)
    assert REMEDY.search(text), f"{error!r}: {text}"


@pytest.mark.parametrize("method", ["env", "assume-role-with-web-identity", "container-role", "iam-role", "sso"])
def test_whatever_is_raised_where_credentials_are_found_is_told(method: str, monkeypatch: pytest.MonkeyPatch) -> None:
    own = session.Session(Credentials(region=REGION), Calls())
    for error in raisable():
        found = SimpleNamespace(providers=[SimpleNamespace(METHOD=method, load=raising(error))])
        monkeypatch.setattr(own._botocore, "get_component", lambda _name, found=found: found)
        with pytest.raises(client.AWSError) as caught:
            own_identity.find(own._botocore, own._last, os.environ, own._retries)
        check(error, LoginError(None, caught.value.reason, str(caught.value)))


def test_whatever_is_raised_in_the_program_of_the_runner_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    for error in raisable():
        made = SimpleNamespace(get_credentials=raising(error), **dict.fromkeys(SETTERS, lambda *_: None))
        monkeypatch.setattr(credential_process, "_Session", lambda made=made: made)
        with pytest.raises(credential_process.OwnIdentityError) as caught:
            credential_process.find()
        check_text(error, str(caught.value))
