"""What an operator of operator-sdk is told by options and variables: what stands in their place here. Pure.

https://sdk.operatorframework.io/docs/building-operators/ansible/reference/advanced_options/
"""

from __future__ import annotations

from collections.abc import Iterable

_METRICS = "--listen-address serves metrics and probes"
_OPTIONS = {
    "--watches-file": "use --watches",
    "--reconcile-period": "use reconcilePeriod in watches.yaml",
    "--max-concurrent-reconciles": "resources share a run; use --forks",
    "--inject-owner-ref": "pull secrets have an owner wherever Kubernetes allows one; remove it",
    "--ansible-roles-path": "set the variable ANSIBLE_ROLES_PATH",
    "--ansible-collections-path": "set the variable ANSIBLE_COLLECTIONS_PATH",
    "--ansible-log-events": "use --ansible-verbosity",
    "--metrics-addr": _METRICS,
    "--health-probe-bind-address": _METRICS,
    "--enable-leader-election": "use --leader-elect",
    "--leader-election-id": "use --lease NAMESPACE/NAME",
    "--leader-election-namespace": "use --lease NAMESPACE/NAME",
    "--leader-elect-resource-lock": "it is always a Lease; remove it",
    "--leader-elect-lease-duration": "the times of the Lease are fixed; remove it",
    "--leader-elect-renew-deadline": "the times of the Lease are fixed; remove it",
    "--graceful-shutdown-timeout": "a run that works has 20 s to end; remove it",
    "--proxy-port": "there is no proxy of the API server; remove it",
    "--enable-http2": "HTTP/2 is not served; remove it",
    "--zap-log-level": "use --log-level",
    "--zap-encoder": "use --log-format",
    "--zap-devel": "use --log-level and --log-format",
    "--zap-stacktrace-level": "use --log-level",
    "--zap-time-encoding": "times are always RFC 3339; remove it",
}
_WITHOUT_EFFECT = ("MAX_CONCURRENT_RECONCILES_", "WORKER_")


def replacement_of(option: str) -> str:
    """Return what to do instead of an option of operator-sdk; an empty text if it is none that differs here."""
    return _OPTIONS.get(option, "")


def without_effect(names: Iterable[str], group: str) -> list[str]:
    """Return which variables of operator-sdk, by kind of a group of custom resources, set nothing here."""
    ending = f"_{group}".replace(".", "_").upper()
    return sorted(name for name in names if name.startswith(_WITHOUT_EFFECT) and name.endswith(ending))
