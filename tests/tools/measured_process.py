"""Records what one Python process executes of the collection and the runner. measure.py makes each process import it.

Environment variables cannot start the recording: tests start programs with environments of their own, as other users,
and these programs start more. A process that cannot write its record (on a read-only file system, for example) runs as
usual.

sys.monitoring (Python 3.12) reports only the code that it is asked about, and each line once. So recording costs
hardly anything, while a trace function makes Ansible need half as much CPU time again. coverage can use sys.monitoring
too, but not for branches before Python 3.14, and its import alone takes a tenth of the time of a short run. So
measure.py converts the records to coverage's data.
"""

from __future__ import annotations

import atexit
import marshal
import os
import signal
import sys
from types import CodeType
from typing import NoReturn
from zlib import crc32

_OURS = ("/ansible_collections/kube_ecr/secrets/plugins/", "/site-packages/kube_ecr_runner/")
_ON, _OFF = None, sys.monitoring.DISABLE
_EVENTS = sys.monitoring.events


class Record:
    """What was executed of one code object: lines and pairs of lines; branches and returns by their offsets."""

    def __init__(self, code: CodeType) -> None:
        self.code = code  # a reference, so that no other code object gets its id
        self.last_line = 0
        self.lines: set[int] = set()
        self.pairs: set[tuple[int, int]] = set()
        self.branches: set[tuple[int, int]] = set()
        self.ways: dict[int, set[int]] = {}
        self.returns: set[int] = set()

    def as_tuple(self) -> tuple:
        """Return it in a form that marshal can write."""
        code = self.code
        key = (code.co_filename, code.co_qualname, code.co_firstlineno, crc32(code.co_code))
        return (*key, *(tuple(found) for found in (self.lines, self.pairs, self.branches, self.returns)))


class Recorder:
    """Asks sys.monitoring about our code and keeps what it reports."""

    def __init__(self, folder: str) -> None:
        """Prepare; the record goes into a new file in this folder."""
        self._folder = folder
        self._records: dict[int, Record] = {}
        self._tool = sys.monitoring.COVERAGE_ID

    def start(self) -> None:
        """Ask to be called when code is executed for the first time."""
        sys.monitoring.use_tool_id(self._tool, "measure")
        callbacks = {_EVENTS.PY_START: self._start, _EVENTS.LINE: self._line, _EVENTS.PY_RETURN: self._return}
        if sys.version_info >= (3, 14):
            callbacks |= {_EVENTS.BRANCH_LEFT: self._one_way, _EVENTS.BRANCH_RIGHT: self._one_way}
        else:
            callbacks |= {_EVENTS.BRANCH: self._branch}
        self._local = sum(callbacks) - _EVENTS.PY_START
        for event, callback in callbacks.items():
            sys.monitoring.register_callback(self._tool, event, callback)
        sys.monitoring.set_events(self._tool, _EVENTS.PY_START)

    def save(self) -> None:
        """Write what was executed so far, in a forked process also what its parent had executed before."""
        records = [record.as_tuple() for record in list(self._records.values())]
        if records:
            with open(f"{self._folder}/{os.getpid()}-{os.urandom(8).hex()}", "wb") as file:
                marshal.dump(records, file)

    def _start(self, code: CodeType, offset: int) -> object:
        if any(ours in code.co_filename for ours in _OURS) and id(code) not in self._records:
            self._records[id(code)] = Record(code)
            sys.monitoring.set_local_events(self._tool, code, self._local)
        return _OFF

    def _line(self, code: CodeType, line: int) -> object:
        record = self._records[id(code)]
        record.lines.add(line)
        if record.last_line not in (0, line):
            record.pairs.add((record.last_line, line))
        record.last_line = line
        return _OFF

    def _return(self, code: CodeType, offset: int, value: object) -> object:
        record = self._records[id(code)]
        record.returns.add(offset)
        record.last_line = 0  # the next line belongs to another call
        return _OFF

    def _one_way(self, code: CodeType, offset: int, destination: int) -> object:
        self._records[id(code)].branches.add((offset, destination))
        return _OFF

    def _branch(self, code: CodeType, offset: int, destination: int) -> object:
        # Before Python 3.14, both ways are one event. It is turned off when both were seen.
        record = self._records[id(code)]
        record.branches.add((offset, destination))
        ways = record.ways.setdefault(offset, set())
        ways.add(destination)
        return _OFF if len(ways) > 1 else _ON


def begin(folder: str) -> None:
    """Record until the process ends: at the end of its program, by an exception or by os._exit().

    With PYTHONOPTIMIZE, what Python executes is not what measure.py finds in the source.
    """
    if sys.flags.optimize:
        return
    # Python reads a .pth file again when something adds site-packages to the path once more.
    if not os.access(folder, os.W_OK) or sys.monitoring.get_tool(sys.monitoring.COVERAGE_ID):
        return
    recorder = Recorder(folder)
    leave = os._exit

    def save_and_leave(status: int) -> NoReturn:
        # Ansible's workers end like this, as all processes that multiprocessing forks.
        try:
            signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGINT})
            recorder.save()
        finally:
            leave(status)

    os._exit = save_and_leave
    atexit.register(recorder.save)
    recorder.start()
