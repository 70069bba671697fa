"""Names and regions that more than one part checks: which pass, and what is said of the others."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import pytest

from ansible_collections.kube_ecr.secrets.plugins.module_utils._contract.errors import ResourceError
from ansible_collections.kube_ecr.secrets.plugins.module_utils._contract.grammar import (
    check_namespaces,
    check_region,
    check_registries,
    check_secret_name,
)

HOST = "111122223333.dkr.ecr.eu-west-1.amazonaws.com"
check_hosts = partial(check_registries, path="spec.registries")


@pytest.mark.parametrize(
    "region", ["eu-west-1", "us-gov-west-1", "cn-north-1", "us-iso-east-1", "eusc-de-east-1", "ap-southeast-7"]
)
def test_regions_of_every_partition_pass(region: str) -> None:
    assert check_region(region) == region


@pytest.mark.parametrize(
    ("check", "names"), [(check_namespaces, ["b", "a", "b"]), (check_hosts, [HOST, "localhost:5000", HOST])]
)
def test_each_name_in_a_list_counts_once(check: Callable[[object], list[str]], names: list[str]) -> None:
    assert check(names) == names[:2]


@pytest.mark.parametrize(
    ("check", "value", "words"),
    [
        (check_secret_name, "No", "secret_name: 'No' is not a valid Secret name"),
        (check_secret_name, None, "secret_name: None is not a valid Secret name"),
        (check_namespaces, [], "namespaces: must list at least one namespace"),
        (check_namespaces, ["a", "No"], "namespaces: 'No' is not a valid namespace name"),
        (check_region, None, "region: is missing"),
        (check_region, "", "region: is missing"),
        (check_region, "eu-west-1\n", r"region: 'eu-west-1\\n' begins or ends with white space"),
        (check_region, "eu-west-1a", "region: 'eu-west-1a' is not an AWS region"),
        (check_hosts, HOST, "spec.registries: must be a list of registry hosts"),
        (check_hosts, ["localhost"], "spec.registries: 'localhost' is not a registry host"),
        (check_hosts, [HOST, f"https://{HOST}"], f"spec.registries: 'https://{HOST}' is not a registry host"),
    ],
)
def test_what_cannot_be_is_refused_by_its_field(check: Callable[[object], object], value: object, words: str) -> None:
    with pytest.raises(ResourceError, match=f"^{words}"):
        check(value)
