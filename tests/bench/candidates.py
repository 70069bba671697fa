"""What is measured: builds of the runner, and any other operator that serves the same custom resources.

A candidate is started as its users start it, and known by its command and its environment. None of its code is imported
here.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import time
import zlib
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Self
from urllib.parse import urlsplit

from tests.support.cluster.control_plane import ControlPlane
from tests.support.cluster.pki import CertificateAuthority
from tests.support.harness.tools import cache_dir

ROOT = Path(__file__).parents[2]
THIS, BASE, PEER = "this", "base", "peer"
# At rest is what takes less than this part of one core for so long.
_REST_CORES = 0.04
_REST_SECONDS = 1.0
_REST_LIMIT_SECONDS = 60.0
_TAIL_LINES = 30
_BUILT = (".venv", "build")


class CandidateError(RuntimeError):
    """A candidate cannot be built, or has ended; the text says why."""


# Makes a mount namespace look like a pod's: nobody outside sees it. See unshare(1).
_IN_POD = (
    *("unshare", "--mount", "--propagation", "private", "sh", "-ec"),
    (
        'mount -t tmpfs tmpfs /run; mkdir -p /run/secrets/kubernetes.io; ln -s "$0" '
        '/run/secrets/kubernetes.io/serviceaccount; exec "$@"'
    ),
)


@dataclass(frozen=True)
class Access:
    """How candidates reach the API server: a kubeconfig, or what a pod has, a folder and an address."""

    kubeconfig: Path
    service_account: Path
    host: str
    port: int

    @classmethod
    def of(cls, plane: ControlPlane) -> Self:
        """Give a service account all rights, and write what a pod of it would find. Raises KubectlError."""
        plane.kubectl("create", "serviceaccount", "bench", "--namespace=default")
        grant = ("--clusterrole=cluster-admin", "--serviceaccount=default:bench")
        plane.kubectl("create", "clusterrolebinding", "bench", *grant)
        folder = plane.kubeconfig.parent / "service-account"
        folder.mkdir()
        token = plane.kubectl("create", "token", "bench", "--namespace=default", "--duration=24h").strip()
        for name, content in (("token", token), ("ca.crt", plane.ca.pem.decode()), ("namespace", "default")):
            (folder / name).write_text(content)
        address = urlsplit(plane.url)
        return cls(plane.kubeconfig, folder, str(address.hostname), address.port or 443)


@dataclass(frozen=True)
class Candidate:
    """One thing that is measured; `env` and `command` may hold {home}, {aws} and what Access gives."""

    name: str
    label: str
    command: tuple[str, ...]
    env: Mapping[str, str] = field(hash=False)
    # The form of the Go operator: keys in base64, and namespaces by name.
    is_peer: bool = False


def this_build() -> Candidate:
    """Build the files of this checkout as they are, committed or not, in a copy of it."""
    changed = _git(ROOT, "status", "--porcelain", "--", "plugins", "runner", "playbooks", "roles")
    # A folder for each checkout, in which the next bench finds what did not change.
    checkout = _builds() / f"checkout-{zlib.crc32(bytes(ROOT)):08x}"
    _copy_files(ROOT, checkout)
    label = _revision(ROOT) + (" with changes" if changed else "")
    return _build(THIS, checkout, label)


def base_build(revision: str) -> Candidate:
    """Check a revision out into a clone of its own, and build it there."""
    commit = _git(ROOT, "rev-parse", "--verify", "--quiet", f"{revision}^{{commit}}")
    if not commit:
        raise CandidateError(f"BASE={revision} is no revision of this repository")
    checkout = _builds() / commit[:16]
    if not (checkout / ".git").exists():
        _run("git", "clone", "--quiet", "--no-checkout", str(ROOT), str(checkout))
    _run("git", "-C", str(checkout), "checkout", "--quiet", "--detach", commit)
    return _build(BASE, checkout, _revision(checkout))


def _builds() -> Path:
    folder = cache_dir() / "bench"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _copy_files(source: Path, target: Path) -> None:
    """Make a folder hold the files of a checkout that git does not ignore, and keep what was built in it."""
    target.mkdir(exist_ok=True)
    for old in target.iterdir():
        if old.name not in _BUILT:
            shutil.rmtree(old) if old.is_dir() and not old.is_symlink() else old.unlink()
    for name in _git(source, "ls-files", "-z", "--cached", "--others", "--exclude-standard").split("\0"):
        path = source / name
        if name and (path.is_symlink() or path.is_file()):
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(path, target / name, follow_symlinks=False)


def peer(command: str) -> Candidate:
    """Return an operator that finds the cluster by KUBECONFIG and AWS by AWS_ENDPOINT_URL."""
    program, *options = shlex.split(command)
    path = shutil.which(program)
    if path is None:
        raise CandidateError(f"PEER={program} is no program")
    env = {
        "PATH": os.environ["PATH"],
        "HOME": "{home}",
        "TMPDIR": "{home}",
        "KUBECONFIG": "{kubeconfig}",
        "AWS_ENDPOINT_URL": "{aws}",
        "AWS_EC2_METADATA_DISABLED": "true",
    }
    return Candidate(PEER, _module_of(path), (str(Path(path).resolve()), *options), env, is_peer=True)


def _build(name: str, checkout: Path, label: str) -> Candidate:
    """Build in a folder of its own: a bench that ran out of the same folder would share pages of memory with it."""
    print(f"building {name}: {label}", flush=True)
    # What our make exports would make that one use our virtual environment.
    env = {name: value for name, value in os.environ.items() if not re.match(r"MAKE|MFLAGS|ANSIBLE_|VIRTUAL_", name)}
    env["PATH"] = _path_without(Path(sys.prefix) / "bin")
    _run("make", "-C", str(checkout), "install-collection", "install-runner", env=env)
    programs = checkout / ".venv" / "bin"
    options = ("--watches", str(checkout / "runner" / "watches.yaml"), "--listen-address", "127.0.0.1:0")
    env = {
        "PATH": f"{programs}:{_path_without(Path(sys.prefix) / 'bin')}",
        "HOME": "{home}",
        "TMPDIR": "{home}",
        "LANG": "C.UTF-8",
        "ANSIBLE_COLLECTIONS_PATH": str(checkout / ".venv" / "collections"),
        "KUBERNETES_SERVICE_HOST": "{host}",
        "KUBERNETES_SERVICE_PORT": "{port}",
        "KUBE_ECR_AWS_ENDPOINT_URL": "{aws}",
    }
    return Candidate(name, label, (*_IN_POD, "{account}", str(programs / "kube-ecr-runner"), *options), env)


class Running:
    """A candidate that was started below a supervisor."""

    def __init__(self, candidate: Candidate, home: Path, access: Access, aws: str) -> None:
        """Start it; `home` is a folder that it may fill."""
        self.candidate = candidate
        self.log = home / "log"
        if candidate.is_peer:
            _write_webhook_certificate(home)
        values = {
            "home": home,
            "kubeconfig": access.kubeconfig,
            "account": access.service_account,
            "host": access.host,
            "port": access.port,
            "aws": aws,
        }
        start = {
            "command": [part.format(**values) if part.startswith("{") else part for part in candidate.command],
            "env": {name: value.format(**values) for name, value in candidate.env.items()},
            "directory": str(home),
            "log": str(self.log),
        }
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.bench.supervisor"], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._to: IO[bytes] = self._process.stdin
        self._from: IO[bytes] = self._process.stdout
        self._say(start)

    def cpu(self) -> float:
        """Return the CPU seconds that it took so far, with all that it started."""
        return self._ask("cpu")

    def pss(self) -> float:
        """Return its memory in MiB, with all that it started."""
        return self._ask("pss")

    def watch_memory(self) -> None:
        """Look for the peak of its memory from now on."""
        self._ask("watch")

    def peak(self) -> float:
        """Return the highest memory since `watch_memory` in MiB, and look no more."""
        return self._ask("peak")

    def rest(self) -> None:
        """Wait until it does nothing any more."""
        deadline = time.monotonic() + _REST_LIMIT_SECONDS
        before = self.cpu()
        while True:
            time.sleep(_REST_SECONDS)
            now = self.cpu()
            if now - before < _REST_CORES * _REST_SECONDS:
                return
            if time.monotonic() > deadline:
                raise CandidateError(f"{self.candidate.name} does not come to rest\n{self._tail()}")
            before = now

    def stop(self) -> None:
        """End it, and all that it started."""
        with suppress(BrokenPipeError):
            self._to.close()
        self._process.wait()
        self._from.close()

    def _ask(self, what: str) -> float:
        self._say({"ask": what})
        answer = json.loads(self._from.readline() or b'{"status": "without an answer"}')
        if answer["status"] is not None:
            raise CandidateError(f"{self.candidate.name} has ended: {answer['status']}\n{self._tail()}")
        return answer["value"] or 0.0

    def _say(self, content: Mapping[str, object]) -> None:
        self._to.write(json.dumps(content).encode() + b"\n")
        self._to.flush()

    def _tail(self) -> str:
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-_TAIL_LINES:])


def _write_webhook_certificate(home: Path) -> None:
    """Write what controller-runtime's webhook server does not start without; the API server never calls it here."""
    folder = home / "k8s-webhook-server" / "serving-certs"
    folder.mkdir(parents=True)
    pair = CertificateAuthority("bench").server("webhook", ["localhost"])
    (folder / "tls.crt").write_bytes(pair.public)
    (folder / "tls.key").write_bytes(pair.key)


def _module_of(program: str) -> str:
    """Return name and version that Go put into a program, its file name if there are none."""
    name = Path(program).name
    try:
        done = subprocess.run(["go", "version", "-m", program], capture_output=True, text=True)
    except OSError:
        return name
    found = re.search(r"^\tmod\t(\S+)\t(\S+)", done.stdout, re.MULTILINE)
    return f"{found[1].rsplit('/', 1)[-1]} {found[2]}" if found else name


def _path_without(folder: Path) -> str:
    return ":".join(each for each in os.environ["PATH"].split(":") if Path(each) != folder)


def _revision(checkout: Path) -> str:
    return _git(checkout, "rev-parse", "--short=9", "HEAD")


def _git(checkout: Path, *arguments: str) -> str:
    return subprocess.run(["git", "-C", str(checkout), *arguments], capture_output=True, text=True).stdout.strip()


def _run(*command: str, env: Mapping[str, str] | None = None) -> None:
    done = subprocess.run(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode != 0:
        tail = "\n".join(done.stdout.splitlines()[-_TAIL_LINES:])
        raise CandidateError(f"{' '.join(command)} failed ({done.returncode})\n{tail}")
