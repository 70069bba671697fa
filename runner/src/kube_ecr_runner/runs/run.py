"""The Ansible backend: runs of a playbook through ansible-runner, each for a list of custom resources.

A run begins before it is known what it is for: ansible-playbook starts, imports all it needs, and waits in the
inventory plugin until it is told (see plugin_utils/_standby.py of the collection). That hides a second and a half. Our
own playbook is in it many times over, and between two rounds the inventory is made anew, so that it waits again: what
it started with serves many rounds.

What always holds, however a run ends: its private directory is gone, and so is every process that it started. No key is
in there: the inventory names resources, and the playbook fetches what it needs itself. What a run inherits is up to
environment.py, what it is told beside that to _settings_of() below.

ansible-runner starts ansible-playbook in a session of its own and kills that with SIGKILL when it is told to.
ansible-core's workers are in sessions of their own again; the inventory plugin sees to it that the kernel kills them
when ansible-playbook dies, and that one when the runner does. What lives on all the same is found by its environment.
"""

from __future__ import annotations

import json
import os
import shlex
import sys
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from ansible_runner.interface import init_runner
from ansible_runner.utils import get_callback_dir

from kube_ecr_runner.model.aws_calls import AwsCallCount
from kube_ecr_runner.model.playbook import PlaybookSpec
from kube_ecr_runner.model.resource import Key
from kube_ecr_runner.model.result import Result
from kube_ecr_runner.model.run import TIMEOUT, RunSummary
from kube_ecr_runner.runs.causes import cause_of_error, failure_cause
from kube_ecr_runner.runs.environment import child_environment, own_identity_config
from kube_ecr_runner.runs.job_events import Progress, is_wait
from kube_ecr_runner.runs.output import Output
from kube_ecr_runner.runs.processes import end_all, kill_in, resident_in
from kube_ecr_runner.runs.run_directory import run_directory, tmpdir_of

# How often ansible-runner looks whether it has to stop.
POLL_SECONDS = 0.25
# What a round came to that ended while its ansible-playbook lives on, in ansible-runner's words.
_ROUND_ENDED = "successful"
_INVENTORY_PLUGIN = "kube_ecr.secrets.pull_secrets"
# ansible-runner drops results that are longer; that of a resource with 10,000 namespaces has 3 MB.
_MAX_RESULT = 16_000_000


@dataclass(frozen=True)
class RunSettings:
    """What all runs have in common; timeout is in seconds.

    allowed_aws_identities are the patterns of AWS identities of the runner that namespaced resources may use. Outside
    namespaces nothing is to be read, if there are any; is_dry says that nothing is to be changed, is_pass that nobody
    knows when the next run comes. arguments are further ones of ansible-playbook.
    """

    kubeconfig: str | None = None
    context: str | None = None
    aws_endpoint_url: str | None = None
    allowed_aws_identities: tuple[str, ...] = ()
    namespaces: tuple[str, ...] = ()
    is_dry: bool = False
    is_pass: bool = False
    timeout: int = 300
    forks: int = 5
    arguments: tuple[str, ...] = ()

    def inventory(self, names_file: Path, wait_for: Path) -> dict[str, object]:
        """Return the content of an inventory file that waits for a FIFO, and then reads which resources it is for."""
        options = {
            "plugin": _INVENTORY_PLUGIN,
            "names_file": str(names_file),
            "wait_for": str(wait_for),
            "aws_endpoint_url": self.aws_endpoint_url,
            "kubeconfig": self.kubeconfig and str(Path(self.kubeconfig).expanduser().absolute()),
            "context": self.context,
            "allowed_aws_identities": list(self.allowed_aws_identities) or None,
            "namespaces": list(self.namespaces) or None,
            "renew_early": self.is_pass,
        }
        return {name: value for name, value in options.items() if value is not None}


