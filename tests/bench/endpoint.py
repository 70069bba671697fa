"""An AWS endpoint that costs next to nothing, in a process of its own, so that a benchmark measures what asks it.

It answers GetAuthorizationToken of ECR in AWS JSON 1.1 after its latency, with a token of the size of ECR's, and
refuses everything else. It checks no signature: that would take longer than the answer. Connections stay open. Below
`/_control/`, the bench sets the latency and reads how many calls there were.
"""

from __future__ import annotations

import argparse
import asyncio
import http.client
import json
import re
import sys
from collections import Counter
from contextlib import suppress
from datetime import timedelta
from http import HTTPStatus
from pathlib import Path

from tests.support.aws.tokens import Tokens
from tests.support.harness.processes import Child, Service, free_ports

ACCOUNT = "111122223333"
TOKEN_CALL = "GetAuthorizationToken"
_CONTROL = "/_control/"
_LIFE = timedelta(hours=12)
_START_SECONDS = 20.0
_SCOPE = re.compile(r"Credential=[^/]+/\d+/([^/]+)/")
_JSON = "application/x-amz-json-1.1"


class Endpoint:
    """The state of the server: its latency in seconds, and how often each operation was called."""

    def __init__(self) -> None:
        self.latency = 0.0
        self.calls: Counter[str] = Counter()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer the requests of one connection until the client closes it."""
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
                first, *lines = head.rstrip().split("\r\n")
                headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
                body = await reader.readexactly(int(headers.get("content-length", "0")))
                status, answer = await self._answer(first.split()[1], headers, body)
                content = json.dumps(answer).encode()
                writer.write(
                    f"HTTP/1.1 {status.value} {status.phrase}\r\n"
                    f"Content-Type: {_JSON}\r\nContent-Length: {len(content)}\r\n\r\n".encode()
                    + content
                )
                await writer.drain()
        writer.close()

    async def _answer(self, path: str, headers: dict[str, str], body: bytes) -> tuple[HTTPStatus, dict[str, object]]:
        if path.startswith(_CONTROL):
            return HTTPStatus.OK, self._control(path.removeprefix(_CONTROL), body)
        operation = headers.get("x-amz-target", "").rpartition(".")[2] or "unknown"
        self.calls[operation] += 1
        await asyncio.sleep(self.latency)
        if operation != TOKEN_CALL:
            return HTTPStatus.BAD_REQUEST, {"__type": "UnknownOperationException", "message": operation}
        found = _SCOPE.search(headers.get("authorization", ""))
        return HTTPStatus.OK, authorization(found[1] if found else "us-east-1", json.loads(body or b"{}"))

    def _control(self, command: str, body: bytes) -> dict[str, object]:
        if command == "latency":
            self.latency = float(json.loads(body))
            self.calls.clear()
        return {"calls": dict(self.calls)}


def authorization(region: str, request: dict[str, list[str]]) -> dict[str, object]:
    """Return what ECR answers: an entry for each registry that is asked for, or for that of the caller's account."""
    entries = []
    for account in request.get("registryIds") or [ACCOUNT]:
        token = Tokens().new(region, _LIFE)
        entries.append({**token, "proxyEndpoint": f"https://{account}.dkr.ecr.{region}.amazonaws.com"})
    return {"authorizationData": entries}


class AWS(Service):
    """The process of the endpoint, from `start()` to `stop()`, or for the time of a with block."""

    def __init__(self, log: Path) -> None:
        """Prepare; what it writes goes to `log`."""
        self._log = log
        self._child: Child | None = None
        self._port = 0

    @property
    def url(self) -> str:
        """What to give to a candidate."""
        return f"http://127.0.0.1:{self._port}"

    def begin(self, latency: float) -> None:
        """Answer after so many seconds from now on, and count calls anew."""
        self._ask("latency", json.dumps(latency))

    def token_calls(self) -> int:
        """Return how many calls of GetAuthorizationToken came since `begin`."""
        return self._ask("calls")["calls"].get(TOKEN_CALL, 0)

    def stop(self) -> None:
        """End the process; does nothing when there is none."""
        if self._child is not None:
            self._child.stop()
            self._child = None

    def _start(self) -> None:
        (self._port,) = free_ports(1)
        command = [sys.executable, "-m", "tests.bench.endpoint", "--port", str(self._port)]
        self._child = Child("aws", command, self._log)
        self._child.wait_until(self._answers, "it answers", _START_SECONDS)

    def _answers(self) -> bool:
        with suppress(OSError):
            self._ask("calls")
            return True
        return False

    def _ask(self, command: str, body: str = "") -> dict[str, dict[str, int]]:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=10)
        try:
            connection.request("POST", f"{_CONTROL}{command}", body.encode())
            return json.load(connection.getresponse())
        finally:
            connection.close()


async def _run(port: int) -> None:
    server = await asyncio.start_server(Endpoint().serve, "127.0.0.1", port, backlog=1024)
    async with server:
        # When its parent ends in any way, the kernel closes the pipe.
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)


def main() -> None:
    """Serve on a port of the loopback interface until stdin ends."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.endpoint", description=__doc__.splitlines()[0])
    parser.add_argument("--port", type=int, required=True)
    asyncio.run(_run(parser.parse_args().port))


if __name__ == "__main__":
    main()
