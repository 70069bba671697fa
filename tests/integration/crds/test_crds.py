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
from tests.support.aws.endpoint import Principal
from tests.support.cluster.control_plane import KubectlError
from tests.support.cluster.objects import CLUSTER, NAMESPACED, Cluster, RefusalError, pull_secret
from tests.support.registry_hosts import ACCEPTED, ALMOST

EXAMPLE = Principal(access_key="AKIAIOSFODNN7EXAMPLE", secret_key="/ab+c/==", account="111122223333")
INLINE = {"accessKeyId": EXAMPLE.access_key, "secretAccessKey": EXAMPLE.secret_key}
SECRET = {"credentialsSecretRef": {"name": "aws-keys"}}
ACCOUNT = {"serviceAccountRef": {"name": "ecr-pull"}}
ROLE = {"roleArn": "arn:aws:iam::111122223333:role/ecr-pull"}
REGISTRY = "111122223333.dkr.ecr.eu-west-1.amazonaws.com"
EXAMPLES = sorted((ROOT / "docs" / "examples").glob("*.yaml"))
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
# Kinds of other projects, which this API server does not have.
OTHER_GROUPS = ("kyverno.io", "source.toolkit.fluxcd.io")


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
        ("spec.secretName", None, "Required value"),
        ("spec.secretName", "", "must be a valid Secret name"),
        ("spec.secretName", "ecr-login\n", "must be a valid Secret name"),
        ("spec.secretName", "ECR", "must be a valid Secret name"),
        ("spec.secretName", "{{ lookup('pipe', 'id') }}", "must be a valid Secret name"),
        ("spec.awsAccess", None, "Required value"),
        ("spec.awsAccess.region", None, "Required value"),
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
    with pytest.raises(RefusalError) as refusal:
        cluster.offer(edited(kind, path, value))
    assert f"{path}: " in str(refusal.value)
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
    cluster.offer(with_access(kind, access))


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
    with pytest.raises(RefusalError) as refusal:
        cluster.offer(with_access(kind, access))
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
    with pytest.raises(RefusalError) as refusal:
        cluster.offer(with_access(kind, access))
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
        ("credentialsSecretRef.name", None, "Required value"),
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
        ("serviceAccountRef.name", None, "Required value"),
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
    with pytest.raises(RefusalError) as refusal:
        cluster.offer(resource)
    assert f"spec.awsAccess.{path}: " in str(refusal.value)
    assert words in str(refusal.value)


