"""The test tools that are written in Go: built once, kept in a cache, shared by every checkout.

A tool is a Go module in `tests/support/go/NAME`, or in `NAME-VERSION` if there are several of them. A module without
sources of ours is a program of others: its go.mod names the package that is built, as its only `tool`. The binary is
kept under a key made of all that goes into it (sources, go.mod, go.sum, linker flags, build tags, the version of Go).
So a checkout never runs a binary of other sources, and a second checkout with the same sources does not build.
`python -m tests.support.harness.tools [NAME...]` builds ahead of the tests and prints where the binaries are. The cache
is safe to delete at any time.
"""

from __future__ import annotations

import argparse
import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

# Of which version the tests take helm, and API server and controller manager: `make matrix` chooses others.
HELM = os.environ.get("KUBE_ECR_TEST_HELM", "helm")
CONTROL_PLANE = os.environ.get("KUBE_ECR_TEST_CONTROL_PLANE", "controlplane")

_SOURCES = Path(__file__).parents[1] / "go"
_BUILD_NOTES = {
    "bundle": "about 4 minutes on 2 cores, once; later checkouts reuse it",
    "controlplane-1.29": "about 10 minutes on 2 cores, once; later checkouts reuse it",
    "consumers": "about 3 minutes on 2 cores, once; later checkouts reuse it",
    "controlplane": "about 10 minutes on 2 cores, once; later checkouts reuse it",
    "cosign": "about 4 minutes on 2 cores, once; later checkouts reuse it",
    "gitops": "about 2 minutes on 2 cores, once; later checkouts reuse it",
    "helm": "about 3 minutes on 2 cores, once; later checkouts reuse it",
    "oras": "about 1 minute on 2 cores, once; later checkouts reuse it",
    "registry": "about 2 minutes on 2 cores, once; later checkouts reuse it",
}
_INPUTS = ("go.mod", "go.sum", "ldflags", "tags")
_PROGRESS_SECONDS = 20.0
_TAIL_LINES = 40


class ToolError(RuntimeError):
    """A test tool cannot be built; the text says what is missing or shows the end of the build's output."""


def cache_dir() -> Path:
    """Return the directory that all checkouts share: `$KUBE_ECR_CACHE`, else the user's cache directory."""
    if chosen := os.environ.get("KUBE_ECR_CACHE"):
        return Path(chosen).expanduser()
    base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(base).expanduser() / "kube-ecr-secrets"


def go_tool(name: str) -> Path:
    """Return the path of the tool's binary, built first if the cache does not hold it.

    Two processes that ask at once build once: the second waits for the first. Progress goes to stderr.
    Raises ToolError when there is no suitable Go or the build fails.
    """
    source = _SOURCES / name
    go_version = _go_version(source)
    home = cache_dir() / "tools" / f"{name}-{_key(source, go_version)}"
    binary = home / name.partition("-")[0]
    if binary.exists():
        return binary
    home.mkdir(parents=True, exist_ok=True)
    with _lock(home / "lock", name):
        if not binary.exists():
            _build(source, binary)
    return binary


def _go_version(source: Path) -> str:
    """Return what `go version` prints in that module; raises ToolError if Go is absent or too old for it."""
    match = re.search(r"^go (\S+)$", (source / "go.mod").read_text(), re.MULTILINE)
    if match is None:
        raise ToolError(f"{source / 'go.mod'} names no Go version")
    needed = match[1]
    remedy = f"Go {needed} or newer is needed to build the test tool '{source.name}' (https://go.dev/dl/)"
    if shutil.which("go") is None:
        raise ToolError(f"there is no `go` on PATH: {remedy}")
    found = subprocess.run(["go", "version"], cwd=source, env=_go_env(), capture_output=True, text=True)
    if found.returncode != 0:
        raise ToolError(f"`go version` failed: {remedy}\n{found.stderr.strip()}")
    version = found.stdout.strip()
    if _release(version) < _release(f"go{needed}"):
        raise ToolError(f"`go` is too old: {remedy}; found: {version}")
    return version


