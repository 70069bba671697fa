"""The decision about the Secret of one namespace: left, written, copied, read first, or why not."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from ansible_collections.kube_ecr.secrets.plugins.module_utils._contract.item import NamespacedName
from ansible_collections.kube_ecr.secrets.plugins.module_utils._contract.outputs import Output
from ansible_collections.kube_ecr.secrets.plugins.module_utils._contract.result import ErrorResult
from ansible_collections.kube_ecr.secrets.plugins.module_utils._reconcile import decision as decision_module
from ansible_collections.kube_ecr.secrets.plugins.module_utils._reconcile.decision import (
    NO_LOGINS,
    Copy,
    Decision,
    Fail,
    Leave,
    LeaveUnrenewed,
    ProbeNamespace,
    Read,
    Write,
    best_logins,
    decide,
    needs_source,
)
from ansible_collections.kube_ecr.secrets.plugins.module_utils._reconcile.request import AvailableLogins, Request
from ansible_collections.kube_ecr.secrets.plugins.module_utils._reconcile.target_state import (
    TargetState,
    as_listed,
    as_read,
)
from ansible_collections.kube_ecr.secrets.plugins.module_utils._secret import docker_config
from ansible_collections.kube_ecr.secrets.plugins.module_utils._secret.extra_logins import ExtraLogins
from ansible_collections.kube_ecr.secrets.plugins.module_utils._secret.logins import Logins
from tests.support.cluster.stored_secrets import (
    DESIRED,
    FORMER,
    FORMER_UID,
    GROUP,
    HOST,
    HOUR,
    NOW,
    OTHER_UID,
    PUBLIC,
    UNNAMED,
    asking,
    edited_by_others,
    foreign_secret,
    granted,
    own_secret,
    shared_secret,
    shared_secret_of_ours,
)
from tests.support.logins import requests

PLAIN = Request(DESIRED, ("team-a",))
MERGING = replace(PLAIN, policy="Merge")
ADOPTING = replace(PLAIN, policy="Adopt")
FORCED = replace(PLAIN, force=True)
BOTH = asking(PLAIN, registries=requests(HOST, PUBLIC))
ASKED = asking(PLAIN, reconcile_request="1")
ANOTHER_IDENTITY = asking(PLAIN, identity="id-2")
ANOTHER_LABEL = asking(PLAIN, labels={"team": "b"})
AWS_SAYS = ErrorResult("AccessDenied", "no right")
NEW, AGED, OLD = granted(), granted(age=7), granted(age=11)
DEAD, AHEAD = granted(age=13), granted(age=-1)
NOTHING = AvailableLogins(None, None)
REFUSED = AvailableLogins(None, AWS_SAYS)
GRANTED = AvailableLogins(NEW, None)
TO_COPY = AvailableLogins(None, None, NEW)
NO_WORD = Fail(NO_LOGINS.reason, NO_LOGINS.message)
DENIED = Fail("AccessDenied", "no right")


def listed(request: Request, secret: dict | None) -> tuple[Request, TargetState]:
    """Return the request that knows a Secret from its metadata, None for that there is none; and what it knows."""
    part = as_read(request, "team-a", secret, NOW).part if secret else None
    if part is None and secret:  # in the form of another policy
        part = as_read(replace(request, policy="Fail" if request.is_merge else "Merge"), "team-a", secret, NOW).part
    known = replace(request, known={NamespacedName("team-a", "ecr-login"): part} if part else {})
    return known, as_listed(known, "team-a")


def by_list(request: Request, secret: dict | None, available: AvailableLogins) -> Decision:
    known, observed = listed(request, secret)
    return decide(known, observed, available, NOW)


def by_reading(request: Request, secret: dict | None, available: AvailableLogins) -> Decision:
    return decide(request, as_read(request, "team-a", secret, NOW), available, NOW)


def left(request: Request, secret: dict, shortfall: Fail | None = None) -> Leave:
    part = as_read(request, "team-a", secret, NOW).part
    assert part is not None
    return Leave(part, shortfall)


def with_neighbour(secret: dict) -> dict:
    """Return a Secret with a login of somebody else beside what it holds, which kubelet cannot read."""
    config = json.loads(docker_config.content(secret))
    config["auths"]["ghcr.io"] = {"auth": "x y"}
    return {**secret, "data": foreign_secret(json.dumps(config))["data"]}


# What is known of its metadata alone


@pytest.mark.parametrize(
    ("asked", "secret", "available", "kind"),
    [
        pytest.param(PLAIN, own_secret(), NOTHING, Leave, id="fresh"),
        pytest.param(PLAIN, own_secret(), GRANTED, Leave, id="fresh, whatever was granted for others"),
        pytest.param(PLAIN, None, GRANTED, Write, id="none is there: created without a look"),
        pytest.param(PLAIN, own_secret(OLD), GRANTED, Write, id="old: replaced without a look"),
        pytest.param(ANOTHER_LABEL, own_secret(), GRANTED, Write, id="of another shape: replaced without a look"),
        pytest.param(PLAIN, edited_by_others(own_secret()), GRANTED, Read, id="edited: whose is it now?"),
        pytest.param(PLAIN, shared_secret(), GRANTED, Read, id="in the form of another policy"),
        pytest.param(MERGING, own_secret(), GRANTED, Read, id="to be shared"),
        pytest.param(MERGING, shared_secret(), GRANTED, Leave, id="shared and fresh"),
        pytest.param(MERGING, shared_secret(OLD), GRANTED, Write, id="shared and old"),
        pytest.param(PLAIN, own_secret(OLD), NOTHING, Leave, id="old, and nothing better"),
        pytest.param(PLAIN, None, NOTHING, Read, id="none is there, and nothing to write"),
        pytest.param(PLAIN, None, TO_COPY, Read, id="a copy may be there already"),
        pytest.param(PLAIN, own_secret(OLD), TO_COPY, Read, id="newer logins to copy"),
        pytest.param(BOTH, None, GRANTED, Read, id="not all was granted"),
        pytest.param(BOTH, own_secret(OLD, BOTH.desired), GRANTED, Read, id="old, and not all was granted"),
        pytest.param(FORCED, own_secret(), GRANTED, Write, id="forced"),
        pytest.param(FORCED, own_secret(), TO_COPY, Leave, id="forced, and nothing was granted"),
        pytest.param(ANOTHER_IDENTITY, own_secret(), GRANTED, Read, id="of another identity"),
    ],
)
def test_what_was_listed(asked: Request, secret: dict | None, available: AvailableLogins, kind: type) -> None:
    assert type(by_list(asked, secret, available)) is kind


def test_where_nobody_could_list_it_is_read() -> None:
    assert decide(PLAIN, as_listed(PLAIN, "team-a"), GRANTED, NOW) == Read()


def test_one_in_the_form_of_another_policy_is_never_left() -> None:
    """However fresh it is: it becomes what the policy asks for."""
    assert by_list(PLAIN, shared_secret(), NOTHING) == Read()
    assert by_list(MERGING, own_secret(), NOTHING) == Read()


# May it be written?

OTHERS = {"apiVersion": f"{GROUP}/v1alpha2", "kind": "ClusterAWSECRImagePullSecret", "name": "x", "uid": OTHER_UID}
CONTROLLER = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web", "uid": "uid-9", "controller": True}
BOTH_IN = shared_secret(granted(PUBLIC), shared_secret(OLD), OTHER_UID)
IMMUTABLE, OPAQUE = {"immutable": True}, {"type": "Opaque"}
CONFLICT, WRONG_TYPE, FIXED = "SecretConflict", "WrongSecretType", "ImmutableSecret"
MERGED_IN = f"merged into it ({OTHER_UID})"
ANOTHERS = foreign_secret(ownerReferences=[OTHERS])
BROKEN = foreign_secret('{"auths":{"ghcr.io":{"auth":"canary x"}}}')
NO_CONFIG = {**own_secret(OLD), "data": foreign_secret("x")["data"]}
FIXED_VALID = (FIXED, "is immutable", True)
BEFORE = (FORMER_UID, FORMER)
# Who asks, what is there, for which reason it may not be written, and whether pods can pull with it all the same.
BLOCKED: dict[str, tuple[Request, dict, str, str, bool]] = {
    "somebody's": (PLAIN, foreign_secret(), CONFLICT, "was not made by", False),
    "another's": (PLAIN, ANOTHERS, CONFLICT, "/x", False),
    "another's, to be adopted": (ADOPTING, ANOTHERS, CONFLICT, "/x", False),
    "shared with another": (PLAIN, BOTH_IN, CONFLICT, MERGED_IN, False),
    "shared with another, to be adopted": (ADOPTING, BOTH_IN, CONFLICT, MERGED_IN, False),
    "somebody's that we merged into": (PLAIN, shared_secret(), CONFLICT, "was not made by", False),
    "shared with nobody, immutable": (PLAIN, {**shared_secret_of_ours(), **IMMUTABLE}, FIXED, "is immutable", False),
    "ours, of another type": (PLAIN, {**own_secret(OLD), **OPAQUE}, WRONG_TYPE, "has type Opaque", True),
    "ours, immutable": (PLAIN, {**own_secret(OLD), **IMMUTABLE}, FIXED, "is immutable", True),
    "ours, immutable and dead": (PLAIN, {**own_secret(DEAD), **IMMUTABLE}, FIXED, "is immutable", False),
    "somebody's, immutable": (ADOPTING, {**foreign_secret(), **IMMUTABLE}, FIXED, "is immutable", False),
    "merge: a controller's": (
        MERGING,
        foreign_secret(ownerReferences=[CONTROLLER]),
        CONFLICT,
        "Deployment/web",
        False,
    ),
    "merge: no docker config": (MERGING, foreign_secret("x"), "InvalidSecretContent", "not valid JSON", False),
    "merge: ours, no docker config": (MERGING, NO_CONFIG, "InvalidSecretContent", "not valid JSON", False),
    "merge: a neighbour that kubelet refuses": (MERGING, BROKEN, "InvalidSecretContent", "entry 'ghcr.io' of", False),
    "merge: ours, beside a neighbour that kubelet refuses": (
        MERGING,
        edited_by_others(shared_secret(secret=BROKEN)),
        "InvalidSecretContent",
        "entry 'ghcr.io' of",
        False,
    ),
    "merge: of another type": (MERGING, {**foreign_secret(), **OPAQUE}, WRONG_TYPE, "has type Opaque", False),
    "merge: immutable": (MERGING, {**shared_secret(OLD), **IMMUTABLE}, FIXED, "is immutable", True),
    "merge: immutable and dead": (MERGING, {**shared_secret(DEAD), **IMMUTABLE}, FIXED, "is immutable", False),
    "merge: ours, immutable": (MERGING, {**own_secret(OLD), **IMMUTABLE}, FIXED, "is immutable", True),
    "merge: immutable, put in without a name": (
        MERGING,
        {**shared_secret(OLD, desired=UNNAMED), **IMMUTABLE},
        *FIXED_VALID,
    ),
    "merge: immutable, put in by an earlier one": (
        MERGING,
        {**shared_secret(OLD, None, *BEFORE), **IMMUTABLE},
        *FIXED_VALID,
    ),
}
FREE: dict[str, tuple[Request, dict]] = {
    "somebody's, to be adopted": (ADOPTING, foreign_secret()),
    "shared with nobody": (PLAIN, shared_secret_of_ours()),
    "shared with nobody, noted without a name": (PLAIN, shared_secret_of_ours(desired=UNNAMED)),
    "shared with nobody, left by an earlier one of the name": (PLAIN, shared_secret_of_ours(None, *BEFORE)),
    "ours": (PLAIN, own_secret(OLD)),
    "ours, though another merged into it": (PLAIN, shared_secret(secret=own_secret(OLD), uid=OTHER_UID)),
    "merge: somebody's": (MERGING, foreign_secret()),
    "merge: shared with another": (MERGING, BOTH_IN),
    "merge: what kubelet refuses is replaced": (MERGING, foreign_secret(f'{{"auths":{{"{HOST}":{{"auth":"x y"}}}}}}')),
    "merge: ours": (MERGING, own_secret(OLD)),
}


@pytest.mark.parametrize(("asked", "secret", "reason", "words", "is_valid"), BLOCKED.values(), ids=BLOCKED)
def test_what_may_not_be_written(asked: Request, secret: dict, reason: str, words: str, is_valid: bool) -> None:
    """Logins that were granted, and force, change nothing about it."""
    for request, available in ((asked, NOTHING), (replace(asked, force=True), GRANTED)):
        found = by_reading(request, secret, available)
        assert isinstance(found, Fail)
        assert (found.reason, found.valid_until is not None) == (reason, is_valid)
        assert "secrets/ecr-login in namespace team-a" in found.message
        assert words in found.message
        assert "canary" not in found.message


@pytest.mark.parametrize(("asked", "secret"), FREE.values(), ids=FREE)
def test_what_may_be_written(asked: Request, secret: dict) -> None:
    assert by_reading(asked, secret, GRANTED) == Write(NEW)


# Is there a reason to write it?


@pytest.mark.parametrize(
    ("asked", "secret", "available"),
    [
        pytest.param(PLAIN, own_secret(), GRANTED, id="fresh"),
        pytest.param(PLAIN, own_secret(granted(age=1)), GRANTED, id="fresh, though newer ones were granted for others"),
        pytest.param(PLAIN, own_secret(), TO_COPY, id="fresh, with newer ones elsewhere"),
        pytest.param(PLAIN, own_secret(AGED), NOTHING, id="nothing newer"),
        pytest.param(PLAIN, own_secret(AGED), AvailableLogins(AGED, None), id="the same was granted"),
        pytest.param(
            PLAIN, own_secret(AGED), AvailableLogins(None, AWS_SAYS, granted(age=8)), id="older ones elsewhere"
        ),
        pytest.param(ASKED, own_secret(granted(request="1")), GRANTED, id="asked for, and answered"),
        pytest.param(
            ASKED, own_secret(granted(age=1)), AvailableLogins(granted(age=1), None), id="asked for, and no answer yet"
        ),
        pytest.param(PLAIN, own_secret(AHEAD), REFUSED, id="of a time to come, and nothing to write"),
        pytest.param(MERGING, shared_secret(AGED), NOTHING, id="shared, nothing newer"),
        pytest.param(
            BOTH,
            own_secret(granted(HOST, PUBLIC, age=8), BOTH.desired),
            AvailableLogins(granted(HOST, age=8), AWS_SAYS),
            id="two thirds of the rest are not over",
        ),
    ],
)
def test_what_is_left(asked: Request, secret: dict, available: AvailableLogins) -> None:
    assert by_reading(asked, secret, available) == left(asked, secret)


PARTLY = AvailableLogins(granted(HOST, age=11), AWS_SAYS)


@pytest.mark.parametrize(
    ("asked", "secret", "available"),
    [
        pytest.param(PLAIN, None, GRANTED, id="there is none"),
        pytest.param(FORCED, own_secret(), GRANTED, id="forced"),
        pytest.param(PLAIN, own_secret(AGED), GRANTED, id="newer ones were granted"),
        pytest.param(PLAIN, own_secret(DEAD), AvailableLogins(granted(age=11.9), None), id="dead"),
        pytest.param(PLAIN, own_secret(AHEAD), GRANTED, id="of a time to come"),
        pytest.param(ASKED, own_secret(), AvailableLogins(granted(request="1"), None), id="asked for"),
        pytest.param(ANOTHER_IDENTITY, own_secret(), GRANTED, id="of another identity"),
        pytest.param(ANOTHER_LABEL, own_secret(), GRANTED, id="of another shape"),
        pytest.param(PLAIN, edited_by_others(own_secret()), GRANTED, id="edited"),
        pytest.param(MERGING, foreign_secret(), GRANTED, id="nothing of ours is in it"),
        pytest.param(MERGING, own_secret(), GRANTED, id="own, to be shared"),
        pytest.param(PLAIN, shared_secret_of_ours(), GRANTED, id="shared, to be our own"),
        pytest.param(
            BOTH,
            own_secret(granted(HOST, age=1)),
            AvailableLogins(granted(HOST, PUBLIC, age=1), None),
            id="it lacks one that was granted",
        ),
        pytest.param(PLAIN, own_secret(granted(HOST, PUBLIC), BOTH.desired), GRANTED, id="it has one too many"),
        pytest.param(
            BOTH,
            own_secret(granted(HOST, PUBLIC, age=10.1), BOTH.desired),
            PARTLY,
            id="two thirds of the rest are over",
        ),
    ],
)
def test_what_is_written_with_what_was_granted(asked: Request, secret: dict | None, available: AvailableLogins) -> None:
    found = by_reading(asked, secret, available)
    assert type(found) is Write
    assert available.granted is not None
    assert requests(HOST)[0] in found.logins.registries
    assert password_in(found.logins) == password_in(available.granted)


def password_in(logins: Logins) -> object:
    return docker_config.logins(logins.config)[HOST]["password"]


def test_late_is_when_two_thirds_are_over_from_half_of_the_life_to_its_end() -> None:
    """Half of the life of twelve hours is over after six, two thirds of the rest after ten."""
    for age, kind in ((10, Leave), (10.01, Write)):
        secret = own_secret(granted(HOST, PUBLIC, age=age), BOTH.desired)
        partly = AvailableLogins(granted(HOST, age=12), AWS_SAYS)
        assert type(by_reading(BOTH, secret, partly)) is kind
        assert type(by_reading(BOTH, secret, REFUSED)) is Leave, "nothing was granted"


def test_a_force_needs_logins_that_were_granted() -> None:
    secret = own_secret()
    assert by_reading(FORCED, secret, TO_COPY) == left(PLAIN, secret)


# What is it replaced by?


def test_logins_of_another_secret_are_copied() -> None:
    assert by_reading(PLAIN, None, TO_COPY) == Copy(NEW)
    assert by_reading(PLAIN, own_secret(AGED), TO_COPY) == Copy(NEW)
    assert by_reading(PLAIN, own_secret(AGED), AvailableLogins(NEW, None, granted(password="other"))) == Write(NEW)


def test_another_shape_is_written_with_the_logins_that_are_there() -> None:
    assert by_reading(ANOTHER_LABEL, own_secret(AGED), NOTHING) == Write(AGED)
    assert by_reading(ANOTHER_LABEL, own_secret(AGED), REFUSED) == Write(AGED)


@pytest.mark.parametrize(
    ("asked", "secret", "hours"),
    [
        pytest.param(PLAIN, edited_by_others(own_secret(AGED)), 5, id="edited"),
        pytest.param(ANOTHER_IDENTITY, own_secret(AGED), 5, id="of another identity"),
        pytest.param(MERGING, edited_by_others(shared_secret(AGED)), 5, id="shared and edited"),
        pytest.param(MERGING, own_secret(AGED), 5, id="own, to be shared"),
    ],
)
def test_what_cannot_be_renewed_is_left_while_pods_can_pull_with_it(asked: Request, secret: dict, hours: int) -> None:
    for available in (NOTHING, REFUSED):
        assert by_reading(asked, secret, available) == LeaveUnrenewed(NOW + hours * HOUR)


@pytest.mark.parametrize(
    ("asked", "secret"),
    [
        pytest.param(PLAIN, own_secret(DEAD), id="dead"),
        pytest.param(PLAIN, edited_by_others({**own_secret(AGED), "data": None}), id="emptied"),
        pytest.param(PLAIN, edited_by_others(with_neighbour(own_secret(AGED))), id="kubelet refuses what it holds"),
        pytest.param(ADOPTING, foreign_secret(), id="somebody's does not count"),
        pytest.param(MERGING, foreign_secret(), id="somebody's does not count, merge"),
        pytest.param(MERGING, shared_secret(DEAD), id="shared and dead"),
        pytest.param(
            MERGING,
            edited_by_others({**shared_secret(AGED), "data": foreign_secret()["data"]}),
            id="ours was taken out",
        ),
    ],
)
def test_without_logins_it_fails(asked: Request, secret: dict) -> None:
    assert by_reading(asked, secret, NOTHING) == NO_WORD
    assert by_reading(asked, secret, REFUSED) == DENIED


def test_where_there_is_none_it_depends_on_the_namespace() -> None:
    assert by_reading(PLAIN, None, NOTHING) == ProbeNamespace(NO_WORD)
    assert by_reading(MERGING, None, REFUSED) == ProbeNamespace(DENIED)


# A login is missing


@pytest.mark.parametrize(("available", "why"), [(PARTLY, DENIED), (AvailableLogins(NEW, None), NO_WORD)])
def test_a_secret_that_lacks_a_login_says_so(available: AvailableLogins, why: Fail) -> None:
    assert available.granted is not None
    assert by_reading(BOTH, None, available) == Write(available.granted, why)
    assert by_reading(BOTH, None, replace(available, granted=None, source=NEW)) == Copy(NEW, why)
    secret = own_secret(desired=BOTH.desired)
    assert by_reading(BOTH, secret, replace(available, granted=None)) == left(BOTH, secret, why)
    aged = own_secret(AGED, BOTH.desired)
    assert by_reading(BOTH, aged, replace(available, granted=None)) == left(BOTH, aged, why)


def test_a_login_that_is_missing_is_kept_or_copied() -> None:
    old = own_secret(granted(HOST, PUBLIC, age=7, password="old"), BOTH.desired)
    found = by_reading(BOTH, old, AvailableLogins(NEW, AWS_SAYS))
    # Its times are those of what was kept, so that it is not newer: it is left until it is late.
    assert found == left(BOTH, old)
    found = by_reading(replace(BOTH, force=True), old, AvailableLogins(NEW, AWS_SAYS))
    assert isinstance(found, Write)
    assert (found.logins.registries, found.shortfall) == (requests(HOST, PUBLIC), None)
    passwords = {host: login["password"] for host, login in docker_config.logins(found.logins.config).items()}
    assert passwords == {HOST: "new", PUBLIC: "old"}


# The best logins that there are

KEPT, SOURCE = granted(HOST, PUBLIC, password="kept"), granted(HOST, PUBLIC, age=1, password="source")
ONE = granted(HOST, password="granted")


def passwords(logins: Logins | None) -> dict[str, object] | None:
    return {host: login["password"] for host, login in docker_config.logins(logins.config).items()} if logins else None


@pytest.mark.parametrize(
    ("registries", "kept", "available", "best"),
    [
        pytest.param((HOST,), None, NOTHING, None, id="none"),
        pytest.param((HOST,), None, AvailableLogins(ONE, None), {HOST: "granted"}, id="granted"),
        pytest.param((HOST,), KEPT, AvailableLogins(ONE, None, SOURCE), {HOST: "granted"}, id="granted is best"),
        pytest.param(
            (HOST, PUBLIC),
            KEPT,
            AvailableLogins(ONE, None, SOURCE),
            {HOST: "granted", PUBLIC: "kept"},
            id="completed by what is there",
        ),
        pytest.param(
            (HOST, PUBLIC),
            None,
            AvailableLogins(ONE, None, SOURCE),
            {HOST: "granted", PUBLIC: "source"},
            id="completed by another Secret",
        ),
        pytest.param(
            (HOST, PUBLIC),
            KEPT,
            AvailableLogins(None, None, SOURCE),
            {HOST: "source", PUBLIC: "source"},
            id="another Secret is best",
        ),
        pytest.param((HOST, PUBLIC), KEPT, NOTHING, {HOST: "kept", PUBLIC: "kept"}, id="what is there"),
        pytest.param((HOST,), KEPT, NOTHING, {HOST: "kept"}, id="what is there, less what is not wanted"),
        pytest.param(
            (HOST,),
            None,
            AvailableLogins(None, None, SOURCE),
            {HOST: "source"},
            id="another Secret, less what is not wanted",
        ),
        pytest.param((), KEPT, AvailableLogins(None, None, SOURCE), None, id="nobody could say what is wanted"),
    ],
)
def test_the_best_logins(
    registries: tuple[str, ...], kept: Logins | None, available: AvailableLogins, best: dict[str, object] | None
) -> None:
    assert passwords(best_logins(asking(PLAIN, registries=requests(*registries)), kept, available)) == best


# Is another Secret to be read, to copy from?

SOURCED = replace(PLAIN, source_secret=NamespacedName("team-z", "ecr-login"))


@pytest.mark.parametrize(
    ("asked", "secret", "available", "is_needed"),
    [
        pytest.param(SOURCED, None, NOTHING, True, id="a target has none"),
        pytest.param(PLAIN, None, NOTHING, False, id="there is no other"),
        pytest.param(replace(SOURCED, is_absent=True), None, NOTHING, False, id="absent"),
        pytest.param(SOURCED, None, GRANTED, False, id="all was granted"),
        pytest.param(asking(SOURCED, registries=requests(HOST, PUBLIC)), None, GRANTED, True, id="not all was granted"),
        pytest.param(SOURCED, own_secret(), NOTHING, False, id="all targets are fresh"),
        pytest.param(SOURCED, own_secret(AGED), NOTHING, True, id="a target is old"),
        pytest.param(
            asking(SOURCED, labels={"team": "b"}), own_secret(), NOTHING, True, id="a target has another shape"
        ),
        pytest.param(
            asking(SOURCED, registries=requests(HOST, PUBLIC)), own_secret(), NOTHING, True, id="a target lacks one"
        ),
        pytest.param(SOURCED, shared_secret(), NOTHING, True, id="a target is in the form of another policy"),
        pytest.param(replace(SOURCED, policy="Merge"), shared_secret(), NOTHING, False, id="a shared one is fresh"),
        pytest.param(replace(SOURCED, namespaces=None), None, NOTHING, False, id="nobody knows the targets"),
        pytest.param(
            replace(SOURCED, namespaces=("team-a", "team-b")),
            own_secret(),
            NOTHING,
            True,
            id="one of the targets has none",
        ),
    ],
)
def test_whether_another_secret_is_read(
    asked: Request, secret: dict | None, available: AvailableLogins, is_needed: bool
) -> None:
    known, _observed = listed(asked, secret)
    assert needs_source(known, available, NOW) is is_needed


def test_another_secret_is_read_for_an_output_that_can_do_with_it() -> None:
    """The pull secret needs none: its source is itself."""
    place = NamespacedName("team-a", "ecr-login")
    fresh = as_read(PLAIN, "team-a", own_secret(), NOW).part
    assert fresh
    output = replace(PLAIN, source_secret=NamespacedName("team-b", "ecr-login"))
    for known, granted_for_it, is_needed in (
        ({}, NOTHING, True),
        ({}, GRANTED, False),
        ({place: fresh}, NOTHING, False),
    ):
        asked = replace(PLAIN, outputs=(replace(output, known=known),))
        assert needs_source(asked, replace(NOTHING, outputs=(granted_for_it,)), NOW) is is_needed


def test_logins_that_nobody_wants_are_none() -> None:
    assert best_logins(PLAIN, granted(PUBLIC), NOTHING) is None


def test_it_imports_nothing_that_talks() -> None:
    """So that it stays pure, and costs no start: neither the API server's client nor AWS' is behind it."""
    root = Path(decision_module.__file__).parents[6]
    code = (
        f"import sys; sys.path.insert(0, {str(root)!r}); import {decision_module.__name__};"
        "print([name for name in ('urllib3', 'kubernetes', 'botocore', 'boto3', 'yaml') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "[]", done.stderr


# Outputs, and logins of other registries

OUTPUT = Output("basic", "BasicAuth", DESIRED.registries[0], "kubernetes.io/basic-auth", {"password": "$(password)"})
OF_OUTPUT = DESIRED.for_output(OUTPUT)
WANTED = replace(PLAIN, desired=OF_OUTPUT)
CHANGED = replace(PLAIN, desired=DESIRED.for_output(replace(OUTPUT, texts={"password": "x $(password)"})))
STRANGE = replace(PLAIN, desired=DESIRED.for_output(replace(OUTPUT, host="ghcr.io")))


def output_in(logins: Logins = NEW) -> dict:
    return own_secret(logins, OF_OUTPUT)


@pytest.mark.parametrize(
    ("asked", "secret", "available", "kind"),
    [
        pytest.param(WANTED, output_in(), NOTHING, Leave, id="fresh"),
        pytest.param(WANTED, output_in(OLD), TO_COPY, Copy, id="old, and the pull secret has a newer login"),
        pytest.param(WANTED, output_in(OLD), GRANTED, Write, id="old, and granted"),
        pytest.param(WANTED, output_in(OLD), NOTHING, Leave, id="old, and nothing better"),
        pytest.param(WANTED, edited_by_others(output_in()), NOTHING, LeaveUnrenewed, id="edited, with what we wrote"),
        pytest.param(CHANGED, output_in(), TO_COPY, Copy, id="asked for in another form"),
        pytest.param(STRANGE, output_in(), TO_COPY, Fail, id="for a host that nobody logs in to"),
        pytest.param(WANTED, {**output_in(), "type": "Opaque"}, TO_COPY, Fail, id="of another type"),
        pytest.param(PLAIN, output_in(), GRANTED, Fail, id="a pull secret where an output is"),
    ],
)
def test_an_output_is_decided_on_like_a_pull_secret(
    asked: Request, secret: dict, available: AvailableLogins, kind: type
) -> None:
    assert type(by_reading(asked, secret, available)) is kind


def with_extra(digest: str, error: ErrorResult | None = None) -> Request:
    return asking(PLAIN, extra=ExtraLogins({"quay.io": {}}, digest, error))


@pytest.mark.parametrize(
    ("asked", "available", "kind"),
    [
        pytest.param(with_extra("d1"), NOTHING, Leave, id="as it holds them"),
        pytest.param(with_extra("d2"), TO_COPY, Copy, id="changed"),
        pytest.param(PLAIN, TO_COPY, Copy, id="wanted no more"),
        pytest.param(with_extra("", AWS_SAYS), TO_COPY, Leave, id="cannot be read: they stay"),
    ],
)
def test_logins_of_other_registries_are_written_when_they_are_others(
    asked: Request, available: AvailableLogins, kind: type
) -> None:
    held = own_secret(desired=with_extra("d1").desired)
    assert type(by_reading(asked, held, available)) is kind


def test_what_cannot_be_read_now_is_looked_at_before_the_secret_is_replaced() -> None:
    held = own_secret(OLD, with_extra("d1").desired)
    assert type(by_list(with_extra("d1"), held, GRANTED)) is Write
    assert type(by_list(with_extra("", AWS_SAYS), held, GRANTED)) is Read


def test_what_is_copied_are_the_logins_of_aws_alone() -> None:
    extra = ExtraLogins({"quay.io": {"username": "a", "password": "b", "auth": "YTpi"}}, "d")
    held = own_secret(desired=replace(DESIRED, extra=extra))
    assert docker_config.hosts_in(docker_config.content(held)) == [HOST, "quay.io"]
    assert as_read(PLAIN, "team-a", held, NOW).kept == NEW


def test_an_output_for_a_host_without_a_login_says_which_there_is() -> None:
    found = by_reading(STRANGE, output_in(), TO_COPY)
    assert isinstance(found, Fail)
    assert found.reason == "InvalidRegistry"
    assert f"there is no login for ghcr.io: the AWS identity has that of {HOST}" in found.message
