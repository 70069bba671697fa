"""Whose a Secret is, and for whom it is intact, by its metadata alone."""

from __future__ import annotations

import json
from copy import deepcopy
from datetime import UTC, datetime

import pytest

from ansible_collections.kube_ecr.secrets.plugins.module_utils._contract.login_request import LoginRequest
from ansible_collections.kube_ecr.secrets.plugins.module_utils._contract.ownership import (
    SharedEntry,
    intact_for,
    owner_of,
    shared_annotation,
    template_of,
)

UID = "11111111-2222-3333-4444-555555555555"
OTHER = "99999999-2222-3333-4444-555555555555"
GROUP = "aws.zakariaamine.com"
LABELS = ["app.kubernetes.io/managed-by", f"{GROUP}/owner", f"{GROUP}/resource-digest"]
ANNOTATIONS = [
    "expiry",
    *(f"{GROUP}/{each}" for each in ("renew-after", "fingerprint", "identity", "registries", "resource")),
]
PLACE = f"{GROUP}/secret"
CONTENT = {"f:data": {".": {}, "f:.dockerconfigjson": {}}, "f:type": {}}


def fields(labels: list[str], annotations: list[str]) -> dict:
    metadata = {
        "f:labels": {f"f:{each}": {} for each in labels},
        "f:annotations": {f"f:{each}": {} for each in annotations},
        "f:ownerReferences": {f'k:{{"uid":"{UID}"}}': {}},
    }
    return {**CONTENT, "f:metadata": metadata}


def entry(manager: str, fields_v1: object, operation: str = "Apply") -> dict:
    return {"manager": manager, "operation": operation, "fieldsType": "FieldsV1", "fieldsV1": fields_v1}


OWNED = {
    "name": "ecr-login",
    "namespace": "a",
    "labels": {"app.kubernetes.io/managed-by": "kube-ecr-secrets", f"{GROUP}/owner": UID},
    "annotations": {PLACE: "a/ecr-login", "expiry": "2026-01-31T12:00:00Z"},
    "ownerReferences": [
        {"apiVersion": f"{GROUP}/v1alpha2", "kind": "ClusterAWSECRImagePullSecret", "name": "x", "uid": UID}
    ],
    "managedFields": [
        entry("kubectl-label", {"f:metadata": {"f:labels": {"f:team": {}}}}, "Update"),
        entry(f"kube-ecr-secrets/{UID}", fields(LABELS, [*ANNOTATIONS, PLACE])),
    ],
}


def changed(*path: object, to: object = None) -> dict:
    """Return OWNED with what is at path removed, or replaced."""
    metadata = deepcopy(OWNED)
    part: object = metadata
    for each in path[:-1]:
        part = part[each]  # type: ignore[index]
    if to is None:
        del part[path[-1]]  # type: ignore[attr-defined]
    else:
        part[path[-1]] = to  # type: ignore[index]
    return metadata


def with_text(metadata: dict) -> dict:
    """Return metadata after another manager applied the login through stringData, which is no conflict."""
    text = {"f:stringData": {".": {}, "f:.dockerconfigjson": {}}}
    return {**metadata, "managedFields": [*metadata["managedFields"], entry("gitops", text)]}


def test_secret_as_it_was_written_belongs_to_its_resource_and_is_intact_for_it() -> None:
    assert owner_of(OWNED) == UID
    assert intact_for(OWNED) == {UID}


@pytest.mark.parametrize(
    "metadata",
    [
        pytest.param({}, id="nothing"),
        pytest.param({"labels": [], "annotations": "x", "ownerReferences": {}, "managedFields": [1]}, id="malformed"),
        pytest.param({"name": "ecr-login", "ownerReferences": OWNED["ownerReferences"]}, id="of the Go operator"),
        pytest.param(changed("annotations", PLACE) | {"managedFields": []}, id="no place, and another's content"),
        pytest.param(changed("labels") | {"managedFields": []}, id="one mark, and another's content"),
        pytest.param(changed("labels", f"{GROUP}/owner", to="shared"), id="shared"),
        pytest.param(changed("namespace", to="b"), id="a copy in another namespace"),
        pytest.param(changed("name", to="b"), id="a copy of another name"),
    ],
)
def test_too_few_marks_and_those_of_a_copy_make_no_owner(metadata: dict) -> None:
    assert owner_of(metadata) == ""
    assert intact_for(metadata) == frozenset()


@pytest.mark.parametrize(
    "metadata",
    [
        pytest.param(changed("ownerReferences"), id="no owner reference"),
        pytest.param(changed("ownerReferences", 0, "uid", to=OTHER), id="another's owner reference"),
        pytest.param(changed("labels"), id="no labels"),
        pytest.param(changed("labels", f"{GROUP}/owner", to=OTHER), id="another's label"),
        pytest.param(changed("labels", "app.kubernetes.io/managed-by", to="Helm"), id="managed by another"),
        pytest.param(changed("annotations"), id="no annotations"),
        pytest.param(changed("labels") | {"ownerReferences": []}, id="the place and the login"),
    ],
)
def test_secret_is_known_by_the_marks_that_are_left(metadata: dict) -> None:
    """Whether it was edited is told by the managed fields: an admission policy that takes marks away edits nothing."""
    assert owner_of(metadata) == UID
    assert intact_for(metadata) == {UID}


WRITTEN = ("managedFields", 1, "fieldsV1")


