"""watches.yaml, in operator-sdk's form: which kind of custom resource runs which playbook or role, and how.

Pure, but for load(), which reads the file. A key, a kind or a form that is not supported is refused by name, so that
nothing a user wrote is ignored in silence.
https://sdk.operatorframework.io/docs/building-operators/ansible/reference/watches/
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import yaml

from kube_ecr_runner.config import selectors
from kube_ecr_runner.config.sdk_keys import is_without_effect, refusal_of
from kube_ecr_runner.config.watches_text import VAULT, read_yaml
from kube_ecr_runner.contract.kinds import GROUP, KINDS
from kube_ecr_runner.model.errors import StartupError
from kube_ecr_runner.model.period import parse_period
from kube_ecr_runner.model.playbook import MAX_VERBOSITY, OWN_VARIABLES, RECONCILE, PlaybookSpec

# Folders of roles, as ansible-playbook takes them.
ROLES_PATH = "ANSIBLE_ROLES_PATH"
_NAMING = ("version", "group", "kind")
_KEYS = (*_NAMING, "playbook", "role", "vars", "reconcilePeriod", "manageStatus", "selector", "ansibleVerbosity")
_COLLECTION_PLAYBOOK = re.compile(r"[a-z_][a-z0-9_]*(\.[a-z_][a-z0-9_]*){2,}")
_FILE_ENDINGS = (".yml", ".yaml")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


class WatchesError(StartupError):
    """watches.yaml cannot be used; the text says what to change, and where."""


@dataclass(frozen=True)
class WatchesEntry:
    """One entry: a kind of custom resource, and the playbook or role that runs for its resources.

    period is the longest time between two runs for a resource; zero stands for no limit. With manages_status, status
    and events are written. selector is one of labels, empty for all resources.
    """

    kind: str
    playbook: PlaybookSpec
    period: timedelta = timedelta(0)
    manages_status: bool = True
    selector: str = ""


def load(
    path: Path, environment: Mapping[str, str] | None = None, *, verbosity: int = 0, has_vault_password: bool = False
) -> list[WatchesEntry]:
    """Return the entries of a file. Raises WatchesError, also for a file, playbook or role that cannot be read.

    environment are the variables that may stand in it. verbosity is that of runs for which neither an entry nor a
    variable says another; has_vault_password says whether there is a password for values that are encrypted.
    """
    try:
        text = path.read_bytes().decode()
    except (OSError, UnicodeDecodeError) as error:
        raise WatchesError(f"{path}: cannot be read: {getattr(error, 'strerror', None) or 'it is no text'}") from None
    entries = parse(text, path.absolute(), environment or {}, verbosity)
    for entry in entries:
        if VAULT in entry.playbook.variables and not has_vault_password:
            raise WatchesError(
                f"{path}: vars of {entry.kind} hold a value of the vault (!vault), but there is no password; set "
                "ANSIBLE_VAULT_PASSWORD_FILE, or --vault-password-file in --ansible-args"
            )
    roles = [
        Path(each).expanduser().absolute() for each in (environment or {}).get(ROLES_PATH, "").split(os.pathsep) if each
    ]
    return [_found(entry, path, roles) for entry in entries]


def _found(entry: WatchesEntry, path: Path, roles: Sequence[Path]) -> WatchesEntry:
    """Return an entry whose files are there.

    As in operator-sdk, a role may be in the folder roles beside the file, or in one of the folders of roles.
    """
    spec = entry.playbook
    if spec.playbook.endswith(_FILE_ENDINGS) and not Path(spec.playbook).is_file():
        raise WatchesError(f"{path}: the playbook {spec.playbook} of {entry.kind} is not there")
    role = Path(spec.role)
    if not role.is_absolute():
        return entry
    beside = path.absolute().parent
    name = role.relative_to(beside) if role.is_relative_to(beside) else role
    elsewhere = (folder / each for folder in roles for each in (name, "roles" / name))
    for folder in (role, role.parent / "roles" / role.name, *elsewhere):
        if (folder / "tasks").is_dir():
            return replace(entry, playbook=replace(spec, role=str(folder)))
    what = "has no folder tasks" if role.is_dir() else "is not there"
    raise WatchesError(f"{path}: the role {role} of {entry.kind} {what}")


def parse(
    text: str, path: Path, environment: Mapping[str, str] | None = None, verbosity: int = 0
) -> list[WatchesEntry]:
    """Return the entries of the text of the file at path, in order. Raises WatchesError. See load()."""
    variables = environment or {}
    try:
        items = read_yaml(text, variables)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f" (line {mark.line + 1})" if mark else ""
        # operator-sdk puts variables in before it reads YAML, so it takes them without quotes.
        hint = "; within { } or [ ], ${NAME} has to be in quotes" if "${" in text else ""
        raise WatchesError(f"{path.name}: is not valid YAML{where}{hint}") from None
    if not isinstance(items, list) or not items:
        raise WatchesError(f"{path.name}: must be a list with an entry for each kind to watch")
    entries: list[WatchesEntry] = []
    for number, item in enumerate(items, start=1):
        where = f"{path.name}: entry {number}"
        if not isinstance(item, dict):
            raise WatchesError(f"{where}: must be a mapping with the keys {', '.join((*_NAMING, 'playbook'))}")
        kind = item.get("kind")
        where += f" ({kind})" if isinstance(kind, str) and kind in KINDS else ""
        entry = _entry(item, where, path.parent, variables, verbosity)
        if any(other.kind == entry.kind for other in entries):
            raise WatchesError(f"{where}: the kind was watched before; remove one of the two")
        entries.append(entry)
    return entries


def _entry(
    given: Mapping[str, Any], where: str, folder: Path, environment: Mapping[str, str], verbosity: int
) -> WatchesEntry:
    for key, value in given.items():
        if key in _KEYS:
            continue
        if not is_without_effect(key):
            raise WatchesError(f"{where}: key '{key}' is not supported; supported are {', '.join(_KEYS)}")
        if refusal := refusal_of(key, value):
            raise WatchesError(f"{where}: {refusal}")
    for key in (*_NAMING, *(key for key in ("playbook", "role") if key in given)):
        if not isinstance(given.get(key), str) or not given[key].strip():
            raise WatchesError(f"{where}: key '{key}' is missing or no text")
    # A key without a value is one that is not there, as in operator-sdk.
    entry = {key: value for key, value in given.items() if value is not None}
    _must_be(where, "group", entry["group"], (GROUP,))
    _must_be(where, "kind", entry["kind"], tuple(KINDS))
    _must_be(where, "version", entry["version"], (KINDS[entry["kind"]].version,))
    chosen = _verbosity(entry.get("ansibleVerbosity", verbosity), f"{where}: ansibleVerbosity")
    return WatchesEntry(
        kind=entry["kind"],
        playbook=replace(
            _playbook_spec(entry, where, folder), verbosity=_verbosity_in(environment, entry["kind"], chosen)
        ),
        period=_period(entry.get("reconcilePeriod", "0s"), where),
        manages_status=_is_true(entry.get("manageStatus", True), f"{where}: manageStatus"),
        # operator-sdk's own default selects everything, too.
        selector=_selector(entry["selector"], where) if entry.get("selector", {}) != {} else "",
    )


def verbosity_variable(kind: str) -> str:
    """Return the variable that says how much runs for a kind print: operator-sdk's, which goes before all else."""
    return f"ANSIBLE_VERBOSITY_{kind}_{GROUP}".replace(".", "_").upper()


