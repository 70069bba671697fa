"""The role registry_login for users of this machine, with docker, podman and skopeo as Debian has them.

They need no node, but root, and a file system and process table that nobody else looks at. Docker's daemon is not
started: `docker manifest inspect` asks the registry itself, with the config file that `docker pull` reads, too.
"""

from __future__ import annotations

import base64
import json
import os
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.support.aws.endpoint import AWSEndpoint
from tests.support.harness.ansible import Ansible, Run
from tests.support.node.requirements import PACKAGES
from tests.support.node.users import HOMES, USERS, users_of_the_machine
from tests.support.registry.server import Registry

DOCKER, PODMAN = ".docker/config.json", ".config/containers/auth.json"
WRITE = "Log the clients in or out"


@pytest.fixture(scope="module")
def endpoint() -> Iterator[AWSEndpoint]:
    """An AWS endpoint, apart from that of the node."""
    with AWSEndpoint() as endpoint:
        yield endpoint


@pytest.fixture(scope="module")
def registry(endpoint: AWSEndpoint) -> Iterator[Registry]:
    """A registry with one image."""
    with Registry(endpoint.url) as registry:
        registry.push(registry.hosts[0], "team/app:1")
        yield registry


@pytest.fixture
def users(tmp_path: Path) -> Iterator[dict[str, Path]]:
    """The homes of root and of other users, who are there as long as the test, for no other process of the machine."""
    with users_of_the_machine(tmp_path) as homes:
        yield homes
    subprocess.run(["rm", "-rf", "/run/containers", "/run/kube-ecr-images", "/run/kube-ecr-podman"], check=True)


@pytest.fixture
def ansible(endpoint: AWSEndpoint) -> Iterator[Ansible]:
    """Ansible's commands, run by root."""
    principal = endpoint.principal()
    env = {
        "AWS_ACCESS_KEY_ID": principal.access_key,
        "AWS_SECRET_ACCESS_KEY": principal.secret_key,
        "AWS_REGION": "eu-west-1",
        "AWS_ENDPOINT_URL": endpoint.url,
    }
    with tempfile.TemporaryDirectory() as home:
        yield Ansible(Path(home), env)


def log_in(ansible: Ansible, *clients: Mapping[str, str], **options: object) -> Run:
    """Run the role on this machine."""
    variables = {"registry_login_clients": clients} | {f"registry_login_{name}": each for name, each in options.items()}
    host = {"ansible_connection": "local", "ansible_python_interpreter": "{{ ansible_playbook_python }}"}
    play = {
        "name": "Log in",
        "hosts": "all",
        "gather_facts": False,
        "roles": [{"role": "kube_ecr.secrets.registry_login", "vars": variables}],
    }
    (ansible.home / "hosts.json").write_text(json.dumps({"all": {"hosts": {"host": host}}}))
    (ansible.home / "login.yml").write_text(json.dumps([play]))
    files = ("-i", str(ansible.home / "hosts.json"), str(ansible.home / "login.yml"))
    return ansible.run("ansible-playbook", *files)


def done(run: Run) -> list[dict[str, Any]]:
    assert run.status == 0, run.output
    return [each["result"] for each in run.results if each["task"] == WRITE and each["status"] == "item ok"]


def fetch(registry: Registry, user: str, *command: str, **env: str) -> str:
    """Run a client as a user in his home, and return what it said; empty if it could fetch."""
    uid = USERS.get(user, 0)
    with tempfile.TemporaryDirectory(dir="/run") as folder:
        authority = Path(folder, "ca.pem")
        variables = {**registry.client_env(HOMES / user), "HOME": str(HOMES / user), "PATH": "/usr/sbin:/usr/bin:/bin"}
        authority.write_bytes(Path(variables["SSL_CERT_FILE"]).read_bytes())
        authority.chmod(0o644)
        Path(folder).chmod(0o755)
        del variables["DOCKER_CONFIG"]
        ran = subprocess.run(
            command,
            env={**variables, "SSL_CERT_FILE": str(authority), **env},
            cwd=HOMES / user,
            user=uid,
            group=uid,
            extra_groups=[],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
        )
    return f"{ran.stdout}{ran.stderr}" if ran.returncode else ""


def docker(registry: Registry, user: str) -> str:
    image = f"{registry.hosts[0]}/team/app:1"
    return fetch(registry, user, PACKAGES["docker.io"], "manifest", "inspect", image)


def skopeo(registry: Registry, user: str) -> str:
    return fetch(registry, user, "/usr/bin/skopeo", "inspect", "--no-tags", f"docker://{registry.hosts[0]}/team/app:1")


def podman(registry: Registry, **env: str) -> str:
    """Pull as root, into a storage of its own, for which podman takes no long names; an overlay may not be possible."""
    storage = ["--root", "/run/kube-ecr-images", "--runroot", "/run/kube-ecr-podman", "--storage-driver", "vfs"]
    image = f"{registry.hosts[0]}/team/app:1"
    return fetch(registry, "root", "/usr/bin/podman", *storage, "pull", "--quiet", image, **env)


