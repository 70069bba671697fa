"""What the metadata of a Secret tells: whose it is, how long it lives, and whether anybody edited it."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from ansible_collections.kube_ecr.secrets.plugins.module_utils._aws.authorizations import Authorization
from ansible_collections.kube_ecr.secrets.plugins.module_utils._contract.item import Owner
from ansible_collections.kube_ecr.secrets.plugins.module_utils._contract.ownership import SharedEntry
from ansible_collections.kube_ecr.secrets.plugins.module_utils._features.ecr_pull_secret_info import Finding
from ansible_collections.kube_ecr.secrets.plugins.module_utils._secret import merge
from ansible_collections.kube_ecr.secrets.plugins.module_utils._secret.desired import DesiredSecret
from ansible_collections.kube_ecr.secrets.plugins.module_utils._secret.logins import Logins
from tests.support.cluster.stored_secrets import own_secret
from tests.support.logins import requests

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
HOST = "111122223333.dkr.ecr.eu-west-1.amazonaws.com"
GROUP, MANAGED_BY = "aws.zakariaamine.com", "app.kubernetes.io/managed-by"
OWNER = Owner(f"{GROUP}/v1alpha2", "ClusterAWSECRImagePullSecret", "", "all", "uid-1", 1)
NAMESPACED = Owner(f"{GROUP}/v1alpha2", "AWSECRImagePullSecret", "team-a", "app", "uid-2", 1)
LEGACY = Owner(f"{GROUP}/v1alpha1", "AWSECRCredential", "", "old", "uid-3", 1)
OTHER = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web", "uid": "uid-9"}
UNKNOWN = {"kind": None, "namespace": None, "name": None}
Edit = Callable[[dict], None]


def written(owner: Owner | None = OWNER, *edits: Edit) -> dict:
    """Return the metadata of a Secret as the API server holds it after it was applied, and edited."""
    logins = Logins.of([Authorization(HOST, "AWS", "canary", NOW + 12 * HOUR, *requests(HOST))], NOW, "")
    wanted = DesiredSecret("ecr-login", owner, "id-1" if owner else "", requests(HOST))
    metadata = own_secret(logins, wanted)["metadata"]
    for edit in edits:
        edit(metadata)
    return metadata


def shared(*uids: str, place: str = "team-a/ecr-login", **more: object) -> dict:
    """Return the metadata of a Secret in which each has logins; those of the next one die an hour earlier."""
    told: dict = {"place": place}
    for number, uid in enumerate(uids):
        life = NOW + (12 - number) * HOUR
        told[uid] = SharedEntry((HOST,), life, life - 6 * HOUR, "id", requests(f"region-{number}")).as_dict()
    owning = {"manager": "kube-ecr-secrets", "operation": "Update", "fieldsV1": {"f:data": {"f:.dockerconfigjson": {}}}}
    return {
        "namespace": "team-a",
        "name": "ecr-login",
        "resourceVersion": "7",
        "labels": {f"{GROUP}/owner": "shared"},
        "annotations": {f"{GROUP}/shared": json.dumps(told)},
        "managedFields": [owning],
        **more,
    }


def foreign(**more: object) -> dict:
    return {"namespace": "team-a", "name": "ecr-login", "resourceVersion": "7", **more}


def put(field: str, value: object) -> Edit:
    return lambda metadata: metadata.update({field: value})


def without(kind: str, *names: str) -> Edit:
    """Return an edit that takes labels or annotations away; the API server then counts them as nobody's."""

    def take(metadata: dict) -> None:
        for name in names:
            del metadata[kind][name]
            metadata["managedFields"][0]["fieldsV1"]["f:metadata"][f"f:{kind}"].pop(f"f:{name}")

    return take


def owned_by(*owners: Owner) -> Edit:
    """Return an edit of the owner references, after which our manager has none."""

    def take(metadata: dict) -> None:
        metadata["ownerReferences"] = [owner.reference() for owner in owners]
        del metadata["managedFields"][0]["fieldsV1"]["f:metadata"]["f:ownerReferences"]

    return take


def told(metadata: dict, now: datetime = NOW) -> dict:
    return Finding.of(metadata).as_dict(now)


@pytest.mark.parametrize(
    ("owner", "owners"),
    [
        (None, []),
        (OWNER, [{"kind": OWNER.kind, "namespace": None, "name": "all", "uid": "uid-1"}]),
        (NAMESPACED, [{"kind": NAMESPACED.kind, "namespace": "team-a", "name": "app", "uid": "uid-2"}]),
        (LEGACY, [{"kind": LEGACY.kind, "namespace": None, "name": "old", "uid": "uid-3"}]),
    ],
)
def test_what_is_ours(owner: Owner | None, owners: list[dict]) -> None:
    assert told(written(owner)) == {
        "namespace": "team-a",
        "name": "ecr-login",
        "managed": True,
        "output": None,
        "shared": False,
        "intact": True,
        "held_by": "",
        "owners": owners,
        "requested": [HOST],
        "expires_at": "2026-02-01T00:00:00Z",
        "renew_after": "2026-01-31T18:00:00Z",
        "expires_in": 12 * 3600,
        "expired": False,
    }


