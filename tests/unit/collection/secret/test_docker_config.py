"""The docker config JSON: written as kubelet reads it, read with tolerance."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from ansible_collections.kube_ecr.secrets.plugins.module_utils._aws.authorizations import Authorization
from ansible_collections.kube_ecr.secrets.plugins.module_utils._secret import docker_config

# Long enough that MIME base64 would wrap it: kubelet's decoder does not take line breaks.
PASSWORD = "p" * 2000
FIRST, SECOND = (
    Authorization(host, "AWS", PASSWORD, datetime(2026, 1, 31, tzinfo=UTC), host) for host in ("b.example", "a.example")
)


def test_an_entry_has_a_bare_host_the_login_and_its_unwrapped_base64() -> None:
    rendered = json.loads(docker_config.render([FIRST]))
    login = rendered["auths"].pop("b.example")
    assert rendered == {"auths": {}}
    assert set(login) == {"username", "password", "auth"}
    assert (login["username"], login["password"]) == ("AWS", PASSWORD)
    assert "\n" not in login["auth"]
    assert docker_config.hosts_in(docker_config.render([FIRST])) == ["b.example"]


def test_the_order_of_authorizations_does_not_matter() -> None:
    assert docker_config.render([FIRST, SECOND]) == docker_config.render([SECOND, FIRST])


@pytest.mark.parametrize(
    "config",
    [
        "",
        "not json",
        "null",
        "[]",
        "{}",
        '{"auths": null}',
        '{"auths": []}',
        '{"auths": {"a.example": null}}',
        '{"auths": {"a.example": {"username": "AWS", "password": "p"}}}',
        '{"auths": {"a.example": {"username": "AWS", "password": "p", "auth": "QVdTOng="}}}',
        '{"auths": {"a.example": {"username": "AWS", "password": "", "auth": "QVdTOg=="}}}',
    ],
)
def test_what_is_no_complete_login_counts_as_nothing(config: str) -> None:
    assert docker_config.hosts_in(config) == []


def test_a_fingerprint_tells_configs_apart_and_shows_nothing_of_them() -> None:
    one, other = docker_config.fingerprint(docker_config.render([FIRST])), docker_config.fingerprint("{}")
    assert one != other
    assert len(one) == 12


def test_logins_of_another_config_are_added_and_no_others() -> None:
    both = docker_config.merge(docker_config.render([FIRST]), docker_config.render([FIRST, SECOND]), [SECOND.registry])
    assert both == docker_config.render([FIRST, SECOND])
    assert docker_config.merge(docker_config.render([FIRST]), both, []) == docker_config.render([FIRST])


HOST = "111122223333.dkr.ecr.eu-west-1.amazonaws.com"
ELSEWHERE = "111122223333.dkr.ecr.us-east-1.amazonaws.com"
OURS = {HOST: {"username": "AWS", "password": "new", "auth": "QVdTOm5ldw=="}}
FOREIGN = {
    "credHelpers": {"gcr.io": "gcloud"},
    "auths": {"ghcr.io": {"auth": "canary"}, ELSEWHERE: {"auth": "x"}, "odd": None},
    "HttpHeaders": {"X-Team": "ä"},
    "somethingNew": [1, 2.5, None, {"deep": True}],
}


@pytest.mark.parametrize("text", ["", " \n", "null", "{}\n", '{"auths":null}', '{"auths": {}}'], ids=repr)
def test_logins_are_added_to_what_is_empty(text: str) -> None:
    assert json.loads(docker_config.with_logins(text, OURS)) == {"auths": OURS}
    assert docker_config.is_empty(text)
    assert docker_config.logins(text) == {}


def test_all_else_stays_in_its_order() -> None:
    merged = json.loads(docker_config.with_logins(json.dumps(FOREIGN), OURS))
    assert merged == {**FOREIGN, "auths": {**FOREIGN["auths"], **OURS}}
    assert list(merged) == list(FOREIGN)
    assert list(merged["auths"]) == [*FOREIGN["auths"], HOST]
    assert json.loads(docker_config.without_logins(json.dumps(merged), OURS)) == FOREIGN


@pytest.mark.parametrize(
    ("key", "goes"),
    [
        (HOST, True),
        (f"https://{HOST}", True),
        (f"http://{HOST}", True),
        (f"{HOST}/", True),
        (f"{HOST}/v1/", True),
        (f"{HOST}/v2/", True),
        (f"https://{HOST}/v1/", True),
        (f"https://{HOST}/v2/", True),
        (f"https://{HOST}/", True),
        (f"{HOST}/team", False),
        (f"{HOST}/v2/team", False),
        (f"{HOST}/v2", False),
        (f"{HOST}:443", False),
        (f"ftp://{HOST}", False),
        (f"*.{HOST.partition('.')[2]}", False),
        (f"my.{HOST}", False),
        (f"https://{ELSEWHERE}", False),
        ("", False),
    ],
)
def test_a_stale_entry_of_the_same_host_goes_whatever_its_form(key: str, goes: bool) -> None:
    held = {"auths": {"ghcr.io": {}, key: {"auth": "stale"}, "quay.io": {}}}
    merged = json.loads(docker_config.with_logins(json.dumps(held), OURS))["auths"]
    assert merged == {**({"ghcr.io": {}, "quay.io": {}} if goes else held["auths"]), **OURS}
    assert [each for each in merged if each in ("ghcr.io", "quay.io")] == ["ghcr.io", "quay.io"]


def test_an_entry_of_ours_is_replaced_where_it_stands() -> None:
    text = json.dumps({"auths": {HOST: {"auth": "old"}, "ghcr.io": {}}})
    assert list(json.loads(docker_config.with_logins(text, OURS))["auths"]) == [HOST, "ghcr.io"]


@pytest.mark.parametrize("text", ['{ "auths" : {"ghcr.io":{}} }\n', "null", "{}", "", '{"auths":null}'])
def test_what_changes_nothing_gives_the_very_same_text(text: str) -> None:
    merged = f" {docker_config.with_logins(text, OURS)}\n"
    assert docker_config.with_logins(merged, OURS) is merged
    assert docker_config.without_logins(text, OURS) is text
    assert docker_config.with_logins(text, {}) is text


def test_only_what_we_wrote_is_taken_out() -> None:
    text = json.dumps({"auths": {f"https://{HOST}": {"auth": "foreign"}, **OURS}})
    assert json.loads(docker_config.without_logins(text, OURS)) == {"auths": {f"https://{HOST}": {"auth": "foreign"}}}


@pytest.mark.parametrize(
    "text",
    [
        "canary",
        '{"auths": {"canary": ',
        '["canary"]',
        '"canary"',
        "1",
        "false",
        '{"auths": ["canary"]}',
        '{"auths": "canary"}',
        '{"auths": false}',
        '{"auths": {"ghcr.io": "canary"}}',
        '{"canary": NaN}',
        '{"canary": -Infinity}',
        '{"canary": 1e999}',
        '{"auths": {"canary": {}, "canary": {"auth": ""}}}',
        "\ufeff{}",
        '{"canary": ' + "[" * 200_000 + "]" * 200_000 + "}",
    ],
    ids=lambda text: repr(text[:40]),
)
def test_what_is_no_docker_config_is_refused_and_not_quoted(text: str) -> None:
    with pytest.raises(docker_config.ContentError) as caught:
        docker_config.with_logins(text, OURS)
    assert "canary" not in str(caught.value)
    assert ".dockerconfigjson" in str(caught.value)
    assert docker_config.hosts_in(text) == []
    assert not docker_config.is_empty(text)


@pytest.mark.parametrize(
    ("text", "empty"),
    [
        ('{"auths": {}, "credHelpers": {}, "credsStore": ""}', True),
        ('{"auths": {"ghcr.io": null}}', False),
        ('{"auths": {}, "credHelpers": {"gcr.io": "gcloud"}}', False),
        ('{"credsStore": "desktop"}', False),
    ],
)
def test_empty_is_what_nobody_put_anything_into(text: str, empty: bool) -> None:
    assert docker_config.is_empty(text) is empty


@pytest.mark.parametrize("data", [None, {}, {"other": "eA=="}, {".dockerconfigjson": ""}, {".dockerconfigjson": None}])
def test_a_secret_without_the_key_holds_an_empty_text(data: dict | None) -> None:
    assert docker_config.stored(data) == ""


@pytest.mark.parametrize("value", ["!", "e30", "/w==", "ä"], ids=["alphabet", "padding", "no UTF-8", "no ASCII"])
def test_what_is_no_text_is_refused(value: str) -> None:
    assert docker_config.stored({".dockerconfigjson": "e30K"}) == "{}\n"
    with pytest.raises(docker_config.ContentError, match="UTF-8"):
        docker_config.stored({".dockerconfigjson": value})


def test_complete_logins_are_selected_and_nothing_else() -> None:
    text = json.dumps({**FOREIGN, "auths": {**FOREIGN["auths"], **OURS}})
    assert json.loads(docker_config.selected(text, [HOST, "ghcr.io", "absent"])) == {"auths": OURS}
    assert json.loads(docker_config.selected("broken", [HOST])) == {"auths": {}}


@pytest.mark.parametrize("odd", [None, "text", ["list"], {"password": "\ud800", "auth": "x"}], ids=repr)
def test_an_odd_entry_hides_no_other(odd: object) -> None:
    assert docker_config.hosts_in(json.dumps({"auths": {"odd": odd, **OURS}})) == [HOST]


def test_a_diff_shows_hosts_expiry_and_a_fingerprint_only() -> None:
    moment = datetime(2026, 1, 31, 12, tzinfo=UTC)
    config = docker_config.render([Authorization("a.example", "AWS", "canary", moment, "a.example")])
    shown = docker_config.describe(config, moment)
    assert shown == {
        "registries": ["a.example"],
        "expires_at": "2026-01-31T12:00:00Z",
        "fingerprint": docker_config.fingerprint(config),
    }
    assert docker_config.describe("", None)["expires_at"] is None
    assert "canary" not in str(shown)


@pytest.mark.parametrize("data", [None, {}, {".dockerconfigjson": None}, {".dockerconfigjson": "/w=="}])
def test_secret_that_holds_no_text_has_an_empty_one(data: dict | None) -> None:
    assert docker_config.content({"data": data}) == ""


@pytest.mark.parametrize(
    ("key", "is_told"),
    [
        (f"{HOST}/team", True),
        (f"https://{HOST}/team/app", True),
        (f"http://{HOST}/v2/team", True),
        (f"{HOST}/team/", True),
        (f"{HOST}/v2", True),
        (HOST, False),
        (f"https://{HOST}/v2/", False),
        (f"{HOST}/", False),
        (f"{HOST}:443/team", False),
        ("public.ecr.aws/team", False),
        ("*.dkr.ecr.eu-west-1.amazonaws.com", False),
        # No repository of ECR is called so: it may be anything, so it is not shown.
        (f"{HOST}/Canary", False),
        (f"{HOST}/team?token=canary", False),
        (f"https://user:canary@{HOST}/team", False),
        (f"{HOST}/{'a' * 257}", False),
    ],
)
def test_keys_of_others_for_a_part_of_a_host_are_told(key: str, is_told: bool) -> None:
    """Whatever stands there: with an empty entry, some consumers send no login at all."""
    for entry in ({"auth": "b2xkOm9sZA=="}, {}, None):
        text = json.dumps({"auths": {key: entry, "ghcr.io/team": {}, HOST: {}}})
        assert docker_config.shadows(text, [HOST]) == ((key,) if is_told else ())


def test_what_many_take_for_auths_counts_and_ten_are_enough() -> None:
    text = json.dumps({"auths": {HOST: {}}, "Auths": {HOST: {}, f"{HOST}/a": {}, "ghcr.io": {}}, "AUTHS": 5})
    assert docker_config.shadows(text, [HOST]) == (HOST, f"{HOST}/a")
    many = json.dumps({"auths": {f"{HOST}/{number:02}": {} for number in range(12)}})
    assert docker_config.shadows(many, [HOST])[-1] == f"{HOST}/09"
    assert docker_config.shadows("canary", [HOST]) == ()
