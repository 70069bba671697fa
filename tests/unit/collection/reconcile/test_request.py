"""What options and items ask for, and which logins there are for it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from ansible_collections.kube_ecr.secrets.plugins.module_utils._aws.authorizations import (
    Authorization,
    LoginError,
    from_options,
)
from ansible_collections.kube_ecr.secrets.plugins.module_utils._contract.item import (
    ContestedAccount,
    Item,
    NamespacedName,
    Observed,
    PlacedOutput,
)
from ansible_collections.kube_ecr.secrets.plugins.module_utils._contract.login_request import LoginRequest
from ansible_collections.kube_ecr.secrets.plugins.module_utils._contract.outputs import parse_outputs
from ansible_collections.kube_ecr.secrets.plugins.module_utils._contract.result import ErrorResult
from ansible_collections.kube_ecr.secrets.plugins.module_utils._contract.targets import Names
from ansible_collections.kube_ecr.secrets.plugins.module_utils._features.ecr_pull_secret import ARGUMENT_SPEC
from ansible_collections.kube_ecr.secrets.plugins.module_utils._reconcile.request import AvailableLogins, Request
from ansible_collections.kube_ecr.secrets.plugins.module_utils._secret import docker_config
from ansible_collections.kube_ecr.secrets.plugins.module_utils._secret.desired import DesiredSecret
from ansible_collections.kube_ecr.secrets.plugins.module_utils._secret.extra_logins import ExtraLogins
from ansible_collections.kube_ecr.secrets.plugins.module_utils._secret.logins import Logins
from ansible_collections.kube_ecr.secrets.plugins.module_utils._secret.observed import ObservedSecret
from tests.support.cluster.stored_secrets import DESIRED, HOST, HOUR, NOW, OWNER, PUBLIC, asking, own_secret
from tests.support.logins import requests
from tests.support.options import defaults

LATER = "2026-02-01T00:00:00Z"
LOGIN = {"registry": HOST, "username": "AWS", "password": "new", "expires_at": LATER, "requested": HOST}
PUBLIC_LOGIN = {**LOGIN, "registry": PUBLIC, "requested": PUBLIC}
REFUSED = {"requested": PUBLIC, "reason": "AccessDenied", "msg": "no right"}
ALL_REFUSED = {"requested": None, "reason": "ExpiredToken", "msg": "old keys"}
OPTIONS = defaults(ARGUMENT_SPEC) | {
    "authorizations": [LOGIN],
    "secret_name": "ecr-login",
    "namespaces": ["team-a"],
}
PLAIN = Request(DesiredSecret("ecr-login", None, registries=requests(HOST), is_pass=True), ("team-a",))


@pytest.mark.parametrize(
    ("given", "asked"),
    [
        pytest.param({}, PLAIN, id="the least"),
        pytest.param(
            {"namespaces": ["b", "a", "b"]}, replace(PLAIN, namespaces=("b", "a")), id="namespaces, each once"
        ),
        pytest.param(
            {"authorizations": [{**LOGIN, "requested": "eu-west-1"}]},
            asking(PLAIN, registries=requests("eu-west-1")),
            id="what was asked of AWS",
        ),
        pytest.param({"authorizations": [{**LOGIN, "requested": None}]}, PLAIN, id="written by hand: the host itself"),
        pytest.param(
            {"authorizations": [PUBLIC_LOGIN, LOGIN, LOGIN]},
            asking(PLAIN, registries=requests(HOST, PUBLIC)),
            id="sorted, each once",
        ),
        pytest.param(
            {"authorization_errors": [REFUSED]},
            asking(PLAIN, registries=requests(HOST, PUBLIC)),
            id="what AWS refused is wanted all the same",
        ),
        pytest.param({"authorization_errors": [ALL_REFUSED]}, PLAIN, id="a refusal of everything names nothing"),
        pytest.param(
            {"labels": {"team": "a"}, "annotations": {"note": "x"}},
            asking(PLAIN, labels={"team": "a"}, annotations={"note": "x"}),
            id="template",
        ),
        pytest.param(
            {"service_accounts": ["default", "ci-*"]},
            replace(PLAIN, service_accounts=Names(("default",), ("ci-*",))),
            id="service accounts",
        ),
        pytest.param({"existing_secret_policy": "Merge"}, replace(PLAIN, policy="Merge"), id="policy"),
        pytest.param({"force": True}, replace(PLAIN, force=True), id="force"),
        pytest.param(
            {"state": "absent", "authorizations": None},
            asking(PLAIN, registries=requests(), is_absent=True),
            id="absent needs no logins",
        ),
        pytest.param({"authorizations": []}, asking(PLAIN, registries=requests()), id="no login at all"),
    ],
)
def test_what_options_ask_for(given: dict, asked: Request) -> None:
    assert Request.of_options({**OPTIONS, **given}) == asked


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"authorizations": None}, "authorizations: is missing"),
        ({"secret_name": "No"}, "secret_name: 'No'"),
        ({"namespaces": []}, "namespaces: must list"),
        ({"labels": {"app.kubernetes.io/managed-by": "x"}}, "labels: "),
        ({"annotations": {"expiry": "x"}}, "annotations: 'expiry' is what"),
        ({"annotations": {"a b": "x"}}, "annotations: 'a b' or its value cannot be one of a Secret's annotations"),
        ({"service_accounts": ["No"]}, "service_accounts: "),
        ({"outputs": [{"name": "No", "type": "BasicAuth"}]}, r"^outputs\.name: 'No'"),
        (
            {"outputs": [{"name": "ecr-login", "type": "BasicAuth"}]},
            "^outputs: 'ecr-login' is the name of the pull secret",
        ),
        ({"outputs": [{"name": "x", "type": "BasicAuth", "namespaces": ["a*"]}]}, r"^outputs\.namespaces: "),
        ({"outputs": [{"name": "x", "type": "BasicAuth", "registry": PUBLIC}]}, r"^outputs\[x\]\.registry: "),
    ],
)
def test_an_option_that_does_not_pass_is_named(given: dict, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        Request.of_options({**OPTIONS, **given})


@pytest.mark.parametrize(("policy", "of_outputs"), [("Fail", "Fail"), ("Adopt", "Adopt"), ("Merge", "Fail")])
def test_outputs_are_requests_of_their_own(policy: str, of_outputs: str) -> None:
    """Each where it is wanted, with no service account; it is merged into nothing."""
    both = [
        {"name": "here", "type": "BasicAuth"},
        {"name": "there", "type": "BasicAuth", "namespaces": ["argocd", "b"]},
    ]
    options = {
        "authorizations": [LOGIN, PUBLIC_LOGIN],
        "existing_secret_policy": policy,
        "service_accounts": ["default"],
    }
    asked = Request.of_options({**OPTIONS, **options, "outputs": both})
    assert [(each.desired.name, each.namespaces) for each in asked.outputs] == [
        ("here", ("team-a",)),
        ("there", ("argocd", "b")),
    ]
    for each in asked.outputs:
        assert (each.policy, each.service_accounts, each.accounts, each.contested) == (of_outputs, Names(), None, ())
        assert each.desired.output
        # That of the first login, where none is named.
        assert each.desired.registries == requests(HOST)


def test_outputs_of_an_item_are_left_alone_with_it() -> None:
    output = parse_outputs([{"name": "basic", "type": "BasicAuth"}], requests(HOST), "ecr-login")[0]
    item = replace(
        ITEM,
        service_accounts=ACCOUNTS,
        outputs=(PlacedOutput(output, ("b",)),),
        observed=replace(ITEM.observed, accounts=(BUILDER,), contested=(CONTESTED,)),
    )
    (asked,) = Request.of_item(item).outputs
    assert (asked.desired.name, asked.namespaces) == ("basic", ("b",))
    assert (asked.service_accounts, asked.accounts, asked.contested) == (Names(), None, ())
    assert Request.of_item(replace(item, suspended=True)).outputs == ()
    assert Request.of_item(replace(item, namespaces=None)).outputs == ()


@pytest.mark.parametrize("is_pass", [True, False])
def test_who_makes_a_pass_renews_early(is_pass: bool) -> None:
    assert Request.of_item(replace(ITEM, is_pass=is_pass)).desired.is_pass is is_pass


def test_extra_logins_are_part_of_what_an_item_asks_for() -> None:
    extra = ExtraLogins(digest="x")
    assert Request.of_item(ITEM, extra).desired.extra == extra


ACCOUNTS = Names(("default",))
PLACE, SOURCE, BUILDER = NamespacedName("team-a", "ecr-login"), NamespacedName("b", "s"), NamespacedName("b", "ci")
CONTESTED = ContestedAccount(BUILDER, "helm release web")
ITEM = Item(
    owner=OWNER,
    reference="ClusterAWSECRImagePullSecret/ecr",
    identity="id-1",
    registries=(LoginRequest(HOST, None),),
    secret_name="ecr-login",
    namespaces=("team-a",),
    labels={"team": "a"},
    annotations={"note": "x"},
    observed=Observed(is_due=True),
)
SERVED = Request(DESIRED, ("team-a",))
HELD = ObservedSecret.of(own_secret()["metadata"], DESIRED)
WRONG = ErrorResult("InvalidResource", "spec.x")


def seen(**changes: Any) -> dict[str, Observed]:
    return {"observed": replace(ITEM.observed, **changes)}


@pytest.mark.parametrize(
    ("given", "asked"),
    [
        pytest.param({}, SERVED, id="the least"),
        pytest.param(
            {"registries": (LoginRequest(PUBLIC, None), LoginRequest(None, "eu-west-1"))},
            asking(SERVED, registries=requests("eu-west-1", PUBLIC)),
            id="entries are sorted",
        ),
        pytest.param({"refresh_interval": HOUR}, asking(SERVED, refresh_interval=HOUR), id="interval"),
        pytest.param(
            {"reconcile_request": "1"}, asking(SERVED, reconcile_request="1"), id="asked to be renewed at once"
        ),
        pytest.param({"namespaces": None}, asking(SERVED, namespaces=None), id="nobody knows the targets"),
        pytest.param({"namespaces": ()}, asking(SERVED, namespaces=()), id="no targets"),
        pytest.param({"suspended": True}, asking(SERVED, namespaces=None), id="suspended: nothing is written"),
        pytest.param(
            {"suspended": True, "state": "absent"},
            asking(SERVED, is_absent=True),
            id="suspended, and undone all the same",
        ),
        pytest.param({"state": "absent"}, asking(SERVED, is_absent=True), id="being deleted"),
        pytest.param({"service_accounts": ACCOUNTS}, asking(SERVED, service_accounts=ACCOUNTS), id="service accounts"),
        pytest.param({"existing_secret_policy": "Merge"}, asking(SERVED, policy="Merge"), id="policy"),
        pytest.param({"deletion_policy": "Orphan"}, asking(SERVED, is_orphaned=True), id="to be left behind"),
        pytest.param(seen(is_due=False), asking(SERVED, is_due=False), id="not due"),
        pytest.param(seen(secrets=()), asking(SERVED, known={}), id="looked at, and none is there"),
        pytest.param(
            seen(secrets=(HELD.as_dict(),)),
            asking(SERVED, known={PLACE: HELD}),
            id="one is there",
        ),
        pytest.param(
            seen(source_secret=SOURCE),
            asking(SERVED, source_secret=SOURCE),
            id="one to copy from",
        ),
        pytest.param(seen(accounts=()), asking(SERVED, accounts=()), id="all service accounts are as they should be"),
        pytest.param(
            seen(accounts=(BUILDER,)),
            asking(SERVED, accounts=(BUILDER,)),
            id="one is not",
        ),
        pytest.param(
            seen(accounts=(), contested=(CONTESTED,)),
            asking(SERVED, accounts=(), contested=(CONTESTED,)),
            id="somebody else writes one",
        ),
        pytest.param({"has_finalizer": True}, asking(SERVED, has_finalizer=True), id="finalizer"),
        pytest.param({"error": WRONG}, asking(SERVED, error=WRONG), id="cannot be served"),
    ],
)
def test_what_an_item_asks_for(given: dict, asked: Request) -> None:
    assert Request.of_item(replace(ITEM, **given)) == asked


@pytest.mark.parametrize(
    ("asked", "is_needed"),
    [
        pytest.param(SERVED, False, id="the garbage collector sees to it"),
        pytest.param(replace(SERVED, service_accounts=ACCOUNTS), True, id="service accounts"),
        pytest.param(replace(SERVED, policy="Merge"), True, id="parts of Secrets of others"),
        pytest.param(replace(SERVED, policy="Adopt"), False, id="adopted ones are own ones"),
        pytest.param(replace(SERVED, is_orphaned=True), True, id="Secrets to be left behind"),
        pytest.param(replace(SERVED, service_accounts=ACCOUNTS, is_absent=True), False, id="it is being deleted"),
        pytest.param(replace(PLAIN, service_accounts=ACCOUNTS), False, id="a playbook has nothing to delete"),
    ],
)
def test_a_finalizer_is_there_for_what_the_garbage_collector_does_not_see_to(asked: Request, is_needed: bool) -> None:
    assert asked.needs_finalizer is is_needed


@pytest.mark.parametrize(
    ("asked", "is_understood", "is_target"),
    [
        (SERVED, True, True),
        (replace(SERVED, namespaces=("team-b",)), True, False),
        (replace(SERVED, namespaces=None), False, False),
        (replace(SERVED, is_absent=True), True, False),
        (replace(SERVED, is_absent=True, namespaces=None), True, False),
    ],
)
def test_what_is_wanted_where(asked: Request, is_understood: bool, is_target: bool) -> None:
    assert (asked.is_understood, asked.is_target("team-a")) == (is_understood, is_target)


def test_marks_name_the_owner_or_a_playbook() -> None:
    """A service account may get more than one pull secret of playbooks."""
    assert (SERVED.key, SERVED.account_key) == ("uid-1", "uid-1")
    assert (PLAIN.key, PLAIN.account_key) == ("playbook", "playbook/ecr-login")


def test_only_a_secret_of_the_wanted_name_is_known_in_a_namespace() -> None:
    known = {PLACE: HELD, NamespacedName("team-b", "old-name"): HELD}
    asked = replace(SERVED, known=known)
    assert [asked.known_in(namespace) for namespace in ("team-a", "team-b", "team-c")] == [HELD, None, None]
    assert SERVED.known_in("team-a") is None


Answer = tuple[list[Authorization], list[LoginError]]
BOTH = asking(SERVED, registries=requests(HOST, PUBLIC))
NOT_DUE = replace(SERVED, is_due=False)
DENIED = ErrorResult("AccessDenied", "no right")
EXPIRED = ErrorResult("ExpiredToken", "old keys")


def given(*authorizations: dict, errors: tuple[dict, ...] = ()) -> Answer:
    return list(map(from_options, authorizations)), list(map(LoginError.from_options, errors))


@pytest.mark.parametrize(
    ("asked", "answer", "hosts", "error"),
    [
        pytest.param(SERVED, given(LOGIN), [HOST], None, id="granted"),
        pytest.param(SERVED, given(LOGIN, PUBLIC_LOGIN), [HOST], None, id="what others want is not taken"),
        pytest.param(BOTH, given(LOGIN, errors=(REFUSED,)), [HOST], DENIED, id="one granted, one refused"),
        pytest.param(SERVED, given(LOGIN, errors=(REFUSED,)), [HOST], None, id="what others want was refused"),
        pytest.param(
            asking(SERVED, registries=requests(PUBLIC)),
            given(errors=(REFUSED,)),
            None,
            DENIED,
            id="all that is wanted was refused",
        ),
        pytest.param(SERVED, given(LOGIN, errors=(ALL_REFUSED,)), None, EXPIRED, id="refused as a whole"),
        pytest.param(
            SERVED,
            given(LOGIN, errors=(REFUSED, {"reason": "ExpiredToken", "msg": "old keys"})),
            None,
            EXPIRED,
            id="refused as a whole, as a person writes it",
        ),
        pytest.param(NOT_DUE, given(), None, None, id="not due: nobody asked"),
        pytest.param(
            NOT_DUE, given(PUBLIC_LOGIN, errors=(ALL_REFUSED,)), None, None, id="not due: the trouble of others"
        ),
        pytest.param(NOT_DUE, given(LOGIN), [HOST], None, id="not due, and got for others"),
        pytest.param(replace(SERVED, is_absent=True), given(LOGIN, errors=(ALL_REFUSED,)), None, None, id="absent"),
        pytest.param(replace(SERVED, is_absent=True, error=WRONG), given(), None, None, id="absent, whatever is wrong"),
        pytest.param(replace(SERVED, error=WRONG), given(LOGIN), None, WRONG, id="cannot be served"),
    ],
)
def test_which_logins_there_are(
    asked: Request, answer: Answer, hosts: list[str] | None, error: ErrorResult | None
) -> None:
    available = AvailableLogins.of(asked, *answer, NOW)
    assert (docker_config.hosts_in(available.granted.config) if available.granted else None, available.error) == (
        hosts,
        error,
    )


def test_outputs_get_of_each_answer_what_is_theirs() -> None:
    wanted = replace(SERVED, outputs=(SERVED, asking(SERVED, registries=requests(PUBLIC))))
    granted, errors = given(LOGIN, errors=(REFUSED,))
    found = AvailableLogins.of(wanted, granted, errors, NOW)
    of_granted, of_refused = found.outputs
    assert of_granted == AvailableLogins.of(SERVED, granted, errors, NOW)
    assert of_granted.granted
    assert (of_refused.granted, of_refused.error) == (None, DENIED)
    source = Logins.held_in(own_secret(), NOW)
    assert source
    copying = found.copying(source)
    assert [each.source for each in (copying, *copying.outputs)] == [source] * 3


def test_logins_answer_the_annotation_that_the_resource_has_now() -> None:
    available = AvailableLogins.of(asking(SERVED, reconcile_request="1"), *given(LOGIN), NOW)
    assert available.granted is not None
    assert (available.granted.reconcile_request, available.granted.registries) == ("1", requests(HOST))
    assert available.granted.renew_after == NOW + 6 * HOUR


@pytest.mark.parametrize(
    ("asked", "answer", "words"),
    [
        (BOTH, given(LOGIN), f"hold no login for {PUBLIC}"),
        (SERVED, given(), f"hold no login for {HOST}"),
        (asking(SERVED, registries=requests()), given(), "the list is empty, so there is nothing to write"),
        (asking(NOT_DUE, registries=requests()), given(), "the list is empty, so there is nothing to write"),
    ],
)
def test_an_answer_that_holds_too_little_is_refused(asked: Request, answer: Answer, words: str) -> None:
    with pytest.raises(ValueError, match=f"authorizations: {words}"):
        AvailableLogins.of(asked, *answer, NOW)
