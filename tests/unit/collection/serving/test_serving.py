"""Resources served side by side: what one of them, or an AWS identity, comes to is no trouble of the others."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from ansible_collections.kube_ecr.secrets.plugins.module_utils._aws.authorizations import Authorization, LoginError
from ansible_collections.kube_ecr.secrets.plugins.module_utils._cluster.errors import KubernetesError
from ansible_collections.kube_ecr.secrets.plugins.module_utils._contract.item import Item, Observed
from ansible_collections.kube_ecr.secrets.plugins.module_utils._contract.result import ErrorResult
from ansible_collections.kube_ecr.secrets.plugins.module_utils._inventory.identities import Settings
from ansible_collections.kube_ecr.secrets.plugins.module_utils._inventory.login_order import LoginOrder
from ansible_collections.kube_ecr.secrets.plugins.module_utils._serving import serving
from ansible_collections.kube_ecr.secrets.plugins.module_utils._serving.logins import Answer
from ansible_collections.kube_ecr.secrets.plugins.module_utils._serving.serving import WRITERS, Mode, Serving
from tests.support.cluster.in_memory import InMemoryCluster
from tests.support.cluster.stored_secrets import HOST, OWNER
from tests.support.logins import requests

(REQUEST,) = requests(HOST)
GRANTED = Answer([Authorization(HOST, "AWS", "canary", datetime.now(UTC) + timedelta(hours=12), REQUEST)])
REFUSED = Answer(errors=[LoginError(None, "AccessDenied", "may not")])
SOON, LONG = 0.01, 20.0


def item(name: str, *, is_due: bool = True) -> Item:
    """Return a resource of that name which wants a Secret in a namespace of that name."""
    return Item(
        owner=replace(OWNER, name=name, uid=f"uid-{name}"),
        reference=f"{OWNER.kind}/{name}",
        registries=(REQUEST,),
        secret_name="ecr-login",
        namespaces=(name,),
        observed=Observed(is_due=is_due),
    )


def order(*items: Item) -> LoginOrder:
    """Return what the identity that these resources share is to get."""
    return LoginOrder(items[0].owner, "eu-west-1", (REQUEST,), tuple(each.reference for each in items))


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> dict[str, Callable[[], Answer]]:
    """What comes of asking AWS, by the name of the resource that stands for the identity; GRANTED for others."""
    answers: dict[str, Callable[[], Answer]] = {}
    monkeypatch.setattr(serving, "carry_out", lambda wanted, *_: answers.get(wanted.owner.name, lambda: GRANTED)())
    return answers


def begun(items: list[Item], *orders: LoginOrder) -> Serving:
    made = Serving(InMemoryCluster(), items, orders, Settings(), Mode())
    made.start()
    return made


def results(made: Serving) -> dict[str, dict[str, Any]]:
    """Return all results, by the name of the resource."""
    progress = made.wait(LONG)
    assert progress.unfinished == 0
    assert "canary" not in str(progress.results)
    return {each["resource"]["owner"]["name"]: each for each in progress.results}


@pytest.fixture
def hanging(asked: dict[str, Callable[[], Answer]]) -> Iterator[threading.Event]:
    """The identity that resource `hung` stands for is granted its tokens when the event is set."""
    answered = threading.Event()

    def hang() -> Answer:
        answered.wait(LONG)
        return GRANTED

    asked["hung"] = hang
    yield answered
    answered.set()


def test_an_identity_that_hangs_costs_its_own_resources_time_and_others_are_told_meanwhile(
    hanging: threading.Event,
) -> None:
    hung, same, other, fresh = item("hung"), item("same"), item("other"), item("fresh", is_due=False)
    made = begun([hung, same, other, fresh], order(hung, same), order(other))
    told: list[str] = []
    while len(told) < 2:
        progress = made.wait(SOON)
        assert progress.new == len(progress.results) - len(told) > 0, "there is something new each time"
        assert progress.unfinished == 4 - len(progress.results)
        told = [each["resource"]["owner"]["name"] for each in progress.results]
    assert sorted(told) == ["fresh", "other"]
    threading.Timer(20 * SOON, hanging.set).start()
    assert made.wait(SOON).new > 0, "where there is nothing to tell, it is waited for"
    last = made.wait(LONG)
    assert (len(last.results), last.unfinished) == (4, 0)


def test_all_identities_are_asked_at_once(asked: dict[str, Callable[[], Answer]]) -> None:
    items = [item(f"n{number}") for number in range(3 * WRITERS)]
    together = threading.Barrier(len(items), timeout=LONG)

    def meet() -> Answer:
        together.wait()
        return GRANTED

    asked.update({each.owner.name: meet for each in items})
    found = results(begun(items, *map(order, items)))
    assert not any(each["failed"] for each in found.values())


def test_an_identity_that_is_refused_costs_its_own_resources_alone(asked: dict[str, Callable[[], Answer]]) -> None:
    refused, same, other = item("refused"), item("same"), item("other")
    asked["refused"] = lambda: REFUSED
    found = results(begun([refused, same, other], order(refused, same), order(other)))
    assert {name: each["msg"] for name, each in found.items() if each["failed"]} == {
        "refused": "may not",
        "same": "may not",
    }
    assert found["refused"]["error"] == {"reason": "AccessDenied", "msg": "may not"}
    assert [each["state"] for each in found["other"]["namespaces"]] == ["created"]


@pytest.mark.parametrize("broken", ["reconcile", "task_result"])
def test_an_error_that_nobody_foresaw_is_told_of_its_resource_without_its_text(
    asked: dict[str, Callable[[], Answer]], monkeypatch: pytest.MonkeyPatch, broken: str
) -> None:
    intact = getattr(serving, broken)

    def break_one(*args: Any, **options: Any) -> Any:
        if "wrong" in repr(args):
            raise RuntimeError("canary")
        return intact(*args, **options)

    monkeypatch.setattr(serving, broken, break_one)
    wrong, other = replace(item("x"), secret_name="wrong"), item("other")
    found = results(begun([wrong, other], order(wrong), order(other)))
    assert (found["x"]["failed"], found["x"]["changed"]) == (True, False)
    assert found["x"]["msg"].startswith("internal error: RuntimeError at ")
    assert not found["other"]["failed"]


def test_a_refusal_of_the_api_server_is_told_with_its_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise KubernetesError("get it", 403, "Forbidden", "may not")

    monkeypatch.setattr(serving, "reconcile", refuse)
    found = results(begun([item("a", is_due=False)]))
    assert (found["a"]["failed"], found["a"]["error"]["reason"]) == (True, "Forbidden")


def test_a_resource_that_is_due_and_gets_no_logins_says_what_it_lacks() -> None:
    """Nobody forgets them but a playbook that makes up the options."""
    error = results(begun([item("a")]))["a"]["error"]
    assert error == {"reason": "InvalidOption", "msg": f"authorizations: hold no login for {HOST}"}


def test_one_resource_alone_is_served_without_a_thread(asked: dict[str, Callable[[], Answer]]) -> None:
    """Its task is over at the first look: there is no time to wait for."""
    before = threading.enumerate()
    only = item("only")
    made = begun([only], order(only))
    assert threading.enumerate() == before
    progress = made.wait(0)
    assert (len(progress.results), progress.new, progress.unfinished) == (1, 1, 0)
    assert progress.results[0]["resource"] == only.summary()
    assert not progress.results[0]["failed"]


@pytest.mark.parametrize(
    ("is_pass", "hours", "reason"),
    [(True, 0.25, "ShortTokenLife"), (True, 11.5, "ShortTokenLife"), (True, 11.7, None), (False, 0.25, None)],
)
def test_a_pass_warns_of_a_token_that_may_be_dead_before_the_next_one(
    asked: dict[str, Callable[[], Answer]], is_pass: bool, hours: float, reason: str | None
) -> None:
    expires_at = datetime.now(UTC) + timedelta(hours=hours)
    asked["only"] = lambda: Answer([Authorization(HOST, "AWS", "canary", expires_at, REQUEST)])
    only = replace(item("only"), is_pass=is_pass)
    warning = results(begun([only], order(only)))["only"]["resource"]["warning"]
    assert (warning and warning["reason"]) == reason
    if hours < 1 and warning:
        assert f"{expires_at:%Y-%m-%dT%H:%M:%SZ}" in warning["msg"]
        assert re.search("lives 1[45] minutes.* at most [45] minutes apart", warning["msg"])


def test_what_was_wrong_to_begin_with_is_told_before_a_short_life(asked: dict[str, Callable[[], Answer]]) -> None:
    asked["only"] = lambda: Answer([Authorization(HOST, "AWS", "x", datetime.now(UTC) + timedelta(hours=1), REQUEST)])
    only = replace(item("only"), is_pass=True, warning=ErrorResult("PodInjectionMissing", "no effect"))
    assert results(begun([only], order(only)))["only"]["resource"]["warning"]["reason"] == "PodInjectionMissing"


def test_nothing_to_serve_is_done_at_once() -> None:
    progress = begun([]).wait(0)
    assert (list(progress.results), progress.new, progress.unfinished) == ([], 0, 0)


@pytest.mark.parametrize(("is_check", "is_diff"), [(True, False), (False, True)])
def test_check_mode_and_diffs_are_those_of_the_task(
    asked: dict[str, Callable[[], Answer]], is_check: bool, is_diff: bool
) -> None:
    cluster, only = InMemoryCluster(), item("only")
    made = Serving(cluster, [only], [order(only)], Settings(), Mode(is_check, is_diff))
    made.start()
    assert [written["dry_run"] for written in cluster.written] == [is_check]
    assert ("diff" in results(made)["only"]) is is_diff
