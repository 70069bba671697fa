# Copyright: kube_ecr.secrets contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""When a request to AWS is sent again: a hiccup of some seconds is waited for, and no two callers wait alike.

Pure: it listens to the events of botocore, which sends and sleeps. botocore's own waits begin at 0.05 seconds from 1.44
on, so that its three attempts are over after 0.15; before, they took seconds.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, MutableMapping
from typing import Any

from .aws_errors import TRANSIENT, reason_of, reason_of_answer

ATTEMPTS = 4
# Seconds before the second attempt; each further wait is as many times as long. All three take 6.5 seconds, and each
# is longer or shorter by a part of its own: 4.5 at least, 8.5 at most.
FIRST_WAIT = 0.5
GROWTH = 3
JITTER = 0.3
_BEGAN = "kube_ecr_began"


class Retries:
    """Listens to the events of sessions and clients of botocore, which must not retry by themselves.

    What always holds: no attempt begins later than patience seconds after the first.
    """

    def __init__(
        self,
        patience: float,
        clock: Callable[[], float] = time.monotonic,
        draw: Callable[[float, float], float] = random.uniform,
    ) -> None:
        self._patience = patience
        self._clock = clock
        self._draw = draw

    def begin(self, context: MutableMapping[str, Any], **_kwargs: object) -> None:
        """Take the event C(before-call.SERVICE.OPERATION), which tells of a call ahead of its first attempt."""
        context[_BEGAN] = self._clock()

    def wait(
        self,
        attempts: int,
        response: tuple[object, Any] | None,
        caught_exception: BaseException | None,
        request_dict: MutableMapping[str, Any],
        **_kwargs: object,
    ) -> float | None:
        """Take the event C(needs-retry.SERVICE.OPERATION), and return the seconds to wait, None for no other attempt.

        attempts is how many there were; of response and caught_exception one says how the last one ended.
        """
        if not _may_pass(response, caught_exception):
            return None
        began = request_dict["context"].get(_BEGAN)
        return self.after(attempts, 0.0 if began is None else self._clock() - began)

    def after(self, attempts: int, elapsed: float) -> float | None:
        """Return the seconds to wait after so many attempts in so many seconds, None for no other attempt."""
        if attempts >= ATTEMPTS:
            return None
        seconds = FIRST_WAIT * GROWTH ** (attempts - 1) * self._draw(1 - JITTER, 1 + JITTER)
        return seconds if elapsed + seconds <= self._patience else None


def _may_pass(response: tuple[object, Any] | None, error: BaseException | None) -> bool:
    """Return whether another attempt may succeed; a refused certificate stays so, a broken handshake need not."""
    if error is not None:
        is_tls = "SSLError" in [kind.__name__ for kind in type(error).__mro__]
        return "CERTIFICATE_VERIFY_FAILED" not in str(error) if is_tls else reason_of(error) in TRANSIENT
    if response is None:
        return False
    http, parsed = response
    if not isinstance(parsed, dict):
        return False
    status = getattr(http, "status_code", 0)
    is_error = "Error" in parsed or (isinstance(status, int) and status >= 300)
    return is_error and reason_of_answer({"ResponseMetadata": {"HTTPStatusCode": status}, **parsed}) in TRANSIENT
