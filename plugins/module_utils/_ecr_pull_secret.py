# Copyright: kube_ecr.secrets contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""ecr_pull_secret: the function that the module and its action plugin share.

Every namespace is served on its own and in parallel; what happens in one changes nothing for another. A
Secret is only ever replaced by one that holds a living token.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone

from ansible_collections.kubernetes.core.plugins.module_utils.args_common import AUTH_ARG_SPEC

from ansible_collections.kube_ecr.secrets.plugins.module_utils import _docker_config, _pull_secret
from ansible_collections.kube_ecr.secrets.plugins.module_utils._authorizations import (
    Authorization,
    from_options,
)
from ansible_collections.kube_ecr.secrets.plugins.module_utils._kube import (
    Cluster,
    KubernetesError,
    connect,
)
from ansible_collections.kube_ecr.secrets.plugins.module_utils._module import Feature
from ansible_collections.kube_ecr.secrets.plugins.module_utils._pull_secret import Owner, Wanted
from ansible_collections.kube_ecr.secrets.plugins.module_utils._resources import (
    check_namespaces,
    check_secret_name,
)
from ansible_collections.kube_ecr.secrets.plugins.module_utils._timestamps import format_rfc3339

PARALLEL = 16
CONFLICT_ATTEMPTS = 4

