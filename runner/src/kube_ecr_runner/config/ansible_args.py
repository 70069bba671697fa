"""--ansible-args: arguments that are handed on to ansible-playbook, and why others are not. Pure.

What always holds: no argument changes which resources a run serves, or has it wait for a person; none holds a value
that other processes are not to see. Paths count from the working directory of the runner, for a run has another one.
https://docs.ansible.com/ansible/latest/cli/ansible-playbook.html
"""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import Any, NoReturn

from kube_ecr_runner.model.ansible_arguments import AnsibleArguments
from kube_ecr_runner.model.playbook import OWN_VARIABLES

_NO_TERMINAL = "a run has no terminal to ask on"
_IN_A_PLAY = "it would hold for the task of the collection, too; write it into your play or task"
# Options of ansible-playbook that are not handed on, and what to do instead.
_REFUSED = {
    ("-i", "--inventory", "--inventory-file"): "the runner makes the inventory; remove it",
    ("-l", "--limit"): "it would hide resources from the run; use --namespaces or --selector of the runner",
    ("-t", "--tags"): "tags choose among all tasks of a run; use a condition (when) and vars in watches.yaml",
    ("--skip-tags",): "tags choose among all tasks of a run; use a condition (when) and vars in watches.yaml",
    ("--start-at-task",): "the run would not write the pull secrets; remove it",
    ("--step",): f"{_NO_TERMINAL}; remove it",
    ("-C", "--check"): "use --dry-run of the runner",
    ("--syntax-check",): "nothing would be served; run it beside the runner",
    ("--list-hosts",): "nothing would be served; run it beside the runner",
    ("--list-tags",): "nothing would be served; run it beside the runner",
    ("--list-tasks",): "nothing would be served; run it beside the runner",
    ("--version",): "nothing would be served; run it beside the runner",
    ("-h", "--help"): "nothing would be served; run it beside the runner",
    ("-f", "--forks"): "use --forks of the runner",
    ("-v", "--verbose"): "use --ansible-verbosity of the runner",
    ("-b", "--become"): _IN_A_PLAY,
    ("--become-method",): _IN_A_PLAY,
    ("--become-user",): _IN_A_PLAY,
    ("--become-password-file", "--become-pass-file"): _IN_A_PLAY,
    ("-c", "--connection"): _IN_A_PLAY,
    ("--connection-password-file", "--conn-pass-file"): _IN_A_PLAY,
    ("-M", "--module-path"): "put modules into a collection, a role, or the folder library beside the playbook",
    ("--flush-cache",): "no run has a cache of facts; remove it",
    ("-k", "--ask-pass"): f"{_NO_TERMINAL}; use vars in watches.yaml",
    ("-K", "--ask-become-pass"): f"{_NO_TERMINAL}; use vars in watches.yaml",
    ("-J", "--ask-vault-password", "--ask-vault-pass"): f"{_NO_TERMINAL}; use --vault-password-file",
}
_FLAGS = (("-D", "--diff"), ("--force-handlers",))
_TEXTS = (
    ("-u", "--user"),
    ("--ssh-common-args",),
    ("--ssh-extra-args",),
    ("--sftp-extra-args",),
    ("--scp-extra-args",),
)
_PASSWORD_FILE, _VAULT_ID = "--vault-password-file", "--vault-id"


class _Refused(argparse.Action):
    """An option that is not handed on; its help says what to do instead."""

    def __call__(self, _parser: object, _namespace: object, _values: object, name: str | None = None) -> NoReturn:
        raise ValueError(f"{name} is not supported: {self.help}")


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise ValueError(message)


class _Collector:
    """Takes the options that are handed on, in their order."""

    def __init__(self, can_read: Callable[[str], bool], names_in: Callable[[str], Collection[str]]) -> None:
        self._can_read = can_read
        self._names_in = names_in
        self.arguments: list[str] = []
        self.files: list[str] = []
        self.has_vault_password = False

    def action(self, handle: Callable[[str, Any], None]) -> type[argparse.Action]:
        """Return an action of argparse that calls a method with the option and its value."""

        class Handed(argparse.Action):
            def __call__(self, _parser: object, _namespace: object, values: Any, _name: str | None = None) -> None:
                handle(self.option_strings[-1], values)

        return Handed

    def flag(self, option: str, _: object) -> None:
        self.arguments.append(option)

    def text(self, option: str, value: str) -> None:
        self.arguments.append(f"{option}={value}")

    def seconds(self, option: str, value: str) -> None:
        if not value.isdecimal():
            raise ValueError(f"{option}: {value!r} is no whole number of seconds")
        self.text(option, value)

    def file(self, option: str, value: str) -> None:
        self.text(option, self._file(option, value))

    def variables(self, option: str, value: str) -> None:
        if not value.startswith("@"):
            raise ValueError(
                f"{option} takes @FILE only, since others see arguments; put variables into vars in watches.yaml"
            )
        path = self._file(option, value[1:])
        if own := sorted(OWN_VARIABLES.intersection(self._names_in(path))):
            raise ValueError(f"{option}: {path} sets {own[0]}, which the playbook itself sets; take another name")
        self.text(option, f"@{path}")

    def vault_password_file(self, _: str, value: str) -> None:
        self.has_vault_password = True
        self.text(_PASSWORD_FILE, self._file(_PASSWORD_FILE, value))

    def vault_id(self, option: str, value: str) -> None:
        label, at, source = value.partition("@") if "@" in value else ("", "", value)
        if source.startswith("prompt"):
            raise ValueError(f"{option} {value}: {_NO_TERMINAL}; name a file: {label or 'LABEL'}@FILE")
        self.has_vault_password = True
        self.text(option, f"{label}{at}{self._file(option, source)}")

    def _file(self, option: str, value: str) -> str:
        if not value:
            raise ValueError(f"{option} names no file")
        path = str(Path(value).expanduser().absolute())
        if not self._can_read(path):
            raise ValueError(f"{option}: {path} cannot be read; correct the path or its rights")
        self.files.append(path)
        return path


def parse_arguments(
    text: str, can_read: Callable[[str], bool], names_in: Callable[[str], Collection[str]]
) -> AnsibleArguments:
    """Return the arguments in a text that is quoted as for a shell. Raises ValueError.

    can_read tells whether there is a file that this process may read, and names_in which variables a file sets.
    """
    try:
        words = shlex.split(text)
    except ValueError as error:
        raise ValueError(f"is not quoted as for a shell: {error}") from None
    found = _Collector(can_read, names_in)
    _, left = _parser(found).parse_known_args(words)
    if left:
        raise ValueError(f"{left[0]!r} is no option that is handed on to ansible-playbook; remove it")
    return AnsibleArguments(tuple(found.arguments), tuple(found.files), found.has_vault_password)


def _parser(found: _Collector) -> _Parser:
    parser = _Parser(add_help=False, allow_abbrev=False)
    for names, why in _REFUSED.items():
        parser.add_argument(*names, action=_Refused, nargs="?", help=why)
    for names in _FLAGS:
        parser.add_argument(*names, action=found.action(found.flag), nargs=0)
    handled: Sequence[tuple[tuple[str, ...], Callable[[str, str], None]]] = (
        *((names, found.text) for names in _TEXTS),
        (("-T", "--timeout"), found.seconds),
        (("--key-file", "--private-key"), found.file),
        (("-e", "--extra-vars"), found.variables),
        (("--vault-pass-file", _PASSWORD_FILE), found.vault_password_file),
        ((_VAULT_ID,), found.vault_id),
    )
    for names, handle in handled:
        parser.add_argument(*names, action=found.action(handle))
    return parser
