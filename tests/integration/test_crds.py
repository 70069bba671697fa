"""What the API server itself refuses, by the schemas in crds/, and what it says; and that it takes what docs/ shows."""

from __future__ import annotations

import json
import re
from base64 import b64encode
from pathlib import Path
from textwrap import dedent

import pytest
import yaml

from tests.conftest import ROOT
from tests.support.awsendpoint import Principal
from tests.support.cluster import CLUSTER, NAMESPACED, Cluster, pull_secret
from tests.support.controlplane import KubectlError

EXAMPLE = Principal(access_key="AKIAIOSFODNN7EXAMPLE", secret_key="/ab+c/==", account="111122223333")
INLINE = {"accessKeyId": EXAMPLE.access_key, "secretAccessKey": EXAMPLE.secret_key}
SECRET = {"credentialsSecretRef": {"name": "aws-keys"}}
ACCOUNT = {"serviceAccountRef": {"name": "ecr-pull"}}
ROLE = {"roleArn": "arn:aws:iam::111122223333:role/ecr-pull"}
REGISTRY = "111122223333.dkr.ecr.eu-west-1.amazonaws.com"
EXAMPLES = sorted((ROOT / "docs" / "examples").glob("*.yaml"))
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


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


def with_access(kind: str, access: dict) -> dict:
    """Return a resource with that awsAccess in eu-west-1; what it refers to is in namespace default for both kinds."""
    if kind == CLUSTER:
        refs = {name: {"namespace": "default", **value} for name, value in access.items() if isinstance(value, dict)}
        access = access | refs
    return edited(kind, "spec.awsAccess", {"region": "eu-west-1", **access})


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
        ("spec.awsAccess.accessKeyId", "", "must not be empty"),
        ("spec.awsAccess.accessKeyId", "AKIAEXAMPLE\n", "trailing newline"),
        ("spec.awsAccess.secretAccessKey", "secret\n", "trailing newline"),
    ],
)
def test_refused_at_apply_naming_the_field(cluster: Cluster, kind: str, path: str, value: object, words: str) -> None:
    with pytest.raises(KubectlError) as refusal:
        cluster.apply(edited(kind, path, value))
    named = f'"{path.rpartition(".")[2]}"' if value is None else f"{path}: "
    assert named in str(refusal.value)
    assert words in str(refusal.value)


@pytest.mark.parametrize("kind", [NAMESPACED, CLUSTER])
@pytest.mark.parametrize(
    "access",
    [
        pytest.param(INLINE, id="keys"),
        pytest.param(SECRET, id="Secret"),
        pytest.param(
            {
                "credentialsSecretRef": {
                    "name": "keys.team-a",
                    "accessKeyIdKey": "id",
                    "secretAccessKeyKey": "secret_key",
                    "sessionTokenKey": "session-token.txt",
                }
            },
            id="Secret with other names",
        ),
        pytest.param(ACCOUNT, id="ServiceAccount"),
        pytest.param({}, id="own identity"),
        pytest.param(ROLE, id="role"),
        pytest.param(INLINE | ROLE | {"externalId": "tenant:a/b"}, id="role with external ID on keys"),
        pytest.param(SECRET | ROLE, id="role on Secret"),
        pytest.param(ACCOUNT | ROLE | {"externalId": "x" * 1224}, id="role with external ID on ServiceAccount"),
        pytest.param({"roleArn": "arn:aws-us-gov:iam::111122223333:role/a/path/ecr_pull+=,.@-"}, id="path, GovCloud"),
        pytest.param({"roleArn": "arn:aws-iso-b:iam::111122223333:role/" + "/".join(["x" * 200] * 10)}, id="long path"),
    ],
)
def test_ways_in_are_accepted(cluster: Cluster, kind: str, access: dict) -> None:
    assert "created" in cluster.apply(with_access(kind, access))


@pytest.mark.parametrize("kind", [NAMESPACED, CLUSTER])
@pytest.mark.parametrize(
    "access",
    [
        pytest.param(INLINE | SECRET, id="keys and Secret"),
        pytest.param(INLINE | ACCOUNT, id="keys and ServiceAccount"),
        pytest.param(SECRET | ACCOUNT, id="Secret and ServiceAccount"),
        pytest.param(INLINE | SECRET | ACCOUNT | ROLE, id="all"),
        pytest.param({"accessKeyId": EXAMPLE.access_key} | SECRET, id="half a pair and Secret"),
        pytest.param({"secretAccessKey": EXAMPLE.secret_key} | ACCOUNT, id="half a pair and ServiceAccount"),
    ],
)
def test_two_ways_in_are_refused(cluster: Cluster, kind: str, access: dict) -> None:
    with pytest.raises(KubectlError) as refusal:
        cluster.apply(with_access(kind, access))
    assert "spec.awsAccess: " in str(refusal.value)
    assert "keep one and remove the others" in str(refusal.value)
    assert EXAMPLE.secret_key not in str(refusal.value)


