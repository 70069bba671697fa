"""Whose a Secret is, and why it must not or cannot be written."""

from __future__ import annotations

import pytest

from ansible_collections.kube_ecr.secrets.plugins.module_utils._contract.item import Owner
from ansible_collections.kube_ecr.secrets.plugins.module_utils._secret import conflicts
from ansible_collections.kube_ecr.secrets.plugins.module_utils._secret.desired import DesiredSecret
from tests.support.cluster.stored_secrets import (
    DESIRED,
    GROUP,
    OTHER_UID,
    OWNER,
    UID,
    annotated,
    edited,
    foreign_secret,
    own_secret,
    put,
    shared_secret,
)

OTHER_KIND = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web", "uid": "uid-9"}
CONTROLLER = {**OTHER_KIND, "controller": True}
OTHER_RESOURCE = {"apiVersion": OWNER.api_version, "kind": OWNER.kind, "name": "other", "uid": "uid-2"}
LEGACY = {"apiVersion": f"{GROUP}/v1alpha1", "kind": "AWSECRCredential", "name": "ecr", "uid": "uid-3"}
OURS = OWNER.reference()
BY_PLAYBOOK = own_secret(desired=DesiredSecret("ecr-login", None))


def foreign(*references: dict, labels: dict | None = None, **changes: object) -> dict:
    metadata = {"name": "ecr-login", "namespace": "team-a", "ownerReferences": list(references), "labels": labels}
    return {"metadata": metadata, "type": "kubernetes.io/dockerconfigjson", **changes}


# What a copy in another place took along: all that can be, or all but the owner reference.
HELD_COPY = edited(annotated("secret", "other/ecr-login"))
COPY = edited(annotated("secret", "other/ecr-login"), put("ownerReferences", []))


@pytest.mark.parametrize(
    ("secret", "owner", "policy", "reason", "words"),
    [
        pytest.param(own_secret(), OWNER, "Fail", None, "", id="ours"),
        pytest.param(foreign(OURS), OWNER, "Fail", None, "", id="as the Go operator leaves it"),
        pytest.param(edited(put("labels", {})), OWNER, "Fail", None, "", id="labels lost"),
        pytest.param(edited(put("ownerReferences", [])), OWNER, "Fail", None, "", id="owner lost"),
        pytest.param(COPY, OWNER, "Fail", "SecretConflict", "is a copy of other/ecr-login", id="a copy"),
        pytest.param(HELD_COPY, OWNER, "Adopt", "SecretConflict", "is a copy of other/ecr-login", id="a copy, held"),
        pytest.param(COPY, OWNER, "Adopt", None, "", id="a copy, adopted"),
        pytest.param(foreign(LEGACY), OWNER, "Fail", None, "", id="of the legacy resource of that name"),
        pytest.param(
            foreign({**LEGACY, "name": "x"}), OWNER, "Fail", "SecretConflict", "AWSECRCredential/x", id="another's"
        ),
        pytest.param(
            own_secret(), None, "Fail", "SecretConflict", "ClusterAWSECRImagePullSecret/ecr", id="no playbook's"
        ),
        pytest.param(
            edited(put("labels", {"app.kubernetes.io/managed-by": "kube-ecr-secrets"})),
            None,
            "Fail",
            "SecretConflict",
            "ClusterAWSECRImagePullSecret/ecr",
            id="no playbook's, label lost",
        ),
        pytest.param(BY_PLAYBOOK, None, "Fail", None, "", id="a playbook's"),
        pytest.param(BY_PLAYBOOK, OWNER, "Fail", "SecretConflict", "by a playbook", id="a playbook's, for a resource"),
        pytest.param(foreign(OTHER_RESOURCE), OWNER, "Fail", "SecretConflict", "PullSecret/other", id="other resource"),
        pytest.param(foreign(OTHER_KIND), OWNER, "Fail", "SecretConflict", "Deployment/web", id="other kind"),
        pytest.param(foreign(), OWNER, "Fail", "SecretConflict", "not made by kube_ecr.secrets", id="nobody's"),
        pytest.param(
            foreign(labels={"app.kubernetes.io/managed-by": "Helm"}),
            OWNER,
            "Fail",
            "SecretConflict",
            "managed by Helm",
            id="Helm's",
        ),
        pytest.param(foreign(), OWNER, "Adopt", None, "", id="nobody's, adopted"),
        pytest.param(foreign(OTHER_KIND), OWNER, "Adopt", None, "", id="other kind, adopted"),
        pytest.param(BY_PLAYBOOK, OWNER, "Adopt", None, "", id="a playbook's, adopted"),
        pytest.param(foreign(CONTROLLER), OWNER, "Adopt", "SecretConflict", "Deployment/web", id="a controller's"),
        pytest.param(foreign(OTHER_RESOURCE), OWNER, "Adopt", "SecretConflict", "other", id="other resource, adopt"),
    ],
)
def test_a_secret_of_somebody_else_is_in_the_way(
    secret: dict, owner: Owner | None, policy: str, reason: str | None, words: str
) -> None:
    found = conflicts.conflict_with(secret, DesiredSecret("ecr-login", owner), policy)
    assert (found[0] if found else None) == reason
    if found:
        assert "secrets/ecr-login in namespace team-a" in found[1]
        assert words in found[1]


