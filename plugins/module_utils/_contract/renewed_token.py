# Copyright: kube_ecr.secrets contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A token that a library renews: no request waits for that, and none fails because of it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

# For how long a request waits for the renewal, which may run a login program: a Lease has to be renewed in time.
PATIENCE_SECONDS = 0.5
# Until a renewal that failed is tried again.
PAUSE_SECONDS = 5.0


class RenewedToken:
    """The value of the header Authorization, as it is now; while it cannot be renewed, the last one lives on.

    trouble says why it cannot, empty if it can. May be called from any thread.
    """

    def __init__(self, read: Callable[[], str], describe: Callable[[Exception], str], first: str) -> None:
        """read returns the value, renewed if need be; describe words what it raises; first is what it is now."""
        self.trouble = ""
        self._read = read
        self._describe = describe
        self._last = first
        self._turn = threading.Lock()
        self._is_idle = threading.Event()
        self._is_idle.set()
        self._again_at = 0.0

    def __call__(self) -> str:
        """Return it."""
        with self._turn:
            if self._is_idle.is_set() and time.monotonic() >= self._again_at:
                self._is_idle.clear()
                threading.Thread(target=self._renew, name="token", daemon=True).start()
        self._is_idle.wait(PATIENCE_SECONDS)
        return self._last

    def _renew(self) -> None:
        try:
            self._last, self.trouble = self._read(), ""
        except Exception as error:  # noqa: BLE001 - whatever a library raises, the request goes on
            self.trouble = self._describe(error)
            self._again_at = time.monotonic() + PAUSE_SECONDS
        finally:
            self._is_idle.set()
