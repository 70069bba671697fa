"""The config files of container clients: our logins are in them, and all else stays."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime
from typing import Any

import pytest

from ansible_collections.kube_ecr.secrets.plugins.module_utils._aws.authorizations import Authorization
from ansible_collections.kube_ecr.secrets.plugins.module_utils._secret.client_config import (
    CLIENTS,
    helper_for,
    parts_of,
    with_logins,
    without_logins,
)
from ansible_collections.kube_ecr.secrets.plugins.module_utils._secret.docker_config import ContentError
from tests.support.logins import requests

HOST, OTHER, PUBLIC = "111122223333.dkr.ecr.eu-west-1.amazonaws.com", "registry.example.com", "public.ecr.aws"
DOCKER, HELM, NERDCTL, PODMAN = (CLIENTS[name] for name in ("docker", "helm", "nerdctl", "podman"))
LOGIN = Authorization(HOST, "AWS", "canary", datetime(2026, 1, 31, tzinfo=UTC), requests(HOST)[0])


def auth(password: str, username: str = "AWS") -> str:
    return base64.b64encode(f"{username}:{password}".encode()).decode()


OURS = {"auth": auth("canary")}
OLD = {"auth": auth("old")}
THEIRS = {"auth": auth("p", "me"), "email": "me@example.com"}


@pytest.mark.parametrize(
    ("held", "becomes"),
    [
        (None, {"auths": {HOST: OURS}}),
        ({}, {"auths": {HOST: OURS}}),
        ({"auths": None}, {"auths": {HOST: OURS}}),
        ({"auths": {OTHER: THEIRS}}, {"auths": {OTHER: THEIRS, HOST: OURS}}),
        ({"auths": {HOST: OLD}, "proxies": {"a": [1.5, None]}}, {"auths": {HOST: OURS}, "proxies": {"a": [1.5, None]}}),
        ({"auths": {HOST: THEIRS}}, {"auths": {HOST: OURS}}),
        ({"auths": {HOST: {"identitytoken": "t", **OURS}}}, {"auths": {HOST: OURS}}),
        ({"auths": {HOST: None, OTHER: None}}, {"auths": {HOST: OURS, OTHER: None}}),
        # What a client takes for the same host.
        ({"auths": {f"https://{HOST}": OLD, f"https://{HOST}/v2/": OLD}}, {"auths": {HOST: OURS}}),
        # A part of the registry is somebody else's.
        ({"auths": {f"{HOST}/team": THEIRS}}, {"auths": {f"{HOST}/team": THEIRS, HOST: OURS}}),
        ({"credHelpers": {OTHER: "pass"}}, {"credHelpers": {OTHER: "pass"}, "auths": {HOST: OURS}}),
    ],
)
def test_a_login_is_added_and_all_else_stays(held: dict[str, Any] | None, becomes: dict[str, Any]) -> None:
    text = "" if held is None else json.dumps(held)
    change = with_logins(text, [LOGIN], DOCKER)
    assert json.loads(change.text) == becomes
    assert list(json.loads(change.text)) == list(becomes)
    assert with_logins(change.text, [LOGIN], DOCKER).text == change.text
    assert "canary" not in repr(change)


@pytest.mark.parametrize(
    "entry", [OURS, {**OURS, "username": "AWS"}, {**OURS, "username": "AWS", "password": "canary"}], ids=len
)
def test_a_file_that_holds_the_login_stays_as_it_is_in_every_byte(entry: dict[str, str]) -> None:
    text = json.dumps({"auths": {HOST: entry}}, indent=7)
    assert with_logins(text, [LOGIN], DOCKER).text == text


def test_a_file_is_written_with_tabs_as_docker_does() -> None:
    assert with_logins("", [LOGIN], DOCKER).text == (
        f'{{\n\t"auths": {{\n\t\t"{HOST}": {{\n\t\t\t"auth": "{auth("canary")}"\n\t\t}}\n\t}}\n}}\n'
    )


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("not json canary", "{} is not valid JSON"),
        ('["canary"]', "{} is JSON, but not an object"),
        ('{"auths": ["canary"]}', "auths in {} is not an object"),
        ('{"auths": {"a": "canary"}}', "an entry of auths in {} is not an object"),
        ('{"a": 1, "a": 2}', "{} has a key twice"),
        ('{"a": 1e999}', "{} holds something that cannot be written again"),
    ],
)
def test_what_is_no_config_is_refused_by_the_name_of_the_file(text: str, words: str) -> None:
    with pytest.raises(ContentError) as refused:
        with_logins(text, [LOGIN], DOCKER)
    assert refused.value.about("/home/a/config.json").startswith(words.format("/home/a/config.json"))
    assert "canary" not in refused.value.about("/")


@pytest.mark.parametrize(
    ("config", "by_docker", "by_helm", "by_podman"),
    [
        ({}, "", "", ""),
        ({"credsStore": "store"}, "store", "store", ""),
        ({"credHelpers": {HOST: "own"}}, "own", "own", "own"),
        ({"credHelpers": {HOST: "own"}, "credsStore": "store"}, "own", "own", "own"),
        ({"credHelpers": {OTHER: "own"}, "credsStore": "store"}, "store", "store", ""),
        ({"credHelpers": {HOST: 1}, "credsStore": ["store"]}, "", "", ""),
        ({"credHelpers": None, "credsStore": ""}, "", "", ""),
    ],
)
def test_a_credential_helper_is_found(config: dict[str, Any], by_docker: str, by_helm: str, by_podman: str) -> None:
    text = json.dumps(config)
    for client, helper in ((DOCKER, by_docker), (NERDCTL, by_docker), (HELM, by_helm), (PODMAN, by_podman)):
        assert helper_for(text, HOST, client) == helper
        change = with_logins(text, [LOGIN], client)
        assert change.helpers == ({HOST: helper} if helper else {})
        assert (change.text == text) is bool(helper)


def test_a_helper_of_one_host_keeps_no_other_from_its_login() -> None:
    public = Authorization(PUBLIC, "AWS", "canary", LOGIN.expires_at, requests(PUBLIC)[0])
    change = with_logins(json.dumps({"credHelpers": {HOST: "own"}}), [LOGIN, public], DOCKER)
    assert list(json.loads(change.text)["auths"]) == [PUBLIC]
    assert change.helpers == {HOST: "own"}


@pytest.mark.parametrize(
    ("registries", "left"),
    [
        ((), [OTHER]),
        ((HOST,), [PUBLIC, OTHER]),
        (("eu-west-1",), [PUBLIC, OTHER]),
        ((PUBLIC,), [HOST, f"https://{HOST}", OTHER]),
        ((OTHER,), [HOST, f"https://{HOST}", PUBLIC, OTHER]),
    ],
)
def test_logins_of_ecr_are_removed_and_no_others(registries: tuple[str, ...], left: list[str]) -> None:
    mine = {"username": "AWS", "password": "p"}
    auths = {HOST: OLD, f"https://{HOST}": OLD, PUBLIC: mine, OTHER: THEIRS}
    change = without_logins(json.dumps({"auths": auths, "a": 1}), requests(*registries))
    assert json.loads(change.text) == {"auths": {key: auths[key] for key in left}, "a": 1}
    assert change.before.keys() == auths.keys() - set(left)
    assert without_logins(change.text, requests(*registries)).text == change.text


def test_nothing_is_removed_from_nothing() -> None:
    assert without_logins("", ()).text == ""


def test_a_diff_tells_tokens_apart_and_shows_nothing_of_a_login() -> None:
    """Of a weak password even a fingerprint could be guessed."""
    held = {"auths": {HOST: OLD, f"https://{HOST}": THEIRS, OTHER: THEIRS}}
    change = with_logins(json.dumps(held), [LOGIN], DOCKER)
    before, after = change.before[HOST]["fingerprint"], change.after[HOST]["fingerprint"]
    assert before != after
    assert (len(before), len(after)) == (12, 12)
    assert change.before == {HOST: {"fingerprint": before}, f"https://{HOST}": {"fingerprint": None}}
    assert change.after == {HOST: {"fingerprint": after, "expires_at": "2026-01-31T00:00:00Z"}}


@pytest.mark.parametrize("entry", [{"auth": "!"}, {"auth": "w7"}, {"auth": base64.b64encode(b"\xff:x").decode()}, {}])
def test_a_broken_login_is_replaced_and_never_removed(entry: dict[str, str]) -> None:
    text = json.dumps({"auths": {HOST: entry}})
    assert without_logins(text, ()).text == text
    assert json.loads(with_logins(text, [LOGIN], DOCKER).text)["auths"] == {HOST: OURS}


def test_logins_for_a_part_of_a_registry_are_found() -> None:
    keys = (HOST, f"{HOST}/team", f"{HOST}/v2/", f"https://{HOST}", f"{OTHER}/team", f"{HOST}.example/team")
    assert parts_of(json.dumps({"auths": {key: {} for key in keys}}), [HOST]) == [f"{HOST}/team"]
