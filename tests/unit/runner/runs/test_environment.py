"""What a run inherits of the runner's environment, and what stands in for the secrets in it."""

from __future__ import annotations

from pathlib import Path

import pytest

from kube_ecr_runner.runs.environment import (
    EnvironmentVariableError,
    check_environment,
    child_environment,
    own_identity_config,
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
SETTINGS = ["HTTPS_PROXY", "AWS_CA_BUNDLE", "AWS_REGION", "ANSIBLE_STDOUT_CALLBACK", "KUBERNETES_SERVICE_HOST"]
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


def test_config_of_the_run_replaces_that_of_the_user() -> None:
    environment = child_environment({"AWS_CONFIG_FILE": "/x"}, SCRATCH, PROGRAMS, CONFIG, absolute_path)
    assert environment["AWS_CONFIG_FILE"] == environment["AWS_SHARED_CREDENTIALS_FILE"] == str(CONFIG)


def test_relative_paths_count_from_the_working_directory_of_the_runner(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    given = {"KUBECONFIG": "a:/b", "ANSIBLE_COLLECTIONS_PATH": "c"} | {name: f"{name}:x" for name in FILES}
    environment = child_environment(given, SCRATCH, PROGRAMS, None, absolute_path)
    assert environment["KUBECONFIG"] == f"{tmp_path}/a:/b"
    assert environment["ANSIBLE_COLLECTIONS_PATH"] == f"{tmp_path}/c"
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
        check_environment(environment, OWN, is_there=True)


@pytest.mark.parametrize("environment", [KEYS, {"AWS_CONTAINER_AUTHORIZATION_TOKEN": "x"}])
def test_secret_that_runs_could_not_read_is_refused(environment: dict[str, str]) -> None:
    check_environment(environment, OWN, is_there=True)
    with pytest.raises(
        EnvironmentVariableError, match=f"{next(iter(environment))} is set, but runs could not .* no {OWN} "
    ):
        check_environment(environment, OWN, is_there=False)


def test_environment_without_secrets_needs_nothing() -> None:
    check_environment({"AWS_ROLE_ARN": "x", "AWS_SESSION_TOKEN": "stale"}, OWN, is_there=False)