@pytest.mark.parametrize("kind", [NAMESPACED, CLUSTER])
@pytest.mark.parametrize(
    ("access", "words"),
    [
        ({"accessKeyId": EXAMPLE.access_key}, "come as a pair"),
        ({"secretAccessKey": EXAMPLE.secret_key}, "come as a pair"),
        ({"accessKeyId": EXAMPLE.access_key} | ROLE, "come as a pair"),
        ({"accessKeyId": None, "secretAccessKey": EXAMPLE.secret_key}, "come as a pair"),
        ({"externalId": "tenant-a"}, "externalId needs roleArn"),
        (SECRET | {"externalId": "tenant-a"}, "externalId needs roleArn"),
    ],
)
def test_half_a_way_in_is_refused(cluster: Cluster, kind: str, access: dict, words: str) -> None:
    with pytest.raises(KubectlError) as refusal:
        cluster.apply(with_access(kind, access))
    assert "spec.awsAccess: " in str(refusal.value)
    assert words in str(refusal.value)


ROLE_WORDS = "must be the ARN of an IAM role such as arn:aws:iam::111122223333:role/ecr-pull"
EXTERNAL_ID_WORDS = "must be the external ID of a trust policy"
KEY_WORDS = "must be a key of a Secret such as AWS_"


@pytest.mark.parametrize("kind", [NAMESPACED, CLUSTER])
@pytest.mark.parametrize(
    ("path", "value", "words"),
    [
        ("roleArn", "", ROLE_WORDS),
        ("roleArn", "ecr-pull", ROLE_WORDS),
        ("roleArn", "arn:aws:iam::111122223333:user/ecr-pull", ROLE_WORDS),
        ("roleArn", "arn:aws:sts::111122223333:assumed-role/ecr-pull/session", ROLE_WORDS),
        ("roleArn", "arn:gcp:iam::111122223333:role/ecr-pull", ROLE_WORDS),
        ("roleArn", "arn:aws:iam::11112222333:role/ecr-pull", ROLE_WORDS),
        ("roleArn", "arn:aws:iam:eu-west-1:111122223333:role/ecr-pull", ROLE_WORDS),
        ("roleArn", "arn:aws:iam::111122223333:role/", ROLE_WORDS),
        ("roleArn", "arn:aws:iam::111122223333:role/path/", ROLE_WORDS),
        ("roleArn", "arn:aws:iam::111122223333:role/ecr-*", ROLE_WORDS),
        ("roleArn", " arn:aws:iam::111122223333:role/ecr-pull", ROLE_WORDS),
        ("roleArn", "arn:aws:iam::111122223333:role/ecr-pull\n", ROLE_WORDS),
        ("roleArn", "arn:aws:iam::111122223333:role/" + "x" * 2048, "Too long"),
        ("externalId", "", EXTERNAL_ID_WORDS),
        ("externalId", "x", EXTERNAL_ID_WORDS),
        ("externalId", "tenant a", EXTERNAL_ID_WORDS),
        ("externalId", "tenant-a\n", EXTERNAL_ID_WORDS),
        ("externalId", "{{ tenant }}", EXTERNAL_ID_WORDS),
        ("externalId", "x" * 1225, "Too long"),
        ("credentialsSecretRef.name", None, "missing required field"),
        ("credentialsSecretRef.name", "", "must be a valid Secret name"),
        ("credentialsSecretRef.name", "AWS-keys", "must be a valid Secret name"),
        ("credentialsSecretRef.name", "team-b/aws-keys", "must be a valid Secret name"),
        ("credentialsSecretRef.name", "aws-keys\n", "must be a valid Secret name"),
        ("credentialsSecretRef.name", "x" * 254, "Too long"),
        ("credentialsSecretRef.accessKeyIdKey", "", KEY_WORDS),
        ("credentialsSecretRef.accessKeyIdKey", "AWS KEY", KEY_WORDS),
        ("credentialsSecretRef.accessKeyIdKey", "x" * 254, "Too long"),
        ("credentialsSecretRef.secretAccessKeyKey", "key\n", KEY_WORDS),
        ("credentialsSecretRef.secretAccessKeyKey", "x" * 254, "Too long"),
        ("credentialsSecretRef.sessionTokenKey", "path/token", KEY_WORDS),
        ("credentialsSecretRef.sessionTokenKey", "x" * 254, "Too long"),
        ("serviceAccountRef.name", None, "missing required field"),
        ("serviceAccountRef.name", "", "must be a valid ServiceAccount name"),
        ("serviceAccountRef.name", "system:serviceaccount:ns1:ecr-pull", "must be a valid ServiceAccount name"),
        ("serviceAccountRef.name", "ecr-pull\n", "must be a valid ServiceAccount name"),
        ("serviceAccountRef.name", "x" * 254, "Too long"),
    ],
)
def test_fields_of_the_ways_in(cluster: Cluster, kind: str, path: str, value: str | None, words: str) -> None:
    resource = with_access(kind, {**(ACCOUNT if path.startswith("serviceAccount") else SECRET), **ROLE})
    *parents, last = path.split(".")
    target = resource["spec"]["awsAccess"]
    for each in parents:
        target[each] = dict(target[each])
        target = target[each]
    if value is None:
        del target[last]
    else:
        target[last] = value
    with pytest.raises(KubectlError) as refusal:
        cluster.apply(resource)
    assert ('missing required field "name"' if value is None else f"spec.awsAccess.{path}: ") in str(refusal.value)
    assert words in str(refusal.value)


