"""The role registry_login and its module, in real ansible-playbook runs, read by real clients: crane and helm.

crane reads docker's config file with docker's own code (github.com/docker/cli/cli/config). Docker, podman and skopeo
themselves, and users other than the one who runs the tests, are in tests/node/test_registry_login.py.
"""

from __future__ import annotations

import base64
import json
import os
import re
import shlex
import stat
import subprocess
import tempfile
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.support.aws.endpoint import AWSEndpoint, Principal
from tests.support.harness.ansible import TARGET_PYTHON, Ansible, Run
from tests.support.harness.tools import go_tool
from tests.support.registry.server import Registry

REGION, OTHER = "eu-west-1", "registry.example.com"
DOCKER, HELM, PODMAN = ".docker/config.json", ".config/helm/registry/config.json", ".config/containers/auth.json"
WRITE = "Log the clients in or out"
# Theirs, and whatever else docker and helm have in such a file.
THEIRS = {
    "auths": {OTHER: {"auth": base64.b64encode(b"me:canary").decode()}},
    "proxies": {"default": {"httpProxy": "x"}},
}


@pytest.fixture
def ansible(aws: AWSEndpoint, principal: Principal) -> Iterator[Ansible]:
    """Ansible's commands, with keys of AWS in the environment as a controller may have them, and with no cluster."""
    env = {
        "AWS_ACCESS_KEY_ID": principal.access_key,
        "AWS_SECRET_ACCESS_KEY": principal.secret_key,
        "AWS_REGION": REGION,
        "AWS_ENDPOINT_URL": aws.url,
    }
    with tempfile.TemporaryDirectory() as home:
        yield Ansible(Path(home), env)


def log_in(
    ansible: Ansible,
    *args: str,
    clients: list[dict[str, str]] | None = None,
    hosts: Mapping[str, Mapping[str, Any]] | None = None,
    env: Mapping[str, str] | None = None,
    **options: Any,
) -> Run:
    """Run the role on these hosts, which are this machine; on one by default."""
    common = {"ansible_connection": "local", "ansible_python_interpreter": TARGET_PYTHON}
    inventory = {"all": {"hosts": {name: {**common, **more} for name, more in (hosts or {"host": {}}).items()}}}
    clients = clients or [{"client": "docker"}]
    variables = {"registry_login_clients": clients} | {f"registry_login_{name}": each for name, each in options.items()}
    roles = [{"role": "kube_ecr.secrets.registry_login", "vars": variables}]
    play = {"name": "Log in", "hosts": "all", "gather_facts": False, "roles": roles}
    (ansible.home / "hosts.json").write_text(json.dumps(inventory))
    (ansible.home / "login.yml").write_text(json.dumps([play]))
    files = ("-i", str(ansible.home / "hosts.json"), str(ansible.home / "login.yml"))
    return ansible.run("ansible-playbook", *files, *args, **(env or {}))


def put(path: Path, config: Mapping[str, object]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(config))
    path.chmod(0o600)


def held(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text())


def done(run: Run, task: str = WRITE) -> list[dict[str, Any]]:
    """Return the results of the items of a task that went well."""
    assert run.status == 0, run.output
    return [each["result"] for each in run.results if each["task"] == task and each["status"] == "item ok"]


def fetch(registry: Registry, home: Path, command: list[str], path: str = os.environ["PATH"]) -> str:
    """Run a client with that home, and return what it wrote to stderr, empty if it could fetch."""
    env = {**registry.client_env(home), "HOME": str(home), "PATH": path}
    del env["DOCKER_CONFIG"]
    ran = subprocess.run(command, env=env, cwd=home, capture_output=True, text=True, timeout=60)
    return ran.stderr if ran.returncode else ""


def crane(registry: Registry, home: Path, path: str = os.environ["PATH"]) -> str:
    return fetch(registry, home, [str(registry.client_path), "manifest", f"{registry.hosts[0]}/team/app:1"], path)


