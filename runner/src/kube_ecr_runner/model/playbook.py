"""What a run plays: a playbook, or a role after ours, and the variables that it is given. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

RECONCILE = "kube_ecr.secrets.reconcile"
# Has our playbook let a user's tasks run where a resource failed.
CARRY_ON = "kube_ecr_carry_on"
# The inventory's group of all hosts that hold resources.
_HOSTS = "aws_identities"


@dataclass(frozen=True)
class PlaybookSpec:
    """What kinds of custom resources have to share for their resources to share a run.

    playbook is namespace.collection.playbook, or the absolute path of a file; role is one that is run after it:
    namespace.collection.role, or the absolute path of a folder; variables is a mapping in JSON, empty for none. The
    variables are the administrator's, so they may hold templates.
    """

    playbook: str = RECONCILE
    role: str = ""
    variables: str = ""

    def __str__(self) -> str:
        """Return what is played, for a log."""
        return f"role {self.role}" if self.role else self.playbook

    @property
    def is_plain(self) -> bool:
        """Whether only tasks of ours are run."""
        return self.playbook == RECONCILE and not self.role

    def files(self) -> Mapping[str, str]:
        """Return the files that a run of it needs, by their paths in its private directory.

        ansible-runner hands on the variables by name of the file, so that none is in the arguments of a process.
        JSON is YAML: https://yaml.org/spec/1.2.2/#json-schema
        """
        variables = json.loads(self.variables or "{}") | ({} if self.is_plain else {CARRY_ON: True})
        files = {"env/extravars": json.dumps(variables)} if variables else {}
        if self.role:
            after = {"name": f"Run {self.role}", "hosts": _HOSTS, "gather_facts": False, "roles": [self.role]}
            files["play.yml"] = json.dumps([{"import_playbook": self.playbook}, after])
        return files

    def path(self, directory: str) -> str:
        """Return what ansible-playbook is called with; directory is where the files are."""
        return f"{directory}/play.yml" if self.role else self.playbook
