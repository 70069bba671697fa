"""The processes of runs: found by their TMPDIR, which no others have, killed, and waited for.

As a container's first process the runner inherits every process whose parent died, and has to wait for it when it ends.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

KILL_SECONDS = 5.0


def end_all(tmpdir: Path) -> None:
    """Kill the processes with this TMPDIR and return when they are gone (or after 5 s)."""
    deadline = time.monotonic() + KILL_SECONDS
    while kill_in(tmpdir) and time.monotonic() < deadline:
        time.sleep(0.01)


def kill_in(tmpdir: Path) -> bool:
    """Kill the processes with this TMPDIR; return whether there were any."""
    found = [*_processes_in(tmpdir)]
    for pid in found:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    return bool(found)


def _processes_in(tmpdir: Path) -> Iterator[int]:
    """One that has ended, but was not waited for, has no environment."""
    wanted = os.fsencode(f"TMPDIR={tmpdir}")
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it ended meanwhile, or somebody else owns it
            if wanted in (process / "environ").read_bytes().split(b"\0"):
                yield int(process.name)


class Reaper:
    """Waits for children that have ended and that nobody else waits for: those that still are there a call later."""

    def __init__(self) -> None:
        self._ended: frozenset[int] = frozenset()

    def reap(self) -> None:
        """Call it now and then, seconds apart at least: what this process started itself is waited for at once."""
        ended = frozenset(_ended_children())
        for pid in ended & self._ended:
            with suppress(ChildProcessError):
                os.waitpid(pid, os.WNOHANG)
        self._ended = ended - self._ended


def _ended_children() -> Iterator[int]:
    parent = os.getpid()
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError, ValueError):  # it was waited for meanwhile
            # The name of the program, in parentheses, may hold spaces and parentheses: see proc_pid_stat(5).
            state, ppid, *_ = stat.read_text(errors="replace").rpartition(")")[2].split()
            if state == "Z" and int(ppid) == parent:
                yield int(stat.parent.name)
