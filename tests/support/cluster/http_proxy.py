"""An HTTP proxy that notes what goes through it: requests for http, tunnels (CONNECT) for https.

Every name leads to this machine, so that what goes through it needs no DNS, and what does not finds nothing there.
"""

from __future__ import annotations

import http.client
import select
import socket
import ssl
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

from tests.support.harness.local_server import LocalServer

_TIMEOUT = 30.0
_HOP_BY_HOP = frozenset({"connection", "keep-alive", "proxy-connection", "transfer-encoding"})


class HTTPProxy(LocalServer):
    """One proxy, from `start()` to `stop()`; `passed` are method and HOST:PORT of all that went through it."""

    def __init__(self) -> None:
        self.passed: list[tuple[str, str]] = []

    @property
    def url(self) -> str:
        """What to set HTTPS_PROXY and the like to."""
        return f"http://127.0.0.1:{self.port}"

    def _make(self) -> ThreadingHTTPServer:
        return ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"proxy": self}))


class _Handler(BaseHTTPRequestHandler):
    proxy: HTTPProxy

    def log_message(self, *args: object) -> None:
        """Say nothing."""

    def do_CONNECT(self) -> None:
        self.proxy.passed.append(("CONNECT", self.path))
        port = int(self.path.rpartition(":")[2])
        with socket.create_connection(("127.0.0.1", port), _TIMEOUT) as other:
            self.send_response(200)
            self.end_headers()
            with suppress(OSError):
                relay(self.connection, other)
        self.close_connection = True

    def _request(self) -> None:
        parts = urlsplit(self.path)
        self.proxy.passed.append((self.command, parts.netloc))
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        # With its Host: AWS signs it.
        headers = {name: value for name, value in self.headers.items() if name.lower() not in _HOP_BY_HOP}
        other = http.client.HTTPConnection("127.0.0.1", parts.port or 80, timeout=_TIMEOUT)
        try:
            other.request(self.command, f"{parts.path or '/'}?{parts.query}".rstrip("?"), body, headers)
            answer = other.getresponse()
            content = answer.read()
        finally:
            other.close()
        self.send_response(answer.status)
        for name, value in answer.getheaders():
            if name.lower() not in _HOP_BY_HOP | {"content-length"}:
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_POST = _request  # noqa: N815 (http.server's names)


def relay(one: socket.socket, other: socket.socket) -> None:
    """Pass on what either side sends until one of them ends."""
    while True:
        # What TLS has already read does not show on the socket below.
        ready = [each for each in (one, other) if isinstance(each, ssl.SSLSocket) and each.pending()]
        ready = ready or select.select([one, other], [], [])[0]
        for each in ready:
            content = each.recv(65536)
            if not content:
                return
            (other if each is one else one).sendall(content)
