"""The result of ecr_pull_secret: what it says in one line, what it lists, and what a diff shows."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest

from ansible_collections.kube_ecr.secrets.plugins.module_utils._features import ecr_pull_secret
from tests.support.cluster.in_memory import InMemoryCluster
from tests.support.cluster.stored_secrets import HOST, foreign_secret
from tests.support.options import defaults

EXPIRY = (datetime.now(UTC) + timedelta(hours=10)).strftime("%Y-%m-%dT%H:%M:%SZ")
LOGIN = {"registry": HOST, "username": "AWS", "password": "canary", "expires_at": EXPIRY, "requested": HOST}
OPTIONS = defaults(ecr_pull_secret.ARGUMENT_SPEC) | {
    "authorizations": [LOGIN],
    "secret_name": "ecr-login",
    "namespaces": ["team-a", "team-b"],
}


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> InMemoryCluster:
    made = InMemoryCluster()
    monkeypatch.setattr(ecr_pull_secret, "connect", lambda _options: made)
    return made


def run(*, diff: bool = False, **options: object) -> dict:
    result = ecr_pull_secret.run({**OPTIONS, **options}, False, diff)
    assert "canary" not in str(result)
    return result


def test_what_was_done_is_counted(cluster: InMemoryCluster) -> None:
    result = run()
    assert result["msg"] == "pull secret ecr-login: 2 created"
    assert (result["changed"], result["failed"], result["error"]) == (True, False, None)
    assert (result["secret_name"], result["registries"]) == ("ecr-login", [HOST])
    assert [entry["namespace"] for entry in result["namespaces"]] == ["team-a", "team-b"]
    assert result["expires_at"] == EXPIRY
    assert result["issued_at"] < result["renew_after"] < EXPIRY
    assert "diff" not in result


def test_nothing_to_do(cluster: InMemoryCluster) -> None:
    result = run(state="absent", authorizations=None, namespaces=["team-a"])
    assert (result["msg"], result["changed"], result["failed"]) == (
        "pull secret ecr-login: nothing to do",
        False,
        False,
    )
    assert (result["expires_at"], result["registries"]) == (None, [])


def test_the_first_five_failures_are_in_the_message(cluster: InMemoryCluster) -> None:
    names = [f"n{number}" for number in range(7)]
    cluster.refuse("get", *[500] * 7)
    result = run(namespaces=names)
    assert result["msg"] == "; ".join(f"{name}: get it: Status500: no" for name in names[:5])
    assert (result["failed"], result["changed"], len(result["namespaces"])) == (True, False, 7)


def test_a_refusal_of_all_is_the_message(cluster: InMemoryCluster) -> None:
    result = run(authorization_errors=[{"requested": None, "reason": "ExpiredToken", "msg": "old keys"}])
    assert (result["msg"], result["failed"]) == ("old keys", True)
    assert result["error"] == {"reason": "ExpiredToken", "msg": "old keys"}


EXPIRED = {**LOGIN, "expires_at": "2026-01-31T12:00:00Z"}


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"secret_name": "No"}, "secret_name: 'No'"),
        ({"authorizations": [LOGIN, EXPIRED]}, f"authorizations: the token for {HOST} expired at 2026-01-31"),
        (
            {"state": "absent", "authorizations": [EXPIRED]},
            f"authorizations: the token for {HOST} expired at 2026-01-31",
        ),
    ],
)
def test_what_was_asked_for_is_refused_before_any_call(cluster: InMemoryCluster, options: dict, words: str) -> None:
    result = run(**options)
    assert result["error"]["reason"] == "InvalidOption"
    assert words in result["msg"]
    assert (result["failed"], result["changed"], result["namespaces"], cluster.calls) == (True, False, [], [])


def test_a_diff_shows_each_object_that_changed(monkeypatch: pytest.MonkeyPatch) -> None:
    account = {"metadata": {"name": "default", "namespace": "team-a", "resourceVersion": "1"}}
    made = InMemoryCluster(foreign_secret(namespace="team-b"), accounts=(account,))
    monkeypatch.setattr(ecr_pull_secret, "connect", lambda _options: made)
    result = run(diff=True, service_accounts=["default"])
    secret, pull_secrets = result["diff"]
    assert (secret["before_header"], secret["after_header"]) == ("team-a/ecr-login", "team-a/ecr-login")
    assert (secret["before"], secret["after"]["registries"]) == ({}, [HOST])
    assert (pull_secrets["before_header"], pull_secrets["after"]) == (
        "team-a/default",
        {"imagePullSecrets": [{"name": "ecr-login"}]},
    )
    assert result["msg"].startswith("team-b: secrets/ecr-login in namespace team-b exists")


def test_who_else_writes_a_service_account_is_in_the_message(monkeypatch: pytest.MonkeyPatch) -> None:
    annotations = {"meta.helm.sh/release-name": "{{ web }}"}
    names = [f"a{number}" for number in range(6)]
    accounts = [
        {"metadata": {"name": name, "namespace": "team-a", "resourceVersion": "1", "annotations": annotations}}
        for name in names
    ]
    made = InMemoryCluster(accounts=tuple(accounts))
    monkeypatch.setattr(ecr_pull_secret, "connect", lambda _options: made)
    first = run(service_accounts=names, namespaces=["team-a"])
    done, *warnings = first["msg"].split("; service account ")
    assert done == "pull secret ecr-login: 1 created, 6 service accounts"
    assert [text.split()[0] for text in warnings] == [f"team-a/a{number}" for number in range(5)]
    assert all("written by helm release {{ web }}: " in text for text in warnings)
    again = run(service_accounts=["a0"], namespaces=["team-a"], force=True)
    assert again["msg"].startswith("pull secret ecr-login: 1 created; service account team-a/a0 is also written by")
    (told,) = again["service_accounts"]
    assert (told["state"], told["reason"], told["written_by"]) == (
        "unchanged",
        "ServiceAccountContested",
        "helm release {{ web }}",
    )
    assert (again["failed"], first["failed"]) == (False, False)


def test_logins_of_others_for_a_part_of_the_registry_are_warned_of(monkeypatch: pytest.MonkeyPatch) -> None:
    text = json.dumps({"auths": {f"{HOST}/team": {"auth": "bWU6Y2FuYXJ5"}}})
    made = InMemoryCluster(foreign_secret(text), foreign_secret(namespace="team-b"))
    monkeypatch.setattr(ecr_pull_secret, "connect", lambda _options: made)
    result = run(existing_secret_policy="Merge")
    shadowed, plain = result["namespaces"]
    assert (shadowed["state"], shadowed["reason"], shadowed["shadowed_by"]) == (
        "updated",
        "LoginShadowed",
        [f"{HOST}/team"],
    )
    assert result["warnings"] == [shadowed["msg"]]
    assert result["msg"] == f"pull secret ecr-login: 2 updated; {shadowed['msg']}"
    assert (result["failed"], plain["reason"], "shadowed_by" in plain) == (False, "", False)
    assert "warnings" not in run(namespaces=["team-c"])
