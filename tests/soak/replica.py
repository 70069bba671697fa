"""A replica of the runner as a kubelet keeps it: started again, a second after it ended in whatever way."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from tests.support.harness.ansible import Ansible
from tests.support.harness.footprint import Footprint, footprint
from tests.support.harness.processes import kill_all, processes_with_home
from tests.support.harness.runner import Runner

_BACKOFF_SECONDS = 1.0


class Replica:
    """One of them, from start() to stop(), with a home and a TMPDIR of its own below a folder."""

    def __init__(self, name: str, folder: Path, logs: Path, env: dict[str, str], *options: str) -> None:
        """Prepare; logs is the folder for its log, env and options are for the runner."""
        self.name = name
        self._home, self._temporary = folder / name, folder / f"{name}-t"
        for each in (self._home, self._temporary):
            each.mkdir()
        settings = Ansible(self._home, {**env, "TMPDIR": str(self._temporary)})
        self.runner = Runner(settings, logs / f"{name}.log", *options)
        self.starts = 0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._keep, name=f"kubelet of {name}", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> int:
        """End it and return its exit status."""
        self._over.set()
        self._thread.join()
        return self.runner.stop()

    @property
    def pid(self) -> int | None:
        """Its process, None while there is none."""
        process = self.runner.process
        return process.pid if process and process.poll() is None else None

    def leads(self) -> bool:
        """Return whether the process that is there now was the last to say that it leads."""
        with suppress(OSError, IndexError, ValueError):
            return self.pid is not None and "kube_ecr_leader 1.0" in self.runner.ask("/metrics")[1]
        return False

    def kill(self) -> None:
        """Kill the process alone."""
        if pid := self.pid:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def kill_container(self) -> None:
        """Kill all that runs in it."""
        self.kill()
        kill_all(self._home)

    def terminate(self) -> None:
        """Ask it to end."""
        if pid := self.pid:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGTERM)

    def kill_one(self, find: Callable[[Runner], list[int]], pick: Callable[[list[int]], int]) -> bool:
        """Kill one of the processes that find returns; return whether there was one."""
        found = find(self.runner) if self.pid else []
        if found:
            with suppress(ProcessLookupError):
                os.kill(pick(found), signal.SIGKILL)
        return bool(found)

    def footprint(self) -> Footprint | None:
        """Look at its process, if there is one."""
        with suppress(OSError):
            return footprint(self.pid, self._temporary) if self.pid else None
        return None

    def left(self) -> list[str]:
        """Return what of it there is on the disk and among the processes."""
        files = [str(each) for each in self._temporary.rglob("*")]
        return files + [f"process {pid}" for pid in processes_with_home(self._home)]

    def _keep(self) -> None:
        while not self._over.wait(_BACKOFF_SECONDS):
            process = self.runner.process
            if process is None or process.poll() is not None:
                self.starts += 1
                self.runner.start()
