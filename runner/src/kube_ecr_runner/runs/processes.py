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


def resident_in(tmpdir: Path) -> int:
    """Return the bytes of memory that the process with this TMPDIR takes up which started the others, 0 without one.

    Those share most of it, and are about to end when it waits.
    """
    found = {*_processes_in(tmpdir)}
    for pid in found:
        with suppress(OSError):
            ppid, rss = _stat(pid, 1, 21)
            if int(ppid) not in found:
                return int(rss) * os.sysconf("SC_PAGE_SIZE")
    return 0


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
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError, ValueError):  # it was waited for meanwhile
            state, ppid = _stat(int(process.name), 0, 1)
            if state == "Z" and int(ppid) == parent:
                yield int(process.name)


def _stat(pid: int, *places: int) -> list[str]:
    """Return what proc_pid_stat(5) says of a process, by the place after its name: state 0, parent 1, memory 21.

    The name is in parentheses, and may hold spaces and parentheses.
    """
    values = Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()
    return [values[place] for place in places]
