"""From a custom resource, as laxer CRDs may have stored it, to what the play is told."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from ansible_collections.kube_ecr.secrets.plugins.module_utils._aws import access
from ansible_collections.kube_ecr.secrets.plugins.module_utils._contract.errors import ResourceError
from ansible_collections.kube_ecr.secrets.plugins.module_utils._contract.item import (
    ContestedAccount,
    Item,
    NamespacedName,
)
from ansible_collections.kube_ecr.secrets.plugins.module_utils._inventory.item import (
    finalizer_error,
    injects,
    item_of,
    needs_namespaces,
    superseded,
    without_policy,
)
from ansible_collections.kube_ecr.secrets.plugins.module_utils._inventory.observe import observe, source_secret
from ansible_collections.kube_ecr.secrets.plugins.module_utils._reconcile.request import Request, desired_secret
from ansible_collections.kube_ecr.secrets.plugins.module_utils._secret.observed import ObservedSecret
from tests.support.logins import requests

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)
GROUP = "aws.zakariaamine.com"
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


def item(resource: dict) -> Item:
    return item_of(resource, None)


def test_an_item_is_reference_and_targets_and_holds_no_key() -> None:
    told = item(cluster_resource())
    assert Item.from_dict(told.as_dict()) == told
    assert told.as_dict() == {
        "reference": "ClusterAWSECRImagePullSecret/shared",
        "owner": {
            "api_version": "aws.zakariaamine.com/v1alpha2",
            "kind": "ClusterAWSECRImagePullSecret",
            "namespace": "",
            "name": "shared",
            "uid": "u-1",
            "generation": 3,
        },
        "state": "present",
        "identity": "",
        "region": "eu-west-1",
        "registries": ["eu-west-1"],
        "secret_name": "ecr-login",
        "namespaces": ["a", "b"],
        "outputs": [],
        "extra_auths": [],
        "service_accounts": [],
        "labels": {},
        "annotations": {},
        "existing_secret_policy": "Fail",
        "deletion_policy": "Delete",
        "refresh_interval": None,
        "is_pass": False,
        "reconcile_request": "",
        "suspended": False,
        "has_finalizer": False,
        "error": None,
        "warning": None,
        "secrets": None,
        "source_secret": None,
        "accounts": None,
        "contested_accounts": [],
        "due": False,
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
    told = item(resource)
    assert (told.namespaces, told.error) == (tuple(namespaces), None)


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
        (cluster_resource(namespaceSelector=[]), "spec.namespaceSelector"),
        (cluster_resource(excludeNamespaces=["A"]), "spec.excludeNamespaces"),
        (cluster_resource(serviceAccounts=["Build"]), "spec.serviceAccounts"),
        (cluster_resource(serviceAccounts="default"), "spec.serviceAccounts"),
        (cluster_resource(existingSecretPolicy="Take"), "spec.existingSecretPolicy"),
        (cluster_resource(deletionPolicy=None), "spec.deletionPolicy"),
        (cluster_resource(podInjection="ecr"), "spec.podInjection"),
        (cluster_resource(refreshInterval="1d"), "spec.refreshInterval"),
        (cluster_resource(secretTemplate=[1]), "spec.secretTemplate"),
        (cluster_resource(secretTemplate={"labels": {"team": "a b"}}), "spec.secretTemplate.labels"),
        (cluster_resource(secretTemplate={"labels": {"": "a"}}), "spec.secretTemplate.labels"),
        (
            cluster_resource(secretTemplate={"labels": {"app.kubernetes.io/managed-by": "x"}}),
            "spec.secretTemplate.labels",
        ),
        (cluster_resource(secretTemplate={"labels": {f"{GROUP}/owner": "x"}}), "spec.secretTemplate.labels"),
        (cluster_resource(secretTemplate={"annotations": {"expiry": "x"}}), "spec.secretTemplate.annotations"),
        (cluster_resource(secretTemplate={"annotations": {f"{GROUP}/shared": "x"}}), "spec.secretTemplate.annotations"),
        (cluster_resource(secretTemplate={"annotations": {"a": 1}}), "spec.secretTemplate.annotations"),
    ],
)
def test_what_cannot_be_done_names_the_field_and_no_key(resource: dict, field: str) -> None:
    told = item(resource)
    assert told.error
    assert told.error.reason == "InvalidResource"
    assert told.error.message.startswith(f"{field}: ")
    assert told.namespaces is None
    assert SECRET not in str(told)
    assert KEY_ID not in str(told)


def test_one_that_wants_its_secret_in_new_pods_is_told_that_there_is_no_policy() -> None:
    assert [injects(cluster_resource(podInjection=each)) for each in ("Never", "Ecr", "Always")] == [False, True, True]
    assert not injects(cluster_resource())
    going = cluster_resource(podInjection="Ecr")
    going["metadata"]["deletionTimestamp"] = "2026-01-31T12:00:00Z"
    assert not injects(going)
    told = without_policy(item(cluster_resource(podInjection="Ecr")))
    assert told.warning
    assert told.summary()["warning"] == told.warning.as_dict()
    assert told.warning.reason == "PodInjectionMissing"
    assert "no MutatingAdmissionPolicy for ClusterAWSECRImagePullSecret is installed" in told.warning.message
    assert (told.error, told.namespaces) == (None, ("a", "b")), "it is served all the same"
    assert Item.from_dict(told.as_dict()) == told


def test_policies_hold_for_the_clean_up_whatever_else_is_wrong() -> None:
    for wrong in (with_access(region=""), cluster_resource(secretName="", awsAccess=None)):
        wrong["spec"] |= {"deletionPolicy": "Orphan", "existingSecretPolicy": "Merge"}
        told = item(wrong)
        assert (told.deletion_policy, told.existing_secret_policy, bool(told.error)) == ("Orphan", "Merge", True)


def test_hosts_of_others_are_tied_to_the_region_of_the_resource() -> None:
    """Resources of several regions share an identity, but a host that is none of AWS' says nothing of a region."""
    private, public, custom = "111122223333.dkr.ecr.us-east-1.amazonaws.com", "public.ecr.aws", "ecr.example.com:8443"
    told = item(cluster_resource(registries=[private, public, custom, private]))
    assert list(map(str, told.registries)) == [private, public, f"{custom}@eu-west-1"]
    assert list(map(str, item(cluster_resource(registries=[])).registries)) == ["eu-west-1"]