def test_clients_are_logged_in_and_fetch(ansible: Ansible, aws: AWSEndpoint, registry: Registry) -> None:
    host, home = registry.hosts[0], ansible.home
    registry.push(host, "team/app:1")
    registry.push_chart(host, "web", "team")
    pull = [str(go_tool("helm")), "pull", f"oci://{host}/team/web", "--version=0.1.0"]
    put(home / DOCKER, THEIRS)
    assert "401" in crane(registry, home)
    assert "basic credential not found" in fetch(registry, home, pull)

    results = done(log_in(ansible, clients=[{"client": name} for name in ("docker", "nerdctl", "helm", "podman")]))
    assert [each["changed"] for each in results] == [True, False, True, True]  # nerdctl reads docker's
    assert crane(registry, home) == ""
    (home / DOCKER).rename(home / "docker.json")  # which helm would read, too
    assert fetch(registry, home, pull) == ""

    before, after = THEIRS, held(home / "docker.json")
    assert after == {**before, "auths": {**before["auths"], host: after["auths"][host]}}
    assert held(home / PODMAN) == held(home / HELM) == {"auths": {host: after["auths"][host]}}
    for path in (home / "docker.json", home / HELM, home / PODMAN):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    for folder in (".config", ".config/helm", ".config/helm/registry", ".config/containers"):
        assert stat.S_IMODE((home / folder).stat().st_mode) == 0o700
    assert {each["registries"][0] for each in results} == {host}
    assert len({each["expires_at"] for each in results}) == 1
    assert aws.count("GetAuthorizationToken") == 1


@pytest.mark.slow
@pytest.mark.versions
def test_a_module_changes_nothing_the_second_time_and_nothing_in_check_mode(ansible: Ansible, aws: AWSEndpoint) -> None:
    option = {"client": "docker", "authorizations": "{{ ecr.authorizations }}"}
    login = "kube_ecr.secrets.ecr_registry_login"
    run = ansible.play(
        {"kube_ecr.secrets.ecr_token": {}, "register": "ecr", "no_log": True},
        {"name": "Check", login: option, "check_mode": True},
        {"name": "Look", "ansible.builtin.stat": {"path": str(ansible.home / DOCKER)}},
        {"name": "First", login: option},
        {"name": "Second", login: option},
        {"name": "Open", "ansible.builtin.file": {"path": str(ansible.home / DOCKER), "mode": "0644"}},
        {"name": "Close", login: option},
        {"name": "Out", login: {"client": "docker", "state": "absent"}},
        {"name": "Again", login: {"client": "docker", "state": "absent"}},
        args=("--diff",),
    )
    assert run.status == 0, run.output
    changed = [run.result(name)["changed"] for name in ("Check", "First", "Second", "Close", "Out", "Again")]
    assert changed == [True, True, False, True, True, False]
    assert not run.result("Look")["stat"]["exists"]
    assert run.result("Check")["diff"] == run.result("First")["diff"]
    diff = run.result("First")["diff"]
    ((host, shown),) = diff["after"].items()
    assert (diff["before"], diff["after_header"]) == ({}, str(ansible.home / DOCKER))
    assert shown["expires_at"] == run.result("First")["expires_at"]
    assert re.fullmatch("[0-9a-f]{12}", shown["fingerprint"])
    assert (run.result("Out")["diff"]["before"], run.result("Out")["diff"]["after"]) == (
        {host: {"fingerprint": shown["fingerprint"]}},
        {},
    )
    assert held(ansible.home / DOCKER) == {"auths": {}}


@pytest.mark.slow
def test_the_hosts_that_share_an_aws_identity_share_a_call(
    ansible: Ansible, aws: AWSEndpoint, principal: Principal
) -> None:
    other = aws.principal("444455556666")
    keys = {
        "registry_login_access_key": other.access_key,
        "registry_login_secret_key": other.secret_key,
        "registry_login_endpoint_url": aws.url,
    }
    paths = {name: ansible.home / name / "config.json" for name in ("a1", "b1", "a2", "b2", "c")}
    hosts = {
        name: {"file": str(path), **(keys if name[0] == "b" else {}), "registry_login_region": REGION}
        for name, path in paths.items()
    }
    hosts["c"]["registry_login_region"] = "eu-central-1"
    done(log_in(ansible, hosts=hosts, clients=[{"client": "docker", "path": "{{ file }}"}]))
    regions = {"c": "eu-central-1"}
    for name, path in paths.items():
        of = other if name[0] == "b" else principal
        assert list(held(path)["auths"]) == [of.registry(regions.get(name, REGION))], name
    assert held(paths["a1"]) == held(paths["a2"])
    assert aws.count("GetAuthorizationToken") == 3


