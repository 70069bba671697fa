"""What happens in a soak: faults of the API server and of AWS, kills, and hands that delete and edit.

Each lane goes its own way, in a thread, one trouble after the other with a pause between. A fault of AWS ends long
before the tokens die that came due when it began, and so does the next one.
"""

from __future__ import annotations

import random
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from kubernetes.client.exceptions import ApiException

from tests.soak.replica import Replica
from tests.soak.watch import Watchman
from tests.support.apiproxy import Answer, APIProxy, How, status
from tests.support.awsendpoint import AWSEndpoint
from tests.support.cluster import Cluster
from tests.support.fleet import Fleet, forks, playbooks

_GONE_SECONDS = 60.0
_GATEWAY = Answer(504, "<html><body><h1>504 Gateway Time-out</h1></body></html>", {"Content-Type": "text/html"})
_BUSY = Answer(429, status(429, "TooManyRequests", "too many requests"), {"Retry-After": "1"})
_BROKEN = Answer(500, status(500, "InternalError", "etcdserver: request timed out"))


@dataclass(frozen=True)
class Scene:
    """What the troubles are for."""

    cluster: Cluster
    aws: AWSEndpoint
    proxy: APIProxy
    fleet: Fleet
    replicas: list[Replica]
    watchman: Watchman


@dataclass(frozen=True)
class Pace:
    """Seconds, from and to: how long a fault lasts (a kill takes no time), and the pause after it."""

    lasts: tuple[float, float]
    pause: tuple[float, float]


class Lane:
    """Troubles of one sort, one at a time, from start() to stop()."""

    def __init__(
        self,
        name: str,
        troubles: dict[str, Callable[[], object]],
        end: Callable[[], object],
        pace: Pace,
        dice: random.Random,
        tell: Callable[[str], None],
    ) -> None:
        """Each trouble begins something, or does it, and end ends whatever it was; tell gets a line for each."""
        self._troubles, self._end, self._pace, self._dice, self._tell = troubles, end, pace, dice, tell
        self.counts: Counter[str] = Counter(dict.fromkeys(troubles, 0))
        self.failure: BaseException | None = None
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._go, name=name, daemon=True)

    def start(self) -> None:
        """Begin, with a pause."""
        self._thread.start()

    def stop(self) -> None:
        """End what is there, and begin no more."""
        self._over.set()
        self._thread.join()

    def _go(self) -> None:
        try:
            self._go_on()
        except BaseException as error:  # the soak ends with it
            self.failure = error
            raise

    def _go_on(self) -> None:
        # In turn, and each turn in another order, so that even a short soak sees most of them.
        for name in self._turns():
            if self._over.wait(self._dice.uniform(*self._pace.pause)):
                return
            lasts = self._dice.uniform(*self._pace.lasts)
            self._tell(f"{name} ({lasts:.0f} s)" if lasts else name)
            self.counts[name] += 1
            self._troubles[name]()
            self._over.wait(lasts)
            self._end()

    def _turns(self) -> Iterator[str]:
        names = list(self._troubles)
        while True:
            self._dice.shuffle(names)
            yield from names


def lanes(scene: Scene, token_life: float, seed: int, tell: Callable[[str], None]) -> list[Lane]:
    """Return the lanes of a soak. token_life is in seconds."""
    sorts: list[tuple[str, dict[str, Callable[[], object]], Callable[[], object], Pace]] = [
        ("API server", _of_api_server(scene.proxy), lambda: _mend(scene.proxy), Pace((3, 20), (10, 30))),
        # A token comes due with at least 0.45 of its life left: two faults and the time between them fit into that.
        ("AWS", _of_aws(scene.aws), lambda: _mend_aws(scene.aws), Pace((5, token_life / 8), (token_life / 4,) * 2)),
        ("kills", _kills(scene, random.Random(f"{seed} victims")), _nothing, Pace((0, 0), (20, 45))),
        ("hands", _hands(scene, random.Random(f"{seed} hands")), _nothing, Pace((0, 0), (2, 8))),
    ]
    return [Lane(name, *sort, random.Random(f"{seed} {name}"), tell) for name, *sort in sorts]


def _nothing() -> None:
    """A kill has no end."""


