"""Which Secrets go, and how each is taken away: nothing that is wanted, that pods may need, or that is not ours."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ansible_collections.kube_ecr.secrets.plugins.module_utils._contract.item import NamespacedName, PlacedOutput
from ansible_collections.kube_ecr.secrets.plugins.module_utils._contract.outputs import Output
from ansible_collections.kube_ecr.secrets.plugins.module_utils._reconcile.outcomes import NamespaceOutcome
from ansible_collections.kube_ecr.secrets.plugins.module_utils._reconcile.removal import places_to_prune, removal_of
from ansible_collections.kube_ecr.secrets.plugins.module_utils._reconcile.request import Request
from ansible_collections.kube_ecr.secrets.plugins.module_utils._secret import merge
from ansible_collections.kube_ecr.secrets.plugins.module_utils._secret.observed import ObservedSecret
from tests.support.cluster.stored_secrets import (
    DESIRED,
    FORMER,
    FORMER_UID,
    HOUR,
    NOW,
    OTHER_UID,
    UNNAMED,
    asking,
    edited_by_others,
    foreign_secret,
    granted,
    own_secret,
    patched,
    shared_secret,
    shared_secret_of_ours,
)

PLACE, BEFORE = NamespacedName("team-a", "ecr-login"), NamespacedName("team-a", "old-name")
ELSEWHERE = NamespacedName("team-b", "ecr-login")
OWN, SHARED = (
    ObservedSecret.of(own_secret()["metadata"], DESIRED),
    ObservedSecret.of_shared(shared_secret()["metadata"], DESIRED, "uid-1"),
)
OUTPUT = Output("basic", "BasicAuth", DESIRED.registries[0], "kubernetes.io/basic-auth", {"username": "$(username)"})
BASIC, OLD = NamespacedName("team-b", "basic"), NamespacedName("team-b", "old-output")
OF_OUTPUT = ObservedSecret.of(own_secret(desired=DESIRED.for_output(OUTPUT))["metadata"], DESIRED.for_output(OUTPUT))
SERVED = (NamespaceOutcome("team-a", "updated", expires_at=NOW + HOUR),)
FAILED = (NamespaceOutcome("team-a", "failed", "AccessDenied", "no token"),)


@pytest.mark.parametrize(
    ("asked", "outcomes", "places"),
    [
        pytest.param(Request(DESIRED, ("team-a",), known={PLACE: OWN}), SERVED, [], id="what is wanted stays"),
        pytest.param(
            Request(DESIRED, ("team-a",), known={PLACE: OWN, ELSEWHERE: OWN}), SERVED, [ELSEWHERE], id="no target"
        ),
        pytest.param(Request(DESIRED, (), known={ELSEWHERE: SHARED}), (), [ELSEWHERE], id="a shared one in no target"),
        pytest.param(Request(DESIRED, ("team-a",), known={BEFORE: OWN}), SERVED, [BEFORE], id="replaced by a new name"),
        pytest.param(Request(DESIRED, ("team-a",), known={BEFORE: OWN}), FAILED, [], id="its replacement failed"),
        pytest.param(Request(DESIRED, ("team-a",), known={BEFORE: OWN}), (), [], id="no word of its replacement"),
        pytest.param(Request(DESIRED, ("team-a",), known={PLACE: SHARED}), FAILED, [PLACE], id="shared no more"),
        pytest.param(
            Request(DESIRED, ("team-a",), policy="Merge", known={PLACE: SHARED}), FAILED, [], id="to be shared"
        ),
        pytest.param(
            Request(DESIRED, ("team-a",), policy="Merge", known={PLACE: OWN}), FAILED, [], id="own, to be shared"
        ),
        pytest.param(Request(DESIRED, None, known={ELSEWHERE: OWN}), (), [], id="nobody knows what is wanted"),
        pytest.param(Request(DESIRED, ("team-a",)), SERVED, [], id="nobody looked"),
        pytest.param(
            Request(DESIRED, ("team-c",), is_absent=True, known={ELSEWHERE: OWN, PLACE: SHARED}),
            (),
            [PLACE, ELSEWHERE],
            id="absent: all that is known, and nothing else",
        ),
        pytest.param(
            Request(DESIRED, ("team-b", "team-a"), is_absent=True), (), [PLACE, ELSEWHERE], id="absent, nobody looked"
        ),
        pytest.param(Request(DESIRED, None, is_absent=True), (), [], id="absent, no targets"),
        pytest.param(asking(Request(DESIRED, ("team-a",), is_absent=True), name=""), (), [], id="absent, no name"),
    ],
)
def test_which_places_go(asked: Request, outcomes: tuple[NamespaceOutcome, ...], places: list[NamespacedName]) -> None:
    assert places_to_prune(asked, outcomes) == places


UNWANTED = Request(DESIRED, ("team-b",))
WANTED = replace(UNWANTED, namespaces=("team-a",))
FORMER_ONE = (FORMER_UID, FORMER)
KEPT = replace(UNWANTED, is_orphaned=True)
UNDONE = replace(UNWANTED, namespaces=("team-a",), is_absent=True)
BY_PLAYBOOK = Request(replace(DESIRED, owner=None, identity=""), ("team-a",), is_absent=True)
DELETED, RELEASED, NOTHING = "deleted", "released", "nothing"


def removed(request: Request, secret: dict) -> str:
    removal = removal_of(request, secret)
    if removal is None:
        return NOTHING
    return DELETED if removal is merge.Undo.DELETE else RELEASED


@pytest.mark.parametrize(
    ("asked", "secret", "fate"),
    [
        pytest.param(UNWANTED, own_secret(), DELETED, id="own"),
        pytest.param(KEPT, own_secret(), RELEASED, id="own, to be left behind"),
        pytest.param(UNDONE, own_secret(), DELETED, id="own, absent"),
        pytest.param(replace(UNDONE, is_orphaned=True), own_secret(), RELEASED, id="own, absent, to be left behind"),
        pytest.param(replace(UNWANTED, namespaces=("team-a",)), own_secret(), NOTHING, id="own and wanted"),
        pytest.param(
            replace(UNWANTED, namespaces=("team-a",)), shared_secret_of_ours(), NOTHING, id="made by us, and wanted"
        ),
        pytest.param(
            replace(UNWANTED, namespaces=("team-a",)), shared_secret(), RELEASED, id="somebody's, under our name"
        ),
        pytest.param(
            asking(UNWANTED, namespaces=("team-a",), name="new-name"),
            own_secret(),
            DELETED,
            id="of the name before",
        ),
        pytest.param(UNWANTED, own_secret(ownerReferences=[]), DELETED, id="ours, its owner reference gone"),
        pytest.param(KEPT, edited_by_others(own_secret(ownerReferences=[])), RELEASED, id="its owner gone, to be kept"),
        pytest.param(
            UNWANTED,
            {**edited_by_others(own_secret(ownerReferences=[])), "data": None},
            RELEASED,
            id="ours by one mark, with the content of somebody",
        ),
        pytest.param(UNWANTED, foreign_secret(), NOTHING, id="somebody's"),
        pytest.param(
            WANTED, shared_secret_of_ours(desired=UNNAMED), NOTHING, id="made by us without a name, and wanted"
        ),
        pytest.param(
            WANTED, shared_secret_of_ours(None, *FORMER_ONE), NOTHING, id="made by an earlier one, and wanted"
        ),
        pytest.param(UNWANTED, shared_secret(desired=UNNAMED), RELEASED, id="our part, without a name"),
        pytest.param(UNWANTED, shared_secret(None, None, *FORMER_ONE), RELEASED, id="the part of an earlier one"),
        pytest.param(UNWANTED, shared_secret(), RELEASED, id="our part in somebody's"),
        pytest.param(KEPT, shared_secret(), RELEASED, id="our part in somebody's, to be left behind"),
        pytest.param(UNWANTED, shared_secret(uid=OTHER_UID), NOTHING, id="the part of another resource"),
        pytest.param(UNWANTED, shared_secret_of_ours(), DELETED, id="made by us alone"),
        pytest.param(KEPT, shared_secret_of_ours(), RELEASED, id="made by us alone, to be left behind"),
        pytest.param(BY_PLAYBOOK, own_secret(desired=BY_PLAYBOOK.desired), DELETED, id="a playbook's"),
        pytest.param(
            replace(BY_PLAYBOOK, is_orphaned=True),
            own_secret(desired=BY_PLAYBOOK.desired),
            DELETED,
            id="a playbook's has no owner to be released from",
        ),
    ],
)
def test_how_each_is_taken_away(asked: Request, secret: dict, fate: str) -> None:
    assert removed(asked, secret) == fate


@pytest.mark.parametrize(
    ("is_orphaned", "hosts"), [(False, {"ghcr.io"}), (True, {"ghcr.io", DESIRED.registries[0].host})]
)
def test_what_is_left_behind_keeps_its_logins(is_orphaned: bool, hosts: set[str]) -> None:
    before = shared_secret()
    after = patched(before, removal_of(replace(UNWANTED, is_orphaned=is_orphaned), before))
    assert merge.docker_config.logins(merge.docker_config.stored(after["data"])).keys() == hosts


def test_what_is_released_is_of_a_manager_that_never_writes() -> None:
    """Else the resource could apply again what it once applied, and the API server would see no conflict."""
    removal = removal_of(KEPT, own_secret(granted()))
    assert isinstance(removal, dict)
    assert [entry["manager"] for entry in removal["metadata"]["managedFields"]] == ["kube-ecr-secrets/released"]
    assert removal["metadata"]["ownerReferences"] == []


@pytest.mark.parametrize(
    ("outcome", "wanted", "places"),
    [
        pytest.param(
            NamespaceOutcome("team-b", "updated", expires_at=NOW + HOUR, name="basic"), True, [OLD], id="served"
        ),
        pytest.param(NamespaceOutcome("team-b", "failed", name="basic"), True, [], id="its replacement failed"),
        pytest.param(
            NamespaceOutcome("team-b", "updated", expires_at=NOW + HOUR, name="x"), True, [], id="no word of it"
        ),
        pytest.param(None, False, [BASIC, OLD], id="no output any more"),
    ],
)
def test_an_output_stays_where_another_one_is_to_replace_it_and_does_not_yet(
    outcome: NamespaceOutcome | None, wanted: bool, places: list[NamespacedName]
) -> None:
    known = {PLACE: OWN, BASIC: OF_OUTPUT, OLD: OF_OUTPUT}
    asked = Request(DESIRED, ("team-a",), known=known).with_outputs([PlacedOutput(OUTPUT, ("team-b",))] * wanted)
    assert places_to_prune(asked, SERVED, [outcome] if outcome else []) == places
    unknown = asked.with_outputs([PlacedOutput(OUTPUT, None)])
    assert places_to_prune(unknown, SERVED, []) == []
    absent = replace(asked, is_absent=True)
    assert places_to_prune(absent, ()) == sorted(known)
    nobody_looked = replace(absent, known=None)
    assert places_to_prune(nobody_looked, ()) == sorted([PLACE, *[BASIC] * wanted])
    assert asked.wants(BASIC) is wanted
