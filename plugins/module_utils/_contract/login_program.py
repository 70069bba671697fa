# Copyright: kube_ecr.secrets contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The login program of a kubeconfig (an exec plugin): runs it, and says what became of it.

The official client waits for it without end, and where it fails it logs that and goes on without a credential, so that
all one hears is what system:anonymous may not do. What always holds: what the program prints to standard output, which
holds the credential, is in no text.
https://kubernetes.io/docs/reference/access-authn-authz/authentication/#client-go-credential-plugins
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from queue import Empty, Queue
from typing import Any, NoReturn, TypeVar

from .api_server import first_line
from .reading import list_in, mapping_in, mappings_in, text_in

LIMIT_SECONDS = 60.0
# Where a person is there to answer what it asks.
INTERACTIVE_LIMIT_SECONDS = 300.0
_BY_HAND = "run it by hand to see what it does"

T = TypeVar("T")


class LoginProgramError(Exception):
    """The login program gives no credential; the text names it, says why, and what to do."""


@dataclass(frozen=True)
class ExecCredential:
    """What a login program gave: a token, or a certificate with its key, and until when (RFC 3339), empty if unsaid."""

    token: str = field(default="", repr=False)
    certificate: str = field(default="", repr=False)
    key: str = field(default="", repr=False)
    expires: str = ""


def exec_credential(settings: Mapping[str, Any], cluster: Mapping[str, Any], folder: str) -> ExecCredential:
    """Run the program that settings, users[].user.exec of a kubeconfig, describe; return what it gives.

    cluster is clusters[].cluster, folder that of the kubeconfig, where the program is started.
    Raises LoginProgramError.
    """
    command = text_in(settings, "command")
    if not command or not text_in(settings, "apiVersion"):
        raise LoginProgramError("user.exec of the kubeconfig needs command and apiVersion; add what is missing")
    try:
        return _credential(_output(command, settings, cluster, folder), text_in(settings, "apiVersion"))
    except LoginProgramError as error:
        raise LoginProgramError(f"the login program {command} (user.exec of the kubeconfig) {error}") from None


def in_time(act: Callable[[], T]) -> T:
    """Return what act returns, or raise what it raises; LoginProgramError if it takes too long, and is left alone."""
    done: Queue[Callable[[], T]] = Queue()
    threading.Thread(target=lambda: done.put(_outcome(act)), name="login", daemon=True).start()
    try:
        outcome = done.get(timeout=LIMIT_SECONDS)
    except Empty:
        text = f"the auth-provider of the kubeconfig did not end within {LIMIT_SECONDS:g} s; {_BY_HAND}"
        raise LoginProgramError(text) from None
    return outcome()


def _outcome(act: Callable[[], T]) -> Callable[[], T]:
    try:
        found = act()
    except Exception as error:  # noqa: BLE001 - raised where it is waited for
        return partial(_raise, error)
    return lambda: found


def _raise(error: Exception) -> NoReturn:
    raise error


def _output(command: str, settings: Mapping[str, Any], cluster: Mapping[str, Any], folder: str) -> bytes:
    """Return what the program prints."""
    mode, has_terminal = text_in(settings, "interactiveMode"), _has_terminal()
    if mode == "Always" and not has_terminal:
        raise LoginProgramError("wants to ask (interactiveMode: Always), and there is no terminal; use another login")
    asks = has_terminal and mode != "Never"
    arguments = [command, *list_in(settings, "args")]
    environment: dict[str, Any] = {
        **os.environ,
        **{text_in(item, "name"): item.get("value") for item in mappings_in(settings, "env")},
    }
    if not all(isinstance(text, str) for text in (*arguments, *environment.values())):
        raise LoginProgramError("cannot be started: args and env have to be texts; put numbers in quotes")
    environment["KUBERNETES_EXEC_INFO"] = json.dumps(_info(settings, cluster, asks=asks), default=str)
    try:
        # AnsibleModule.run_command is none for the runner, which runs this code, too.
        process = subprocess.Popen(  # pylint: disable=ansible-bad-function
            arguments,
            stdin=None if asks else subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=None if asks else subprocess.PIPE,
            cwd=folder or None,
            env=environment,
            # With what it starts it can then be ended; who asks needs the terminal of this session.
            start_new_session=not asks,
        )
    except FileNotFoundError:
        hint = first_line(text_in(settings, "installHint"))
        raise LoginProgramError(f"is not there; install it, or correct PATH{f' ({hint})' if hint else ''}") from None
    except OSError as error:
        raise LoginProgramError(f"cannot be started: {error.strerror}; check its file") from None
    except ValueError:  # an equals sign, or a null byte
        raise LoginProgramError("cannot be started; check the characters in args and env") from None
    limit = INTERACTIVE_LIMIT_SECONDS if asks else LIMIT_SECONDS
    try:
        output, told = process.communicate(timeout=limit)
    except subprocess.TimeoutExpired:
        raise LoginProgramError(f"did not end within {limit:g} s; {_BY_HAND}, or whether it asks something") from None
    finally:
        _end(process)
    if process.returncode:
        raise LoginProgramError(f"{_ending(process.returncode)}: {_said(told)}")
    return output


def _has_terminal() -> bool:
    return all(stream is not None and stream.isatty() for stream in (sys.stdin, sys.stderr))


def _info(settings: Mapping[str, Any], cluster: Mapping[str, Any], *, asks: bool) -> dict[str, Any]:
    """Return what the program is told: https://kubernetes.io/docs/reference/config-api/client-authentication.v1/"""
    spec: dict[str, Any] = {"interactive": asks}
    if settings.get("provideClusterInfo"):
        named = {text_in(item, "name"): item.get("extension") for item in mappings_in(cluster, "extensions")}
        spec["cluster"] = {name: value for name, value in cluster.items() if name != "extensions"}
        spec["cluster"]["config"] = named.get("client.authentication.k8s.io/exec")
    return {"apiVersion": text_in(settings, "apiVersion"), "kind": "ExecCredential", "spec": spec}


def _end(process: subprocess.Popen[bytes]) -> None:
    """See to it that nothing is left of a program that took too long."""
    if process.poll() is None:
        with suppress(OSError):
            os.killpg(process.pid, signal.SIGKILL) if os.getpgid(process.pid) == process.pid else process.kill()
        process.wait()
    for stream in (process.stdout, process.stderr):
        if stream:
            stream.close()


def _ending(code: int) -> str:
    return f"ended with code {code}" if code > 0 else f"was ended by signal {-code}"


def _said(told: bytes | None) -> str:
    """Return what a program says of its failure: of a traceback, the end."""
    lines = [line.strip() for line in (told or b"").decode(errors="replace").splitlines() if line.strip()]
    if not lines:
        return f"it said nothing; {_BY_HAND}" if told is not None else "see what it said above"
    return first_line(lines[-1] if lines[0].startswith("Traceback") else " ".join(lines))


def _credential(output: bytes, version: str) -> ExecCredential:
    try:
        found = json.loads(output)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict) or found.get("kind") != "ExecCredential":
        raise LoginProgramError(f"printed no ExecCredential; {_BY_HAND}")
    if found.get("apiVersion") != version:
        raise LoginProgramError(f"speaks another version than {version}; write its own into user.exec.apiVersion")
    status = mapping_in(found, "status")
    names = ("token", "clientCertificateData", "clientKeyData", "expirationTimestamp")
    token, certificate, key, expires = (text_in(status, name) for name in names)
    if not token and not (certificate and key):
        raise LoginProgramError(f"gave neither a token nor a certificate with its key; {_BY_HAND}")
    return ExecCredential(token.strip(), certificate, key, expires)