def _of_api_server(proxy: APIProxy) -> dict[str, Callable[[], object]]:
    return {
        "API server resets connections": lambda: proxy.fault(How.RESET),
        "API server answers 500": lambda: proxy.fault(_BROKEN),
        "API server answers 504 in HTML": lambda: proxy.fault(_GATEWAY),
        "API server answers 429": lambda: proxy.fault(_BUSY),
        "API server hangs": lambda: proxy.fault(How.HANG),
        "API server does and never answers": lambda: proxy.fault(How.UNANSWERED, "PATCH|POST|PUT"),
        "watches are silent": lambda: proxy.fault(How.SILENCE, "GET", "watch="),
        "API server is down": proxy.stop,
        "API server is slow": lambda: setattr(proxy, "delay", 0.3),
    }


def _mend(proxy: APIProxy) -> None:
    proxy.delay = 0.0
    proxy.heal()
    if not proxy.is_up:
        proxy.start()


def _of_aws(aws: AWSEndpoint) -> dict[str, Callable[[], object]]:
    return {
        "AWS refuses connections": aws.stop,
        "AWS hangs": aws.hang,
        "AWS throttles": lambda: aws.fail("ThrottlingException", "Rate exceeded"),
        "AWS answers 500": lambda: aws.fail("InternalFailure", status=500),
        "AWS says ExpiredToken": lambda: aws.fail("ExpiredTokenException", "The security token is expired"),
        "AWS answers nonsense": lambda: aws.answer({"authorizationData": [{"expiresAt": "soon"}]}),
    }


def _mend_aws(aws: AWSEndpoint) -> None:
    aws.heal()
    aws.start()


def _kills(scene: Scene, dice: random.Random) -> dict[str, Callable[[], object]]:
    def leader() -> Replica:
        return next((each for each in scene.replicas if each.leads()), dice.choice(scene.replicas))

    def other() -> Replica:
        one = leader()
        return next((each for each in scene.replicas if each is not one), one)

    return {
        "kill of the leader alone": lambda: leader().kill(),
        "kill of the leader's container": lambda: leader().kill_container(),
        "kill of the replica that waits": lambda: other().kill(),
        "SIGTERM for the leader": lambda: leader().terminate(),
        "kill of ansible-playbook": lambda: leader().kill_one(playbooks, dice.choice),
        "kill of a worker": lambda: _soon(lambda: leader().kill_one(forks, dice.choice)),
    }


def _soon(done: Callable[[], bool]) -> None:
    """Try for a while: workers come and go."""
    for _ in range(200):
        if done():
            return
        threading.Event().wait(0.1)


def _hands(scene: Scene, dice: random.Random) -> dict[str, Callable[[], object]]:
    core = scene.cluster.core

    @contextmanager
    def target() -> Iterator[str]:
        name = dice.choice(scene.fleet.namespaces)
        with scene.watchman.away(name), suppress_missing():
            yield name

    def delete_secret() -> None:
        with target() as name:
            core.delete_namespaced_secret("ecr-login", name)

    def edit_secret(content: str) -> None:
        with target() as name:
            core.patch_namespaced_secret("ecr-login", name, {"stringData": {".dockerconfigjson": content}})

    def replace_namespace() -> None:
        with target() as name:
            core.delete_namespace(name)
            scene.cluster.wait(lambda: not _is_there(scene.cluster, name), f"namespace {name} is gone", _GONE_SECONDS)
            scene.cluster.make_namespace(name)
            scene.cluster.create(scene.fleet.manifests[name])

    return {
        "Secret deleted": delete_secret,
        "Secret emptied": lambda: edit_secret('{"auths": {}}'),
        "Secret given a wrong login": lambda: edit_secret('{"auths": {"ghcr.io": {"username": "u", "password": "p"}}}'),
        "namespace deleted and made again": replace_namespace,
    }


@contextmanager
def suppress_missing() -> Iterator[None]:
    """What is not there (it was deleted a moment ago) can be neither deleted nor edited."""
    try:
        yield
    except ApiException as error:
        if error.status != 404:
            raise


def _is_there(cluster: Cluster, namespace: str) -> bool:
    with suppress(ApiException):
        cluster.core.read_namespace(namespace)
        return True
    return False
