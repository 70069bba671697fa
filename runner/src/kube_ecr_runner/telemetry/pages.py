"""The pages that the runner shows: /healthz, /readyz and /metrics.

What always holds: the first two need no lock that is held for long and no other machine, so they come while the work
loop hangs. While the runner starts, /readyz waits a moment for it.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterable, Mapping
from http import HTTPStatus
from wsgiref.types import WSGIEnvironment

from prometheus_client import make_wsgi_app

from kube_ecr_runner.log import fields
from kube_ecr_runner.telemetry.application import Page, Start, plain
from kube_ecr_runner.telemetry.authorization import Authorization
from kube_ecr_runner.telemetry.health import Health
from kube_ecr_runner.telemetry.metrics import Metrics

# kubelet makes a Warning event of each probe that fails, and asks for readiness as soon as the runner listens. So an
# answer waits, no longer than the probe does, while the first lists come.
START_SECONDS = 30.0
PATIENCE_SECONDS = 4.0
_LOOK_SECONDS = 0.05

_log = logging.getLogger(__name__)


class Probes:
    """The probes of kubelet, answered from what health knows at the moment."""

    def __init__(self, health: Health) -> None:
        self._started = time.monotonic()
        self._health = health
        self._lock = threading.Lock()
        self._is_healthy = True

    def pages(self) -> Mapping[str, Page]:
        """Return them by their paths."""
        return {"/healthz": self._healthz, "/readyz": self._readyz}

    def _healthz(self, _: WSGIEnvironment, start: Start) -> Iterable[bytes]:
        causes = self._health.unhealthy_causes()
        self._log_change(causes)
        return _judged(start, causes)

    def _readyz(self, _: WSGIEnvironment, start: Start) -> Iterable[bytes]:
        until = min(time.monotonic() + PATIENCE_SECONDS, self._started + START_SECONDS)
        while (causes := self._health.unready_causes()) and time.monotonic() < until:
            time.sleep(_LOOK_SECONDS)
        return _judged(start, causes)

    def _log_change(self, causes: list[str]) -> None:
        """Whoever restarts a container does not say what it was told."""
        with self._lock:
            was_healthy, self._is_healthy = self._is_healthy, not causes
        if was_healthy and causes:
            _log.error("unhealthy", extra=fields(cause="; ".join(causes)))
        elif not was_healthy and not causes:
            _log.info("healthy again")


def metrics_pages(metrics: Metrics, authorization: Authorization | None = None) -> Mapping[str, Page]:
    """Return the page of the metrics by its path; with authorization only for those that it lets in."""
    show: Page = make_wsgi_app(metrics.registry)

    def guarded(environ: WSGIEnvironment, start: Start) -> Iterable[bytes]:
        refusal = authorization.refusal(environ.get("HTTP_AUTHORIZATION", "")) if authorization else None
        if refusal is None:
            return show(environ, start)
        # RFC 9110, 11.6.1, demands the header of each 401.
        headers = [("WWW-Authenticate", "Bearer")] if refusal.status is HTTPStatus.UNAUTHORIZED else []
        return plain(start, refusal.status, [refusal.text], *headers)

    return {"/metrics": guarded}


def _judged(start: Start, causes: list[str]) -> Iterable[bytes]:
    if causes:
        return plain(start, HTTPStatus.SERVICE_UNAVAILABLE, causes)
    return plain(start, HTTPStatus.OK, ["ok"])
