"""One pass: which resources count as served, and what is written of them."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from random import Random

import pytest

from kube_ecr_runner.cluster.errors import KubernetesError
from kube_ecr_runner.cluster.sources import Source, resources_of
from kube_ecr_runner.config.watches import WatchesEntry
from kube_ecr_runner.contract import filters
from kube_ecr_runner.contract.kinds import CLUSTER_KIND, LEGACY_KIND, NAMESPACED_KIND
from kube_ecr_runner.contract.result import ErrorResult, NamespaceResult
from kube_ecr_runner.controller.one_pass import MAX_UNANSWERED, serve_once
from kube_ecr_runner.model.event import Event
from kube_ecr_runner.model.playbook import PlaybookSpec
from kube_ecr_runner.model.resource import Key, Resource
from kube_ecr_runner.model.result import Origin, Problem, Result
from kube_ecr_runner.model.run import RunSummary

A, B, C = (Key(NAMESPACED_KIND, "ns", name) for name in "abc")
SHARED = Key(CLUSTER_KIND, "", "shared")
DOWN = KubernetesError("write", 0, "Unreachable", "no connection")
FORBIDDEN = KubernetesError("write", 403, "Forbidden", "may not")


def served(key: Key) -> Result:
    now = datetime.now(UTC)
    outcome = NamespaceResult("ns", "created", expires_at=now + timedelta(hours=12))
    return Result(key, "u", 1, (outcome,), renew_after=now + timedelta(hours=6))


def refused(key: Key) -> Result:
    return replace(served(key), problem=Problem("AccessDenied", "no", Origin.AWS))


@dataclass
class Lab:
    """A cluster of some resources, and runs that answer at once."""

    keys: Iterable[Key] = (A, B)
    answer: Callable[[Key], Result | None] = served
    during_run: Callable[[], None] = lambda: None
    deleting: Mapping[Key, list[str]] = field(default_factory=dict)
    list_errors: Mapping[str, KubernetesError] = field(default_factory=dict)
    write_error: KubernetesError | None = None
    gone: bool = False
    watches: tuple[WatchesEntry, ...] = tuple(
        WatchesEntry(kind, PlaybookSpec()) for kind in (NAMESPACED_KIND, CLUSTER_KIND, LEGACY_KIND)
    )
    runs: list[tuple[str, list[Key]]] = field(default_factory=list)
    statuses: list[Key] = field(default_factory=list)
    events: list[Key] = field(default_factory=list)
    attempts: int = 0
    cancelled: threading.Event = field(default_factory=threading.Event)
    namespaces: tuple[str, ...] = ()

    def serve(self, *, is_dry: bool = False, batch_size: int = 10) -> bool:
        sources = [resources_of(each.kind) for each in self.watches]
        unpicked = partial(filters.unpicked, names=(), namespaces=self.namespaces, selector="")
        options = {"unpicked": unpicked, "is_dry": is_dry, "batch_size": batch_size, "random": Random(1)}
        return serve_once(self, self.watches, sources, self.run, self.cancelled, **options)  # type: ignore[arg-type]

    def list_pages(self, source: Source) -> Iterable[dict]:
        if source.kind in self.list_errors:
            raise self.list_errors[source.kind]
        for key in self.keys:
            if key.kind == source.kind:
                yield {"items": [self._object(key)]}

    def _object(self, key: Key) -> dict:
        metadata: dict = {"name": key.name, "namespace": key.namespace, "uid": "u", "generation": 1}
        if key in self.deleting:
            metadata |= {"deletionTimestamp": "2026-01-31T12:00:00Z", "finalizers": self.deleting[key]}
        return {"kind": key.kind, "metadata": metadata, "spec": {"secretName": "ecr-login"}}

    def run(
        self, keys: list[Key], playbook: PlaybookSpec, deliver: Callable[[Result], None], cancelled: threading.Event
    ) -> RunSummary:
        self.runs.append((playbook.playbook, keys))
        self.during_run()
        results = {key: self.answer(key) for key in keys}
        for result in results.values():
            if result:
                deliver(result)
        missing = [key for key, result in results.items() if not result]
        return RunSummary("failed", 2, 1.0, "the run broke", missing)

    def apply_status(self, resource: Resource, status: Mapping) -> bool:
        self.attempts += 1
        if self.write_error:
            raise self.write_error
        self.statuses.append(resource.key)
        return not self.gone

    def create_event(self, resource: Resource, event: Event, now: datetime) -> None:
        self.events.append(resource.key)


def told(caplog: pytest.LogCaptureFixture) -> dict[str, str]:
    """Return why each resource is not served that is not."""
    found = [each.fields for each in caplog.records if each.message == "not served"]  # type: ignore[attr-defined]
    return {str(each["resource"]): each["cause"] for each in found}


@pytest.mark.parametrize(
    ("lab", "causes"),
    [
        (Lab(), {}),
        (Lab(keys=[]), {}),
        (Lab(answer=lambda key: refused(key) if key == B else served(key)), {B: "AccessDenied: no"}),
        (Lab(answer=lambda key: None if key == B else served(key)), {B: "RunFailed: the run broke"}),
        (Lab(answer=lambda key: replace(served(key), uid="v")), dict.fromkeys([A, B], "it was deleted and made again")),
        (Lab(answer=refused, gone=True), {}),
        (Lab(write_error=FORBIDDEN), dict.fromkeys([A, B], "write: may not")),
    ],
)  # fmt: skip
def test_pass_has_succeeded_only_if_each_resource_is_served_and_told_so(
    lab: Lab, causes: dict[Key, str], caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, logger="kube_ecr_runner"):
        assert lab.serve() is not bool(causes)
    found = told(caplog)
    assert found.keys() == {str(key) for key in causes}
    assert all(found[str(key)].startswith(cause) for key, cause in causes.items())
    (summary,) = (each.fields for each in caplog.records if each.message == "pass ended")  # type: ignore[attr-defined]
    assert summary == {"served": len(list(lab.keys)) - len(causes), "not_served": len(causes)}


def test_what_is_to_be_known_of_a_resource_that_is_served_is_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    warning = ErrorResult("ShortTokenLife", "the token lives 15 minutes")
    lab = Lab(answer=lambda key: replace(served(key), warning=warning if key == B else None))
    with caplog.at_level(logging.INFO, logger="kube_ecr_runner"):
        assert lab.serve()
    found = [each.fields for each in caplog.records if each.message == "to be known"]  # type: ignore[attr-defined]
    assert found == [{"resource": B, "warning": "the token lives 15 minutes"}]


def test_each_play_has_runs_of_its_own_of_no_more_than_a_batch() -> None:
    watches = (WatchesEntry(NAMESPACED_KIND, PlaybookSpec("a.b.c")), WatchesEntry(CLUSTER_KIND, PlaybookSpec("d.e.f")))
    lab = Lab(keys=[A, B, C, SHARED], watches=watches)
    assert lab.serve(batch_size=2)
    assert lab.runs == [("a.b.c", [A, B]), ("a.b.c", [C]), ("d.e.f", [SHARED])]
    assert lab.statuses == lab.events == [A, B, C, SHARED]


def test_what_is_being_deleted_is_part_of_it_only_if_there_is_something_to_undo() -> None:
    deleting = {A: ["aws.zakariaamine.com/cleanup"], B: ["others"]}
    lab = Lab(keys=[A, B, C], deleting=deleting, answer=lambda key: replace(served(key), is_cleanup=key == A))
    assert lab.serve()
    assert lab.runs[0][1] == [A, C]
    assert lab.statuses == [C], "that of an undone one is gone with it"


def test_where_no_status_is_wanted_none_and_no_event_is_written() -> None:
    lab = Lab(watches=(WatchesEntry(NAMESPACED_KIND, PlaybookSpec(), manages_status=False),))
    assert lab.serve()
    assert (lab.statuses, lab.events) == ([], [])


def test_an_api_server_that_is_down_is_not_waited_for_again_and_again() -> None:
    lab = Lab(keys=[Key(NAMESPACED_KIND, "ns", str(number)) for number in range(9)], write_error=DOWN)
    assert not lab.serve()
    assert lab.attempts == MAX_UNANSWERED


def test_a_pass_that_is_ended_early_starts_no_other_run_and_is_no_success(caplog: pytest.LogCaptureFixture) -> None:
    lab = Lab(keys=[A, B, C], answer=lambda key: served(key) if key == A else None)
    lab.during_run = lab.cancelled.set
    assert not lab.serve(batch_size=2)
    assert len(lab.runs) == 1
    assert lab.statuses == [A]
    assert told(caplog) == dict.fromkeys([str(B), str(C)], "the pass was ended before")


@pytest.mark.parametrize(
    ("kind", "error", "is_served", "words"),
    [
        (LEGACY_KIND, KubernetesError("list", 404, "NotFound", "no"), True, ""),
        (LEGACY_KIND, FORBIDDEN, True, ""),
        ("", FORBIDDEN, True, ""),
        (NAMESPACED_KIND, FORBIDDEN, False, "write: may not"),
        (NAMESPACED_KIND, KubernetesError("list", 404, "NotFound", "no"), False, "install it with 'kubectl apply"),
        (LEGACY_KIND, DOWN, False, "no connection"),
    ],
    ids=str,
)
def test_what_cannot_be_listed_fails_the_pass_unless_it_is_optional(
    kind: str, error: KubernetesError, is_served: bool, words: str, caplog: pytest.LogCaptureFixture
) -> None:
    lab = Lab(list_errors={kind: error})
    assert lab.serve() is is_served
    assert len(lab.runs) == is_served
    assert words in "".join(str(each.fields) for each in caplog.records)  # type: ignore[attr-defined]


def test_a_dry_run_prints_and_writes_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    lab = Lab(answer=lambda key: refused(key) if key == B else served(key))
    assert not lab.serve(is_dry=True)
    assert (lab.attempts, lab.events) == (0, [])
    assert capsys.readouterr().out.splitlines() == [
        f"{A}: would change",
        "  create Secret ns/ecr-login",
        f"{B}: would fail: AccessDenied: no",
        "  create Secret ns/ecr-login",
        "2 resources: 1 would be served, 1 would not",
    ]


@pytest.mark.parametrize("is_dry", [False, True])
def test_a_namespace_without_a_resource_fails_a_pass_that_is_for_it_and_the_others_are_served(
    caplog: pytest.LogCaptureFixture, is_dry: bool
) -> None:
    lab = Lab(namespaces=("ns", "typo"))
    assert not lab.serve(is_dry=is_dry)
    assert [keys for _, keys in lab.runs] == [[A, B]]
    (record,) = (each for each in caplog.records if each.message == "a filter picks nothing")
    assert record.fields == {"cause": "namespace typo holds no custom resource"}  # type: ignore[attr-defined]
    assert replace(lab, namespaces=("ns",)).serve()
    assert Lab(keys=()).serve(), "nothing was asked for"