def owned(path: Path) -> tuple[str, int]:
    status = path.lstat()
    owner = next((name for name, uid in USERS.items() if uid == status.st_uid == status.st_gid), str(status.st_uid))
    return owner, status.st_mode & 0o777


def test_each_user_fetches_with_his_own_file(ansible: Ansible, registry: Registry, users: dict[str, Path]) -> None:
    deploy, build, root = users["deploy"], users["build"], users["root"]
    assert "no basic auth" in docker(registry, "deploy")
    assert "authentication required" in skopeo(registry, "build")
    assert "authentication required" in podman(registry)
    clients = [("docker", "deploy"), ("podman", "build"), ("podman", "root"), ("helm", "deploy"), ("nerdctl", "root")]
    results = done(log_in(ansible, *({"client": client, "user": user} for client, user in clients)))
    assert [each["path"] for each in results] == [
        str(path)
        for path in (
            deploy / DOCKER,
            build / PODMAN,
            root / PODMAN,
            deploy / ".config/helm/registry/config.json",
            root / DOCKER,
        )
    ]
    assert docker(registry, "deploy") == ""
    assert skopeo(registry, "build") == ""  # podman's library, and without the user namespace that podman needs
    (root / DOCKER).unlink()  # which podman would read at last
    assert podman(registry) == ""
    assert podman(registry, XDG_RUNTIME_DIR="/run/user/0") == ""
    assert "no basic auth" in docker(registry, "build")
    for user, path in (("deploy", DOCKER), ("build", PODMAN)):
        file = users[user] / path
        assert owned(file) == (user, 0o600)
        assert owned(file.parent) == (user, 0o700)
        assert sorted(file.parent.iterdir()) == [file]
    assert not list(ansible.home.rglob(DOCKER))

    again = log_in(
        ansible, {"client": "docker", "user": "deploy"}, {"client": "podman", "user": "build"}, state="absent"
    )
    assert [each["changed"] for each in done(again)] == [True, True]
    assert "no basic auth" in docker(registry, "deploy")
    assert "authentication required" in skopeo(registry, "build")
    assert owned(deploy / DOCKER) == ("deploy", 0o600)


@pytest.mark.slow
def test_what_docker_and_podman_wrote_stays_and_what_they_write_leaves_ours(
    ansible: Ansible, registry: Registry, users: dict[str, Path]
) -> None:
    """Each of them writes the whole file anew when somebody logs out of another registry."""
    deploy = users["deploy"]
    path, podmans = deploy / DOCKER, deploy / PODMAN
    for file in (path, podmans):
        file.parent.mkdir(parents=True)
        file.write_text(
            json.dumps({"auths": {"other.example": {"auth": "bWU6cHc="}, "third.example": {"auth": "bWU6cHc="}}})
        )
    subprocess.run(["chown", "-R", "deploy:deploy", str(deploy)], check=True)
    done(log_in(ansible, {"client": "docker", "user": "deploy"}, {"client": "podman", "user": "deploy"}))
    ours = {file: json.loads(file.read_text())["auths"] for file in (path, podmans)}
    assert all(set(auths) == {"other.example", "third.example", registry.hosts[0]} for auths in ours.values())
    assert fetch(registry, "deploy", PACKAGES["docker.io"], "logout", "other.example") == ""
    logout = ("logout", "--authfile", str(podmans), "other.example")
    assert fetch(registry, "deploy", "/usr/bin/skopeo", *logout) == ""
    for file, auths in ours.items():
        del auths["other.example"]
        assert json.loads(file.read_text())["auths"] == auths
    assert docker(registry, "deploy") == ""


@pytest.mark.slow
def test_a_login_that_podman_reads_first_is_told(ansible: Ansible, registry: Registry, users: dict[str, Path]) -> None:
    host = registry.hosts[0]
    dead = {"auth": base64.b64encode(b"AWS:dead").decode()}
    primary = Path("/run/containers/0/auth.json")
    primary.parent.mkdir(parents=True)
    primary.write_text(json.dumps({"auths": {host: dead}}))
    (told,) = done(log_in(ansible, {"client": "podman", "user": "root"}))
    assert f"{primary} has a login for {host}" in told["warnings"][0]
    assert "authentication required" in podman(registry)
    subprocess.run(["podman", "logout", "--authfile", str(primary), host], check=True, capture_output=True)
    assert podman(registry) == ""

    path = users["root"] / PODMAN
    config = json.loads(path.read_text())
    path.write_text(json.dumps({"auths": {**config["auths"], f"{host}/team": dead}}))
    (told,) = done(log_in(ansible, {"client": "podman", "user": "root"}))
    assert f"{path} has a login for {host}/team" in told["warnings"][0]
    assert "authentication required" in podman(registry)


