"""What is left behind is nobody's, and can be written by nobody of ours."""

from __future__ import annotations

from ansible_collections.kube_ecr.secrets.plugins.module_utils._secret import handover
from tests.support.cluster.stored_secrets import GROUP, OWNER, edited, put

OTHER_KIND = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web", "uid": "uid-9"}


def test_a_released_secret_is_nobodys_and_keeps_the_rest() -> None:
    secret = edited(put("ownerReferences", [OWNER.reference(), OTHER_KIND]))
    metadata = handover.release_patch(secret["metadata"], OWNER)["metadata"]
    assert (metadata["ownerReferences"], metadata["resourceVersion"]) == ([OTHER_KIND], "7")
    assert metadata["labels"] == {"app.kubernetes.io/managed-by": None, f"{GROUP}/owner": None}
    assert set(metadata["annotations"]) == set(secret["metadata"]["annotations"]) - {"note"} | {f"{GROUP}/reconcile-at"}
    assert set(metadata["annotations"].values()) == {None}


def test_what_is_disowned_is_told_to_be_written_by_nobody_of_ours() -> None:
    mine, theirs = (
        {"manager": manager, "operation": "Apply", "fieldsV1": {}} for manager in ("kube-ecr-secrets/u", "theirs")
    )
    (first, second) = handover.release_fields_patch({"managedFields": [mine, theirs]}, "kube-ecr-secrets/u")[
        "managedFields"
    ]
    assert first == {"manager": "kube-ecr-secrets/released", "operation": "Update", "fieldsV1": {}}
    assert second == theirs
    assert handover.release_fields_patch({"managedFields": [theirs]}, "kube-ecr-secrets/u") == {}
    assert handover.release_fields_patch({}, "kube-ecr-secrets/u") == {}
