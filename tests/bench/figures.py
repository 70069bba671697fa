"""The figures: what is done in one turn of one candidate, and what is measured of it.

A turn starts a candidate, has it serve one resource, and waits until it rests. Afterwards it is stopped, and all
resources and Secrets are removed. Times run from the first change until the API server has told of the last Secret.
CPU runs until the candidate rests again, so what it prepares for the next change is part of it.
"""

from __future__ import annotations

import itertools
import statistics
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from tests.bench.api import API, WRITES, Sightings
from tests.bench.candidates import Access, Candidate, Running
from tests.bench.endpoint import AWS
from tests.bench.results import Value
from tests.support.aws.iam import Principal, new_access_key, new_secret_key
from tests.support.cluster.objects import CLUSTER, GROUP, NAMESPACED, VERSION, condition, encoded, pull_secret

SECRET = "ecr-login"
LATENCY = 0.1
# A peer has no part in changes that it does not watch for.
_PEER_LIMIT_SECONDS = 10.0
_READY_LIMIT_SECONDS = 30.0
_GONE_SECONDS = 60.0
_SECRETS = f"/api/v1/secrets?fieldSelector=metadata.name={SECRET}"
_PLURALS = {NAMESPACED: "awsecrimagepullsecrets", CLUSTER: "clusterawsecrimagepullsecrets"}
_WARM = "warm"
# What the CRD takes of names in spec.namespaces.
_MOST_NAMES = 2000
_REQUESTS = "requests to the API server"
_WRITES = "of these writes"


@dataclass(frozen=True)
class Sizes:
    """How much of everything; seconds and limits in seconds."""

    changes: int = 5
    resources: int = 100
    many_resources: int = 1000
    few_namespaces: int = 50
    namespaces: int = 500
    many_namespaces: int = 5000
    idle_seconds: float = 60.0
    creep_changes: int = 500
    limit: float = 600.0


QUICK = Sizes(
    changes=2,
    resources=10,
    many_resources=30,
    few_namespaces=5,
    namespaces=20,
    many_namespaces=60,
    idle_seconds=5,
    creep_changes=20,
    limit=60,
)


@dataclass(frozen=True)
class Measured:
    """One value of one turn."""

    quantity: str
    unit: str
    value: Value


class Stage:
    """The cluster, AWS, and what a bench keeps between the turns: namespaces, and two watches."""

    def __init__(self, access: Access, aws: AWS, sizes: Sizes, scratch: Path) -> None:
        """Prepare; `scratch` is a folder for the homes of candidates."""
        self.sizes = sizes
        self.aws = aws
        self.api = API(access.kubeconfig)
        self._access = access
        self._scratch = scratch
        self._turns = itertools.count(1)
        self._namespaces = {each["name"] for each in self.api.metadata("/api/v1/namespaces")}
        self.secrets = Sightings(self.api.another(), _SECRETS, _new_secret, metadata_only=True)
        self.ready = {kind: Sightings(self.api.another(), collection(kind), _ready) for kind in _PLURALS}
        self._passing: list[str] = []
        # Requests of the control plane itself while nothing runs, by verb.
        self.background: Counter[str] | None = None

    def close(self) -> None:
        """End the watches."""
        for each in (self.secrets, *self.ready.values()):
            each.close()

    @contextmanager
    def turn(self, candidate: Candidate, latency: float) -> Iterator[Turn]:
        """Have a candidate run that has served one resource and rests; afterwards nothing of it is left."""
        number = next(self._turns)
        home = self._scratch / f"{number}-{candidate.name}"
        home.mkdir()
        self.aws.begin(latency)
        self.need(_WARM)
        running = Running(candidate, home, self._access, self.aws.url)
        try:
            turn = Turn(self, running, number)
            turn.create(turn.resource(namespace=_WARM))
            if self.secrets.last_of([_WARM], self.sizes.limit) is None:
                raise RuntimeError(f"{candidate.name} did not serve its first resource:\n{running.log.read_text()}")
            running.rest()
            self.aws.begin(latency)
            yield turn
        finally:
            running.stop()
            self.clear()

    def need(self, *names: str) -> None:
        """Make these namespaces if they are not there; they stay until the end of the bench."""
        for name in names:
            if name not in self._namespaces:
                self.api.create("/api/v1/namespaces", {"metadata": {"name": name}})
                self._namespaces.add(name)

    def need_for_now(self, name: str) -> None:
        """Make a namespace that is gone after the turn."""
        self.need(name)
        self._passing.append(name)

    def clear(self) -> None:
        """Remove all resources, all their Secrets and what else is not to stay, and forget what was seen."""
        for metadata in self.api.metadata(_SECRETS):
            self.api.delete(f"/api/v1/namespaces/{metadata['namespace']}/secrets/{SECRET}")
        for kind in _PLURALS:
            for metadata in self.api.metadata(collection(kind)):
                path = f"{collection(kind, metadata.get('namespace'))}/{metadata['name']}"
                if metadata.get("finalizers"):
                    self.api.merge(path, {"metadata": {"finalizers": None}})
                self.api.delete(path)
        while self._passing:
            self._remove_namespace(self._passing.pop())
        # The garbage collector and the watches come to rest.
        time.sleep(1.0)
        for each in (self.secrets, *self.ready.values()):
            each.forget()

    def _remove_namespace(self, name: str) -> None:
        path = f"/api/v1/namespaces/{name}"
        self.api.delete(path)
        self._namespaces.remove(name)
        deadline = time.monotonic() + _GONE_SECONDS
        while self.api.exists(path):
            if time.monotonic() > deadline:
                raise RuntimeError(f"namespace {name} is still there after {_GONE_SECONDS:g} s")
            time.sleep(0.1)


