"""Watches of the objects that resources refer to, against a server that notes what it is asked."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from queue import Queue
from urllib.parse import parse_qs, urlsplit

import pytest
import urllib3

from kube_ecr_runner.cluster import reflector as streaming
from kube_ecr_runner.cluster.client import WATCH_SECONDS, Cluster
from kube_ecr_runner.cluster.connection import Access
from kube_ecr_runner.cluster.errors import KubernetesError
from kube_ecr_runner.cluster.reflector import ChangeEvent, ListEvent, Reflector, WatchErrorLog
from kube_ecr_runner.cluster.sources import NAMESPACES, Source, objects_named, resources_of
from kube_ecr_runner.config.settings import Settings
from kube_ecr_runner.contract.kinds import CLUSTER_KIND, LEGACY_KIND, NAMESPACED_KIND
from kube_ecr_runner.model.event import Event
from kube_ecr_runner.model.observer import Observer
from kube_ecr_runner.model.resource import Key, Reference, Referenced, Resource
from kube_ecr_runner.model.waiting_pod import Owner, WaitingPod
from kube_ecr_runner.telemetry.health import QUIET_SECONDS, Health

KEYS = objects_named("Secret", "keys")
SECONDS = 30.0
LOGGER = "kube_ecr_runner.cluster.reflector"


# The kinds that are asked for with what they hold, by the last part of their paths.
KINDS = {
    "serviceaccounts": "ServiceAccount",
    "awsecrimagepullsecrets": NAMESPACED_KIND,
    "clusterawsecrimagepullsecrets": CLUSTER_KIND,
    "awsecrcredentials": LEGACY_KIND,
}


def partial_object(version: str) -> dict:
    return {
        "kind": "PartialObjectMetadata",
        "metadata": {"name": "keys", "namespace": "a", "resourceVersion": version},
    }


CHANGE = {"type": "MODIFIED", "object": partial_object("6")}
BOOKMARK = {"type": "BOOKMARK", "object": partial_object("7")}
FORGOTTEN = {"type": "ERROR", "object": {"code": 410, "reason": "Expired", "message": "too old"}}


SUCCESS = {"kind": "Status", "status": "Success"}


def sighted(version: str) -> Referenced:
    return Referenced(Reference("Secret", "a", "keys"), version, None)


class ApiServer(ThreadingHTTPServer):
    """Lists one Secret; a watch of it sends one event and then nothing until the end of the test."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.asked: Queue[tuple[str, dict[str, list[str]], str]] = Queue()
        self.forbidden: list[str] = []
        self.unknown = False
        # The resourceVersion of the Secret in lists.
        self.listed = "1"
        # What a watch sends, and whether it stays open after that.
        self.lines = [CHANGE]
        self.stays = True
        # What the first watch sends instead.
        self.first: list[list[dict]] = []
        self.silence = SECONDS
        self.conflict = ""
        self.written: list[tuple[str, dict]] = []
        self.over = threading.Event()

    @property
    def cluster(self) -> Cluster:
        access = Access(f"http://127.0.0.1:{self.server_port}", urllib3.PoolManager(maxsize=8), "", "", lambda: "")
        return Cluster(access, silence=self.silence)


