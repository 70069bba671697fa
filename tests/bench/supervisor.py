"""The process that a candidate runs below, so that all that the candidate ever starts is counted.

It reads one JSON object a line. The first says what to start: `command`, `env`, `directory` and `log`. Then each
`{"ask": WHAT}` gets one line in answer: `cpu` (seconds so far), `pss` (MiB now), `watch` (begin to look for the peak),
`peak` (MiB since then, and look no more), `stop`. When stdin ends, all ends.
"""

from __future__ import annotations

import ctypes
import io
import json
import os
import select
import signal
import subprocess
import sys
import time
from contextlib import suppress
from typing import Any

from tests.bench.usage import Peak, cpu_seconds, descendants, pss_mib

_PR_SET_CHILD_SUBREAPER = 36
_LOOK_SECONDS = 0.05
_TERM_SECONDS = 15.0


class Supervisor:
    """One candidate, and what it takes."""

    def __init__(self, command: list[str], env: dict[str, str], directory: str, log: str) -> None:
        """Start it."""
        with open(log, "ab") as output:
            self._process = subprocess.Popen(
                command,
                cwd=directory,
                env=env,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self._peak: Peak | None = None
        self._status: int | None = None

    def tick(self) -> None:
        """Do what is to be done all the time: wait for what has ended, look at the memory."""
        with suppress(ChildProcessError):
            while (ended := os.waitpid(-1, os.WNOHANG))[0]:
                if ended[0] == self._process.pid:
                    self._status = self._process.returncode = os.waitstatus_to_exitcode(ended[1])
        if self._peak is not None:
            self._peak.look()

    def answer(self, ask: str) -> float | None:
        """Return what is asked for; None if there is nothing to say."""
        if ask == "cpu":
            return cpu_seconds()
        if ask == "pss":
            return pss_mib()
        if ask == "watch":
            self._peak = Peak()
        if ask == "peak" and self._peak is not None:
            self._peak.look()
            peak, self._peak = self._peak.pss, None
            return peak
        return None

    @property
    def status(self) -> int | None:
        """The exit status of the candidate, None while it runs."""
        return self._status

    def stop(self) -> None:
        """End the candidate, and then whatever it left."""
        if self._status is None:
            self._process.send_signal(signal.SIGTERM)
        deadline = time.monotonic() + _TERM_SECONDS
        while self._status is None and time.monotonic() < deadline:
            time.sleep(_LOOK_SECONDS)
            self.tick()
        while left := descendants(os.getpid()):
            for pid in left:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            time.sleep(_LOOK_SECONDS)
            self.tick()


def main() -> None:
    """Serve the lines of stdin."""
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    # Ctrl-C is for the bench, which ends this process by closing its stdin.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # Without a buffer, in which a line could wait that select() does not see.
    asked = io.FileIO(sys.stdin.fileno(), closefd=False)
    supervisor = Supervisor(**json.loads(asked.readline()))
    try:
        while True:
            supervisor.tick()
            if not select.select([asked], [], [], _LOOK_SECONDS)[0]:
                continue
            line = asked.readline()
            ask = json.loads(line)["ask"] if line else "stop"
            if ask == "stop":
                return
            _say({"value": supervisor.answer(ask), "status": supervisor.status})
    finally:
        supervisor.stop()


def _say(answer: dict[str, Any]) -> None:
    print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
