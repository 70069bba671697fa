"""What a run inherits of the runner's environment, and what stands in for the secrets in it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from ansible.config.manager import ConfigManager

from kube_ecr_runner.runs.environment import (
    PASSED_ON,
    EnvironmentVariableError,
    check_environment,
    child_environment,
    own_identity_config,
    settings_not_passed_on,
)
from kube_ecr_runner.runs.run import absolute_path

SCRATCH, PROGRAMS, CONFIG = Path("/run/scratch"), Path("/venv/bin"), Path("/run/aws-config")
OWN = Path("/proc/self/environ")
KEYS = {"AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "x"}
SECRETS = [
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_SECURITY_TOKEN",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN",
    "AWS_BEARER_TOKEN_BEDROCK",
    "K8S_AUTH_API_KEY",
    "KUBE_ECR_NAMES",
]
WAYS_IN = [
    "AWS_PROFILE",
    "AWS_DEFAULT_PROFILE",
    "AWS_ROLE_ARN",
    "AWS_ROLE_SESSION_NAME",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
]
SETTINGS = ["HTTPS_PROXY", "AWS_CA_BUNDLE", "AWS_REGION", "SSL_CERT_FILE", "KUBERNETES_SERVICE_HOST", "TZ", "WEBHOOK"]
FILES = [
    "AWS_CA_BUNDLE",
    "AWS_CONFIG_FILE",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
    "AWS_SHARED_CREDENTIALS_FILE",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
]


@pytest.mark.parametrize("config", [None, CONFIG])
@pytest.mark.parametrize("name", SECRETS)
def test_run_does_not_inherit(name: str, config: Path | None) -> None:
    assert name not in child_environment({name: "/x"}, SCRATCH, PROGRAMS, config, absolute_path)


@pytest.mark.parametrize("name", [*WAYS_IN, *SETTINGS, "AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"])
def test_run_inherits(name: str) -> None:
    assert child_environment({name: "/x"}, SCRATCH, PROGRAMS, None, absolute_path)[name] == "/x"


@pytest.mark.parametrize("name", WAYS_IN)
def test_nothing_comes_before_the_program_that_gives_the_identity(name: str) -> None:
    assert name not in child_environment({name: "/x"}, SCRATCH, PROGRAMS, CONFIG, absolute_path)


@pytest.mark.parametrize("name", SETTINGS)
def test_settings_are_inherited_beside_the_program(name: str) -> None:
    assert child_environment({name: "/x"}, SCRATCH, PROGRAMS, CONFIG, absolute_path)[name] == "/x"


@pytest.mark.parametrize("name", sorted(PASSED_ON))
def test_what_parts_of_a_playbook_are_found_by_is_passed_on_unless_it_is_empty(name: str) -> None:
    """An empty list would be one without Ansible's own places."""
    assert child_environment({name: "/x"}, SCRATCH, PROGRAMS, None, absolute_path)[name] == "/x"
    assert name not in child_environment({name: ""}, SCRATCH, PROGRAMS, None, absolute_path)


@pytest.mark.parametrize(
    "name",
    [
        *("ANSIBLE_CONFIG", "ANSIBLE_NO_LOG", "ANSIBLE_NEW_IN_THE_NEXT_VERSION", "_ANSIBLE_CONNECTION_PATH"),
        *("JOB_ID", "AD_HOC_COMMAND_ID", "PROJECT_UPDATE_ID", "ORIGINAL_STDOUT_CALLBACK", "AWX_LIB_DIRECTORY"),
        *("MAX_EVENT_RES", "RUNNER_OMIT_EVENTS", "JUNIT_OUTPUT_DIR", "FORCE_COLOR"),
        *("LANG", "LANGUAGE", "LC_MESSAGES", "PYTHONINSPECT", "PYTHONWARNINGS"),
    ],
)
def test_settings_that_were_meant_for_something_else_are_not_passed_on(name: str) -> None:
    assert name not in child_environment({name: "1"}, SCRATCH, PROGRAMS, None, absolute_path)


def test_every_setting_that_ansible_core_knows_is_passed_on_by_name_or_not_at_all() -> None:
    """One of another form that a later version knows has to be looked at."""
    settings = ConfigManager().get_configuration_definitions()
    names = {variable["name"] for setting in settings.values() for variable in setting.get("env") or ()}
    inherited = child_environment(dict.fromkeys(names, "/x"), SCRATCH, PROGRAMS, None, absolute_path)
    # Programs that show documentation and edit files: ansible-playbook starts none.
    harmless = {"EDITOR", "PAGER"}
    assert len(names) > 200
    assert names & inherited.keys() - harmless == (PASSED_ON & names) | {"NO_COLOR"}
    assert inherited["NO_COLOR"] == "1"


def test_locale_of_a_run_is_one_that_works() -> None:
    environment = child_environment({"LC_ALL": "C", "LANG": "de_DE"}, SCRATCH, PROGRAMS, None, absolute_path)
    assert {name: value for name, value in environment.items() if name.startswith("L")} == {"LC_ALL": "C.UTF-8"}


def test_what_is_no_utf8_is_not_passed_on() -> None:
    given = {"NAME": os.fsdecode(b"caf\xe9"), os.fsdecode(b"caf\xe9"): "x", "PLACE": "caf\u00e9"}
    inherited = child_environment(given, SCRATCH, PROGRAMS, None, absolute_path)
    assert given.keys() & inherited.keys() == {"PLACE"}


