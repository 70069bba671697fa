"""Child processes of the tests: logged to a file, waited for by condition, and gone when their parent is."""

from __future__ import annotations

import os
import random
import signal
import socket
import subprocess
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from contextlib import ExitStack, suppress
from pathlib import Path
from types import TracebackType
from typing import Self

_TAIL_LINES = 30
_TERM_SECONDS = 10.0
_POLL_SECONDS = 0.05
_PORTS = range(20000, 32000)


class StartError(RuntimeError):
    """A part of the test environment did not come up; the text ends with the tail of that part's log."""


class Service(ABC):
    """Something that runs from `start()` to `stop()`, or for the time of a with block."""

    def start(self) -> None:
        """Return when it is ready for use; when it does not come up, nothing of it stays.

        Raises StartError, or ToolError where it needs one of our Go tools.
        """
        try:
            self._start()
        except BaseException:
            self.stop()
            raise

    @abstractmethod
    def stop(self) -> object:
        """End it, or what there is of it; does nothing when it is not running."""

    @abstractmethod
    def _start(self) -> None:
        """Do what `start()` says, but for the cleaning up."""

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


class Child:
    """One running server out of our Go tools.

    Its stdin is a pipe that it watches: when this process dies in any way, even by SIGKILL, the kernel closes
    the pipe and the child exits. (prctl's PDEATHSIG would follow the thread that started it instead, and
    needs a preexec_fn, which is unsafe in a process with threads.)
    """

    def __init__(self, name: str, command: list[str], log: Path, env: Mapping[str, str] | None = None) -> None:
        """Start it, with stdout and stderr going to `log`; `env` is added to this process's environment."""
        self.name = name
        self.log = log
        with log.open("w") as output:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=subprocess.STDOUT,
                env={**os.environ, **(env or {}), "EXIT_WITH_STDIN": "1"},
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        """The process id, for tests that signal it."""
        return self._process.pid

    def wait_until(self, condition: Callable[[], bool], what: str, timeout: float) -> None:
        """Return once `condition()` is true; raises StartError after `timeout` seconds or if the child exits."""
        deadline = time.monotonic() + timeout
        while not condition():
            status = self._process.poll()
            if status is not None:
                raise StartError(f"{self.name} exited with {status} before {what}\n{self._tail()}")
            if time.monotonic() > deadline:
                raise StartError(f"{self.name}: still waiting after {timeout:g} s for {what}\n{self._tail()}")
            time.sleep(_POLL_SECONDS)

    def stop(self) -> None:
        """End it: SIGTERM, then SIGKILL if it does not go. Does nothing when it is gone."""
        self._process.terminate()
        try:
            self._process.wait(_TERM_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        assert self._process.stdin is not None
        self._process.stdin.close()

    def _tail(self) -> str:
        lines = self.log.read_text(errors="replace").splitlines()[-_TAIL_LINES:]
        return f"end of {self.log}:\n{'\n'.join(lines)}"


def free_ports(count: int) -> list[int]:
    """Return that many different TCP ports of the loopback interface that nothing listens on.

    None is of those that the kernel gives to outgoing connections (from 32768 on): one could take it meanwhile.
    """
    with ExitStack() as stack:
        # All are held open until the last is chosen, or one could come up twice.
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            _bind(each)
        return [each.getsockname()[1] for each in sockets]


def _bind(unbound: socket.socket) -> None:
    for port in random.sample(_PORTS, len(_PORTS)):
        with suppress(OSError):
            return unbound.bind(("127.0.0.1", port))
    raise StartError(f"every port of {_PORTS} is in use")


def wait_for_signal() -> None:
    """Block until SIGINT (Ctrl-C) or SIGTERM; later ones are ignored, so that cleanup runs undisturbed."""
    received = threading.Event()
    for each in (signal.SIGINT, signal.SIGTERM):
        signal.signal(each, lambda *_: received.set())
    received.wait()


def processes_with_home(home: Path) -> list[int]:
    """Return the processes that have this HOME: a command that was started with it, and all that it started itself."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            environment = (process / "environ").read_bytes()
        except OSError:  # it has ended
            continue
        if f"HOME={home}".encode() in environment.split(b"\0"):
            found.append(int(process.name))
    return found


def parent_of(pid: int) -> int | None:
    """Return the process that started this one, None if it has ended, waited for or not."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(errors="replace")
    except OSError:
        return None
    # The name of the program, in parentheses, may hold spaces and parentheses: see proc_pid_stat(5).
    state, parent, *_ = stat.rpartition(")")[2].split()
    return None if state == "Z" else int(parent)


def children(parent: int) -> list[int]:
    """Return the processes that this one started and that have not ended."""
    processes = (int(path.name) for path in Path("/proc").glob("[0-9]*"))
    return [pid for pid in processes if parent_of(pid) == parent]


def kill_all(home: Path) -> None:
    """Kill the processes with this HOME, as a container is killed: Ansible's workers are in sessions of their own."""
    while processes := processes_with_home(home):
        for pid in processes:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


class watch_processes:  # noqa: N801 (used like a function)
    """Collect command lines and environments of the processes with this HOME, for a with block that gets the set."""

    def __init__(self, home: Path) -> None:
        self._home = home
        self._seen: set[bytes] = set()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._collect)

    def __enter__(self) -> set[bytes]:
        self._thread.start()
        return self._seen

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _collect(self) -> None:
        while not self._over.wait(_POLL_SECONDS):
            for pid in processes_with_home(self._home):
                for name in ("cmdline", "environ"):
                    with suppress(OSError):  # it has ended
                        self._seen.add(Path(f"/proc/{pid}/{name}").read_bytes())


def contents_below(folder: Path) -> list[bytes]:
    """Return what is in the files below a folder right now."""
    contents = []
    for path in folder.rglob("*"):
        if path.is_file():  # reading a FIFO would wait
            with suppress(OSError):  # it is gone meanwhile
                contents.append(path.read_bytes())
    return contents
