"""What a run inherits of the runner's environment, and what stands in for the secrets in it. Pure.

What always holds: no key and no token of the environment is in that of a run. ansible-runner writes the environment of
a run into a file, and all processes of a run inherit it. boto3 finds the runner's own identity all the same: a config
file names a program that gives it, see credential_process.py.

And no setting changes how a run works that was meant for something else: of the variables of Ansible, ansible-runner,
Python and the locale a run has those in PASSED_ON, and those that the runner sets. docs/watches.md lists both.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Callable, Collection, Mapping
from pathlib import Path

from kube_ecr_runner.model.errors import StartupError

VAULT_PASSWORD_FILE = "ANSIBLE_VAULT_PASSWORD_FILE"  # noqa: S105 (a name)
KEY_ID, SECRET_KEY = "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"
CONTAINER_TOKEN = "AWS_CONTAINER_AUTHORIZATION_TOKEN"  # noqa: S105 (a name)

# The runner decides which cluster and which resources it serves, and the resources say with which keys.
_WITHHELD = frozenset({KEY_ID, SECRET_KEY, "AWS_SESSION_TOKEN", "AWS_SECURITY_TOKEN", CONTAINER_TOKEN})
_WITHHELD_PREFIXES = ("AWS_BEARER_TOKEN_", "K8S_AUTH_", "KUBE_ECR_")
# What Ansible and Python find parts of a user's playbook by, the libraries of this process among them.
PASSED_ON = frozenset(
    {
        "ANSIBLE_COLLECTIONS_PATH",
        "ANSIBLE_HOME",
        "ANSIBLE_ROLES_PATH",
        VAULT_PASSWORD_FILE,
        "PYTHONDONTWRITEBYTECODE",
        "PYTHONHOME",
        "PYTHONNOUSERSITE",
        "PYTHONPATH",
        "PYTHONPLATLIBDIR",
        "PYTHONPYCACHEPREFIX",
        "PYTHONUSERBASE",
    }
)
# Settings of Ansible (`ansible-config list --type all`), of ansible-runner and of what calls that, of Python, of the C
# library's locale. Colors would hide what a line is.
_SETTINGS_PREFIXES = ("ANSIBLE_", "_ANSIBLE_", "AWX_", "JUNIT_", "LC_", "PYTHON")
_SETTINGS = frozenset(
    {
        "AD_HOC_COMMAND_ID",
        "FORCE_COLOR",
        "JOB_ID",
        "LANG",
        "LANGUAGE",
        "MAX_EVENT_RES",
        "NO_COLOR",
        "ORIGINAL_STDOUT_CALLBACK",
        "PROJECT_UPDATE_ID",
        "RUNNER_OMIT_EVENTS",
        "RUNNER_ONLY_FAILED_EVENTS",
    }
)
# What boto3 would look at before it asks the program, see botocore.credentials.create_credential_resolver.
_REPLACED = frozenset(
    {
        "AWS_PROFILE",
        "AWS_DEFAULT_PROFILE",
        "AWS_ROLE_ARN",
        "AWS_ROLE_SESSION_NAME",
        "AWS_WEB_IDENTITY_TOKEN_FILE",
        "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
    }
)
_REPLACED_PREFIX = "AWS_CONTAINER_CREDENTIALS_"
_PATH_LISTS = ("KUBECONFIG", "ANSIBLE_COLLECTIONS_PATH", "ANSIBLE_ROLES_PATH", "PYTHONPATH")
# AWS' variables that name a file: https://docs.aws.amazon.com/sdkref/latest/guide/environment-variables.html
_AWS_FILES = (
    "AWS_CA_BUNDLE",
    "AWS_CONFIG_FILE",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
    "AWS_SHARED_CREDENTIALS_FILE",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
)
# Those whose path counts from the working directory of this process, and which a run reads at its start.
FILE_VARIABLES = (*_AWS_FILES, "ANSIBLE_HOME", VAULT_PASSWORD_FILE)


class EnvironmentVariableError(StartupError):
    """The runner cannot work with its environment; the text names the variable and says what to do."""


def check_environment(
    environment: Mapping[str, str], own_environment: Path, *, is_there: bool, can_read: Callable[[str], bool]
) -> None:
    """Raise EnvironmentVariableError if runs could not use the runner's own AWS identity, or not begin at all.

    own_environment is the file in which the system shows the environment of this process, see proc_pid_environ(5), and
    is_there whether it does; can_read tells whether there is a file that this process may read.
    """
    password_file = environment.get(VAULT_PASSWORD_FILE)
    if password_file and not can_read(password_file):
        raise EnvironmentVariableError(
            f"{VAULT_PASSWORD_FILE} is set, but {password_file} cannot be read, so that ansible-playbook would not "
            "begin; correct the path or its rights, or unset it"
        )
    for name, other in ((KEY_ID, SECRET_KEY), (SECRET_KEY, KEY_ID)):
        if environment.get(name) and not environment.get(other):
            raise EnvironmentVariableError(f"{name} is set, but {other} is not; set both, or none of them")
    secret = _decisive(environment)
    if secret and not is_there:
        raise EnvironmentVariableError(
            f"{secret} is set, but runs could not use it: there is no {own_environment} to read it from; unset it and "
            "keep the keys in the file that AWS_SHARED_CREDENTIALS_FILE names"
        )


def own_identity_config(
    environment: Mapping[str, str], python: str, pid: int, aws_endpoint_url: str | None
) -> str | None:
    """Return what stands in the config file of a run if its identity is one that environment holds secrets of.

    The file makes boto3 start this python, which asks the runner's process pid, and calls STS at aws_endpoint_url if
    that is given. Returns None where boto3 finds the identity, if there is one, in what a run inherits anyway.
    https://docs.aws.amazon.com/sdkref/latest/guide/feature-process-credentials.html
    """
    if not _decisive(environment):
        return None
    # -P: what lies in the working directory of a run is none of its modules.
    command = [python, "-P", "-m", "kube_ecr_runner.runs.credential_process", str(pid)]
    command += [aws_endpoint_url] if aws_endpoint_url else []
    return f"[default]\ncredential_process = {shlex.join(command)}\n"


def child_environment(
    inherited: Mapping[str, str],
    tmpdir: Path,
    programs: Path,
    config: Path | None,
    absolute: Callable[[str], str],
) -> dict[str, str]:
    """Return the environment of a run, but for the settings that the runner gives Ansible.

    inherited is that of this process, tmpdir where the run may put temporary files, programs the folder of the programs
    that belong to this Python, config the file with own_identity_config() if there is one, absolute what makes a path
    count from the working directory of this process, for a run has another one.
    """
    environment = {
        name: value
        for name, value in inherited.items()
        if _is_utf8(name + value) and not _is_withheld(name, config is not None) and (value or name not in PASSED_ON)
    }
    for name in _PATH_LISTS:
        if environment.get(name):
            parts = environment[name].split(os.pathsep)
            environment[name] = os.pathsep.join(absolute(part) for part in parts if part)
    for name in FILE_VARIABLES:
        if environment.get(name):
            environment[name] = absolute(environment[name])
    if config:
        environment |= dict.fromkeys(("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"), str(config))
    return environment | {
        "PATH": os.pathsep.join(filter(None, (str(programs), environment.get("PATH")))),
        "TMPDIR": str(tmpdir),
        # ansible-core demands UTF-8, and this one needs no package of languages. Messages are in English.
        "LC_ALL": "C.UTF-8",
        "NO_COLOR": "1",
    }


def settings_not_passed_on(environment: Mapping[str, str], used: Collection[str] = ()) -> list[str]:
    """Return the variables for Ansible which environment has, but no run; but for those that the runner itself uses."""
    settings = (name for name in environment if name.startswith("ANSIBLE_"))
    return sorted(name for name in settings if name not in PASSED_ON and name not in used)


def without_secrets(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the variables that may stand in a file of a run: no key, no token, and no option of the runner."""
    return {name: value for name, value in environment.items() if not _is_secret(name)}


def _is_utf8(text: str) -> bool:
    """Return whether ansible-runner can hand on a text of the environment, which may hold any bytes."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _decisive(environment: Mapping[str, str]) -> str:
    """Return the variable with a secret that may be what boto3 finds the identity by; empty if none is."""
    return next((name for name in (KEY_ID, CONTAINER_TOKEN) if environment.get(name)), "")


def _is_withheld(name: str, has_config: bool) -> bool:
    if has_config and (name in _REPLACED or name.startswith(_REPLACED_PREFIX)):
        return True
    is_setting = (name in _SETTINGS or name.startswith(_SETTINGS_PREFIXES)) and name not in PASSED_ON
    return is_setting or _is_secret(name)


def _is_secret(name: str) -> bool:
    return name in _WITHHELD or name.startswith(_WITHHELD_PREFIXES)