class _Handler(BaseHTTPRequestHandler):
    server: ApiServer
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        query = parse_qs(parts.query)
        self.server.asked.put((parts.path, query, self.headers["Accept"]))
        verb = "watch" if "watch" in query else "list"
        if self.server.unknown:
            self._refuse(404, "NotFound", "the server could not find the requested resource")
        elif verb in self.server.forbidden:
            self._refuse(403, "Forbidden", f"may not {verb} secrets")
        elif verb == "list":
            item = self._object(partial_object(self.server.listed))
            self._answer(200, {"kind": f"{item['kind']}List", "metadata": {"resourceVersion": "5"}, "items": [item]})
        else:
            self._begin(200, "Transfer-Encoding", "chunked")
            for each in self.server.first.pop() if self.server.first else self.server.lines:
                line = json.dumps(each | {"object": self._object(each["object"])}) + "\n"
                self.wfile.write(f"{len(line):x}\r\n{line}\r\n".encode())
            if self.server.stays:
                self.server.over.wait(SECONDS)
            else:
                self.wfile.write(b"0\r\n\r\n")

    def do_PATCH(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.server.unknown:
            self._refuse(404, "NotFound", "not found")
            return
        if self.server.conflict:
            self._refuse(409, "Conflict", self.server.conflict)
            return
        path = urlsplit(self.path).path
        self.server.written.append((path, body))
        # A series is of the event that the path names.
        named = {"kind": "Event", "metadata": {"name": path.rpartition("/")[2], "namespace": "default"}}
        self._answer(200, SUCCESS if body.get("kind") == "Eviction" else named | body)

    def do_POST(self) -> None:
        self.do_PATCH()

    def _object(self, item: dict) -> dict:
        """Return an object as it is of the kind, and in the namespace, that was asked for."""
        if "code" in item:
            return item
        path = urlsplit(self.path).path
        kind = KINDS.get(path.rpartition("/")[2], "PartialObjectMetadata")
        return item | {
            "kind": kind,
            "metadata": item["metadata"] | {"namespace": "team-a" if "/team-a/" in path else "a"},
        }

    def _refuse(self, status: int, reason: str, message: str) -> None:
        self._answer(status, {"kind": "Status", "reason": reason, "message": message})

    def _answer(self, status: int, content: dict) -> None:
        body = json.dumps(content).encode()
        self._begin(status, "Content-Length", str(len(body)))
        self.wfile.write(body)

    def _begin(self, status: int, *header: str) -> None:
        self.send_response(status)
        self.send_header(*header)
        self.send_header("Connection", "close")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def api() -> Iterator[ApiServer]:
    with ApiServer() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.over.set()
        server.shutdown()
        thread.join()


@pytest.fixture
def follow(api: ApiServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Queue]]:
    """Return what starts a stream, of KEYS if not told, that does not wait between attempts; it fills a queue."""
    monkeypatch.setattr(streaming, "RELIST_SECONDS", (0.01, 0.01))
    monkeypatch.setattr(streaming, "FORBIDDEN_SECONDS", 0.01)
    streams: list[Reflector] = []

    def start(errors: WatchErrorLog, source: Source = KEYS, observer: Observer | None = None) -> Queue:
        inbox: Queue = Queue()
        streams.append(Reflector(api.cluster, source, inbox.put, errors, observer or Observer()))
        streams[-1].start()
        return inbox

    yield start
    for each in streams:
        each.stop()
        each._thread.join(SECONDS)
        assert not each.is_alive()


def test_objects_of_one_name_are_asked_for_without_what_they_hold(
    api: ApiServer, follow: Callable[[WatchErrorLog], Queue]
) -> None:
    inbox = follow(WatchErrorLog())
    assert inbox.get(timeout=SECONDS) == ListEvent(KEYS, (sighted("1"),))
    assert inbox.get(timeout=SECONDS) == ChangeEvent(KEYS, sighted("6"), is_gone=False)
    listed, watched = (api.asked.get(timeout=SECONDS) for _ in range(2))
    for path, query, accept in (listed, watched):
        assert (path, query["fieldSelector"]) == ("/api/v1/secrets", ["metadata.name=keys"])
        assert "as=PartialObjectMetadata" in accept
    assert watched[1]["resourceVersion"] == ["5"]


def test_all_service_accounts_are_asked_for_with_their_pull_secrets(
    api: ApiServer, follow: Callable[..., Queue]
) -> None:
    accounts = objects_named("ServiceAccount", "")
    assert isinstance(follow(WatchErrorLog(), accounts).get(timeout=SECONDS), ListEvent)
    path, query, accept = api.asked.get(timeout=SECONDS)
    assert (path, "fieldSelector" in query) == ("/api/v1/serviceaccounts", False)
    assert accept == "application/json"


def test_resources_of_a_namespace_and_with_labels_are_asked_for_there(
    api: ApiServer, follow: Callable[..., Queue]
) -> None:
    follow(WatchErrorLog(), resources_of(NAMESPACED_KIND, "team-a", "tier in (x,y)")).get(timeout=SECONDS)
    for _ in ("list", "watch"):
        path, query, _accept = api.asked.get(timeout=SECONDS)
        assert path == "/apis/aws.zakariaamine.com/v1alpha2/namespaces/team-a/awsecrimagepullsecrets"
        assert query["labelSelector"] == ["tier in (x,y)"]


LEGACY = resources_of(LEGACY_KIND)