@pytest.mark.parametrize(
    "metadata",
    [
        pytest.param(changed("managedFields"), id="no managers"),
        pytest.param(changed("managedFields", 1), id="not our manager"),
        pytest.param(changed("managedFields", 1, "manager", to=f"kube-ecr-secrets/{OTHER}"), id="another resource's"),
        pytest.param(changed("managedFields", 1, "manager", to="kube-ecr-secrets"), id="manager of shared objects"),
        pytest.param(changed("managedFields", 1, "operation", to="Update"), id="not applied"),
        pytest.param(changed(*WRITTEN, to="x"), id="malformed fields"),
        pytest.param(changed(*WRITTEN, "f:data"), id="data edited"),
        pytest.param(changed(*WRITTEN, "f:data", "f:.dockerconfigjson"), id="login edited"),
        pytest.param(changed(*WRITTEN, "f:metadata", "f:ownerReferences"), id="owner reference edited"),
        pytest.param(with_text(OWNED), id="login applied as stringData"),
        *(pytest.param(changed(*WRITTEN, "f:metadata", "f:labels", f"f:{each}"), id=each) for each in LABELS),
        *(
            pytest.param(changed(*WRITTEN, "f:metadata", "f:annotations", f"f:{each}"), id=each)
            for each in [*ANNOTATIONS, PLACE]
        ),
    ],
)
def test_secret_that_was_edited_is_ours_and_not_intact(metadata: dict) -> None:
    assert owner_of(metadata) == UID
    assert intact_for(metadata) == frozenset()


def test_what_others_add_leaves_a_secret_intact() -> None:
    metadata = changed("labels", "team", to="x")
    metadata["annotations"]["note"] = "x"
    metadata["ownerReferences"].append({"uid": OTHER})
    assert intact_for(metadata) == {UID}


def shared(told: object, fields_v1: object, manager: str = "kube-ecr-secrets") -> dict:
    """Return metadata of a shared Secret; told gets the place where it is, unless it says another or is no mapping."""
    if isinstance(told, dict):
        told = {"place": "a/login", **told}
    text = told if isinstance(told, str) else json.dumps(told)
    return {
        "name": "login",
        "namespace": "a",
        "labels": {f"{GROUP}/owner": "shared"},
        "annotations": {f"{GROUP}/shared": text},
        "managedFields": [entry("kubectl", {"f:metadata": {}}), entry(manager, fields_v1, "Update")],
    }


@pytest.mark.parametrize(
    ("metadata", "uids"),
    [
        (shared({UID: {"names": ["host"]}, OTHER: {"names": []}}, CONTENT), {UID, OTHER}),
        (shared({UID: {}}, CONTENT, f"kube-ecr-secrets/{OTHER}"), {UID}),
        (shared({UID: {}, "place": "b/login"}, CONTENT), set()),
        (shared(json.dumps({UID: {}}), CONTENT), set()),
        (shared({UID: {}}, CONTENT, "kubectl-edit"), set()),
        (with_text(shared({UID: {}}, CONTENT)), set()),
        (shared({UID: {"edited": True}, OTHER: {"edited": 1}}, CONTENT), {OTHER}),
        (shared({UID: {}}, CONTENT) | {"labels": {}}, set()),
        (shared({UID: {}}, CONTENT, "kube-ecr-secrets-other"), set()),
        (shared({UID: {}}, {"f:data": {"f:other": {}}}), set()),
        (shared({}, CONTENT), set()),
        (shared("{", CONTENT), set()),
        (shared("[" * 100_000, CONTENT), set()),
        (shared([UID], CONTENT), set()),
    ],
)
def test_shared_secret_is_intact_for_those_who_put_their_logins_in(metadata: dict, uids: set[str]) -> None:
    assert intact_for(metadata) == uids
    assert owner_of(metadata) == ""


def test_template_is_what_the_owner_applied_beside_its_marks() -> None:
    metadata = changed(
        "managedFields",
        1,
        to=entry(f"kube-ecr-secrets/{UID}", fields([*LABELS, "tier"], ["expiry", "note", f"{GROUP}/reconcile-at"])),
    )
    assert template_of(metadata) == {("labels", "tier"), ("annotations", "note")}
    assert template_of(OWNED) == template_of(metadata | {"name": "copy"}) == template_of({}) == frozenset()


NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    "entry",
    [
        SharedEntry(("ecr-login",)),
        SharedEntry(("ecr-login",), taken_from="kustomize-controller"),
        SharedEntry(("host",), NOW),
        SharedEntry(
            ("host",),
            NOW,
            NOW,
            "id-1",
            (LoginRequest(None, "eu-west-1"),),
            created=True,
            reconcile_request="1",
            shadowed_by=("host/team",),
        ),
    ],
)
def test_entry_comes_back_as_it_was(entry: SharedEntry) -> None:
    assert SharedEntry.from_dict(json.loads(json.dumps(entry.as_dict()))) == entry


def test_annotation_is_the_same_text_for_the_same_entries() -> None:
    """It is compact, since its length is limited."""
    text = '{"99":{"names":["b"]},"place":"a/login","u1":{}}'
    for entries in ({"u1": {}, "99": {"names": ["b"]}}, {"99": {"names": ["b"]}, "u1": {}}):
        assert shared_annotation({"name": "login", "namespace": "a"}, entries) == text
