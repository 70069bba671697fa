"""The docker config JSON: written as kubelet reads it, read with tolerance."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from ansible_collections.kube_ecr.secrets.plugins.module_utils import _docker_config
from ansible_collections.kube_ecr.secrets.plugins.module_utils._authorizations import Authorization

# Long enough that MIME base64 would wrap it: kubelet's decoder does not take line breaks.
PASSWORD = "p" * 2000
FIRST, SECOND = (
    Authorization(host, "AWS", PASSWORD, datetime(2026, 1, 31, tzinfo=UTC), host) for host in ("b.example", "a.example")
)


def test_an_entry_has_a_bare_host_the_login_and_its_unwrapped_base64() -> None:
    rendered = json.loads(_docker_config.render([FIRST]))
    login = rendered["auths"].pop("b.example")
    assert rendered == {"auths": {}}
    assert set(login) == {"username", "password", "auth"}
    assert (login["username"], login["password"]) == ("AWS", PASSWORD)
    assert "\n" not in login["auth"]
    assert _docker_config.registries(_docker_config.render([FIRST])) == ["b.example"]


def test_the_order_of_authorizations_does_not_matter() -> None:
    assert _docker_config.render([FIRST, SECOND]) == _docker_config.render([SECOND, FIRST])


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
    assert _docker_config.registries(config) == []


def test_a_fingerprint_tells_configs_apart_and_shows_nothing_of_them() -> None:
    one, other = _docker_config.fingerprint(_docker_config.render([FIRST])), _docker_config.fingerprint("{}")
    assert one != other
    assert len(one) == 12


def test_logins_of_another_config_are_added_and_no_others() -> None:
    both = _docker_config.merge(
        _docker_config.render([FIRST]), _docker_config.render([FIRST, SECOND]), [SECOND.registry]
    )
    assert both == _docker_config.render([FIRST, SECOND])
    assert _docker_config.merge(_docker_config.render([FIRST]), both, []) == _docker_config.render([FIRST])
