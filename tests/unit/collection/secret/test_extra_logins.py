"""Logins of other registries, out of Secrets of the user."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from ansible_collections.kube_ecr.secrets.plugins.module_utils._contract.item import ExtraAuth
from ansible_collections.kube_ecr.secrets.plugins.module_utils._contract.result import ErrorResult
from ansible_collections.kube_ecr.secrets.plugins.module_utils._secret import docker_config
from ansible_collections.kube_ecr.secrets.plugins.module_utils._secret.extra_logins import (
    NO_EXTRA_LOGINS,
    ExtraLogins,
    Held,
    extra_logins,
    without,
)
from tests.support.cluster.stored_secrets import DESIRED, HOST, granted, own_secret

QUAY, HUB = ExtraAuth("ops", "quay", "quay.io"), ExtraAuth("ops", "hub")
CANARY = "canary-password"


def encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def login(username: str, password: str = CANARY) -> dict[str, str]:
    return {"username": username, "password": password, "auth": encoded(f"{username}:{password}")}


def plain(version: str = "1", **data: str) -> dict[str, Any]:
    given = {"username": "me", "password": CANARY, **data}
    metadata = {"uid": "u", "resourceVersion": version}
    return {"metadata": metadata, "type": "Opaque", "data": {key: encoded(value) for key, value in given.items()}}


def docker(config: object) -> dict[str, Any]:
    text = config if isinstance(config, str) else json.dumps({"auths": config})
    return {**plain(), "type": docker_config.SECRET_TYPE, "data": {".dockerconfigjson": encoded(text)}}


def read(auth: ExtraAuth, secret: dict[str, Any] | ErrorResult | None) -> ExtraLogins:
    return extra_logins([auth], {auth: secret})


@pytest.mark.parametrize(
    ("auth", "secret", "entries"),
    [
        pytest.param(QUAY, plain(), {"quay.io": login("me")}, id="username and password"),
        pytest.param(
            HUB,
            docker(
                {"https://ghcr.io/v1/": {"auth": encoded(f"you:{CANARY}")}, "a.b/team": {**login("t"), "email": "x"}}
            ),
            {"ghcr.io": login("you"), "a.b/team": login("t")},
            id="all of a docker config, in the form of ours",
        ),
        pytest.param(
            ExtraAuth("ops", "hub", "ghcr.io"),
            docker({"ghcr.io": {"username": "you", "password": CANARY}, "quay.io": login("me")}),
            {"ghcr.io": login("you")},
            id="one of a docker config",
        ),
        pytest.param(
            HUB,
            docker({"a.b": {"auth": "eDp5"}, "c.d": {}, "e.f": {"auth": ""}}),
            {"a.b": login("x", "y")},
            id="without what logs nobody in",
        ),
    ],
)
def test_entries_have_the_form_that_all_read(auth: ExtraAuth, secret: dict, entries: dict) -> None:
    found = read(auth, secret)
    assert (dict(found.entries), found.error) == (entries, None)
    assert CANARY not in repr(found)
    assert CANARY not in found.note
    assert json.loads(found.note)["registries"] == sorted(entries)


@pytest.mark.parametrize(
    ("auth", "secret", "reason", "words"),
    [
        (QUAY, None, "ExtraAuthNotFound", "Secret quay in namespace ops (spec.extraAuths) does not exist"),
        (QUAY, ErrorResult("Forbidden", "no"), "Forbidden", "no"),
        (QUAY, plain(password=""), "InvalidExtraAuth", "has no password that is text"),
        (ExtraAuth("ops", "quay"), plain(), "InvalidExtraAuth", "say in extraAuths[].registry"),
        (HUB, docker("{"), "InvalidExtraAuth", "holds no docker config"),
        (HUB, docker({"a.b": {"auth": "!"}}), "InvalidExtraAuth", "holds what kubelet cannot read: the entry"),
        (ExtraAuth("ops", "hub", "quay.io"), docker({}), "InvalidExtraAuth", "holds no login for quay.io"),
    ],
)
def test_what_gives_no_login_is_told_and_shows_nothing(
    auth: ExtraAuth, secret: dict | ErrorResult | None, reason: str, words: str
) -> None:
    found = extra_logins([auth, QUAY], {QUAY: plain(), auth: secret})
    assert found.error is not None
    assert (found.error.reason, found.digest) == (reason, "")
    assert words in found.error.message
    assert CANARY not in found.error.message


def test_the_digest_is_another_when_a_secret_or_the_wish_is_and_says_nothing_of_the_content() -> None:
    first = read(QUAY, plain()).digest
    assert first == read(QUAY, plain(password="other")).digest
    others = {read(QUAY, plain("2")).digest, read(ExtraAuth("ops", "quay", "a.b"), plain()).digest}
    assert len({first, *others}) == 3
    assert extra_logins([], {}) == NO_EXTRA_LOGINS


def test_ours_come_first_and_a_copy_takes_only_ours() -> None:
    extra = ExtraLogins({"quay.io": login("me"), HOST: login("wrong")}, "d")
    config = extra.added_to(granted().config)
    assert json.loads(config)["auths"] == {**json.loads(granted().config)["auths"], "quay.io": login("me")}
    assert without(config, ["quay.io"]) == granted().config


def test_what_cannot_be_read_now_stays_as_it_is_held() -> None:
    error = ErrorResult("ExtraAuthNotFound", "gone")
    held = ExtraLogins({"quay.io": login("old"), "a.b": login("a")}).added_to(granted().config)
    kept = ExtraLogins({"quay.io": login("new")}, "", error).with_held(held, ["quay.io", "a.b", "c.d"])
    assert dict(kept.entries) == {"quay.io": login("new"), "a.b": login("a")}
    assert (kept.digest, kept.error) == ("", error)
    complete = ExtraLogins({}, "d")
    assert complete.with_held(held, ["a.b"]) is complete


@pytest.mark.parametrize("note", ["", "{", "[]", '{"digest": 1, "registries": "x"}'])
def test_an_annotation_that_cannot_be_read_counts_as_none(note: str) -> None:
    secret = own_secret()
    secret["metadata"]["annotations"]["aws.zakariaamine.com/extra-auths"] = note
    assert Held.on(secret["metadata"]) == Held()
    assert Held.on(own_secret(desired=DESIRED)["metadata"]) == Held()
