# Copyright: kube_ecr.secrets contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The fast path of the module ecr_pull_secret_info."""

from __future__ import annotations

from ansible_collections.kube_ecr.secrets.plugins.module_utils._cluster.client import load_ahead
from ansible_collections.kube_ecr.secrets.plugins.module_utils._features.ecr_pull_secret_info import FEATURE
from ansible_collections.kube_ecr.secrets.plugins.plugin_utils._action import FastPathAction

# Ansible loads this before it forks. Which options a task has is not known yet.
load_ahead({})


class ActionModule(FastPathAction):
    """Run ecr_pull_secret_info inside Ansible's process when the target is this machine."""

    feature = FEATURE