def _release(text: str) -> tuple[int, ...]:
    match = re.search(r"go(\d+)\.(\d+)(?:\.(\d+))?", text)
    return tuple(int(part or 0) for part in match.groups()) if match else (0, 0, 0)


def _go_env() -> dict[str, str]:
    settings = {"CGO_ENABLED": "0", "GOFLAGS": "-mod=readonly -buildvcs=false", "GOWORK": "off"}
    return {**os.environ, **settings}


def _key(source: Path, go_version: str) -> str:
    digest = hashlib.sha256(go_version.encode())
    files = [path for path in source.iterdir() if path.suffix == ".go" or path.name in _INPUTS]
    for path in sorted(files):
        content = path.read_bytes()
        digest.update(f"\0{path.name}\0{len(content)}\0".encode())
        digest.update(content)
    return digest.hexdigest()[:16]


@contextmanager
def _lock(path: Path, name: str) -> Iterator[None]:
    with path.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            _say(f"another process is building the test tool '{name}': waiting for it")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _build(source: Path, binary: Path) -> None:
    note = _BUILD_NOTES.get(source.name, "once; later checkouts reuse it")
    _say(f"building the test tool '{source.name}' into {binary.parent} ({note})")
    started = time.monotonic()
    unfinished = binary.with_name(f"{binary.name}.unfinished")
    # Kubernetes' own build sets its version in this way; kubectl refuses to work without one.
    extra = source / "ldflags"
    flags = f"-s -w {' '.join(extra.read_text().split())}" if extra.exists() else "-s -w"
    chosen = source / "tags"
    tags = ["-tags", ",".join(chosen.read_text().split())] if chosen.exists() else []
    command = ["go", "build", "-v", "-trimpath", *tags, "-ldflags", flags, "-o", str(unfinished), _package(source)]
    build = subprocess.Popen(
        command, cwd=source, env=_go_env(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    try:
        status, tail = _follow(build, source.name, started)
    finally:
        build.kill()
        build.wait()
    if status != 0:
        raise ToolError(f"the build of the test tool '{source.name}' failed ({status}):\n{'\n'.join(tail)}")
    unfinished.rename(binary)
    _say(f"built '{source.name}' in {time.monotonic() - started:.0f} s")


def _package(source: Path) -> str:
    """Return what to build in that module: itself, or the only tool that its go.mod names."""
    if list(source.glob("*.go")):
        return "."
    (package,) = re.findall(r"^tool (\S+)$", (source / "go.mod").read_text(), re.MULTILINE)
    return package


def _follow(build: subprocess.Popen[str], name: str, started: float) -> tuple[int, list[str]]:
    """Wait for the build, telling how far it is; return its exit status and the end of its output."""
    tail: deque[str] = deque(maxlen=_TAIL_LINES)
    lines = 0

    def read() -> None:
        nonlocal lines
        assert build.stdout is not None
        with build.stdout:
            for line in build.stdout:
                tail.append(line.rstrip())
                lines += 1

    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    while True:
        reader.join(_PROGRESS_SECONDS)
        if not reader.is_alive():
            return build.wait(), list(tail)
        last = tail[-1] if tail else "fetching modules"
        _say(f"building '{name}': {time.monotonic() - started:.0f} s, {lines} packages so far, at {last}")


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def main() -> None:
    """Build the tools named on the command line (all of them by default) and print their paths."""
    known = sorted(path.name for path in _SOURCES.iterdir() if (path / "go.mod").exists())
    parser = argparse.ArgumentParser(prog="python -m tests.support.harness.tools", description="Build the test tools.")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"tools to build: {', '.join(known)}")
    names = parser.parse_args().names or known
    if unknown := sorted(set(names) - set(known)):
        parser.error(f"unknown tool: {', '.join(unknown)}")
    try:
        for name in names:
            print(go_tool(name))
    except ToolError as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
