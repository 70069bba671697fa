# Copyright: kube_ecr.secrets contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""ecr_registry_login: the options and the function of the module.

It acts as the user whose file it is. What becomes of the file is in _secret.client_config.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Mapping
from datetime import datetime, timezone
from pathlib import Path

from .._aws.authorizations import Authorization, living_from_options
from .._contract.login_request import LoginRequest
from .._contract.result import time_text
from .._host.private_file import FileError, PrivateFile
from .._host.user import acting_as
from .._secret import client_config
from .._secret.client_config import CLIENTS, Change, Client
from .._secret.docker_config import ContentError, host_of, logins
from .options import AUTHORIZATIONS
from .runtime import Feature

ARGUMENT_SPEC = {
    "client": {"type": "str", "choices": sorted(CLIENTS), "required": True},
    "authorizations": AUTHORIZATIONS,
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    "registries": {"type": "list", "elements": "str"},
    "user": {"type": "str"},
    # Not of type path: that would put the home of the wrong user in the place of ~.
    "path": {"type": "str"},
    "credential_helper_policy": {"type": "str", "choices": ["warn", "fail"], "default": "warn", "no_log": False},
}


def run(params: dict, check_mode: bool, diff_mode: bool) -> dict:
    """Log a client in or out, by its config file.

    params are validated options. Returns the result of the task (see RETURN of the module).
    """
    now = datetime.now(timezone.utc)
    try:
        granted, registries = _checked(params, now)
        with acting_as(params["user"]) as (home, environ):
            file = PrivateFile(_path(params, home, environ))
            return _bring_about(params, file, granted, registries, check_mode=check_mode, diff_mode=diff_mode)
    except (ValueError, FileError) as error:
        return {"changed": False, "failed": True, "msg": str(error)}


def _bring_about(
    params: dict,
    file: PrivateFile,
    granted: list[Authorization],
    registries: list[LoginRequest],
    *,
    check_mode: bool,
    diff_mode: bool,
) -> dict:
    client, text = CLIENTS[params["client"]], file.read()
    change = _change(text, granted, registries, client, file)
    helped = list(_helped(change, client, file))
    if helped and params["credential_helper_policy"] == "fail":
        raise FileError("; ".join(helped))
    is_changed = change.text != text or bool(change.after and not file.is_private())
    if is_changed and not check_mode:
        file.replace(change.text)
    written = [login for login in granted if login.registry not in change.helpers]
    result = {
        "changed": is_changed,
        "path": str(file.path),
        "registries": sorted(login.registry for login in written),
        "expires_at": time_text(min((login.expires_at for login in written), default=None)),
        "credential_helpers": dict(change.helpers),
        "warnings": [*helped, *_overtaken(change, client, file, is_default=not params["path"])],
    }
    if diff_mode and is_changed:
        header = {"before_header": str(file.path), "after_header": str(file.path)}
        result["diff"] = {**header, "before": change.before, "after": change.after}
    return result


def _checked(params: dict, now: datetime) -> tuple[list[Authorization], list[LoginRequest]]:
    """Return the logins to write, and whose logins to remove. Raises ValueError naming the option."""
    authorizations, registries = params["authorizations"], params["registries"]
    if params["state"] == "absent":
        if registries == []:
            raise ValueError("registries: the list is empty; leave the option out for all registries")
        return [], [LoginRequest.parse(text) for text in registries or []]
    if registries is not None:
        raise ValueError("registries: is for state=absent alone; ecr_token says which registries get a login")
    if not authorizations:
        raise ValueError("authorizations: is missing or empty; give what ecr_token returned, or set state=absent")
    return living_from_options(authorizations, now), []


def _path(params: dict, home: Path, environ: Mapping[str, str]) -> Path:
    """Return the config file of the client of the user whose home that is. Raises ValueError."""
    client, given = CLIENTS[params["client"]], params["path"]
    path = Path(given or _named_by_variables(client, environ) or home / client.default)
    if path.parts[:1] == ("~",):
        path = home.joinpath(*path.parts[1:])
    if not path.is_absolute():
        raise ValueError(f"path: {path} is not absolute, as /home/deploy/.docker/config.json is")
    return path


def _named_by_variables(client: Client, environ: Mapping[str, str]) -> str:
    found = ((environ[name], rest) for name, rest in client.variables if environ.get(name))
    return next((os.path.join(folder, rest) if rest else folder for folder, rest in found), "")  # noqa: PTH118


def _change(
    text: str, granted: list[Authorization], registries: list[LoginRequest], client: Client, file: PrivateFile
) -> Change:
    """Return what becomes of the text of the file. Raises FileError."""
    try:
        if granted:
            return client_config.with_logins(text, granted, client)
        return client_config.without_logins(text, registries)
    except ContentError as error:
        raise FileError(f"{error.about(str(file.path))}; it was left as it is: correct or remove it") from None


def _helped(change: Change, client: Client, file: PrivateFile) -> Iterator[str]:
    for host, helper in change.helpers.items():
        yield (
            f"{file.path} names the credential helper {helper!r} for {host}, so {client.name} would not use a login in "
            f"this file, and none was written. Leave that host to the helper, or take it out of credHelpers and "
            "credsStore"
        )


def _overtaken(change: Change, client: Client, file: PrivateFile, *, is_default: bool) -> Iterator[str]:
    """Yield what the client would use in place of a login that is written."""
    hosts = change.after.keys()
    for key in client_config.parts_of(change.text, hosts) if client.uses_parts else ():
        yield f"{file.path} has a login for {key}, which {client.name} uses for all below that; remove it if it is old"
    # Whoever names a file tells the client to read that one alone.
    for path in client.read_before if is_default else ():
        other = PrivateFile(Path(path.format(uid=os.geteuid())))
        for host in _hosts_in(other, hosts):
            yield (
                f"{other.path} has a login for {host}, and {client.name} reads that file first; remove it with "
                f"'{client.name} logout --authfile {other.path} {host}'"
            )


def _hosts_in(file: PrivateFile, hosts: Collection[str]) -> list[str]:
    """Return those of the hosts that a file has a login for; what cannot be read has none."""
    try:
        held = {host_of(key) for key in logins(file.read())}
    except (ContentError, FileError):
        return []
    return sorted(host for host in hosts if host in held)


FEATURE = Feature(
    argument_spec=ARGUMENT_SPEC,
    libraries=(),
    run=run,
)
