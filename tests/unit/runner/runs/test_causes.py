"""Why a run has no result: whatever kept ansible-playbook from its work, the cause is told, and what to do."""

from __future__ import annotations

import errno
import os
import tempfile
import threading
from collections.abc import Callable, Iterator
from types import SimpleNamespace

import ansible_runner.exceptions
import pexpect
import pytest

from kube_ecr_runner.model.playbook import PlaybookSpec
from kube_ecr_runner.model.resource import Key
from kube_ecr_runner.runs import run as runs
from kube_ecr_runner.runs.causes import MAX_ERROR, failure_cause
from kube_ecr_runner.runs.run import Run, RunSettings

KEY = Key("AWSECRImagePullSecret", "ns", "a")
DISK, COLLECTION, MEMORY = "make room there, or set TMPDIR", "where ANSIBLE_COLLECTIONS_PATH points to?", "more memory"
PROCESSES, VERSIONS = "the limit of processes is reached; raise it", "of versions that kube-ecr-runner is made for?"
FILES, FIFOS, PYTHON = "raise the limit of open files", "with FIFOs and sockets in", "install kube-ecr-runner anew"
CLEANED, RIGHT = "by a program that cleans up", f"give the user with the ID {os.geteuid()} the right to it"


@pytest.mark.parametrize(
    ("status", "rc", "causes", "told"),
    [
        ("canceled", 254, [], "the run was cancelled"),
        ("canceled", 254, ["x: [Errno 28] No space left on device"], f"in {tempfile.gettempdir()}: {DISK}"),
        ("failed", 4, ["[Errno 30] Read-only file system: 'y'"], "'y' (runs need a few megabytes in "),
        ("failed", 1, ["x" * 600 + os.strerror(errno.ENOSPC)], f"{DISK})"),
        ("failed", 1, ["x" * 600], "x..."),
        ("timeout", 254, ["x"], "the run was stopped at its deadline of 300 s (--run-timeout)"),
        ("failed", None, [], "ansible-playbook was killed; is there enough memory?"),
        ("failed", 1, [], "return code 1) without a result"),
        ("failed", 1, ["No inventory plugins available to generate inventory, make sure you"], COLLECTION),
        ("failed", 250, ["Unexpected Exception: No module named 'ansible_collections.kubernetes'"], COLLECTION),
        ("failed", 1, ["the role 'a.b.c' was not found: could not be found in /x"], COLLECTION),
        ("failed", 1, ["/x/python: No module named ansible"], PYTHON),
        ("failed", 127, ["The command was not found or was not executable: /x/python."], PYTHON),
        ("failed", 1, ["Ansible could not initialize the preferred locale: unsupported"], "C.UTF-8: install it"),
        ("failed", 1, ["[Errno 11] Resource temporarily unavailable"], PROCESSES),
        ("failed", 1, ["Could not find or access '/tmp/kube-ecr-12345678/a.b.c'"], COLLECTION),
    ],
)
def test_why_a_run_gave_no_result_is_told_with_what_to_do(
    status: str, rc: int | None, causes: list[str], told: str
) -> None:
    text = failure_cause(status, rc, 300, causes)
    assert told in text
    assert len(text) <= MAX_ERROR


@pytest.mark.parametrize(
    "text",
    [
        "an error that says what to do",
        "task 'Log in' failed: Permission denied (publickey)",
        "task 'Copy' failed: Could not find or access 'x': [Errno 2] No such file or directory",
        "task 'Call' failed: No module named 'requests'",
    ],
)
def test_nothing_is_advised_that_would_not_help(text: str) -> None:
    assert failure_cause("failed", 1, 300, [text]) == text


def raising(error: Exception) -> Callable[..., object]:
    def fail(*_: object, **__: object) -> object:
        raise error

    return fail


def subclasses(kind: type[Exception]) -> Iterator[type[Exception]]:
    yield kind
    for each in kind.__subclasses__():
        yield from subclasses(each)


SYSTEM = {
    **dict.fromkeys([errno.ENOSPC, errno.EDQUOT, errno.EROFS], DISK),
    **dict.fromkeys([errno.ENOENT, errno.ENXIO, errno.EBADF], CLEANED),
    **dict.fromkeys([errno.EACCES, errno.EPERM], RIGHT),
    **dict.fromkeys([errno.EMFILE, errno.ENFILE], FILES),
    **dict.fromkeys([errno.EIO, errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOTDIR, errno.ENAMETOOLONG], FIFOS),
    errno.EAGAIN: PROCESSES,
    errno.ENOMEM: MEMORY,
}
RAISED = [
    *((OSError(number, os.strerror(number), "/x"), told) for number, told in SYSTEM.items()),
    (OSError("out of pty devices"), "mount devpts on /dev/pts"),
    (RuntimeError("can't start new thread"), PROCESSES),
    (MemoryError(), MEMORY),
    (pexpect.TIMEOUT("Timeout exceeded.\n<a lot>\nbuffer: 'what a task printed'"), "redirect its output"),
    *((kind("x"), VERSIONS) for kind in subclasses(pexpect.ExceptionPexpect)),
    *((kind("x"), VERSIONS) for kind in subclasses(ansible_runner.exceptions.AnsibleRunnerException)),
    # Those that nobody expects.
    *((kind("secret"), VERSIONS) for kind in (KeyError, TypeError, AttributeError, ValueError)),
    (UnicodeEncodeError("utf-8", "secret", 0, 1, "no"), VERSIONS),
]


@pytest.mark.parametrize(("error", "told"), RAISED)
@pytest.mark.parametrize("place", ["files", "start", "end"])
def test_whatever_ansibles_start_raises_is_told_with_what_to_do(
    place: str, error: Exception, told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is raised by what makes the private directory and its FIFO, by what prepares a run, and while it works."""
    runner = SimpleNamespace(config=SimpleNamespace(command=["x"], artifact_dir="/x", env={}), run=raising(error))
    monkeypatch.setattr(runs, "init_runner", raising(error) if place == "start" else lambda **_: runner)
    if place == "files":
        monkeypatch.setattr(os, "mkfifo", raising(error))
    summary = execute(Run(PlaybookSpec(), RunSettings(), lambda _: None))
    assert told in summary
    assert type(error).__name__ in summary
    assert "\n" not in summary
    assert not any(word in summary.lower() for word in ("internal", "traceback", "secret", "what a task printed"))


def test_run_for_which_there_is_no_thread_is_told_as_any_other(monkeypatch: pytest.MonkeyPatch) -> None:
    run = Run(PlaybookSpec(), RunSettings(), lambda _: None)
    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", raising(RuntimeError("can't start new thread")))
        run.start()
    assert not run.is_alive()
    run.wait()
    assert PROCESSES in execute(run, start=False)


def execute(run: Run, *, start: bool = True) -> str:
    if start:
        run.start()
    summary = run.execute([KEY], lambda _: None, threading.Event())
    assert summary.missing == [KEY]
    return summary.error
