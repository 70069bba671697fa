"""One pull secret: what is written, whose it is, and when it is fresh enough to stay."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from copy import deepcopy
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from ansible_collections.kube_ecr.secrets.plugins.module_utils._aws.authorizations import Authorization
from ansible_collections.kube_ecr.secrets.plugins.module_utils._contract.item import Owner
from ansible_collections.kube_ecr.secrets.plugins.module_utils._secret import conflicts, docker_config, release
from ansible_collections.kube_ecr.secrets.plugins.module_utils._secret.desired import DesiredSecret
from ansible_collections.kube_ecr.secrets.plugins.module_utils._secret.logins import Logins, usable_until
from ansible_collections.kube_ecr.secrets.plugins.module_utils._secret.observed import ObservedSecret

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)
HOST = "111122223333.dkr.ecr.eu-west-1.amazonaws.com"
PUBLIC = "public.ecr.aws"
HOURS = timedelta(hours=1)
GROUP = "aws.zakariaamine.com"
OWNER = Owner(f"{GROUP}/v1alpha2", "ClusterAWSECRImagePullSecret", "", "ecr", "uid-1", 1)
DESIRED = DesiredSecret("ecr-login", OWNER, "id-1", (HOST,), {"team": "a"}, {"note": "x"})


def login(host: str = HOST, password: str = "new", life: timedelta = 12 * HOURS) -> Authorization:
    return Authorization(host, "AWS", password, NOW + life, host)


def logins(*hosts: str, password: str = "new", life: timedelta = 12 * HOURS) -> Logins:
    return Logins.of([login(host, password, life) for host in hosts or (HOST,)], NOW)


def stored(desired: DesiredSecret = DESIRED, held: Logins | None = None, namespace: str = "team-a") -> dict:
    """Return a Secret as the API server holds it after it was applied."""
    secret = deepcopy(desired.manifest(namespace, held or logins(), None))
    metadata = secret["metadata"]
    fields = {
        "f:data": {"f:.dockerconfigjson": {}},
        "f:metadata": {f"f:{kind}": {f"f:{name}": {} for name in metadata[kind]} for kind in ("labels", "annotations")},
    }
    managed = {"manager": desired.manager, "operation": "Apply", "fieldsV1": fields}
    metadata.update(resourceVersion="7", managedFields=[managed])
    return secret


def taken(*path: str) -> Callable[[dict], None]:
    """Return an edit by somebody else of a field, whose manager we are no longer."""

    def take(secret: dict) -> None:
        node = secret["metadata"]["managedFields"][0]["fieldsV1"]
        for name in path[:-1]:
            node = node[f"f:{name}"]
        del node[f"f:{path[-1]}"]

    return take


def put(path: str, value: object) -> Callable[[dict], None]:
    """Return an edit that sets a part of the metadata."""
    return lambda secret: secret["metadata"].update({path: value})


def annotated(name: str, value: str) -> Callable[[dict], None]:
    return lambda secret: secret["metadata"]["annotations"].update({f"{GROUP}/{name}": value})


def test_what_is_written() -> None:
    source = logins()
    manifest = DESIRED.manifest("team-a", source, "42")
    assert manifest["type"] == "kubernetes.io/dockerconfigjson"
    assert base64.b64decode(manifest["data"][".dockerconfigjson"]).decode() == source.config
    assert manifest["metadata"] == {
        "name": "ecr-login",
        "namespace": "team-a",
        "resourceVersion": "42",
        "labels": {"team": "a", "app.kubernetes.io/managed-by": "kube-ecr-secrets", f"{GROUP}/owner": "uid-1"},
        "annotations": {
            "note": "x",
            "expiry": "2026-02-01T00:00:00Z",
            f"{GROUP}/renew-after": "2026-01-31T18:00:00Z",
            f"{GROUP}/fingerprint": docker_config.fingerprint(source.config),
            f"{GROUP}/registries": json.dumps([HOST]),
            f"{GROUP}/secret": "team-a/ecr-login",
            f"{GROUP}/identity": "id-1",
        },
        "ownerReferences": [{"apiVersion": OWNER.api_version, "kind": OWNER.kind, "name": "ecr", "uid": "uid-1"}],
    }


def test_without_owner_nothing_says_that_there_is_one() -> None:
    metadata = DesiredSecret("ecr-login", None).manifest("team-a", logins(), None)["metadata"]
    assert "ownerReferences" not in metadata
    assert metadata["labels"] == {"app.kubernetes.io/managed-by": "kube-ecr-secrets"}


def test_each_resource_applies_with_a_manager_of_its_own() -> None:
    """The API server then tells the second one of a conflict; with one manager it would overwrite the first."""
    managers = {DesiredSecret("x", Owner("v1", "K", "", "n", uid, 1)).manager for uid in ("uid-1", "uid-2")}
    assert managers == {"kube-ecr-secrets/uid-1", "kube-ecr-secrets/uid-2"}


@pytest.mark.parametrize(
    ("lives", "expiry", "renewal"),
    [
        ((12, 6, 9), 6, 3),
        ((12,), 12, 6),
        ((24 * 365,), 24 * 365, 6),
    ],
)
def test_the_first_token_to_die_sets_the_times(lives: tuple[int, ...], expiry: int, renewal: int) -> None:
    made = Logins.of([login(f"{hours}.example", life=hours * HOURS) for hours in lives], NOW)
    assert (made.expires_at, made.renew_after) == (NOW + expiry * HOURS, NOW + renewal * HOURS)


SERVED, AGED, DEAD, WRITE = "served", "aged", "dead", "write"


def judged(secret: dict, desired: DesiredSecret = DESIRED, now: datetime = NOW) -> str:
    held = ObservedSecret.from_dict(ObservedSecret.of(secret["metadata"], desired).as_dict())
    if not held.serves(desired.registries, desired.registries):
        return WRITE
    return SERVED if held.is_fresh(now, desired) else AGED if held.lives(now) else DEAD


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
        pytest.param(put("ownerReferences", []), WRITE, id="owner lost"),
        pytest.param(annotated("identity", "id-2"), WRITE, id="written for another identity"),
        pytest.param(annotated("registries", "[]"), WRITE, id="lacks a login"),
        pytest.param(annotated("registries", json.dumps([HOST, PUBLIC])), WRITE, id="one login too many"),
        pytest.param(annotated("registries", "{"), WRITE, id="nobody knows for what"),
        pytest.param(annotated("renew-after", "never"), DEAD, id="no time of renewal"),
        pytest.param(annotated("secret", "team-b/ecr-login"), WRITE, id="a copy"),
    ],
)
def test_what_is_there_stays_only_if_it_is_as_we_wrote_it(edit: Callable[[dict], None], verdict: str) -> None:
    secret = stored()
    edit(secret)
    assert judged(secret) == verdict


@pytest.mark.parametrize(("age", "verdict"), [(5, SERVED), (6, AGED), (11, AGED), (12, DEAD)])
def test_half_a_life_is_enough(age: int, verdict: str) -> None:
    assert judged(stored(), now=NOW + age * HOURS) == verdict


@pytest.mark.parametrize(
    ("age", "verdict"), [(1, SERVED), (2, AGED), (-0.05, SERVED), (-1, AGED)], ids=["young", "old", "skew", "set back"]
)
def test_a_token_stays_until_it_is_as_old_as_it_may_be_or_the_clock_was_set_back(age: float, verdict: str) -> None:
    desired = replace(DESIRED, refresh_interval=2 * HOURS)
    assert judged(stored(), desired, NOW + age * HOURS) == verdict


@pytest.mark.parametrize(
    ("got_for", "asked", "verdict"),
    [("", "", SERVED), ("", "1", AGED), ("1", "1", SERVED), ("1", "2", AGED), ("1", "", SERVED)],
)
def test_a_nudge_is_answered_once(got_for: str, asked: str, verdict: str) -> None:
    secret = stored(held=Logins.of([login()], NOW, got_for))
    assert judged(secret, replace(DESIRED, reconcile_request=asked)) == verdict
    assert (f"{GROUP}/reconcile-at" in secret["metadata"]["annotations"]) is bool(got_for)


def test_a_nudge_that_was_answered_in_part_leaves_the_whole_due() -> None:
    new, old = Logins.of([login(HOST)], NOW, "1"), logins(PUBLIC)
    held = stored(held=new.completed(old, (HOST, PUBLIC)))
    assert judged(held, replace(DESIRED, registries=(HOST, PUBLIC), reconcile_request="1")) == AGED
    assert new.completed(replace(old, reconcile_request="1"), (PUBLIC,)).renew_after == old.renew_after


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
    desired = DesiredSecret(name, OWNER, "id-1", (HOST,), labels, annotations)
    held = ObservedSecret.of(stored()["metadata"], desired)
    assert not held.serves(desired.registries, ())
    assert held.is_fresh(NOW, desired)


def test_what_others_added_is_theirs() -> None:
    secret = stored()
    secret["metadata"]["labels"]["foreign"] = "x"
    secret["metadata"]["annotations"]["foreign"] = "x"
    assert judged(secret) == SERVED


BOTH = logins(HOST, PUBLIC, password="old", life=7 * HOURS)


def answered(*registries: str) -> Logins:
    """Return logins in which the entries are named, of a host that answers the first."""
    made = logins(HOST)
    return Logins(made.config, registries, made.expires_at, made.renew_after)


@pytest.mark.parametrize(
    ("other", "desired", "registries", "expiry"),
    [
        pytest.param(BOTH, (HOST, PUBLIC), (HOST, PUBLIC), 7, id="a login of another is taken"),
        pytest.param(BOTH, (HOST,), (HOST,), 12, id="nothing is lacking"),
        pytest.param(None, (HOST, PUBLIC), (HOST,), 12, id="there is no other"),
        pytest.param(logins(HOST), (HOST, PUBLIC), (HOST,), 12, id="the other lacks it too"),
    ],
)
def test_logins_are_completed(
    other: Logins | None, desired: tuple[str, ...], registries: tuple[str, ...], expiry: int
) -> None:
    completed = logins(HOST).completed(other, desired)
    assert (completed.registries, completed.expires_at) == (registries, NOW + expiry * HOURS)
    assert docker_config.hosts_in(completed.config) == sorted(registries)
    assert json.loads(completed.config)["auths"][HOST]["password"] == "new"


def test_the_own_registry_of_a_region_is_known_by_its_host() -> None:
    completed = logins(PUBLIC).completed(answered("eu-west-1"), (PUBLIC, "eu-west-1"))
    assert docker_config.hosts_in(completed.config) == [HOST, PUBLIC]


def spoilt(**changes: object) -> dict:
    secret = stored()
    secret.update(changes)
    return secret


@pytest.mark.parametrize(
    ("secret", "is_held"),
    [
        (stored(), True),
        (spoilt(data={".dockerconfigjson": "e30K"}), False),
        (spoilt(data=None), False),
        (spoilt(data={".dockerconfigjson": "!"}), False),
        (stored(held=logins(life=timedelta(0))), False),
    ],
)
def test_logins_are_copied_only_as_we_wrote_them(secret: dict, is_held: bool) -> None:
    assert (Logins.held_in(secret, NOW) == logins()) is is_held


OTHER_KIND = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web", "uid": "uid-9"}
CONTROLLER = {**OTHER_KIND, "controller": True}
OTHER_RESOURCE = {"apiVersion": OWNER.api_version, "kind": OWNER.kind, "name": "other", "uid": "uid-2"}
LEGACY = {"apiVersion": f"{GROUP}/v1alpha1", "kind": "AWSECRCredential", "name": "ecr", "uid": "uid-3"}
OURS = OWNER.reference()
BY_PLAYBOOK = stored(DesiredSecret("ecr-login", None))


def foreign(*references: dict, labels: dict | None = None, **changes: object) -> dict:
    metadata = {"name": "ecr-login", "namespace": "team-a", "ownerReferences": list(references), "labels": labels}
    return {"metadata": metadata, "type": "kubernetes.io/dockerconfigjson", **changes}


def edited(*edits: Callable[[dict], None]) -> dict:
    secret = stored()
    for edit in edits:
        edit(secret)
    return secret


@pytest.mark.parametrize(
    ("secret", "owner", "policy", "reason", "words"),
    [
        pytest.param(stored(), OWNER, "Fail", None, "", id="ours"),
        pytest.param(foreign(OURS), OWNER, "Fail", None, "", id="as the Go operator leaves it"),
        pytest.param(edited(put("labels", {})), OWNER, "Fail", None, "", id="labels lost"),
        pytest.param(edited(put("ownerReferences", [])), OWNER, "Fail", None, "", id="owner lost"),
        pytest.param(
            edited(annotated("secret", "other/ecr-login")), OWNER, "Fail", "SecretConflict", "owned by", id="a copy"
        ),
        pytest.param(foreign(LEGACY), OWNER, "Fail", None, "", id="of the legacy resource of that name"),
        pytest.param(
            foreign({**LEGACY, "name": "x"}), OWNER, "Fail", "SecretConflict", "AWSECRCredential/x", id="another's"
        ),
        pytest.param(stored(), None, "Fail", "SecretConflict", "ClusterAWSECRImagePullSecret/ecr", id="no playbook's"),
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
        pytest.param(foreign(type="Opaque"), OWNER, "Adopt", "WrongSecretType", "delete it", id="Opaque, adopted"),
        pytest.param(spoilt(type="Opaque"), OWNER, "Fail", "WrongSecretType", "delete it", id="Opaque"),
        pytest.param(spoilt(immutable=True), OWNER, "Fail", "ImmutableSecret", "delete it", id="immutable"),
    ],
)
def test_obstacles_say_who_holds_the_secret(
    secret: dict, owner: Owner | None, policy: str, reason: str | None, words: str
) -> None:
    found = conflicts.obstacle(secret, owner, policy)
    assert (found[0] if found else None) == reason
    if found:
        assert "secrets/ecr-login in namespace team-a" in found[1]
        assert words in found[1]


@pytest.mark.parametrize(
    ("edit", "is_marked"),
    [
        pytest.param(lambda secret: None, True, id="ours"),
        pytest.param(put("ownerReferences", [OTHER_RESOURCE]), False, id="another owner"),
        pytest.param(put("labels", {"app.kubernetes.io/managed-by": "kube-ecr-secrets"}), False, id="no owner label"),
        pytest.param(put("labels", {f"{GROUP}/owner": "uid-1"}), False, id="no manager label"),
        pytest.param(annotated("secret", "team-b/ecr-login"), False, id="a copy"),
        pytest.param(put("annotations", {}), False, id="no place"),
    ],
)
def test_only_what_is_ours_beyond_doubt_may_be_removed(edit: Callable[[dict], None], is_marked: bool) -> None:
    assert conflicts.is_marked(edited(edit)["metadata"], OWNER) is is_marked


def test_a_released_secret_is_nobodys_and_keeps_the_rest() -> None:
    secret = edited(put("ownerReferences", [OURS, OTHER_KIND]))
    metadata = release.release_patch(secret["metadata"], OWNER)["metadata"]
    assert (metadata["ownerReferences"], metadata["resourceVersion"]) == ([OTHER_KIND], "7")
    assert metadata["labels"] == {"app.kubernetes.io/managed-by": None, f"{GROUP}/owner": None}
    assert set(metadata["annotations"]) == set(secret["metadata"]["annotations"]) - {"note"} | {f"{GROUP}/reconcile-at"}
    assert set(metadata["annotations"].values()) == {None}


def test_what_is_disowned_is_told_to_be_written_by_nobody_of_ours() -> None:
    mine, theirs = (
        {"manager": each, "operation": "Apply", "fieldsV1": {}} for each in ("kube-ecr-secrets/u", "theirs")
    )
    (first, second) = release.release_fields_patch({"managedFields": [mine, theirs]}, "kube-ecr-secrets/u")[
        "managedFields"
    ]
    assert first == {"manager": "kube-ecr-secrets/released", "operation": "Update", "fieldsV1": {}}
    assert second == theirs
    assert release.release_fields_patch({"managedFields": [theirs]}, "kube-ecr-secrets/u") == {}
    assert release.release_fields_patch({}, "kube-ecr-secrets/u") == {}


@pytest.mark.parametrize(
    ("secret", "valid"),
    [
        (stored(), NOW + 12 * HOURS),
        (stored(held=logins(life=timedelta(0))), None),
        (spoilt(data={".dockerconfigjson": "e30K"}), None),
        ({"metadata": {}}, None),
    ],
)
def test_a_token_is_valid_until_its_expiry_if_there_is_a_login(secret: dict, valid: datetime | None) -> None:
    assert usable_until(secret, NOW) == valid


def test_a_diff_shows_hosts_expiry_and_a_fingerprint_only() -> None:
    shown = docker_config.describe(logins(password="canary").config, NOW)
    assert set(shown) == {"registries", "expires_at", "fingerprint"}
    assert "canary" not in str(shown)
    assert "canary" not in repr(logins(password="canary"))
