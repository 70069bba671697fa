"""Looks at every pull secret once a second, past the proxy, and keeps the account of those that open no registry."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

# A gap in the looking of more than this is an error of the soak: it would see less than it says.
MAX_GAP_SECONDS = 10.0
_PERIOD_SECONDS = 1.0
# What is served again later than this is told.
_LONG_SECONDS = 20.0


@dataclass
class Account:
    """What was seen so far. A target is a namespace; passwords are what opened a registry when it was last looked at.

    away are those that the soak took the Secret of, and returning those that may be served (again), since when.
    """

    uncovered: Counter[str] = field(default_factory=Counter)
    refreshes: int = 0
    looks: int = 0
    longest_restore: float = 0.0
    longest_gap: float = 0.0
    passwords: dict[str, str] = field(default_factory=dict)
    away: set[str] = field(default_factory=set)
    returning: dict[str, float] = field(default_factory=dict)

    def look(
        self,
        targets: frozenset[str],
        found: Mapping[str, str],
        now: float,
        seconds: float,
        restored: Callable[[str, float], None],
    ) -> list[str]:
        """Note what is valid at a moment, seconds after the last look; return the targets that should be, and are not.

        found has the password of each target with a valid Secret. restored is called with those that are served again,
        and after how many seconds.
        """
        self.looks += 1
        self.longest_gap = max(self.longest_gap, seconds)
        lost = []
        for target in sorted(targets - self.away):
            since = self.returning.get(target)
            if target not in found:
                if since is None:
                    self.uncovered[target] += seconds
                    lost.append(target)
                continue
            if since is not None:
                self.longest_restore = max(self.longest_restore, now - since)
                restored(target, now - since)
                del self.returning[target]
            elif self.passwords.get(target) != found[target]:
                self.refreshes += 1
            self.passwords[target] = found[target]
        return lost


class Watchman:
    """Looks once a second, in a thread, from start() to stop(). tell gets a line for each loss."""

    def __init__(self, targets: list[str], look: Callable[[], Mapping[str, str]], tell: Callable[[str], None]) -> None:
        """look returns the password of each target with a valid Secret."""
        self.account = Account(returning=dict.fromkeys(targets, time.monotonic()))
        self._targets = frozenset(targets)
        self._look = look
        self._tell = tell
        self._lock = threading.Lock()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="watchman", daemon=True)
        self.failure: BaseException | None = None

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End."""
        self._over.set()
        self._thread.join()

    @contextmanager
    def away(self, target: str) -> Iterator[None]:
        """Let the soak take the Secret of a target: in the with block, and until it is served again, it may be lost."""
        with self._lock:
            self.account.returning.pop(target, None)
            self.account.away.add(target)
        try:
            yield
        finally:
            with self._lock:
                self.account.away.discard(target)
                self.account.returning[target] = time.monotonic()

    def missing(self) -> dict[str, float]:
        """Return for how many seconds each target that is to be served has waited."""
        with self._lock:
            now = time.monotonic()
            return {name: now - since for name, since in self.account.returning.items()}

    def _restored(self, target: str, seconds: float) -> None:
        if seconds > _LONG_SECONDS:
            self._tell(f"{target} served after {seconds:.0f} s")

    def _watch(self) -> None:
        try:
            self._watch_on()
        except BaseException as error:  # the soak ends with it
            self.failure = error
            raise

    def _watch_on(self) -> None:
        before, lost_before = time.monotonic(), []
        while not self._over.wait(max(0.0, before + _PERIOD_SECONDS - time.monotonic())):
            with self._lock:
                found, now = self._look(), time.monotonic()
                lost = self.account.look(self._targets, found, now, now - before, self._restored)
            before = now
            if lost != lost_before:
                lost_before = lost
                self._tell(f"without a valid token: {len(lost)}: {' '.join(lost[:5])}")