def test_when_aws_refuses_each_host_says_why_and_its_file_stays(ansible: Ansible, aws: AWSEndpoint) -> None:
    put(ansible.home / DOCKER, THEIRS)
    aws.fail("AccessDeniedException", "no canary")
    run = log_in(ansible, hosts={"first": {}, "second": {}})
    assert run.status == 2
    said = [each["msg"] for each in run.results_of("Fail where AWS gave no login")]
    assert len(said) == 2
    assert all("AccessDeniedException" in text for text in said)
    assert held(ansible.home / DOCKER) == THEIRS


def test_the_logins_that_aws_gives_are_written_and_the_others_named(
    ansible: Ansible, aws: AWSEndpoint, principal: Principal
) -> None:
    aws.fail("AccessDeniedException", "not here", region="eu-central-1")
    run = log_in(ansible, registries=[REGION, "eu-central-1"])
    assert run.status == 2
    assert list(held(ansible.home / DOCKER)["auths"]) == [principal.registry(REGION)]
    assert "eu-central-1" in run.result("Fail where AWS gave only some of the logins")["msg"]


@pytest.mark.slow
@pytest.mark.parametrize("config", [{"credHelpers": {"HOST": "none"}}, {"credsStore": "none"}], ids=["host", "all"])
def test_a_credential_helper_of_the_host_is_respected_and_told(
    ansible: Ansible, registry: Registry, principal: Principal, config: dict[str, Any]
) -> None:
    host, home = registry.hosts[0], ansible.home
    config = json.loads(json.dumps(config).replace("HOST", host))
    put(home / DOCKER, config)
    run = log_in(ansible, clients=[{"client": "docker"}, {"client": "helm"}])
    docker, helm = done(run)
    assert (docker["changed"], docker["registries"], docker["credential_helpers"]) == (False, [], {host: "none"})
    assert f"{home / DOCKER} names the credential helper 'none' for {host}" in docker["warnings"][0]
    assert held(home / DOCKER) == config
    assert helm["registries"] == [host]

    failed = log_in(ansible, credential_helper_policy="fail")
    assert failed.status == 2
    assert "names the credential helper 'none'" in failed.output
    assert held(home / DOCKER) == config

    # What a login beside it would have been good for. A helper that has none says so in these words:
    # https://github.com/docker/docker-credential-helpers/blob/master/credentials/error.go
    registry.push(host, "team/app:1")
    put(home / DOCKER, {**config, **held(home / HELM)})
    helper = home / "bin" / "docker-credential-none"
    helper.parent.mkdir()
    helper.write_text("#!/bin/sh\necho credentials not found in native keychain\nexit 1\n")
    helper.chmod(0o755)
    assert "401" in crane(registry, home, f"{helper.parent}:{os.environ['PATH']}")
    put(home / DOCKER, held(home / HELM))
    assert crane(registry, home) == ""


@pytest.mark.slow
@pytest.mark.parametrize("text", ["canary", '["canary"]', '{"auths": {"a.example": "canary"}}', '{"auths": "canary"}'])
def test_what_is_no_config_is_refused_by_name_and_left_alone(ansible: Ansible, text: str) -> None:
    path = ansible.home / DOCKER
    path.parent.mkdir()
    path.write_text(text)
    run = log_in(ansible, "-vvv", "--diff")
    assert run.status == 2
    assert f"{path}" in run.output
    assert "it was left as it is" in run.output
    assert path.read_text() == text
    assert "canary" not in run.output


@pytest.mark.slow
@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"authorizations": []}, "authorizations: is missing or empty"),
        ({"state": "absent", "registries": []}, "registries: the list is empty"),
        ({"state": "absent", "registries": ["https://public.ecr.aws"]}, "write public.ecr.aws"),
        ({"authorizations": [], "registries": ["public.ecr.aws"]}, "registries: is for state=absent alone"),
        ({"state": "absent", "path": "config.json"}, "path: config.json is not absolute"),
        ({"state": "absent", "user": "nobody-of-that-name"}, "user: there is no user 'nobody-of-that-name'"),
        ({"state": "absent", "path": "{{ 12 }}"}, "path"),
        ({"state": "absent", "client": "rkt"}, "must be one of: docker, helm, nerdctl, podman"),
    ],
)
def test_an_option_that_cannot_be_meant_is_refused_by_name(
    ansible: Ansible, options: dict[str, Any], words: str
) -> None:
    run = ansible.play({"name": "Write", "kube_ecr.secrets.ecr_registry_login": {"client": "docker", **options}})
    assert run.status == 2
    assert words in run.result("Write")["msg"]


