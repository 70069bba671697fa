"""Whose a Secret is by the marks that are left: the table of docs/pull-secrets.md, and what holds for every mixture."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import replace
from typing import Any

import pytest

from ansible_collections.kube_ecr.secrets.plugins.module_utils._contract.item import Owner
from ansible_collections.kube_ecr.secrets.plugins.module_utils._contract.ownership import owner_of
from ansible_collections.kube_ecr.secrets.plugins.module_utils._secret.desired import DesiredSecret
from ansible_collections.kube_ecr.secrets.plugins.module_utils._secret.whose import Whose, whose, whose_by_metadata
from tests.support.cluster.stored_secrets import (
    GROUP,
    OWNER,
    edited_by_others,
    foreign_secret,
    own_secret,
    shared_secret,
    shared_secret_of_ours,
)

OWN, LEFT, CONTESTED = Whose.OWN, Whose.LEFT, Whose.CONTESTED
CLAIMED, ABANDONED, FOREIGN = Whose.CLAIMED, Whose.ABANDONED, Whose.FOREIGN
MANAGED_BY, OWNED_BY = "app.kubernetes.io/managed-by", f"{GROUP}/owner"
SUCCESSOR = replace(OWNER, uid="uid-new")
NEIGHBOUR = replace(OWNER, uid="uid-2", name="other")
LEGACY = Owner(f"{GROUP}/v1alpha1", "AWSECRCredential", "", "ecr", "uid-3", 1)
CONTROLLER = {
    "apiVersion": "external-secrets.io/v1",
    "kind": "ExternalSecret",
    "name": "x",
    "uid": "u",
    "controller": True,
}
Edit = Callable[[dict], Any]


def secret(*edits: Edit, owner: Owner | None = OWNER) -> dict:
    """Return a Secret as an owner wrote it, after edits."""
    made = deepcopy(own_secret(desired=DesiredSecret("ecr-login", owner, "id-1" if owner else "")))
    for edit in edits:
        edit(made)
    return made


def labels(**changes: str | None) -> Edit:
    return lambda made: made["metadata"].update(labels={**made["metadata"]["labels"], **changes})


def without(*fields: str) -> Edit:
    return lambda made: [made["metadata"].pop(field, None) for field in fields]


def owned_by(*owners: Owner | dict) -> Edit:
    references = [each.reference() if isinstance(each, Owner) else each for each in owners]
    return lambda made: made["metadata"].update(ownerReferences=references)


def annotated(name: str, value: str | None) -> Edit:
    return lambda made: made["metadata"]["annotations"].update({f"{GROUP}/{name}": value})


def overwritten(made: dict) -> None:
    """Let somebody else write the login."""
    made["metadata"]["managedFields"] = [{"manager": "gitops"}]
    made["data"] = foreign_secret()["data"]


def untracked(made: dict) -> None:
    """Let it be restored as it was: the login is the same, and another manager has it."""
    made["metadata"]["managedFields"] = [{"manager": "velero", "operation": "Update"}]


ORPHANED = owned_by()
# By whom, or what: whose the Secret is then, to the resource that wrote it and to one that has its name now.
HANDS = {
    "nobody touched it": (secret(), OWN, LEFT),
    "a policy sets managed-by": (secret(labels(**{MANAGED_BY: "platform"})), OWN, LEFT),
    "a policy takes all labels": (secret(without("labels")), OWN, LEFT),
    "a policy takes all annotations": (secret(without("annotations")), OWN, CLAIMED),
    "a hand takes the owner label": (secret(without("labels"), untracked), OWN, LEFT),
    "a hand takes the owner reference": (secret(without("ownerReferences")), OWN, LEFT),
    "a hand edits the login": (secret(overwritten), OWN, ABANDONED),
    "a hand edits the login, and takes the owner reference": (secret(overwritten, ORPHANED), CONTESTED, ABANDONED),
    "a hand leaves the owner reference alone": (
        secret(overwritten, without("labels", "annotations")),
        CLAIMED,
        CLAIMED,
    ),
    "a hand takes all but the login": (
        secret(without("labels", "annotations", "ownerReferences")),
        CLAIMED,
        FOREIGN,
    ),
    "a hand leaves the owner label alone": (
        secret(overwritten, without("annotations", "ownerReferences")),
        FOREIGN,
        FOREIGN,
    ),
    "another controller takes it": (secret(overwritten, owned_by(OWNER, CONTROLLER)), CONTESTED, FOREIGN),
    "another resource is made an owner": (secret(owned_by(OWNER, NEIGHBOUR)), CONTESTED, FOREIGN),
    "a replicator copies it": (
        secret(without("ownerReferences"), annotated("secret", "b/ecr-login")),
        FOREIGN,
        FOREIGN,
    ),
    "a hand copies all of it": (secret(annotated("secret", "b/ecr-login")), FOREIGN, FOREIGN),
    "a replicator copies the labels": (secret(untracked, without("annotations", "ownerReferences")), FOREIGN, FOREIGN),
    "a backup of the Secret": (secret(untracked, ORPHANED), OWN, LEFT),
    "an orphan deletion": (secret(ORPHANED), OWN, LEFT),
    "an orphan deletion, and a policy": (secret(ORPHANED, without("labels")), OWN, LEFT),
    "a backup, and a policy": (secret(ORPHANED, untracked, without("labels")), LEFT, LEFT),
    "the Go operator's": (foreign_secret(ownerReferences=[OWNER.reference()]), CLAIMED, CLAIMED),
    "somebody's": (foreign_secret(), FOREIGN, FOREIGN),
    "a playbook's": (secret(owner=None), FOREIGN, FOREIGN),
    "the neighbour's": (secret(owner=NEIGHBOUR), FOREIGN, FOREIGN),
    "the neighbour's, orphaned": (secret(ORPHANED, owner=NEIGHBOUR), FOREIGN, FOREIGN),
    "the neighbour's, with our marks on it": (
        secret(labels(**{OWNED_BY: OWNER.uid}), owned_by(OWNER), owner=NEIGHBOUR),
        CONTESTED,
        FOREIGN,
    ),
    "the legacy resource's": (secret(owner=LEGACY), CLAIMED, CLAIMED),
    "shared": (shared_secret(), FOREIGN, FOREIGN),
    "shared, made by us": (shared_secret_of_ours(), FOREIGN, FOREIGN),
    "our own, shared with another": (shared_secret(secret=own_secret(), uid="uid-2"), CLAIMED, FOREIGN),
}


@pytest.mark.parametrize(("found", "to_owner", "to_successor"), HANDS.values(), ids=HANDS)
def test_what_hands_leave(found: dict, to_owner: Whose, to_successor: Whose) -> None:
    assert (whose(found, OWNER), whose(found, SUCCESSOR)) == (to_owner, to_successor)


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        pytest.param(secret(owner=None), OWN, id="as it was written"),
        pytest.param(secret(labels(**{MANAGED_BY: "platform"}), owner=None), OWN, id="a policy sets managed-by"),
        pytest.param(secret(untracked, without("labels"), owner=None), OWN, id="a backup without labels"),
        pytest.param(secret(overwritten, owner=None), OWN, id="edited"),
        pytest.param(secret(without("annotations"), owner=None), CLAIMED, id="no annotations"),
        pytest.param(secret(overwritten, without("labels"), owner=None), FOREIGN, id="edited, without labels"),
        pytest.param(secret(owned_by(CONTROLLER), owner=None), CONTESTED, id="a controller's"),
        pytest.param(secret(annotated("secret", "b/ecr-login"), owner=None), FOREIGN, id="a copy"),
        pytest.param(secret(), FOREIGN, id="a resource's"),
        pytest.param(secret(without("labels"), ORPHANED), FOREIGN, id="a resource's, without label and owner"),
        pytest.param(shared_secret_of_ours(), FOREIGN, id="shared"),
    ],
)
def test_what_is_a_playbook_s(found: dict, expected: Whose) -> None:
    assert whose(found, None) is expected


# Every mixture of marks

PLACES = {"here": "team-a/ecr-login", "elsewhere": "team-b/ecr-login", "none": None}
NAMES = {"ours": str(OWNER), "others": str(NEIGHBOUR), "none": None}
REFERENCES: dict[str, list[dict]] = {
    "none": [],
    "ours": [OWNER.reference()],
    "former": [replace(OWNER, uid="uid-old").reference()],
    "others": [NEIGHBOUR.reference()],
    "ours and others": [OWNER.reference(), NEIGHBOUR.reference()],
    "controller": [CONTROLLER],
    "ours and controller": [OWNER.reference(), CONTROLLER],
}
LABELS = [None, OWNER.uid, "uid-old", NEIGHBOUR.uid, "shared"]
MANAGERS = [None, OWNER.uid, "uid-old", NEIGHBOUR.uid]


def mixtures() -> Iterator[tuple[dict, dict, bool]]:
    """Yield metadata, by which parts it was made, and whether the content is as one of ours wrote it."""
    login = {"f:data": {"f:.dockerconfigjson": {}}}
    for place, name, references, label, manager, managed, is_as_written in itertools.product(
        PLACES, NAMES, REFERENCES, LABELS, MANAGERS, (None, "kube-ecr-secrets", "platform"), (True, False)
    ):
        annotations = {f"{GROUP}/secret": PLACES[place], f"{GROUP}/resource": NAMES[name]}
        fields = [{"manager": f"kube-ecr-secrets/{manager}", "operation": "Apply", "fieldsV1": login}]
        parts = {"place": place, "name": name, "references": references, "label": label, "manager": manager}
        metadata = {
            "name": "ecr-login",
            "namespace": "team-a",
            "labels": {key: value for key, value in ((MANAGED_BY, managed), (OWNED_BY, label)) if value},
            "annotations": {key: value for key, value in annotations.items() if value},
            "ownerReferences": REFERENCES[references],
            "managedFields": fields if manager else [],
        }
        yield metadata, parts, is_as_written


def test_whatever_marks_are_mixed() -> None:
    """Nothing of others is removed, nothing of ours is forgotten, and no two resources take a Secret for their own."""
    for metadata, parts, is_as_written in mixtures():
        found = whose_by_metadata(metadata, OWNER, is_as_written=is_as_written)
        theirs = whose_by_metadata(metadata, NEIGHBOUR, is_as_written=is_as_written)
        mine = ("ours" in parts["references"]) + (parts["label"] == OWNER.uid) + (parts["manager"] == OWNER.uid)
        is_mine_before = parts["name"] == "ours" and parts["place"] == "here"
        # Without a name nobody knows that the old resource had the same.
        others = {parts["label"], parts["manager"]} - {None, OWNER.uid, "uid-old" if is_mine_before else None}
        is_others = (
            bool(others)
            or parts["name"] == "others"
            or "others" in parts["references"]
            or "controller" in parts["references"]
        )
        is_written = is_as_written or parts["manager"] is not None
        if parts["place"] == "elsewhere":
            assert found is FOREIGN, "a copy"
        if not mine and not is_mine_before and parts["references"] != "former":
            assert found is FOREIGN, "nothing names it"
        if found.is_removable:
            evidence = mine + (parts["place"] == "here") + (parts["name"] == "ours") + is_written
            assert evidence > 1, "no single mark is enough"
            assert "others" not in parts["references"]
            assert "controller" not in parts["references"]
            assert not theirs.is_removable, "it would be removed under another's feet"
        if parts["place"] == "here" and is_written and not is_others and (mine or is_mine_before):
            assert found.is_removable, "it is ours, and would be forgotten"
        if owner_of(metadata) == OWNER.uid:
            assert found in (OWN, CONTESTED), "what a watch takes for ours, a run takes for ours"
        others_labels = {**metadata, "labels": {**metadata["labels"], MANAGED_BY: "anything"}}
        assert whose_by_metadata(others_labels, OWNER, is_as_written=is_as_written) is found, "a word of anybody's"


def test_a_successor_is_known_by_kind_namespace_and_name() -> None:
    left = secret(ORPHANED)
    for other in (
        replace(SUCCESSOR, name="other"),
        replace(SUCCESSOR, kind="AWSECRImagePullSecret", namespace="team-a"),
        replace(SUCCESSOR, kind="AWSECRCredential"),
    ):
        assert whose(left, other) is FOREIGN


def test_edited_is_not_as_written() -> None:
    assert whose(edited_by_others(secret(ORPHANED)), SUCCESSOR) is LEFT
    assert whose({**edited_by_others(secret(ORPHANED)), "data": None}, SUCCESSOR) is ABANDONED
