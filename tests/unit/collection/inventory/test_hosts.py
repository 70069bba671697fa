"""Which host stands for which AWS identities, and what logins are ordered for each."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from ansible_collections.kube_ecr.secrets.plugins.module_utils._aws.identity import Identity
from ansible_collections.kube_ecr.secrets.plugins.module_utils._contract.item import Item, Observed, Owner
from ansible_collections.kube_ecr.secrets.plugins.module_utils._contract.result import ErrorResult
from ansible_collections.kube_ecr.secrets.plugins.module_utils._inventory.hosts import (
    IDENTITIES_PER_HOST,
    Host,
    free_name,
    hosts_of,
)
from ansible_collections.kube_ecr.secrets.plugins.module_utils._inventory.login_order import LoginOrder
from tests.support.logins import requests

WEST, NORTH = "eu-west-1", "eu-north-1"
WRONG = ErrorResult("InvalidResource", "spec.x")


def owner(name: str) -> Owner:
    return Owner("v1", "K", "ns", name, f"uid-{name}", 1)


def item(name: str, *registries: str, due: bool = True, **more: object) -> Item:
    observed = Observed(is_due=due)
    return replace(Item(owner(name), name, region=WEST, registries=requests(*registries), observed=observed), **more)


def identity(name: str) -> Identity:
    return Identity(None, f"arn:aws:iam::111122223333:role/{name}", None, None, None)


def hosts(items: list[Item], used: dict[str, str]) -> list[Host]:
    """Return the hosts of items; used are the identities, by the name of the resource."""
    return hosts_of(items, {f"uid-{name}": identity(role) for name, role in used.items()})


def names(host: Host) -> list[str]:
    return [each.reference for each in host.items]


def test_resources_of_one_identity_are_on_one_host_beside_each_other() -> None:
    (host,) = hosts([item("a"), item("b"), item("c")], {"a": "x", "b": "y", "c": "x"})
    assert (host.name, host.group, names(host)) == ("aws-identities-1", "aws_identities", ["a", "c", "b"])


@pytest.mark.parametrize(
    ("identities", "shares"),
    [
        (1, [1]),
        (IDENTITIES_PER_HOST, [IDENTITIES_PER_HOST]),
        (IDENTITIES_PER_HOST + 1, [13, 13]),
        (3 * IDENTITIES_PER_HOST, [IDENTITIES_PER_HOST] * 3),
        (0, []),
    ],
)
def test_hosts_have_equal_shares_of_the_identities(identities: int, shares: list[int]) -> None:
    found = [f"r{number}" for number in range(identities)]
    made = hosts([item(name, WEST) for name in found], {name: name for name in found})
    assert [host.name for host in made] == [f"aws-identities-{number + 1}" for number in range(len(shares))]
    assert [len(host.logins) for host in made] == shares
    assert sorted(name for host in made for name in names(host)) == sorted(found)


def test_an_identity_gets_the_logins_of_those_that_are_due_and_each_once() -> None:
    items = [item("a", WEST, due=False), item("b", NORTH, WEST), item("c", WEST)]
    (host,) = hosts(items, dict.fromkeys("abc", "x"))
    # The first that is due says how to reach AWS, and in which region STS is asked.
    assert host.logins == (LoginOrder(owner("b"), WEST, requests(NORTH, WEST), ("b", "c")),)


def test_an_identity_of_which_nothing_is_due_is_not_asked_for() -> None:
    (host,) = hosts([item("a", WEST, due=False), item("b", WEST)], {"a": "x", "b": "y"})
    assert [order.resources for order in host.logins] == [("b",)]
    assert names(host) == ["a", "b"]


@pytest.mark.parametrize(
    ("changes", "name", "group"),
    [
        ({"error": WRONG}, "invalid", "aws_identities"),
        ({"state": "absent"}, "absent", "aws_identities"),
        ({"state": "absent", "error": WRONG}, "absent", "aws_identities"),
        ({"suspended": True}, "suspended", "suspended_pull_secrets"),
        ({"suspended": True, "error": WRONG}, "suspended", "suspended_pull_secrets"),
    ],
)
def test_what_no_identity_serves_is_on_a_host_of_its_own(changes: dict, name: str, group: str) -> None:
    """It needs none: there may be no credentials any more."""
    served, other = hosts([item("odd", WEST, **changes), item("b", WEST)], {"b": "x"})
    assert (served.name, names(served)) == ("aws-identities-1", ["b"])
    assert (other.name, other.group, names(other), other.logins) == (name, group, ["odd"], ())


ORDER = LoginOrder(owner("a"), WEST, requests(WEST, "registry.example.com@eu-north-1"), ("K/ns/a", "K/ns/b"))


def test_an_order_comes_back_as_it_was_and_holds_no_more_than_names() -> None:
    form = ORDER.as_dict()
    assert LoginOrder.from_dict(json.loads(json.dumps(form))) == ORDER
    assert form == {
        "owner": owner("a").as_dict(),
        "region": WEST,
        "registries": [WEST, "registry.example.com@eu-north-1"],
        "resources": ["K/ns/a", "K/ns/b"],
    }


@pytest.mark.parametrize("changes", [{"owner": {}}, {"owner": "x"}, {"registries": None}, {"resources": None}])
def test_what_is_no_order_is_refused(changes: dict) -> None:
    with pytest.raises((KeyError, TypeError, ValueError)):
        LoginOrder.from_dict(ORDER.as_dict() | changes)


@pytest.mark.parametrize(
    ("name", "taken", "free"),
    [
        ("invalid", [], "invalid"),
        ("invalid", ["invalid", "invalid-2"], "invalid-3"),
        ("inventory-error", ["inventory-error"], "inventory-error-2"),
        ("aws-identities-1", ["aws-identities-2"], "aws-identities-1"),
        ("aws-identities-1", ["aws-identities-1", "aws-identities-2"], "aws-identities-3"),
    ],
)
def test_host_of_another_inventory_file_has_another_name(name: str, taken: list[str], free: str) -> None:
    assert free_name(name, taken.__contains__) == free
