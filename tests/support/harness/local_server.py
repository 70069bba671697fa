"""A server of the tests, in threads of this process."""

from __future__ import annotations

import threading
from abc import abstractmethod
from socketserver import ThreadingTCPServer

from tests.support.harness.processes import Service

_POLL_SECONDS = 0.05


class LocalServer(Service):
    """One server on a free port of this machine, from `start()` to `stop()`, or as a context manager."""

    _server: ThreadingTCPServer | None = None

    @property
    def port(self) -> int:
        """Where it listens; only while it runs."""
        assert self._server is not None
        return self._server.server_address[1]

    def stop(self) -> None:
        """Refuse connections from now on. Does nothing when stopped."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None

    @abstractmethod
    def _make(self) -> ThreadingTCPServer:
        """Return the server that is to answer."""

    def _start(self) -> None:
        self._server = server = self._make()
        server.daemon_threads, server.block_on_close = True, False
        threading.Thread(
            target=server.serve_forever, args=(_POLL_SECONDS,), name=type(self).__name__, daemon=True
        ).start()
