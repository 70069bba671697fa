# Copyright: kube_ecr.secrets contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""ecr_pull_secret: the function that the module and its action plugin share.

What is asked for is in _reconcile.request, and how it is brought about in _reconcile.reconciler. Here are the options,
and what the task returns.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from datetime import datetime, timezone

from ansible_collections.kubernetes.core.plugins.module_utils.args_common import AUTH_ARG_SPEC

from .._cluster.client import connect
from .._cluster.errors import KubernetesError
from .._contract import reasons
from .._contract.item import Item
from .._contract.kinds import POLICIES
from .._contract.result import FAILED, ErrorResult, ItemResult
from .._reconcile.outcomes import NamespaceOutcome, ObjectOutcome
from .._reconcile.reconciler import ReconcileResult, reconcile
from .._reconcile.request import AvailableLogins, Request
from .._secret import docker_config
from .runtime import Feature

# How many of the failures a message names: the result lists all.
MESSAGES_SHOWN = 5

ARGUMENT_SPEC = {
    **AUTH_ARG_SPEC,
    "authorizations": {
        "type": "list",
        "elements": "dict",
        "options": {
            "registry": {"type": "str", "required": True},
            "username": {"type": "str", "default": "AWS"},
            "password": {"type": "str", "required": True, "no_log": True},
            "expires_at": {"type": "str", "required": True},
            "requested": {"type": "str"},
        },
    },
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
    "secret_name": {"type": "str", "no_log": False},
    "namespaces": {"type": "list", "elements": "str"},
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    "service_accounts": {"type": "list", "elements": "str"},
    "labels": {"type": "dict"},
    "annotations": {"type": "dict"},
    "existing_secret_policy": {"type": "str", "choices": list(POLICIES), "default": POLICIES[0], "no_log": False},
    "force": {"type": "bool", "default": False},
    "resource": {"type": "dict"},
}
# What an item says, so that options beside it would be ignored.
_OF_ITEM = (
    "secret_name",
    "namespaces",
    "state",
    "service_accounts",
    "labels",
    "annotations",
    "existing_secret_policy",
    "force",
)
RULES = {
    "mutually_exclusive": [("resource", option) for option in _OF_ITEM],
    "required_one_of": [("secret_name", "resource")],
    "required_together": [("secret_name", "namespaces")],
}


def run(params: dict, check_mode: bool, diff_mode: bool) -> dict:
    """Write the pull secret into every namespace, or say what stands where there is no token to write.

    params are validated options. Returns the result of the task (see RETURN of the module).
    """
    now = datetime.now(timezone.utc)
    name = params["secret_name"] or (params["resource"] or {}).get("secret_name", "")
    try:
        request = Request.of_item(_item(params["resource"])) if params["resource"] else Request.of_options(params)
        available = AvailableLogins.of(params, request, now)
    except ValueError as invalid:
        return _result(name, ReconcileResult(error=ErrorResult(reasons.INVALID_OPTION, str(invalid))), diff_mode)
    try:
        done = reconcile(connect(_connection(params)), request, available, now, dry_run=check_mode)
    except KubernetesError as error:
        done = ReconcileResult(error=ErrorResult(error.reason, str(error)))
    return _result(name, done, diff_mode)


def _item(resource: dict) -> Item:
    """Return the item in the option resource. Raises ValueError if it is none."""
    try:
        return Item.from_dict(resource)
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(
            "resource: is not an item of the variable pull_secrets, as the inventory plugin "
            f"kube_ecr.secrets.pull_secrets makes it ({type(error).__name__}: {error})"
        ) from None


def _connection(params: dict) -> dict:
    """Return the options of the connection: those of a resource, whose item spares the playbook to name them."""
    return {**params, **(params["resource"] or {}).get("connection", {})}


def _result(name: str, done: ReconcileResult, diff_mode: bool) -> dict:
    """Return the result of the task."""
    failures = [outcome for outcome in done.all if outcome.state == FAILED]
    item_result = ItemResult(
        secret_name=name,
        registries=tuple(docker_config.hosts_in(done.logins.config)) if done.logins else (),
        namespaces=done.namespaces,
        service_accounts=done.service_accounts,
        removed=done.removed,
        expires_at=_earliest(outcome.expires_at for outcome in done.namespaces),
        renew_after=_earliest(outcome.renew_after for outcome in done.namespaces),
        issued_at=_earliest(outcome.issued_at for outcome in done.namespaces),
        error=done.error,
    )
    result = {
        "changed": any(outcome.after is not None for outcome in done.all),
        "failed": bool(done.error or failures),
        "msg": _message(name, done, failures),
        **item_result.as_dict(),
    }
    if diff_mode:
        result["diff"] = _diffs(name, done)
    return result


def _earliest(times: Iterable[datetime | None]) -> datetime | None:
    return min(filter(None, times), default=None)


def _message(name: str, done: ReconcileResult, failures: list[NamespaceOutcome | ObjectOutcome]) -> str:
    """Return what became of a request, in a line: why it failed, or how much was done."""
    if done.error:
        return done.error.message
    if failures:
        return "; ".join(f"{failure.namespace}: {failure.message}" for failure in failures[:MESSAGES_SHOWN])
    counts = Counter(outcome.state for outcome in done.namespaces)
    parts = [f"{count} {state}" for state, count in sorted(counts.items())]
    parts += [f"{len(done.removed)} removed"] if done.removed else []
    parts += [f"{len(done.service_accounts)} service accounts"] if done.service_accounts else []
    return f"pull secret {name}: " + (", ".join(parts) or "nothing to do")


def _diffs(name: str, done: ReconcileResult) -> list[dict]:
    """Return what changed, object by object, as Ansible shows it with --diff."""
    return [
        *(_diff(f"{outcome.namespace}/{name}", outcome) for outcome in done.namespaces if outcome.after),
        *(_diff(str(outcome), outcome) for outcome in done.objects if outcome.after is not None),
    ]


def _diff(header: str, outcome: NamespaceOutcome | ObjectOutcome) -> dict:
    return {
        "before": outcome.before or {},
        "after": outcome.after,
        "before_header": header,
        "after_header": header,
    }


FEATURE = Feature(
    argument_spec=ARGUMENT_SPEC,
    libraries=("kubernetes",),
    run=run,
    rules=RULES,
)
