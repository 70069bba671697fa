"""What holds for any content of a Secret: nothing of others is lost; what cannot be read is refused, never changed."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.kube_ecr.secrets.plugins.module_utils._aws.authorizations import Authorization
from ansible_collections.kube_ecr.secrets.plugins.module_utils._contract.login_request import LoginRequest
from ansible_collections.kube_ecr.secrets.plugins.module_utils._secret import docker_config
from ansible_collections.kube_ecr.secrets.plugins.module_utils._secret.docker_config import ContentError
from tests.support.oracle import properties  # noqa: F401

HOSTS = st.sampled_from(["a.example", "b.example", "c.example:5000"])
# Keys that kubelet takes for one of these hosts, and keys that it does not.
KEYS = st.builds(
    "{}{}{}".format, st.sampled_from(["", "https://", "http://"]), HOSTS, st.sampled_from(["", "/", "/v1/"])
)
FOREIGN_KEYS = st.sampled_from(["d.example", "https://d.example/v1/", "a.example/team", "*.example", ""])
WORDS = st.text(max_size=5)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=3),
    max_leaves=5,
)
ENTRIES = st.dictionaries(st.sampled_from(["auth", "username", "email"]) | WORDS, JSON, max_size=3)
CONFIGS = st.fixed_dictionaries(
    {"auths": st.dictionaries(KEYS | FOREIGN_KEYS, ENTRIES, max_size=5)},
    optional={"credHelpers": JSON, "psFormat": JSON},
)
AUTHORIZATIONS = st.lists(
    st.builds(
        Authorization,
        HOSTS,
        WORDS,
        st.text(min_size=1, max_size=5),
        st.just(datetime(2026, 1, 31, tzinfo=UTC)),
        st.just(LoginRequest(None, "eu-west-1")),
    ),
    unique_by=lambda authorization: authorization.registry,
)
OURS = AUTHORIZATIONS.map(docker_config.render).map(docker_config.logins)
# JSON that is a docker config or nearly one, and text that is no JSON.
TEXTS = (CONFIGS | JSON | st.fixed_dictionaries({"auths": JSON})).map(json.dumps) | st.text(
    alphabet='{}[]":,auths01\\ '
)


def host_of(key: str) -> str:
    """Return the host that kubelet takes a key for; a key with another path is for that path alone."""
    bare = key.removeprefix("https://").removeprefix("http://")
    return bare.removesuffix("/").removesuffix("/v1").removesuffix("/v2")


@given(AUTHORIZATIONS)
def test_rendered_logins_are_read_again(authorizations: list[Authorization]) -> None:
    config = docker_config.render(authorizations)
    assert docker_config.hosts_in(config) == sorted(login.registry for login in authorizations)
    for login in authorizations:
        entry = docker_config.logins(config)[login.registry]
        assert base64.b64decode(entry["auth"]).decode() == f"{login.username}:{login.password}"
        assert (entry["username"], entry["password"]) == (login.username, login.password)
    assert docker_config.content({"data": {".dockerconfigjson": base64.b64encode(config.encode()).decode()}}) == config


@given(AUTHORIZATIONS, AUTHORIZATIONS, st.sets(HOSTS))
def test_merge_takes_just_these_hosts_of_the_other(
    ours: list[Authorization], others: list[Authorization], hosts: set[str]
) -> None:
    mine, other = docker_config.render(ours), docker_config.render(others)
    hosts &= set(docker_config.hosts_in(other))
    merged = docker_config.logins(docker_config.merge(mine, other, hosts))
    assert merged == {
        **docker_config.logins(mine),
        **{host: entry for host, entry in docker_config.logins(other).items() if host in hosts},
    }
    assert docker_config.logins(docker_config.selected(other, hosts)) == {
        host: entry for host, entry in docker_config.logins(other).items() if host in hosts
    }


@given(CONFIGS, OURS)
def test_our_logins_are_put_in_and_all_of_others_stays(config: dict, ours: dict[str, dict]) -> None:
    written = json.loads(docker_config.with_logins(json.dumps(config), ours))
    auths = written.pop("auths")
    assert written == {name: value for name, value in config.items() if name != "auths"}
    assert {host: auths[host] for host in ours} == ours
    kept = [key for key in config["auths"] if host_of(key) not in ours]
    assert [key for key in auths if key not in ours] == kept, "in their order"
    assert all(auths[key] == config["auths"][key] for key in kept)


@given(CONFIGS, OURS)
def test_our_logins_are_put_in_once(config: dict, ours: dict[str, dict]) -> None:
    once = docker_config.with_logins(json.dumps(config), ours)
    assert docker_config.with_logins(once, ours) == once


@given(CONFIGS, OURS)
def test_our_logins_go_again_and_nothing_else_does(config: dict, ours: dict[str, dict]) -> None:
    left = json.loads(docker_config.without_logins(docker_config.with_logins(json.dumps(config), ours), ours))
    kept = {key: entry for key, entry in config["auths"].items() if host_of(key) not in ours}
    assert left == {**config, "auths": kept}


@given(TEXTS, OURS)
def test_text_that_changes_nothing_comes_back_as_it_is(text: str, ours: dict[str, dict]) -> None:
    assert outcome_of(docker_config.with_logins, text, {}) in (text, None)
    assert outcome_of(docker_config.without_logins, text, ["never.example"]) in (text, None)


@given(TEXTS, OURS)
def test_any_text_is_read_or_refused(text: str, ours: dict[str, dict]) -> None:
    logins = outcome_of(docker_config.logins, text)
    written = outcome_of(docker_config.with_logins, text, ours)
    assert (logins is None) == (written is None)
    if written is not None:
        assert ours.items() <= docker_config.logins(written).items()
    assert set(docker_config.hosts_in(text)) <= set(logins or docker_config.hosts_in(text))
    assert isinstance(docker_config.is_empty(text), bool)
    assert docker_config.logins(docker_config.selected(text, ours)).keys() <= ours.keys()
    assert set(docker_config.describe(text, None)) == {"registries", "expires_at", "fingerprint"}


@given(
    st.none()
    | st.dictionaries(st.just(".dockerconfigjson"), st.text() | st.binary().map(base64.b64encode).map(bytes.decode))
)
def test_any_data_of_a_secret_is_text_or_refused(data: dict[str, str] | None) -> None:
    assert isinstance(docker_config.content({"data": data}), str)
    stored = outcome_of(docker_config.stored, data)
    assert stored is None or isinstance(stored, str)


def outcome_of[T](function: Callable[..., T], *arguments: object) -> T | None:
    """Return what a function returns, or None if it refuses the content; nothing else may be raised."""
    try:
        return function(*arguments)
    except ContentError:
        return None