def test_kind_that_a_cluster_need_not_know_is_told_once_and_nobody_waits_for_it(
    api: ApiServer, follow: Callable[..., Queue], caplog: pytest.LogCaptureFixture
) -> None:
    api.unknown = True
    with caplog.at_level(logging.INFO, logger=LOGGER):
        inbox = follow(WatchErrorLog(), LEGACY)
        for _ in range(4):
            assert inbox.get(timeout=SECONDS) == ListEvent(LEGACY, ())
        assert [(each.levelname, each.message) for each in caplog.records] == [("INFO", "optional CRD not installed")]
        api.unknown = False
        while not isinstance(inbox.get(timeout=SECONDS), ChangeEvent):
            pass
    assert len(caplog.records) == 1
    assert api.asked.get(timeout=SECONDS)[0] == "/apis/aws.zakariaamine.com/v1alpha1/awsecrcredentials"


def test_kind_that_is_needed_is_waited_for(
    api: ApiServer, follow: Callable[..., Queue], caplog: pytest.LogCaptureFixture
) -> None:
    api.unknown = True
    with caplog.at_level(logging.INFO, logger=LOGGER):
        inbox = follow(WatchErrorLog(), resources_of(CLUSTER_KIND))
        for _ in range(3):
            api.asked.get(timeout=SECONDS)
    assert inbox.empty()
    assert [each.message for each in caplog.records] == ["watch failed, retrying"]


def test_kind_that_a_cluster_need_not_know_and_that_may_not_be_read_holds_up_nothing(
    api: ApiServer, follow: Callable[..., Queue], caplog: pytest.LogCaptureFixture
) -> None:
    api.forbidden.append("list")
    with caplog.at_level(logging.INFO, logger=LOGGER):
        inbox = follow(WatchErrorLog(), LEGACY)
        for _ in range(4):
            api.asked.get(timeout=SECONDS)
        assert inbox.get(timeout=SECONDS) == ListEvent(LEGACY, ())
        # Were it refused for a while only, a second one would make the runner forget what there is.
        assert inbox.empty()
        api.unknown = True
        inbox.get(timeout=SECONDS)
    told = [each.message for each in caplog.records]
    assert told == ["watch failed, retrying", "optional CRD not installed", "watch recovered"]


@pytest.mark.parametrize(
    ("kind", "version", "plural"),
    [
        (CLUSTER_KIND, "v1alpha2", "clusterawsecrimagepullsecrets"),
        (LEGACY_KIND, "v1alpha1", "awsecrcredentials"),
    ],
)
def test_status_and_events_are_written_in_the_version_of_the_kind(
    api: ApiServer, kind: str, version: str, plural: str
) -> None:
    resource = Resource(Key(kind, "", "shared"), "u", 1)
    api.cluster.apply_status(resource, {})
    api.cluster.create_event(resource, Event("Normal", "X", "x"), datetime(2026, 1, 31, tzinfo=UTC))
    (status_path, status), (_, event) = api.written
    assert status_path == f"/apis/aws.zakariaamine.com/{version}/{plural}/shared/status"
    assert status["apiVersion"] == event["regarding"]["apiVersion"] == f"aws.zakariaamine.com/{version}"


def test_event_that_happens_again_is_counted_in_place(api: ApiServer) -> None:
    resource, now = Resource(Key(CLUSTER_KIND, "", "shared"), "u", 1), datetime(2026, 1, 31, tzinfo=UTC)
    name = api.cluster.create_event(resource, Event("Normal", "X", "x"), now)
    assert api.cluster.repeat_event(resource, name, 2, now)
    (path, event), (series_path, series) = api.written
    assert (event["metadata"]["name"], series_path) == (name, f"{path}/{name}")
    assert series == {"series": {"count": 2, "lastObservedTime": "2026-01-31T00:00:00.000000Z"}}
    api.unknown = True
    assert not api.cluster.repeat_event(resource, name, 3, now)


STUCK = WaitingPod("team-a", "app-7c9-x", "p", "12", owner=Owner("apps/v1", "ReplicaSet", "app-7c9", "r"))


def test_pod_is_evicted_only_as_it_was_seen(api: ApiServer) -> None:
    assert api.cluster.evict_pod(STUCK)
    ((path, eviction),) = api.written
    assert path == "/api/v1/namespaces/team-a/pods/app-7c9-x/eviction"
    assert (eviction["apiVersion"], eviction["kind"]) == ("policy/v1", "Eviction")
    assert eviction["metadata"] == {"namespace": "team-a", "name": "app-7c9-x"}
    assert eviction["deleteOptions"] == {"preconditions": {"uid": "p", "resourceVersion": "12"}}


