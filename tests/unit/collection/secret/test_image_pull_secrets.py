"""imagePullSecrets of service accounts: ours once, those of others untouched, and all of it undone."""

from __future__ import annotations

import json
from copy import deepcopy

import pytest

from ansible_collections.kube_ecr.secrets.plugins.module_utils._secret import image_pull_secrets
from tests.support.cluster.stored_secrets import patched

HERE = "team-a/default"
LABEL, SHARED = "aws.zakariaamine.com/owner", "aws.zakariaamine.com/shared"


def account(
    *names: str | None, marks: dict | str | None = None, labels: dict | None = None, **metadata: object
) -> dict:
    """Return a service account with these entries, None for an empty one; marks are written as we do."""
    shared = {
        "labels": {LABEL: "shared", **(labels or {})},
        "annotations": {SHARED: marks if isinstance(marks, str) else json.dumps({"place": HERE, **(marks or {})})},
    }
    return {
        "metadata": {"name": "default", "namespace": "team-a", "resourceVersion": "7", **(shared if marks else {})}
        | metadata,
        **({"imagePullSecrets": [{"name": name} if name else {} for name in names]} if names else {}),
    }


def by(**names: str | list[str]) -> dict:
    return {uid: {"names": [each] if isinstance(each, str) else each} for uid, each in names.items()}


def told(found: dict) -> tuple[list, dict, str | None]:
    """Return entries, marks and the label of a service account."""
    metadata = found["metadata"]
    entries = [each.get("name") for each in found.get("imagePullSecrets") or []]
    marks = json.loads((metadata.get("annotations") or {}).get(SHARED) or f'{{"place": "{HERE}"}}')
    assert marks.pop("place") == HERE
    return entries, marks, (metadata.get("labels") or {}).get(LABEL)


OURS = by(u1="ecr")
BOTH = by(u1="ecr", u2="ecr")


@pytest.mark.parametrize(
    ("before", "entries", "marks"),
    [
        pytest.param(account(), ["ecr"], OURS, id="no field"),
        pytest.param({**account(), "imagePullSecrets": []}, ["ecr"], OURS, id="empty list"),
        pytest.param({**account(), "imagePullSecrets": None}, ["ecr"], OURS, id="null"),
        pytest.param(account(None), [None, "ecr"], OURS, id="an entry without a name"),
        pytest.param(account("z", "a"), ["z", "a", "ecr"], OURS, id="entries of others"),
        pytest.param(account(labels=None, annotations=None), ["ecr"], OURS, id="no labels"),
        pytest.param(account("a", marks=OURS), ["a", "ecr"], OURS, id="ours was taken out"),
        pytest.param(account("old", "a", marks=by(u1="old")), ["a", "ecr"], OURS, id="renamed"),
        pytest.param(account("old", "ecr", marks=by(u1="old")), ["ecr"], {}, id="renamed to somebody's own"),
        pytest.param(
            account("old", marks=by(u1="old", u2="old")), ["old", "ecr"], by(u1="ecr", u2="old"), id="old is another's"
        ),
        pytest.param(account("old", "a", "old", marks=by(u1="old")), ["old", "a", "ecr"], OURS, id="old was there"),
        pytest.param(account("ecr", marks=by(u2="ecr")), ["ecr"], BOTH, id="another resource's, of the same name"),
        pytest.param(account("a", marks="{broken"), ["a", "ecr"], OURS, id="marks broken"),
        pytest.param(account("a", marks="[1]"), ["a", "ecr"], OURS, id="marks no object"),
        pytest.param(account("a", marks={"u1": 5, "u2": {"x": 1}}), ["a", "ecr"], {**OURS, "u2": {"x": 1}}, id="odd"),
    ],
)
def test_our_entry_is_added_once_at_the_end(before: dict, entries: list, marks: dict) -> None:
    original = deepcopy(before)
    patch = image_pull_secrets.add_patch(before, "u1", "ecr")
    assert before == original
    assert patch is not None
    assert patch["metadata"]["resourceVersion"] == "7"
    after = patched(before, patch)
    assert told(after) == (entries, marks, "shared" if marks else None)
    assert image_pull_secrets.add_patch(after, "u1", "ecr") is None


