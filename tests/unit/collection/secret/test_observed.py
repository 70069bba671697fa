"""What the metadata of a Secret says: whether somebody edited it, and whether it is fresh enough to stay."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from ansible_collections.kube_ecr.secrets.plugins.module_utils._contract.token_life import CLOCK_TOLERANCE
from ansible_collections.kube_ecr.secrets.plugins.module_utils._secret.desired import DesiredSecret
from ansible_collections.kube_ecr.secrets.plugins.module_utils._secret.observed import ObservedSecret
from tests.support.cluster.stored_secrets import (
    DESIRED,
    GROUP,
    HOST,
    HOUR,
    NOW,
    OWNER,
    PUBLIC,
    Edit,
    annotated,
    edited,
    granted,
    own_secret,
    put,
    taken,
)
from tests.support.logins import requests

SERVED, AGED, DEAD, WRITE = "served", "aged", "dead", "write"


def judged(secret: dict, desired: DesiredSecret = DESIRED, now: datetime = NOW) -> str:
    held = ObservedSecret.from_dict(ObservedSecret.of(secret["metadata"], desired).as_dict())
    if not held.is_as_desired(desired.registries, desired.registries):
        return WRITE
    return SERVED if held.is_fresh(now, desired) else AGED if held.is_valid(now) else DEAD


@pytest.mark.parametrize(
    ("edit", "verdict"),
    [
        pytest.param(lambda secret: None, SERVED, id="as we wrote it"),
        pytest.param(taken("data", ".dockerconfigjson"), WRITE, id="content edited"),
        pytest.param(taken("metadata", "labels", "app.kubernetes.io/managed-by"), WRITE, id="label edited"),
        pytest.param(taken("metadata", "labels", "team"), WRITE, id="label of the template edited"),
        pytest.param(taken("metadata", "annotations", "expiry"), WRITE, id="annotation edited"),
        pytest.param(taken("metadata", "annotations", "note"), WRITE, id="annotation of the template edited"),
        pytest.param(put("managedFields", None), WRITE, id="nobody knows who edited it"),
        pytest.param(put("labels", None), WRITE, id="labels lost"),
        pytest.param(put("annotations", None), WRITE, id="annotations lost"),
        pytest.param(taken("metadata", "ownerReferences"), WRITE, id="owner lost"),
        pytest.param(put("labels", {"team": "a"}), "served", id="a policy takes our labels away"),
        pytest.param(annotated("identity", "id-2"), WRITE, id="written for another identity"),
        pytest.param(annotated("registries", "[]"), WRITE, id="lacks a login"),
        pytest.param(annotated("registries", json.dumps([HOST, PUBLIC])), WRITE, id="one login too many"),
        pytest.param(annotated("registries", "{"), WRITE, id="nobody knows for what"),
        pytest.param(annotated("renew-after", "never"), DEAD, id="no time of renewal"),
        pytest.param(annotated("secret", "team-b/ecr-login"), WRITE, id="a copy"),
    ],
)
def test_what_is_there_stays_only_if_it_is_as_we_wrote_it(edit: Edit, verdict: str) -> None:
    secret = own_secret()
    edit(secret)
    assert judged(secret) == verdict


def test_what_is_told_of_a_secret_as_we_wrote_it() -> None:
    assert ObservedSecret.of(own_secret()["metadata"], DESIRED) == ObservedSecret(
        namespace="team-a",
        name="ecr-login",
        version="7",
        is_intact=True,
        has_shape=True,
        registries=requests(HOST),
        expires_at=NOW + 12 * HOUR,
        renew_after=NOW + 6 * HOUR,
    )


@pytest.mark.parametrize(
    "path",
    [
        ("data", ".dockerconfigjson"),
        ("metadata", "labels", f"{GROUP}/owner"),
        ("metadata", "annotations", f"{GROUP}/identity"),
    ],
    ids=lambda path: path[-1],
)
def test_logins_whose_marks_somebody_changed_are_neither_fresh_nor_copied(path: tuple[str, ...]) -> None:
    held = ObservedSecret.of(edited(taken(*path))["metadata"], DESIRED)
    assert (held.is_fresh(NOW, DESIRED), held.is_valid(NOW)) == (False, False)


@pytest.mark.parametrize(
    ("tolerated", "is_from_future"),
    [(CLOCK_TOLERANCE, False), (CLOCK_TOLERANCE + timedelta(seconds=1), True)],
    ids=["skew", "set back"],
)
def test_logins_are_from_the_future_if_the_clock_was_set_back(tolerated: timedelta, is_from_future: bool) -> None:
    held = ObservedSecret.of(own_secret()["metadata"], DESIRED)
    assert held.is_from_future(NOW - tolerated) is is_from_future
    for lacking in ("expires_at", "renew_after"):
        assert not replace(held, **{lacking: None}).is_from_future(NOW - tolerated), "nobody knows their age"


@pytest.mark.parametrize(("age", "verdict"), [(5, SERVED), (6, AGED), (11, AGED), (12, DEAD)])
def test_half_a_life_is_enough(age: int, verdict: str) -> None:
    assert judged(own_secret(), now=NOW + age * HOUR) == verdict


@pytest.mark.parametrize(("age", "verdict"), [(2.9, SERVED), (3, AGED), (11, AGED), (12, DEAD)])
def test_a_quarter_of_a_life_is_enough_for_a_pass(age: float, verdict: str) -> None:
    assert judged(own_secret(), replace(DESIRED, is_pass=True), NOW + age * HOUR) == verdict


@pytest.mark.parametrize(
    ("age", "verdict"), [(1, SERVED), (2, AGED), (-0.05, SERVED), (-1, AGED)], ids=["young", "old", "skew", "set back"]
)
def test_a_token_stays_until_it_is_as_old_as_it_may_be_or_the_clock_was_set_back(age: float, verdict: str) -> None:
    desired = replace(DESIRED, refresh_interval=2 * HOUR)
    assert judged(own_secret(), desired, NOW + age * HOUR) == verdict


@pytest.mark.parametrize(
    ("got_for", "asked", "verdict"),
    [("", "", SERVED), ("", "1", AGED), ("1", "1", SERVED), ("1", "2", AGED), ("1", "", SERVED)],
)
def test_a_nudge_is_answered_once(got_for: str, asked: str, verdict: str) -> None:
    secret = own_secret(granted(request=got_for))
    assert judged(secret, replace(DESIRED, reconcile_request=asked)) == verdict
    assert (f"{GROUP}/reconcile-at" in secret["metadata"]["annotations"]) is bool(got_for)


def test_a_nudge_that_was_answered_in_part_leaves_the_whole_due() -> None:
    new, old = granted(request="1"), granted(PUBLIC)
    held = own_secret(new.completed(old, requests(HOST, PUBLIC)))
    assert judged(held, replace(DESIRED, registries=requests(HOST, PUBLIC), reconcile_request="1")) == AGED
    assert new.completed(replace(old, reconcile_request="1"), requests(PUBLIC)).renew_after == old.renew_after


@pytest.mark.parametrize(
    ("labels", "annotations", "name"),
    [
        ({"team": "b"}, {"note": "x"}, "ecr-login"),
        ({}, {"note": "x"}, "ecr-login"),
        ({"team": "a", "more": "y"}, {"note": "x"}, "ecr-login"),
        ({"team": "a"}, {}, "ecr-login"),
        ({"team": "a"}, {"note": "y"}, "ecr-login"),
        ({"team": "a"}, {"note": "x"}, "other"),
    ],
)
def test_another_shape_is_written_with_the_token_that_is_there(labels: dict, annotations: dict, name: str) -> None:
    desired = DesiredSecret(name, OWNER, "id-1", requests(HOST), labels, annotations)
    held = ObservedSecret.of(own_secret()["metadata"], desired)
    assert not held.is_as_desired(desired.registries, ())
    assert held.is_fresh(NOW, desired)


def test_what_others_added_is_theirs() -> None:
    secret = own_secret()
    secret["metadata"]["labels"]["foreign"] = "x"
    secret["metadata"]["annotations"]["foreign"] = "x"
    assert judged(secret) == SERVED
