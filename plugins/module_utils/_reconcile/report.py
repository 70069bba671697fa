# Copyright: kube_ecr.secrets contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a task returns of what became of a pull secret: its result, a message for a person, and diffs. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from datetime import datetime, timedelta

from .._contract import reasons
from .._contract.result import FAILED, UNCHANGED, ErrorResult, ItemResult
from .._contract.timestamps import format_time
from .._contract.token_life import USUAL_TOKEN_LIFE, longest_interval
from .._secret import docker_config
from .outcomes import NamespaceOutcome, ObjectOutcome
from .reconciler import ReconcileResult

# How many of the failures, or of the warnings, a message names: the result lists all.
MESSAGES_SHOWN = 5


def task_result(name: str, done: ReconcileResult, *, diff_mode: bool) -> dict:
    """Return the result of a task, see RETURN of ecr_pull_secret; name is that of the Secret."""
    failures = [outcome for outcome in done.all if outcome.state == FAILED]
    item_result = ItemResult(
        secret_name=name,
        registries=tuple(docker_config.hosts_in(done.logins.config)) if done.logins else (),
        namespaces=done.namespaces,
        outputs=done.outputs,
        service_accounts=done.service_accounts,
        removed=done.removed,
        expires_at=_earliest(outcome.expires_at for outcome in done.secrets),
        renew_after=_earliest(outcome.renew_after for outcome in done.secrets),
        issued_at=_earliest(outcome.issued_at for outcome in done.secrets),
        error=done.error,
    )
    result = {
        "changed": any(outcome.after is not None for outcome in done.all),
        "failed": bool(done.error or failures),
        "msg": _message(name, done, failures),
        **item_result.as_dict(),
    }
    warnings = _shadowed(done)[:MESSAGES_SHOWN]
    if warnings:
        result["warnings"] = warnings
    if diff_mode:
        result["diff"] = _diffs(name, done)
    return result


def short_life(done: ReconcileResult) -> ErrorResult | None:
    """Return a warning if a token lives so short that the next pass on a usual schedule may find it dead."""
    lives = [
        (outcome.expires_at - outcome.issued_at, outcome.expires_at)
        for outcome in done.secrets
        if outcome.expires_at and outcome.issued_at
    ]
    life, expires_at = min(lives, default=(USUAL_TOKEN_LIFE, None))
    if expires_at is None or life >= USUAL_TOKEN_LIFE:
        return None
    return ErrorResult(
        reasons.SHORT_TOKEN_LIFE,
        f"the token lives {_in_words(life)}, until {format_time(expires_at)}, since the session of its AWS identity "
        f"is so short; start passes at most {_in_words(longest_interval(life))} apart, use an identity whose session "
        "lasts 12 hours, or let kube-ecr-runner keep running",
    )


def _in_words(time: timedelta) -> str:
    minutes, seconds = divmod(int(time.total_seconds()), 60)
    return f"{minutes} minutes" if minutes > 1 else f"{60 * minutes + seconds} seconds"


def _earliest(times: Iterable[datetime | None]) -> datetime | None:
    return min(filter(None, times), default=None)


def _message(name: str, done: ReconcileResult, failures: list[NamespaceOutcome | ObjectOutcome]) -> str:
    """Return what became of a request, in a line: why it failed, or how much was done and what to know of it."""
    if done.error:
        return done.error.message
    if failures:
        return "; ".join(f"{failure.namespace}: {failure.message}" for failure in failures[:MESSAGES_SHOWN])
    counts = Counter(outcome.state for outcome in done.secrets)
    parts = [f"{count} {state}" for state, count in sorted(counts.items())]
    parts += [f"{len(done.removed)} removed"] if done.removed else []
    accounts = [account for account in done.service_accounts if account.state != UNCHANGED]
    parts += [f"{len(accounts)} service accounts"] if accounts else []
    return "; ".join([f"pull secret {name}: " + (", ".join(parts) or "nothing to do"), *_warnings(done)])


def _warnings(done: ReconcileResult) -> list[str]:
    """Return what is to be known of what did not fail."""
    contested = (account for account in done.service_accounts if account.reason == reasons.SERVICE_ACCOUNT_CONTESTED)
    return [*_shadowed(done), *(account.message for account in contested)][:MESSAGES_SHOWN]


def _shadowed(done: ReconcileResult) -> list[str]:
    return [namespace.message for namespace in done.namespaces if namespace.reason == reasons.LOGIN_SHADOWED]


def _counted(outcomes: Iterable[NamespaceOutcome]) -> list[str]:
    counts = Counter(outcome.state for outcome in outcomes)
    return [f"{count} {state}" for state, count in sorted(counts.items())]


def _diffs(name: str, done: ReconcileResult) -> list[dict]:
    """Return what changed, object by object, as Ansible shows it with --diff."""
    return [
        *(_diff(f"{outcome.namespace}/{outcome.name or name}", outcome) for outcome in done.secrets if outcome.after),
        *(_diff(str(outcome), outcome) for outcome in done.objects if outcome.after is not None),
    ]


def _diff(header: str, outcome: NamespaceOutcome | ObjectOutcome) -> dict:
    return {
        "before": outcome.before or {},
        "after": outcome.after,
        "before_header": header,
        "after_header": header,
    }