@pytest.mark.parametrize(("status", "raises"), [(404, False), (409, False), (429, False), (403, True), (500, True)])
def test_eviction_that_does_no_good_now_is_no_error(
    api: ApiServer, monkeypatch: pytest.MonkeyPatch, status: int, raises: bool
) -> None:
    monkeypatch.setattr(_Handler, "do_POST", lambda handler: handler._refuse(status, "X", f"pod {STUCK.name}: no"))
    if not raises:
        assert not api.cluster.evict_pod(STUCK)
        return
    with pytest.raises(KubernetesError) as error:
        api.cluster.evict_pod(STUCK)
    assert error.value.status == status
    if status == 403:
        assert STUCK.name not in error.value.text
        assert "runner.recoverPods=true" in error.value.text


def test_event_about_a_controller_is_in_its_namespace(api: ApiServer) -> None:
    assert STUCK.owner
    api.cluster.create_owner_event(STUCK.owner, "team-a", Event("Normal", "X", "x"), datetime(2026, 1, 31, tzinfo=UTC))
    ((path, event),) = api.written
    assert path == "/apis/events.k8s.io/v1/namespaces/team-a/events"
    assert event["regarding"] == {
        "apiVersion": "apps/v1",
        "kind": "ReplicaSet",
        "name": "app-7c9",
        "uid": "r",
        "namespace": "team-a",
    }
    assert event["metadata"]["namespace"] == "team-a"


class Signs:
    """Notes the signs of life of a watch."""

    def __init__(self) -> None:
        self.seen: list[str] = []

    def watch_started(self, name: str) -> None:
        self.seen.append("started")

    def watch_moved(self, name: str) -> None:
        self.seen.append("moved")

    def watch_heard(self, name: str) -> None:
        self.seen.append("heard")

    def watch_failed(self, name: str, trouble: str, is_needed: bool) -> None:
        self.seen.append(trouble)

    def watch_ended(self, name: str) -> None:
        self.seen.append("ended")


def test_watch_lives_with_each_list_answer_and_line_until_it_ends(api: ApiServer) -> None:
    signs, inbox = Signs(), Queue()
    stream = Reflector(api.cluster, KEYS, inbox.put, WatchErrorLog(), signs)
    stream.start()
    while not isinstance(inbox.get(timeout=SECONDS), ChangeEvent):
        pass
    stream.stop()
    stream._thread.join(SECONDS)
    assert signs.seen == ["started", "moved", "heard", "ended"], "a list is no sign of the watch"


def test_watch_tells_that_it_lives_and_what_it_lacks(api: ApiServer, follow: Callable[..., Queue]) -> None:
    health = Health(0)
    health.waits_for([KEYS.name])
    api.forbidden.append("list")
    inbox = follow(WatchErrorLog(), KEYS, health)
    for _ in range(2):
        api.asked.get(timeout=SECONDS)
    (told,) = health.unready_causes()
    assert told.startswith("waiting for the initial list of secrets/keys: may not list secrets; a change of Secret")
    api.forbidden.clear()
    while not isinstance(inbox.get(timeout=SECONDS), ChangeEvent):
        pass
    assert health.state().watches[KEYS.name].trouble == ""


def test_the_rest_works_without_the_deprecated_kind_and_namespaces_alone() -> None:
    assert all(each.optional for each in (LEGACY, NAMESPACES))
    assert not any(each.optional for each in (resources_of(CLUSTER_KIND), KEYS))


def test_sources_of_one_name_are_equal() -> None:
    assert objects_named("Secret", "keys") == KEYS
    assert objects_named("ServiceAccount", "keys") != KEYS
    assert objects_named("Secret", "keys", "team-a") != KEYS


@pytest.mark.parametrize("verb", ["list", "watch"])
def test_right_that_is_missing_is_told_once_and_so_is_its_grant(
    api: ApiServer, follow: Callable[[WatchErrorLog], Queue], caplog: pytest.LogCaptureFixture, verb: str
) -> None:
    api.forbidden.append(verb)
    with caplog.at_level(logging.INFO, logger=LOGGER):
        inbox = follow(WatchErrorLog())
        for _ in range(6):
            api.asked.get(timeout=SECONDS)
        api.forbidden.clear()
        while not isinstance(inbox.get(timeout=SECONDS), ChangeEvent):
            pass
    assert [each.message for each in caplog.records] == ["watch failed, retrying", "watch recovered"]
    told = caplog.records[0].fields["cause"]  # type: ignore[attr-defined]
    assert told.startswith(f"may not {verb} secrets; a change of Secret keys is noticed only when")
    assert "grant the runner list and watch of secrets" in told


