# Copyright: kube_ecr.secrets contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""ecr_pull_secret: the function that the module and its action plugin share.

What is to be done is in request, how one namespace is served in own_secret and merged_secret, what is taken away in
prune, and service accounts are in service_accounts. Here is the order: first the finalizer that an undo will need, then
Secrets, then the service accounts that are to use them, then what is no longer wanted, and the finalizer again when
nothing is left to undo.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import datetime, timezone

from ansible_collections.kubernetes.core.plugins.module_utils.args_common import AUTH_ARG_SPEC

from .._cluster.client import Cluster, KubernetesError, connect
from .._contract.item import Item
from .._contract.kinds import FINALIZER, POLICIES
from .._contract.timestamps import format_time
from .._reconcile.decision import needs_source
from .._reconcile.merged_secret import MergedSecretWriter
from .._reconcile.outcomes import NamespaceOutcome, ObjectOutcome
from .._reconcile.own_secret import OwnSecretWriter
from .._reconcile.prune import Pruner
from .._reconcile.removal import places_to_prune
from .._reconcile.request import AvailableLogins, Request
from .._reconcile.service_accounts import ServiceAccountSync
from .._reconcile.target_state import logins_in
from .._secret import docker_config
from .._secret.logins import Logins
from .runtime import Feature

PARALLEL = 16

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
RULES = {
    "mutually_exclusive": [("resource", "secret_name"), ("resource", "namespaces")],
    "required_one_of": [("secret_name", "resource")],
    "required_together": [("secret_name", "namespaces")],
}


@dataclass(frozen=True)
class ReconcileResult:
    """All that became of a request; error says why nothing could be written anywhere, or a login is missing."""

    outcomes: tuple[NamespaceOutcome, ...] = ()
    accounts: tuple[ObjectOutcome, ...] = ()
    removed: tuple[ObjectOutcome, ...] = ()
    error: dict | None = None
    logins: Logins | None = None

    @property
    def steps(self) -> tuple[ObjectOutcome, ...]:
        """All that was done besides the Secrets of targets."""
        return (*self.accounts, *self.removed)


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
        return _result(name, ReconcileResult(error={"reason": "InvalidOption", "msg": str(invalid)}), diff_mode)
    try:
        done = _carry_out(connect(_connection(params)), request, available, now, check_mode)
    except KubernetesError as error:
        done = ReconcileResult(error={"reason": error.reason, "msg": str(error)})
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


def _carry_out(
    cluster: Cluster, request: Request, available: AvailableLogins, now: datetime, dry_run: bool
) -> ReconcileResult:
    owner = request.desired.owner
    if request.needs_finalizer and not request.has_finalizer and request.namespaces and not dry_run:
        cluster.set_finalizer(owner.as_dict(), FINALIZER, is_wanted=True)
    available = replace(available, source=_source(cluster, request, available, now))
    writer = MergedSecretWriter if request.is_merge else OwnSecretWriter
    serving = writer(cluster, request, available, now, dry_run)
    outcomes = [] if request.is_absent else _side_by_side(serving.serve, request.namespaces or ())
    served = frozenset(each.namespace for each in outcomes if each.expires_at)
    accounts = _attach(ServiceAccountSync(cluster, request, served, dry_run))
    cleared = places_to_prune(request, outcomes)
    removed = _side_by_side(Pruner(cluster, request, dry_run).clear, cleared)
    done = ReconcileResult(
        tuple(outcomes),
        tuple(accounts),
        tuple(filter(None, removed)),
        available.error,
        available.granted or available.source,
    )
    is_undone = not any(each.state == "failed" for each in done.steps)
    # Where the Secret of a new name cannot be written, our part in that of the old one stays for now.
    is_left = any(held.is_shared and place not in cleared for place, held in (request.known or {}).items())
    is_finished = request.is_understood and is_undone and not is_left and not request.needs_finalizer
    if request.has_finalizer and is_finished and not dry_run:
        cluster.set_finalizer(owner.as_dict(), FINALIZER, is_wanted=False)
    return done


