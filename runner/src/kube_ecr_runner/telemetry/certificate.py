"""The certificate with which the metrics are served: from files that are replaced now and then, or of the runner's own.

What always holds: a new certificate counts from the next connection on, and one that cannot be used never takes the
place of one that can. No key is written anywhere.
"""

from __future__ import annotations

import logging
import os
import ssl
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from datetime import timedelta
from pathlib import Path
from typing import Protocol

from kube_ecr_runner.contract.tls import words_of
from kube_ecr_runner.log import fields
from kube_ecr_runner.model.errors import StartupError

# The keys of a Secret of type kubernetes.io/tls, as cert-manager and OpenShift's service CA write it.
CERTIFICATE_FILE = "tls.crt"
KEY_FILE = "tls.key"
# That of the runner's own. It is made anew after half of it.
LIFE = timedelta(days=365)

_log = logging.getLogger(__name__)

type _State = tuple[tuple[int, int, int, int], ...]


class CertificateError(StartupError):
    """There is no certificate that can be used; the text says where it was looked for, and what to do."""


class Certificate(Protocol):
    """Where the certificate comes from; may be asked from any thread."""

    def context(self) -> ssl.SSLContext:
        """Return how TLS is spoken with whoever connects now; raises nothing."""


class CertificateFiles:
    """The certificate in a folder. It is looked at with each connection, so there is nothing that watches it.

    kubelet replaces both files of a mounted Secret at once, by a symbolic link above them; others may be slower.
    """

    def __init__(self, folder: Path) -> None:
        """Read it. Raises CertificateError."""
        self._paths = (folder / CERTIFICATE_FILE, folder / KEY_FILE)
        self._lock = threading.Lock()
        try:
            self._seen = self._look()
            self._context = _context(*self._paths)
        except OSError as error:
            raise CertificateError(
                f"--metrics-cert-path: {_worded(error, folder)}; the folder has to hold a certificate in "
                f"{CERTIFICATE_FILE} and its key, without a password, in {KEY_FILE}"
            ) from None

    def context(self) -> ssl.SSLContext:
        """Return how TLS is spoken, with the certificate as it is in the files now."""
        with self._lock:
            try:
                seen = self._look()
                if seen != self._seen:
                    self._replace(seen)
            except OSError as error:
                self._keep((), error)
            return self._context

    def _replace(self, seen: _State) -> None:
        try:
            context = _context(*self._paths)
        except OSError as error:
            # Where another pair has come meanwhile, the next connection gets that.
            if self._look() == seen:
                self._keep(seen, error)
            return
        self._seen, self._context = seen, context
        _log.info("read the new certificate of the metrics")

    def _keep(self, seen: _State, error: OSError) -> None:
        if seen != self._seen:
            self._seen = seen
            cause = _worded(error, self._paths[0].parent)
            _log.error("cannot use the new certificate of the metrics, keeping the old one", extra=fields(cause=cause))

    def _look(self) -> _State:
        """Return what changes when a file is replaced or written to. Raises OSError."""
        stats = [path.stat() for path in self._paths]
        return tuple((each.st_dev, each.st_ino, each.st_mtime_ns, each.st_size) for each in stats)


class OwnCertificate:
    """A certificate that nobody has signed: what is sent cannot be read on the way, but clients do not know by whom.

    The key is in memory alone, and is another one each time.
    """

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        """Make one. Raises CertificateError."""
        self._clock = clock
        self._lock = threading.Lock()
        try:
            self._make()
        except OSError as error:
            raise CertificateError(
                f"--metrics-secure: no certificate can be made ({error.strerror}); name one with --metrics-cert-path"
            ) from None

    def context(self) -> ssl.SSLContext:
        """Return how TLS is spoken."""
        with self._lock:
            if self._clock() - self._made_at > LIFE.total_seconds() / 2:
                with suppress(OSError):  # the old one will do for as long again
                    self._make()
            return self._context

    def _make(self) -> None:
        # Not at the top: this library takes memory, and most runners do without it.
        from kube_ecr_runner.telemetry.self_signed import self_signed

        certificate, key = self_signed(LIFE)
        # Python's ssl reads certificates from files only. These have no name, and go with their descriptors.
        with ExitStack() as stack:
            self._context = _context(*(_in_memory(stack, content) for content in (certificate, key)))
        self._made_at = self._clock()


def _in_memory(stack: ExitStack, content: bytes) -> Path:
    descriptor = os.memfd_create("certificate")
    stack.callback(os.close, descriptor)
    os.write(descriptor, content)
    return Path(f"/proc/self/fd/{descriptor}")


def _context(certificate: Path, key: Path) -> ssl.SSLContext:
    """Return one of its own for each pair: if a key does not fit, the context is of no more use.

    Raises OSError, of which ssl.SSLError is one.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    # Without a password OpenSSL would ask for one on the terminal, and wait.
    context.load_cert_chain(certificate, key, password="")
    return context


def _worded(error: OSError, folder: Path) -> str:
    if isinstance(error, ssl.SSLError):
        # Of what it cannot read, OpenSSL says no more than that.
        return f"{folder}: {words_of(error) if error.reason else 'the certificate or the key cannot be read'}"
    return f"{error.filename or folder}: {error.strerror}"
