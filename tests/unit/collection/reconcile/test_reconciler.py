"""A request is brought about in an order that leaves nothing behind, and each part tells what became of it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ansible_collections.kube_ecr.secrets.plugins.module_utils._cluster.errors import KubernetesError
from ansible_collections.kube_ecr.secrets.plugins.module_utils._contract.item import ContestedAccount, NamespacedName
from ansible_collections.kube_ecr.secrets.plugins.module_utils._contract.result import ErrorResult
from ansible_collections.kube_ecr.secrets.plugins.module_utils._contract.targets import Names
from ansible_collections.kube_ecr.secrets.plugins.module_utils._reconcile.reconciler import ReconcileResult, reconcile
from ansible_collections.kube_ecr.secrets.plugins.module_utils._reconcile.request import AvailableLogins, Request
from ansible_collections.kube_ecr.secrets.plugins.module_utils._reconcile.target_state import as_read
from tests.support.cluster.in_memory import InMemoryCluster
from tests.support.cluster.stored_secrets import (
    DESIRED,
    GROUP,
    NOW,
    OWNER,
    asking,
    foreign_secret,
    granted,
    own_secret,
    shared_secret,
)

HERE, THERE = NamespacedName("team-a", "ecr-login"), NamespacedName("team-b", "ecr-login")
OWN = Request(DESIRED, ("team-a",), known={})
GRANTED = AvailableLogins(granted(), None)
NOTHING = AvailableLogins(None, ErrorResult("AccessDenied", "no right"))
IDLE = AvailableLogins(None, None)
WITH_ACCOUNTS = replace(OWN, service_accounts=Names(("default",)))


def knowing(request: Request, *secrets: dict, is_shared: bool = False) -> Request:
    reader = replace(request, policy="Merge" if is_shared else "Fail")
    parts = [as_read(reader, secret["metadata"]["namespace"], secret, NOW).part for secret in secrets]
    return replace(request, known={NamespacedName(part.namespace, part.name): part for part in parts if part})


def run(
    cluster: InMemoryCluster, request: Request, available: AvailableLogins = GRANTED, **options: bool
) -> ReconcileResult:
    return reconcile(cluster, request, available, NOW, **{"dry_run": False, **options})  # type: ignore[arg-type]


def account(*pull_secrets: str, namespace: str = "team-a", name: str = "default", entry: str = "") -> dict:
    metadata = {"name": name, "namespace": namespace, "resourceVersion": "1"}
    if entry:
        text = f'{{"place":"{namespace}/{name}","uid-1":{{"names":["{entry}"],"resource":"{OWNER}"}}}}'
        metadata |= {"labels": {f"{GROUP}/owner": "shared"}, "annotations": {f"{GROUP}/shared": text}}
    return {"metadata": metadata, "imagePullSecrets": [{"name": secret} for secret in pull_secrets]}


def test_finalizer_secrets_accounts_and_what_is_unwanted_in_this_order() -> None:
    gone = own_secret(namespace="team-b")
    cluster = InMemoryCluster(gone, accounts=(account(),))
    result = run(cluster, knowing(WITH_ACCOUNTS, gone))
    assert [(verb, kind) for verb, kind, *_place in cluster.calls] == [
        ("add", "finalizer"),
        ("apply", "Secret"),
        ("get", "ServiceAccount"),
        ("patch", "ServiceAccount"),
        ("get", "Secret"),
        ("delete", "Secret"),
    ]
    assert [outcome.state for outcome in result.all] == ["created", "added", "deleted"]
    assert result.logins == GRANTED.granted
    (shown,) = result.service_accounts
    assert (shown.before, shown.after) == ({"imagePullSecrets": []}, {"imagePullSecrets": [{"name": "ecr-login"}]})


def test_check_mode_sets_no_finalizer() -> None:
    cluster = InMemoryCluster(accounts=(account(),))
    run(cluster, WITH_ACCOUNTS, dry_run=True)
    assert "add" not in cluster.verbs
    assert all(written["dry_run"] for written in cluster.written)
    undone = replace(OWN, is_absent=True, has_finalizer=True, accounts=())
    run(cluster, undone, IDLE, dry_run=True)
    assert "remove" not in cluster.verbs


@pytest.mark.parametrize(
    ("asked", "verbs"),
    [
        pytest.param(replace(WITH_ACCOUNTS, has_finalizer=True), ["apply", "get"], id="it is there"),
        pytest.param(replace(WITH_ACCOUNTS, namespaces=()), [], id="there are no targets yet"),
        pytest.param(OWN, ["apply"], id="nothing needs it"),
        pytest.param(replace(OWN, has_finalizer=True, accounts=()), ["apply", "remove"], id="nothing needs it now"),
    ],
)
def test_a_finalizer_is_set_where_it_is_needed(asked: Request, verbs: list[str]) -> None:
    cluster = InMemoryCluster()
    run(cluster, asked)
    assert cluster.verbs == verbs


UNDONE = replace(OWN, is_absent=True, has_finalizer=True, accounts=(NamespacedName("team-a", "default"),))


def test_the_finalizer_goes_when_nothing_is_left_to_clean_up() -> None:
    cluster = InMemoryCluster(shared_secret(), accounts=(account("ecr-login", entry="ecr-login"),))
    result = run(cluster, knowing(UNDONE, shared_secret(), is_shared=True), IDLE)
    assert [outcome.state for outcome in result.all] == ["removed", "released"]
    assert cluster.verbs == ["get", "patch", "get", "patch", "remove"]


@pytest.mark.parametrize("verb", ["get", "patch"])
def test_the_finalizer_stays_where_the_clean_up_failed(verb: str) -> None:
    cluster = InMemoryCluster(accounts=(account("ecr-login", entry="ecr-login"),))
    cluster.refuse(verb, 500)
    (outcome,) = run(cluster, UNDONE, IDLE).service_accounts
    assert (outcome.state, outcome.reason) == ("failed", "Status500")
    assert cluster.verbs[-1] == verb


def test_the_finalizer_stays_while_a_part_of_ours_is_elsewhere() -> None:
    """The Secret of the new name could not be written, so that of the old one stays for now."""
    old = shared_secret(secret=foreign_secret(name="old-name"))
    waiting = knowing(replace(OWN, policy="Merge", has_finalizer=True), old, is_shared=True)
    cluster = InMemoryCluster(old)
    run(cluster, replace(waiting, policy="Fail"), NOTHING)
    assert "remove" not in cluster.verbs
    assert "patch" not in cluster.verbs


def test_what_is_not_understood_is_left_alone() -> None:
    gone = own_secret(namespace="team-b")
    for request in (WITH_ACCOUNTS, OWN):
        idle = replace(knowing(request, gone), namespaces=None, has_finalizer=True, accounts=(HERE,))
        cluster = InMemoryCluster(gone)
        assert run(cluster, idle, IDLE) == ReconcileResult()
        assert cluster.calls == []


def test_the_source_is_read_once_for_all() -> None:
    source = own_secret(granted(age=1), namespace="team-z")
    request = knowing(replace(OWN, namespaces=("team-a", "team-b")), source)
    request = replace(request, source_secret=NamespacedName("team-z", "ecr-login"))
    cluster = InMemoryCluster(source)
    result = run(cluster, asking(request, namespaces=("team-a", "team-b", "team-z")), IDLE)
    assert cluster.calls.count(("get", "Secret", "team-z", "ecr-login")) == 1
    assert [outcome.state for outcome in result.namespaces] == ["created", "created", "unchanged"]
    assert result.logins is not None
    assert result.logins.expires_at == granted(age=1).expires_at


def test_a_source_that_is_gone_gives_nothing() -> None:
    source = own_secret(namespace="team-z")
    request = replace(knowing(OWN, source), source_secret=NamespacedName("team-z", "ecr-login"), namespaces=("team-a",))
    result = run(InMemoryCluster(), request, IDLE)
    assert [outcome.reason for outcome in result.namespaces] == ["TokenNotHeld"]
    assert result.logins is None


def test_accounts_get_it_only_where_it_can_be_used() -> None:
    cluster = InMemoryCluster(foreign_secret(), accounts=(account("old-name", entry="old-name"),))
    cluster.refuse("apply", 409)
    result = run(cluster, replace(WITH_ACCOUNTS, has_finalizer=True))
    assert [outcome.state for outcome in result.all] == ["failed"]
    assert "patch" not in cluster.verbs


def test_globs_need_a_look_at_the_accounts_of_each_target() -> None:
    globs = replace(OWN, namespaces=("team-a", "team-b"), service_accounts=Names((), ("ci-*",)), has_finalizer=True)
    accounts = (account(name="ci-1"), account(name="default"), account(name="ci-2", namespace="team-b"))
    cluster = InMemoryCluster(accounts=accounts)
    result = run(cluster, globs)
    assert sorted(map(str, result.service_accounts)) == ["team-a/ci-1", "team-b/ci-2"]
    cluster.refuse("list", 403, 200)
    failed, *_rest = run(cluster, globs).service_accounts
    assert (failed.name, failed.state, failed.reason) == ("*", "failed", "Status403")


@pytest.mark.parametrize(("refusals", "found"), [((200,), ["team-a/default"]), ((403,), [])])
def test_what_is_absent_is_taken_out_wherever_it_was_put(refusals: tuple[int, ...], found: list[str]) -> None:
    """Without the right to list service accounts of the cluster, those that are named in the targets are looked at."""
    cluster = InMemoryCluster(accounts=(account("ecr-login", entry="ecr-login"), account("x", namespace="team-b")))
    cluster.refuse("list", *refusals)
    result = run(cluster, replace(UNDONE, accounts=None), IDLE)
    assert list(map(str, result.service_accounts)) == found
    cluster.refuse("list", 500)
    with pytest.raises(KubernetesError, match="Status500"):
        run(cluster, replace(UNDONE, accounts=None), IDLE)


def test_who_was_faster_with_an_account_is_looked_at_again() -> None:
    cluster = InMemoryCluster(accounts=(account(),))
    cluster.refuse("patch", 409, 409)
    result = run(cluster, replace(WITH_ACCOUNTS, has_finalizer=True))
    assert [outcome.state for outcome in result.service_accounts] == ["added"]


def test_four_times_is_enough_for_what_is_removed() -> None:
    gone = own_secret(namespace="team-b")
    cluster = InMemoryCluster(gone)
    cluster.refuse("delete", 409, 409, 409, 409)
    (outcome,) = run(cluster, knowing(OWN, gone)).removed
    assert (outcome.state, outcome.reason, cluster.verbs.count("delete")) == ("failed", "Status409", 4)


@pytest.mark.parametrize(("status", "text"), [(404, "gone"), (403, "because it is being terminated")])
def test_what_goes_with_its_namespace_needs_nothing_done(status: int, text: str) -> None:
    gone = own_secret(namespace="team-b")
    cluster = InMemoryCluster(gone)
    cluster.refuse("delete", status, text=text)
    assert run(cluster, knowing(OWN, gone)).removed == ()


def of_helm(*pull_secrets: str, entry: str = "") -> dict:
    made = account(*pull_secrets, entry=entry)
    made["metadata"].setdefault("annotations", {})["meta.helm.sh/release-name"] = "web"
    return made


@pytest.mark.parametrize(
    ("asked", "found", "told", "verbs"),
    [
        pytest.param({}, account(), [("added", "", "")], ["get", "patch"], id="nobody else writes it"),
        pytest.param(
            {}, of_helm(), [("added", "ServiceAccountContested", "helm release web")], ["get", "patch"], id="new"
        ),
        pytest.param(
            {},
            of_helm("ecr-login", entry="ecr-login"),
            [("unchanged", "ServiceAccountContested", "helm release web")],
            ["get"],
            id="there before",
        ),
        pytest.param({}, of_helm("ecr-login"), [], ["get"], id="the chart names the Secret"),
        pytest.param(
            {"accounts": (), "contested": (ContestedAccount(NamespacedName("team-a", "default"), "helm"),)},
            of_helm("ecr-login", entry="ecr-login"),
            [("unchanged", "ServiceAccountContested", "helm")],
            [],
            id="the inventory saw it: it is not read again",
        ),
        pytest.param(
            {"is_absent": True, "accounts": (NamespacedName("team-a", "default"),)},
            of_helm("ecr-login", entry="ecr-login"),
            [("removed", "", "")],
            ["get", "patch"],
            id="taken out",
        ),
    ],
)
def test_who_else_writes_a_service_account_is_a_warning(
    asked: dict, found: dict, told: list[tuple[str, str, str]], verbs: list[str]
) -> None:
    cluster = InMemoryCluster(accounts=(found,))
    result = run(cluster, replace(WITH_ACCOUNTS, **asked))
    accounts = result.service_accounts
    assert [(each.state, each.reason, each.written_by) for each in accounts] == told
    assert [bool(each.message) for each in accounts] == [bool(writer) for _state, _reason, writer in told]
    assert [verb for verb, kind, *_place in cluster.calls if kind == "ServiceAccount"] == verbs
    assert [each.after is not None for each in accounts] == [state != "unchanged" for state, _reason, _writer in told]


def test_what_others_write_is_told_also_where_the_secret_cannot_be_used() -> None:
    cluster = InMemoryCluster(foreign_secret(), accounts=(of_helm("ecr-login", entry="ecr-login"),))
    cluster.refuse("apply", 409)
    result = run(cluster, replace(WITH_ACCOUNTS, has_finalizer=True))
    assert [outcome.state for outcome in result.all] == ["failed", "unchanged"]
    assert "patch" not in cluster.verbs
