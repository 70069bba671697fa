# Copyright: kube_ecr.secrets contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""ecr_pull_secret: the function that the module and its action plugin share.

What is asked for is in _reconcile.request, how it is brought about in _reconcile.reconciler, and what the task returns
in _reconcile.report. Here are the options.
"""

from __future__ import annotations

from datetime import datetime, timezone

from .._aws.authorizations import LoginError, living_from_options
from .._cluster.auth_options import AUTH_OPTIONS
from .._cluster.client import connect
from .._cluster.errors import KubernetesError
from .._contract import reasons
from .._contract.kinds import POLICIES
from .._contract.outputs import TYPES
from .._contract.result import ErrorResult
from .._reconcile.reconciler import ReconcileResult, reconcile
from .._reconcile.report import task_result
from .._reconcile.request import AvailableLogins, Request
from .options import AUTHORIZATIONS
from .runtime import Feature

ARGUMENT_SPEC = {
    **AUTH_OPTIONS,
    "authorizations": AUTHORIZATIONS,
    "authorization_errors": {
        "type": "list",
        "elements": "dict",
        "options": {
            "requested": {"type": "str"},
            "reason": {"type": "str", "required": True},
            "msg": {"type": "str", "required": True},
        },
    },
    # Not a secret: masking the name would blot it out wherever it occurs in a result.
    "secret_name": {"type": "str", "required": True, "no_log": False},
    "namespaces": {"type": "list", "elements": "str", "required": True},
    "outputs": {
        "type": "list",
        "elements": "dict",
        "options": {
            "name": {"type": "str", "required": True},
            "type": {"type": "str", "required": True, "choices": list(TYPES)},
            "namespaces": {"type": "list", "elements": "str"},
            "registry": {"type": "str"},
            "urls": {"type": "list", "elements": "str"},
            "project": {"type": "str"},
            "secret_type": {"type": "str", "no_log": False},
            "data": {"type": "dict"},
            "labels": {"type": "dict"},
            "annotations": {"type": "dict"},
        },
    },
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    "service_accounts": {"type": "list", "elements": "str"},
    "labels": {"type": "dict"},
    "annotations": {"type": "dict"},
    "existing_secret_policy": {"type": "str", "choices": list(POLICIES), "default": POLICIES[0], "no_log": False},
    "force": {"type": "bool", "default": False},
}


def run(params: dict, check_mode: bool, diff_mode: bool) -> dict:
    """Write the pull secret into every namespace, or say what stands where there is no token to write.

    params are validated options. Returns the result of the task (see RETURN of the module).
    """
    now = datetime.now(timezone.utc)
    try:
        request = Request.of_options(params)
        errors = list(map(LoginError.from_options, params["authorization_errors"] or []))
        available = AvailableLogins.of(request, living_from_options(params["authorizations"] or [], now), errors, now)
    except ValueError as invalid:
        done = ReconcileResult(error=ErrorResult(reasons.INVALID_OPTION, str(invalid)))
        return task_result(params["secret_name"], done, diff_mode=diff_mode)
    try:
        done = reconcile(connect(params), request, available, now, dry_run=check_mode)
    except KubernetesError as error:
        done = ReconcileResult(error=ErrorResult(error.reason, str(error)))
    return task_result(params["secret_name"], done, diff_mode=diff_mode)


FEATURE = Feature(
    argument_spec=ARGUMENT_SPEC,
    libraries=("kubernetes",),
    run=run,
)