def test_what_is_asked_for_beside_the_targets() -> None:
    template = {"labels": {"team": "a", "example.com/x": ""}, "annotations": {"note": "{{ 7*7 }}"}}
    spec = {"secretTemplate": template, "serviceAccounts": ["default", "build-*", "default"]}
    told = item(cluster_resource(**spec, existingSecretPolicy="Merge", deletionPolicy="Orphan"))
    assert (told.labels, told.annotations) == (template["labels"], template["annotations"])
    assert told.as_dict()["service_accounts"] == ["default", "build-*"]
    assert (told.existing_secret_policy, told.deletion_policy) == ("Merge", "Orphan")
    assert told.error is None


EXISTING = {"team-a": {"tier": "prod"}, "team-b": {}, "ops": {"tier": "prod"}}


@pytest.mark.parametrize(
    ("spec", "existing", "needs", "namespaces"),
    [
        ({"namespaces": ["z", "team-*"]}, EXISTING, True, ["z", "team-a", "team-b"]),
        (
            {"namespaces": None, "namespaceSelector": {"matchLabels": {"tier": "prod"}}},
            EXISTING,
            True,
            ["ops", "team-a"],
        ),
        ({"namespaces": ["*"], "excludeNamespaces": ["team-?"]}, EXISTING, True, ["ops"]),
        ({"namespaces": ["a", "b"], "excludeNamespaces": ["b"]}, None, False, ["a"]),
        ({"namespaces": ["z", "team-*"]}, None, True, None),
    ],
)
def test_targets_of_the_cluster_kind(
    spec: dict, existing: dict | None, needs: bool, namespaces: list[str] | None
) -> None:
    resource = cluster_resource(**spec)
    assert needs_namespaces(resource) is needs
    assert item_of(resource, existing).namespaces == (None if namespaces is None else tuple(namespaces))


def test_one_that_is_being_deleted_is_to_be_undone() -> None:
    resource = cluster_resource()
    resource["metadata"] |= {"deletionTimestamp": "2026-01-31T12:00:00Z", "finalizers": ["other", f"{GROUP}/cleanup"]}
    told = item(resource)
    assert (told.state, told.has_finalizer) == ("absent", True)


@pytest.mark.parametrize(
    ("field", "value"),
    [("serviceAccounts", ["default"]), ("existingSecretPolicy", "Merge"), ("deletionPolicy", "Orphan")],
)
def test_nothing_in_the_namespace_of_the_runner_may_need_an_undo(field: str, value: object) -> None:
    told = item(namespaced_resource(**{field: value}))
    assert finalizer_error(told, "team-b") is None
    assert finalizer_error(told, "") is None
    assert finalizer_error(item(namespaced_resource()), "team-a") is None
    assert f"spec.{field}: team-a is the namespace of the runner" in str(finalizer_error(told, "team-a"))
    assert finalizer_error(item(cluster_resource(**{field: value})), "") is None


def test_what_asks_for_a_new_token_is_told() -> None:
    resource = cluster_resource(refreshInterval="1h30m")
    resource["metadata"]["annotations"] = {f"{GROUP}/reconcile-at": "{{ 7*7 }}" + "x" * 500, "other": "y"}
    told = item(resource)
    assert (told.as_dict()["refresh_interval"], told.reconcile_request) == (5400, "{{ 7*7 }}" + "x" * 247)


@pytest.mark.parametrize(
    ("suspend", "metadata", "is_suspended"),
    [
        (True, {}, True),
        (False, {}, False),
        (True, {"deletionTimestamp": "2026-01-31T12:00:00Z"}, False),
    ],
)
def test_what_is_suspended_is_told_unless_it_is_being_deleted(
    suspend: bool, metadata: dict, is_suspended: bool
) -> None:
    resource = cluster_resource(suspend=suspend)
    resource["metadata"] |= metadata
    assert item(resource).suspended is is_suspended


