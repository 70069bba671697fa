# Copyright: kube_ecr.secrets contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A run that was started ahead of need: it loads what it will use, and waits inside the inventory plugin.

What always holds: it ends when the process ends that started it, and so does each of its workers. ansible-core puts its
workers into sessions of their own, where no signal to the run reaches them. It also ends when one of its workers is
killed (where memory is short, the kernel does so): with the strategy free, ansible-core would wait for it for ever.
"""

from __future__ import annotations

import ctypes
import gc
import os
import select
import signal
import struct
import sys
from contextlib import suppress
from functools import lru_cache
from typing import NoReturn

from ansible.plugins import loader
from ansible.template import Templar, trust_as_template

from ansible_collections.kube_ecr.secrets.plugins.module_utils._aws.session import load_ahead

_ACTION = "kube_ecr.secrets.ecr_reconcile"
_PR_SET_PDEATHSIG = 1
_ID = struct.Struct("i")


class NobodyWaits(Exception):
    """The process that started this one has ended."""


def begin() -> bool:
    """Load what a run needs, and see to it that this process ends with its parent; return False if that was done."""
    if has_begun():
        return False
    _begin()
    return True


def has_begun() -> bool:
    """Return whether this process was started ahead of need."""
    return _begin.cache_info().currsize > 0


def wait(fifo: str) -> None:
    """Return when something is written into the FIFO.

    Raises NobodyWaits when the process that holds it open for writing ends, OSError when it cannot be read.
    """
    # Without a writer, opening it would block for ever.
    reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    try:
        _wait(reader)
    finally:
        os.close(reader)


@lru_cache(maxsize=1)
def _begin() -> None:
    end_with_parent()
    _Workers().watch()
    _load()


def _load() -> None:
    """Load what the first play that waits does not, and let Ansible compile a template, before it counts."""
    loader.action_loader.get(_ACTION, class_only=True)
    load_ahead()
    # With the first filter and the first test, Ansible looks at all filters and tests that there are.
    Templar().template(trust_as_template("{{ none | default('') is defined }}"))
    # Workers share the memory of what is there now as long as nobody writes to it, which the garbage collector would.
    gc.collect()
    gc.freeze()


def end_with_parent() -> None:
    """Have the kernel kill this process when the thread ends that started it, see PR_SET_PDEATHSIG(2const)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)


class _Workers:
    """The processes that this one forks. Each tells its ID when it begins, through a pipe."""

    def __init__(self) -> None:
        self._reader, self._writer = os.pipe()
        os.set_blocking(self._reader, False)
        self._known: set[int] = set()

    def watch(self) -> None:
        """From now on, see to it that they end with this process, and this one with any that is killed."""
        signal.signal(signal.SIGCHLD, self._look)
        os.register_at_fork(after_in_child=self._begin)

    def _begin(self) -> None:
        os.write(self._writer, _ID.pack(os.getpid()))
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        end_with_parent()

    def _look(self, *_: object) -> None:
        """End this process if one of them was killed, unless by ansible-core, which does it with SIGTERM."""
        with suppress(BlockingIOError):
            self._known |= {pid for (pid,) in _ID.iter_unpack(os.read(self._reader, _ID.size * 4096))}
        # One that was killed before it could tell its ID is found only if it is the first that ended.
        for kind, pid in ((os.P_ALL, 0), *((os.P_PID, pid) for pid in sorted(self._known))):
            try:
                # Only looked at: ansible-core waits for its workers itself.
                ended = os.waitid(kind, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            except ChildProcessError:
                self._known.discard(pid)
                continue
            if ended and ended.si_code in (os.CLD_KILLED, os.CLD_DUMPED) and ended.si_status != signal.SIGTERM:
                _give_up(signal.Signals(ended.si_status).name)


def _give_up(name: str) -> NoReturn:
    """Leave from within whatever is being done: ansible-core catches most of what is raised."""
    text = f"\n[ERROR]: a worker of ansible-playbook was killed by {name}; is there enough memory?\n"
    os.write(sys.stderr.fileno(), text.encode())
    os._exit(1)


def _wait(reader: int) -> None:
    poll = select.poll()
    poll.register(reader, select.POLLIN)
    while True:
        try:
            found = os.read(reader, 1)
        except BlockingIOError:
            poll.poll()
            continue
        if not found:
            raise NobodyWaits
        return
