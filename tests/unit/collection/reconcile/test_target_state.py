"""What a Secret says once it was read: what is ours in it, which logins can be used, until when pods can pull."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

import pytest

from ansible_collections.kube_ecr.secrets.plugins.module_utils._contract.item import NamespacedName
from ansible_collections.kube_ecr.secrets.plugins.module_utils._reconcile.request import Request
from ansible_collections.kube_ecr.secrets.plugins.module_utils._reconcile.target_state import (
    TargetState,
    as_listed,
    as_read,
    logins_in,
    valid_until,
)
from tests.support.cluster.stored_secrets import (
    DESIRED,
    HOST,
    HOUR,
    NOW,
    OTHER_UID,
    asking,
    edited_by_others,
    foreign_secret,
    granted,
    own_secret,
    patched,
    shared_secret,
    shared_secret_of_ours,
)

OWN = Request(DESIRED, ("team-a",))
MERGED = replace(OWN, policy="Merge")
AGED = granted(age=5)
EDGE = granted(age=12)
EMPTIED = {**own_secret(AGED), "data": None}


def shared_without_expiry() -> dict:
    """Return a Secret whose entry somebody edited; what names nothing but hosts says nothing of their life."""
    secret = shared_secret(AGED)
    annotation = '{"place":"team-a/ecr-login","uid-1":{"names":["' + HOST + '"]}}'
    return patched(secret, {"metadata": {"annotations": {"aws.zakariaamine.com/shared": annotation}}})


@pytest.mark.parametrize(
    ("asked", "secret", "until"),
    [
        pytest.param(OWN, own_secret(AGED), NOW + 7 * HOUR, id="ours"),
        pytest.param(OWN, edited_by_others(own_secret(AGED)), NOW + 7 * HOUR, id="ours, edited"),
        pytest.param(OWN, own_secret(EDGE), None, id="ours, dead by now"),
        pytest.param(OWN, EMPTIED, None, id="ours, emptied"),
        pytest.param(OWN, foreign_secret(), None, id="somebody's"),
        pytest.param(OWN, shared_secret(AGED), None, id="shared: not what the policy asks for"),
        pytest.param(MERGED, shared_secret(AGED), NOW + 7 * HOUR, id="merge: shared"),
        pytest.param(MERGED, shared_secret_of_ours(AGED), NOW + 7 * HOUR, id="merge: made by us"),
        pytest.param(MERGED, own_secret(AGED), NOW + 7 * HOUR, id="merge: ours"),
        pytest.param(MERGED, shared_secret(EDGE), None, id="merge: dead by now"),
        pytest.param(MERGED, {**shared_secret(AGED), "data": None}, None, id="merge: emptied"),
        pytest.param(MERGED, shared_without_expiry(), None, id="merge: nobody knows until when"),
        pytest.param(MERGED, shared_secret(AGED, uid=OTHER_UID), None, id="merge: another's part"),
        pytest.param(MERGED, foreign_secret(), None, id="merge: somebody's"),
    ],
)
def test_until_when_pods_can_pull(asked: Request, secret: dict, until: datetime | None) -> None:
    assert valid_until(asked, secret, NOW) == until


@pytest.mark.parametrize(
    ("secret", "is_shared", "is_usable"),
    [
        pytest.param(own_secret(AGED), False, True, id="ours"),
        pytest.param(edited_by_others(own_secret(AGED)), False, False, id="ours, edited: may be anybody's"),
        pytest.param(own_secret(AGED, asking(OWN, identity="id-2").desired), False, False, id="of another identity"),
        pytest.param(own_secret(EDGE), False, False, id="dead by now"),
        pytest.param(foreign_secret(), False, False, id="somebody's"),
        pytest.param(shared_secret(AGED), False, False, id="shared, taken for our own"),
        pytest.param(shared_secret(AGED), True, True, id="shared"),
        pytest.param(edited_by_others(shared_secret(AGED)), True, False, id="shared, edited"),
        pytest.param(shared_secret(EDGE), True, False, id="shared, dead by now"),
        pytest.param(own_secret(AGED), True, False, id="ours, taken for a shared one"),
        pytest.param(foreign_secret(), True, False, id="nothing of ours is in it"),
    ],
)
def test_which_logins_can_be_used(secret: dict, is_shared: bool, is_usable: bool) -> None:
    found = logins_in(OWN, secret, NOW, is_shared=is_shared)
    assert (found.expires_at if found else None) == (NOW + 7 * HOUR if is_usable else None)


def test_what_was_read() -> None:
    assert as_read(OWN, "team-a", None, NOW) == TargetState("team-a", is_read=True)
    secret = own_secret(AGED)
    observed = as_read(OWN, "team-a", secret, NOW)
    assert observed.part is not None
    assert (observed.part.is_shared, observed.secret, observed.kept, observed.is_read) == (False, secret, AGED, True)
    observed = as_read(MERGED, "team-a", shared_secret(AGED), NOW)
    assert observed.part is not None
    assert (observed.part.is_shared, observed.kept and observed.kept.expires_at) == (True, AGED.expires_at)
    assert as_read(OWN, "team-a", shared_secret(AGED), NOW).part is None


def test_what_was_listed_is_the_secret_of_the_wanted_name() -> None:
    part = as_read(OWN, "team-a", own_secret(), NOW).part
    known = replace(
        OWN, known={NamespacedName("team-a", "ecr-login"): part, NamespacedName("team-b", "old-name"): part}
    )
    assert as_listed(known, "team-a") == TargetState("team-a", part)
    assert as_listed(known, "team-b") == as_listed(OWN, "team-b") == TargetState("team-b")


def test_what_is_observed_holds_no_login_in_its_text() -> None:
    observed = as_read(OWN, "team-a", own_secret(granted(password="canary")), NOW)
    assert observed.kept is not None
    assert "canary" not in repr(observed)
    assert "data" not in repr(observed)