def test_a_suspended_successor_is_one_all_the_same() -> None:
    """Else suspending it would hand its Secrets to the resource that it took the place of."""
    legacy = cluster_resource() | {"kind": "AWSECRCredential"}
    assert superseded(legacy, [legacy, cluster_resource(suspend=True)])


@pytest.mark.parametrize(
    ("stored", "reference"),
    [
        ({"secretName": "aws-access", "namespace": "ops"}, "{name: aws-access, namespace: ops}"),
        ({"secretName": "aws-access"}, "{name: aws-access, namespace: default}"),
        # Without its keys, it would be taken for one that uses the identity of the runner.
        ({"secretName": "aws-access", "region": "eu-west-1"}, "{name: aws-access, namespace: default}"),
    ],
)
def test_one_of_the_first_generation_is_told_what_to_write(stored: dict, reference: str) -> None:
    legacy = cluster_resource(awsAccess=stored) | {"kind": "AWSECRCredential"}
    told = item(legacy)
    assert (told.namespaces, told.region) == (None, ""), "nothing is written or removed"
    assert told.error
    assert told.error.message.startswith("spec.awsAccess.secretName: is of the first releases of")
    assert f"credentialsSecretRef: {reference}" in told.error.message
    with pytest.raises(ResourceError, match="first releases"):
        access.parse(legacy)


class Bare:
    """A cluster in which nothing stands."""

    def list_metadata(self, *_args: str, **_options: str) -> list[dict]:
        return []

    list_service_accounts = list_metadata


@pytest.mark.parametrize(
    ("suspend", "state", "is_due", "namespaces"),
    [
        (False, "present", True, ("a", "b")),
        (True, "present", False, None),
        (True, "absent", False, ("a", "b")),
    ],
)
def test_nothing_is_asked_for_what_is_suspended_but_to_undo_it(
    suspend: bool, state: str, is_due: bool, namespaces: tuple[str, ...] | None
) -> None:
    """Where there is no namespace that is known, nothing is written, and nothing removed."""
    told = item(cluster_resource(suspend=suspend, serviceAccounts=["default"]))
    (observed,) = observe(Bare(), [told], NOW)
    request = Request.of_item(replace(told, state=state, observed=observed))
    assert (request.is_due, request.namespaces, request.is_understood) == (is_due, namespaces, namespaces is not None)


class Accounts(Bare):
    """A cluster with service accounts."""

    def __init__(self, *accounts: dict) -> None:
        self.accounts = accounts

    def list_service_accounts(self, *_args: str) -> list[dict]:
        return list(self.accounts)


def service_account(namespace: str, name: str, *, has_entry: bool, release: str = "") -> dict:
    entries = {
        "place": f"{namespace}/{name}",
        "u-1": {"names": ["ecr-login"], "resource": "ClusterAWSECRImagePullSecret/shared"},
    }
    annotations = {f"{GROUP}/shared": json.dumps(entries)} if has_entry else {}
    annotations |= {"meta.helm.sh/release-name": release} if release else {}
    labels = {f"{GROUP}/owner": "shared"} if has_entry else {}
    metadata = {"namespace": namespace, "name": name, "resourceVersion": "1"}
    return {
        "metadata": {**metadata, "annotations": annotations, "labels": labels},
        "imagePullSecrets": [{"name": "ecr-login"}],
    }


def test_the_inventory_tells_of_accounts_that_need_nothing_but_that_others_write() -> None:
    """Only of those that hold an entry of the resource, and that it names: the others are in nobody's way, or go."""
    cluster = Accounts(
        service_account("a", "default", has_entry=True, release="web"),
        service_account("a", "builder", has_entry=True, release="web"),
        service_account("b", "default", has_entry=True),
        service_account("c", "default", has_entry=True, release="web"),
        service_account("d", "default", has_entry=False, release="web"),
    )
    told = item(cluster_resource(serviceAccounts=["default"], namespaces=["a", "b", "d"]))
    (observed,) = observe(cluster, [told], NOW)
    assert observed.contested == (ContestedAccount(NamespacedName("a", "default"), "helm release web"),)
    assert observed.accounts == (NamespacedName("a", "builder"), NamespacedName("c", "default"))
    (absent,) = observe(cluster, [replace(told, state="absent")], NOW)
    assert (len(absent.accounts or ()), absent.contested) == (4, ())


def test_a_copy_is_made_of_the_secret_that_need_not_be_renewed() -> None:
    """However long another seems to last: its token is of a time to come, or older than what was asked for."""
    told = item(cluster_resource(registries=[]))
    desired = desired_secret(replace(told, reconcile_request="1"))
    hour = timedelta(hours=1)

    def held(namespace: str, ends: float, reconcile_request: str = "1") -> ObservedSecret:
        times = (NOW + ends * hour, NOW + (ends - 6) * hour)
        return ObservedSecret(
            namespace, "ecr-login", "1", True, True, requests("eu-west-1"), *times, reconcile_request=reconcile_request
        )

    choices = [held("fresh", 11), held("ahead", 30), held("old", 11.5, reconcile_request="")]
    assert source_secret(desired, choices, NOW) == choices[0]
