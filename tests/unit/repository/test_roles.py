"""The roles refuse what is no text, of each option that takes text."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

ROLES = Path(__file__).parents[3] / "roles"


@pytest.mark.parametrize("role", ["awx_registry_credential", "pull_secret", "registry_login", "runner"])
def test_each_option_that_takes_text_is_looked_at(role: str) -> None:
    options = yaml.safe_load((ROLES / role / "meta/argument_specs.yml").read_text())["argument_specs"]["main"][
        "options"
    ]
    texts = {
        name
        for name, option in options.items()
        if "choices" not in option and {option["type"], option.get("elements")} & {"str", "path"}
    }
    task = yaml.safe_load((ROLES / role / "tasks/main.yml").read_text())[0]
    assert set(task["vars"][f"{role}_options_of_text"]) == texts


def test_hosts_share_a_token_only_if_all_options_for_aws_are_the_same() -> None:
    identity, _, token = yaml.safe_load((ROLES / "registry_login/tasks/token.yml").read_text())[:3]
    compared = re.findall(r"\bregistry_login_\w+", identity["ansible.builtin.set_fact"]["registry_login_identity"])
    assert sorted(compared) == sorted(f"registry_login_{name}" for name in token["kube_ecr.secrets.ecr_token"])