class Turn:
    """One candidate while it runs."""

    def __init__(self, stage: Stage, running: Running, number: int) -> None:
        self.stage = stage
        self.running = running
        self.number = number
        self.is_peer = running.candidate.is_peer

    def resource(self, principal: Principal | None = None, **where: Any) -> dict[str, Any]:
        """Return a resource with these keys, or with new ones; where it is and serves is as for `pull_secret`."""
        principal = principal or new_principal()
        return pull_secret("app", encoded(principal) if self.is_peer else principal, secret_name=SECRET, **where)

    def create(self, resource: dict[str, Any]) -> None:
        """Create a resource."""
        self.stage.api.create(collection(resource["kind"], resource["metadata"].get("namespace")), resource)

    def _create_all(self, resources: list[dict[str, Any]]) -> None:
        for resource in resources:
            self.create(resource)

    def wide(self, prefix: str, names: list[str]) -> dict[str, Any]:
        """Return a cluster resource for these namespaces: by a glob if the candidate knows globs."""
        return self.resource(namespaces=names if self.is_peer else [f"{prefix}-*"])

    def one_more(self, wide: dict[str, Any], name: str) -> float | None:
        """Add a namespace to those of a cluster resource; return the seconds until it has its Secret.

        A candidate that knows no globs is told by a change of the resource.
        """
        add = partial(self.stage.need_for_now, name)
        if self.is_peer:
            add()
            wide["spec"]["namespaces"].append(name)
            path = f"{collection(CLUSTER)}/app"
            add = partial(self.stage.api.merge, path, {"spec": {"namespaces": wide["spec"]["namespaces"]}})
        return self.seconds(add, [name])

    def seconds(self, change: Callable[[], object], namespaces: list[str], limit: float | None = None) -> float | None:
        """Do something; return the seconds until these namespaces have a new Secret, None if that took too long."""
        self.stage.secrets.forget(namespaces)
        started = time.monotonic()
        change()
        last = self.stage.secrets.last_of(namespaces, limit or self.stage.sizes.limit)
        return None if last is None else last - started

    def batch(self, resources: list[dict[str, Any]], namespaces: list[str]) -> Iterator[Measured]:
        """Create resources as fast as one connection takes them, and wait until all is there."""
        self.running.watch_memory()
        before = self.running.cpu()
        started = time.monotonic()
        wall = self.seconds(partial(self._create_all, resources), namespaces)
        yield Measured("all Secrets in place", "s", wall)
        keys = [key_of(each) for each in resources]
        ready = self.stage.ready[resources[0]["kind"]].last_of(keys, _READY_LIMIT_SECONDS)
        yield Measured("all Ready", "s", None if ready is None else ready - started)
        self.running.rest()
        yield Measured("CPU", "s", self.running.cpu() - before)
        yield Measured("calls to AWS", "calls", self.stage.aws.token_calls())
        yield Measured("memory, peak", "MiB", self.running.peak())