ARGUMENT_SPEC = {
    **AUTH_ARG_SPEC,
    "authorizations": {
        "type": "list",
        "elements": "dict",
        "required": True,
        "options": {
            "registry": {"type": "str", "required": True},
            "username": {"type": "str", "default": "AWS"},
            "password": {"type": "str", "required": True, "no_log": True},
            "expires_at": {"type": "str", "required": True},
            "requested": {"type": "str"},
        },
    },
    "registries": {"type": "list", "elements": "str"},
    "identity": {"type": "str"},
    # Not a secret: masking the name would blot it out wherever it occurs in a result.
    "secret_name": {"type": "str", "required": True, "no_log": False},
    "namespaces": {"type": "list", "elements": "str", "required": True},
    "owner": {
        "type": "dict",
        "options": {
            "api_version": {"type": "str", "required": True},
            "kind": {"type": "str", "required": True},
            "namespace": {"type": "str", "default": ""},
            "name": {"type": "str", "required": True},
            "uid": {"type": "str", "required": True},
            "generation": {"type": "int", "default": 0},
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
    "force": {"type": "bool", "default": False},
}


@dataclass(frozen=True)
class Outcome:
    """What became of one namespace; before and after are what a diff may show, None where there is nothing."""

    namespace: str
    state: str
    reason: str = ""
    message: str = ""
    expires_at: datetime | None = None
    before: dict | None = field(default=None, compare=False)
    after: dict | None = field(default=None, compare=False)

    def as_dict(self) -> dict:
        """Return the form in which a result lists it."""
        return {
            "namespace": self.namespace,
            "state": self.state,
            "reason": self.reason,
            "msg": self.message,
            "expires_at": format_rfc3339(self.expires_at) if self.expires_at else None,
        }


def run(params: dict, check_mode: bool, diff_mode: bool) -> dict:
    """Write the pull secret into every namespace, or say what stands where there is no token to write.

    params are validated options. Returns the result of the task (see RETURN of the module).
    """
    now = datetime.now(timezone.utc)
    owner = Owner(**params["owner"]) if params["owner"] else None
    try:
        supply = Supply.of(params, now)
        name, namespaces = _targets(params, owner, tolerant=not supply.authorizations)
    except ValueError as invalid:
        return _result(params, [], {"reason": "InvalidOption", "msg": str(invalid)})
    wanted = (
        Wanted.of(name, supply.authorizations, owner, params["identity"], supply.lacking)
        if supply.authorizations
        else None
    )
    try:
        outcomes = _visit(params, wanted, name, namespaces, owner, supply.error, now, check_mode)
    except KubernetesError as unreachable:
        return _result(params, [], {"reason": unreachable.reason, "msg": str(unreachable)})
    result = _result(params, outcomes, supply.error)
    if wanted:
        result["token_life"] = int((wanted.renewed_until - now).total_seconds())
        result["registries"] = _docker_config.registries(wanted.config)
    if diff_mode:
        result["diff"] = [_diff(each, name) for each in outcomes if each.after]
    return result


@dataclass(frozen=True)
class Supply:
    """What there is to write, and what there is not: entries (see _registries) that no login was had for."""

    authorizations: list[Authorization]
    lacking: tuple[str, ...]
    error: dict | None

    @classmethod
    def of(cls, params: dict, now: datetime) -> Supply:
        """Return what the options hold of the registries that are wanted. Raises ValueError."""
        errors = params["authorization_errors"] or []
        for_all = next((each for each in errors if not each["requested"]), None)
        if for_all:
            return cls([], (), _error(for_all))
        given = _authorizations(params["authorizations"], now)
        entries = params["registries"] or dict.fromkeys(
            [*(each.requested for each in given), *(each["requested"] for each in errors)]
        )
        chosen = [each for each in given if each.requested in entries]
        refused = [each for each in errors if each["requested"] in entries]
        known = {each.requested for each in chosen}.union(each["requested"] for each in refused)
        missing = [entry for entry in entries if entry not in known]
        if missing or not entries:
            what = f"hold no login for {missing[0]}" if missing else "the list is empty, so there is nothing to write"
            raise ValueError(f"authorizations: {what}")
        return cls(chosen, tuple(each["requested"] for each in refused), _error(refused[0]) if refused else None)


def _error(option: dict) -> dict:
    return {"reason": option["reason"], "msg": option["msg"]}


def _targets(params: dict, owner: Owner | None, *, tolerant: bool) -> tuple[str, list[str]]:
    """Return name and namespaces; with tolerant an empty one is taken, as an invalid resource has it."""
    name, namespaces = params["secret_name"], params["namespaces"]
    if not (tolerant and not name):
        name = check_secret_name(name)
    if not (tolerant and not namespaces):
        namespaces = check_namespaces(namespaces)
    foreign = [each for each in namespaces if owner and owner.namespace and each != owner.namespace]
    if foreign:
        raise ValueError(
            f"namespaces: {owner} cannot own a Secret in namespace {foreign[0]}: Kubernetes deletes objects whose "
            "owner is in another namespace"
        )
    return name, namespaces if name else []


def _authorizations(options: list[dict], now: datetime) -> list[Authorization]:
    authorizations = [from_options(each) for each in options]
    for each in authorizations:
        if each.expires_at <= now:
            raise ValueError(f"authorizations: the token for {each.registry} expired at {each.expires_at}")
    return authorizations


def _visit(
    params: dict,
    wanted: Wanted | None,
    name: str,
    namespaces: list[str],
    owner: Owner | None,
    error: dict | None,
    now: datetime,
    check_mode: bool,
) -> list[Outcome]:
    if not namespaces:
        return []
    cluster = connect(_auth(params))

    def visit(namespace: str) -> Outcome:
        try:
            if wanted is None:
                return _inspect(cluster, name, namespace, owner, error or {}, now)
            return _serve(cluster, wanted, namespace, error, now, force=params["force"], dry_run=check_mode)
        except KubernetesError as refusal:
            return _failed(namespace, refusal)

    with ThreadPoolExecutor(min(PARALLEL, len(namespaces))) as pool:
        return list(pool.map(visit, namespaces))


def _auth(params: dict) -> dict:
    return {option: params[option] for option in AUTH_ARG_SPEC if params.get(option) is not None}


def _serve(
    cluster: Cluster,
    wanted: Wanted,
    namespace: str,
    error: dict | None,
    now: datetime,
    *,
    force: bool,
    dry_run: bool,
) -> Outcome:
    """Bring one namespace to what is wanted; a conflict means that somebody was faster, so look again."""
    for attempt in range(CONFLICT_ATTEMPTS):
        current = cluster.read_object("Secret", namespace, wanted.name)
        target = wanted
        if current is not None:
            blocked = _pull_secret.obstacle(current, wanted.owner)
            if blocked:
                return Outcome(namespace, "failed", *blocked, _ours_until(current, wanted.owner, now))
            target = wanted.keeping(current, now)
            if not force and target.is_served_by(current, now):
                unchanged = Outcome(namespace, "unchanged", expires_at=_pull_secret.valid_until(current, now))
                return _judged(unchanged, target, error)
        try:
            return _judged(_write(cluster, target, namespace, current, now, dry_run=dry_run), target, error)
        except KubernetesError as refusal:
            if refusal.status != 409 or attempt == CONFLICT_ATTEMPTS - 1:
                return _failed(namespace, refusal, current and _pull_secret.valid_until(current, now))
    raise AssertionError("unreachable")


def _judged(outcome: Outcome, target: Wanted, error: dict | None) -> Outcome:
    """A Secret that lacks a login has failed, however good the others in it are."""
    if not (target.lacking and error):
        return outcome
    return replace(outcome, state="failed", reason=error["reason"], message=error["msg"], expires_at=None)


def _write(
    cluster: Cluster, wanted: Wanted, namespace: str, current: dict | None, now: datetime, *, dry_run: bool
) -> Outcome:
    """Create without force, so that a Secret which appeared since is not overwritten; update what was read."""
    version = current["metadata"]["resourceVersion"] if current else None
    cluster.apply_secret(wanted.manifest(namespace, version), force=current is not None, dry_run=dry_run)
    return Outcome(
        namespace,
        "updated" if current else "created",
        expires_at=wanted.expires_at,
        before=_pull_secret.describe(_pull_secret.content(current), _pull_secret.valid_until(current, now))
        if current
        else None,
        after=_pull_secret.describe(wanted.config, wanted.expires_at),
    )


def _inspect(cluster: Cluster, name: str, namespace: str, owner: Owner | None, error: dict, now: datetime) -> Outcome:
    """Without a token nothing is written; say whether the namespace can still pull, or is waited for."""
    current = cluster.read_object("Secret", namespace, name)
    until = _ours_until(current, owner, now)
    if until:
        return Outcome(namespace, "unchanged", expires_at=until)
    refused = current is None and _try_out(cluster, name, namespace)
    if refused and refused.state == "pending":
        return refused
    return Outcome(namespace, "failed", error["reason"], error["msg"])


def _try_out(cluster: Cluster, name: str, namespace: str) -> Outcome | None:
    """Return how a Secret would be refused, None if it would not: this needs no right to read namespaces."""
    try:
        cluster.apply_secret(_pull_secret.empty(name, namespace), force=False, dry_run=True)
    except KubernetesError as error:
        return _failed(namespace, error)
    return None


def _ours_until(secret: dict | None, owner: Owner | None, now: datetime) -> datetime | None:
    """A foreign Secret of the name does not count as served, whatever is in it."""
    blocked = secret and _pull_secret.obstacle(secret, owner)
    if secret is None or (blocked and blocked[0] == "SecretConflict"):
        return None
    return _pull_secret.valid_until(secret, now)


def _failed(namespace: str, error: KubernetesError, valid_until: datetime | None = None) -> Outcome:
    """Word a refusal. A namespace that is not there, or is on its way out, is waited for: that is no failure."""
    if error.status == 404:
        return Outcome(namespace, "pending", "NamespaceNotFound", f"namespace {namespace} does not exist yet")
    # https://github.com/kubernetes/kubernetes: plugin/pkg/admission/namespace/lifecycle
    if error.status == 403 and "because it is being terminated" in error.text:
        return Outcome(namespace, "pending", "NamespaceTerminating", f"namespace {namespace} is being deleted")
    return Outcome(namespace, "failed", error.reason, str(error), valid_until)


def _result(params: dict, outcomes: list[Outcome], error: dict | None) -> dict:
    failures = [each for each in outcomes if each.state == "failed"]
    expiries = [each.expires_at for each in outcomes if each.expires_at]
    return {
        "changed": any(each.after for each in outcomes),
        "failed": bool(error or failures),
        "msg": _message(params["secret_name"], outcomes, failures, error),
        "secret_name": params["secret_name"],
        "registries": [],
        "namespaces": [each.as_dict() for each in outcomes],
        "expires_at": format_rfc3339(min(expiries)) if expiries else None,
        "token_life": None,
        "error": error,
    }


def _message(name: str, outcomes: list[Outcome], failures: list[Outcome], error: dict | None) -> str:
    if error:
        return error["msg"]
    if failures:
        return "; ".join(f"{each.namespace}: {each.message}" for each in failures[:5])
    counts: dict[str, int] = {}
    for each in outcomes:
        counts[each.state] = counts.get(each.state, 0) + 1
    return f"pull secret {name}: " + ", ".join(f"{count} {state}" for state, count in sorted(counts.items()))


def _diff(outcome: Outcome, name: str) -> dict:
    header = f"{outcome.namespace}/{name}"
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
)
