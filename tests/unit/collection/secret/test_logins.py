"""What Secrets hold to log in with: how long it lasts, what it is completed with, and whether it can be copied."""

from __future__ import annotations

import json
from dataclasses import replace
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
        "",
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


def test_a_host_that_has_a_new_login_gets_no_old_one() -> None:
    old = replace(granted(HOST, password="old"), registries=requests("eu-west-1"))
    completed = granted(HOST).completed(old, requests(HOST, "eu-west-1"))
    assert (completed.config, completed.registries) == (granted(HOST).config, requests(HOST, "eu-west-1"))


@pytest.mark.parametrize(
    ("asked", "answered_before", "renewal"),
    [
        pytest.param("", "", 3.5, id="nobody asked"),
        pytest.param("", "1", 3.5, id="nobody asks any more"),
        pytest.param("1", "1", 3.5, id="both answer"),
        pytest.param("1", "", 0, id="the old ones do not answer"),
    ],
)
def test_what_is_completed_with_unasked_logins_is_due_at_once(asked: str, answered_before: str, renewal: float) -> None:
    other = replace(BOTH, reconcile_request=answered_before)
    completed = granted(HOST, request=asked).completed(other, requests(PUBLIC))
    assert (completed.renew_after, completed.reconcile_request) == (NOW + renewal * HOUR, asked)


def test_logins_of_other_registries_are_left_out() -> None:
    assert BOTH.only(requests(PUBLIC, "eu-central-1")) == granted(PUBLIC, password="old", life=7)


@pytest.mark.parametrize("wanted", [("eu-west-1",), ("eu-west-1", PUBLIC)])
def test_a_host_that_does_not_tell_its_region_stays_where_all_is_wanted(wanted: tuple[str, ...]) -> None:
    """A stand-in for AWS may name any host for a region."""
    held = replace(granted("localhost:4510"), registries=requests("eu-west-1"))
    assert held.only(requests(*wanted)) == held


@pytest.mark.parametrize(
    ("noted", "forged"),
    [
        pytest.param(HOST, "ghcr.io", id="another registry"),
        pytest.param(HOST, HOST.replace("eu-west-1", "us-east-1"), id="another region"),
        pytest.param("eu-west-1", "ghcr.io", id="beside the registry of a region"),
        pytest.param("eu-west-1", PUBLIC, id="ECR Public"),
    ],
)
def test_a_login_that_nobody_asked_for_is_not_copied(noted: str, forged: str) -> None:
    """Who may write one target's Secret may forge what it holds, and what is noted of it."""
    held = replace(granted(HOST, forged), registries=requests(noted))
    assert docker_config.hosts_in(held.only(requests(noted)).config) == [HOST]


def test_of_two_strange_hosts_none_is_copied_for_one_region() -> None:
    held = replace(granted("localhost:4510", "ghcr.io"), registries=requests("eu-west-1"))
    left = held.only(requests("eu-west-1"))
    assert (docker_config.hosts_in(left.config), left.registries) == ([], ())


@pytest.mark.parametrize(
    ("secret", "held"),
    [
        (own_secret(), granted()),
        (own_secret(granted(request="1")), granted(request="1")),
        ({**own_secret(), "data": {".dockerconfigjson": "e30K"}}, None),
        ({**own_secret(), "data": None}, None),
        ({**own_secret(), "data": {".dockerconfigjson": "!"}}, None),
        (own_secret(granted(life=0)), None),
    ],
)
def test_logins_are_copied_only_as_we_wrote_them(secret: dict, held: Logins | None) -> None:
    assert Logins.held_in(secret, NOW) == held


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
        ("", ()),
        ("{", ()),
        pytest.param("[" * 100_000, (), id="many brackets"),
        ("{}", ()),
        ('["a.example",1]', ()),
    ],
)
def test_registries_that_cannot_be_read_are_none(text: str, registries: tuple[str, ...]) -> None:
    assert registries_in(text) == requests(*registries)


def test_text_shows_no_login() -> None:
    assert "canary" not in repr(granted(password="canary"))
