# Copyright: kube_ecr.secrets contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How a feature runs, once: as a module that Ansible ships, and as an action plugin inside Ansible.

What always holds: no value of a C(no_log) option is in a result, because no feature puts one there, and
the invocation is stripped of them by name. Ansible's own masking by value is switched off for results: it
would turn the namespace C(team-test) into C(team-********) for a key C(test).
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from dataclasses import dataclass

from ansible.module_utils.basic import AnsibleModule, missing_required_lib

from .._contract.errors import unforeseen


@dataclass(frozen=True)
class Feature:
    """What a module and its action plugin share: options, the libraries they need, and the function.

    run takes the validated options, check mode and diff mode, and returns the task's result; with returns_secret there
    is a secret in it.
    """

    argument_spec: dict
    libraries: tuple[str, ...]
    run: Callable[[dict, bool, bool], dict]
    returns_secret: bool = False


def execute(feature: Feature, params: dict, check_mode: bool, diff_mode: bool) -> dict:
    """Return the result of a feature; never raises."""
    try:
        missing = missing_libraries(feature.libraries)
        if missing:
            return {"failed": True, "changed": False, "msg": missing}
        return feature.run(params, check_mode, diff_mode)
    except Exception as error:  # noqa: BLE001 - a traceback could quote a secret
        return {"failed": True, "changed": False, "msg": unforeseen(error)}


def missing_libraries(names: tuple[str, ...]) -> str:
    """Return a message naming each library that is not installed, and the interpreter; empty if none.

    None is imported: in a pod, kubernetes would stay unused.
    """
    return " ".join(missing_required_lib(name) for name in names if importlib.util.find_spec(name) is None)


def run_module(feature: Feature) -> None:
    """Be the main function of a module: parse the options, run the feature, exit."""
    module = AnsibleModule(argument_spec=feature.argument_spec, supports_check_mode=True)
    result = execute(feature, module.params, module.check_mode, module._diff)
    result["invocation"] = {"module_args": visible(module.params, feature.argument_spec)}
    for warning in result.pop("warnings", ()):
        module.warn(warning)
    module.no_log_values.clear()
    _keep_from_result(module)
    if result.pop("failed", False):
        module.fail_json(**result)
    module.exit_json(**result)


def _keep_from_result(module: AnsibleModule) -> None:
    """Keep the values of no_log options out of the result, in which ansible-core 2.22 reports them.

    The controller has them from the task. The file in which Ansible keeps the result of an async job would hold them.
    """
    tracker = getattr(module, "_new_secrets", None)
    if tracker is not None:
        tracker.flush()


def visible(params: dict, argument_spec: dict) -> dict:
    """Return options for display, with every value of a no_log option replaced, in suboptions too.

    Only options that the specification names are shown, so that no alias repeats a secret.
    """
    return {name: _visible(params.get(name), option) for name, option in argument_spec.items()}


def _visible(value, option: dict):
    if value is None:
        return None
    if option.get("no_log"):
        return "VALUE_SPECIFIED_IN_NO_LOG_PARAMETER"
    if "options" not in option:
        return value
    if isinstance(value, list):
        return [visible(suboptions, option["options"]) for suboptions in value]
    return visible(value, option["options"])
