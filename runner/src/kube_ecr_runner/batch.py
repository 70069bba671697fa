"""The Ansible backend: one ansible-runner run for a list of custom resources.

What always holds, however a run ends: its private directory (0700, in $TMPDIR) is gone, and so is every process that
it started. No key is in there: the inventory names resources, and the playbook fetches what it needs itself. What a
run inherits is up to environment.py.

ansible-runner starts ansible-playbook in a session of its own and kills that with SIGKILL at the deadline or when it
is cancelled. ansible-core's workers are in sessions of their own again and would live on; they are found because
they become children of this process (see prctl(2), PR_SET_CHILD_SUBREAPER) when their parent is gone.
"""

from __future__ import annotations

import ctypes
import json
import logging
import os
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import pexpect
from ansible_runner.exceptions import AnsibleRunnerException
from ansible_runner.interface import init_runner

from kube_ecr_runner.environment import child_environment, own_identity_config
from kube_ecr_runner.plays import Play
from kube_ecr_runner.progress import Progress
from kube_ecr_runner.resources import Key
from kube_ecr_runner.results import Result

# How often ansible-runner looks whether it has to stop.
POLL_SECONDS = 0.25
KILL_SECONDS = 5.0
MAX_ERROR = 500
_PR_SET_CHILD_SUBREAPER = 36
_PREFIX = "kube-ecr-"
# ansible-core opens a Unix socket in its TMPDIR, and the name of one may have 107 bytes: see unix(7).
MAX_TMPDIR = 107 - len(f"/{_PREFIX}12345678/t/pymp-12345678/listener-12345678")
_INVENTORY_PLUGIN = "kube_ecr.secrets.pull_secrets"
# ansible-runner drops results that are longer; that of a resource with 10,000 namespaces has 3 MB.
_MAX_RESULT = 16_000_000

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Settings:
    """What all runs have in common; timeout is in seconds.

    allowed_aws_identities are the patterns of AWS identities of the runner that namespaced resources may use. is_local
    says that nothing is to be read outside the namespaces of the resources, is_dry that nothing is to be changed.
    """

    kubeconfig: str | None = None
    context: str | None = None
    aws_endpoint_url: str | None = None
    allowed_aws_identities: tuple[str, ...] = ()
    is_local: bool = False
    is_dry: bool = False
    timeout: int = 300
    forks: int = 5

    def inventory(self, keys: Iterable[Key]) -> dict[str, object]:
        """Return the content of the inventory file that names these resources."""
        keys = list(keys)
        options = {
            "plugin": _INVENTORY_PLUGIN,
            "names": [str(key) for key in keys],
            "aws_endpoint_url": self.aws_endpoint_url,
            "kubeconfig": self.kubeconfig and str(Path(self.kubeconfig).expanduser().absolute()),
            "context": self.context,
            "allowed_aws_identities": list(self.allowed_aws_identities) or None,
            "namespaces": sorted({key.namespace for key in keys}) if self.is_local else None,
        }
        return {name: value for name, value in options.items() if value is not None}


@dataclass(frozen=True)
class Summary:
    """How a run ended: ansible-runner's status and return code, seconds, and why it has no result for `missing`."""

    status: str
    rc: int | None
    seconds: float
    error: str
    missing: list[Key]


class TemporaryDirectoryError(ValueError):
    """Runs could not work in the directory for temporary files; the text says what to set."""


def check_tmpdir(path: str) -> None:
    """Raise TemporaryDirectoryError if path, where runs would have their private directories, is too long."""
    if len(os.fsencode(path)) > MAX_TMPDIR:
        raise TemporaryDirectoryError(
            f"the path of the directory for temporary files, {path}, is too long for the Unix sockets of ansible-core; "
            f"set TMPDIR to one of at most {MAX_TMPDIR} bytes, such as /tmp"
        )


def run_batch(
    keys: Iterable[Key],
    play: Play,
    settings: Settings,
    deliver: Callable[[Result], None],
    cancelled: threading.Event,
) -> Summary:
    """Run the play for these resources and return when nothing of it is left.

    deliver gets each result in the calling thread: as it arrives, or at the end (see progress.py). The run ends early
    when cancelled is set. Nothing is raised: whatever goes wrong is in the summary. One call at a time.
    """
    progress = Progress(deliver, dict.fromkeys(keys), is_held=not play.is_plain)
    started = time.monotonic()
    try:
        with tempfile.TemporaryDirectory(prefix=_PREFIX, ignore_cleanup_errors=True) as private:
            try:
                status, rc = _run(Path(private), play, settings, progress, cancelled)
            finally:
                end_orphans()
    except (AnsibleRunnerException, pexpect.exceptions.ExceptionPexpect, OSError) as error:
        status, rc = "error", None
        progress.errors.append(f"the run could not be started or followed: {type(error).__name__}: {error}")
    seconds = time.monotonic() - started
    error = _why(status, rc, settings, progress.causes())
    progress.end(status, error)
    return Summary(status, rc, seconds, error, list(progress.missing))


