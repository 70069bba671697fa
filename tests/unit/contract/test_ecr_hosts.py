"""Slips of the pen in hosts of ECR are refused with what was meant, names in front of ECR are taken as they are."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from ansible_collections.kube_ecr.secrets.plugins.module_utils._aws.registries import TokenCall, token_call
from ansible_collections.kube_ecr.secrets.plugins.module_utils._aws.session import partitions
from ansible_collections.kube_ecr.secrets.plugins.module_utils._contract.ecr_hosts import IS_ECR, LOOKS_LIKE_ECR
from ansible_collections.kube_ecr.secrets.plugins.module_utils._contract.errors import ResourceError
from ansible_collections.kube_ecr.secrets.plugins.module_utils._contract.grammar import check_registries
from ansible_collections.kube_ecr.secrets.plugins.module_utils._contract.login_request import LoginRequest
from tests.support.registry_hosts import ACCEPTED, ALMOST, NO_HOSTS

ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize("host", ACCEPTED)
def test_hosts_of_ecr_and_names_in_front_of_it(host: str) -> None:
    assert check_registries([host], "spec.registries") == [host]


@pytest.mark.parametrize(("host", "meant"), [*ALMOST.items(), *NO_HOSTS.items()])
def test_a_slip_of_the_pen_is_refused_with_what_was_meant(host: str, meant: str) -> None:
    with pytest.raises(ResourceError) as caught:
        check_registries([host], "spec.registries")
    assert repr(host) in str(caught.value)
    assert f"write {meant}" in f"{caught.value} ".replace(f"{meant}.", "")


def test_a_host_of_localstack_says_its_region() -> None:
    request = LoginRequest.for_host("000000000000.dkr.ecr.us-east-1.localhost.localstack.cloud:4566", "eu-west-1")
    assert token_call(request, "eu-west-1", partitions()) == TokenCall("ecr", "us-east-1")


@pytest.mark.parametrize("plural", ["awsecrimagepullsecrets", "clusterawsecrimagepullsecrets"])
def test_the_definitions_have_the_same_rules(plural: str) -> None:
    definition = yaml.safe_load((ROOT / "crds" / f"{plural}.yaml").read_text())
    (version,) = (each for each in definition["spec"]["versions"] if each["storage"])
    spec = version["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"]
    rules = [each["rule"] for each in spec["registries"]["items"]["x-kubernetes-validations"]]
    assert f"!self.matches('{LOOKS_LIKE_ECR}') || self.matches('{IS_ECR}')" in rules