@pytest.mark.parametrize("access", [SECRET, ACCOUNT], ids=["Secret", "ServiceAccount"])
@pytest.mark.parametrize(
    ("namespace", "words"),
    [
        (None, 'missing required field "namespace"'),
        ("", "must be the name of a namespace"),
        ("Team", "must be the name of a namespace"),
        ("team.a", "must be the name of a namespace"),
        ("team-a\n", "must be the name of a namespace"),
        ("x" * 64, "Too long"),
    ],
)
def test_the_cluster_kind_says_in_which_namespace(
    cluster: Cluster, access: dict, namespace: str | None, words: str
) -> None:
    (field, reference), *_ = access.items()
    place = {} if namespace is None else {"namespace": namespace}
    resource = edited(CLUSTER, "spec.awsAccess", {"region": "eu-west-1", field: {**reference, **place}})
    with pytest.raises(KubectlError) as refusal:
        cluster.apply(resource)
    assert (field if namespace is None else f"spec.awsAccess.{field}.namespace: ") in str(refusal.value)
    assert words in str(refusal.value)


@pytest.mark.parametrize("access", [SECRET, ACCOUNT], ids=["Secret", "ServiceAccount"])
@pytest.mark.parametrize("namespace", ["default", "kube-system"])
def test_the_namespaced_kind_refers_to_no_namespace(cluster: Cluster, access: dict, namespace: str) -> None:
    (field, reference), *_ = access.items()
    elsewhere = {field: {**reference, "namespace": namespace}}
    with pytest.raises(KubectlError, match=f'awsAccess.{field}.: unknown field "namespace"'):
        cluster.apply(with_access(NAMESPACED, elsewhere))


@pytest.mark.parametrize("kind", [NAMESPACED, CLUSTER])
@pytest.mark.parametrize(
    "hosts",
    [
        pytest.param([], id="none"),
        pytest.param([REGISTRY, "444455556666.dkr.ecr.us-east-1.amazonaws.com"], id="region and account"),
        pytest.param(["111122223333.dkr.ecr-fips.us-gov-west-1.amazonaws.com"], id="FIPS"),
        pytest.param(["111122223333.dkr-ecr.eu-west-1.on.aws", "ecr-public.aws.com"], id="dual-stack"),
        pytest.param(["111122223333.dkr.ecr.cn-north-1.amazonaws.com.cn"], id="China"),
        pytest.param(["111122223333.dkr.ecr.eusc-de-east-1.amazonaws.eu"], id="sovereign"),
        pytest.param(["public.ecr.aws"], id="public"),
        pytest.param(["images.example.com", "images.example.com:8443", "localhost:5000", "10.0.0.1"], id="custom"),
        pytest.param([f"{number:012}.dkr.ecr.eu-west-1.amazonaws.com" for number in range(100)], id="a hundred"),
    ],
)
def test_registries_are_accepted(cluster: Cluster, kind: str, hosts: list[str]) -> None:
    assert "created" in cluster.apply(edited(kind, "spec.registries", hosts))


