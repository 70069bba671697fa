"""A server that speaks TLS with a given certificate, and passes on what comes to a port that speaks none.

It stands in front of whatever serves plain HTTP on this machine: the API proxy, the AWS endpoint, an HTTP proxy.
"""

from __future__ import annotations

import socket
import ssl
import tempfile
from contextlib import suppress
from pathlib import Path
from socketserver import BaseRequestHandler, ThreadingTCPServer

from tests.support.cluster.http_proxy import relay
from tests.support.cluster.pki import KeyPair
from tests.support.harness.local_server import LocalServer

_TIMEOUT = 30.0


class TLSFront(LocalServer):
    """One front, from `start()` to `stop()`, or as a context manager; `clients` are the subjects of those it let in."""

    def __init__(self, port: int, pair: KeyPair, chain: bytes = b"", *, client_ca: bytes = b"") -> None:
        """Prepare; chain is sent after the certificate of pair, and with client_ca clients have to have one of it."""
        self.clients: list[object] = []
        self.upstream = port
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.present(pair, chain)
        if client_ca:
            self.context.verify_mode = ssl.CERT_REQUIRED
            self.context.load_verify_locations(cadata=client_ca.decode())

    def present(self, pair: KeyPair, chain: bytes = b"") -> None:
        """Have this certificate from now on."""
        with tempfile.TemporaryDirectory() as folder:
            certificate, key = Path(folder, "certificate"), Path(folder, "key")
            certificate.write_bytes(pair.public + chain)
            key.write_bytes(pair.key)
            self.context.load_cert_chain(certificate, key)

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"https://127.0.0.1:{self.port}"

    def _make(self) -> ThreadingTCPServer:
        return ThreadingTCPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"front": self}))


class _Handler(BaseRequestHandler):
    front: TLSFront

    def handle(self) -> None:
        with suppress(OSError), self.front.context.wrap_socket(self.request, server_side=True) as client:
            self.front.clients.append(client.getpeercert())
            with socket.create_connection(("127.0.0.1", self.front.upstream), _TIMEOUT) as server:
                relay(client, server)
