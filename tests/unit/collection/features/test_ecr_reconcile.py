"""ecr_reconcile: what its result lists and says, and which option is named where it is not the inventory's."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from ansible_collections.kube_ecr.secrets.plugins.module_utils._aws.session import Calls
from ansible_collections.kube_ecr.secrets.plugins.module_utils._contract.item import (
    ContestedAccount,
    Item,
    NamespacedName,
    Observed,
)
from ansible_collections.kube_ecr.secrets.plugins.module_utils._features import ecr_reconcile
from ansible_collections.kube_ecr.secrets.plugins.module_utils._features.ecr_reconcile import begin, new_in, result
from ansible_collections.kube_ecr.secrets.plugins.module_utils._serving.serving import Mode, Progress
from tests.support.cluster.in_memory import InMemoryCluster
from tests.support.cluster.stored_secrets import OWNER
from tests.support.options import defaults

OPTIONS = defaults(ecr_reconcile.ARGUMENT_SPEC)
ITEM = Item(OWNER, "ClusterAWSECRImagePullSecret/ecr", secret_name="ecr-login", namespaces=("team-a",))


def served(name: str, *, failed: bool = False, changed: bool = False, **more: object) -> dict[str, Any]:
    """Return the result of a resource."""
    return {"resource": {"reference": name}, "failed": failed, "changed": changed, "msg": f"of {name}", **more}


def told(*results: dict[str, Any], new: int = 0, unfinished: int = 0) -> dict[str, Any]:
    return result(Progress(results, new, unfinished), Calls())


def names(shown: dict[str, Any]) -> list[str]:
    return [each["resource"]["reference"] for each in shown["resources"]]


def test_while_others_are_waited_for_what_is_new_is_told_and_at_the_end_all() -> None:
    a, b = served("a", failed=True), served("b", changed=True)
    meanwhile, end = told(a, b, new=1, unfinished=3), told(a, b, new=1)
    assert (names(meanwhile), meanwhile["unfinished"]) == (["b"], 3)
    assert (meanwhile["failed"], meanwhile["changed"]) == (False, True)
    assert (names(end), end["unfinished"]) == (["a", "b"], 0)
    assert (end["failed"], end["changed"]) == (True, True)


@pytest.mark.parametrize("new", [0, 1, 2])
def test_the_last_results_are_the_new_ones(new: int) -> None:
    assert list(new_in(Progress([1, 2], new, 0))) == [1, 2][2 - new :]  # type: ignore[list-item]


@pytest.mark.parametrize(
    ("failed", "message"),
    [
        (0, "8 resources"),
        (1, "1 of 8 resources failed: n0: of n0"),
        (5, f"5 of 8 resources failed: {'; '.join(f'n{number}: of n{number}' for number in range(5))}"),
        (7, f"7 of 8 resources failed: {'; '.join(f'n{number}: of n{number}' for number in range(5))}; and 2 more"),
    ],
)
def test_the_message_names_the_first_that_failed(failed: int, message: str) -> None:
    assert told(*(served(f"n{number}", failed=number < failed) for number in range(8)))["msg"] == message


def test_diffs_are_of_the_task_as_ansible_shows_them() -> None:
    first, second = {"before": 1}, {"before": 2}
    shown = told(served("a", diff=[first]), served("b"), served("c", diff=[second]))
    assert shown["diff"] == [first, second]
    assert all("diff" not in each for each in shown["resources"])
    assert "diff" not in told(served("a", diff=[]))


def test_ansible_warns_of_tokens_that_live_short_and_not_again_of_what_the_inventory_warned_of() -> None:
    def warned(name: str, reason: str) -> dict[str, Any]:
        return served(name) | {"resource": {"reference": name, "warning": {"reason": reason, "msg": "so short"}}}

    assert "warnings" not in told(served("a"), warned("b", "PodInjectionMissing"))
    some = told(*(warned(f"n{number}", "ShortTokenLife") for number in range(7)))
    assert some["warnings"] == [*(f"n{number}: so short" for number in range(5)), "and 2 more"]
    one = told(served("a", warnings=["it is shadowed"]))
    assert one["warnings"] == ["a: it is shadowed"]
    assert "warnings" not in one["resources"][0]


def test_calls_to_aws_so_far_are_told_each_time() -> None:
    calls = Calls()
    calls.note({}, None, "response-received.sts.AssumeRole")
    listed = [{"operation": "sts:AssumeRole", "code": "OK", "count": 1}]
    assert [result(Progress([], 0, unfinished), calls)["calls"] for unfinished in (1, 0)] == [listed, listed]


LOGIN = {"owner": OWNER.as_dict(), "region": "eu-west-1", "registries": [], "resources": []}


@pytest.mark.parametrize(
    ("options", "option", "variable"),
    [
        ({"resources": [{}]}, "resources", "pull_secrets"),
        ({"resources": [ITEM.as_dict() | {"owner": "x"}]}, "resources", "pull_secrets"),
        ({"resources": [ITEM.as_dict() | {"namespaces": 7}]}, "resources", "pull_secrets"),
        ({"resources": [], "logins": [{}]}, "logins", "aws_logins"),
        ({"resources": [], "logins": [LOGIN | {"resources": None}]}, "logins", "aws_logins"),
    ],
)
def test_what_is_not_of_the_inventory_is_refused_by_option_and_variable(
    monkeypatch: pytest.MonkeyPatch, options: dict[str, Any], option: str, variable: str
) -> None:
    monkeypatch.setattr(ecr_reconcile, "connect", None)
    with pytest.raises(ValueError, match=f"^{option}: is not the variable {variable} of a host"):
        begin(OPTIONS | options, {}, Mode())


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> InMemoryCluster:
    made = InMemoryCluster()
    monkeypatch.setattr(ecr_reconcile, "connect", lambda options: made.calls.append(("connect", *options)) or made)
    return made


def test_the_cluster_is_that_of_the_option(cluster: InMemoryCluster) -> None:
    begin(OPTIONS | {"resources": [], "connection": {"kubeconfig": "/k", "context": "c"}}, {}, Mode())
    assert cluster.calls == [("connect", "kubeconfig", "context")]


def test_a_cleanup_looks_for_service_accounts_whatever_the_inventory_saw(cluster: InMemoryCluster) -> None:
    """What it saw was right for a resource that stays."""
    x = NamespacedName("team-a", "x")
    seen = (
        replace(ITEM, has_finalizer=True).as_dict()
        | Observed((), None, (x,), (ContestedAccount(x, "helm"),), is_due=True).as_dict()
    )
    served_items = begin(OPTIONS | {"resources": [seen], "state": "absent"}, {}, Mode()).wait(0).results
    assert [(each["failed"], each["resource"]["state"]) for each in served_items] == [(False, "absent")]
    assert ("get", "ServiceAccount", "team-a", "x") not in cluster.calls
    assert served_items[0]["service_accounts"] == []
