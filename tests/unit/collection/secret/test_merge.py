"""Our part in a Secret that is not ours alone: put in, kept fresh, told by marks, taken out again."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from ansible_collections.kube_ecr.secrets.plugins.module_utils._contract.ownership import (
    SharedEntry,
    is_entry_intact,
    shared_annotation,
)
from ansible_collections.kube_ecr.secrets.plugins.module_utils._secret import docker_config, merge
from ansible_collections.kube_ecr.secrets.plugins.module_utils._secret.desired import DesiredSecret
from ansible_collections.kube_ecr.secrets.plugins.module_utils._secret.logins import Logins
from ansible_collections.kube_ecr.secrets.plugins.module_utils._secret.merge import Undo
from ansible_collections.kube_ecr.secrets.plugins.module_utils._secret.observed import ObservedSecret
from ansible_collections.kube_ecr.secrets.plugins.module_utils._secret.shared_entries import shared_entries
from tests.support.cluster.stored_secrets import patched
from tests.support.logins import requests

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
LABEL, SHARED, MANAGED = "aws.zakariaamine.com/owner", "aws.zakariaamine.com/shared", "app.kubernetes.io/managed-by"
HOST = "111122223333.dkr.ecr.eu-west-1.amazonaws.com"
PUBLIC = "public.ecr.aws"
MARK = SharedEntry((HOST,), NOW + 12 * HOUR, NOW + 6 * HOUR, "id-1", requests("eu-west-1"))
FOREIGN = {"auths": {"ghcr.io": {"auth": "Zm9yOmVpZ24="}}, "credHelpers": {"gcr.io": "gcloud"}}


def entry(password: str = "new") -> dict:
    return {
        "username": "AWS",
        "password": password,
        "auth": base64.b64encode(f"AWS:{password}".encode()).decode(),
    }


def config(*hosts: str, password: str = "new") -> str:
    return json.dumps({"auths": {host: entry(password) for host in hosts or (HOST,)}})


def secret(content: object = FOREIGN, **metadata: object) -> dict:
    """Return a Secret whose data one of our writes set last; content may be text."""
    text = content if isinstance(content, str) else json.dumps(content)
    return {
        "metadata": {"name": "shared", "namespace": "team-a", "resourceVersion": "7", **owning(), **metadata},
        "type": "kubernetes.io/dockerconfigjson",
        "data": {".dockerconfigjson": base64.b64encode(text.encode()).decode()},
    }


def owning(manager: str = "kube-ecr-secrets", field: str = "f:.dockerconfigjson") -> dict:
    return {"managedFields": [{"manager": "kubectl"}, {"manager": manager, "fieldsV1": {"f:data": {field: {}}}}]}


def merged(before: dict, uid: str = "u1", text: str | None = None, mark: SharedEntry = MARK) -> dict:
    return patched(before, merge.merge_patch(before, uid, text or config(), mark) or {})


def made(uid: str = "u1", text: str | None = None, **template: dict) -> dict:
    """Return the Secret that we make where there is none, as it is read back."""
    manifest = merge.manifest("team-a", "shared", uid, text or config(), MARK, **template)
    manifest["metadata"].update(resourceVersion="7", **owning())
    return manifest


def content(found: dict) -> dict:
    return json.loads(base64.b64decode(found["data"][".dockerconfigjson"]))


def with_ours(*hosts: str, password: str = "new") -> dict:
    return {**FOREIGN, "auths": {**FOREIGN["auths"], **{host: entry(password) for host in hosts or (HOST,)}}}


@pytest.mark.parametrize("labels", [None, {"team": "a"}])
def test_our_logins_and_marks_are_put_into_somebody_s_secret(labels: dict | None) -> None:
    before = secret(labels=labels, annotations=None)
    patch = merge.merge_patch(before, "u1", config(), MARK)
    assert patch is not None
    assert patch["metadata"]["resourceVersion"] == "7"
    after = patched(before, patch)
    assert content(after) == with_ours()
    assert after["metadata"]["labels"] == {**(labels or {}), LABEL: "shared"}
    assert json.loads(after["metadata"]["annotations"][SHARED]) == {
        "place": "team-a/shared",
        "u1": {
            "names": [HOST],
            "expiry": "2026-02-01T00:00:00Z",
            "renewAfter": "2026-01-31T18:00:00Z",
            "identity": "id-1",
            "registries": ["eu-west-1"],
            "created": False,
        },
    }
    assert shared_entries(after["metadata"]) == {"u1": MARK}
    assert merge.merge_patch(after, "u1", config(), MARK) is None
    assert "password" not in json.dumps(after["metadata"])


@pytest.mark.parametrize("text", ['{"auths":null}', "{}\n", "null", '{"auths":{}}'])
def test_what_is_empty_is_filled(text: str) -> None:
    assert content(merged(secret(text))) == {"auths": {HOST: entry()}}


def test_a_new_token_takes_the_old_one_s_place() -> None:
    later = replace(MARK, expires_at=NOW + 20 * HOUR, renew_after=NOW + 14 * HOUR)
    after = merged(merged(secret()), "u1", config(password="newer"), later)
    assert content(after) == with_ours(password="newer")
    assert shared_entries(after["metadata"]) == {"u1": later}


def test_what_the_logins_were_got_for_is_told_where_something_was() -> None:
    after = merged(secret(), mark=replace(MARK, reconcile_request="1"))
    assert shared_entries(after["metadata"]) == {"u1": replace(MARK, reconcile_request="1")}
    assert ObservedSecret.of_shared(after["metadata"], DESIRED, "u1").reconcile_request == "1"
    assert merge.logins_of(after, "u1", NOW).reconcile_request == "1"


@pytest.mark.parametrize(
    ("new", "mark", "left", "names"),
    [
        pytest.param(config(PUBLIC), MARK, [PUBLIC, HOST], (HOST, PUBLIC), id="a login that there is no new one for"),
        pytest.param(config(PUBLIC), replace(MARK, names=(PUBLIC,)), [PUBLIC], (PUBLIC,), id="a host not wanted now"),
        pytest.param(config(), replace(MARK, names=("x.example",)), [HOST], (HOST,), id="names are what was written"),
    ],
)
def test_hosts_that_are_wanted_no_more_are_taken_out(new: str, mark: SharedEntry, left: list, names: tuple) -> None:
    after = merged(merged(secret()), "u1", new, mark)
    assert content(after) == with_ours(*left)
    assert shared_entries(after["metadata"])["u1"].names == names


def test_a_login_that_is_written_is_not_taken_out_first() -> None:
    before = secret({"auths": {HOST: entry(), **FOREIGN["auths"]}})
    mark = replace(MARK, names=())
    assert merge.merge_patch(merged(before, mark=mark), "u1", config(), mark) is None


def test_nothing_put_into_nothing_writes_no_data() -> None:
    patch = merge.merge_patch(secret("", **owning("kubectl")), "u1", '{"auths":{}}', SharedEntry(()))
    assert patch is not None
    assert "data" not in patch


def test_a_host_that_is_kept_must_be_there() -> None:
    before = merged(secret())
    before["data"] = secret()["data"]
    assert shared_entries(merged(before, "u1", config(PUBLIC))["metadata"])["u1"].names == (PUBLIC,)


def test_a_host_that_another_resource_names_too_stays() -> None:
    both = merged(merged(secret()), "u2")
    left = merged(both, "u1", config(PUBLIC), replace(MARK, names=(PUBLIC,)))
    assert content(left) == with_ours(HOST, PUBLIC)
    assert {uid: mark.names for uid, mark in shared_entries(left["metadata"]).items()} == {
        "u1": (PUBLIC,),
        "u2": (HOST,),
    }
    assert content(patched(both, merge.unmerge_patch(both, "u1"))) == with_ours()


def test_what_is_noted_of_logins_is_what_they_are() -> None:
    logins = Logins(config(), requests("eu-west-1"), NOW + 12 * HOUR, NOW + 6 * HOUR, "1")
    assert merge.entry_of(logins, "id-1") == replace(MARK, reconcile_request="1")


def test_a_field_that_somebody_else_wrote_is_won_back_by_another_text() -> None:
    sound = first = merged(secret())
    for _ in range(2):
        sound["metadata"] = {**sound["metadata"], **owning("kubectl")}
        assert not is_entry_intact(sound["metadata"], "u1")
        patch = merge.merge_patch(sound, "u1", config(), MARK)
        assert patch is not None
        assert set(patch["metadata"]) == {"resourceVersion"}
        assert patch["data"] != sound["data"]
        sound = patched(sound, patch)
        assert content(sound) == with_ours()
    assert sound["data"] == first["data"], "it does not grow"


def test_nothing_is_won_back_where_the_api_server_tracks_no_fields() -> None:
    untracked = with_metadata(merged(secret()), managedFields=[])
    assert merge.merge_patch(untracked, "u1", config(), MARK) is None


def test_marks_that_were_lost_are_set_again() -> None:
    for lost in ({"labels": None}, {"annotations": None}, {"annotations": {SHARED: "{broken"}}):
        before = merged(secret())
        before["metadata"].update(lost)
        patch = merge.merge_patch(before, "u1", config(), MARK)
        assert patch is not None
        assert "data" not in patch
        assert shared_entries(patched(before, patch)["metadata"]) == {"u1": MARK}


def test_a_copy_that_somebody_made_is_not_ours() -> None:
    copy = merged(secret(with_ours(PUBLIC)))
    copy["metadata"]["namespace"] = "team-b"
    assert not is_entry_intact(copy["metadata"], "u1")
    assert merge.unmerge_patch(copy, "u1") is None


def test_logins_of_others_for_a_part_of_our_host_are_noted_and_stay() -> None:
    theirs = {"auths": {f"{HOST}/team": {"auth": "Zm9yOmVpZ24="}}}
    after = merged(secret(theirs))
    assert content(after)["auths"].keys() == {HOST, f"{HOST}/team"}
    assert shared_entries(after["metadata"]) == {"u1": replace(MARK, shadowed_by=(f"{HOST}/team",))}
    assert merge.merge_patch(after, "u1", config(), MARK) is None
    mended = {**after, "data": secret(with_ours())["data"]}
    assert shared_entries(merged(mended)["metadata"]) == {"u1": MARK}


def test_what_is_told_of_others_is_written_back_untouched() -> None:
    odd = {"place": "team-a/shared", "u2": {"names": [PUBLIC], "later": 1}, "u3": 5}
    before = secret(with_ours(PUBLIC), annotations={SHARED: json.dumps(odd)})
    after = merged(before)
    assert {**json.loads(after["metadata"]["annotations"][SHARED]), "u1": None} == {**odd, "u1": None}
    edited = json.loads(merged(with_metadata(before, **owning("kubectl")))["metadata"]["annotations"][SHARED])
    assert {**edited, "u1": None} == {**odd, "u1": None, "u2": {**odd["u2"], "edited": True}}
    back = patched(after, merge.unmerge_patch(after, "u1"))
    assert json.loads(back["metadata"]["annotations"][SHARED]) == odd
    assert (content(back), back["metadata"]["labels"]) == (with_ours(PUBLIC), {LABEL: "shared"})


def test_after_an_edit_the_next_write_of_one_leaves_the_others_to_look_again() -> None:
    """For the API server counts all of it as ours again, though what the others put in may be gone."""
    both = merged(secret(), uid="u2", text=config(PUBLIC), mark=replace(MARK, names=(PUBLIC,)))
    both = merged(both)
    for manager, is_sound in (("kube-ecr-secrets", True), ("kubectl", False)):
        both["metadata"].update(owning(manager))
        for patch in (
            merge.merge_patch(both, "u1", config(password="newer"), MARK),
            merge.unmerge_patch(both, "u1"),
        ):
            after = patched(both, patch)
            after["metadata"].update(owning())
            assert is_entry_intact(after["metadata"], "u2") is is_sound
            mended = merged(after, uid="u2", text=config(PUBLIC), mark=replace(MARK, names=(PUBLIC,)))
            assert is_entry_intact(mended["metadata"], "u2")


@pytest.mark.parametrize("labels", [None, {"team": "a"}])
def test_only_ours_is_taken_out(labels: dict | None) -> None:
    before = merged(secret(labels=labels, annotations={"team": "a"}))
    patch = merge.unmerge_patch(before, "u1")
    assert isinstance(patch, dict)
    assert patch["metadata"]["resourceVersion"] == "7"
    after = patched(before, patch)
    assert content(after) == FOREIGN
    assert after["metadata"]["labels"] == (labels or {})
    assert after["metadata"]["annotations"] == {"team": "a"}
    assert merge.unmerge_patch(after, "u1") is None


def test_what_was_not_ours_to_make_is_not_deleted() -> None:
    before = merged(secret("{}", labels={MANAGED: "kube-ecr-secrets"}), mark=replace(MARK, created=True))
    assert content(patched(before, merge.unmerge_patch(before, "u1"))) == {"auths": {}}


def with_data(found: dict, **data: str) -> dict:
    return {**found, "data": {**found["data"], **data}}


def with_content(found: dict, text: str) -> dict:
    return {**found, "data": secret(text)["data"]}


def with_metadata(found: dict, **metadata: object) -> dict:
    return {**found, "metadata": {**found["metadata"], **metadata}}


@pytest.mark.parametrize(
    ("before", "deleted"),
    [
        pytest.param(made(), True, id="as we made it"),
        pytest.param(made(labels={"team": "a"}, annotations={"a": "b"}), True, id="with a template"),
        pytest.param(merged(made(), "u1", config(PUBLIC)), True, id="refreshed since"),
        pytest.param(with_content(made(), json.dumps(with_ours())), False, id="somebody added a login"),
        pytest.param(with_data(made(), other="eA=="), False, id="somebody added a key"),
        pytest.param(with_content(made(), "{broken"), False, id="somebody broke it"),
        pytest.param(with_metadata(made(), ownerReferences=[{"uid": "x"}]), False, id="somebody owns it"),
        pytest.param(with_metadata(made(), labels={MANAGED: "Helm"}), False, id="somebody manages it"),
        pytest.param(merged(made(), "u2"), False, id="another resource uses it"),
    ],
)
def test_what_we_made_is_deleted_if_nobody_added_to_it(before: dict, deleted: bool) -> None:
    undo = merge.unmerge_patch(before, "u1")
    assert (undo is Undo.DELETE) is deleted
    assert merge.is_only_ours(before, "u1") is deleted
    if isinstance(undo, dict):
        after = patched(before, undo)
        assert "u1" not in shared_entries(after["metadata"])
        ours = after["metadata"]["labels"].get(MANAGED) == "kube-ecr-secrets"
        assert ours is bool(shared_entries(after["metadata"]))


def test_the_last_one_deletes_what_the_first_one_made() -> None:
    both = merged(made("u1"), "u2", config(PUBLIC), replace(MARK, names=(PUBLIC,)))
    assert not shared_entries(both["metadata"])["u2"].created
    left = patched(both, merge.unmerge_patch(both, "u1"))
    assert content(left) == {"auths": {PUBLIC: entry()}}
    assert merge.unmerge_patch(left, "u2") is Undo.DELETE


@pytest.mark.parametrize("said", [{}, {"edited": True}], ids=["sound", "edited"])
def test_whoever_comes_after_the_first_one_has_still_to_look_after_an_edit(said: dict) -> None:
    both = merged(made("u1"), "u2")
    told = json.loads(both["metadata"]["annotations"][SHARED])
    told["u2"].update(said)
    both = with_metadata(both, annotations={SHARED: json.dumps(told)})
    left = patched(both, merge.unmerge_patch(both, "u1"))
    assert json.loads(left["metadata"]["annotations"][SHARED]) == {
        "place": "team-a/shared",
        "u2": {**told["u2"], "created": True},
    }


@pytest.mark.parametrize(
    "before",
    [
        made(),
        with_content(made(), "{}"),
        merged(secret()),
        with_metadata(made(), labels={MANAGED: "kube-ecr-secrets"}),
    ],
)
def test_logins_can_be_left_behind(before: dict) -> None:
    after = patched(before, merge.unmerge_patch(before, "u1", keep_logins=True))
    assert after["data"] == before["data"]
    assert (after["metadata"]["labels"], after["metadata"]["annotations"]) == ({}, {})


@pytest.mark.parametrize(
    "before",
    [secret(), secret(annotations={SHARED: "{broken"}), secret(annotations={SHARED: "[]"}), merged(secret(), "u2")],
)
def test_without_a_mark_nothing_is_taken_out(before: dict) -> None:
    assert merge.unmerge_patch(before, "u1") is None


def test_marks_go_from_a_secret_that_somebody_broke_and_its_data_stays() -> None:
    before = with_content(merged(secret()), "{broken")
    patch = merge.unmerge_patch(before, "u1")
    assert isinstance(patch, dict)
    assert "data" not in patch
    assert shared_entries(patched(before, patch)["metadata"]) == {}


def test_what_is_made_has_marks_labels_and_no_owner() -> None:
    mark = replace(MARK, names=("x.example",))
    manifest = merge.manifest("team-a", "shared", "u1", config(), mark, {"team": "a", LABEL: "x"}, {"note": "b"})
    metadata = manifest["metadata"]
    assert (manifest["apiVersion"], manifest["kind"]) == ("v1", "Secret")
    assert metadata["labels"] == {"team": "a", MANAGED: "kube-ecr-secrets", LABEL: "shared"}
    assert metadata["annotations"]["note"] == "b"
    assert "ownerReferences" not in metadata
    assert shared_entries(metadata) == {"u1": replace(MARK, created=True)}
    assert (manifest["type"], content(manifest)) == ("kubernetes.io/dockerconfigjson", {"auths": {HOST: entry()}})
    assert merge.merge_patch(made(), "u1", config(), MARK) is None


MINE, FOUND = {SHARED: json.dumps({"place": "team-a/shared", "u1": {"names": [HOST]}})}, {LABEL: "shared"}


@pytest.mark.parametrize(
    ("found", "sound"),
    [
        (secret(annotations=MINE, labels=FOUND), True),
        (secret(annotations=MINE), False),
        (secret(annotations={SHARED: '{"u2": {}}'}, labels=FOUND), False),
        (secret(), False),
        (secret(annotations=MINE, labels=FOUND, **owning("kubectl")), False),
        (secret(annotations=MINE, labels=FOUND, **owning("kube-ecr-secrets/u1")), True),
        (secret(annotations=MINE, labels=FOUND, **owning("kube-ecr-secrets-operator")), False),
        (secret(annotations=MINE, labels=FOUND, **owning(field="f:other")), False),
        (secret(annotations=MINE, labels=FOUND, managedFields=None), False),
        (
            secret(annotations=MINE, labels=FOUND, managedFields=[{"manager": "kube-ecr-secrets", "fieldsV1": None}]),
            False,
        ),
    ],
)
def test_drift_shows_in_the_metadata(found: dict, sound: bool) -> None:
    assert is_entry_intact(found["metadata"], "u1") is sound


@pytest.mark.parametrize(
    "told",
    [
        None,
        5,
        [],
        {"names": HOST},
        {"names": [1]},
        {"expiry": 5, "renewAfter": "soon"},
        {"expiry": "0001-01-01T00:00:00+05:00", "identity": {}},
        {"created": "yes", "reconcileAt": 1},
    ],
    ids=repr,
)
def test_what_is_odd_in_a_mark_counts_as_not_said(told: object) -> None:
    assert SharedEntry.from_dict(told) == SharedEntry(())


def test_the_logins_that_we_hold_can_be_read_back() -> None:
    before = merged(secret(with_ours(PUBLIC)))
    assert json.loads(merge.held_logins(before, "u1")) == {"auths": {HOST: entry()}}
    for nothing in (secret(), with_content(before, "{broken"), with_content(before, "{}"), {**before, "data": None}):
        assert merge.held_logins(nothing, "u1") == docker_config.render([])


@pytest.mark.parametrize(
    ("before", "now", "lives"),
    [
        pytest.param(merged(secret(with_ours(PUBLIC))), NOW, True, id="living"),
        pytest.param(merged(secret()), NOW + 12 * HOUR, False, id="dead"),
        pytest.param(merged(secret(), mark=replace(MARK, renew_after=None)), NOW, False, id="nobody knows how old"),
        pytest.param(merged(secret(), mark=SharedEntry((HOST,))), NOW, False, id="nobody knows how long"),
        pytest.param(with_content(merged(secret()), "{}"), NOW, False, id="taken out"),
        pytest.param(with_content(merged(secret(), "u1", config(HOST, PUBLIC)), config()), NOW, False, id="in part"),
        pytest.param(merged(secret(), "u1", '{"auths":{}}'), NOW, False, id="none"),
        pytest.param(merged(secret(), "u2"), NOW, False, id="another resource's"),
    ],
)
def test_the_logins_that_we_hold_have_the_life_that_the_mark_tells(before: dict, now: datetime, lives: bool) -> None:
    expected = Logins(docker_config.selected(config(), [HOST]), MARK.registries, MARK.expires_at, MARK.renew_after)
    assert merge.logins_of(before, "u1", now) == (expected if lives else None)


DESIRED = DesiredSecret("shared", None, "id-1")


@pytest.mark.parametrize(
    ("found", "desired", "is_intact", "has_shape"),
    [
        (merged(secret()), DESIRED, True, True),
        (merged(secret()), replace(DESIRED, identity="id-2"), False, True),
        (merged(secret()), replace(DESIRED, name="new"), True, False),
        (with_metadata(merged(secret()), **owning("kubectl")), DESIRED, False, True),
    ],
)
def test_what_stands_of_us_is_told_by_the_metadata(
    found: dict, desired: DesiredSecret, is_intact: bool, has_shape: bool
) -> None:
    assert ObservedSecret.of_shared(found["metadata"], desired, "u1") == ObservedSecret(
        namespace="team-a",
        name="shared",
        version="7",
        is_intact=is_intact,
        has_shape=has_shape,
        registries=requests("eu-west-1"),
        expires_at=MARK.expires_at,
        renew_after=MARK.renew_after,
        is_shared=True,
    )
    assert ObservedSecret.of_shared(found["metadata"], desired, "u2") is None


def test_of_what_is_noted_of_others_only_keys_are_told() -> None:
    """Whoever may write the Secret can write anything there, and as much of it."""
    keys = ("{{ canary }}", "a\nb", "a" * 301, *(f"{HOST}/{number}" for number in range(20)))
    mark = replace(MARK, shadowed_by=keys)
    metadata = secret(
        annotations={SHARED: shared_annotation({"name": "shared", "namespace": "team-a"}, {"u1": mark.as_dict()})}
    )["metadata"]
    found = ObservedSecret.of_shared(metadata, DESIRED, "u1")
    assert found is not None
    assert found.shadowed_by == tuple(f"{HOST}/{number}" for number in range(10))
    assert ObservedSecret.from_dict(json.loads(json.dumps(found.as_dict()))) == found