@dataclass(frozen=True)
class Figure:
    """One kind of turn: its name on the command line, its title, latency of AWS in seconds, what is done."""

    name: str
    title: str
    measure: Callable[[Turn], Iterator[Measured]]
    latency: float = LATENCY
    # Those that take long are measured only when they are named.
    is_default: bool = True
    serves_peer: Callable[[Sizes], bool] = lambda sizes: True


def single(turn: Turn) -> Iterator[Measured]:
    """Single changes, each while nothing else happens."""
    stage, count = turn.stage, turn.stage.sizes.changes
    turn.running.watch_memory()
    names = numbered("single", count)
    stage.need(*names)
    made = [(lambda name=name: turn.create(turn.resource(namespace=name)), [name]) for name in names]
    yield from _each(turn, "a resource is created", [partial(turn.seconds, *each) for each in made])

    prefix = f"appears-{turn.number}"
    first, *names = numbered(prefix, count + 1)
    stage.need(first)
    wide = turn.wide(prefix, [first])
    turn.seconds(lambda: turn.create(wide), [first])
    turn.running.rest()
    yield from _each(turn, "a namespace appears", [partial(turn.one_more, wide, name) for name in names])

    limit = _PEER_LIMIT_SECONDS if turn.is_peer else None
    gone = [(partial(stage.api.delete, f"/api/v1/namespaces/{name}/secrets/{SECRET}"), [name]) for name in names]
    yield from _each(turn, "a Secret is deleted", [partial(turn.seconds, *each, limit) for each in gone])
    yield Measured("memory, peak", "MiB", turn.running.peak())


def _each(turn: Turn, what: str, changes: list[Callable[[], float | None]]) -> Iterator[Measured]:
    """Measure changes one by one; what did not happen once is not tried again."""
    turn.running.rest()
    before = turn.running.cpu()
    seconds: list[float] = []
    for change in changes:
        took = change()
        if took is None:
            yield Measured(f"{what}: its Secret is in place", "s", None)
            yield Measured(f"{what}: CPU", "s", None)
            return
        turn.running.rest()
        seconds.append(took)
    yield Measured(f"{what}: its Secret is in place", "s", statistics.median(seconds))
    yield Measured(f"{what}: CPU", "s", (turn.running.cpu() - before) / len(changes))


def one_identity(turn: Turn, *, many: bool = False) -> Iterator[Measured]:
    """Many resources that share their keys."""
    sizes = turn.stage.sizes
    names = numbered("team", sizes.many_resources if many else sizes.resources)
    turn.stage.need(*names)
    principal = new_principal()
    turn.running.rest()
    yield from turn.batch([turn.resource(principal, namespace=name) for name in names], names)


def identities(turn: Turn) -> Iterator[Measured]:
    """Many resources, each with keys of its own."""
    names = numbered("team", turn.stage.sizes.resources)
    turn.stage.need(*names)
    turn.running.rest()
    yield from turn.batch([turn.resource(namespace=name) for name in names], names)


def wide(turn: Turn, count: int) -> Iterator[Measured]:
    """One resource for many namespaces, and then for one more, a few times."""
    prefix = f"wide{count}"
    names = numbered(prefix, count)
    turn.stage.need(*names)
    turn.running.rest()
    resource = turn.wide(prefix, names)
    yield from turn.batch([resource], names)
    more = [f"{prefix}-more-{turn.number}-{number}" for number in range(turn.stage.sizes.changes)]
    yield from _each(turn, "one namespace more", [partial(turn.one_more, resource, name) for name in more])


def idle(turn: Turn) -> Iterator[Measured]:
    """Nothing happens."""
    stage, seconds = turn.stage, turn.stage.sizes.idle_seconds
    if stage.background is None:
        raise RuntimeError("nobody measured what the control plane does by itself")
    for _ in one_identity(turn):
        pass
    turn.running.rest()
    yield Measured("memory at rest", "MiB", turn.running.pss())
    before, cpu = stage.api.requests(), turn.running.cpu()
    time.sleep(seconds)
    cpu = turn.running.cpu() - cpu
    requests = stage.api.requests() - before - stage.background
    yield Measured(f"CPU in {seconds:g} s", "s", cpu)
    yield Measured(_REQUESTS, "requests", requests.total())
    yield Measured(_WRITES, "requests", sum(requests[verb] for verb in WRITES))