def test_user_is_told_which_settings_of_ansible_runs_do_not_use() -> None:
    given = dict.fromkeys(["ANSIBLE_STRATEGY", "LANG", "ANSIBLE_HOME", "ANSIBLE_CONFIG"], "x")
    assert settings_not_passed_on(given) == ["ANSIBLE_CONFIG", "ANSIBLE_STRATEGY"]


def test_config_of_the_run_replaces_that_of_the_user() -> None:
    environment = child_environment({"AWS_CONFIG_FILE": "/x"}, SCRATCH, PROGRAMS, CONFIG, absolute_path)
    assert environment["AWS_CONFIG_FILE"] == environment["AWS_SHARED_CREDENTIALS_FILE"] == str(CONFIG)


def test_relative_paths_count_from_the_working_directory_of_the_runner(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    given = {"KUBECONFIG": "a:/b", "ANSIBLE_COLLECTIONS_PATH": "c", "PYTHONPATH": ":d", "ANSIBLE_HOME": "e"}
    given |= {name: f"{name}:x" for name in FILES}
    environment = child_environment(given, SCRATCH, PROGRAMS, None, absolute_path)
    assert environment["KUBECONFIG"] == f"{tmp_path}/a:/b"
    assert environment["ANSIBLE_COLLECTIONS_PATH"] == f"{tmp_path}/c"
    assert (environment["PYTHONPATH"], environment["ANSIBLE_HOME"]) == (f"{tmp_path}/d", f"{tmp_path}/e")
    assert [environment[name] for name in FILES] == [f"{tmp_path}/{name}:x" for name in FILES]


def test_home_is_that_of_the_user(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/u")
    assert absolute_path("~/.aws/config") == "/home/u/.aws/config"


def test_run_uses_the_programs_of_this_python_and_its_own_scratch_folder() -> None:
    environment = child_environment({"PATH": "/usr/bin", "TMPDIR": "/tmp"}, SCRATCH, PROGRAMS, None, absolute_path)
    assert (environment["PATH"], environment["TMPDIR"]) == ("/venv/bin:/usr/bin", "/run/scratch")


@pytest.mark.parametrize(
    ("environment", "needed"),
    [
        ({}, False),
        (KEYS, True),
        ({"AWS_CONTAINER_AUTHORIZATION_TOKEN": "x"}, True),
        ({"AWS_ACCESS_KEY_ID": ""}, False),
        ({"AWS_SESSION_TOKEN": "stale", "AWS_ROLE_ARN": "arn", "AWS_WEB_IDENTITY_TOKEN_FILE": "/x"}, False),
        ({"AWS_CONTAINER_CREDENTIALS_FULL_URI": "u", "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": "/x"}, False),
    ],
)
def test_program_gives_the_identity_where_a_secret_decides(environment: dict[str, str], needed: bool) -> None:
    assert (own_identity_config(environment, "/venv/bin/python", 7, "http://aws") is not None) is needed


@pytest.mark.parametrize(("endpoint", "argument"), [(None, ""), ("http://aws/?a b", " 'http://aws/?a b'")])
def test_program_gets_the_endpoint_that_stands_for_sts(endpoint: str | None, argument: str) -> None:
    config = own_identity_config(KEYS, "/venv/bin/python", 7, endpoint)
    assert config is not None
    assert config.endswith(f"kube_ecr_runner.runs.credential_process 7{argument}\n")


@pytest.mark.parametrize(
    ("environment", "named"),
    [
        ({"AWS_ACCESS_KEY_ID": "x"}, "AWS_ACCESS_KEY_ID is set, but AWS_SECRET_ACCESS_KEY is not"),
        ({"AWS_SECRET_ACCESS_KEY": "x"}, "AWS_SECRET_ACCESS_KEY is set, but AWS_ACCESS_KEY_ID is not"),
        (KEYS | {"AWS_SECRET_ACCESS_KEY": ""}, "AWS_ACCESS_KEY_ID is set, but AWS_SECRET_ACCESS_KEY is not"),
    ],
)
def test_half_a_key_pair_is_refused(environment: dict[str, str], named: str) -> None:
    with pytest.raises(EnvironmentVariableError, match=named):
        check_environment(environment, OWN, is_there=True, can_read=lambda _: True)


@pytest.mark.parametrize("environment", [KEYS, {"AWS_CONTAINER_AUTHORIZATION_TOKEN": "x"}])
def test_secret_that_runs_could_not_read_is_refused(environment: dict[str, str]) -> None:
    check_environment(environment, OWN, is_there=True, can_read=lambda _: True)
    with pytest.raises(
        EnvironmentVariableError, match=f"{next(iter(environment))} is set, but runs could not .* no {OWN} "
    ):
        check_environment(environment, OWN, is_there=False, can_read=lambda _: True)


def test_environment_without_secrets_needs_nothing() -> None:
    given = {"AWS_ROLE_ARN": "x", "AWS_SESSION_TOKEN": "stale", "ANSIBLE_VAULT_PASSWORD_FILE": ""}
    check_environment(given, OWN, is_there=False, can_read=lambda _: False)


def test_vault_password_that_cannot_be_read_is_refused_by_the_name_of_its_variable() -> None:
    given = {"ANSIBLE_VAULT_PASSWORD_FILE": "~/password"}
    check_environment(given, OWN, is_there=True, can_read="~/password".__eq__)
    with pytest.raises(EnvironmentVariableError, match=r"ANSIBLE_VAULT_PASSWORD_FILE is set, but ~/password cannot "):
        check_environment(given, OWN, is_there=True, can_read=lambda _: False)
