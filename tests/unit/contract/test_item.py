"""An item: what the inventory writes is what the module reads."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta

import pytest

from ansible_collections.kube_ecr.secrets.plugins.module_utils._contract.item import (
    ContestedAccount,
    ExtraAuth,
    Item,
    NamespacedName,
    Observed,
    Owner,
    PlacedOutput,
)
from ansible_collections.kube_ecr.secrets.plugins.module_utils._contract.login_request import LoginRequest
from ansible_collections.kube_ecr.secrets.plugins.module_utils._contract.outputs import Output
from ansible_collections.kube_ecr.secrets.plugins.module_utils._contract.result import ErrorResult
from ansible_collections.kube_ecr.secrets.plugins.module_utils._contract.targets import Names

OWNER = Owner("aws.zakariaamine.com/v1alpha2", "AWSECRImagePullSecret", "team-a", "ecr", "uid-1", 3)
FULL = Item(
    owner=OWNER,
    reference="AWSECRImagePullSecret/team-a/ecr",
    state="absent",
    suspended=True,
    has_finalizer=True,
    reconcile_request="1",
    identity="id-1",
    region="eu-west-1",
    registries=(LoginRequest(None, "eu-west-1"), LoginRequest("registry.example.com", "eu-west-1")),
    secret_name="ecr-login",
    namespaces=("team-a", "team-b"),
    outputs=(
        PlacedOutput(
            Output(
                "npm", "Template", LoginRequest(None, "eu-west-1"), "Opaque", {"a": "$(password)"}, labels={"b": "c"}
            ),
            ("tools",),
        ),
    ),
    extra_auths=(ExtraAuth("ops", "quay", "quay.io"),),
    service_accounts=Names(("default",), ("ci-*",)),
    labels={"team": "a"},
    annotations={"note": "x"},
    existing_secret_policy="Merge",
    deletion_policy="Orphan",
    refresh_interval=timedelta(hours=2),
    is_pass=True,
    error=ErrorResult("InvalidResource", "spec.x"),
    warning=ErrorResult("PodInjectionMissing", "spec.podInjection"),
    observed=Observed(
        secrets=({"namespace": "team-a", "name": "ecr-login"},),
        source_secret=NamespacedName("team-b", "ecr-login"),
        accounts=(NamespacedName("team-a", "default"),),
        contested=(ContestedAccount(NamespacedName("team-b", "ci-1"), "helm release web"),),
        is_due=True,
    ),
)
LEAST = Item(OWNER, "AWSECRImagePullSecret/team-a/ecr")


@pytest.mark.parametrize("item", [FULL, LEAST, Item(OWNER, "x", namespaces=(), observed=Observed((), None, (), ()))])
def test_item_comes_back_as_it_was(item: Item) -> None:
    assert Item.from_dict(json.loads(json.dumps(item.as_dict()))) == item


def test_item_has_the_fields_that_playbooks_of_users_read() -> None:
    assert FULL.as_dict() == {
        "reference": "AWSECRImagePullSecret/team-a/ecr",
        "owner": {
            "api_version": "aws.zakariaamine.com/v1alpha2",
            "kind": "AWSECRImagePullSecret",
            "namespace": "team-a",
            "name": "ecr",
            "uid": "uid-1",
            "generation": 3,
        },
        "state": "absent",
        "suspended": True,
        "has_finalizer": True,
        "reconcile_request": "1",
        "identity": "id-1",
        "region": "eu-west-1",
        "registries": ["eu-west-1", "registry.example.com@eu-west-1"],
        "secret_name": "ecr-login",
        "namespaces": ["team-a", "team-b"],
        "outputs": [
            {
                "name": "npm",
                "type": "Template",
                "request": "eu-west-1",
                "secret_type": "Opaque",
                "texts": {"a": "$(password)"},
                "namespaces": ["tools"],
                "labels": {"b": "c"},
                "annotations": {},
                "host": "",
            }
        ],
        "extra_auths": [{"namespace": "ops", "name": "quay", "registry": "quay.io"}],
        "service_accounts": ["default", "ci-*"],
        "labels": {"team": "a"},
        "annotations": {"note": "x"},
        "existing_secret_policy": "Merge",
        "deletion_policy": "Orphan",
        "refresh_interval": 7200,
        "is_pass": True,
        "error": {"reason": "InvalidResource", "msg": "spec.x"},
        "warning": {"reason": "PodInjectionMissing", "msg": "spec.podInjection"},
        "secrets": [{"namespace": "team-a", "name": "ecr-login"}],
        "source_secret": {"namespace": "team-b", "name": "ecr-login"},
        "accounts": [{"namespace": "team-a", "name": "default"}],
        "contested_accounts": [{"namespace": "team-b", "name": "ci-1", "written_by": "helm release web"}],
        "due": True,
    }


@pytest.mark.parametrize(("item", "has_targets"), [(FULL, True), (LEAST, False), (replace(FULL, namespaces=()), False)])
def test_a_result_says_whose_it_is_and_what_was_wrong_to_begin_with(item: Item, has_targets: bool) -> None:
    whole = item.as_dict()
    kept = {name: whole[name] for name in ("reference", "owner", "state", "reconcile_request", "error", "warning")}
    assert item.summary() == {**kept, "has_targets": has_targets}


def test_generation_may_have_become_a_text() -> None:
    assert Owner.from_dict({**OWNER.as_dict(), "generation": "3"}) == OWNER


@pytest.mark.parametrize(
    ("namespace", "text"), [("team-a", "AWSECRImagePullSecret/team-a/ecr"), ("", "AWSECRImagePullSecret/ecr")]
)
def test_owner_is_named_by_kind_namespace_and_name(namespace: str, text: str) -> None:
    assert str(Owner("v1", "AWSECRImagePullSecret", namespace, "ecr", "uid-1", 1)) == text