def _verbosity_in(environment: Mapping[str, str], kind: str, otherwise: int) -> int:
    name = verbosity_variable(kind)
    text = environment.get(name, "")
    return _verbosity(int(text) if text.isdecimal() else text, name) if text else otherwise


def _verbosity(value: object, where: str) -> int:
    if type(value) is not int or not 0 <= value <= MAX_VERBOSITY:
        raise WatchesError(f"{where} {value!r} must be a number from 0 to {MAX_VERBOSITY}, without quotes")
    return value


def _must_be(where: str, key: str, value: str, supported: tuple[str, ...]) -> None:
    if value not in supported:
        raise WatchesError(f"{where}: {key} '{value}' is not supported; supported: {', '.join(supported)}")


def _playbook_spec(entry: Mapping[str, Any], where: str, folder: Path) -> PlaybookSpec:
    playbook, role = entry.get("playbook") or "", entry.get("role") or ""
    if bool(playbook) == bool(role):
        hint = ", not both" if playbook else f", such as playbook: {RECONCILE}"
        raise WatchesError(f"{where}: needs one of the keys 'playbook' and 'role'{hint}")
    variables = _variables(entry.get("vars"), where)
    if role:
        is_name = _COLLECTION_PLAYBOOK.fullmatch(role)
        return PlaybookSpec(role=role if is_name else str(folder / Path(role).expanduser()), variables=variables)
    return PlaybookSpec(_playbook(playbook, where, folder), variables=variables)


def _playbook(name: str, where: str, folder: Path) -> str:
    if name.endswith(_FILE_ENDINGS):
        return str(folder / Path(name).expanduser())
    if _COLLECTION_PLAYBOOK.fullmatch(name):
        return name
    raise WatchesError(
        f"{where}: playbook '{name}' is neither a file (.yml or .yaml) nor namespace.collection.playbook, such as "
        f"{RECONCILE}"
    )


def _variables(variables: object, where: str) -> str:
    """Return variables in JSON, the same for the same ones, empty for none."""
    if not isinstance(variables, dict | None):
        raise WatchesError(f"{where}: vars must be a mapping of variables to values")
    for name, value in (variables or {}).items():
        if not (isinstance(name, str) and _VARIABLE.fullmatch(name)):
            raise WatchesError(f"{where}: vars: {name!r} is no name of a variable (letters, digits and '_')")
        if name in OWN_VARIABLES:
            raise WatchesError(f"{where}: vars: '{name}' is what the playbook itself sets; take another name")
        try:
            json.dumps(value, allow_nan=False)
        except (TypeError, ValueError):
            raise WatchesError(
                f"{where}: vars: '{name}' holds something that is no text, number, list or such; put it in quotes"
            ) from None
    return json.dumps(variables, sort_keys=True) if variables else ""


def _period(text: object, where: str) -> timedelta:
    try:
        return parse_period(text)
    except ValueError as error:
        raise WatchesError(f"{where}: reconcilePeriod {error}") from None


def _is_true(value: object, where: str) -> bool:
    if not isinstance(value, bool):
        raise WatchesError(f"{where} must be true or false, without quotes")
    return value


def _selector(selector: object, where: str) -> str:
    try:
        return selectors.text_of(selector)
    except selectors.SelectorError as error:
        raise WatchesError(f"{where}: {error}") from None