class Run:
    """One ansible-playbook: from start() on it waits, with execute() it works, then it waits for the next round.

    After the last round it is over. Nothing is raised: whatever goes wrong is in the summary, also that it ended while
    it waited.
    """

    def __init__(
        self,
        playbook: PlaybookSpec,
        settings: RunSettings,
        on_calls: Callable[[list[AwsCallCount]], None],
        rounds: int = 1,
        on_begin: Callable[[], None] = lambda: None,
    ) -> None:
        """on_calls gets what AWS was asked; on_begin is called when it plays. Both are called in another thread."""
        self.playbook = playbook
        self._rounds = rounds
        self._settings = settings
        self._on_calls = on_calls
        self._on_begin = on_begin
        self._progress = self._waiting()
        self._output = Output()
        self._thread = threading.Thread(target=self._follow, name="ansible-playbook", daemon=True)
        self._ready = threading.Event()
        # Guards what the round that works came to: its progress when it was over, or that all is.
        self._state = threading.Condition()
        self._has_begun = False
        self._worked: Progress | None = None
        self._has_ended = False
        self._directory: Path | None = None
        self._release_fd: int | None = None
        self._must_end: Callable[[], bool] = lambda: False
        self._deadline: float | None = None
        self._is_discarded = False
        self._status = "error"
        self._rc: int | None = None

    def start(self) -> None:
        """Start ansible-playbook, and return at once."""
        try:
            self._thread.start()
        except RuntimeError as error:
            # There may be no more threads: as good as a run that ended at once.
            self._progress.errors.append(cause_of_error(error))
            self._end()

    def is_alive(self) -> bool:
        """Return whether ansible-playbook waits or works."""
        return self._thread.is_alive()

    def failure_cause(self) -> str:
        """Return, in a line, why there may be no results."""
        return failure_cause(self._status, self._rc, self._settings.timeout, self._progress.causes(self._status))

    def execute(self, keys: Iterable[Key], deliver: Callable[[Result], None], cancelled: threading.Event) -> RunSummary:
        """Let it work for these resources, and return when the round is over and nothing of it is left.

        deliver gets each result as it arrives, in another thread, or at the end (see job_events.py). The work ends
        early, and ansible-playbook with it, when cancelled is set or at the deadline.
        """
        started = time.monotonic()
        self._progress.deliver, self._progress.missing = deliver, dict.fromkeys(keys)
        self._must_end, self._deadline = cancelled.is_set, started + self._settings.timeout
        self._ready.wait()
        self._release()
        with self._state:
            self._state.wait_for(lambda: self._worked or self._has_ended)
            worked, self._worked = self._worked, None
        self._must_end, self._deadline = lambda: False, None
        if worked is None:
            # Nothing of it is left when its thread is over.
            self.wait()
            return self._summary(self._progress, self._status, time.monotonic() - started)
        return self._summary(worked, _ROUND_ENDED, time.monotonic() - started)

    def _summary(self, progress: Progress, status: str, seconds: float) -> RunSummary:
        error = failure_cause(status, self._rc, self._settings.timeout, progress.causes(status))
        progress.end(status, error)
        return RunSummary(status, self._rc, seconds, error, list(progress.missing))

    def memory(self) -> int:
        """Return the bytes of memory that it takes up while it waits, 0 if it is over."""
        return resident_in(tmpdir_of(self._directory)) if self._directory else 0

    def _waiting(self) -> Progress:
        """Return the progress of a round that has not been told what it is for."""
        return Progress(lambda _: None, {}, self._on_calls, is_held=not self.playbook.is_plain)

    def _handle(self, event: Mapping) -> bool:
        """Take a job event. Those of a round come before that of the play in which the next one is waited for."""
        if self.playbook.verbosity:
            self._output.log(event)
        if not is_wait(event):
            return self._progress.handle(event)
        with self._state:
            if self._has_begun:
                self._worked, self._progress = self._progress, self._waiting()
                self._state.notify_all()
            has_begun, self._has_begun = self._has_begun, True
        if not has_begun:
            self._on_begin()
        return False

    def kill(self) -> None:
        """End it at once: when this returns it writes nothing more. What is left of it goes soon."""
        self._is_discarded = True
        if self._directory is not None:
            kill_in(tmpdir_of(self._directory))

    def wait(self) -> None:
        """Return when it is over and nothing of it is left."""
        if self._thread.ident is not None:
            self._thread.join()

    def _release(self) -> None:
        """Tell it what to work for, or end it if that cannot be; does nothing when it is over."""
        if self._release_fd is None or self._directory is None or self._is_discarded:
            return
        try:
            _names_file(self._directory).write_text(
                json.dumps(list(map(str, self._progress.missing))), encoding="utf-8"
            )
            os.write(self._release_fd, b"\n")
        except OSError as error:
            self._progress.errors.append(f"the run could not be told what to work for: {error}")
            self.kill()

    def _follow(self) -> None:
        try:
            with run_directory() as directory:
                try:
                    self._status, self._rc = self._run_playbook(directory)
                finally:
                    end_all(tmpdir_of(directory))
        except Exception as error:  # noqa: BLE001 (whatever it is, resources wait for a result)
            self._progress.errors.append(cause_of_error(error))
        finally:
            self._output.log_rest()
            self._end()

    def _end(self) -> None:
        self._ready.set()
        with self._state:
            self._has_ended = True
            self._state.notify_all()

    def _run_playbook(self, directory: Path) -> tuple[str, int | None]:
        runner = self._prepare(directory)
        # Open for reading too, so that opening it waits for nobody; and as long as this process lives, so that the
        # other side sees its end.
        self._release_fd, self._directory = os.open(_fifo(directory), os.O_RDWR), directory
        try:
            self._ready.set()
            status, rc = runner.run()
            return (TIMEOUT if self._is_late() else status), rc
        finally:
            release_fd, self._release_fd = self._release_fd, None
            os.close(release_fd)

    def _prepare(self, directory: Path):
        inventory, settings_file = directory / "inventory" / "ecr.yml", directory / "env" / "settings"
        for folder in (inventory.parent, settings_file.parent, tmpdir_of(directory)):
            folder.mkdir(mode=0o700)
        os.mkfifo(_fifo(directory), 0o600)
        # ansible-runner (2.4) reads these from this file only: without it, it drops those that it is called with.
        settings_file.write_text(json.dumps({"suppress_output_file": True, "pexpect_timeout": POLL_SECONDS}))
        # JSON is YAML, and its quoting leaves no text of a name any meaning.
        options = self._settings.inventory(_names_file(directory), _fifo(directory))
        inventory.write_text(json.dumps(options), encoding="utf-8")
        for name, content in self.playbook.files(self._rounds).items():
            (directory / name).write_text(content, encoding="utf-8")
        runner = init_runner(
            private_data_dir=str(directory),
            playbook=self.playbook.path(str(directory)),
            cmdline=shlex.join([*(["--check"] if self._settings.is_dry else []), *self._settings.arguments]) or None,
            verbosity=self.playbook.verbosity,
            inventory=str(inventory),
            forks=self._settings.forks,
            fact_cache_type="",
            quiet=True,
            suppress_env_files=True,
            event_handler=self._handle,
            cancel_callback=self._is_over,
        )
        # The ansible-core of this Python, whatever programs there are.
        runner.config.command[:1] = [sys.executable, "-P", "-m", "ansible", "playbook"]
        config = _write_config(directory / "aws-config", self._settings.aws_endpoint_url)
        tmpdir = tmpdir_of(directory)
        inherited = child_environment(os.environ, tmpdir, Path(sys.executable).parent, config, absolute_path)
        runner.config.env = inherited | _settings_of(directory, Path(runner.config.artifact_dir))
        return runner

    def _is_over(self) -> bool:
        return self._is_discarded or self._must_end() or self._is_late()

    def _is_late(self) -> bool:
        return self._deadline is not None and time.monotonic() > self._deadline


