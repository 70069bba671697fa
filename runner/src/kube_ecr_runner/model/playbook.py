"""What a run plays: a playbook, or a role after ours, and the variables that it is given. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

RECONCILE = "kube_ecr.secrets.reconcile"
# Has our playbook let a user's tasks run where a resource failed.
CARRY_ON = "kube_ecr_carry_on"
# What the inventory and the playbook set: an extra variable would be in the place of all of them.
OWN_VARIABLES = frozenset(
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
# The play in which ansible-playbook waits for its next round: it makes its inventory anew when it is told what to do.
WAIT = "Wait for the next round"
# Each costs some milliseconds when ansible-playbook starts, which reads them all.
ROUNDS = 100
# How often -v may be given to ansible-playbook: more say nothing more.
MAX_VERBOSITY = 7
# The inventory's group of all hosts that hold resources.
_HOSTS = "aws_identities"


@dataclass(frozen=True)
class PlaybookSpec:
    """What kinds of custom resources have to share for their resources to share a run.

    playbook is namespace.collection.playbook, or the absolute path of a file; role is one that is run after it:
    namespace.collection.role, or the absolute path of a folder; variables is a mapping in JSON, empty for none. The
    variables are the administrator's, so they may hold templates. verbosity is how often ansible-playbook is told -v.
    """

    playbook: str = RECONCILE
    role: str = ""
    variables: str = ""
    verbosity: int = 0

    def __str__(self) -> str:
        """Return what is played, for a log."""
        return f"role {self.role}" if self.role else self.playbook

    @property
    def is_plain(self) -> bool:
        """Whether only tasks of ours are run."""
        return self.playbook == RECONCILE and not self.role

    @property
    def rounds(self) -> int:
        """How often one ansible-playbook may play it: tasks of a user might leave something for the next time."""
        return ROUNDS if self.is_plain else 1

    def files(self, rounds: int) -> Mapping[str, str]:
        """Return the files that so many rounds of it need, by their paths in the private directory of the run.

        ansible-runner hands on the variables by name of the file, so that none is in the arguments of a process.
        JSON is YAML: https://yaml.org/spec/1.2.2/#json-schema
        """
        # Where all hosts of a play fail, ansible-playbook ends; the results of the resources tell that they failed.
        variables = json.loads(self.variables or "{}") | {CARRY_ON: True}
        return {"env/extravars": json.dumps(variables), "play.yml": json.dumps(self._plays(rounds))}

    def _plays(self, rounds: int) -> list[dict[str, object]]:
        plays: list[dict[str, object]] = [{"import_playbook": self.playbook}]
        if self.role:
            plays.append({"name": f"Run {self.role}", "hosts": _HOSTS, "gather_facts": False, "roles": [self.role]})
        refresh = {"name": WAIT, "ansible.builtin.meta": "refresh_inventory"}
        wait: dict[str, object] = {"name": WAIT, "hosts": "localhost", "gather_facts": False, "tasks": [refresh]}
        return [wait, *plays] * rounds

    def path(self, directory: str) -> str:
        """Return what ansible-playbook is called with; directory is where the files are."""
        return f"{directory}/play.yml"
