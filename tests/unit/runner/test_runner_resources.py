"""Custom resources and namespaces as the runner sees them."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from kube_ecr_runner.resources import (
    Key,
    Namespace,
    Reference,
    Referenced,
    Resource,
    is_older,
    is_outdated,
    parse_namespace,
    parse_referenced,
    waits_for,
)

CANARY = "AKIACANARYCANARY1234"
REFRESHED = "2026-01-31T12:00:00Z"
NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)
BEFORE, AFTER = datetime(2026, 1, 31, 11, tzinfo=UTC), datetime(2026, 1, 31, 13, tzinfo=UTC)


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
    assert resource.namespaces == ("ns1", "ns2")


def test_namespaced_resource_targets_its_own_namespace_only() -> None:
    item = an_object(namespace="team-a") | {"kind": "AWSECRImagePullSecret"}
    assert Resource.parse(item).namespaces == ("team-a",)


def test_resource_that_is_being_deleted_is_told_apart() -> None:
    assert Resource.parse(an_object(deletionTimestamp=REFRESHED)).deleting
    assert not Resource.parse(an_object()).deleting


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
    assert Resource.parse(item).namespaces == ()
    assert parse_referenced("Secret", item).changed_at is None


def test_namespace_is_its_metadata() -> None:
    item = {"metadata": {"name": "ns1", "uid": "u", "creationTimestamp": REFRESHED, "deletionTimestamp": REFRESHED}}
    assert parse_namespace(item) == Namespace("ns1", "u", NOON, terminating=True)


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
    ("status", "changed_at", "older"),
    [
        ({"lastRefreshTime": REFRESHED}, BEFORE, False),
        ({"lastRefreshTime": REFRESHED}, NOON, True),
        ({"lastRefreshTime": REFRESHED}, AFTER, True),
        ({"lastRefreshTime": REFRESHED}, None, False),
        ({}, AFTER, False),
    ],
)
def test_resource_is_older_than_what_was_written_since(status: dict, changed_at: datetime, older: bool) -> None:
    resource = Resource(Key("K", "", "r"), "u", 1, status=status)
    assert is_older(resource, Referenced(Reference("Secret", "a", "keys"), "7", changed_at)) is older


def failure(namespace: str, reason: str) -> dict:
    return {"namespace": namespace, "reason": reason, "message": ""}


@pytest.mark.parametrize(
    ("failures", "awaited"),
    [
        ([], False),
        ([failure("ns1", "NamespaceNotFound")], True),
        ([failure("ns1", "NamespaceTerminating")], True),
        ([failure("ns1", "SecretConflict")], False),
        ([failure("ns2", "NamespaceNotFound")], False),
        ([failure(f"x{number}", "NamespaceNotFound") for number in range(20)], True),
    ],
)
def test_status_says_which_namespace_is_waited_for(failures: list[dict], awaited: bool) -> None:
    assert waits_for({"failures": failures}, "ns1") is awaited


def alive(*names: str, created_at: datetime = BEFORE) -> dict[str, Namespace]:
    return {name: Namespace(name, f"uid-{name}", created_at) for name in names}


PENDING = [failure("ns2", "NamespaceNotFound")]


@pytest.mark.parametrize(
    ("failures", "namespaces", "outdated"),
    [
        pytest.param([], alive("ns1", "ns2"), False, id="all there"),
        pytest.param(PENDING, alive("ns1"), False, id="still missing"),
        pytest.param(PENDING, alive("ns1", "ns2"), True, id="came"),
        pytest.param([], alive("ns1"), True, id="went"),
        pytest.param([failure("ns2", "SecretConflict")], alive("ns1", "ns2"), False, id="failed, and still there"),
        pytest.param([], alive("ns1", "ns2", created_at=AFTER), True, id="made again since the Secrets were written"),
        pytest.param(
            PENDING,
            alive("ns1") | {"ns2": Namespace("ns2", "uid", BEFORE, terminating=True)},
            False,
            id="on its way out",
        ),
        pytest.param([], alive("ns1", "ns2", "other"), False, id="no target"),
    ],
)
def test_status_is_outdated_when_namespaces_came_or_went(
    failures: list[dict], namespaces: dict[str, Namespace], outdated: bool
) -> None:
    status = {"failures": failures, "lastRefreshTime": REFRESHED}
    resource = Resource(Key("K", "", "r"), "u", 1, namespaces=("ns1", "ns2"), status=status)
    assert is_outdated(resource, namespaces) is outdated