def run_batch(
    keys: Iterable[Key],
    playbook: PlaybookSpec,
    settings: RunSettings,
    deliver: Callable[[Result], None],
    cancelled: threading.Event,
) -> RunSummary:
    """Start a playbook, let it work for these resources, and return when nothing of it is left. See Run.execute()."""
    run = Run(playbook, settings, lambda _: None)
    run.start()
    return run.execute(keys, deliver, cancelled)


def absolute_path(path: str) -> str:
    """Return where a path leads from the working directory of this process; ~ is the user's home."""
    return str(Path(path).expanduser().absolute())


def _names_file(directory: Path) -> Path:
    return directory / "names.json"


def _fifo(directory: Path) -> Path:
    return directory / "release"


def _write_config(path: Path, aws_endpoint_url: str | None) -> Path | None:
    """Write the config file through which boto3 finds an identity that is not inherited; return None without one."""
    content = own_identity_config(os.environ, sys.executable, os.getpid(), aws_endpoint_url)
    if content is None:
        return None
    path.write_text(content, encoding="utf-8")
    return path


def _settings_of(directory: Path, artifacts: Path) -> dict[str, str]:
    """Return what a run is told by variables: there is no other setting, see environment.py.

    artifacts is the folder in which ansible-runner looks for job events.
    """
    # Without one, Ansible would look in the home of the user and in /etc/ansible.
    configuration = directory / "ansible.cfg"
    configuration.touch()
    return {
        # What ansible-runner (2.4) itself sets.
        "ANSIBLE_HOST_KEY_CHECKING": "0",
        "ANSIBLE_CALLBACK_PLUGINS": get_callback_dir(),
        "ANSIBLE_STDOUT_CALLBACK": "awx_display",
        "AWX_ISOLATED_DATA_DIR": str(artifacts),
        "MAX_EVENT_RES": str(_MAX_RESULT),
        "ANSIBLE_CONFIG": str(configuration),
        # These and callbacks run without being named, also those in the home of the user.
        "ANSIBLE_VARS_PLUGINS": str(tmpdir_of(directory)),
        "ANSIBLE_LOCAL_TEMP": str(tmpdir_of(directory)),
        "ANSIBLE_INVENTORY_ENABLED": _INVENTORY_PLUGIN,
        "ANSIBLE_INVENTORY_ANY_UNPARSED_IS_FAILED": "1",
        # The inventory is empty until the first round.
        "ANSIBLE_LOCALHOST_WARNING": "0",
        "ANSIBLE_INVENTORY_UNPARSED_WARNING": "0",
        # Seconds. Ansible looks 1,000 times a second whether a worker has ended, which costs more than it gains here.
        "ANSIBLE_INTERNAL_POLL_INTERVAL": "0.01",
        "ANSIBLE_RETRY_FILES_ENABLED": "0",
    }
