"""Custom resources and namespaces as the runner sees them."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from kube_ecr_runner.contract.kinds import api_version
from kube_ecr_runner.contract.targets import Targets
from kube_ecr_runner.model.resource import (
    Key,
    Namespace,
    Reference,
    Referenced,
    Resource,
    WrittenSecret,
    parse_namespace,
    parse_referenced,
)

CANARY = "AKIACANARYCANARY1234"
REFRESHED = "2026-01-31T12:00:00Z"
NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)


def an_object(**metadata: object) -> dict:
    return {
        "apiVersion": "aws.zakariaamine.com/v1alpha2",
        "kind": "ClusterAWSECRImagePullSecret",
        "metadata": {"name": "shared", "uid": "u-1", "generation": 3, **metadata},
        "spec": {
            "secretName": "ecr-login",
            "namespaces": ["ns1", "ns2", "ns1"],
            "awsAccess": {"accessKeyId": CANARY, "secretAccessKey": CANARY, "region": "eu-west-1"},
        },
        "status": {"observedGeneration": 3, "namespacesReady": 2, "somethingElse": 1},
    }


def test_cluster_resource_targets_what_it_lists_once() -> None:
    resource = Resource.parse(an_object())
    assert resource.key == Key("ClusterAWSECRImagePullSecret", "", "shared")
    assert (resource.uid, resource.generation, resource.secret_name) == ("u-1", 3, "ecr-login")
    assert resource.targets == Targets.only("ns1", "ns2")


@pytest.mark.parametrize(
    ("spec", "status", "hosts"),
    [
        ({}, {}, []),
        ({"registries": ["a.b", 1]}, {}, ["a.b"]),
        ({"registries": ["a.b"]}, {"registries": ["c.d", "e.f", None]}, ["c.d", "e.f"]),
        ({"registries": "a.b"}, {"registries": "c.d"}, []),
    ],
)
def test_hosts_are_those_of_the_status_or_those_that_are_asked_for(spec: dict, status: dict, hosts: list[str]) -> None:
    item = an_object()
    item["spec"] |= spec
    item["status"] |= status
    assert Resource.parse(item).hosts == hosts


@pytest.mark.parametrize(
    ("value", "recovers"), [(None, False), ("Never", False), ("Delete", True), ("delete", False), (True, False)]
)
def test_pods_are_recovered_only_where_the_resource_says_so_in_a_word_that_is_known(
    value: object, recovers: bool
) -> None:
    item = an_object()
    item["spec"] |= {"recoverPods": value} if value is not None else {}
    assert Resource.parse(item).recovers_pods is recovers


def test_namespaced_resource_targets_its_own_namespace_only() -> None:
    item = an_object(namespace="team-a") | {"kind": "AWSECRImagePullSecret"}
    item["spec"] |= {"namespaceSelector": {}, "excludeNamespaces": ["*"]}
    assert Resource.parse(item).targets == Targets.only("team-a")


@pytest.mark.parametrize(
    ("metadata", "deleting", "undo"),
    [
        ({}, False, False),
        ({"finalizers": ["aws.zakariaamine.com/cleanup"]}, False, False),
        ({"deletionTimestamp": REFRESHED}, True, False),
        ({"deletionTimestamp": REFRESHED, "finalizers": ["foregroundDeletion"]}, True, False),
        ({"deletionTimestamp": REFRESHED, "finalizers": ["x", "aws.zakariaamine.com/cleanup"]}, True, True),
        ({"deletionTimestamp": REFRESHED, "finalizers": "aws.zakariaamine.com/cleanup"}, True, False),
    ],
)
def test_resource_that_is_being_deleted_is_told_apart(metadata: dict, deleting: bool, undo: bool) -> None:
    resource = Resource.parse(an_object(**metadata))
    assert (resource.deleting, resource.cleanup) == (deleting, undo)


@pytest.mark.parametrize(
    ("suspend", "metadata", "suspended"),
    [
        (True, {}, True),
        (False, {}, False),
        ("true", {}, False),
        (True, {"deletionTimestamp": REFRESHED, "finalizers": ["aws.zakariaamine.com/cleanup"]}, False),
    ],
)
def test_suspended_is_what_says_so_unless_it_is_being_deleted(suspend: object, metadata: dict, suspended: bool) -> None:
    item = an_object(**metadata)
    item["spec"]["suspend"] = suspend
    assert Resource.parse(item).suspended is suspended


@pytest.mark.parametrize(
    ("value", "handled", "has_unanswered_request"),
    [(None, None, False), ("1", None, True), ("1", "1", False), ("2", "1", True), ("x" * 300, "x" * 256, False)],
)
def test_nudge_is_a_value_that_the_status_does_not_tell_of(
    value: object, handled: object, has_unanswered_request: bool
) -> None:
    item = an_object(annotations={"aws.zakariaamine.com/reconcile-at": value})
    item["status"] = {"lastHandledReconcileAt": handled} if handled else {}
    assert Resource.parse(item).has_unanswered_request is has_unanswered_request


@pytest.mark.parametrize("kind", ["ClusterAWSECRImagePullSecret", "AWSECRCredential"])
def test_cluster_scoped_resource_selects_namespaces(kind: str) -> None:
    item = an_object() | {"kind": kind}
    item["spec"] |= {"namespaceSelector": {"matchLabels": {"ecr": "yes"}}, "excludeNamespaces": ["kube-*"]}
    assert Resource.parse(item).targets == Targets.readable(item["spec"])
    assert Resource.parse(item).targets.selector


def test_group_and_version_are_those_of_the_kind() -> None:
    versions = [api_version(kind) for kind in ("AWSECRImagePullSecret", "AWSECRCredential")]
    assert versions == ["aws.zakariaamine.com/v1alpha2", "aws.zakariaamine.com/v1alpha1"]


@pytest.mark.parametrize(
    ("spec", "watched"),
    [
        ({}, {("Secret", "ecr-login")}),
        ({"serviceAccounts": ["default", "x"]}, {("ServiceAccount", "default"), ("ServiceAccount", "x")}),
        ({"serviceAccounts": ["default", "build-*"]}, {("ServiceAccount", "")}),
        ({"serviceAccounts": ["a,b", 1]}, set()),
        ({"secretName": "x,metadata.namespace=b"}, set()),
        (
            {"awsAccess": {"credentialsSecretRef": {"name": "keys", "namespace": "a"}}},
            {("Secret", "ecr-login"), ("Secret", "keys")},
        ),
    ],
)
def test_what_a_resource_names_is_watched(spec: dict, watched: set) -> None:
    item = an_object()
    item["spec"] |= spec
    login = {("Secret", "ecr-login")} if "secretName" not in spec else set()
    assert Resource.parse(item).watched == watched | login


@pytest.mark.parametrize(
    ("template", "names"),
    [
        (None, set()),
        ({"labels": {"team": "a"}, "annotations": {"note": "x"}}, {("labels", "team"), ("annotations", "note")}),
        ({"labels": ["team"], "annotations": {"note": 1}, "other": {"x": "y"}}, {("annotations", "note")}),
    ],
)
def test_template_is_the_names_of_labels_and_annotations(template: object, names: set) -> None:
    item = an_object()
    item["spec"]["secretTemplate"] = template
    assert Resource.parse(item).template == names


def test_resource_keeps_its_status_and_nothing_of_others() -> None:
    assert Resource.parse(an_object()).status == {"observedGeneration": 3, "namespacesReady": 2}


def with_access(namespace: str = "", **access: object) -> Resource:
    item = an_object(namespace=namespace) if namespace else an_object()
    item["spec"]["awsAccess"] = {"region": "eu-west-1", "roleArn": CANARY, "externalId": CANARY, **access}
    return Resource.parse(item)


@pytest.mark.parametrize(
    "access",
    [
        {"accessKeyId": CANARY, "secretAccessKey": CANARY},
        {"credentialsSecretRef": {"name": "keys", "namespace": "ns1", "sessionTokenKey": CANARY}},
    ],
)
def test_no_key_is_kept(access: dict) -> None:
    assert CANARY not in repr(vars(with_access(**access)))


@pytest.mark.parametrize(
    ("namespace", "access", "references"),
    [
        ("", {}, []),
        ("", {"credentialsSecretRef": {"name": "keys", "namespace": "ns9"}}, [("Secret", "ns9", "keys")]),
        ("", {"serviceAccountRef": {"name": "puller", "namespace": "ns9"}}, [("ServiceAccount", "ns9", "puller")]),
        ("", {"serviceAccountRef": {"name": "puller"}}, []),
        ("a", {"credentialsSecretRef": {"name": "keys"}}, [("Secret", "a", "keys")]),
        ("a", {"credentialsSecretRef": {"name": "keys", "namespace": "kube-system"}}, [("Secret", "a", "keys")]),
        ("a", {"serviceAccountRef": {"name": "puller", "namespace": "b"}}, [("ServiceAccount", "a", "puller")]),
        ("a", {"credentialsSecretRef": {"name": "x,metadata.namespace=b"}}, []),
        ("a", {"credentialsSecretRef": {"name": "x" * 254}}, []),
        ("a", {"credentialsSecretRef": {"name": 1}}, []),
        ("a", {"credentialsSecretRef": "keys", "serviceAccountRef": None}, []),
    ],
)
def test_references_of_a_resource(namespace: str, access: dict, references: list[tuple]) -> None:
    assert with_access(namespace, **access).references == {Reference(*each) for each in references}


KEYS, NO_ROLE = {"accessKeyId": CANARY, "secretAccessKey": CANARY}, {"roleArn": None}
SECRET, ACCOUNT = {"credentialsSecretRef": {"name": "keys"}}, {"serviceAccountRef": {"name": "puller"}}


@pytest.mark.parametrize(
    ("one", "other", "are_same"),
    [
        (("a", {}), ("b", {}), True),
        # STS is called, in that region, unless there are keys and no role.
        (("a", {"region": "eu-west-1"}), ("b", {"region": "us-east-1"}), False),
        (("a", KEYS | NO_ROLE | {"region": "eu-west-1"}), ("b", KEYS | NO_ROLE | {"region": "us-east-1"}), True),
        (("a", KEYS), ("b", KEYS), True),
        (("a", KEYS), ("a", KEYS | {"secretAccessKey": "other"}), False),
        (("a", SECRET), ("a", SECRET), True),
        (("a", SECRET), ("b", SECRET), False),
        (("a", ACCOUNT | {"region": "eu-west-1"}), ("a", ACCOUNT | {"region": "us-east-1"}), False),
        (("a", {}), ("a", {"roleArn": "arn:aws:iam::111122223333:role/x"}), False),
    ],
)
def test_resources_of_one_way_into_aws_are_of_one_identity(one: tuple, other: tuple, are_same: bool) -> None:
    found = [with_access(namespace, **access) for namespace, access in (one, other)]
    assert (found[0].identity == found[1].identity) is are_same
    assert str(found[0].identity) not in repr(found[0])


@pytest.mark.parametrize(
    ("access", "own"),
    [
        ({}, True),
        ({"accessKeyId": CANARY, "secretAccessKey": CANARY}, False),
        ({"secretAccessKey": CANARY}, False),
        ({"credentialsSecretRef": {"name": "keys"}}, False),
        ({"serviceAccountRef": {"name": "puller"}}, False),
    ],
)
def test_resource_without_another_way_in_uses_the_identity_of_the_runner(access: dict, own: bool) -> None:
    assert with_access("a", **access).uses_own_identity is own


@pytest.mark.parametrize(
    "item",
    [
        {},
        {"metadata": None, "spec": [], "status": "x"},
        {"metadata": {"name": 1}, "spec": {"namespaces": [1, None], "awsAccess": "x"}},
    ],
)
def test_malformed_object_is_no_error(item: dict) -> None:
    assert Resource.parse(item).targets == Targets()
    assert parse_referenced("Secret", item).changed_at is None


def test_namespace_is_its_metadata() -> None:
    item = {"metadata": {"name": "ns1", "uid": "u", "creationTimestamp": REFRESHED, "deletionTimestamp": REFRESHED}}
    assert parse_namespace(item) == Namespace("ns1", "u", NOON, terminating=True)
    item["metadata"]["labels"] = {"team": "a"}
    assert parse_namespace(item).labels == {"team": "a"}


@pytest.mark.parametrize(
    ("annotations", "allowed"),
    [
        (None, ""),
        ({"other": "runner"}, ""),
        ({"aws.zakariaamine.com/allowed-aws-identities": "runner, *"}, "runner, *"),
        ({"aws.zakariaamine.com/allowed-aws-identities": 1}, ""),
    ],
)
def test_namespace_says_what_is_allowed_in_it(annotations: object, allowed: str) -> None:
    assert parse_namespace({"metadata": {"name": "ns1", "annotations": annotations}}).allowed_identities == allowed


@pytest.mark.parametrize(
    ("times", "changed_at"),
    [
        pytest.param({}, None, id="unknown"),
        pytest.param({"creationTimestamp": REFRESHED}, NOON, id="never written again"),
        pytest.param(
            {
                "creationTimestamp": "2026-01-31T11:00:00Z",
                "managedFields": [{"time": REFRESHED}, {"time": "2026-01-31T11:30:00Z"}, {}, "x"],
            },
            NOON,
            id="written again",
        ),
    ],
)
def test_object_that_is_referred_to_is_its_metadata(times: dict, changed_at: datetime | None) -> None:
    item = {"kind": "PartialObjectMetadata", "data": {"key": CANARY}}
    item["metadata"] = {"namespace": "a", "name": "keys", "resourceVersion": "7", **times}
    expected = Referenced(Reference("Secret", "a", "keys"), "7", changed_at)
    assert parse_referenced("Secret", item) == expected


@pytest.mark.parametrize(
    ("entries", "names"),
    [
        (None, set()),
        ("x", set()),
        ([], set()),
        ([{"name": "login"}, {}, "x", {"name": 1}, {"name": "login"}, {"name": "other"}], {"login", "other"}),
    ],
)
def test_service_account_is_its_metadata_and_its_pull_secrets(entries: object, names: set) -> None:
    item = {"metadata": {"namespace": "a", "name": "default"}, "imagePullSecrets": entries}
    assert parse_referenced("ServiceAccount", item).pull_secrets == names
    assert parse_referenced("Secret", item).pull_secrets == set()


def test_secret_says_whose_it_is() -> None:
    metadata = {
        "namespace": "a",
        "name": "login",
        "labels": {"app.kubernetes.io/managed-by": "kube-ecr-secrets", "aws.zakariaamine.com/owner": "u"},
        "annotations": {
            "aws.zakariaamine.com/secret": "a/login",
            "aws.zakariaamine.com/shared": '{"place": "a/login", "v": {"names": []}}',
        },
        "ownerReferences": [{"apiVersion": "aws.zakariaamine.com/v1alpha2", "uid": "u"}],
        "managedFields": [
            {"manager": "kube-ecr-secrets", "fieldsV1": {"f:data": {"f:.dockerconfigjson": {}}}},
            {
                "manager": "kube-ecr-secrets/u",
                "operation": "Apply",
                "fieldsV1": {"f:metadata": {"f:labels": {"f:team": {}}}},
            },
        ],
    }
    owned = parse_referenced("Secret", {"metadata": metadata})
    assert (owned.owner, owned.template) == ("u", {("labels", "team")})
    shared = metadata | {"labels": {"aws.zakariaamine.com/owner": "shared"}}
    assert parse_referenced("Secret", {"metadata": shared}).intact == {"v"}
    for each in (metadata, shared):
        account = parse_referenced("ServiceAccount", {"metadata": each})
        assert account == Referenced(Reference("ServiceAccount", "a", "login"), "", None)


def test_outputs_are_secrets_of_their_own_names_and_namespaces() -> None:
    item = an_object()
    item["spec"]["outputs"] = [
        {"name": "charts", "type": "ArgoCDRepository", "urls": ["a.b", "c.d"], "namespaces": ["argocd"]},
        {"name": "basic", "type": "BasicAuth"},
        {"name": "No Name", "type": "BasicAuth"},
    ]
    item["spec"]["extraAuths"] = [{"secretRef": {"name": "quay", "namespace": "ops"}}, {"secretRef": "x"}, 1]
    resource = Resource.parse(item)
    label = frozenset([("labels", "argocd.argoproj.io/secret-type")])
    argocd, ns1 = Namespace("argocd", "", None), Namespace("ns1", "", None)
    assert resource.outputs == (
        WrittenSecret("charts", Targets.only("argocd"), label),
        WrittenSecret("charts-2", Targets.only("argocd"), label),
        WrittenSecret("basic", resource.targets),
    )
    assert resource.wanted("charts-2", argocd) == resource.outputs[1]
    assert (resource.wanted("charts-2", ns1), resource.wanted("basic", ns1)) == (None, resource.outputs[2])
    assert resource.references == {Reference("Secret", "ops", "quay")}
    assert resource.watched == {("Secret", name) for name in ("ecr-login", "charts", "charts-2", "basic", "quay")}
    item["metadata"]["namespace"] = "team"
    local = Resource.parse(item)
    assert {secret.targets for secret in local.secrets} == {Targets.only("team")}
    assert local.references == {Reference("Secret", "team", "quay")}
