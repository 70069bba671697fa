"""What picks a custom resource, and values that more than one part checks."""

from __future__ import annotations

import pytest

from ansible_collections.kube_ecr.secrets.plugins.module_utils._contract.grammar import check_region
from ansible_collections.kube_ecr.secrets.plugins.module_utils._contract.resource import is_selected, reference

SHARED = {"kind": "ClusterAWSECRImagePullSecret", "metadata": {"name": "shared"}}
APP = {"kind": "AWSECRImagePullSecret", "metadata": {"name": "shared", "namespace": "team-a"}}


@pytest.mark.parametrize(
    "region", ["eu-west-1", "us-gov-west-1", "cn-north-1", "us-iso-east-1", "eusc-de-east-1", "ap-southeast-7"]
)
def test_regions_of_every_partition_pass(region: str) -> None:
    assert check_region(region) == region


@pytest.mark.parametrize(
    ("names", "namespaces", "picked"),
    [
        ([], [], {"shared", "team-a/shared"}),
        (["shared"], [], {"shared", "team-a/shared"}),
        (["team-a/shared"], [], {"team-a/shared"}),
        (["AWSECRImagePullSecret/team-a/shared"], [], {"team-a/shared"}),
        (["ClusterAWSECRImagePullSecret/shared"], [], {"shared"}),
        (["other"], [], set()),
        ([], ["team-a"], {"team-a/shared"}),
        ([], ["team-b"], set()),
        (["shared"], ["team-a"], {"team-a/shared"}),
    ],
)
def test_options_pick_resources(names: list[str], namespaces: list[str], picked: set[str]) -> None:
    found = [each for each in (SHARED, APP) if is_selected(each, names, namespaces)]
    assert {reference(each).partition("/")[2] for each in found} == picked
