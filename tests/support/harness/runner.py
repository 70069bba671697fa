"""The runner as a user starts it: the command kube-ecr-runner, its log in a file, ended by SIGTERM."""

from __future__ import annotations

import http.client
import re
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tests.support.harness.ansible import Ansible
from tests.support.harness.processes import Service, kill_all, processes_with_home

WATCHES = Path(__file__).parents[3] / "runner" / "watches.yaml"
_STOP_SECONDS = 30.0
_ANSWER_SECONDS = 5.0
_PASS_SECONDS = 120.0


def run_once(ansible: Ansible, *options: str, watches: Path = WATCHES, **env: str) -> subprocess.CompletedProcess[str]:
    """Start the runner with these options and wait until it ends by itself: with --once, or because it cannot begin.

    Its TMPDIR is one of its own, and empty afterwards.
    """
    command = [str(ansible.bin_dir / "kube-ecr-runner"), "--watches", str(watches), *options]
    with tempfile.TemporaryDirectory() as temporary:
        environment = {**ansible.environment(), "TMPDIR": temporary, **env}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=_PASS_SECONDS)
        assert not list(Path(temporary).iterdir()), "its private directories are gone"
    assert "Traceback" not in done.stderr
    return done


class Runner(Service):
    """One process of the runner, in the environment of `ansible`, from `start()` to `stop()` or as a context manager.

    The cluster and the AWS endpoint are those of the environment: K8S_AUTH_KUBECONFIG, KUBE_ECR_AWS_ENDPOINT_URL. When
    it is started again, its log goes on where that of the last one ended. It listens on a port that is free.
    """

    def __init__(self, ansible: Ansible, log: Path, *options: str, through: Sequence[str] = ()) -> None:
        """Prepare; through is a command that ends in what it is to execute, such as env or unshare."""
        self._ansible = ansible
        self.log_path = log
        self._options = options
        self._through = through
        self.process: subprocess.Popen[bytes] | None = None

    def stop(self, how: signal.Signals = signal.SIGTERM) -> int:
        """End it and return its exit status; does nothing when it is stopped."""
        if self.process is None:
            return 0
        self.process.send_signal(how)
        try:
            status = self.process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise
        self.process = None
        return status

    def kill(self) -> None:
        """End it as a container is killed: all its processes go at once, its files stay."""
        self.stop(signal.SIGKILL)
        kill_all(self._ansible.home)

    def processes(self) -> list[int]:
        """Return it, and all that it started."""
        return processes_with_home(self._ansible.home)

    def clean(self) -> None:
        """Remove the files of a container that was killed, as its replacement finds none."""
        shutil.rmtree(self.temporary)
        self.temporary.mkdir()

    @property
    def temporary(self) -> Path:
        """The TMPDIR that it was given."""
        return Path(self._ansible.env["TMPDIR"])

    @property
    def log(self) -> str:
        """All that it wrote so far."""
        return self.log_path.read_text()

    def is_watching(self) -> bool:
        """Return whether it has listed the resources, and serves them from now on."""
        return re.search(r"[ \"]watching[ \"]", self.log) is not None

    @property
    def address(self) -> str:
        """Where it listens."""
        return re.findall(r'listening"?[=:] ?"?([\d.:]+)', self.log)[-1]

    def ask(self, path: str) -> tuple[int, str]:
        """Return status and text of what it answers on its port."""
        connection = http.client.HTTPConnection(self.address, timeout=_ANSWER_SECONDS)
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        finally:
            connection.close()

    def runs(self) -> list[str]:
        """Return the log lines of the runs that have ended."""
        return [line for line in self.log.splitlines() if " run ended " in line]

    def _start(self) -> None:
        program = str(self._ansible.bin_dir / "kube-ecr-runner")
        options = ["--watches", str(WATCHES), "--listen-address", "127.0.0.1:0", *self._options]
        with self.log_path.open("ab") as output:
            self.process = subprocess.Popen(
                [*self._through, program, *options],
                cwd=self._ansible.home,
                env=self._ansible.environment(),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
