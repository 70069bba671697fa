"""Why a run has no result for a resource: in a line, with what to do.

What always holds: whatever ended ansible-playbook is told. Its texts and those of the system hold no secret, for a run
has none; an error of another kind is told by its type and place, since its text could hold anything.
"""

from __future__ import annotations

import errno
import os
import re
import sys
import tempfile
import traceback

import pexpect
from ansible_runner.exceptions import AnsibleRunnerException

from kube_ecr_runner.model.run import TIMEOUT
from kube_ecr_runner.runs.run_directory import PREFIX

MAX_ERROR = 500
# How the lines begin with which ansible-core says what ends it: the second before it can tell it in its own form, the
# third before 2.19, the last two Python and argparse.
_ERROR = re.compile(r"(?:\[ERROR\]|ERROR|ERROR!|Fatal Python error|[\w.-]+: error):? ")
_TRACEBACK = re.compile(r"\s*Traceback \(most recent call last\):.*", re.DOTALL)
# What ansible-core puts before the error of an inventory plugin, and the name of the file that this one is in.
_PARSE_WARNING = re.compile(r"\[WARNING\]: Failed to parse inventory with '\S+' plugin: (?:\S+\.yml: )?")
_STOPPED = "the run could not be started or followed"
# Errors that are told with their text.
_TOLD = (AnsibleRunnerException, pexpect.exceptions.ExceptionPexpect, OSError, MemoryError, RuntimeError)


def is_error(text: str) -> bool:
    """Return whether a line of ansible-playbook says what ends it."""
    return _ERROR.match(text) is not None


def error_in(text: str) -> str:
    """Return what such a line says, without its mark and without a traceback."""
    return " ".join(_ERROR.sub("", _TRACEBACK.sub("", text), count=1).split())


def parse_error_in(text: str) -> str:
    """Return why a plugin could not read the inventory, empty if the line does not say that."""
    return " ".join(_PARSE_WARNING.sub("", text).split()) if _PARSE_WARNING.match(text) else ""


def cause_of_error(error: Exception) -> str:
    """Return why a run could not be started, or followed to its end."""
    if isinstance(error, _TOLD):
        # pexpect tells all its state after the first line.
        text = str(error).partition("\n")[0]
        return f"{_STOPPED}: {type(error).__name__}: {text}"
    place = traceback.extract_tb(error.__traceback__)[-1:]
    where = "".join(f" at {frame.filename}:{frame.lineno}" for frame in place)
    return f"{_STOPPED}: {type(error).__name__}{where}"


def failure_cause(status: str, rc: int | None, timeout: int, causes: list[str]) -> str:
    """Return why resources may be without a result.

    status and rc are ansible-runner's, timeout is that of a run in seconds, causes are what was seen of it.
    """
    if status == TIMEOUT:
        return f"the run was stopped at its deadline of {timeout} s (--run-timeout)"
    text = " ".join(" ".join(causes).split())
    if text:
        remedy = _remedy(text)
        room = MAX_ERROR - len(remedy)
        return f"{text if len(text) <= room else f'{text[: room - 3]}...'}{remedy}"
    if status == "canceled":
        return "the run was cancelled"
    if status == "failed" and rc is None:
        return "ansible-playbook was killed; is there enough memory?"
    return f"ansible-playbook ended ({status}, return code {rc}) without a result for this resource"


def _remedy(text: str) -> str:
    """Return what to do about what ended a run, empty if its text says that, or nothing is known."""
    for pattern, remedy in _REMEDIES:
        if re.search(pattern, text):
            return f" ({remedy.format(tmp=tempfile.gettempdir(), python=sys.executable, user=os.geteuid())})"
    return ""


def _errors(*numbers: int) -> str:
    """Return a pattern for the text of an error of the system."""
    return "|".join(re.escape(os.strerror(number)) for number in numbers)


def _of_the_run(pattern: str) -> str:
    """Return the pattern for what the run itself met: in a task of a user it means something else."""
    return rf"the run could not .*({pattern})"


# What is in a text, and what to do about it; the first that fits counts.
_REMEDIES = (
    (
        _errors(errno.ENOSPC, errno.EDQUOT, errno.EROFS),
        "runs need a few megabytes in {tmp}: make room there, or set TMPDIR",
    ),
    (
        rf"No inventory plugins|'ansible_collections|could not be found|access '\S*/{PREFIX}|couldn't resolve",
        "are kube_ecr.secrets, kubernetes.core and your own collections where ANSIBLE_COLLECTIONS_PATH points to?",
    ),
    (
        r"^\S+: No module named|was not found or was not executable",
        "install kube-ecr-runner anew, and so what it needs, for {python}",
    ),
    (
        _errors(errno.EAGAIN) + "|can't start new thread",
        "the limit of processes is reached; raise it: ulimit -u, or in a pod podPidsLimit of kubelet",
    ),
    (_errors(errno.ENOMEM) + "|MemoryError", "give it more memory; in a pod: resources.limits.memory"),
    (_errors(errno.EMFILE, errno.ENFILE), "raise the limit of open files: ulimit -n"),
    ("locale encoding|preferred locale", "runs use the locale C.UTF-8: install it"),
    (
        _of_the_run("out of pty devices|/dev/ptmx|/dev/pts"),
        "a run needs a pseudo-terminal: mount devpts on /dev/pts",
    ),
    (
        _of_the_run(_errors(errno.ENOENT, errno.ENXIO, errno.EBADF)),
        "is something removed while it is in use, by a program that cleans up {tmp}? If so, set TMPDIR",
    ),
    (_of_the_run(_errors(errno.EACCES, errno.EPERM)), "give the user with the ID {user} the right to it"),
    (
        _of_the_run("Timeout exceeded"),
        "a process that one of your tasks started lives on and holds the output open: redirect its output",
    ),
    (_of_the_run(r"\[Errno "), "runs need a file system with FIFOs and sockets in {tmp}: set TMPDIR to one"),
    (
        _of_the_run(""),
        "are ansible-core and ansible-runner of versions that kube-ecr-runner is made for? If so, please report it",
    ),
)
