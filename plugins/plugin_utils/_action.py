# Copyright: kube_ecr.secrets contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The fast path of a module: its function run inside Ansible's own process when the target is this machine.

It saves an interpreter start and the imports for every task (73 s against 4 s for 100 resources, see the
benchmark), and keeps secrets out of the file in which Ansible would hand the options to a module. Whenever
the user asked for something that only a process of its own can give, the module is shipped as usual.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible.module_utils.errors import UnsupportedError
from ansible.plugins.action import ActionBase
from ansible.utils.display import Display

from ansible_collections.kube_ecr.secrets.plugins.module_utils._features.runtime import Feature, execute
from ansible_collections.kube_ecr.secrets.plugins.plugin_utils._texts import check_texts, options_by_name

_NO_ASYNC = (
    "async: is not possible, since Ansible keeps the result of such a task in clear in a file, and this result holds a "
    "password; leave async out"
)
# What Ansible itself puts in the place of such values.
_HIDDEN = "VALUE_SPECIFIED_IN_NO_LOG_PARAMETER"
# Options of these types may hold anything, such as a kubeconfig with a token.
_OF_UNKNOWN_CONTENT = frozenset(["dict", "raw", "json", "jsonarg"])
# Where the object of a task keeps its options while others are shown.
_GIVEN = "_kube_ecr_given"
_NO_LOG_ADVICE = "The result of this task holds a password. Set 'no_log: true' on the task, or logs will hold it too."


class InvalidOptions(Exception):
    """The options of a task are not those of its module; the text says why, as AnsibleModule does."""


def validated(argument_spec: dict, task) -> dict:
    """Return the options of a task with their defaults. Raises InvalidOptions."""
    validation = ArgumentSpecValidator(argument_spec).validate(task.args)
    if validation.error_messages:
        error = validation.errors[0]
        is_unknown = isinstance(error, UnsupportedError)
        text = f"Unsupported parameters for ({task.action}) module: {error.msg}" if is_unknown else error.msg
        # It may quote a value that was given for a wrong type. Ansible's own function for this ends with 2.25.
        for value in sorted(filter(None, map(str, validation._no_log_values)), key=len, reverse=True):
            text = text.replace(value, _HIDDEN)
        raise InvalidOptions(text)
    return validation.validated_parameters


def for_display(argument_spec: dict, given: dict) -> dict:
    """Return the options that were given to a task, with all hidden that may hold a secret."""
    options = options_by_name(argument_spec)
    return {
        name: value if name in options and _is_harmless(options[name]) else _HIDDEN for name, value in given.items()
    }


def _is_harmless(option: Mapping[str, Any]) -> bool:
    return not option.get("no_log") and "options" not in option and option.get("type") not in _OF_UNKNOWN_CONTENT


class FastPathAction(ActionBase):
    """Base of the action plugins; a subclass names its feature."""

    feature: Feature
    _supports_check_mode = True
    _supports_diff = True
    _supports_async = True

    def run(self, tmp=None, task_vars=None):
        """Return the task's result, from this process or from the shipped module.

        With the result, callbacks get the task. With display_args_to_stdout, the default one shows its options then if
        the strategy or another setting keeps it from showing the task earlier.
        """
        # Ansible makes this object anew for a retry, but not that of the task.
        given = self._task.args = self._task.__dict__.setdefault(_GIVEN, self._task.args)
        try:
            return self._run(tmp, task_vars)
        finally:
            self._task.args = for_display(self.feature.argument_spec, given)

    def _run(self, tmp, task_vars) -> dict:
        super().run(tmp, task_vars)
        if self._task.async_val and self.feature.returns_secret:
            return _failure(_NO_ASYNC)
        try:
            # Of a module that is shipped, too: there, nobody could tell a number from a text any more.
            check_texts(self.feature.argument_spec, self._task.args)
        except ValueError as error:
            return _failure(str(error))
        if self._is_local(task_vars or {}):
            result = self._execute_here()
        else:
            result = self._execute_module(task_vars=task_vars, wrap_async=self._task.async_val)
        if self.feature.returns_secret and not self._task.no_log and not result.get("failed"):
            Display().warning(_NO_LOG_ADVICE)
        return result

    def _execute_here(self) -> dict:
        try:
            params = validated(self.feature.argument_spec, self._task)
        except InvalidOptions as error:
            return _failure(str(error))
        return execute(self.feature, params, self._task.check_mode, self._task.diff)

    def _is_local(self, task_vars: dict) -> bool:
        interpreter = task_vars.get("ansible_python_interpreter")
        return (
            self._connection.transport == "local"
            and not self._play_context.become
            and not self._task.async_val
            and not any(self._task.environment or [])
            and (not interpreter or self._templar.template(interpreter) == sys.executable)
        )


def _failure(message: str) -> dict:
    return {"failed": True, "changed": False, "msg": message}
