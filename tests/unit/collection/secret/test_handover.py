"""What is left behind is nobody's, and can be written by nobody of ours; what is taken over has one owner of ours."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ansible_collections.kube_ecr.secrets.plugins.module_utils._contract.item import Owner
from ansible_collections.kube_ecr.secrets.plugins.module_utils._secret import handover
from tests.support.cluster.stored_secrets import (
    GROUP,
    OTHER_UID,
    OWNER,
    UID,
    edited,
    foreign_secret,
    own_secret,
    put,
    shared_secret,
    shared_secret_of_ours,
)

OTHER_KIND = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web", "uid": "uid-9"}
LEGACY = {"apiVersion": f"{GROUP}/v1alpha1", "kind": "AWSECRCredential", "name": "ecr", "uid": "uid-3"}
OURS = OWNER.reference()
LABELS = ("app.kubernetes.io/managed-by", f"{GROUP}/owner", f"{GROUP}/resource-digest")
UNSHARED = {"labels": {f"{GROUP}/owner": None}, "annotations": {f"{GROUP}/shared": None}}


def test_a_released_secret_is_nobodys_and_keeps_the_rest() -> None:
    secret = edited(put("ownerReferences", [OWNER.reference(), OTHER_KIND]))
    metadata = handover.release_patch(secret["metadata"], OWNER)["metadata"]
    assert (metadata["ownerReferences"], metadata["resourceVersion"]) == ([OTHER_KIND], "7")
    assert metadata["labels"] == dict.fromkeys(LABELS)
    assert set(metadata["annotations"]) == set(secret["metadata"]["annotations"]) - {"note"} | {
        f"{GROUP}/reconcile-at",
        f"{GROUP}/output",
        f"{GROUP}/extra-auths",
    }
    assert set(metadata["annotations"].values()) == {None}


def test_what_is_disowned_is_told_to_be_written_by_nobody_of_ours() -> None:
    mine, theirs = (
        {"manager": manager, "operation": "Apply", "fieldsV1": {}} for manager in ("kube-ecr-secrets/u", "theirs")
    )
    (first, second) = handover.release_fields_patch({"managedFields": [mine, theirs]}, {"kube-ecr-secrets/u"})[
        "managedFields"
    ]
    assert first == {"manager": "kube-ecr-secrets/released", "operation": "Update", "fieldsV1": {}}
    assert second == theirs
    assert handover.release_fields_patch({"managedFields": [theirs]}, {"kube-ecr-secrets/u"}) == {}
    assert handover.release_fields_patch({}, {"kube-ecr-secrets/u"}) == {}


LOGIN = {"f:data": {"f:.dockerconfigjson": {}}}
TEXT = {"f:stringData": {".": {}, "f:.dockerconfigjson": {}}}
OTHER_TEXT = {"f:stringData": {".": {}, "f:note": {}}}
SUCCESSOR = replace(OWNER, uid="uid-new")


def applied(manager: str, fields: dict) -> dict:
    return {"manager": manager, "operation": "Apply", "fieldsV1": fields}


@pytest.mark.parametrize(
    ("owner", "before", "after"),
    [
        pytest.param(OWNER, [applied("x", LOGIN)], None, id="nothing to do"),
        pytest.param(OWNER, [applied("x", TEXT), applied("y", LOGIN)], [applied("y", LOGIN)], id="nothing else"),
        pytest.param(OWNER, [applied("x", {**TEXT, **LOGIN})], [applied("x", LOGIN)], id="other fields"),
        pytest.param(
            None,
            [applied("x", {"f:stringData": {**TEXT["f:stringData"], "f:note": {}}})],
            [applied("x", OTHER_TEXT)],
            id="other texts",
        ),
        pytest.param(OWNER, [applied("x", OTHER_TEXT)], None, id="only other texts"),
        pytest.param(
            SUCCESSOR,
            [applied("kube-ecr-secrets/uid-1", LOGIN), applied("x", {})],
            [applied("kube-ecr-secrets/uid-new", LOGIN), applied("x", {})],
            id="of an earlier resource",
        ),
        pytest.param(
            SUCCESSOR,
            [applied("kube-ecr-secrets/uid-new", {}), applied("kube-ecr-secrets/uid-1", LOGIN)],
            [applied("kube-ecr-secrets/uid-new", {})],
            id="of both",
        ),
        pytest.param(SUCCESSOR, [applied("kube-ecr-secrets/uid-2", LOGIN)], None, id="of another resource"),
    ],
)
def test_who_applied_a_login_as_text_has_it_no_more(owner: Owner | None, before: list, after: list | None) -> None:
    """Nothing would ever take it from him, and the Secret would look edited for ever."""
    metadata = {**own_secret()["metadata"], "managedFields": before}
    if owner and any("uid-2" in each["manager"] for each in before):
        metadata = {**metadata, "labels": {}, "ownerReferences": [{**OURS, "name": "other", "uid": OTHER_UID}]}
    patch = handover.written_fields_patch(metadata, owner)
    assert patch == ({} if after is None else {"managedFields": after})


@pytest.mark.parametrize("word", ["kube-ecr-secrets", "platform"])
def test_a_word_that_a_policy_put_into_our_label_stays(word: str) -> None:
    secret = edited(put("labels", {"app.kubernetes.io/managed-by": word, f"{GROUP}/owner": UID}))
    labels = handover.release_patch(secret["metadata"], OWNER)["metadata"]["labels"]
    assert ("app.kubernetes.io/managed-by" in labels) is (word == "kube-ecr-secrets")
    assert labels[f"{GROUP}/owner"] is None


@pytest.mark.parametrize(
    ("secret", "owner", "changes"),
    [
        pytest.param(own_secret(), OWNER, None, id="it is the owner's"),
        pytest.param(foreign_secret(), OWNER, None, id="it is nobody's"),
        pytest.param(
            foreign_secret(ownerReferences=[LEGACY, OTHER_KIND]),
            OWNER,
            {"ownerReferences": [OTHER_KIND, OURS]},
            id="the legacy resource's",
        ),
        pytest.param(
            foreign_secret(ownerReferences=[OURS, LEGACY]), OWNER, {"ownerReferences": [OURS]}, id="both resources'"
        ),
        pytest.param(
            shared_secret(secret=foreign_secret(ownerReferences=[OTHER_KIND])),
            OWNER,
            {**UNSHARED, "ownerReferences": [OTHER_KIND, OURS]},
            id="shared with it alone",
        ),
        pytest.param(shared_secret_of_ours(), OWNER, {**UNSHARED, "ownerReferences": [OURS]}, id="made for sharing"),
        pytest.param(shared_secret(), None, UNSHARED, id="shared with a playbook alone"),
        pytest.param(shared_secret(secret=shared_secret(), uid=OTHER_UID), OWNER, None, id="shared with others"),
    ],
)
def test_what_is_taken_over_is_made_the_owners_in_one_step(
    secret: dict, owner: Owner | None, changes: dict | None
) -> None:
    patch = handover.take_over_patch(secret["metadata"], owner, UID)
    assert patch == (None if changes is None else {"metadata": {"resourceVersion": "7", **changes}})
