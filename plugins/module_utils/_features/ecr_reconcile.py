# Copyright: kube_ecr.secrets contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""ecr_reconcile: its options, and what the task returns. How resources are served is in _serving."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeVar

from .._aws.session import Calls
from .._cluster.client import connect
from .._contract import reasons
from .._contract.item import ABSENT, PRESENT, Item
from .._inventory.identities import Settings
from .._inventory.login_order import LoginOrder
from .._serving.serving import Mode, Progress, Serving

# How many of the resources that failed a message names: the result lists all.
FAILURES_SHOWN = 5
# How much of what there is to know of resources Ansible warns of.
WARNINGS_SHOWN = 5
# What the result of a resource has that belongs to the task as a whole.
_OF_THE_TASK = ("diff", "warnings")
LIBRARIES = ("boto3", "kubernetes")

T = TypeVar("T")

# The variables of a host that stand for options which are not given. They are taken as they are: Ansible would look for
# templates in each text of each resource, and there are none.
VARIABLES = {
    "resources": "pull_secrets",
    "logins": "aws_logins",
    "connection": "kubernetes_connection",
    "endpoint_url": "aws_endpoint_url",
    "allowed_aws_identities": "allowed_aws_identities",
}
ARGUMENT_SPEC = {
    "resources": {"type": "list", "elements": "dict"},
    "logins": {"type": "list", "elements": "dict"},
    "connection": {"type": "dict"},
    "endpoint_url": {"type": "str"},
    "allowed_aws_identities": {"type": "list", "elements": "str"},
    "state": {"type": "str", "choices": [PRESENT, ABSENT]},
}


def begin(options: Mapping[str, Any], variables: Mapping[str, Any], mode: Mode) -> Serving:
    """Begin to serve the resources that validated options name, or else the variables of the host.

    Raises ValueError or KubernetesError if it cannot.
    """
    given = {name: _given(options[name], variables.get(variable)) for name, variable in VARIABLES.items()}
    if given["resources"] is None:
        raise ValueError(f"resources: is missing, and the host has no variable {VARIABLES['resources']}")
    items = _parsed("resources", given["resources"], Item.from_dict)
    orders = _parsed("logins", given["logins"] or [], LoginOrder.from_dict)
    if options["state"]:
        # Nobody looked which service accounts they have: the reconciler does.
        items = [
            replace(item, state=options["state"], observed=replace(item.observed, accounts=None, contested=()))
            for item in items
        ]
    settings = Settings(tuple(given["allowed_aws_identities"] or ()), given["endpoint_url"])
    serving = Serving(connect(dict(given["connection"] or {})), items, orders, settings, mode)
    serving.start()
    return serving


def _given(option: Any, variable: Any) -> Any:
    return variable if option is None else option


def result(progress: Progress, calls: Calls) -> dict:
    """Return the result of the task, see RETURN of the module: what is new, and all at the end."""
    shown = new_in(progress) if progress.unfinished else progress.results
    failed = [served for served in shown if served["failed"]]
    diffs = [diff for served in shown for diff in served.get("diff", ())]
    warnings = _warnings(shown)
    return {
        "changed": any(served["changed"] for served in shown),
        "failed": bool(failed),
        "msg": _message(shown, failed),
        "resources": [{name: served[name] for name in served if name not in _OF_THE_TASK} for served in shown],
        "unfinished": progress.unfinished,
        "calls": calls.as_list(),
        **({"diff": diffs} if diffs else {}),
        **({"warnings": warnings} if warnings else {}),
    }


def new_in(progress: Progress) -> Sequence[dict]:
    """Return the results that were not told before."""
    return progress.results[len(progress.results) - progress.new :]


def _parsed(option: str, entries: Sequence[Mapping], parse: Callable[[Mapping], T]) -> list[T]:
    """Return what the entries of an option stand for. Raises ValueError if the inventory did not make them."""
    try:
        return list(map(parse, entries))
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise ValueError(
            f"{option}: is not the variable {VARIABLES[option]} of a host, as the inventory plugin "
            f"kube_ecr.secrets.pull_secrets makes it ({type(error).__name__}: {error})"
        ) from None


def _warnings(shown: Iterable[Mapping[str, Any]]) -> list[str]:
    """Return what Ansible is to warn of; of what the inventory found, the inventory has warned."""
    told = ((served["resource"]["reference"], served["resource"].get("warning")) for served in shown)
    texts = [f"{name}: {found['msg']}" for name, found in told if found and found["reason"] == reasons.SHORT_TOKEN_LIFE]
    texts += [f"{served['resource']['reference']}: {text}" for served in shown for text in served.get("warnings", ())]
    more = [f"and {len(texts) - WARNINGS_SHOWN} more"] if len(texts) > WARNINGS_SHOWN else []
    return texts[:WARNINGS_SHOWN] + more


def _message(shown: Sequence[Mapping[str, Any]], failed: Sequence[Mapping[str, Any]]) -> str:
    """Return what became of the resources, in a line: which failed and why, or how many were served."""
    if not failed:
        return f"{len(shown)} resources"
    named = [f"{served['resource']['reference']}: {served['msg']}" for served in failed[:FAILURES_SHOWN]]
    more = [f"and {len(failed) - FAILURES_SHOWN} more"] if len(failed) > FAILURES_SHOWN else []
    return f"{len(failed)} of {len(shown)} resources failed: " + "; ".join([*named, *more])