@pytest.mark.parametrize("access", [SECRET, ACCOUNT], ids=["Secret", "ServiceAccount"])
@pytest.mark.parametrize(
    ("namespace", "words"),
    [
        (None, "Required value"),
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
    with pytest.raises(RefusalError) as refusal:
        cluster.offer(resource)
    assert f"spec.awsAccess.{field}.namespace: " in str(refusal.value)
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
    cluster.offer(edited(kind, "spec.registries", hosts))


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
    with pytest.raises(RefusalError) as refusal:
        cluster.offer(edited(kind, "spec.registries", ["public.ecr.aws", host]))
    assert "spec.registries[1]: " in str(refusal.value)
    assert f"as it stands in an image reference, for example {REGISTRY} or public.ecr.aws" in str(refusal.value)


@pytest.mark.parametrize("kind", [NAMESPACED, CLUSTER])
def test_the_definitions_and_the_code_agree_on_hosts_that_are_almost_those_of_ecr(cluster: Cluster, kind: str) -> None:
    cluster.offer(edited(kind, "spec.registries", list(ACCEPTED)))
    with pytest.raises(RefusalError) as refusal:
        cluster.offer(edited(kind, "spec.registries", list(ALMOST)))
    told = str(refusal.value)
    assert [number for number in range(len(ALMOST)) if f"spec.registries[{number}]: " not in told] == []
    assert "is almost a host of ECR: write 111122223333.dkr.ecr.eu-west-1.amazonaws.com (an account of" in told


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
    with pytest.raises(RefusalError) as refusal:
        cluster.offer(edited(kind, "spec.registries", hosts))
    assert words in str(refusal.value)


def with_spec(kind: str, **fields: object) -> dict:
    """Return a resource with these fields in its spec; of the cluster kind, with one namespace."""
    resource = edited(kind, "spec.secretName", "ecr-login")
    resource["spec"] |= fields
    return resource


def with_targets(**targets: object) -> dict:
    """Return a resource of the cluster kind that says by these fields alone which namespaces get the Secret."""
    resource = edited(CLUSTER, "spec.namespaces", None)
    resource["spec"] |= targets
    return resource


def expression(operator: str, *values: str, key: str = "team") -> dict:
    """Return a namespaceSelector of one matchExpressions; without values, it has no such field."""
    return {"matchExpressions": [{"key": key, "operator": operator} | ({"values": list(values)} if values else {})]}


LONG_PREFIX = ".".join(["x" * 63] * 3 + ["x" * 61])
assert len(LONG_PREFIX) == 253
LONG_KEYS = [f"{LONG_PREFIX}/{'k' * 61}{number:02}" for number in range(33)]
NAMES = [f"{number:04}{'x' * 59}" for number in range(2001)]


@pytest.mark.parametrize(
    "targets",
    [
        pytest.param({"namespaces": ["team-a", "team-?", "*-prod", "t*m-??", "*"]}, id="names and globs"),
        pytest.param({"namespaces": ["team-*", "team-*"]}, id="the same twice"),
        pytest.param({"namespaceSelector": {}}, id="every namespace"),
        pytest.param({"namespaceSelector": {"matchLabels": {"team": "a", "example.com/Stage_1": ""}}}, id="labels"),
        pytest.param({"namespaceSelector": expression("In", "a", "B_1.x-y", "")}, id="In"),
        pytest.param({"namespaceSelector": expression("NotIn", "a", key="example.com/team")}, id="NotIn"),
        pytest.param({"namespaceSelector": expression("Exists")}, id="Exists"),
        pytest.param({"namespaceSelector": expression("DoesNotExist")}, id="DoesNotExist"),
        pytest.param(
            {"namespaceSelector": {"matchExpressions": [{"key": "team", "operator": "Exists", "values": []}]}},
            id="Exists with empty values",
        ),
        pytest.param(
            {"namespaces": ["ns1"], "namespaceSelector": {"matchLabels": {"team": "a"}}}, id="names and labels"
        ),
        pytest.param({"namespaces": ["*"], "excludeNamespaces": ["kube-*", "default"]}, id="all but some"),
        pytest.param({"namespaceSelector": {}, "excludeNamespaces": []}, id="all but none"),
    ],
)
def test_targets_are_accepted(cluster: Cluster, targets: dict) -> None:
    cluster.offer(with_targets(**targets))


@pytest.mark.parametrize(
    "targets",
    [
        pytest.param({}, id="nothing"),
        pytest.param({"excludeNamespaces": ["kube-*"]}, id="exclusions only"),
    ],
)
def test_the_cluster_kind_says_which_namespaces(cluster: Cluster, targets: dict) -> None:
    with pytest.raises(RefusalError) as refusal:
        cluster.offer(with_targets(**targets))
    assert "spec: " in str(refusal.value)
    assert "add namespaces (names or globs) or namespaceSelector" in str(refusal.value)


def test_what_is_no_name_or_glob_of_namespaces(cluster: Cluster) -> None:
    wrong = ["Team", "team_a", "team.a", "-team", "team-", "-*", "*-", "[a-z]*", "team-{a,b}", "!team-a", "^team.*$"]
    names = ["team-a", *wrong, "", " team-a", "team-*\n", "{{ 7*7 }}"]
    with pytest.raises(RefusalError) as refusal:
        cluster.offer(with_targets(namespaces=names, excludeNamespaces=names))
    for field in ("namespaces", "excludeNamespaces"):
        for index, name in enumerate(names):
            assert (f"spec.{field}[{index}]: " in str(refusal.value)) == (name != "team-a"), name
    assert str(refusal.value).count("a namespace or a glob of such names, for example ") == 2 * len(names[1:])


@pytest.mark.parametrize(
    ("targets", "words"),
    [
        pytest.param({"namespaces": []}, "spec.namespaces in body should have at least 1", id="none"),
        pytest.param(
            {"namespaces": [], "namespaceSelector": {}}, "should have at least 1", id="none beside a selector"
        ),
        pytest.param({"namespaces": NAMES}, "spec.namespaces: Too many", id="too many"),
        pytest.param({"namespaces": ["x" * 64]}, "spec.namespaces[0]: Too long", id="too long"),
        pytest.param(
            {"namespaces": ["*"], "excludeNamespaces": NAMES}, "spec.excludeNamespaces: Too many", id="much out"
        ),
        pytest.param(
            {"namespaces": ["*"], "excludeNamespaces": ["x" * 64]}, "spec.excludeNamespaces[0]: Too long", id="long out"
        ),
        pytest.param(
            {"namespaces": ["*"], "excludeNamespaces": ["a", "a"]},
            "spec.excludeNamespaces[1]: Duplicate",
            id="twice out",
        ),
    ],
)
def test_lists_that_are_no_targets(cluster: Cluster, targets: dict, words: str) -> None:
    with pytest.raises(RefusalError) as refusal:
        cluster.offer(with_targets(**targets))
    assert words in str(refusal.value)


LABEL_VALUE_WORDS = "must be the value of a label"
NEED_VALUES = "the operators In and NotIn need values; add at least one"
NO_VALUES = "the operators Exists and DoesNotExist take no values; remove values"
NOT_ALL = "that would select every namespace"


@pytest.mark.parametrize(
    ("selector", "field", "words"),
    [
        pytest.param(expression("In"), "matchExpressions[0]: ", NEED_VALUES, id="In"),
        pytest.param(expression("NotIn"), "matchExpressions[0]: ", NEED_VALUES, id="NotIn"),
        pytest.param(expression("Exists", "a"), "matchExpressions[0]: ", NO_VALUES, id="Exists"),
        pytest.param(expression("DoesNotExist", "a"), "matchExpressions[0]: ", NO_VALUES, id="DoesNotExist"),
        pytest.param(expression("Gt", "1"), "matchExpressions[0].operator: ", '"In", "NotIn", "Exists"', id="Gt"),
        pytest.param(expression("in", "a"), "matchExpressions[0].operator: ", "Unsupported value", id="lower case"),
        pytest.param(expression("In", "a", "a b"), "matchExpressions[0].values[1]: ", LABEL_VALUE_WORDS, id="space"),
        pytest.param(expression("In", "*"), "matchExpressions[0].values[0]: ", LABEL_VALUE_WORDS, id="glob"),
        pytest.param(expression("In", "x" * 64), "matchExpressions[0].values[0]: ", "Too long", id="long value"),
        pytest.param(expression("In", *NAMES[:101]), "matchExpressions[0].values: ", "at most 100", id="many values"),
        pytest.param(expression("Exists", key="team a"), "matchExpressions[0].key: ", "key of a label", id="key"),
        pytest.param(expression("Exists", key=""), "matchExpressions[0].key: ", "key of a label", id="empty key"),
        pytest.param(
            expression("Exists", key=f"{LONG_PREFIX}x/a"), "matchExpressions[0].key: ", "key of a label", id="long key"
        ),
        pytest.param(
            {"matchExpressions": [{"key": "a", "operator": "Exists"}] * 33},
            "matchExpressions: ",
            "at most 32",
            id="many",
        ),
        pytest.param(
            {"matchExpressions": [{"operator": "Exists"}]}, "matchExpressions[0].key", "Required value", id="no key"
        ),
        pytest.param(
            {"matchExpressions": [{"key": "team"}]}, "matchExpressions[0].operator", "Required", id="no operator"
        ),
        pytest.param({"matchExpressions": []}, "matchExpressions: ", NOT_ALL, id="no expression"),
        pytest.param({"matchLabels": {}}, "matchLabels: ", NOT_ALL, id="no label"),
        pytest.param({"matchLabels": {"team": "a b"}}, "matchLabels[team]: ", LABEL_VALUE_WORDS, id="value"),
        pytest.param({"matchLabels": {"team": "a*"}}, "matchLabels[team]: ", LABEL_VALUE_WORDS, id="glob as value"),
        pytest.param({"matchLabels": {"team": "x" * 64}}, "matchLabels.team: ", "Too long", id="long value of label"),
        pytest.param({"matchLabels": dict.fromkeys(LONG_KEYS, "a")}, "matchLabels: ", "Too many", id="many labels"),
    ],
)
def test_what_is_no_selector(cluster: Cluster, selector: dict, field: str, words: str) -> None:
    with pytest.raises(RefusalError) as refusal:
        cluster.offer(with_targets(namespaceSelector=selector))
    assert f"spec.namespaceSelector.{field}" in str(refusal.value)
    assert words in str(refusal.value)


@pytest.mark.parametrize("field", ["matchLabel", "team"])
def test_a_misspelt_selector_does_not_select_every_namespace(cluster: Cluster, field: str) -> None:
    with pytest.raises(KubectlError, match=rf'namespaceSelector.: unknown field "{field}"'):
        cluster.apply(with_targets(namespaceSelector={field: {"team": "a"}}))


@pytest.mark.slow
@pytest.mark.parametrize("way", [["apply"], ["apply", "--server-side"], ["create"]], ids=" ".join)
@pytest.mark.parametrize("selector", [None, {"matchLabels": {"team": None}}], ids=["selector", "label"])
def test_a_null_does_not_select_every_namespace(cluster: Cluster, way: list[str], selector: dict | None) -> None:
    """Where a template of YAML was given no value; kubectl apply takes nulls away before it sends a resource."""
    resource = json.dumps(with_targets(namespaceSelector=selector))
    with pytest.raises(KubectlError, match=r"namespaceSelector"):
        cluster.kubectl(*way, "-f", "-", stdin=resource)


@pytest.mark.parametrize("field", ["namespaces", "namespaceSelector", "excludeNamespaces"])
def test_the_namespaced_kind_has_no_targets(cluster: Cluster, field: str) -> None:
    targets = {field: {} if field == "namespaceSelector" else ["kube-system"]}
    with pytest.raises(KubectlError, match=rf'spec.: unknown field "{field}"'):
        cluster.apply(with_spec(NAMESPACED, **targets))


@pytest.mark.parametrize("kind", [NAMESPACED, CLUSTER])
@pytest.mark.parametrize("names", [[], ["default", "build.x-1", "build-*", "*.?-x", "*"]], ids=["none", "some"])
def test_service_accounts_are_accepted(cluster: Cluster, kind: str, names: list[str]) -> None:
    cluster.offer(with_spec(kind, serviceAccounts=names))


@pytest.mark.parametrize("kind", [NAMESPACED, CLUSTER])
def test_what_is_no_name_or_glob_of_service_accounts(cluster: Cluster, kind: str) -> None:
    wrong = ["Build", "build_1", "-build", "build.", "a..b", "[ab]*", "ns1/build", "!build"]
    names = ["default", *wrong, "", "build*\n", "{{ 7*7 }}"]
    with pytest.raises(RefusalError) as refusal:
        cluster.offer(with_spec(kind, serviceAccounts=names))
    for index, name in enumerate(names):
        assert (f"spec.serviceAccounts[{index}]: " in str(refusal.value)) == (name != "default"), name
    assert str(refusal.value).count("a ServiceAccount or a glob of such names, for example build-*") == len(names[1:])


@pytest.mark.parametrize("kind", [NAMESPACED, CLUSTER])
@pytest.mark.parametrize(
    ("names", "words"),
    [
        pytest.param(["default", "default"], "spec.serviceAccounts[1]: Duplicate value", id="duplicate"),
        pytest.param(NAMES[:101], "spec.serviceAccounts: Too many", id="too many"),
        pytest.param(["x" * 254], "spec.serviceAccounts[0]: Too long", id="too long"),
    ],
)
def test_lists_that_are_no_service_accounts(cluster: Cluster, kind: str, names: list[str], words: str) -> None:
    with pytest.raises(RefusalError) as refusal:
        cluster.offer(with_spec(kind, serviceAccounts=names))
    assert words in str(refusal.value)


@pytest.mark.parametrize("kind", [NAMESPACED, CLUSTER])
@pytest.mark.parametrize(
    "template",
    [
        pytest.param({}, id="nothing"),
        pytest.param({"labels": {}, "annotations": {}}, id="none"),
        pytest.param({"labels": {"team": "a", "example.com/Stage_1": "", "expiry": "never"}}, id="labels"),
        pytest.param({"labels": {"app.kubernetes.io/part-of": "shop"}}, id="label beside ours"),
        pytest.param({"annotations": {"note": "", "example.com/text": "{{ 7*7 }}\n\u00e9"}}, id="annotations"),
        pytest.param(
            {"annotations": {"app.kubernetes.io/managed-by": "x", "x.expiry": "y"}}, id="annotation beside ours"
        ),
        pytest.param({"labels": {"aws.zakariaamine.com.example.com/a": "b"}}, id="prefix that is not ours"),
    ],
)
def test_templates_are_accepted(cluster: Cluster, kind: str, template: dict) -> None:
    cluster.offer(with_spec(kind, secretTemplate=template))


OURS = "because the Secret has its own of them; remove these"


@pytest.mark.parametrize("kind", [NAMESPACED, CLUSTER])
@pytest.mark.parametrize(
    ("field", "entries", "place", "words"),
    [
        ("labels", {"app.kubernetes.io/managed-by": "Helm"}, "labels: ", OURS),
        ("labels", {"team": "a", "aws.zakariaamine.com/owner": "a"}, "labels: ", OURS),
        ("labels", {"aws.zakariaamine.com/whatever": "a"}, "labels: ", OURS),
        ("annotations", {"expiry": "never"}, "annotations: ", OURS),
        ("annotations", {"note": "a", "aws.zakariaamine.com/secret": "ns1/a"}, "annotations: ", OURS),
        ("annotations", {"aws.zakariaamine.com/whatever": "a"}, "annotations: ", OURS),
        ("labels", {"team": "a b"}, "labels[team]: ", LABEL_VALUE_WORDS),
        ("labels", {"team": "-a"}, "labels[team]: ", LABEL_VALUE_WORDS),
        ("labels", {"team": "a\n"}, "labels[team]: ", LABEL_VALUE_WORDS),
        ("labels", {"team": "{{ 7*7 }}"}, "labels[team]: ", LABEL_VALUE_WORDS),
        ("labels", {"team": "x" * 64}, "labels.team: ", "Too long"),
        ("labels", {"team": 1}, "labels.team: ", "must be of type string"),
        ("annotations", {"note": True}, "annotations.note: ", "must be of type string"),
        ("labels", dict.fromkeys(LONG_KEYS, "a"), "labels: ", "Too many"),
        ("annotations", dict.fromkeys(LONG_KEYS, "a"), "annotations: ", "Too many"),
        ("annotations", {"note": "x" * 32769}, "annotations.note: ", "Too long"),
    ],
)
def test_what_a_template_must_not_have(
    cluster: Cluster, kind: str, field: str, entries: dict, place: str, words: str
) -> None:
    with pytest.raises(RefusalError) as refusal:
        cluster.offer(with_spec(kind, secretTemplate={field: entries}))
    assert f"spec.secretTemplate.{place}" in str(refusal.value)
    assert words in str(refusal.value)


@pytest.mark.parametrize("kind", [NAMESPACED, CLUSTER])
def test_a_template_has_labels_and_annotations_only(cluster: Cluster, kind: str) -> None:
    with pytest.raises(KubectlError, match=r'secretTemplate.: unknown field "metadata"'):
        cluster.apply(with_spec(kind, secretTemplate={"metadata": {"labels": {"team": "a"}}}))


@pytest.mark.parametrize("kind", [NAMESPACED, CLUSTER])
@pytest.mark.parametrize(
    "key",
    [
        "",
        "team a",
        "team-",
        "example.com/",
        "example.com/team/a",
        "Example.com/team",
        "x" * 64,
        f"{LONG_PREFIX}x/team",
        "team\n",
        "{{ 7*7 }}",
    ],
)
def test_what_is_no_key_of_labels_or_annotations(cluster: Cluster, kind: str, key: str) -> None:
    entries = {"team": "a", key: "a"}
    selector = {"namespaceSelector": {"matchLabels": entries}} if kind == CLUSTER else {}
    with pytest.raises(RefusalError) as refusal:
        cluster.offer(with_spec(kind, secretTemplate={"labels": entries, "annotations": entries}, **selector))
    for path in ("secretTemplate.labels", "secretTemplate.annotations", *(f"{name}.matchLabels" for name in selector)):
        # Kubernetes 1.29 says "object" for the value.
        assert re.search(rf'spec.{path}: Invalid value: ("object": )?each key must be that of a', str(refusal.value))


@pytest.mark.parametrize("kind", [NAMESPACED, CLUSTER])
@pytest.mark.parametrize(
    ("field", "values", "others"),
    [
        ("existingSecretPolicy", ["Fail", "Adopt", "Merge"], ["Replace", "merge", ""]),
        ("deletionPolicy", ["Delete", "Orphan"], ["Retain", "orphan", ""]),
        ("recoverPods", ["Never", "Delete"], ["Evict", "delete", ""]),
    ],
)
def test_policies(cluster: Cluster, kind: str, field: str, values: list[str], others: list[str]) -> None:
    for value in values:
        cluster.apply(with_spec(kind, **{field: value}))
    for value in others:
        with pytest.raises(RefusalError) as refusal:
            cluster.offer(with_spec(kind, **{field: value}))
        supported = ", ".join(f'"{each}"' for each in values)
        assert f'spec.{field}: Unsupported value: "{value}": supported values: {supported}' in str(refusal.value)


@pytest.mark.parametrize("kind", [NAMESPACED, CLUSTER])
def test_when_tokens_are_renewed(cluster: Cluster, kind: str) -> None:
    for value in ("1m", "60s", "90m", "1h30m", "6h", "0h5m", "12h", "43200s"):
        cluster.offer(with_spec(kind, refreshInterval=value, suspend=True))
    for value in ("59s", "12h1s", "13h", "", "6", "1d", "-6h", "1.5h", "6h ", "6h\n", "30m1h", "1000000s", "{{ 6 }}h"):
        with pytest.raises(RefusalError) as refusal:
            cluster.offer(with_spec(kind, refreshInterval=value))
        assert "spec.refreshInterval: " in str(refusal.value)
        assert "refreshInterval must be a duration such as 6h, 90m or 1h30m" in str(refusal.value), value
    with pytest.raises(RefusalError, match=r"spec\.suspend: "):
        cluster.offer(with_spec(kind, suspend="true"))


@pytest.mark.parametrize(
    ("kind", "spec"),
    [
        pytest.param(CLUSTER, {"namespaces": NAMES[:2000]}, id="namespaces"),
        pytest.param(CLUSTER, {"excludeNamespaces": NAMES[:2000]}, id="excludeNamespaces"),
        pytest.param(
            CLUSTER,
            {
                "namespaceSelector": {
                    "matchLabels": dict.fromkeys(LONG_KEYS[:32], "x" * 63),
                    "matchExpressions": [
                        {"key": key, "operator": "In", "values": NAMES[:100]} for key in LONG_KEYS[:32]
                    ],
                }
            },
            id="namespaceSelector",
        ),
        *(
            pytest.param(kind, spec, id=f"{name} of {kind}")
            for kind in (NAMESPACED, CLUSTER)
            for name, spec in {
                "serviceAccounts": {"serviceAccounts": [f"{number:03}{'x' * 250}" for number in range(100)]},
                "labels": {"secretTemplate": {"labels": dict.fromkeys(LONG_KEYS[:32], "x" * 63)}},
                "annotations": {"secretTemplate": {"annotations": dict.fromkeys(LONG_KEYS[:32], "\u00e9" * 1024)}},
            }.items()
        ),
    ],
)
def test_as_much_as_the_limits_allow_is_accepted(cluster: Cluster, kind: str, spec: dict) -> None:
    """It must not exceed what the API server spends on the rules of one request."""
    resource = json.dumps(with_spec(kind, **spec))
    assert "serverside-applied" in cluster.kubectl("apply", "--server-side", "-f", "-", stdin=resource)


@pytest.mark.parametrize("kind", [NAMESPACED, CLUSTER])
def test_what_is_absent_stays_absent(cluster: Cluster, kind: str) -> None:
    """Without defaults in the schema, a resource of the Go operator is stored as it is written."""
    resource = edited(kind, "spec.secretName", "ecr-login")
    cluster.apply(resource)
    stored = cluster.resource(kind, "demo", resource["metadata"].get("namespace", ""))
    assert stored["spec"] == resource["spec"]


def test_what_the_go_operator_accepts_and_refuses_is_accepted(cluster: Cluster) -> None:
    """Plain keys or base64 as its webhook stores them, applied twice, then with other keys, in every partition."""
    stored = edited(CLUSTER, "spec.awsAccess.accessKeyId", b64encode(EXAMPLE.access_key.encode()).decode())
    assert "created" in cluster.apply(edited(CLUSTER, "spec.namespaces", ["team-a", "team-a"]))
    assert "unchanged" in cluster.apply(edited(CLUSTER, "spec.namespaces", ["team-a", "team-a"]))
    assert "configured" in cluster.apply(stored)
    for region in ("us-gov-west-1", "cn-north-1", "us-iso-east-1", "eusc-de-east-1"):
        assert "configured" in cluster.apply(edited(CLUSTER, "spec.awsAccess.region", region))


@pytest.mark.parametrize(
    ("short_name", "columns"),
    [
        ("aeps", ["NAME", "SECRET", "READY", "EXPIRES", "AGE"]),
        ("caeps", ["NAME", "SECRET", "READY", "SERVED", "TARGETS", "EXPIRES", "AGE"]),
    ],
)
def test_kubectl_get_has_columns_under_the_short_name(cluster: Cluster, short_name: str, columns: list[str]) -> None:
    cluster.apply(edited(NAMESPACED, "spec.secretName", "ecr-login"), edited(CLUSTER, "spec.secretName", "ecr-login"))
    header, row = cluster.kubectl("get", short_name).splitlines()
    assert header.split() == columns
    assert row.split()[:2] == ["demo", "ecr-login"]
    assert "SUSPENDED" in cluster.kubectl("get", short_name, "-o", "wide").split()


def test_the_columns_of_500_namespaces_can_be_read(cluster: Cluster) -> None:
    cluster.apply(with_spec(CLUSTER, namespaces=[f"team-{number}" for number in range(500)]))
    status = json.dumps({"status": {"namespacesReady": 499, "namespacesTotal": 500}})
    cluster.kubectl("patch", "caeps", "demo", "--subresource=status", "--type=merge", f"--patch={status}")
    header, row = cluster.kubectl("get", "caeps", "-o", "wide").splitlines()
    assert row.split()[:4] == ["demo", "ecr-login", "499", "500"]
    assert len(header) < 120


def test_the_deprecated_kind_is_served(cluster: Cluster) -> None:
    resource = edited(CLUSTER, "kind", "AWSECRCredential") | {"apiVersion": "aws.zakariaamine.com/v1alpha1"}
    assert "created" in cluster.apply(resource)


def blocks(page: Path, language: str) -> list[str]:
    """Return the fenced code blocks of that language in a page of Markdown, without their indentation."""
    fenced = re.findall(rf"^( *)```{language}\n(.*?)^\1```$", page.read_text(), re.MULTILINE | re.DOTALL)
    return [dedent(text) for _, text in fenced]


class Loader(yaml.SafeLoader):
    """Takes what stands behind a tag of Ansible's, such as !vault, for text."""


Loader.add_multi_constructor("!", lambda loader, _tag, node: loader.construct_scalar(node))


def manifests(text: str) -> list[dict]:
    """Return the objects of a YAML text if all its documents are such, else none: it shows something else then."""
    documents = [each for each in yaml.load_all(text, Loader) if each is not None]
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


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_manifests_in_the_documentation_are_accepted(cluster: Cluster, page: Path) -> None:
    for text in blocks(page, "yaml"):
        objects = [each for each in manifests(text) if each["apiVersion"].partition("/")[0] not in OTHER_GROUPS]
        assert not objects or len(check(cluster, objects)) == len(objects)


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.relative_to(ROOT).as_posix())
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
