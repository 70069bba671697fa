# Copyright: kube_ecr.secrets contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Logins of ECR in the config file of a container client, such as docker's config.json.

Pure. A login is written as the clients themselves write it: under the bare host, with an auth and nothing else. So a
client that writes the file again leaves our entry as it is. Whatever else is in the file stays.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field

from .._aws.authorizations import Authorization
from .._contract.login_request import LoginRequest
from .._contract.reading import mapping_in, text_in
from .._contract.timestamps import format_time
from . import docker_config

# The user of each login of ECR: https://docs.aws.amazon.com/AmazonECR/latest/userguide/registry_auth.html
ECR_USER = "AWS"


@dataclass(frozen=True)
class Client:
    """A program that logs in to registries with what a config file says.

    variables are those that name the file, or the folders that it is in, with the rest of the path; the first one that
    is set counts. default is the path in the home directory. read_before are files that the client reads earlier, with
    the UID of its user in place of uid. With uses_store it asks the helper of all registries (credsStore). With
    uses_parts a login for a part of a registry goes before one for the whole.
    """

    name: str
    variables: tuple[tuple[str, str], ...]
    default: str
    uses_store: bool = True
    uses_parts: bool = False
    read_before: tuple[str, ...] = ()


# https://docs.docker.com/reference/cli/docker/#configuration-files and
# https://github.com/containerd/nerdctl/blob/main/docs/registry.md, which reads docker's file
_DOCKER = ((("DOCKER_CONFIG", "config.json"),), ".docker/config.json")
CLIENTS = {
    client.name: client
    for client in (
        Client("docker", *_DOCKER),
        # https://helm.sh/docs/helm/helm/ (HELM_REGISTRY_CONFIG)
        Client(
            "helm",
            (
                ("HELM_REGISTRY_CONFIG", ""),
                ("HELM_CONFIG_HOME", "registry/config.json"),
                ("XDG_CONFIG_HOME", "helm/registry/config.json"),
            ),
            ".config/helm/registry/config.json",
        ),
        Client("nerdctl", *_DOCKER),
        # https://github.com/containers/image/blob/main/docs/containers-auth.json.5.md: what podman login writes is on
        # a file system in memory, and goes before the file in the home directory.
        Client(
            "podman",
            (("REGISTRY_AUTH_FILE", ""), ("XDG_CONFIG_HOME", "containers/auth.json")),
            ".config/containers/auth.json",
            uses_store=False,
            uses_parts=True,
            read_before=("/run/user/{uid}/containers/auth.json", "/run/containers/{uid}/auth.json"),
        ),
    )
}


@dataclass(frozen=True)
class Change:
    """What a config file becomes: its text, the diff of our logins, and which hosts a credential helper serves."""

    text: str = field(repr=False)
    before: Mapping[str, object]
    after: Mapping[str, object]
    helpers: Mapping[str, str]


def with_logins(text: str, logins: Iterable[Authorization], client: Client) -> Change:
    """Return a config file with logins in it, but for those hosts that the client asks a credential helper about.

    Raises ContentError where no login can be added.
    """
    held = docker_config.logins(text)
    helpers = {login.registry: helper for login in logins if (helper := helper_for(text, login.registry, client))}
    ours = [login for login in logins if login.registry not in helpers]
    entries = {login.registry: _entry(login, held.get(login.registry)) for login in ours}
    return Change(
        _indented(text, docker_config.with_logins(text, entries)),
        _described({host: entry for host, entry in held.items() if docker_config.host_of(host) in entries}),
        _described(entries, {login.registry: format_time(login.expires_at) for login in ours}),
        helpers,
    )


def without_logins(text: str, registries: Collection[LoginRequest]) -> Change:
    """Return a config file without the logins of ECR's user; with registries, without those that answer one of them.

    Raises ContentError where it cannot be read.
    """
    held = docker_config.logins(text)
    gone = {
        key: entry
        for key, entry in held.items()
        if _user(entry) == ECR_USER and (not registries or _is_answered(registries, docker_config.host_of(key)))
    }
    return Change(_indented(text, docker_config.without_logins(text, gone)), _described(gone), {}, {})


def helper_for(text: str, host: str, client: Client) -> str:
    """Return the credential helper that a client asks about a host, so that it never looks at a login in the file.

    That of the host goes before that of all, and an empty one stands for none.
    https://docs.docker.com/reference/cli/docker/login/#credential-helpers
    """
    config = json.loads(text) if text.strip() else None
    if not isinstance(config, Mapping):
        return ""
    helpers = mapping_in(config, "credHelpers")
    if host in helpers or not client.uses_store:
        return text_in(helpers, host)
    return text_in(config, "credsStore")


def parts_of(text: str, hosts: Collection[str]) -> list[str]:
    """Return the keys of auths that stand for a part of one of these registries, such as HOST/team."""
    keys = docker_config.logins(text)
    return sorted(key for key in keys if docker_config.host_of(key) is None and key.partition("/")[0] in hosts)


def _entry(login: Authorization, held: Mapping | None) -> dict:
    """Return what is held if that is the same login, written in more fields perhaps."""
    auth = base64.b64encode(f"{login.username}:{login.password}".encode()).decode()
    full = {"username": login.username, "password": login.password, "auth": auth}
    if held and held.get("auth") == auth and all(full.get(name) == value for name, value in held.items()):
        return dict(held)
    return {"auth": auth}


def _described(entries: Mapping[str, Mapping | None], expires_at: Mapping[str, str] | None = None) -> dict[str, dict]:
    """Return what a diff may show. The password of another user may be so weak that a fingerprint reveals it."""
    return {
        host: {
            "fingerprint": docker_config.fingerprint(_auth(entry)) if _user(entry) == ECR_USER else None,
            **({"expires_at": expires_at[host]} if expires_at else {}),
        }
        for host, entry in sorted(entries.items())
    }


def _user(entry: Mapping | None) -> str:
    auth = _auth(entry)
    try:
        return base64.b64decode(auth).partition(b":")[0].decode()
    except ValueError:
        return ""


def _auth(entry: Mapping | None) -> str:
    """Return the auth of an entry, which is made of user and password where those stand alone."""
    auth, username, password = (text_in(entry or {}, name) for name in ("auth", "username", "password"))
    return auth or base64.b64encode(f"{username}:{password}".encode(errors="replace")).decode()


def _is_answered(registries: Collection[LoginRequest], host: str | None) -> bool:
    return host is not None and any(request.is_answered_by(host) for request in registries)


def _indented(before: str, after: str) -> str:
    """Return what becomes of a file, in the form in which docker writes it."""
    return before if after == before else json.dumps(json.loads(after), indent="\t") + "\n"
