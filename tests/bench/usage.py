"""What a tree of processes takes: CPU seconds, also of processes that have ended, and memory.

CPU is counted without cgroups, which would need root or a delegation. Ansible's workers are in sessions of their own,
and a process may outlive its parent. So the root of the tree is a supervisor (see supervisor.py) to which the kernel
gives such orphans (PR_SET_CHILD_SUBREAPER). Nothing leaves the tree, and the time of a process that was waited for is
in that of who waited. Only a process whose parent ignores SIGCHLD would be lost.

Memory is PSS: a page that processes share counts in equal parts for each of them.
"""

from __future__ import annotations

import os
import resource
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")
_MIB = 2**20
# See clock_getcpuclockid(3): how Linux makes the number of a process's clock, and the kind that has nanoseconds.
_CLOCK_SHIFT, _CLOCK_KIND = 3, 2
_TRIES = 20
# How much more has to be resident than at the highest so far.
_STEP = 1.005
_READ_SECONDS = 0.25


@dataclass(frozen=True)
class Times:
    """CPU seconds: of a process itself, and of its children that it waited for (with theirs)."""

    own: float
    waited_for: float


def parse_times(stat: str) -> Times:
    """Read /proc/PID/stat; the name of the program, in parentheses, may hold spaces and parentheses."""
    fields = stat.rpartition(")")[2].split()
    user, system, waited_user, waited_system = (int(each) / _TICKS for each in fields[11:15])
    return Times(user + system, waited_user + waited_system)


def parse_pss(rollup: str) -> int:
    """Read /proc/PID/smaps_rollup; return bytes."""
    line = next(line for line in rollup.splitlines() if line.startswith("Pss:"))
    return int(line.split()[1]) * 1024


def parse_resident(statm: str) -> int:
    """Read /proc/PID/statm; return bytes."""
    return int(statm.split()[1]) * _PAGE


def descendants(root: int) -> list[int]:
    """Return the processes below this one, parents before children, with those that wait to be waited for."""
    found: list[int] = []
    waiting = [root]
    while waiting:
        parent = waiting.pop()
        below = _children(parent)
        found += below
        waiting += below
    return found


def _children(parent: int) -> list[int]:
    found: list[int] = []
    try:
        for task in Path(f"/proc/{parent}/task").iterdir():
            found += map(int, (task / "children").read_text().split())
    except (FileNotFoundError, ProcessLookupError):
        pass  # it has ended
    return found


def cpu_seconds() -> float:
    """Return the CPU seconds of all processes that ever were below this one.

    A process that ends meanwhile moves from one term of the sum to another, so the sum is made again then.
    """
    for _ in range(_TRIES):
        waited_for = resource.getrusage(resource.RUSAGE_CHILDREN)
        try:
            alive = sum(_seconds(pid) for pid in descendants(os.getpid()))
        except (FileNotFoundError, ProcessLookupError):
            continue
        return waited_for.ru_utime + waited_for.ru_stime + alive
    raise RuntimeError("processes end faster than they can be looked at")


def _seconds(pid: int) -> float:
    times = parse_times(Path(f"/proc/{pid}/stat").read_text(errors="replace"))
    try:
        # The clock counts nanoseconds, /proc hundredths of a second.
        own = time.clock_gettime((~pid << _CLOCK_SHIFT) | _CLOCK_KIND)
    except OSError:
        own = times.own
    return own + times.waited_for


def pss_mib() -> float:
    """Return the memory of all processes below this one, in MiB."""
    return sum(_read(pid, "smaps_rollup", parse_pss) for pid in descendants(os.getpid())) / _MIB


def resident_mib() -> float:
    """Return the sum of what is resident of each process below this one, in MiB: too much, but cheap to read."""
    return sum(_read(pid, "statm", parse_resident) for pid in descendants(os.getpid())) / _MIB


def _read(pid: int, name: str, parse: Callable[[str], int]) -> int:
    try:
        return parse(Path(f"/proc/{pid}/{name}").read_text())
    except (FileNotFoundError, ProcessLookupError, StopIteration):
        return 0  # it has ended


class Peak:
    """The highest PSS of the tree so far, in MiB.

    To read PSS takes about two milliseconds for each process, too much for every look. It can be a new peak only
    if more is resident than the peak has. Even then it is read only four times a second, or if more is resident than
    ever.
    """

    def __init__(self) -> None:
        self.pss = 0.0
        self._resident = 0.0
        self._read_at = 0.0

    def look(self) -> None:
        """Read what is resident now, and PSS if that may be a new peak."""
        resident, now = resident_mib(), time.monotonic()
        if resident > self._resident * _STEP or (resident > self.pss and now > self._read_at + _READ_SECONDS):
            self._resident = max(self._resident, resident)
            self._read_at = now
            self.pss = max(self.pss, pss_mib())