IDENTITY, PLACE, OWNED = f"{GROUP}/identity", f"{GROUP}/secret", f"{GROUP}/owner"
REFERENCES = [OWNER.reference()]


@pytest.mark.parametrize(
    ("metadata", "uids"),
    [
        pytest.param(written(OWNER, put("managedFields", [])), ["uid-1"], id="all fields are another's"),
        pytest.param(written(OWNER, put("managedFields", None)), ["uid-1"], id="fields are not tracked"),
        pytest.param(written(OWNER, without("annotations", IDENTITY)), ["uid-1"], id="no identity"),
        pytest.param(written(OWNER, without("annotations", PLACE)), ["uid-1"], id="no place"),
        pytest.param(written(OWNER, without("annotations", PLACE), without("labels", OWNED)), ["uid-1"], id="by label"),
        pytest.param(
            written(OWNER, without("annotations", PLACE), without("labels", MANAGED_BY)), ["uid-1"], id="by owner label"
        ),
        pytest.param(written(OWNER, without("labels", OWNED, MANAGED_BY)), ["uid-1"], id="by place"),
        pytest.param(written(OWNER, owned_by()), ["uid-1"], id="the owner is known by UID only"),
        pytest.param(written(OWNER, owned_by(NAMESPACED)), ["uid-1"], id="an owner that wrote nothing"),
        pytest.param(written(None, without("labels", MANAGED_BY)), [], id="a playbook's that lost its label"),
        pytest.param(written(None, without("annotations", PLACE)), [], id="a playbook's without place"),
    ],
)
def test_what_somebody_edited_is_still_ours_and_not_intact(metadata: dict, uids: list[str]) -> None:
    found = told(metadata)
    assert [each["uid"] for each in found["owners"]] == uids
    assert (found["managed"], found["intact"], found["held_by"]) == (True, False, "")


def test_a_second_owner_beside_the_one_that_wrote_it_spoils_nothing() -> None:
    for references in ([OWNER.reference(), LEGACY.reference()], [LEGACY.reference(), OWNER.reference()]):
        found = told(written(OWNER, put("ownerReferences", references)))
        assert found["intact"] is True
        assert [each["uid"] for each in found["owners"]] == ["uid-1"], "who wrote it"


def test_a_foreign_owner_is_none_of_ours() -> None:
    found = told(written(OWNER, put("ownerReferences", [OTHER, *REFERENCES])))
    assert [each["uid"] for each in found["owners"]] == ["uid-1"]
    assert found["intact"] is True


@pytest.mark.parametrize(
    ("metadata", "holder", "uids", "expiry"),
    [
        pytest.param(foreign(), "was not made by kube_ecr.secrets", [], None, id="nobody's"),
        pytest.param(
            foreign(annotations={"expiry": "2026-02-01T00:00:00Z"}, labels={MANAGED_BY: "Helm"}),
            "is managed by Helm",
            [],
            None,
            id="Helm's",
        ),
        pytest.param(foreign(ownerReferences=[OTHER]), "is owned by Deployment/web", [], None, id="another's"),
        pytest.param(
            foreign(ownerReferences=REFERENCES, annotations={"expiry": "2026-01-31T13:00:00Z"}),
            "is owned by ClusterAWSECRImagePullSecret/all",
            ["uid-1"],
            "2026-01-31T13:00:00Z",
            id="the Go operator's",
        ),
        pytest.param(
            written(OWNER, put("namespace", "team-b")),
            "is a copy of team-a/ecr-login",
            [],
            "2026-02-01T00:00:00Z",
            id="a copy",
        ),
        pytest.param(
            written(None, put("namespace", "team-b"), put("labels", None)),
            "is a copy of team-a/ecr-login",
            [],
            "2026-02-01T00:00:00Z",
            id="a playbook's, copied",
        ),
        pytest.param(
            shared("uid-1", place="team-b/ecr-login"),
            "is a copy of a Secret of kube_ecr.secrets",
            [],
            None,
            id="a copy of a shared one",
        ),
        pytest.param(
            foreign(labels={MANAGED_BY: "kube-ecr-secrets", OWNED: "uid-1"}),
            "is a copy of a Secret of kube_ecr.secrets",
            [],
            None,
            id="labels alone",
        ),
        pytest.param(
            foreign(annotations={f"{GROUP}/shared": "{broken"}),
            "is a copy of a Secret of kube_ecr.secrets",
            [],
            None,
            id="an annotation alone",
        ),
    ],
)
def test_what_is_not_ours_says_whose_it_is(metadata: dict, holder: str, uids: list[str], expiry: str | None) -> None:
    found = told(metadata)
    assert (found["managed"], found["intact"], found["shared"]) == (False, False, False)
    assert (found["held_by"], found["expires_at"]) == (holder, expiry)
    assert [each["uid"] for each in found["owners"]] == uids