def test_trouble_of_a_source_that_nobody_reads_any_more_is_forgotten(caplog: pytest.LogCaptureFixture) -> None:
    errors, down = WatchErrorLog(), KubernetesError("list", 0, "Unreachable", "no connection")
    other = objects_named("Secret", "other")
    with caplog.at_level(logging.INFO, logger=LOGGER):
        errors.report(KEYS, down)
        errors.report(other, down)
        errors.forget(KEYS)
        errors.clear(other)
    assert [each.message for each in caplog.records] == ["watch failed, retrying", "watch recovered"]


@pytest.mark.parametrize(
    ("source", "status", "longest"), [(KEYS, 403, 150), (KEYS, 0, 30), (KEYS, 500, 30), (LEGACY, 404, 150)]
)
def test_what_comes_from_a_person_is_asked_for_less_and_less_often(
    source: Source, status: int, longest: float, api: ApiServer
) -> None:
    stream = Reflector(api.cluster, source, lambda _: None, WatchErrorLog(), Observer())
    delays = []
    for attempts in (0, 3, 100):
        stream._attempts = attempts
        delays.append(stream._relist_delay(KubernetesError("list", status, "X", "x")))
    assert delays[0] <= 1 < delays[1] <= 8 < longest / 2 <= delays[2] <= longest


def asked(api: ApiServer, count: int) -> list[dict[str, list[str]]]:
    """Return the next queries."""
    return [api.asked.get(timeout=SECONDS)[1] for _ in range(count)]


@pytest.mark.parametrize(
    ("lines", "stays", "goes_on"),
    [
        pytest.param([], True, None, id="silent from the start"),
        pytest.param([BOOKMARK], True, None, id="silent after a bookmark"),
        pytest.param([CHANGE], True, None, id="silent after an object"),
        pytest.param([], False, None, id="ended, and brought nothing"),
        pytest.param([BOOKMARK], False, None, id="ended, and brought a bookmark only"),
        pytest.param([CHANGE, BOOKMARK], False, "7", id="ended, and brought an object"),
    ],
)
def test_watch_that_brought_no_object_is_followed_by_a_list(
    api: ApiServer,
    follow: Callable[..., Queue],
    monkeypatch: pytest.MonkeyPatch,
    lines: list[dict],
    stays: bool,
    goes_on: str | None,
) -> None:
    """What it did not bring may have been kept back: then a list is the only way to learn of it."""
    monkeypatch.setattr(streaming, "WATCH_LEAST_SECONDS", 0.0)
    api.silence, api.lines, api.stays = 0.3, lines, stays
    follow(WatchErrorLog())
    _, watched, then = asked(api, 3)
    assert watched["resourceVersion"] == ["5"]
    assert then.get("resourceVersion") == (goes_on and [goes_on])