BY_NAME, DELETION = "choose another name for the pull secret", "Delete it, or choose another name for the pull secret"
SET = ", or set existingSecretPolicy (existing_secret_policy) to "
AT_OTHER = "Change ClusterAWSECRImagePullSecret/other, which would make it again if it were deleted, or " + BY_NAME


@pytest.mark.parametrize(
    ("secret", "policy", "remedy"),
    [
        pytest.param(foreign_secret(), "Fail", f"{DELETION}{SET}Adopt or Merge", id="nobody's"),
        pytest.param(foreign_secret("x"), "Fail", f"{DELETION}{SET}Adopt", id="no docker config"),
        pytest.param(foreign_secret('{"auths":{"x":{"auth":"!"}}}'), "Fail", f"{DELETION}{SET}Adopt", id="kubelet"),
        pytest.param({**foreign_secret(), "type": "Opaque"}, "Fail", DELETION, id="of another type"),
        pytest.param({**foreign_secret(), "immutable": True}, "Fail", DELETION, id="immutable"),
        pytest.param(foreign_secret(ownerReferences=[OTHER_KIND]), "Fail", f"{DELETION}{SET}Adopt or Merge", id="kept"),
        pytest.param(COPY, "Fail", f"{DELETION}{SET}Adopt or Merge", id="a copy"),
        pytest.param(HELD_COPY, "Fail", DELETION, id="a copy with the owner reference"),
        pytest.param(foreign_secret(ownerReferences=[OTHER_RESOURCE]), "Fail", AT_OTHER, id="another resource's"),
        pytest.param(foreign_secret(ownerReferences=[OTHER_RESOURCE]), "Adopt", AT_OTHER, id="another's, to adopt"),
        pytest.param(
            foreign_secret(ownerReferences=[CONTROLLER]),
            "Fail",
            f"Change Deployment/web, which would make it again if it were deleted, or {BY_NAME}",
            id="a controller's",
        ),
    ],
)
def test_the_remedy_is_one_that_works_for_this_secret(secret: dict, policy: str, remedy: str) -> None:
    found = conflicts.conflict_with(secret, DESIRED, policy)
    assert found is not None
    assert found[1].endswith(f" it was left as it is. {remedy}")


def test_who_wrote_it_before_is_named_only_if_it_can_be_a_name() -> None:
    """What stands in an annotation is anybody's text."""
    for resource, words in (
        ("ClusterAWSECRImagePullSecret/gone", "was written for ClusterAWSECRImagePullSecret/gone, which does not own"),
        ("canary: <script>", "was not made by kube_ecr.secrets"),
    ):
        marks = {f"{GROUP}/resource": resource, f"{GROUP}/secret": "team-a/ecr-login"}
        found = conflicts.conflict_with(foreign_secret(annotations=marks), DESIRED, "Fail")
        assert found is not None
        assert words in found[1]


