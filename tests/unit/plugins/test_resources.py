"""From a custom resource, as laxer CRDs may have stored it, to what is asked for."""

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


def with_access(**changes: object) -> dict:
    resource = cluster_resource()
    resource["spec"]["awsAccess"] |= changes
    return resource


def test_an_item_is_reference_and_targets_and_holds_no_key() -> None:
    assert _resources.item(cluster_resource()) == {
        "reference": "ClusterAWSECRImagePullSecret/shared",
        "owner": {
            "api_version": "aws.zakariaamine.com/v1alpha2",
            "kind": "ClusterAWSECRImagePullSecret",
            "namespace": "",
            "name": "shared",
            "uid": "u-1",
            "generation": 3,
        },
        "identity": "",
        "registries": ["eu-west-1"],
        "secret_name": "ecr-login",
        "namespaces": ["a", "b"],
        "error": None,
    }


@pytest.mark.parametrize(
    ("resource", "namespaces"),
    [
        pytest.param(cluster_resource(namespaces=["b", "a", "b"]), ["b", "a"], id="duplicates folded, order kept"),
        pytest.param(namespaced_resource(), ["team-a"], id="a namespaced resource serves its own only"),
        pytest.param(namespaced_resource(namespaces=["kube-system"]), ["team-a"], id="whatever else it says"),
        pytest.param(namespaced_resource(namespaces=[]), ["team-a"], id="or does not say"),
    ],
)
def test_targets(resource: dict, namespaces: list[str]) -> None:
    told = _resources.item(resource)
    assert (told["namespaces"], told["error"]) == (namespaces, None)


def without_spec() -> dict:
    resource = cluster_resource()
    del resource["spec"]
    return resource


@pytest.mark.parametrize(
    ("resource", "field"),
    [
        (without_spec(), "spec.secretName"),
        (cluster_resource(secretName=""), "spec.secretName"),
        (cluster_resource(secretName="ecr-login\n"), "spec.secretName"),
        (cluster_resource(secretName="Ecr"), "spec.secretName"),
        (cluster_resource(secretName="a" * 254), "spec.secretName"),
        (cluster_resource(secretName="{{ lookup('pipe', 'id') }}"), "spec.secretName"),
        (cluster_resource(namespaces=[]), "spec.namespaces"),
        (cluster_resource(namespaces=["", "team-a"]), "spec.namespaces"),
        (cluster_resource(namespaces=["team-a\n"]), "spec.namespaces"),
        (cluster_resource(namespaces=["{{ 7*7 }}"]), "spec.namespaces"),
        (cluster_resource(namespaces=None), "spec.namespaces"),
        (cluster_resource(awsAccess=None), "spec.awsAccess"),
        (with_access(region="af-south-1\n"), "spec.awsAccess.region"),
        (with_access(region=" eu-west-1"), "spec.awsAccess.region"),
        (with_access(region=""), "spec.awsAccess.region"),
        (with_access(region="eu-west-1a"), "spec.awsAccess.region"),
        (with_access(region="EU-WEST-1"), "spec.awsAccess.region"),
        (cluster_resource(registries="public.ecr.aws"), "spec.registries"),
        (cluster_resource(registries=["https://public.ecr.aws"]), "spec.registries"),
        (cluster_resource(registries=["public.ecr.aws/team/app"]), "spec.registries"),
        (cluster_resource(registries=["Public.ecr.aws"]), "spec.registries"),
        (cluster_resource(registries=["public.ecr.aws\n"]), "spec.registries"),
        (cluster_resource(registries=["eu-west-1"]), "spec.registries"),
        (cluster_resource(registries=["registry.example.com@eu-west-1"]), "spec.registries"),
        (cluster_resource(registries=["{{ 7*7 }}.example.com"]), "spec.registries"),
        (cluster_resource(registries=[None]), "spec.registries"),
    ],
)
def test_what_cannot_be_done_names_the_field_and_no_key(resource: dict, field: str) -> None:
    told = _resources.item(resource)
    assert told["error"]["reason"] == "InvalidResource"
    assert told["error"]["msg"].startswith(f"{field}: ")
    assert SECRET not in str(told)
    assert KEY_ID not in str(told)


def test_hosts_of_others_are_tied_to_the_region_of_the_resource() -> None:
    """Resources of several regions share an identity, but a host that is none of AWS' says nothing of a region."""
    private, public, custom = "111122223333.dkr.ecr.us-east-1.amazonaws.com", "public.ecr.aws", "ecr.example.com:8443"
    told = _resources.item(cluster_resource(registries=[private, public, custom, private]))
    assert told["registries"] == [private, public, f"{custom}@eu-west-1"]
    assert _resources.item(cluster_resource(registries=[]))["registries"] == ["eu-west-1"]


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
