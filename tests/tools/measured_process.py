"""What a Python process of .venv does first while coverage is measured: measure.py puts this file there for that time.

A process is not told by its environment, for tests start programs with one of their own, as other users, and these
start more. One that cannot write its data (its file system is read-only, say) runs as if nothing was measured.
"""

from __future__ import annotations

import atexit
import dis
import os
import signal
import sys
from pathlib import Path
from types import CodeType
from typing import NoReturn

SETTINGS = Path(sys.prefix).parent / "pyproject.toml"
DATA = Path(sys.prefix) / "measured"


def begin() -> None:
    """Measure this process, and each that it forks, until it ends by itself, by an exception or by os._exit()."""
    from coverage import Coverage  # takes 50 ms

    if sys.version_info < (3, 14) and not os.environ.get("CTRACE"):
        monitor_branches()
    measurement = Coverage(data_file=str(DATA / "data"), data_suffix=True, config_file=str(SETTINGS))
    leave = os._exit

    def save_and_leave(status: int) -> NoReturn:
        # So Ansible's workers end, as all that multiprocessing forks. What their parent had executed before is in their
        # data as well: that takes 7 ms, and coverage's own patches "fork" and "_exit", which begin anew, take 25.
        try:
            signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGINT})
            measurement.save()
        finally:
            leave(status)

    os._exit = save_and_leave
    atexit.register(measurement.save)
    atexit.register(measurement.stop)  # before save: the last that is registered is the first that is called
    measurement.start()


def monitor_branches() -> None:
    """Have coverage use sys.monitoring before Python 3.14, too.

    Its tracer slows Ansible down to half its speed, since Python then stops at each line of whatever is executed;
    sys.monitoring is asked about our code alone, and about each line once. But before 3.14 it tells of a branch without
    telling the two ways apart, so that asking no more about one is asking no more about both. Here that is done when
    both were seen.
    """
    from coverage import bytecode, core, env, sysmon

    events = sys.monitoring.events

    class BranchMonitor(sysmon.SysMonitor):
        def __init__(self) -> None:
            super().__init__()
            self._ways: dict[tuple[int, int], set[int]] = {}

        def start(self) -> None:
            env.PYBEHAVIOR.branch_right_left = False  # these events are not there
            super().start()
            sys.monitoring.register_callback(self.myid, events.BRANCH, self._branch)

        def sysmon_py_start(self, code: CodeType, offset: int) -> object:
            return super().sysmon_py_start(code, offset) if "kube_ecr" in code.co_filename else sys.monitoring.DISABLE

        def local_events(self) -> int:
            return events.LINE | events.PY_RETURN | events.BRANCH

        def _branch(self, code: CodeType, offset: int, destination: int) -> object:
            ways = self._ways.setdefault((id(code), offset), set())
            if destination not in ways:
                self.sysmon_branch_either(code, offset, destination)
                ways.add(destination)
            return sys.monitoring.DISABLE if len(ways) > 1 else None

    env.SYSMON_DEFAULT = env.PYBEHAVIOR.branch_right_left = True
    core.SysMonitor = BranchMonitor
    bytecode.RETURNS.add(dis.opmap["RETURN_CONST"])


if os.access(DATA, os.W_OK):
    begin()
