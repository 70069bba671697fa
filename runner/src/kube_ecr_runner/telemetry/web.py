"""The port for probes and Prometheus: /healthz, /readyz and /metrics over plain HTTP.

What always holds: an answer needs no lock that is held for long and no other machine, so it comes while the work loop
hangs; a client that is slow or many of them cost a few threads and nothing else.
"""

from __future__ import annotations

import errno
import logging
import socket
import sys
import threading
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Self

from kube_ecr_runner.log import fields
from kube_ecr_runner.model.address import Address
from kube_ecr_runner.model.errors import StartupError
from kube_ecr_runner.telemetry.metrics import CONTENT_TYPE
from kube_ecr_runner.telemetry.monitor import Monitor

CLIENT_SECONDS = 5.0
MAX_CLIENTS = 32
# How often it is looked whether to end.
POLL_SECONDS = 0.1
_PLAIN = "text/plain; charset=utf-8"

_log = logging.getLogger(__name__)


class ListenError(StartupError):
    """The port cannot be opened; the text says what to set."""


class Listener:
    """Answers from when it is made until it is left as a context manager."""

    def __init__(self, address: Address, monitor: Monitor) -> None:
        """Open the port. Raises ListenError."""
        try:
            self._server = _server(address, _Answers(monitor))
        except OSError as error:
            raise ListenError(
                f"cannot listen on {address}: {error.strerror or error}; set --listen-address (or "
                "KUBE_ECR_LISTEN_ADDRESS) to an address that is free, or to none to do without probes and metrics"
            ) from None
        self.address = Address(address.host, self._server.server_port)
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(POLL_SECONDS,), name="listener", daemon=True
        )
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Answers:
    """What is answered on each path."""

    def __init__(self, monitor: Monitor) -> None:
        self._monitor = monitor
        self._lock = threading.Lock()
        self._is_ill = False

    def to(self, path: str) -> tuple[HTTPStatus, str, bytes]:
        """Return status, type and content of the answer to a path."""
        match path.partition("?")[0]:
            case "/healthz":
                causes = self._monitor.health.unhealthy_causes()
                self._tell(causes)
                return _judged(causes)
            case "/readyz":
                return _judged(self._monitor.health.unready_causes())
            case "/metrics":
                return HTTPStatus.OK, CONTENT_TYPE, self._monitor.metrics.text()
        return HTTPStatus.NOT_FOUND, _PLAIN, b"there are /healthz, /readyz and /metrics\n"

    def _tell(self, causes: list[str]) -> None:
        """Whoever restarts a container does not say what it was told."""
        with self._lock:
            is_news, self._is_ill = bool(causes) != self._is_ill, bool(causes)
        if is_news and causes:
            _log.error("unhealthy", extra=fields(cause="; ".join(causes)))
        elif is_news:
            _log.info("healthy again")


def _judged(wrong: list[str]) -> tuple[HTTPStatus, str, bytes]:
    if wrong:
        return HTTPStatus.SERVICE_UNAVAILABLE, _PLAIN, "".join(f"{each}\n" for each in wrong).encode()
    return HTTPStatus.OK, _PLAIN, b"ok\n"


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    # Whoever is too slow must not hold up the end of the process.
    block_on_close = False
    # With socketserver's 5, a burst of clients makes the next one wait for a second.
    request_queue_size = 2 * MAX_CLIENTS
    answers: _Answers

    def __init__(self, address: tuple[str, int], family: socket.AddressFamily, answers: _Answers) -> None:
        self.address_family = family
        self.answers = answers
        self._free = threading.BoundedSemaphore(MAX_CLIENTS)
        super().__init__(address, _Handler)

    def server_bind(self) -> None:
        """Listen for IPv4 and IPv6 where that is possible; ask no DNS, as HTTPServer does."""
        if self.address_family == socket.AF_INET6 and not self.server_address[0].strip(":"):
            self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(self.server_address)
        self.server_address = self.socket.getsockname()
        self.server_name, self.server_port = self.server_address[:2]

    def process_request(self, request, client_address) -> None:
        """Start a thread for a client, or turn it away when there are too many."""
        if self._free.acquire(blocking=False):
            super().process_request(request, client_address)
        else:
            self.shutdown_request(request)

    def process_request_thread(self, request, client_address) -> None:
        """Serve a client."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._free.release()

    def handle_error(self, *_: object) -> None:
        """A client that went away is nobody's concern."""
        error = sys.exception()
        if not isinstance(error, OSError):
            _log.error("no answer to a probe; please report it", extra=fields(cause=type(error).__name__))


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    timeout = CLIENT_SECONDS
    server_version = "kube-ecr-runner"
    sys_version = ""

    def do_GET(self) -> None:
        """Answer."""
        status, kind, content = self.server.answers.to(self.path)
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Write no access log: probes come every few seconds."""


def _server(address: Address, answers: _Answers) -> _Server:
    """Raises OSError."""
    host, port = address.host, address.port
    if not host and socket.has_dualstack_ipv6():
        try:
            return _Server(("::", port), socket.AF_INET6, answers)
        except OSError as error:
            if error.errno not in (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT):  # the kernel knows IPv6, the machine not
                raise
    if not host:
        return _Server(("", port), socket.AF_INET, answers)
    family, *_, found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    return _Server((str(found[0]), port), socket.AddressFamily(family), answers)
