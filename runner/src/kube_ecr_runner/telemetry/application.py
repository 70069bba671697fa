"""What is answered on /healthz, /readyz and /metrics: a WSGI application.

What always holds: an answer needs no lock that is held for long and no other machine, so it comes while the work loop
hangs. While the runner starts, /readyz waits a moment for it.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable
from functools import partial
from http import HTTPStatus
from wsgiref.types import StartResponse, WSGIEnvironment

from prometheus_client import make_wsgi_app

from kube_ecr_runner import PROGRAM
from kube_ecr_runner.log import fields
from kube_ecr_runner.telemetry.monitor import Monitor

_Start = Callable[[str, list[tuple[str, str]]], object]

# kubelet makes a Warning event of each probe that fails, and asks for readiness as soon as the runner listens. So an
# answer waits, no longer than the probe does, while the first lists come.
START_SECONDS = 30.0
PATIENCE_SECONDS = 4.0
_LOOK_SECONDS = 0.05

_log = logging.getLogger(__name__)


class Application:
    """Answers from what health and metrics know at the moment."""

    def __init__(self, monitor: Monitor) -> None:
        self._started = time.monotonic()
        self._health = monitor.health
        self._metrics = make_wsgi_app(monitor.metrics.registry)
        self._lock = threading.Lock()
        self._is_healthy = True

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer one request."""
        start = partial(_start_as_runner, start_response)
        try:
            return self._answer(environ, start)
        except Exception as error:  # noqa: BLE001 (wsgiref would print it, and its text could hold anything)
            _log.error("could not answer a probe; please report it", extra=fields(cause=type(error).__name__))
            return _plain(start, HTTPStatus.INTERNAL_SERVER_ERROR, ["internal error, see the log"])

    def _answer(self, environ: WSGIEnvironment, start: _Start) -> Iterable[bytes]:
        if environ["REQUEST_METHOD"] != "GET":
            return _plain(start, HTTPStatus.METHOD_NOT_ALLOWED, ["use GET"])
        match environ["PATH_INFO"]:
            case "/metrics":
                return self._metrics(environ, start)
            case "/healthz":
                causes = self._health.unhealthy_causes()
                self._log_change(causes)
                return _judged(start, causes)
            case "/readyz":
                return _judged(start, self._unready_causes())
        return _plain(start, HTTPStatus.NOT_FOUND, ["there are /healthz, /readyz and /metrics"])

    def _unready_causes(self) -> list[str]:
        until = min(time.monotonic() + PATIENCE_SECONDS, self._started + START_SECONDS)
        while (causes := self._health.unready_causes()) and time.monotonic() < until:
            time.sleep(_LOOK_SECONDS)
        return causes

    def _log_change(self, causes: list[str]) -> None:
        """Whoever restarts a container does not say what it was told."""
        with self._lock:
            was_healthy, self._is_healthy = self._is_healthy, not causes
        if was_healthy and causes:
            _log.error("unhealthy", extra=fields(cause="; ".join(causes)))
        elif not was_healthy and not causes:
            _log.info("healthy again")


def _start_as_runner(start_response: StartResponse, status: str, headers: list[tuple[str, str]]) -> object:
    # Without it, wsgiref tells its own version and that of Python.
    return start_response(status, [*headers, ("Server", PROGRAM)])


def _judged(start: _Start, causes: list[str]) -> Iterable[bytes]:
    if causes:
        return _plain(start, HTTPStatus.SERVICE_UNAVAILABLE, causes)
    return _plain(start, HTTPStatus.OK, ["ok"])


def _plain(start: _Start, status: HTTPStatus, lines: Iterable[str]) -> Iterable[bytes]:
    start(f"{status.value} {status.phrase}", [("Content-Type", "text/plain; charset=utf-8")])
    return ["".join(f"{line}\n" for line in lines).encode()]
