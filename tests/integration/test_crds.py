"""What the API server itself refuses, by the schemas in crds/, and what it says."""

from __future__ import annotations

from base64 import b64encode

import pytest

from tests.support.awsendpoint import Principal
from tests.support.cluster import CLUSTER, NAMESPACED, Cluster, pull_secret
from tests.support.controlplane import KubectlError

EXAMPLE = Principal(access_key="AKIAIOSFODNN7EXAMPLE", secret_key="/ab+c/==", account="111122223333")


def edited(kind: str, path: str, value: object) -> dict:
    where: dict = {"namespace": "default"} if kind == NAMESPACED else {"namespaces": ["a"]}
    resource = pull_secret("demo", EXAMPLE, **where)
    *parents, last = path.split(".")
    target = resource
    for each in parents:
        target = target[each]
    if value is None:
        del target[last]
    else:
        target[last] = value
    return resource


@pytest.mark.parametrize("kind", [NAMESPACED, CLUSTER])
@pytest.mark.parametrize(
    ("path", "value", "words"),
    [
        ("spec.secretName", None, "missing required field"),
        ("spec.secretName", "", "must be a valid Secret name"),
        ("spec.secretName", "ecr-login\n", "must be a valid Secret name"),
        ("spec.secretName", "ECR", "must be a valid Secret name"),
        ("spec.secretName", "{{ lookup('pipe', 'id') }}", "must be a valid Secret name"),
        ("spec.awsAccess", None, "missing required field"),
        ("spec.awsAccess.region", None, "missing required field"),
        ("spec.awsAccess.region", "", "must be an AWS region such as eu-west-1"),
        ("spec.awsAccess.region", "af-south-1\n", "must be an AWS region such as eu-west-1"),
        ("spec.awsAccess.region", " eu-west-1", "must be an AWS region such as eu-west-1"),
        ("spec.awsAccess.region", "EU-WEST-1", "must be an AWS region such as eu-west-1"),
        ("spec.awsAccess.region", "eu-west-1a", "availability zone"),
        ("spec.awsAccess.accessKeyId", None, "missing required field"),
        ("spec.awsAccess.accessKeyId", "", "must not be empty"),
        ("spec.awsAccess.accessKeyId", "AKIAEXAMPLE\n", "trailing newline"),
        ("spec.awsAccess.secretAccessKey", None, "missing required field"),
        ("spec.awsAccess.secretAccessKey", "secret\n", "trailing newline"),
    ],
)
def test_refused_at_apply_naming_the_field(cluster: Cluster, kind: str, path: str, value: object, words: str) -> None:
    with pytest.raises(KubectlError) as refusal:
        cluster.apply(edited(kind, path, value))
    named = f'"{path.rpartition(".")[2]}"' if value is None else f"{path}: "
    assert named in str(refusal.value)
    assert words in str(refusal.value)


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (None, "missing required field"),
        ([], "at least 1"),
        ([""], "spec.namespaces[0]"),
        (["team-a", "Team"], "spec.namespaces[1]"),
        (["team-a\n"], "spec.namespaces[0]"),
        (["{{ 7*7 }}"], "spec.namespaces[0]"),
    ],
)
def test_namespaces_of_the_cluster_kind(cluster: Cluster, value: list[str] | None, words: str) -> None:
    with pytest.raises(KubectlError) as refusal:
        cluster.apply(edited(CLUSTER, "spec.namespaces", value))
    assert "namespaces" in str(refusal.value)
    assert words in str(refusal.value)


def test_what_the_go_operator_accepts_and_refuses_is_accepted(cluster: Cluster) -> None:
    """Plain keys or base64 as its webhook stores them, applied twice, then with other keys, in every partition."""
    stored = edited(CLUSTER, "spec.awsAccess.accessKeyId", b64encode(EXAMPLE.access_key.encode()).decode())
    assert "created" in cluster.apply(edited(CLUSTER, "spec.namespaces", ["team-a", "team-a"]))
    assert "unchanged" in cluster.apply(edited(CLUSTER, "spec.namespaces", ["team-a", "team-a"]))
    assert "configured" in cluster.apply(stored)
    for region in ("us-gov-west-1", "cn-north-1", "us-iso-east-1", "eusc-de-east-1"):
        assert "configured" in cluster.apply(edited(CLUSTER, "spec.awsAccess.region", region))


@pytest.mark.parametrize("short_name", ["aeps", "caeps"])
def test_kubectl_get_has_columns_under_the_short_name(cluster: Cluster, short_name: str) -> None:
    cluster.apply(edited(NAMESPACED, "spec.secretName", "ecr-login"), edited(CLUSTER, "spec.secretName", "ecr-login"))
    header, row = cluster.kubectl("get", short_name).splitlines()
    assert header.split() == ["NAME", "SECRET", "READY", "EXPIRES", "AGE"]
    assert row.split()[:2] == ["demo", "ecr-login"]


def test_the_deprecated_kind_is_served_with_a_warning(cluster: Cluster) -> None:
    resource = edited(CLUSTER, "kind", "AWSECRCredential") | {"apiVersion": "aws.zakariaamine.com/v1alpha1"}
    assert "created" in cluster.apply(resource)
    cluster.kubectl("delete", "awsecrcredential", "demo")
