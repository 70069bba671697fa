"""One pull secret: what is written, whose it is, and when it is fresh enough to stay."""

from __future__ import annotations

import base64
from datetime import UTC, datetime, timedelta

import pytest

from ansible_collections.kube_ecr.secrets.plugins.module_utils import _docker_config, _pull_secret
from ansible_collections.kube_ecr.secrets.plugins.module_utils._authorizations import Authorization
from ansible_collections.kube_ecr.secrets.plugins.module_utils._pull_secret import Owner, Wanted

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)
HOST = "111122223333.dkr.ecr.eu-west-1.amazonaws.com"
OWNER = Owner("aws.zakariaamine.com/v1alpha2", "AWSECRImagePullSecret", "team-a", "ecr", "uid-1", 1)
PUBLIC = "public.ecr.aws"
HOURS = timedelta(hours=1)


def login(host: str = HOST, password: str = "new", life: timedelta = 12 * HOURS) -> Authorization:
    return Authorization(host, "AWS", password, NOW + life, host)


def wanted(
    life: timedelta = 12 * HOURS,
    password: str = "new",
    owner: Owner | None = OWNER,
    host: str = HOST,
    identity: str = "id-1",
) -> Wanted:
    return Wanted.of("ecr-login", [login(host, password, life)], owner, identity)


def stored(source: Wanted) -> dict:
    return source.manifest("team-a", None)


def test_what_is_written() -> None:
    source = wanted()
    manifest = source.manifest("team-a", "42")
    assert manifest["type"] == "kubernetes.io/dockerconfigjson"
    assert base64.b64decode(manifest["data"][".dockerconfigjson"]).decode() == source.config
    assert manifest["metadata"]["annotations"]["expiry"] == "2026-02-01T00:00:00Z"
    assert manifest["metadata"]["resourceVersion"] == "42"
    assert manifest["metadata"]["ownerReferences"] == [
        {"apiVersion": OWNER.api_version, "kind": OWNER.kind, "name": "ecr", "uid": "uid-1"}
    ]


def test_without_owner_there_is_no_owner_reference() -> None:
    assert "ownerReferences" not in stored(wanted(owner=None))["metadata"]


def test_the_first_token_to_die_sets_the_expiry() -> None:
    authorizations = [login(f"{hours}.example", life=hours * HOURS) for hours in (12, 6, 9)]
    assert Wanted.of("ecr-login", authorizations, None).expires_at == NOW + 6 * HOURS


def edited(secret: dict, **changes: object) -> dict:
    return {**secret, **changes}


def with_metadata(secret: dict, **changes: object) -> dict:
    return {**secret, "metadata": {**secret["metadata"], **changes}}


def with_annotation(secret: dict, name: str, value: str) -> dict:
    return with_metadata(secret, annotations={**secret["metadata"]["annotations"], name: value})


OLD = stored(wanted(life=timedelta(hours=7), password="old"))


@pytest.mark.parametrize(
    ("secret", "stays"),
    [
        pytest.param(OLD, True, id="more than half of a new token's life left"),
        pytest.param(stored(wanted(life=6 * HOURS, password="old")), False, id="exactly half left"),
        pytest.param(stored(wanted(life=timedelta(0), password="old")), False, id="dead"),
        pytest.param(with_annotation(OLD, "expiry", "never"), False, id="expiry is no timestamp"),
        pytest.param(with_metadata(OLD, annotations=None), False, id="no annotations"),
        pytest.param(with_metadata(OLD, labels=None), False, id="label lost"),
        pytest.param(edited(OLD, data={".dockerconfigjson": "e30K"}), False, id="content edited"),
        pytest.param(edited(OLD, data=None), False, id="no data"),
        pytest.param(edited(OLD, data={".dockerconfigjson": "!"}), False, id="not base64"),
        pytest.param(stored(wanted(identity="id-2")), False, id="written for another identity"),
        pytest.param(stored(wanted(identity="")), False, id="written for nobody knows which identity"),
        pytest.param(stored(wanted(host="other.example")), False, id="other registry"),
    ],
)
def test_what_is_there_stays_only_if_it_is_good_for_longer_than_half_a_life(secret: dict, stays: bool) -> None:
    assert wanted().is_served_by(secret, NOW) is stays


def hosts(source: Wanted) -> list[str]:
    return _docker_config.registries(source.config)


def both(identity: str = "id-1", life: timedelta = 7 * HOURS) -> dict:
    """Return a Secret of ours with logins for two registries."""
    logins = [login(password="old", life=life), login(PUBLIC, "old", life)]
    return stored(Wanted.of("ecr-login", logins, OWNER, identity))


