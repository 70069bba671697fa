"""watches.yaml, in operator-sdk's form: which kind of custom resource runs which playbook or role, and how.

Pure, but for load(), which reads the file. A key, a kind or a form that is not supported is refused by name, so that
nothing a user wrote is ignored in silence.
https://sdk.operatorframework.io/docs/building-operators/ansible/reference/watches/
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import yaml

from kube_ecr_runner.config import selectors
from kube_ecr_runner.contract.durations import parse_duration
from kube_ecr_runner.contract.kinds import GROUP, KINDS
from kube_ecr_runner.model.errors import StartupError
from kube_ecr_runner.model.playbook import CARRY_ON, RECONCILE, PlaybookSpec

_NAMING = ("version", "group", "kind")
_KEYS = (*_NAMING, "playbook", "role", "vars", "reconcilePeriod", "manageStatus", "selector")
# Keys of operator-sdk that have nothing to set here, and why.
_NOT_NEEDED = {
    "finalizer": "a deletion is undone by the playbook itself, and its tasks see the resource on the host 'absent'",
    "maxRunnerArtifacts": "no artifacts of a run are ever kept",
    "watchDependentResources": "Secrets, service accounts and namespaces are always watched",
    "watchClusterScopedResources": "namespaces are always watched",
    "watchAnnotationsChanges": "what annotations allow or ask for is always watched",
    "snakeCaseParameters": "resources are in the variable pull_secrets, whose fields have fixed names",
    "markUnsafe": "text from a resource is never a template",
    "blacklist": "only what resources name is watched",
    "maxConcurrentReconciles": "resources share a run; see the option --forks",
    "maxWorkers": "resources share a run; see the option --forks",
    "ansibleVerbosity": "the output of runs is not kept; see the option --log-level",
}
_COLLECTION_PLAYBOOK = re.compile(r"[a-z_][a-z0-9_]*(\.[a-z_][a-z0-9_]*){2,}")
_FILE_ENDINGS = (".yml", ".yaml")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
# What the inventory and the playbook set: an extra variable would be in the place of all of them.
_OWN_VARIABLES = frozenset(
    {
        "allowed_aws_identities",
        "ansible_connection",
        "aws_endpoint_url",
        "aws_logins",
        "item",
        CARRY_ON,
        "kubernetes_connection",
        "pull_secrets",
        "reconciled",
    }
)
MIN_PERIOD = timedelta(seconds=10)
MAX_PERIOD = timedelta(days=365)


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


def load(path: Path) -> list[WatchesEntry]:
    """Return the entries of a file. Raises WatchesError, also for a file, playbook or role that cannot be read."""
    try:
        text = path.read_bytes().decode()
    except (OSError, UnicodeDecodeError) as error:
        raise WatchesError(f"{path}: cannot be read: {getattr(error, 'strerror', None) or 'it is no text'}") from None
    return [_found(entry, path) for entry in parse(text, path.absolute())]


def _found(entry: WatchesEntry, path: Path) -> WatchesEntry:
    """Return an entry whose files are there; a role may be in the folder roles beside the file, as in operator-sdk."""
    spec = entry.playbook
    if spec.playbook.endswith(_FILE_ENDINGS) and not Path(spec.playbook).is_file():
        raise WatchesError(f"{path}: the playbook {spec.playbook} of {entry.kind} is not there")
    role = Path(spec.role)
    if not role.is_absolute():
        return entry
    for folder in (role, role.parent / "roles" / role.name):
        if (folder / "tasks").is_dir():
            return replace(entry, playbook=replace(spec, role=str(folder)))
    what = "has no folder tasks" if role.is_dir() else "is not there"
    raise WatchesError(f"{path}: the role {role} of {entry.kind} {what}")


def parse(text: str, path: Path) -> list[WatchesEntry]:
    """Return the entries of the text of the file at path, in order. Raises WatchesError."""
    try:
        items = yaml.safe_load(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f" (line {mark.line + 1})" if mark else ""
        raise WatchesError(f"{path.name}: is not valid YAML{where}") from None
    if not isinstance(items, list) or not items:
        raise WatchesError(f"{path.name}: must be a list with an entry for each kind to watch")
    entries: list[WatchesEntry] = []
    for number, item in enumerate(items, start=1):
        where = f"{path.name}: entry {number}"
        entry = _entry(item, where, path.parent)
        if any(other.kind == entry.kind for other in entries):
            raise WatchesError(f"{where}: kind {entry.kind} was watched before; remove one of the two")
        entries.append(entry)
    return entries


def _entry(entry: object, where: str, folder: Path) -> WatchesEntry:
    if not isinstance(entry, dict):
        raise WatchesError(f"{where}: must be a mapping with the keys {', '.join((*_NAMING, 'playbook'))}")
    for key in entry:
        if key in _NOT_NEEDED:
            raise WatchesError(f"{where}: key '{key}' is not supported: {_NOT_NEEDED[key]}; remove it")
        if key not in _KEYS:
            raise WatchesError(f"{where}: key '{key}' is not supported; supported are {', '.join(_KEYS)}")
    for key in (*_NAMING, *(key for key in ("playbook", "role") if key in entry)):
        if not isinstance(entry.get(key), str) or not entry[key].strip():
            raise WatchesError(f"{where}: key '{key}' is missing or no text")
    _must_be(where, "group", entry["group"], (GROUP,))
    _must_be(where, "kind", entry["kind"], tuple(KINDS))
    _must_be(where, "version", entry["version"], (KINDS[entry["kind"]].version,))
    return WatchesEntry(
        kind=entry["kind"],
        playbook=_playbook_spec(entry, where, folder),
        period=_period(entry.get("reconcilePeriod", "0s"), where),
        manages_status=_is_true(entry.get("manageStatus", True), f"{where}: manageStatus"),
        selector=_selector(entry["selector"], where) if "selector" in entry else "",
    )


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
        if name in _OWN_VARIABLES:
            raise WatchesError(f"{where}: vars: '{name}' is what the playbook itself sets; take another name")
        try:
            json.dumps(value, allow_nan=False)
        except (TypeError, ValueError):
            raise WatchesError(
                f"{where}: vars: '{name}' holds something that is no text, number, list or such; put it in quotes"
            ) from None
    return json.dumps(variables, sort_keys=True) if variables else ""


def _period(text: object, where: str) -> timedelta:
    """Return the length of time in a text in the form of Go: https://pkg.go.dev/time#ParseDuration."""
    period = parse_duration(text)
    if period is None:
        raise WatchesError(f"{where}: reconcilePeriod {text!r} is no length of time such as 1h30m, 90s, or 0s for none")
    if timedelta(0) < period < MIN_PERIOD or period > MAX_PERIOD:
        least, most = MIN_PERIOD.seconds, MAX_PERIOD.days * 24
        raise WatchesError(f"{where}: reconcilePeriod '{text}' must be 0s, or at least {least}s and at most {most}h")
    return period


def _is_true(value: object, where: str) -> bool:
    if not isinstance(value, bool):
        raise WatchesError(f"{where} must be true or false, without quotes")
    return value


def _selector(selector: object, where: str) -> str:
    try:
        return selectors.text_of(selector)
    except selectors.SelectorError as error:
        raise WatchesError(f"{where}: {error}") from None