@pytest.mark.slow
def test_credential_helpers_are_what_docker_and_podman_ask(
    ansible: Ansible, registry: Registry, users: dict[str, Path]
) -> None:
    """A helper that has no login keeps docker from the one in the file; podman knows none for all registries."""
    host, root = registry.hosts[0], users["root"]
    helper = root / "bin" / "docker-credential-none"
    helper.parent.mkdir()
    helper.write_text("#!/bin/sh\necho credentials not found in native keychain\nexit 1\n")
    helper.chmod(0o755)
    done(log_in(ansible, {"client": "docker", "user": "root"}, {"client": "podman", "user": "root"}))
    path = {"PATH": f"{helper.parent}:/usr/sbin:/usr/bin:/bin"}
    inspect = (PACKAGES["docker.io"], "manifest", "inspect", f"{host}/team/app:1")
    logins = {file: json.loads((root / file).read_text()) for file in (DOCKER, PODMAN)}
    for more, is_used_by_docker, is_used_by_podman in (
        ({}, True, True),
        ({"credsStore": "none"}, False, True),
        ({"credHelpers": {host: "none"}}, False, False),
        ({"credsStore": "none", "credHelpers": {host: ""}}, True, None),
    ):
        for file, login in logins.items():
            (root / file).write_text(json.dumps({**login, **more}))
        assert (fetch(registry, "root", *inspect, **path) == "") is is_used_by_docker, more
        results = done(log_in(ansible, {"client": "docker", "user": "root"}, {"client": "podman", "user": "root"}))
        assert bool(results[0]["registries"]) is is_used_by_docker, more
        if is_used_by_podman is not None:
            assert (podman(registry, **path) == "") is is_used_by_podman, more
            assert bool(results[1]["registries"]) is is_used_by_podman, more


@pytest.mark.slow
def test_a_link_in_a_home_leads_only_where_its_user_can_go(
    ansible: Ansible, registry: Registry, users: dict[str, Path]
) -> None:
    """Root would read, replace and give away what it leads to."""
    deploy = users["deploy"]
    secret, other = Path("/run/kube-ecr-homes/root/secret.json"), users["build"] / "config.json"
    for target, uid in ((secret, 0), (other, USERS["build"])):
        target.write_text('{"auths": {}}')
        target.chmod(0o600)
        os.chown(target, uid, uid)
        target.parent.chmod(0o755)
        (deploy / ".docker").mkdir(exist_ok=True)
        os.chown(deploy / ".docker", USERS["deploy"], USERS["deploy"])
        (deploy / DOCKER).unlink(missing_ok=True)
        (deploy / DOCKER).symlink_to(target)
        run = log_in(ansible, {"client": "docker", "user": "deploy"})
        assert run.status == 2
        assert (
            f"{deploy / DOCKER} cannot be read: Permission denied; it belongs to the user with UID {uid}" in run.output
        )
        assert (target.read_text(), target.stat().st_uid) == ('{"auths": {}}', uid)
    # Where he can go, it is followed.
    (deploy / DOCKER).unlink()
    (deploy / DOCKER).symlink_to("../mine.json")
    done(log_in(ansible, {"client": "docker", "user": "deploy"}))
    assert (deploy / DOCKER).is_symlink()
    assert owned(deploy / "mine.json") == ("deploy", 0o600)
    assert docker(registry, "deploy") == ""


@pytest.mark.slow
def test_who_is_not_root_is_told_what_to_do(ansible: Ansible, users: dict[str, Path]) -> None:
    """As on a host that is reached without `become`. Ansible runs as that user, with all that it needs to read."""
    login = {"registry": "public.ecr.aws", "password": "p", "expires_at": "2099-01-01T00:00:00Z"}
    program = (
        "import os, json, sys\n"
        "from ansible_collections.kube_ecr.secrets.plugins.module_utils._features.ecr_registry_login import FEATURE\n"
        "from ansible_collections.kube_ecr.secrets.plugins.module_utils._features.runtime import execute\n"
        f"os.setgid({USERS['build']}); os.setuid({USERS['build']})\n"
        "params = dict.fromkeys(FEATURE.argument_spec) | json.loads(sys.argv[1])\n"
        "print(execute(FEATURE, params, False, False)['msg'])\n"
    )
    options = {"client": "docker", "user": "deploy", "authorizations": [{**login, "username": "AWS"}]}
    env = {**os.environ, "PYTHONPATH": str(ansible.bin_dir.parent / "collections")}
    command = [str(ansible.bin_dir / "python"), "-c", program, json.dumps({**options, "state": "present"})]
    said = subprocess.run(command, env=env, check=True, capture_output=True, text=True).stdout
    assert said.strip() == "user: build may not write files of deploy; set 'become: true' on the task"
