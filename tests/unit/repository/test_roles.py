"""The roles use each option, have the defaults that are documented, hand on what modules take, and refuse no texts."""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.kubernetes.core.plugins.module_utils.args_common import AUTH_ARG_SPEC

ROLES = Path(__file__).parents[3] / "roles"
ALL = sorted(path.name for path in ROLES.iterdir())
FEATURES = "ansible_collections.kube_ecr.secrets.plugins.module_utils._features"
# What a role does not hand on to the module. How the cluster is reached is up to variables and module_defaults, but for
# the two options that most need; the role itself makes what errors there are fail.
NOT_HANDED_ON = {
    ("pull_secret", "ecr_pull_secret"): {*AUTH_ARG_SPEC, "authorization_errors"} - {"kubeconfig", "context"},
    # These stand in credentials of AWX, which come as variables of the environment.
    ("awx_registry_credential", "ecr_token"): {
        "access_key",
        "secret_key",
        "session_token",
        "web_identity_token",
        "web_identity_token_file",
        "web_identity_role_arn",
        "role_session_name",
        "public",
    },
}


def options_of(role: str) -> dict[str, Any]:
    return yaml.safe_load((ROLES / role / "meta/argument_specs.yml").read_text())["argument_specs"]["main"]["options"]


def text_of(role: str) -> str:
    """Return all that a role does, without the list of what it refuses where it is no text."""
    files = [path for folder in ("tasks", "templates", "vars") for path in sorted((ROLES / role / folder).glob("*"))]
    text = "\n".join(path.read_text() for path in files)
    return re.sub(r"_options_of_text:\n(?: +[-a-z_]+.*\n)+", "", text)


def tasks_of(role: str) -> Iterator[dict[str, Any]]:
    """Yield all tasks of a role, those of blocks, too."""
    left = [task for path in (ROLES / role / "tasks").glob("*.yml") for task in yaml.safe_load(path.read_text())]
    while left:
        task = left.pop()
        yield task
        left += task.get("block", [])


@pytest.mark.parametrize("role", ALL)
def test_each_option_is_used_and_has_the_default_that_is_documented(role: str) -> None:
    options, text = options_of(role), text_of(role)
    assert [name for name in options if not re.search(rf"\b{name}\b", text)] == []
    found = yaml.safe_load((ROLES / role / "defaults/main.yml").read_text())
    # What is looked up in the environment is described in words.
    defaults = {name: value for name, value in found.items() if "lookup(" not in str(value)}
    assert defaults == {name: option["default"] for name, option in options.items() if "default" in option}
    assert found.keys() <= options.keys()


@pytest.mark.parametrize("role", ALL)
def test_a_condition_takes_a_text_for_a_truth_value(role: str) -> None:
    """What -e NAME=true sets is a text, and a condition that is one is an error."""
    truths = [name for name, option in options_of(role).items() if option["type"] == "bool"]
    for task in tasks_of(role):
        conditions = str(task.get("when", ""))
        assert [name for name in truths if re.search(rf"\b{name}\b(?! \| bool)", conditions)] == []


@pytest.mark.parametrize(
    ("role", "feature"),
    [
        ("awx_registry_credential", "ecr_token"),
        ("pull_secret", "ecr_token"),
        ("pull_secret", "ecr_pull_secret"),
        ("registry_login", "ecr_token"),
        ("registry_login", "ecr_registry_login"),
    ],
)
def test_a_role_hands_on_each_option_of_its_modules(role: str, feature: str) -> None:
    module = importlib.import_module(f"{FEATURES}.{feature}")
    (task,) = (task for task in tasks_of(role) if f"kube_ecr.secrets.{feature}" in task)
    handed_on = task[f"kube_ecr.secrets.{feature}"]
    assert handed_on.keys() == module.ARGUMENT_SPEC.keys() - NOT_HANDED_ON.get((role, feature), set())
    # What is for AWS comes from the variable of the same name; a credential of AWX is for one registry.
    for name, value in handed_on.items() if feature == "ecr_token" else ():
        variable = name if name != "registries" or role != "awx_registry_credential" else "registry"
        assert re.search(rf"\b{role}_{variable}\b", str(value)), name


@pytest.mark.parametrize("role", ALL)
def test_each_option_that_takes_text_is_looked_at(role: str) -> None:
    options = options_of(role)
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