@pytest.mark.parametrize(
    ("lacking", "secret", "kept", "expiry", "still_lacking"),
    [
        pytest.param((PUBLIC,), both(), [HOST, PUBLIC], 7 * HOURS, (), id="a living login is kept"),
        pytest.param((PUBLIC,), both(life=timedelta(0)), [HOST], 12 * HOURS, (PUBLIC,), id="a dead one is not"),
        pytest.param((PUBLIC,), both(identity="id-2"), [HOST], 12 * HOURS, (PUBLIC,), id="nor one of other keys"),
        pytest.param((PUBLIC,), OLD, [HOST], 12 * HOURS, (PUBLIC,), id="there is none"),
        pytest.param((), both(), [HOST], 12 * HOURS, (), id="nothing is lacking"),
        pytest.param(("us-east-1",), both(), [HOST], 12 * HOURS, ("us-east-1",), id="another region's is none"),
    ],
)
def test_what_a_region_in_trouble_does_not_give_is_kept_while_it_lives(
    lacking: tuple[str, ...], secret: dict, kept: list[str], expiry: timedelta, still_lacking: tuple[str, ...]
) -> None:
    partial = Wanted.of("ecr-login", [login()], OWNER, "id-1", lacking)
    target = partial.keeping(secret, NOW)
    assert (hosts(target), target.expires_at, target.lacking) == (kept, NOW + expiry, still_lacking)
    assert target.renewed_until == NOW + 12 * HOURS


def test_kept_logins_put_no_renewal_of_the_others_off() -> None:
    partial = Wanted.of("ecr-login", [login()], OWNER, "id-1", (PUBLIC,))
    for left, stays in ((7 * HOURS, True), (5 * HOURS, False)):
        assert partial.keeping(both(life=left), NOW).is_served_by(both(life=left), NOW) is stays


def test_the_own_registry_of_a_region_is_known_by_its_host() -> None:
    partial = Wanted.of("ecr-login", [login(PUBLIC)], OWNER, "id-1", ("eu-west-1",))
    assert hosts(partial.keeping(both(), NOW)) == [HOST, PUBLIC]


FOREIGN_OWNER = [{"apiVersion": "apps/v1", "kind": "Deployment", "name": "web", "uid": "uid-9"}]
OTHER_RESOURCE = [{"apiVersion": OWNER.api_version, "kind": OWNER.kind, "name": "other", "uid": "uid-2"}]


@pytest.mark.parametrize(
    ("secret", "owner", "reason", "words"),
    [
        (OLD, OWNER, None, ""),
        (OLD, None, "SecretConflict", "owned by AWSECRImagePullSecret/ecr"),
        (stored(wanted(owner=None)), None, None, ""),
        (stored(wanted(owner=None)), OWNER, "SecretConflict", "written by a playbook"),
        (with_metadata(OLD, ownerReferences=OTHER_RESOURCE), OWNER, "SecretConflict", "AWSECRImagePullSecret/other"),
        (with_metadata(OLD, ownerReferences=FOREIGN_OWNER), OWNER, "SecretConflict", "Deployment/web"),
        (with_metadata(OLD, ownerReferences=None), OWNER, "SecretConflict", "written by a playbook"),
        (
            {"metadata": {"name": "ecr-login", "namespace": "team-a"}, "type": "Opaque"},
            OWNER,
            "SecretConflict",
            "not made by kube_ecr.secrets",
        ),
        (
            with_metadata(OLD, ownerReferences=None, labels={"app.kubernetes.io/managed-by": "Helm"}),
            None,
            "SecretConflict",
            "managed by Helm",
        ),
        (edited(OLD, type="Opaque"), OWNER, "WrongSecretType", "delete it"),
        (edited(OLD, immutable=True), OWNER, "ImmutableSecret", "delete it"),
    ],
)
def test_obstacles_say_who_holds_the_secret(secret: dict, owner: Owner | None, reason: str | None, words: str) -> None:
    found = _pull_secret.obstacle(secret, owner)
    assert (found[0] if found else None) == reason
    if found:
        assert "secrets/ecr-login in namespace team-a" in found[1]
        assert words in found[1]


@pytest.mark.parametrize(
    ("secret", "valid"),
    [
        (OLD, NOW + 7 * HOURS),
        (stored(wanted(life=timedelta(0))), None),
        (edited(OLD, data={".dockerconfigjson": "e30K"}), None),
        ({"metadata": {}}, None),
    ],
)
def test_a_token_is_valid_until_its_expiry_if_there_is_a_login(secret: dict, valid: datetime | None) -> None:
    assert _pull_secret.valid_until(secret, NOW) == valid


def test_a_diff_shows_hosts_expiry_and_a_fingerprint_only() -> None:
    shown = _pull_secret.describe(wanted(password="canary").config, NOW)
    assert set(shown) == {"registries", "expires_at", "fingerprint"}
    assert "canary" not in str(shown)
