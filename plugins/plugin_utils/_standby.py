# Copyright: kube_ecr.secrets contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A run that was started ahead of need: it imports what it will use, and waits inside the inventory plugin.

What always holds: it ends when the process ends that started it, and so does each of its workers. ansible-core puts its
workers into sessions of their own, where no signal to the run reaches them.
"""

from __future__ import annotations

import ctypes
import importlib
import os
import select
import signal
import sys

_PR_SET_PDEATHSIG = 1
_AHEAD = (
    "ansible.executor.playbook_executor",
    "ansible.executor.task_queue_manager",
    "ansible.plugins.action.set_fact",
    "ansible.plugins.connection.local",
    "ansible.plugins.strategy.free",
    "ansible_collections.kube_ecr.secrets.plugins.action.ecr_pull_secret",
    "ansible_collections.kube_ecr.secrets.plugins.action.ecr_token",
    "ansible_collections.kube_ecr.secrets.plugins.lookup.aws_credentials",
)


class NobodyWaits(Exception):
    """The process that started this one has ended."""


def stand_by(fifo: str) -> None:
    """Import what a run needs, and return when something is written into the FIFO.

    Raises NobodyWaits when the process that holds it open for writing ends, OSError when it cannot be read.
    """
    end_with_parent()
    os.register_at_fork(after_in_child=end_with_parent)
    for name in _AHEAD:
        importlib.import_module(name)
    # Without a writer, opening it would block for ever.
    reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    try:
        _wait(reader)
    finally:
        os.close(reader)


def end_with_parent() -> None:
    """Have the kernel kill this process when the thread ends that started it, see PR_SET_PDEATHSIG(2const)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)


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
