"""Values that are remembered for a while, and no more of them than fit. No I/O."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable


class ExpiringCache[K: Hashable, V]:
    """A cache in which each value has its own time to live; of too many, the one goes that was not used for longest."""

    def __init__(self, size: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._size = size
        self._clock = clock
        self._lock = threading.Lock()
        self._entries: OrderedDict[K, tuple[float, V]] = OrderedDict()

    def get(self, key: K) -> V | None:
        """Return the value of a key, None if there is none or its time is over."""
        with self._lock:
            expires_at, value = self._entries.get(key, (0.0, None))
            if value is None or self._clock() >= expires_at:
                self._entries.pop(key, None)
                return None
            self._entries.move_to_end(key)
            return value

    def put(self, key: K, value: V, seconds: float) -> None:
        """Remember a value for so many seconds."""
        with self._lock:
            self._entries[key] = (self._clock() + seconds, value)
            self._entries.move_to_end(key)
            while len(self._entries) > self._size:
                self._entries.popitem(last=False)