def _source(cluster: Cluster, request: Request, available: AvailableLogins, now: datetime) -> Logins | None:
    """Return the logins of another Secret of the resource, where some target needs them. Raises KubernetesError."""
    place = request.source_secret
    if place is None or not needs_source(request, available, now):
        return None
    secret = cluster.read_object("Secret", place.namespace, place.name)
    is_shared = (request.known or {})[place].is_shared
    return logins_in(request, secret, now, is_shared=is_shared) if secret else None


def _attach(attaching: ServiceAccountSync) -> list[ObjectOutcome]:
    request = attaching.request
    found = request.accounts
    if not request.is_understood or (found is None and not (request.service_accounts or request.has_finalizer)):
        return []
    refused: list[ObjectOutcome] = []
    if found is None and request.is_absent:
        found = attaching.marked_accounts()
    if found is None:
        listed = _side_by_side(attaching.accounts_in, request.namespaces or ())
        refused = [each for each in listed if isinstance(each, ObjectOutcome)]
        found = [place for each in listed if not isinstance(each, ObjectOutcome) for place in each]
    return [*refused, *filter(None, _side_by_side(attaching.attach, found))]


def _side_by_side(work: Callable, items: Iterable) -> list:
    items = list(items)
    if len(items) < 2:
        return [work(each) for each in items]
    with ThreadPoolExecutor(min(PARALLEL, len(items))) as pool:
        return list(pool.map(work, items))


def _result(name: str, done: ReconcileResult, diff_mode: bool) -> dict:
    failures = [each for each in (*done.outcomes, *done.steps) if each.state == "failed"]
    result = {
        "changed": any(each.after is not None for each in (*done.outcomes, *done.steps)),
        "failed": bool(done.error or failures),
        "msg": _message(name, done, failures),
        "secret_name": name,
        "registries": docker_config.hosts_in(done.logins.config) if done.logins else [],
        "namespaces": [each.as_dict() for each in done.outcomes],
        "service_accounts": [each.as_dict() for each in done.accounts],
        "removed": [each.as_dict() for each in done.removed],
        "expires_at": _earliest(each.expires_at for each in done.outcomes),
        "renew_after": _earliest(each.renew_after for each in done.outcomes),
        "issued_at": _earliest(each.issued_at for each in done.outcomes),
        "error": done.error,
    }
    if diff_mode:
        result["diff"] = [
            *(_diff(f"{each.namespace}/{name}", each) for each in done.outcomes if each.after),
            *(_diff(f"{each.namespace}/{each.name}", each) for each in done.steps if each.after is not None),
        ]
    return result


def _earliest(moments: Iterable[datetime | None]) -> str | None:
    first = min(filter(None, moments), default=None)
    return format_time(first) if first else None


def _message(name: str, done: ReconcileResult, failures: list[NamespaceOutcome | ObjectOutcome]) -> str:
    if done.error:
        return done.error["msg"]
    if failures:
        return "; ".join(f"{each.namespace}: {each.message}" for each in failures[:5])
    counts: dict[str, int] = {}
    for each in done.outcomes:
        counts[each.state] = counts.get(each.state, 0) + 1
    told = [f"{count} {state}" for state, count in sorted(counts.items())]
    told += [f"{len(done.removed)} removed"] if done.removed else []
    told += [f"{len(done.accounts)} service accounts"] if done.accounts else []
    return f"pull secret {name}: " + (", ".join(told) or "nothing to do")


def _diff(header: str, done: NamespaceOutcome | ObjectOutcome) -> dict:
    return {"before": done.before or {}, "after": done.after, "before_header": header, "after_header": header}


FEATURE = Feature(
    argument_spec=ARGUMENT_SPEC,
    libraries=("kubernetes",),
    run=run,
    rules=RULES,
)
