"""watches.yaml, in operator-sdk's form: which kind of custom resource runs which playbook.

Pure, but for load(), which reads the file. A key, a kind or a form that is not supported is refused by name, so that
nothing a user wrote is ignored in silence.
https://sdk.operatorframework.io/docs/building-operators/ansible/reference/watches/
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import yaml

from kube_ecr_runner.marks import GROUP
from kube_ecr_runner.resources import PLURALS, VERSIONS

_KEYS = ("version", "group", "kind", "playbook")
_COLLECTION_PLAYBOOK = re.compile(r"[a-z_][a-z0-9_]*(\.[a-z_][a-z0-9_]*){2,}")
_FILE_ENDINGS = (".yml", ".yaml")


class WatchesError(ValueError):
    """watches.yaml cannot be used; the text says what to change, and where."""


@dataclass(frozen=True)
class Watch:
    """One entry; playbook is namespace.collection.playbook, or the absolute path of a file."""

    kind: str
    playbook: str


def load(path: Path) -> list[Watch]:
    """Return the entries of a file. Raises WatchesError, also for a file or playbook that cannot be read."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise WatchesError(f"{path}: cannot be read: {getattr(error, 'strerror', None) or 'it is no text'}") from None
    watches = parse(text, path.absolute())
    for each in watches:
        if each.playbook.endswith(_FILE_ENDINGS) and not Path(each.playbook).is_file():
            raise WatchesError(f"{path}: the playbook {each.playbook} of {each.kind} is not there")
    return watches


def parse(text: str, path: Path) -> list[Watch]:
    """Return the entries of the text of the file at path, in order. Raises WatchesError."""
    try:
        entries = yaml.safe_load(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f" (line {mark.line + 1})" if mark else ""
        raise WatchesError(f"{path.name}: is not valid YAML{where}") from None
    if not isinstance(entries, list) or not entries:
        raise WatchesError(f"{path.name}: must be a list with an entry for each kind to watch")
    watches: list[Watch] = []
    for number, entry in enumerate(entries, start=1):
        where = f"{path.name}: entry {number}"
        watch = _entry(entry, where, path.parent)
        if any(each.kind == watch.kind for each in watches):
            raise WatchesError(f"{where}: kind {watch.kind} was watched before; remove one of the two")
        watches.append(watch)
    return watches


def _entry(entry: object, where: str, folder: Path) -> Watch:
    if not isinstance(entry, dict):
        raise WatchesError(f"{where}: must be a mapping with the keys {', '.join(_KEYS)}")
    for key in entry:
        if key not in _KEYS:
            raise WatchesError(f"{where}: key '{key}' is not supported; supported are {', '.join(_KEYS)}")
    for key in _KEYS:
        if not isinstance(entry.get(key), str) or not entry[key].strip():
            raise WatchesError(f"{where}: key '{key}' is missing or no text")
    _must_be(where, "group", entry["group"], (GROUP,))
    _must_be(where, "kind", entry["kind"], tuple(PLURALS))
    _must_be(where, "version", entry["version"], (VERSIONS[entry["kind"]],))
    return Watch(entry["kind"], _playbook(entry["playbook"], where, folder))


def _must_be(where: str, key: str, value: str, supported: tuple[str, ...]) -> None:
    if value not in supported:
        raise WatchesError(f"{where}: {key} '{value}' is not supported; supported: {', '.join(supported)}")


def _playbook(name: str, where: str, folder: Path) -> str:
    if name.endswith(_FILE_ENDINGS):
        return str(folder / Path(name).expanduser())
    if _COLLECTION_PLAYBOOK.fullmatch(name):
        return name
    raise WatchesError(
        f"{where}: playbook '{name}' is neither a file (.yml or .yaml) nor namespace.collection.playbook, such as "
        "kube_ecr.secrets.reconcile"
    )
