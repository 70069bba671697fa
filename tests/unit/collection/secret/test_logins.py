"""What Secrets hold to log in with: how long it lasts, what it is completed with, and whether it can be copied."""

from __future__ import annotations

import json
from datetime import datetime

import pytest

from ansible_collections.kube_ecr.secrets.plugins.module_utils._aws.authorizations import Authorization
from ansible_collections.kube_ecr.secrets.plugins.module_utils._contract.login_request import LoginRequest
from ansible_collections.kube_ecr.secrets.plugins.module_utils._secret import docker_config
from ansible_collections.kube_ecr.secrets.plugins.module_utils._secret.logins import Logins, registries_in, usable_until
from tests.support.cluster.stored_secrets import HOST, HOUR, NOW, PUBLIC, granted, own_secret
from tests.support.logins import requests


@pytest.mark.parametrize(
    ("lives", "expiry", "renewal"),
    [
        ((12, 6, 9), 6, 3),
        ((12,), 12, 6),
        ((24 * 365,), 24 * 365, 6),
    ],
)
def test_the_first_token_to_die_sets_the_times(lives: tuple[int, ...], expiry: int, renewal: int) -> None:
    made = Logins.of(
        [
            Authorization(f"{hours}.example", "AWS", "x", NOW + hours * HOUR, LoginRequest(f"{hours}.example", None))
            for hours in lives
        ],
        NOW,
    )
    assert (made.expires_at, made.renew_after) == (NOW + expiry * HOUR, NOW + renewal * HOUR)


BOTH = granted(HOST, PUBLIC, password="old", life=7)


def answered(*registries: str) -> Logins:
    """Return logins in which the entries are named, of a host that answers the first."""
    made = granted(HOST)
    return Logins(made.config, requests(*registries), made.expires_at, made.renew_after)


@pytest.mark.parametrize(
    ("other", "desired", "registries", "expiry"),
    [
        pytest.param(BOTH, (HOST, PUBLIC), (HOST, PUBLIC), 7, id="a login of another is taken"),
        pytest.param(BOTH, (HOST,), (HOST,), 12, id="nothing is lacking"),
        pytest.param(None, (HOST, PUBLIC), (HOST,), 12, id="there is no other"),
        pytest.param(granted(HOST), (HOST, PUBLIC), (HOST,), 12, id="the other lacks it too"),
    ],
)
def test_logins_are_completed(
    other: Logins | None, desired: tuple[str, ...], registries: tuple[str, ...], expiry: int
) -> None:
    completed = granted(HOST).completed(other, requests(*desired))
    assert (completed.registries, completed.expires_at) == (requests(*registries), NOW + expiry * HOUR)
    assert docker_config.hosts_in(completed.config) == sorted(registries)
    assert json.loads(completed.config)["auths"][HOST]["password"] == "new"


def test_the_own_registry_of_a_region_is_known_by_its_host() -> None:
    completed = granted(PUBLIC).completed(answered("eu-west-1"), requests(PUBLIC, "eu-west-1"))
    assert docker_config.hosts_in(completed.config) == [HOST, PUBLIC]


@pytest.mark.parametrize(
    ("secret", "is_held"),
    [
        (own_secret(), True),
        ({**own_secret(), "data": {".dockerconfigjson": "e30K"}}, False),
        ({**own_secret(), "data": None}, False),
        ({**own_secret(), "data": {".dockerconfigjson": "!"}}, False),
        (own_secret(granted(life=0)), False),
    ],
)
def test_logins_are_copied_only_as_we_wrote_them(secret: dict, is_held: bool) -> None:
    assert (Logins.held_in(secret, NOW) == granted()) is is_held


@pytest.mark.parametrize(
    ("secret", "valid"),
    [
        (own_secret(), NOW + 12 * HOUR),
        (own_secret(granted(life=0)), None),
        ({**own_secret(), "data": {".dockerconfigjson": "e30K"}}, None),
        ({"metadata": {}}, None),
    ],
)
def test_a_token_is_valid_until_its_expiry_if_there_is_a_login(secret: dict, valid: datetime | None) -> None:
    assert usable_until(secret, NOW) == valid


@pytest.mark.parametrize(
    ("text", "registries"),
    [
        ('["b.example","eu-west-1"]', ("b.example", "eu-west-1")),
        ("[]", ()),
        (None, ()),
        ("", ()),
        ("{", ()),
        ("{}", ()),
        ('["a.example",1]', ()),
    ],
)
def test_registries_that_cannot_be_read_are_none(text: str | None, registries: tuple[str, ...]) -> None:
    assert registries_in(text) == requests(*registries)


def test_text_shows_no_login() -> None:
    assert "canary" not in repr(granted(password="canary"))
