# Copyright: kube_ecr.secrets contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""ecr_reconcile, which runs on the control node, whatever the connection of the host is."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from copy import deepcopy
from typing import Any

from ansible import constants
from ansible.plugins.action import ActionBase
from ansible.plugins.callback import CallbackBase

from ansible_collections.kube_ecr.secrets.plugins.module_utils._cluster.errors import KubernetesError
from ansible_collections.kube_ecr.secrets.plugins.module_utils._contract.errors import unforeseen
from ansible_collections.kube_ecr.secrets.plugins.module_utils._features.ecr_reconcile import (
    ARGUMENT_SPEC,
    LIBRARIES,
    begin,
    new_in,
    result,
)
from ansible_collections.kube_ecr.secrets.plugins.module_utils._features.runtime import missing_libraries
from ansible_collections.kube_ecr.secrets.plugins.module_utils._inventory.hosts import GROUP
from ansible_collections.kube_ecr.secrets.plugins.module_utils._serving.serving import Mode, Serving
from ansible_collections.kube_ecr.secrets.plugins.plugin_utils import _standby
from ansible_collections.kube_ecr.secrets.plugins.plugin_utils._action import InvalidOptions, validated
from ansible_collections.kube_ecr.secrets.plugins.plugin_utils._sources import why_none_was_read

# Seconds until the results that are there are told, while others are waited for.
PATIENCE = 2.0
# What tasks have begun, by process and task: Ansible makes an object of the class below anew each time that it asks.
_begun: dict[tuple[int, str], Serving] = {}


class ActionModule(ActionBase):
    """Serves the resources of a host. Ansible asks again until all are done, see retries in the playbook."""

    _supports_check_mode = True
    _supports_diff = True

    def run(self, tmp=None, task_vars=None):
        """Return the results that are new, and all of them when none is missing any more."""
        super().run(tmp, task_vars)
        missing = missing_libraries(LIBRARIES)
        if missing:
            return _failure(missing)
        variables = task_vars or {}
        if unread := variables.get("inventory_error") or self._why_unread(variables):
            return _failure(unread)
        try:
            serving = self._serving(variables)
            progress = serving.wait(PATIENCE)
            if not progress.unfinished:
                del _begun[self._key]
            self._show(new_in(progress), variables.get("inventory_hostname", ""))
            told = result(progress, serving.calls)
            if told["failed"] and "diff" in told and not progress.unfinished and not self._task.no_log:
                # Ansible shows none of a task that failed, and most of its resources may not have. Once, at its end.
                self._display.display(CallbackBase()._get_diff(deepcopy(told["diff"])))
            return told
        except (InvalidOptions, ValueError, KubernetesError) as error:
            return _failure(str(error))
        except Exception as error:  # noqa: BLE001 - a traceback could quote a secret
            return _failure(unforeseen(error))

    @property
    def _key(self) -> tuple[int, str]:
        return os.getpid(), self._task._uuid

    def _why_unread(self, variables: Mapping[str, Any]) -> str:
        """Return why there is nothing to serve where no inventory of ours was read, an empty text elsewhere."""
        if "resources" in self._task.args or "pull_secrets" in variables or GROUP in variables.get("groups", ()):
            return ""
        why = why_none_was_read(variables.get("ansible_inventory_sources") or (), constants.INVENTORY_ENABLED)
        return f"resources: is missing, and the host has no variable pull_secrets: {why}"

    def _serving(self, variables: Mapping[str, Any]) -> Serving:
        """Return what this task has begun; begin it if it has not."""
        if self._key not in _begun:
            options = validated(ARGUMENT_SPEC, self._task)
            _begun[self._key] = begin(options, variables, Mode(self._task.check_mode, self._task.diff))
        return _begun[self._key]

    def _show(self, new: Iterable[Mapping[str, Any]], host: str) -> None:
        """Tell a person of each resource, as Ansible does of the items of a loop. The runner reads the result."""
        if _standby.has_begun() or self._task.no_log:
            return
        for served in new:
            word, color = "ok", constants.COLOR_OK
            if served["failed"]:
                word, color = "failed", constants.COLOR_ERROR
            elif served["changed"]:
                word, color = "changed", constants.COLOR_CHANGED
            self._display.display(
                f"{word}: [{host}] => (item={served['resource']['reference']}): {served['msg']}", color
            )


def _failure(message: str) -> dict:
    return {"failed": True, "changed": False, "msg": message, "resources": [], "unfinished": 0, "calls": []}
