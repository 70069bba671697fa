"""Arguments that an administrator adds to ansible-playbook. Pure."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class AnsibleArguments:
    """Arguments as ansible-playbook takes them, with absolute paths, and the files that they name.

    has_vault_password says that one of them names a vault password.
    """

    arguments: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    has_vault_password: bool = False
