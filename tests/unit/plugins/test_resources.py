"""From a custom resource, as laxer CRDs may have stored it, to what picks it."""

from __future__ import annotations

from copy import deepcopy

import pytest

from ansible_collections.kube_ecr.secrets.plugins.module_utils import _resources

KEY_ID, SECRET = "AKIAIOSFODNN7EXAMPLE", "canary/secret+key"


def cluster_resource(**spec: object) -> dict:
    access = {"region": "eu-west-1", "accessKeyId": KEY_ID, "secretAccessKey": SECRET}
    return {
        "apiVersion": "aws.zakariaamine.com/v1alpha2",
        "kind": "ClusterAWSECRImagePullSecret",
        "metadata": {"name": "shared", "uid": "u-1", "generation": 3},
        "spec": {"secretName": "ecr-login", "awsAccess": access, "namespaces": ["a", "b"]} | spec,
    }


def namespaced_resource(**spec: object) -> dict:
    resource = cluster_resource(**spec)
    resource["kind"] = "AWSECRImagePullSecret"
    resource["metadata"]["namespace"] = "team-a"
    return resource


@pytest.mark.parametrize(
    "region", ["eu-west-1", "us-gov-west-1", "cn-north-1", "us-iso-east-1", "eusc-de-east-1", "ap-southeast-7"]
)
def test_regions_of_every_partition_pass(region: str) -> None:
    assert _resources.check_region(region) == region


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
    resources = [deepcopy(cluster_resource()), deepcopy(namespaced_resource())]
    found = [each for each in resources if _resources.is_selected(each, names, namespaces)]
    assert {_resources.reference(each).partition("/")[2] for each in found} == picked
