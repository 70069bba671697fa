"""A proxy in front of the API server that answers some requests wrongly, late or never.

It speaks plain HTTP to its clients, which need no certificate, and is the user of a kubeconfig to the API server. It
passes on everything, watches line by line, until `fault()` names what it does with requests of some kind. `heal()`
forgets all faults and drops the connections that were held.
"""

from __future__ import annotations

import json
import re
import socket
import struct
import threading
import time
from base64 import b64decode
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from enum import Enum
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from tempfile import TemporaryDirectory

import urllib3

from tests.support.harness.processes import Service, free_ports

_POLL_SECONDS = 0.05
_HOP_BY_HOP = frozenset({"connection", "content-length", "host", "keep-alive", "transfer-encoding"})


class How(Enum):
    """What becomes of a request that is not passed on as it is."""

    HANG = "there is no answer; the connection stays open"
    RESET = "the connection is reset"
    SILENCE = "the answer begins, and then nothing more comes; the connection stays open"
    BOOKMARKS = "a watch says how far it is, and nothing of what happens"
    UNANSWERED = "the API server does it, but there is no answer; the connection stays open"


@dataclass(frozen=True)
class Answer:
    """What a request gets instead of the API server's answer."""

    status: int
    body: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass
class _Fault:
    what: How | Answer
    method: re.Pattern[str]
    path: re.Pattern[str]
    times: int | None

    def takes(self, method: str, path: str) -> bool:
        if self.times == 0 or not self.method.fullmatch(method) or not self.path.search(path):
            return False
        if self.times is not None:
            self.times -= 1
        return True


