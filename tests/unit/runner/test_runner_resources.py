"""Custom resources and namespaces as the runner sees them."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from kube_ecr_runner.resources import Key, Namespace, Resource, is_outdated, parse_namespace, waits_for

CANARY = "AKIACANARYCANARY1234"
REFRESHED = "2026-01-31T12:00:00Z"
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


@pytest.mark.parametrize("text", ["AWSECRImagePullSecret/team-a/ecr", "ClusterAWSECRImagePullSecret/shared"])
def test_key_survives_its_text(text: str) -> None:
    assert str(Key.parse(text)) == text


@pytest.mark.parametrize("text", ["", "shared", "Kind/", "Kind//name", "Kind/a/b/c"])
def test_text_that_is_no_key_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="neither"):
        Key.parse(text)


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


def test_no_key_is_kept() -> None:
    resource = Resource.parse(an_object())
    assert CANARY not in repr(vars(resource))


@pytest.mark.parametrize(
    "item",
    [{}, {"metadata": None, "spec": [], "status": "x"}, {"metadata": {"name": 1}, "spec": {"namespaces": [1, None]}}],
)
def test_malformed_object_is_no_error(item: dict) -> None:
    assert Resource.parse(item).namespaces == ()


def test_namespace_is_its_metadata() -> None:
    item = {"metadata": {"name": "ns1", "uid": "u", "creationTimestamp": REFRESHED, "deletionTimestamp": REFRESHED}}
    assert parse_namespace(item) == Namespace("ns1", "u", datetime(2026, 1, 31, 12, tzinfo=UTC), terminating=True)


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
