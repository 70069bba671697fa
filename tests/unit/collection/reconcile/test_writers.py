"""What is decided is carried out: in few calls, never over what somebody wrote meanwhile, and told as it came out."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from ansible_collections.kube_ecr.secrets.plugins.module_utils._contract.item import NamespacedName
from ansible_collections.kube_ecr.secrets.plugins.module_utils._contract.result import ErrorResult
from ansible_collections.kube_ecr.secrets.plugins.module_utils._reconcile.merged_secret import MergedSecretWriter
from ansible_collections.kube_ecr.secrets.plugins.module_utils._reconcile.outcomes import NamespaceOutcome
from ansible_collections.kube_ecr.secrets.plugins.module_utils._reconcile.own_secret import OwnSecretWriter
from ansible_collections.kube_ecr.secrets.plugins.module_utils._reconcile.request import AvailableLogins, Request
from ansible_collections.kube_ecr.secrets.plugins.module_utils._reconcile.target_state import as_read
from tests.support.cluster.in_memory import InMemoryCluster
from tests.support.cluster.stored_secrets import (
    DESIRED,
    GROUP,
    HOST,
    HOUR,
    NOW,
    PUBLIC,
    asking,
    foreign_secret,
    granted,
    own_secret,
    shared_secret,
    shared_secret_of_ours,
)
from tests.support.logins import requests

OWN = Request(DESIRED, ("team-a",))
MERGED = replace(OWN, policy="Merge")
BOTH = asking(OWN, registries=requests(HOST, PUBLIC))
NEW, OLD = granted(password="canary"), granted(age=11, password="canary")
GRANTED = AvailableLogins(NEW, None)
NOTHING = AvailableLogins(None, ErrorResult("AccessDenied", "no right"))
LEGACY = {"apiVersion": f"{GROUP}/v1alpha1", "kind": "AWSECRCredential", "name": "ecr", "uid": "uid-3"}
TERMINATING = "unable to create: because it is being terminated"


def listed(request: Request, *secrets: dict) -> Request:
    """Return the request that knows these Secrets, and that there is no other."""
    parts = [as_read(request, "team-a", secret, NOW).part for secret in secrets]
    return replace(request, known={NamespacedName("team-a", "ecr-login"): part for part in parts if part})


def reconciled(
    cluster: InMemoryCluster, request: Request, available: AvailableLogins = GRANTED, *, dry_run: bool = False
) -> NamespaceOutcome:
    writer = MergedSecretWriter if request.is_merge else OwnSecretWriter
    outcome = writer(cluster, request, available, NOW, dry_run).reconcile("team-a")  # type: ignore[arg-type]
    assert "canary" not in repr(outcome)
    return outcome


def told(outcome: NamespaceOutcome) -> tuple[str, str]:
    return outcome.state, outcome.reason


def test_where_none_is_known_it_is_created_without_a_look() -> None:
    cluster = InMemoryCluster()
    outcome = reconciled(cluster, listed(OWN))
    assert cluster.verbs == ["apply"]
    (written,) = cluster.written
    assert (written["manager"], written["force"], written["dry_run"]) == ("kube-ecr-secrets/uid-1", False, False)
    assert "resourceVersion" not in written["manifest"]["metadata"]
    assert outcome == NamespaceOutcome(
        "team-a", "created", expires_at=NOW + 12 * HOUR, renew_after=NOW + 6 * HOUR, issued_at=NOW
    )
    assert (outcome.before, outcome.after and outcome.after["registries"]) == (None, [HOST])


def test_what_was_listed_is_replaced_as_it_was_listed() -> None:
    cluster = InMemoryCluster(own_secret(OLD))
    outcome = reconciled(cluster, listed(OWN, own_secret(OLD)))
    assert cluster.verbs == ["apply"]
    (written,) = cluster.written
    assert (written["force"], written["manifest"]["metadata"]["resourceVersion"]) == (True, "7")
    assert told(outcome) == ("updated", "")
    # Of its data nothing was read, so there is no fingerprint.
    assert outcome.before == {"registries": [HOST], "expires_at": "2026-01-31T13:00:00Z", "fingerprint": None}


def test_what_is_fresh_costs_no_call() -> None:
    cluster = InMemoryCluster(own_secret())
    outcome = reconciled(cluster, listed(OWN, own_secret()))
    assert cluster.calls == []
    assert (told(outcome), outcome.after) == (("unchanged", ""), None)
    assert (outcome.expires_at, outcome.renew_after, outcome.issued_at) == (NOW + 12 * HOUR, NOW + 6 * HOUR, NOW)


def test_an_interval_sets_when_it_is_renewed() -> None:
    outcome = reconciled(InMemoryCluster(), listed(asking(OWN, refresh_interval=HOUR)))
    assert outcome.renew_after == NOW + HOUR


def test_where_nobody_could_list_it_is_read_first() -> None:
    cluster = InMemoryCluster(own_secret(OLD))
    outcome = reconciled(cluster, OWN)
    assert cluster.verbs == ["get", "apply"]
    assert cluster.written[0]["manifest"]["metadata"]["resourceVersion"] == "7"
    assert told(outcome) == ("updated", "")
    assert outcome.before is not None
    assert (outcome.before["expires_at"], bool(outcome.before["fingerprint"])) == ("2026-01-31T13:00:00Z", True)


def test_who_was_faster_is_looked_at_again() -> None:
    cluster = InMemoryCluster(foreign_secret())
    cluster.refuse("apply", 409)
    outcome = reconciled(cluster, listed(OWN))
    assert cluster.verbs == ["apply", "get"]
    assert told(outcome) == ("failed", "SecretConflict")


@pytest.mark.parametrize(("conflicts", "state", "calls"), [(3, "updated", 8), (4, "failed", 8)])
def test_four_times_is_enough(conflicts: int, state: str, calls: int) -> None:
    cluster = InMemoryCluster(own_secret(OLD))
    cluster.refuse("apply", *[409] * conflicts)
    outcome = reconciled(cluster, OWN)
    assert (outcome.state, len(cluster.calls)) == (state, calls)
    assert outcome.expires_at == NOW + (12 if state == "updated" else 1) * HOUR, "what is there is still valid"


@pytest.mark.parametrize(
    ("verb", "status", "text", "expected"),
    [
        ("get", 404, "gone", ("pending", "NamespaceNotFound")),
        ("get", 403, "no", ("failed", "Status403")),
        ("apply", 403, TERMINATING, ("pending", "NamespaceTerminating")),
        ("apply", 500, "no", ("failed", "Status500")),
    ],
)
def test_a_refusal_is_not_tried_again(verb: str, status: int, text: str, expected: tuple[str, str]) -> None:
    cluster = InMemoryCluster()
    cluster.refuse(verb, status, text=text)
    assert told(reconciled(cluster, OWN)) == expected
    assert cluster.verbs[-1] == verb


def test_what_cannot_be_renewed_is_told_to_be_valid() -> None:
    edited = own_secret(OLD, managedFields=[])
    outcome = reconciled(InMemoryCluster(edited), OWN, NOTHING)
    assert outcome == NamespaceOutcome("team-a", "unchanged", expires_at=NOW + HOUR)


@pytest.mark.parametrize(
    ("statuses", "expected"),
    [
        ((404,), ("pending", "NamespaceNotFound")),
        ((403,), ("failed", "AccessDenied")),
        ((200,), ("failed", "AccessDenied")),
    ],
)
def test_where_there_is_nothing_to_write_the_namespace_is_probed(
    statuses: tuple[int, ...], expected: tuple[str, str]
) -> None:
    cluster = InMemoryCluster()
    cluster.refuse("apply", *statuses)
    assert told(reconciled(cluster, OWN, NOTHING)) == expected
    assert cluster.verbs == ["get", "apply"]
    (probe,) = cluster.written
    assert (probe["dry_run"], probe["force"]) == (True, False)
    assert json.loads(probe["manifest"]["stringData"][".dockerconfigjson"]) == {"auths": {}}


def test_what_appears_before_the_namespace_is_probed_counts() -> None:
    cluster = InMemoryCluster()
    found: list[Any] = [None, own_secret()]
    cluster.read_object = lambda *_place: found.pop(0)  # type: ignore[method-assign]
    cluster.refuse("apply", 409)
    assert told(reconciled(cluster, OWN, NOTHING)) == ("unchanged", "")
    assert cluster.verbs == ["apply"]


def test_a_login_that_is_missing_is_a_failure_though_the_rest_is_written() -> None:
    cluster = InMemoryCluster()
    outcome = reconciled(cluster, BOTH, replace(NOTHING, granted=NEW))
    assert (told(outcome), outcome.message, outcome.expires_at) == (("failed", "AccessDenied"), "no right", None)
    assert outcome.after is not None
    assert cluster.verbs == ["get", "apply"]
    held = own_secret(NEW, BOTH.desired)
    outcome = reconciled(InMemoryCluster(held), listed(BOTH, held), NOTHING)
    assert (told(outcome), outcome.expires_at) == (("failed", "AccessDenied"), None)


def test_in_check_mode_nothing_is_stored() -> None:
    legacy = foreign_secret(ownerReferences=[LEGACY])
    cluster = InMemoryCluster(legacy)
    outcome = reconciled(cluster, OWN, dry_run=True)
    assert cluster.verbs == ["get", "apply"], "what is handed over first is not"
    assert [written["dry_run"] for written in cluster.written] == [True]
    assert told(outcome) == ("updated", "")
    cluster = InMemoryCluster(own_secret())
    assert told(reconciled(cluster, MERGED, dry_run=True)) == ("updated", "")
    assert [written["dry_run"] for written in cluster.written] == [True]


def test_what_is_taken_over_has_our_owner_and_no_entry_before_it_is_applied() -> None:
    cluster = InMemoryCluster(foreign_secret(ownerReferences=[LEGACY]))
    reconciled(cluster, OWN)
    assert cluster.verbs == ["get", "patch", "apply"]
    (owner,) = cluster.written[0]["patch"]["metadata"]["ownerReferences"]
    assert owner["uid"] == "uid-1"
    cluster = InMemoryCluster(shared_secret_of_ours(OLD))
    reconciled(cluster, OWN)
    assert cluster.verbs == ["get", "patch", "apply"]
    assert cluster.written[0]["patch"]["metadata"]["annotations"] == {f"{GROUP}/shared": None}


def test_merged_where_there_is_none_it_is_created() -> None:
    cluster = InMemoryCluster()
    outcome = reconciled(cluster, listed(MERGED))
    assert cluster.verbs == ["apply"]
    (written,) = cluster.written
    assert (written["manager"], written["force"]) == ("kube-ecr-secrets/uid-1", False)
    assert written["manifest"]["metadata"]["labels"][f"{GROUP}/owner"] == "shared"
    assert told(outcome) == ("created", "")


def test_merged_into_what_others_have() -> None:
    cluster = InMemoryCluster(foreign_secret())
    outcome = reconciled(cluster, MERGED)
    assert cluster.verbs == ["get", "patch"]
    assert told(outcome) == ("updated", "")
    # A login that is not as ours are written is none that a diff can show.
    assert (outcome.before and outcome.before["registries"], outcome.after and outcome.after["registries"]) == (
        [],
        [HOST],
    )


def test_merged_where_all_is_there_nothing_is_written() -> None:
    cluster = InMemoryCluster(shared_secret(NEW))
    outcome = reconciled(cluster, replace(MERGED, force=True))
    assert cluster.verbs == ["get"]
    assert (told(outcome), outcome.after, outcome.expires_at) == (("unchanged", ""), None, NOW + 12 * HOUR)


def test_merged_into_what_was_our_own_it_is_opened_first() -> None:
    cluster = InMemoryCluster(own_secret(granted(password="old")))
    outcome = reconciled(cluster, MERGED)
    assert cluster.verbs == ["get", "patch", "patch"]
    opened = cluster.written[0]["patch"]["metadata"]
    assert (opened["ownerReferences"], opened["labels"][f"{GROUP}/owner"]) == ([], "shared")
    assert json.loads(opened["annotations"][f"{GROUP}/shared"])["uid-1"]["created"] is True
    assert told(outcome) == ("updated", "")
    assert outcome.after is not None


def test_what_was_our_own_is_told_to_be_updated_though_its_logins_stay() -> None:
    outcome = reconciled(InMemoryCluster(own_secret(NEW)), MERGED)
    assert (told(outcome), outcome.after and outcome.after["registries"]) == (("updated", ""), [HOST])