@pytest.mark.parametrize(
    ("secret", "others"),
    [
        pytest.param(own_secret(), None, id="ours"),
        pytest.param(foreign_secret(), None, id="somebody's"),
        pytest.param(shared_secret(), None, id="shared with us alone"),
        pytest.param(shared_secret(uid=OTHER_UID), OTHER_UID, id="shared with another"),
        pytest.param(shared_secret(secret=shared_secret(), uid=OTHER_UID), OTHER_UID, id="shared with both"),
        pytest.param(
            shared_secret(secret=shared_secret(uid="uid-3"), uid=OTHER_UID), f"{OTHER_UID}, uid-3", id="with two others"
        ),
    ],
)
def test_what_others_merged_in_is_in_the_way(secret: dict, others: str | None) -> None:
    found = conflicts.conflict_with_sharers(secret, DESIRED, UID)
    assert (found is None) is (others is None)
    if found:
        assert found[0] == "SecretConflict"
        assert (
            f"secrets/ecr-login in namespace team-a exists and holds logins that others merged into it ({others})"
            in (found[1])
        )


@pytest.mark.parametrize(
    ("secret", "words"),
    [
        (foreign(), None),
        (foreign(OTHER_KIND), None),
        (foreign(OTHER_KIND, {**CONTROLLER, "name": "x"}), "managed by Deployment/x, which would undo any change"),
        (foreign(OTHER_RESOURCE), "managed by ClusterAWSECRImagePullSecret/other, which would undo any change"),
        (COPY, None),
        (HELD_COPY, f"is a copy of other/ecr-login; it was left as it is. {DELETION}"),
    ],
)
def test_what_a_controller_looks_after_is_not_merged_into(secret: dict, words: str | None) -> None:
    found = conflicts.conflict_with_controller(secret, DESIRED)
    assert (found is None) is (words is None)
    if found and words:
        assert found[0] == "SecretConflict"
        assert "secrets/ecr-login in namespace team-a" in found[1]
        assert words in found[1]


@pytest.mark.parametrize(
    ("secret", "reason", "words"),
    [
        (own_secret(), None, ""),
        ({**own_secret(), "type": "Opaque"}, "WrongSecretType", "has type Opaque, which cannot be changed; delete it"),
        ({**own_secret(), "type": None}, "WrongSecretType", "made again as kubernetes.io/dockerconfigjson"),
        ({**own_secret(), "immutable": False}, None, ""),
        ({**own_secret(), "immutable": True}, "ImmutableSecret", "is immutable; delete it"),
    ],
)
def test_what_cannot_be_written_has_to_be_deleted(secret: dict, reason: str | None, words: str) -> None:
    found = conflicts.unwritable_because(secret, DESIRED)
    assert (found[0] if found else None) == reason
    if found:
        assert "secrets/ecr-login in namespace team-a" in found[1]
        assert words in found[1]


@pytest.mark.parametrize(
    ("secret", "words"),
    [
        (foreign_secret(), None),
        (foreign_secret("null"), None),
        (foreign_secret(""), None),
        (foreign_secret('{"canary'), "not valid JSON"),
        (foreign_secret('{"auths":["canary"]}'), "auths"),
        ({**foreign_secret(), "data": {".dockerconfigjson": "/w=="}}, "UTF-8"),
    ],
)
def test_what_no_login_can_be_added_to_has_to_be_mended(secret: dict, words: str | None) -> None:
    found = conflicts.unmergeable_because(secret)
    assert (found is None) is (words is None)
    if found and words:
        assert found[0] == "InvalidSecretContent"
        assert "secrets/ecr-login in namespace team-a" in found[1]
        assert words in found[1]
        assert "canary" not in found[1]
