"""Options and variables of an operator of operator-sdk, as they stand in a Deployment."""

from __future__ import annotations

import pytest

from kube_ecr_runner.config.sdk_settings import without_effect
from kube_ecr_runner.config.settings import SettingsError, load_settings


@pytest.mark.parametrize(
    ("option", "instead"),
    [
        ("--watches-file=./watches.yaml", "--watches-file: is an option of operator-sdk; use --watches"),
        ("--health-probe-bind-address=:6789", "--listen-address serves metrics and probes"),
        ("--leader-election-id=memcached-operator", "use --lease NAMESPACE/NAME"),
        ("--max-concurrent-reconciles", "resources share a run; use --forks"),
        ("--reconcile-period=1h", "use reconcilePeriod in watches.yaml"),
        ("--zap-log-level=debug", "use --log-level"),
        ("--nonsense", "No such option"),
    ],
)
def test_option_of_operator_sdk_is_refused_with_what_stands_in_its_place(option: str, instead: str) -> None:
    with pytest.raises(SettingsError) as refused:
        load_settings(["--watches", "w.yaml", "--leader-elect", option])
    assert instead in str(refused.value)


def test_variables_by_kind_that_set_nothing_are_named() -> None:
    names = ["WORKER_A_X_Y", "MAX_CONCURRENT_RECONCILES_A_X_Y", "WORKER_A_Z", "WORKER_NODES", "ANSIBLE_VERBOSITY_A_X_Y"]
    assert without_effect(names, "x.y") == ["MAX_CONCURRENT_RECONCILES_A_X_Y", "WORKER_A_X_Y"]