def _run(
    private: Path, play: Play, settings: Settings, progress: Progress, cancelled: threading.Event
) -> tuple[str, int | None]:
    inventory = private / "inventory" / "ecr.yml"
    settings_file = private / "env" / "settings"
    scratch = private / "t"
    for folder in (inventory.parent, settings_file.parent, scratch):
        folder.mkdir(mode=0o700)
    # ansible-runner (2.4) reads these from this file only: without it, it drops those that it is called with.
    settings_file.write_text(json.dumps({"suppress_output_file": True, "pexpect_timeout": POLL_SECONDS}))
    # JSON is YAML, and its quoting leaves no text of a name any meaning.
    inventory.write_text(json.dumps(settings.inventory(progress.missing)), encoding="utf-8")
    for name, content in play.files().items():
        (private / name).write_text(content, encoding="utf-8")
    runner = init_runner(
        private_data_dir=str(private),
        playbook=play.path(str(private)),
        cmdline="--check" if settings.is_dry else None,
        inventory=str(inventory),
        forks=settings.forks,
        timeout=settings.timeout,
        fact_cache_type="",
        quiet=True,
        suppress_env_files=True,
        event_handler=progress.handle,
        cancel_callback=cancelled.is_set,
    )
    config = _write_config(private / "aws-config")
    inherited = child_environment(runner.config.env, scratch, Path(sys.executable).parent, config)
    runner.config.env = inherited | _ansible_settings(scratch)
    status, rc = runner.run()
    return status, rc


def _write_config(path: Path) -> Path | None:
    """Write the config file through which boto3 finds an identity that is not inherited; return None without one."""
    content = own_identity_config(os.environ, sys.executable, os.getpid())
    if content is None:
        return None
    path.write_text(content, encoding="utf-8")
    return path


def _ansible_settings(scratch: Path) -> dict[str, str]:
    return {
        "ANSIBLE_LOCAL_TEMP": str(scratch),
        "ANSIBLE_INVENTORY_ENABLED": _INVENTORY_PLUGIN,
        "ANSIBLE_INVENTORY_ANY_UNPARSED_IS_FAILED": "1",
        # A user's ansible.cfg may ask for these two: they would put module arguments into files and events.
        "ANSIBLE_KEEP_REMOTE_FILES": "0",
        "ANSIBLE_DISPLAY_ARGS_TO_STDOUT": "0",
        "ANSIBLE_NOCOLOR": "1",
        "ANSIBLE_RETRY_FILES_ENABLED": "0",
        "MAX_EVENT_RES": str(_MAX_RESULT),
    }


def _why(status: str, rc: int | None, settings: Settings, errors: list[str]) -> str:
    """Return, in a line, why resources may be without a result."""
    if status == "timeout":
        return f"the run was stopped at its deadline of {settings.timeout} s (--run-timeout)"
    if status == "canceled":
        return "the run was cancelled"
    text = " ".join(" ".join(errors).split()).removeprefix("[ERROR]: ")
    if text:
        if "could not be found" in text:
            text += " (is the collection installed where ANSIBLE_COLLECTIONS_PATH points to?)"
        return text if len(text) <= MAX_ERROR else f"{text[: MAX_ERROR - 3]}..."
    return f"ansible-playbook ended ({status}, return code {rc}) without a result for this resource"


def adopt_orphans() -> None:
    """Make the processes whose parents die become children of this process, for end_orphans()."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def end_orphans() -> None:
    """Kill what a run left behind, children and their children, and return when they are gone (or after 5 s).

    Children in this process's own session are not of a run: a kubeconfig may name a program that gets a token.
    """
    deadline = time.monotonic() + KILL_SECONDS
    while (orphans := _children_elsewhere()) and time.monotonic() < deadline:
        for pid in orphans:
            try:
                os.kill(pid, signal.SIGKILL)
                os.waitpid(pid, os.WNOHANG)
            except (ProcessLookupError, ChildProcessError):
                continue  # gone meanwhile
        time.sleep(0.01)


def _children_elsewhere() -> list[int]:
    """Return the children of this process that are in another session than it."""
    parent, session = os.getpid(), os.getsid(0)
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            # The name of the program, in parentheses, may hold spaces and parentheses: see proc_pid_stat(5).
            _, ppid, _, sid, *_ = stat.read_text(errors="replace").rpartition(")")[2].split()
        except (OSError, ValueError):
            continue  # it ended meanwhile
        if int(ppid) == parent and int(sid) != session:
            found.append(int(stat.parent.name))
    return found
