# Copyright: kube_ecr.secrets contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The fast path of a module: its function run inside Ansible's own process when the target is this machine.

It saves an interpreter start and the imports for every task (73 s against 4 s for 100 resources, see the
benchmark), and keeps secrets out of the file in which Ansible would hand the options to a module. Whenever
the user asked for something that only a process of its own can give, the module is shipped as usual.
"""

from __future__ import annotations

import sys

from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible.module_utils.common.parameters import remove_values
from ansible.module_utils.errors import AnsibleValidationError, UnsupportedError
from ansible.plugins.action import ActionBase
from ansible.utils.display import Display

from ansible_collections.kube_ecr.secrets.plugins.module_utils._features.runtime import Feature, execute

_NO_LOG_ADVICE = "The result of this task holds a password. Set 'no_log: true' on the task, or logs will hold it too."


class FastPathAction(ActionBase):
    """Base of the action plugins; a subclass names its feature."""

    feature: Feature
    _supports_check_mode = True
    _supports_diff = True

    def run(self, tmp=None, task_vars=None):
        """Return the task's result, from this process or from the shipped module."""
        super().run(tmp, task_vars)
        if self._is_local(task_vars or {}):
            result = self._execute_here()
        else:
            result = self._execute_module(task_vars=task_vars, wrap_async=self._task.async_val)
        if self.feature.returns_secret and not self._task.no_log and not result.get("failed"):
            Display().warning(_NO_LOG_ADVICE)
        return result

    def _execute_here(self) -> dict:
        validation = ArgumentSpecValidator(self.feature.argument_spec, **self.feature.rules).validate(self._task.args)
        if validation.error_messages:
            # The text may quote a value that was given for a wrong type.
            text = remove_values(self._message_of(validation.errors[0]), validation._no_log_values)
            return {"failed": True, "changed": False, "msg": text}
        return execute(self.feature, validation.validated_parameters, self._task.check_mode, self._task.diff)

    def _message_of(self, error: AnsibleValidationError) -> str:
        """Word an error as AnsibleModule does."""
        if isinstance(error, UnsupportedError):
            return f"Unsupported parameters for ({self._task.action}) module: {error.msg}"
        return error.msg

    def _is_local(self, task_vars: dict) -> bool:
        interpreter = task_vars.get("ansible_python_interpreter")
        return (
            self._connection.transport == "local"
            and not self._play_context.become
            and not self._task.async_val
            and not any(self._task.environment or [])
            and (not interpreter or self._templar.template(interpreter) == sys.executable)
        )