class APIProxy(Service):
    """One proxy, from `start()` to `stop()`; while it is stopped, connections are refused.

    `requests` are method and path, with the query, of all that came. `kubeconfig` leads clients here. `delay` is how
    many seconds each request waits; who does not show `token`, if it is set, is answered 401.
    """

    def __init__(self, kubeconfig: Path) -> None:
        """Prepare; kubeconfig, with a client certificate in it, leads to the API server."""
        self._temporary = TemporaryDirectory(prefix="kube-ecr-apiproxy-")
        self.kubeconfig = Path(self._temporary.name) / "kubeconfig"
        self.requests: list[tuple[str, str]] = []
        self.delay = 0.0
        self.token = ""
        self._faults: list[_Fault] = []
        self._lock = threading.Lock()
        self._held = threading.Event()
        (self._port,) = free_ports(1)
        self._server: ThreadingHTTPServer | None = None
        config = json.loads(kubeconfig.read_text())
        self.upstream = config["clusters"][0]["cluster"]["server"]
        self.pool = self._pool(config)

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self._port}"

    @property
    def is_up(self) -> bool:
        """Whether it takes connections."""
        return self._server is not None

    def fault(self, what: How | Answer, method: str = ".*", path: str = "", times: int | None = None) -> None:
        """Do this with the next requests (all, if times is None) of a method and path, both regular expressions.

        The path is searched for the expression, and includes the query. Of several faults the last one counts.
        """
        with self._lock:
            self._faults.insert(0, _Fault(what, re.compile(method), re.compile(path), times))

    def heal(self) -> None:
        """Pass on everything again, and drop the connections that were held."""
        with self._lock:
            self._faults.clear()
            self._held.set()
            self._held = threading.Event()

    def count(self, method: str, path: str) -> int:
        """Return how many requests of a method and path (regular expressions) came so far."""
        return sum(bool(re.fullmatch(method, had) and re.search(path, what)) for had, what in self.requests)

    def stop(self) -> None:
        """Refuse connections from now on and drop those that are open."""
        self.heal()
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None

    def close(self) -> None:
        """Stop for good."""
        self.stop()
        self._temporary.cleanup()

    def _start(self) -> None:
        if self._server is not None:
            return
        handler = type("Handler", (_Handler,), {"proxy": self})
        self._server = _Server(("127.0.0.1", self._port), handler)
        threading.Thread(
            target=self._server.serve_forever, args=(_POLL_SECONDS,), name="API proxy", daemon=True
        ).start()
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "proxy", "cluster": {"server": self.url}}],
            "users": [{"name": "nobody", "user": {}}],
            "contexts": [{"name": "proxy", "context": {"cluster": "proxy", "user": "nobody"}}],
            "current-context": "proxy",
        }
        self.kubeconfig.write_text(json.dumps(config))

    def _pool(self, config: Mapping) -> urllib3.PoolManager:
        folder, user = Path(self._temporary.name), config["users"][0]["user"]
        certificates = {
            "ca": config["clusters"][0]["cluster"]["certificate-authority-data"],
            "cert": user["client-certificate-data"],
            "key": user["client-key-data"],
        }
        for name, data in certificates.items():
            (folder / name).write_bytes(b64decode(data))
        names = {name: str(folder / name) for name in certificates}
        return urllib3.PoolManager(
            maxsize=64, ca_certs=names["ca"], cert_file=names["cert"], key_file=names["key"], retries=False
        )

    def take(self, method: str, path: str) -> How | Answer | None:
        """Note a request, and return what becomes of it, None if it is passed on."""
        with self._lock:
            self.requests.append((method, path))
            return next((each.what for each in self._faults if each.takes(method, path)), None)

    def hold(self) -> None:
        """Return when the faults are healed."""
        with self._lock:
            held = self._held
        held.wait()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def __init__(self, *args: object) -> None:
        super().__init__(*args)
        self._open: set[socket.socket] = set()

    def process_request(self, request: socket.socket, client_address: object) -> None:
        self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: socket.socket) -> None:
        self._open.discard(request)
        super().shutdown_request(request)

    def server_close(self) -> None:
        super().server_close()
        for each in list(self._open):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that has gone is no news."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # An answer is written in two parts: the second would wait 40 ms for the first to be acknowledged.
    disable_nagle_algorithm = True
    proxy: APIProxy

    def log_message(self, *args: object) -> None:
        """Say nothing."""

    def _handle(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        what = self.proxy.take(self.command, self.path)
        if self.proxy.token and self.headers.get("Authorization", "").split() != ["Bearer", self.proxy.token]:
            what = Answer(401, status(401, "Unauthorized", "Unauthorized"))
        time.sleep(self.proxy.delay)
        match what:
            case Answer():
                self._answer(what)
            case How.RESET:
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                self.close_connection = True
                self.connection.close()
            case How.HANG:
                self._hold()
            case How.UNANSWERED:
                self._upstream(body).drain_conn()
                self._hold()
            case How.SILENCE:
                answer = self._upstream(body)
                self._begin(answer)
                self._hold()
                answer.close()
            case How.BOOKMARKS:
                answer = self._upstream(body)
                self._pass_on(answer, map(_bookmark, _lines(_chunks(answer))))
            case None:
                answer = self._upstream(body)
                self._pass_on(answer, _chunks(answer))

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _handle  # noqa: N815 (http.server's names)

    def _hold(self) -> None:
        self.proxy.hold()
        self.close_connection = True

    def _answer(self, answer: Answer) -> None:
        content = answer.body.encode()
        self.send_response(answer.status)
        for name, value in {"Content-Type": "application/json", **answer.headers}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def _upstream(self, body: bytes) -> urllib3.BaseHTTPResponse:
        headers = {name: value for name, value in self.headers.items() if name.lower() not in _HOP_BY_HOP}
        headers.pop("Authorization", None)
        url = f"{self.proxy.upstream}{self.path}"
        timeout = urllib3.Timeout(connect=5, read=600)
        return self.proxy.pool.request(
            self.command,
            url,
            headers=headers,
            body=body or None,
            timeout=timeout,
            preload_content=False,
            decode_content=False,
        )

    def _begin(self, answer: urllib3.BaseHTTPResponse) -> None:
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            if name.lower() not in _HOP_BY_HOP:
                self.send_header(name, value)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        self.wfile.flush()

    def _pass_on(self, answer: urllib3.BaseHTTPResponse, chunks: Iterator[bytes]) -> None:
        self._begin(answer)
        try:
            for chunk in chunks:
                self._chunk(chunk)
            self._chunk(b"")
        finally:
            answer.close()

    def _chunk(self, content: bytes) -> None:
        self.wfile.write(b"%x\r\n%s\r\n" % (len(content), content))
        self.wfile.flush()


def _chunks(answer: urllib3.BaseHTTPResponse) -> Iterator[bytes]:
    return filter(None, answer.stream(amt=None, decode_content=False))


def _lines(chunks: Iterator[bytes]) -> Iterator[bytes]:
    rest = b""
    for chunk in chunks:
        *lines, rest = (rest + chunk).split(b"\n")
        yield from lines


def _bookmark(line: bytes) -> bytes:
    """Return the bookmark that tells of an event of a watch no more than its resourceVersion."""
    item = json.loads(line)["object"]
    metadata = {"resourceVersion": item["metadata"]["resourceVersion"]}
    return json.dumps({"type": "BOOKMARK", "object": {**item, "metadata": metadata}}).encode() + b"\n"


def status(code: int, reason: str, message: str) -> str:
    """Return the JSON of a Status, as the API server answers a failure."""
    body = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code, "reason": reason}
    return json.dumps({**body, "message": message})