def background(stage: Stage) -> Counter[str]:
    """Return what is asked of the API server while no candidate runs, by verb, in the time of `idle`."""
    before = stage.api.requests()
    time.sleep(stage.sizes.idle_seconds)
    return stage.api.requests() - before


def creep(turn: Turn) -> Iterator[Measured]:
    """Many changes, one after the other; the same few resources are made again and again."""
    names = numbered("creep", 10)
    turn.stage.need(*names)

    def change(name: str) -> None:
        path = f"{collection(NAMESPACED, name)}/app"
        turn.stage.api.delete(path)
        turn.stage.api.delete(f"/api/v1/namespaces/{name}/secrets/{SECRET}")
        turn.stage.ready[NAMESPACED].forget([f"{name}/app"])
        if turn.seconds(lambda: turn.create(turn.resource(namespace=name)), [name]) is None:
            raise RuntimeError(f"{name} got no Secret")
        turn.stage.ready[NAMESPACED].last_of([f"{name}/app"], _READY_LIMIT_SECONDS)

    for name in names:
        change(name)
    turn.running.rest()
    first = turn.running.pss()
    yield Measured("memory at rest after 10 changes", "MiB", first)
    for _, name in zip(range(turn.stage.sizes.creep_changes), itertools.cycle(names), strict=False):
        change(name)
    turn.running.rest()
    last = turn.running.pss()
    yield Measured(f"memory at rest after {turn.stage.sizes.creep_changes} more", "MiB", last)


def all_figures(sizes: Sizes) -> list[Figure]:
    """Return the figures in the order in which they are measured: those that leave many namespaces come last."""
    few, some, many = sizes.few_namespaces, sizes.namespaces, sizes.many_namespaces
    return [
        Figure("single", "A single change while nothing else happens", single),
        Figure("idle", f"{sizes.resources} resources, and nothing happens", idle),
        Figure("shared-0", f"{sizes.resources} resources of one identity, AWS at 0 ms", one_identity, 0.0),
        Figure("shared", f"{sizes.resources} resources of one identity", one_identity),
        Figure("identities", f"{sizes.resources} resources of {sizes.resources} identities", identities),
        Figure("thousand", f"{sizes.many_resources:,} resources of one identity", partial(one_identity, many=True)),
        Figure("creep", "Memory after many single changes", creep, is_default=False),
        Figure("wide-few", f"1 resource for {few} namespaces", partial(wide, count=few)),
        Figure("wide", f"1 resource for {some} namespaces", partial(wide, count=some)),
        Figure(
            "wide-many",
            f"1 resource for {many:,} namespaces",
            partial(wide, count=many),
            serves_peer=lambda sizes: sizes.many_namespaces <= _MOST_NAMES,
        ),
    ]


def numbered(prefix: str, count: int) -> list[str]:
    """Return so many names."""
    return [f"{prefix}-{number}" for number in range(1, count + 1)]


def collection(kind: str, namespace: str | None = None) -> str:
    """Return the path of the resources of a kind, in all namespaces or in one."""
    place = f"namespaces/{namespace}/" if namespace else ""
    return f"/apis/{GROUP}/{VERSION}/{place}{_PLURALS[kind]}"


def new_principal() -> Principal:
    """Return keys that nobody else has."""
    return Principal(new_access_key(), new_secret_key(), "111122223333")


def key_of(resource: dict[str, Any]) -> str:
    """Return under what name `Sightings` of resources knows one."""
    metadata = resource["metadata"]
    return f"{metadata.get('namespace', '')}/{metadata['name']}"


def _new_secret(event: dict[str, Any]) -> str | None:
    return event["object"]["metadata"]["namespace"] if event["type"] == "ADDED" else None


def _ready(event: dict[str, Any]) -> str | None:
    resource = event["object"]
    if event["type"] not in ("ADDED", "MODIFIED"):
        return None
    # The Go operator does not say which generation its status is about.
    status = {"observedGeneration": resource["metadata"].get("generation"), **resource.get("status", {})}
    status.setdefault("conditions", [])
    is_ready = condition({**resource, "status": status}, "Ready").get("status") == "True"
    return key_of(resource) if is_ready else None