def test_silence_is_told_once_where_a_bookmark_was_overdue_or_some_came(
    api: ApiServer, follow: Callable[..., Queue], caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def told(source: Source) -> list[str]:
        caplog.clear()
        follow(WatchErrorLog(), source)
        asked(api, 6)
        return [each.message for each in caplog.records if each.fields["watch"] == source.name]  # type: ignore[attr-defined]

    api.silence, api.lines = 0.2, []
    with caplog.at_level(logging.INFO, logger=LOGGER):
        assert told(objects_named("Secret", "early")) == []
        monkeypatch.setattr(streaming, "BOOKMARK_SECONDS", 0.1)
        assert told(objects_named("Secret", "overdue")) == ["watch received nothing, reopening it"]


@pytest.mark.parametrize(
    ("bookmark_seconds", "lines", "listed", "sign"),
    [
        pytest.param(75, [], "1", "heard", id="nobody knows: no bookmark was due"),
        pytest.param(0.1, [], "1", "", id="a bookmark was overdue"),
        pytest.param(75, [], "6", "heard", id="what a list shows may have happened after the watch"),
        pytest.param(0.1, [], "6", "a list shows changes", id="overdue, and a list shows what it kept back"),
        pytest.param(75, [BOOKMARK], "1", "heard", id="a bookmark came, and nothing else happened"),
        pytest.param(75, [BOOKMARK], "6", "a list shows changes", id="a bookmark confirms what it kept back"),
        pytest.param(75, [CHANGE], "6", "heard", id="what the list shows was told"),
    ],
)
def test_list_after_a_watch_shows_whether_that_one_works(
    api: ApiServer,
    follow: Callable[..., Queue],
    monkeypatch: pytest.MonkeyPatch,
    bookmark_seconds: float,
    lines: list[dict],
    listed: str,
    sign: str,
) -> None:
    """By what is told of the watch after the second list and before the watch that follows it."""
    monkeypatch.setattr(streaming, "BOOKMARK_SECONDS", bookmark_seconds)
    api.silence, api.lines, api.listed = 0.3, lines, listed
    seen = Signs()
    follow(WatchErrorLog(), KEYS, seen)
    asked(api, 4)
    second = [number for number, sign in enumerate(seen.seen) if sign == "moved"][1]
    told = seen.seen[second + 1 : second + 2]
    assert [each.startswith(sign) for each in told] == [True] * bool(sign)


def test_by_default_a_watch_that_is_silent_is_told_from_a_quiet_one_within_three_minutes() -> None:
    assert streaming.BOOKMARK_SECONDS < Settings.watch_silence < max(WATCH_SECONDS) < QUIET_SECONDS == 180


def test_watch_that_brings_bookmarks_only_is_none_until_an_object_comes(
    api: ApiServer, follow: Callable[..., Queue], caplog: pytest.LogCaptureFixture
) -> None:
    api.silence, api.lines, api.listed = 0.2, [BOOKMARK], "6"
    seen = Signs()
    with caplog.at_level(logging.INFO, logger=LOGGER):
        inbox = follow(WatchErrorLog(), KEYS, seen)
        asked(api, 4)
        first = len(seen.seen)
        asked(api, 4)
        assert "heard" not in seen.seen[first:]
        api.lines = [CHANGE]
        while not isinstance(inbox.get(timeout=SECONDS), ChangeEvent):
            pass
        while "watch recovered" not in caplog.messages:
            asked(api, 1)
    told = [each for each in caplog.messages if each != "watch received nothing, reopening it"]
    assert told == ["watch failed, retrying", "watch recovered"]
    assert "heard" in seen.seen[first:]


def test_that_the_api_server_has_forgotten_where_a_watch_stood_is_nothing_to_tell_once(
    api: ApiServer, follow: Callable[..., Queue], caplog: pytest.LogCaptureFixture
) -> None:
    """A list from the time before the API server filled its cache, of a kind that was just installed, for example."""
    api.first = [[FORGOTTEN]]
    with caplog.at_level(logging.INFO, logger=LOGGER):
        inbox = follow(WatchErrorLog())
        assert [type(inbox.get(timeout=SECONDS)) for _ in range(3)] == [ListEvent, ListEvent, ChangeEvent]
    assert caplog.messages == []


@pytest.mark.parametrize(("lines", "cause"), [([FORGOTTEN], "too old"), ([], "ends each watch at once")])
def test_watch_that_brings_nothing_is_asked_for_less_and_less_often(
    api: ApiServer, follow: Callable[..., Queue], caplog: pytest.LogCaptureFixture, lines: list[dict], cause: str
) -> None:
    """And that it begins is no success."""
    api.lines, api.stays = lines, False
    delays: list[int] = []
    with caplog.at_level(logging.INFO, logger=LOGGER), pytest.MonkeyPatch.context() as patch:
        patch.setattr(Reflector, "_relist_delay", lambda stream, _: delays.append(stream._attempts) or 0.0)
        inbox = follow(WatchErrorLog())
        asked(api, 12)
        (warning,) = caplog.records
        assert cause in warning.fields["cause"]  # type: ignore[attr-defined]
        api.lines, api.stays = [BOOKMARK, CHANGE], True
        while not isinstance(inbox.get(timeout=SECONDS), ChangeEvent):
            pass
    assert caplog.records[-1].message == "watch recovered"
    assert delays[:3] == [0, 1, 2]


def test_conflict_of_a_status_passes_but_for_a_resource_that_is_gone(api: ApiServer) -> None:
    resource = Resource(Key(CLUSTER_KIND, "", "shared"), "u", 1)
    api.conflict = "uid mismatch: the provided object specified uid u, and no existing object was found"
    assert not api.cluster.apply_status(resource, {})
    api.conflict = "the object has been modified"
    with pytest.raises(KubernetesError, match="has been modified"):
        api.cluster.apply_status(resource, {})
