# Copyright: kube_ecr.secrets contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The module ecr_registry_login, with its options checked and hidden here.

It always runs as a module: it may act as another user, which Ansible's own process must not.
"""

from __future__ import annotations

from ansible_collections.kube_ecr.secrets.plugins.module_utils._features.ecr_registry_login import FEATURE
from ansible_collections.kube_ecr.secrets.plugins.plugin_utils._action import FastPathAction


class ActionModule(FastPathAction):
    """Ship ecr_registry_login, also to this machine."""

    feature = FEATURE

    def _is_local(self, task_vars: dict) -> bool:
        return False