@pytest.mark.parametrize("kind", [NAMESPACED, CLUSTER])
@pytest.mark.parametrize(
    "host",
    [
        "",
        "docker",
        f"https://{REGISTRY}",
        f"{REGISTRY}/",
        f"{REGISTRY}/app",
        f"{REGISTRY}/app:1.0",
        f"{REGISTRY}:latest",
        f"{REGISTRY}:",
        f"AWS@{REGISTRY}",
        REGISTRY.upper(),
        f" {REGISTRY}",
        f"{REGISTRY}\n",
        f".{REGISTRY}",
        f"{REGISTRY}.",
        f"*.{REGISTRY}",
        "{{ lookup('pipe', 'id') }}.example.com",
    ],
)
def test_what_is_no_registry_host(cluster: Cluster, kind: str, host: str) -> None:
    with pytest.raises(KubectlError) as refusal:
        cluster.apply(edited(kind, "spec.registries", ["public.ecr.aws", host]))
    assert "spec.registries[1]: " in str(refusal.value)
    assert f"as it stands in an image reference, for example {REGISTRY} or public.ecr.aws" in str(refusal.value)


@pytest.mark.parametrize("kind", [NAMESPACED, CLUSTER])
@pytest.mark.parametrize(
    ("hosts", "words"),
    [
        pytest.param(["public.ecr.aws", "public.ecr.aws"], "spec.registries[1]: Duplicate value", id="duplicate"),
        pytest.param([f"host{number}.example.com" for number in range(101)], "at most 100", id="too many"),
        pytest.param(["x." * 131], "Too long", id="too long"),
    ],
)
def test_lists_that_are_no_registries(cluster: Cluster, kind: str, hosts: list[str], words: str) -> None:
    with pytest.raises(KubectlError) as refusal:
        cluster.apply(edited(kind, "spec.registries", hosts))
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


def blocks(page: Path, language: str) -> list[str]:
    """Return the fenced code blocks of that language in a page of Markdown, without their indentation."""
    fenced = re.findall(rf"^( *)```{language}\n(.*?)^\1```$", page.read_text(), re.MULTILINE | re.DOTALL)
    return [dedent(text) for _, text in fenced]


def manifests(text: str) -> list[dict]:
    """Return the objects of a YAML text if all its documents are such, else none: it shows something else then."""
    documents = [each for each in yaml.safe_load_all(text) if each is not None]
    return documents if all(isinstance(each, dict) and "apiVersion" in each for each in documents) else []


def check(cluster: Cluster, objects: list[dict]) -> list[str]:
    """Let the API server say what it would do with objects, in namespaces of their own; raises KubectlError."""
    homes: dict[str, str] = {}
    for each in objects:
        metadata = each["metadata"]
        field = "name" if each["kind"] == "Namespace" else "namespace"
        if field in metadata:
            home = homes.get(metadata[field]) or cluster.namespaces(metadata[field])[0]
            homes[metadata[field]] = metadata[field] = home
    bundle = json.dumps({"kind": "List", "apiVersion": "v1", "items": objects})
    return cluster.kubectl("apply", "--dry-run=server", "-f", "-", stdin=bundle).splitlines()


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_examples_are_accepted(cluster: Cluster, path: Path) -> None:
    objects = manifests(path.read_text())
    assert objects
    assert len(check(cluster, objects)) == len(objects)


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.stem)
def test_manifests_in_the_documentation_are_accepted(cluster: Cluster, page: Path) -> None:
    for text in blocks(page, "yaml"):
        objects = manifests(text)
        assert not objects or len(check(cluster, objects)) == len(objects)


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.stem)
def test_policies_in_the_documentation_have_the_form_of_policies(page: Path) -> None:
    for policy in map(json.loads, blocks(page, "json")):
        assert policy["Version"] == "2012-10-17"
        for statement in policy["Statement"]:
            assert statement["Effect"] == "Allow"
            assert statement["Action"]
            assert "Resource" in statement or "Principal" in statement


def test_there_are_manifests_and_policies_in_the_documentation() -> None:
    page = ROOT / "docs" / "aws-identities.md"
    assert any(manifests(text) for text in blocks(page, "yaml"))
    assert blocks(page, "json")