def test_of_a_shared_secret_the_first_to_die_is_told() -> None:
    found = told(shared("uid-2", "uid-1", "playbook"))
    assert (found["managed"], found["shared"], found["intact"], found["held_by"]) == (True, True, True, "")
    assert found["owners"] == [{**UNKNOWN, "uid": "uid-1"}, {**UNKNOWN, "uid": "uid-2"}]
    assert found["requested"] == ["region-0", "region-1", "region-2"]
    assert (found["expires_at"], found["renew_after"]) == ("2026-01-31T22:00:00Z", "2026-01-31T16:00:00Z")


@pytest.mark.parametrize(("field", "intact"), [("managedFields", False), ("labels", False)])
def test_marks_in_a_shared_secret_count_whatever_else_is_gone(field: str, intact: bool) -> None:
    found = told({**shared("uid-1"), field: None})
    assert (found["managed"], found["shared"], found["intact"]) == (True, True, intact)


def test_a_shared_secret_in_which_a_playbook_s_marks_are_left_is_told_by_its_own() -> None:
    """The playbook's were those of the whole Secret, before it was shared."""
    old = written(None)
    metadata = shared("uid-1", annotations=old["annotations"] | shared("uid-1")["annotations"])
    metadata["annotations"]["expiry"] = "2026-01-01T00:00:00Z"
    metadata["labels"] |= old["labels"]
    found = told(metadata)
    assert (found["expires_at"], found["shared"], found["managed"]) == ("2026-02-01T00:00:00Z", True, True)
    assert [each["uid"] for each in found["owners"]] == ["uid-1"]


def test_what_we_made_to_be_shared_is_ours() -> None:
    mark = SharedEntry((HOST,), NOW + HOUR, NOW, "id", requests(HOST))
    metadata = merge.manifest("team-a", "ecr-login", "uid-1", '{"auths":{}}', mark)["metadata"]
    found = told({**metadata, "resourceVersion": "7"})
    assert (found["managed"], found["shared"], found["held_by"]) == (True, True, "")
    assert found["owners"] == [{**UNKNOWN, "uid": "uid-1"}]


def test_one_part_that_was_edited_is_enough() -> None:
    """A resource's own Secret that it shared before: on its way from one to the other."""
    mark = shared("uid-1")
    both = written(OWNER, put("managedFields", mark["managedFields"]))
    both["annotations"] |= mark["annotations"]
    assert (told(both)["shared"], told(both)["intact"]) == (True, False)


@pytest.mark.parametrize(
    ("age", "seconds", "expired"),
    [
        (timedelta(), 43200, False),
        (12 * HOUR - timedelta(milliseconds=1), 1, False),
        (12 * HOUR, 0, True),
        (12 * HOUR + timedelta(seconds=1.5), -1, True),
    ],
)
def test_a_token_is_dead_from_its_last_second_on(age: timedelta, seconds: int, expired: bool) -> None:
    found = told(written(), NOW + age)
    assert (found["expires_in"], found["expired"]) == (seconds, expired)


NO_LIFE = without("annotations", "expiry")


@pytest.mark.parametrize(
    ("metadata", "after", "dies"),
    [
        pytest.param(written(), 12 * HOUR, True, id="at that very time"),
        pytest.param(written(), 12 * HOUR - timedelta(seconds=1), False, id="later"),
        pytest.param(shared("uid-1", "uid-2"), 11 * HOUR, True, id="one of two"),
        pytest.param(shared("uid-1", "uid-2"), 10 * HOUR, False, id="none of two"),
        pytest.param(written(OWNER, NO_LIFE), timedelta(), True, id="nobody knows when"),
        pytest.param(written(OWNER, lambda m: m["annotations"].update(expiry="soon")), timedelta(), True, id="odd"),
        pytest.param(written(OWNER, NO_LIFE, put("namespace", "team-b")), 99 * HOUR, False, id="a copy, unknown"),
        pytest.param(written(OWNER, put("namespace", "team-b")), 12 * HOUR, True, id="a copy"),
        pytest.param(foreign(ownerReferences=REFERENCES), 99 * HOUR, False, id="the Go operator's, unknown"),
        pytest.param(foreign(), 99 * HOUR, False, id="foreign"),
    ],
)
def test_what_dies_by_a_time(metadata: dict, after: timedelta, dies: bool) -> None:
    assert Finding.of(metadata).expires_by(NOW + after) is dies


def test_where_the_life_is_unknown_nothing_is_made_up() -> None:
    edits = without("annotations", "expiry", f"{GROUP}/renew-after", f"{GROUP}/registries")
    found = told(written(OWNER, edits))
    assert (found["expires_at"], found["renew_after"], found["expires_in"]) == (None, None, None)
    assert (found["expired"], found["requested"], found["managed"]) == (False, [], True)
