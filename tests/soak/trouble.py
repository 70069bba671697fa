"""What happens in a soak: faults of the API server and of AWS, kills, and hands that delete and edit.

Each lane goes its own way, in a thread, one trouble after the other. Faults and kills come in storms with a calm
between, hands at any time. A token comes due with 0.45 of its life left at least. Wherever in that the storm lies,
there is a calm of (0.45 - STORM) / 2 of its life before or after it: 39 s of 240 s. That has to do, for a Lease to be
taken (12 s), the runner to start and to see that a token is due, and a run to renew it.
"""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from kubernetes.client.exceptions import ApiException

from tests.soak.replica import Replica
from tests.soak.watch import Watchman
from tests.support.aws.endpoint import AWSEndpoint
from tests.support.cluster.api_proxy import Answer, APIProxy, How, status
from tests.support.cluster.objects import Cluster
from tests.support.harness.fleet import Fleet, forks, playbooks

# Parts of the life of a token.
STORM, CALM = 1 / 8, 1 / 5
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


@dataclass(frozen=True)
class Tide:
    """Storm and calm in turn, of so many seconds each, from a moment of the monotonic clock on."""

    storm: float
    calm: float
    start: float

    def left(self) -> float:
        """Return for how many seconds the storm goes on; what is negative is how long the calm has been."""
        return self.storm - (time.monotonic() - self.start) % (self.storm + self.calm)

    def until_storm(self) -> float:
        """Return for how many seconds the calm goes on; 0 in a storm."""
        return self.calm + self.left() if self.left() < 0 else 0.0


class Lane:
    """Troubles of one sort, one at a time, from start() to stop()."""

    def __init__(
        self,
        name: str,
        troubles: dict[str, Callable[[], object]],
        end: Callable[[], object],
        pace: Pace,
        tide: Tide | None,
        dice: random.Random,
        tell: Callable[[str], None],
    ) -> None:
        """Each trouble begins something, or does it, and end ends whatever it was; tell gets a line for each.

        Without a tide they come at any time.
        """
        self._troubles, self._end, self._pace, self._tide = troubles, end, pace, tide
        self._dice, self._tell = dice, tell
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
            if self._over.wait(self._dice.uniform(*self._pace.pause)) or not self._is_storm():
                return
            left = max(self._tide.left(), 0.0) if self._tide else self._pace.lasts[1]
            lasts = min(self._dice.uniform(*self._pace.lasts), left)
            self._tell(f"{name} ({lasts:.0f} s)" if lasts else name)
            self.counts[name] += 1
            self._troubles[name]()
            self._over.wait(lasts)
            self._end()

    def _is_storm(self) -> bool:
        """Wait for the storm; return False if the lane is stopped meanwhile."""
        while self._tide and (seconds := self._tide.until_storm()):
            if self._over.wait(seconds):
                return False
        return True

    def _turns(self) -> Iterator[str]:
        names = list(self._troubles)
        while True:
            self._dice.shuffle(names)
            yield from names


def lanes(scene: Scene, token_life: float, seed: int, tell: Callable[[str], None]) -> list[Lane]:
    """Return the lanes of a soak. token_life is in seconds."""
    tide = Tide(STORM * token_life, CALM * token_life, time.monotonic())
    victims, hands = (random.Random(f"{seed} {name}") for name in ("victims", "targets"))
    sorts: list[tuple[str, dict[str, Callable[[], object]], Callable[[], object], Pace, Tide | None]] = [
        ("API server", _of_api_server(scene.proxy), lambda: _mend(scene.proxy), Pace((3, 20), (0, 5)), tide),
        ("AWS", _of_aws(scene.aws), lambda: _mend_aws(scene.aws), Pace((5, tide.storm), (0, 10)), tide),
        ("kills", _kills(scene, victims), _nothing, Pace((0, 0), (5, 15)), tide),
        ("hands", _hands(scene, hands), _nothing, Pace((0, 0), (2, 8)), None),
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