@pytest.mark.parametrize(
    "before",
    [
        pytest.param(account("a", "ecr", marks=OURS), id="as we left it"),
        pytest.param(account("ecr", "a", "ecr", marks=OURS), id="somebody doubled it"),
        pytest.param(account("ecr"), id="somebody's own"),
        pytest.param(account("ecr", "ecr"), id="somebody's own, twice"),
        pytest.param(account("ecr", marks="{broken"), id="somebody's own, marks broken"),
    ],
)
def test_nothing_is_written_when_nothing_changes(before: dict) -> None:
    assert image_pull_secrets.add_patch(before, "u1", "ecr") is None


@pytest.mark.parametrize(
    ("before", "entries", "marks"),
    [
        pytest.param(account("ecr", marks=OURS), [], {}, id="only ours"),
        pytest.param(account("z", None, "ecr", "a", marks=OURS), ["z", None, "a"], {}, id="others stay in order"),
        pytest.param(account("ecr", "a", "ecr", marks=OURS), ["ecr", "a"], {}, id="of two one is somebody's"),
        pytest.param(account("a", marks=OURS), ["a"], {}, id="taken out before"),
        pytest.param(account("ecr", marks=BOTH), ["ecr"], by(u2="ecr"), id="another resource names it too"),
        pytest.param(account("ecr", "b", marks=by(u1="ecr", u2="b")), ["b"], by(u2="b"), id="another's stays"),
        pytest.param(account("x", "y", marks=by(u1=["x", "y"])), [], {}, id="more than one name"),
        pytest.param(account("a", marks={"u1": None}), ["a"], {}, id="a mark without names"),
    ],
)
def test_what_we_gave_is_taken_out_and_no_more(before: dict, entries: list, marks: dict) -> None:
    patch = image_pull_secrets.remove_patch(before, "u1")
    assert patch is not None
    assert patch["metadata"]["resourceVersion"] == "7"
    after = patched(before, patch)
    assert told(after) == (entries, marks, "shared" if marks else None)
    assert (SHARED in after["metadata"]["annotations"]) is bool(marks)
    assert ("imagePullSecrets" in after) is bool(entries)
    assert image_pull_secrets.remove_patch(after, "u1") is None


@pytest.mark.parametrize("before", [account(), account("ecr"), account("ecr", marks=by(u2="ecr")), account(marks="{")])
def test_without_a_mark_nothing_is_taken_out(before: dict) -> None:
    assert image_pull_secrets.remove_patch(before, "u1") is None


@pytest.mark.parametrize("names", [(), ("z", "a"), (None,), ("ecr",), ("a", "ecr", "b", "ecr")])
def test_there_and_back_is_as_it_was(names: tuple) -> None:
    before = account(*names)
    after = patched(before, image_pull_secrets.patch(before, "u1", "ecr") or {})
    back = patched(after, image_pull_secrets.patch(after, "u1", None) or {})
    assert told(back) == told(before)


def test_labels_of_others_stay() -> None:
    before = account("ecr", marks=OURS, labels={"team": "a"})
    after = patched(before, image_pull_secrets.remove_patch(before, "u1"))
    assert after["metadata"]["labels"] == {"team": "a"}
    before["metadata"]["labels"][LABEL] = "somebody"
    after = patched(before, image_pull_secrets.remove_patch(before, "u1"))
    assert after["metadata"]["labels"] == {"team": "a", LABEL: "somebody"}


def test_a_copy_that_somebody_made_holds_nothing_of_ours() -> None:
    copy = account("ecr", marks=OURS, namespace="team-b")
    assert image_pull_secrets.patch(copy, "u1", "ecr") is None
    assert image_pull_secrets.patch(copy, "u1", None) is None