def test_a_dead_token_is_refused(ansible: Ansible) -> None:
    login = {"registry": "public.ecr.aws", "password": "canary", "expires_at": "2026-01-01T00:00:00Z"}
    task = {"kube_ecr.secrets.ecr_registry_login": {"client": "docker", "authorizations": [login]}}
    run = ansible.play({"name": "Write", **task})
    assert "the token for public.ecr.aws expired at 2026-01-01" in run.result("Write")["msg"]
    assert "canary" not in run.output
    assert not (ansible.home / DOCKER).exists()


class Watched(threading.Thread):
    """Notes the arguments and variables of all processes of this machine, until it is told to stop."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.seen: set[bytes] = set()
        self._end = threading.Event()

    def run(self) -> None:
        while not self._end.is_set():
            for path in Path("/proc").glob("[0-9]*"):
                for name in ("cmdline", "environ"):
                    try:
                        self.seen.add((path / name).read_bytes())
                    except OSError:
                        continue

    def __enter__(self) -> Watched:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self.join()


SETTINGS = {
    "default": {},
    # The default callback shows a task when it has a result then, and so with values for templates.
    "shown late": {"ANSIBLE_DISPLAY_SKIPPED_HOSTS": "0", "ANSIBLE_CALLBACK_RESULT_FORMAT": "yaml"},
    "other callbacks": {
        "ANSIBLE_STDOUT_CALLBACK": "minimal",
        "ANSIBLE_CALLBACKS_ENABLED": "record,junit,tree",
        "JUNIT_OUTPUT_DIR": "junit",
        "ANSIBLE_CALLBACK_TREE_DIR": "tree",
        "ANSIBLE_CACHE_PLUGIN": "jsonfile",
        "ANSIBLE_CACHE_PLUGIN_CONNECTION": "cache",
        "ANSIBLE_INJECT_INVOCATION": "1",
    },
}


@pytest.mark.slow
@pytest.mark.parametrize("settings", SETTINGS.values(), ids=SETTINGS)
def test_the_token_is_nowhere_but_in_the_file(ansible: Ansible, principal: Principal, settings: dict[str, str]) -> None:
    """In no output, no argument, no other file; no AWS key is there, either, which was in the options of the role."""
    put(ansible.home / DOCKER, {"auths": {principal.registry(): {"auth": base64.b64encode(b"AWS:old").decode()}}})
    keyless = Ansible(ansible.home, {})
    with Watched() as watched:
        run = log_in(
            keyless,
            "-vvvvvv",
            "--diff",
            clients=[{"client": "docker"}, {"client": "podman"}],
            # No folder for files of Ansible can be made there, so a run that ends well needed none.
            hosts={"host": {"ansible_remote_tmp": "/dev/null/none"}},
            access_key="{{ lookup('env', 'KEY_ID') }}",
            secret_key="{{ lookup('env', 'KEY') }}",
            endpoint_url=ansible.env["AWS_ENDPOINT_URL"],
            region=REGION,
            env={
                "KEY_ID": principal.access_key,
                "KEY": principal.secret_key,
                "ANSIBLE_DISPLAY_ARGS_TO_STDOUT": "1",
                "ANSIBLE_LOG_PATH": "log",
                **settings,
            },
        )
    docker, _podman = done(run)
    assert docker["diff"]["before"].keys() == docker["diff"]["after"].keys() == {principal.registry()}
    auth = held(ansible.home / DOCKER)["auths"][principal.registry()]["auth"]
    password = base64.b64decode(auth).decode().partition(":")[2]
    files = [path for path in ansible.home.rglob("*") if path.is_file()]
    left = [
        path.read_text(errors="replace") for path in files if path not in map(ansible.home.joinpath, (DOCKER, PODMAN))
    ]
    for secret in (auth, auth[-40:], password, password[-40:], principal.secret_key):
        assert not any(secret in text for text in (run.output, json.dumps(run.results), *left))
    assert any(b"ansible-playbook" in each for each in watched.seen)
    assert not any(secret.encode() in each for each in watched.seen for secret in (auth, password))


@pytest.mark.slow
@pytest.mark.versions
def test_logging_out_asks_aws_for_nothing(ansible: Ansible, aws: AWSEndpoint, principal: Principal) -> None:
    done(log_in(ansible, registries=[REGION, "public.ecr.aws"]))
    aws.forget_calls()
    config = held(ansible.home / DOCKER)
    put(ansible.home / DOCKER, {**THEIRS, "auths": {**THEIRS["auths"], **config["auths"]}})
    done(log_in(ansible, state="absent", registries=[REGION]))
    assert list(held(ansible.home / DOCKER)["auths"]) == [OTHER, "public.ecr.aws"]
    done(log_in(ansible, state="absent"))
    assert held(ansible.home / DOCKER) == THEIRS
    assert not aws.calls


def setting(unit: Path, name: str) -> str:
    """Return a setting of a unit, as systemd reads it."""
    (line,) = (line for line in unit.read_text().splitlines() if line.startswith(f"{name}="))
    return line.partition("=")[2].replace("%%", "%")


@pytest.mark.slow
def test_the_timer_runs_the_playbook(ansible: Ansible, principal: Principal) -> None:
    """Here no systemd starts it; systemd-analyze checks it where there is one. What it would start is started."""
    odd = ansible.home / 'my "50%" files'
    units = ansible.home / "units"
    for folder in (odd, units):
        folder.mkdir()
    options = {
        "timer": True,
        "timer_directory": str(units),
        "timer_playbook": str(odd / "login.yml"),
        "timer_inventory": str(odd / "hosts.json"),
    }
    assert log_in(ansible, "--check", **options).status == 0
    assert list(units.iterdir()) == []
    run = log_in(ansible, **options)
    assert run.status == 0, run.output
    assert "is written and not started" in run.output
    service, timer = units / "kube-ecr-registry-login.service", units / "kube-ecr-registry-login.timer"
    assert setting(timer, "OnCalendar") == "*-*-* 00/3:17:00"
    assert "EnvironmentFile" not in service.read_text()
    text = service.read_text() + timer.read_text()
    assert not any(secret in text for secret in (principal.secret_key, principal.access_key))

    for name in ("hosts.json", "login.yml"):
        (ansible.home / name).rename(odd / name)
    (ansible.home / DOCKER).unlink()
    assert setting(service, "WorkingDirectory") == str(odd)
    command = [part.replace("$$", "$") for part in shlex.split(setting(service, "ExecStart"))]
    subprocess.run(command, cwd=odd, env=ansible.environment(), check=True, capture_output=True)
    assert list(held(ansible.home / DOCKER)["auths"]) == [principal.registry()]

    again = log_in(ansible, **options)
    assert not any(each["changed"] for each in done(again, "Write the units"))
    changed = log_in(
        ansible, **options, timer_environment_file="/etc/kube-ecr.env", timer_on_calendar="*-*-* 00/2:00:00"
    )
    assert changed.status == 0, changed.output
    assert setting(service, "EnvironmentFile") == "/etc/kube-ecr.env"
    assert setting(timer, "OnCalendar") == "*-*-* 00/2:00:00"
    assert log_in(ansible, state="absent", **options).status == 0
    assert list(units.iterdir()) == []


@pytest.mark.slow
@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"timer_playbook": "/a.yml"}, "registry_login_timer_inventory: give a full path"),
        ({"timer_playbook": "login.yml", "timer_inventory": "/a"}, "registry_login_timer_playbook: give a full path"),
        (
            {"timer_playbook": "/a\nExecStartPre=/bin/false", "timer_inventory": "/a"},
            "registry_login_timer_playbook: give a full path",
        ),
        (
            {"timer_playbook": "/a", "timer_inventory": "/a", "timer_on_calendar": "daily\nOnBootSec=1"},
            "is no time that systemd understands",
        ),
        ({"timer_playbook": "/a", "timer_inventory": "/a", "timer_user": "a b"}, "registry_login_timer_user: a b"),
    ],
)
def test_what_cannot_be_in_a_unit_is_refused_by_name(ansible: Ansible, options: dict[str, str], words: str) -> None:
    run = log_in(ansible, timer=True, timer_directory=str(ansible.home), **options)
    assert run.status == 2
    assert words in run.output.replace("\\n", " ")
    assert not list(ansible.home.glob("*.service"))


@pytest.mark.slow
def test_the_oldest_supported_ansible_logs_in_and_out(ansible: Ansible, principal: Principal) -> None:
    oldest = ansible.oldest()
    (result,) = done(log_in(oldest, "--diff"))
    assert result["diff"]["after"].keys() == {principal.registry()}
    (result,) = done(log_in(oldest, state="absent"))
    assert (result["changed"], held(ansible.home / DOCKER)) == (True, {"auths": {}})
