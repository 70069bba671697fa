"""A port for probes or Prometheus: a server of prometheus_client with limits, and with TLS on demand.

What always holds: clients that are slow, or many, cost a few threads and nothing else, and probes are answered beside
them. So each connection serves one request, has a time for each read and a time for all of it, and gives way to
a new one when there are too many. The handshake of TLS is made in the thread of the client.
"""

from __future__ import annotations

import errno
import logging
import socket
import ssl
import sys
import threading
import time
from contextlib import suppress
from io import StringIO
from socketserver import TCPServer
from types import TracebackType
from typing import Any, Self, TextIO
from wsgiref.simple_server import WSGIRequestHandler
from wsgiref.types import WSGIApplication

from prometheus_client.exposition import ThreadingWSGIServer

from kube_ecr_runner import PROGRAM
from kube_ecr_runner.log import fields
from kube_ecr_runner.model.address import Address
from kube_ecr_runner.model.errors import StartupError
from kube_ecr_runner.telemetry.application import Application
from kube_ecr_runner.telemetry.certificate import Certificate

# For each read and write of a client, and for all that it wants.
CLIENT_SECONDS = 5.0
REQUEST_SECONDS = 15.0
MAX_CLIENTS = 32
# How often it is looked whether to end.
POLL_SECONDS = 0.1
_ANY_IPV6 = "::"
# As Go's servers answer whoever does not speak TLS, so that a person sees what is wrong.
_NO_TLS = b"HTTP/1.0 400 Bad Request\r\n\r\nthis port speaks TLS: use https\n"
_MAX_REQUEST = 65536

_log = logging.getLogger(__name__)


class ListenError(StartupError):
    """The port cannot be opened; the text says what to set."""


class Listener:
    """Answers from when it is made until it is left as a context manager."""

    def __init__(
        self, address: Address, application: Application, remedy: str, certificate: Certificate | None = None
    ) -> None:
        """Open the port, for TLS if there is a certificate. Raises ListenError, which says remedy: what to set."""
        try:
            self._server = _server(address, application, certificate)
        except OSError as error:
            raise ListenError(f"cannot listen on {address}: {error.strerror or error}; {remedy}") from None
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


class _Handler(WSGIRequestHandler):
    timeout = CLIENT_SECONDS
    server_version = PROGRAM
    sys_version = ""

    def get_stderr(self) -> TextIO:
        """Return where wsgiref prints a traceback, of a client that reads too slowly, say: nowhere."""
        return StringIO()

    def log_message(self, *_: object) -> None:
        """Write no access log: probes come every few seconds."""


class _Clients:
    """The connections that are served, the oldest first."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._begun: dict[socket.socket, tuple[float, socket.socket]] = {}

    def add(self, request: socket.socket) -> None:
        with self._lock:
            self._begun[request] = (time.monotonic(), request)

    def speaks_tls(self, request: socket.socket, client: socket.socket) -> None:
        """From now on the connection of a request is in another socket."""
        with self._lock:
            self._begun[request] = (self._begun[request][0], client)

    def remove(self, request: socket.socket) -> None:
        with self._lock:
            self._begun.pop(request, None)

    def end_oldest(self) -> None:
        """Have the thread of the oldest connection find it at its end."""
        with self._lock:
            for _, client in list(self._begun.values())[:1]:
                _end(client)

    def end_overdue(self) -> None:
        """Have the threads of connections that take too long find them at their end."""
        latest = time.monotonic() - REQUEST_SECONDS
        with self._lock:
            for begun, client in self._begun.values():
                if begun < latest:
                    _end(client)


def _end(client: socket.socket) -> None:
    # Not SSLSocket's, which would take TLS away from the thread that is about to read or write.
    with suppress(OSError):
        socket.socket.shutdown(client, socket.SHUT_RDWR)


class _Server(ThreadingWSGIServer):
    # Whoever is too slow must not hold up the end of the process.
    block_on_close = False
    # With socketserver's 5, a burst of clients makes the next one wait for a second.
    request_queue_size = 2 * MAX_CLIENTS

    def __init__(
        self,
        host: str,
        port: int,
        family: socket.AddressFamily,
        application: WSGIApplication,
        certificate: Certificate | None,
    ) -> None:
        """Open the port. Raises OSError."""
        self.address_family = family
        self._certificate = certificate
        self._free = threading.BoundedSemaphore(MAX_CLIENTS)
        self._clients = _Clients()
        super().__init__((host, port), _Handler)
        self.set_app(application)

    def server_bind(self) -> None:
        """Listen for IPv4 and IPv6 where that is possible; ask no DNS, as HTTPServer does."""
        if self.server_address[0] == _ANY_IPV6:
            self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        TCPServer.server_bind(self)
        host, self.server_port = self.socket.getsockname()[:2]
        self.server_name = str(host)
        self.setup_environ()

    def process_request(self, request: Any, client_address: Any) -> None:
        """Start a thread for a client. Where there are too many, the oldest one has to go."""
        is_free = self._free.acquire(blocking=False)
        if not is_free:
            self._clients.end_oldest()
            is_free = self._free.acquire(timeout=POLL_SECONDS)
        if is_free:
            self._clients.add(request)
            super().process_request(request, client_address)
        else:
            self.shutdown_request(request)

    def service_actions(self) -> None:
        """Look after the clients, several times in a second."""
        self._clients.end_overdue()

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Serve a client."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._clients.remove(request)
            self._free.release()

    def finish_request(self, request: Any, client_address: Any) -> None:
        """Answer a client, in its own thread."""
        if self._certificate is None:
            super().finish_request(request, client_address)
            return
        # For the whole of the handshake: a client that sends a byte now and then gets no more.
        request.settimeout(CLIENT_SECONDS)
        context = self._certificate.context()
        with context.wrap_socket(request, server_side=True, do_handshake_on_connect=False) as client:
            self._clients.speaks_tls(request, client)
            try:
                client.do_handshake()
            except ssl.SSLError as error:
                if error.reason == "HTTP_REQUEST":
                    _answer_plainly(client)
                return
            super().finish_request(client, client_address)
            # Tell the client that this is all. Whoever is gone need not be told.
            with suppress(OSError):
                client.unwrap().close()

    def handle_error(self, *_: object) -> None:
        """A client that went away is nobody's concern."""
        error = sys.exception()
        if not isinstance(error, OSError):
            _log.error("could not answer a probe; please report it", extra=fields(cause=type(error).__name__))


def _answer_plainly(client: ssl.SSLSocket) -> None:
    """Answer a client that does not speak TLS, and read its request: otherwise it might see no answer but a reset."""
    with socket.socket(fileno=client.detach()) as plain:
        plain.settimeout(CLIENT_SECONDS)
        plain.sendall(_NO_TLS)
        plain.shutdown(socket.SHUT_WR)
        plain.recv(_MAX_REQUEST)


def _server(address: Address, application: WSGIApplication, certificate: Certificate | None) -> _Server:
    """Return a server that listens on an address; an empty host is all addresses of both families. Raises OSError."""
    if not address.host and socket.has_dualstack_ipv6():
        try:
            return _Server(_ANY_IPV6, address.port, socket.AF_INET6, application, certificate)
        except OSError as error:
            if error.errno not in (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT):  # the kernel knows IPv6, the machine not
                raise
    if not address.host:
        return _Server("", address.port, socket.AF_INET, application, certificate)
    family, *_, found = socket.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM)[0]
    return _Server(str(found[0]), address.port, family, application, certificate)
