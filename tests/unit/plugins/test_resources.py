"""From a custom resource, as laxer CRDs may have stored it, to what is asked for."""

from __future__ import annotations

from base64 import b64encode
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
    told, identity = _resources.item(cluster_resource(), "http://aws.example")
    assert told == {
        "reference": "ClusterAWSECRImagePullSecret/shared",
        "owner": {
            "api_version": "aws.zakariaamine.com/v1alpha2",
            "kind": "ClusterAWSECRImagePullSecret",
            "namespace": "",
            "name": "shared",
            "uid": "u-1",
            "generation": 3,
        },
        "secret_name": "ecr-login",
        "namespaces": ["a", "b"],
        "error": None,
    }
    assert identity == _resources.Identity("eu-west-1", KEY_ID, SECRET, "http://aws.example")
    assert SECRET not in repr(identity)


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
    told, _identity = _resources.item(resource)
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
        (with_access(accessKeyId="AKIAEXAMPLE\n"), "spec.awsAccess.accessKeyId"),
        (with_access(accessKeyId=""), "spec.awsAccess.accessKeyId"),
        (with_access(secretAccessKey=None), "spec.awsAccess.secretAccessKey"),
        (with_access(secretAccessKey=f"{SECRET}\n"), "spec.awsAccess.secretAccessKey"),
        (with_access(accessKeyId=b64encode(f"{KEY_ID}\n".encode()).decode()), "spec.awsAccess.accessKeyId"),
    ],
)
def test_what_cannot_be_done_names_the_field_and_no_key(resource: dict, field: str) -> None:
    told, identity = _resources.item(resource)
    assert identity is None
    assert told["error"]["reason"] == "InvalidResource"
    assert told["error"]["msg"].startswith(f"{field}: ")
    assert SECRET not in str(told)
    assert KEY_ID not in str(told)


@pytest.mark.parametrize(
    "region", ["eu-west-1", "us-gov-west-1", "cn-north-1", "us-iso-east-1", "eusc-de-east-1", "ap-southeast-7"]
)
def test_regions_of_every_partition_pass(region: str) -> None:
    assert _resources.check_region(region) == region


def test_resources_of_one_identity_share_a_host_and_near_misses_do_not() -> None:
    plain = _resources.identity(cluster_resource())
    stored = _resources.identity(
        with_access(
            accessKeyId=b64encode(KEY_ID.encode()).decode(), secretAccessKey=b64encode(SECRET.encode()).decode()
        )
    )
    assert plain == stored
    near = [
        plain,
        _resources.Identity("eu-west-2", KEY_ID, SECRET),
        _resources.Identity("eu-west-1", KEY_ID, f"{SECRET}x"),
        _resources.Identity("eu-west-1", f"{KEY_ID}c", SECRET[1:]),
        _resources.Identity("eu-west-1", KEY_ID, SECRET, "http://aws.example"),
        _resources.Identity("eu-west-1", f'{KEY_ID}", "{SECRET}', ""),
    ]
    assert len({each.digest(b"salt") for each in near}) == len(near)
    assert plain.digest(b"salt") == stored.digest(b"salt")
    assert plain.digest(b"salt") != plain.digest(b"other salt")


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
