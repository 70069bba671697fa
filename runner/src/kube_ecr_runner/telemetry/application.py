"""What is answered on a port: a WSGI application of some paths.

What always holds: an error that nobody foresaw is told by its type alone, and an answer says nothing of what made it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from http import HTTPStatus
from wsgiref.types import StartResponse, WSGIEnvironment

from kube_ecr_runner import PROGRAM
from kube_ecr_runner.log import fields

type Start = Callable[[str, list[tuple[str, str]]], object]
type Page = Callable[[WSGIEnvironment, Start], Iterable[bytes]]

_log = logging.getLogger(__name__)


class Application:
    """Answers with the pages of a port, each under its path."""

    def __init__(self, pages: Mapping[str, Page]) -> None:
        """Take at least one page."""
        self._pages = pages
        *others, last = pages
        self._told = f"there are {', '.join(others)} and {last}" if others else f"there is {last}"

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer one request."""
        start = partial(_start_as_runner, start_response)
        try:
            return self._answer(environ, start)
        except Exception as error:  # noqa: BLE001 (wsgiref would print it, and its text could hold anything)
            _log.error("could not answer a probe; please report it", extra=fields(cause=type(error).__name__))
            return plain(start, HTTPStatus.INTERNAL_SERVER_ERROR, ["internal error, see the log"])

    def _answer(self, environ: WSGIEnvironment, start: Start) -> Iterable[bytes]:
        if environ["REQUEST_METHOD"] != "GET":
            return plain(start, HTTPStatus.METHOD_NOT_ALLOWED, ["use GET"])
        page = self._pages.get(environ["PATH_INFO"])
        return page(environ, start) if page else plain(start, HTTPStatus.NOT_FOUND, [self._told])


def plain(start: Start, status: HTTPStatus, lines: Iterable[str], *headers: tuple[str, str]) -> Iterable[bytes]:
    """Answer with lines of text."""
    start(f"{status.value} {status.phrase}", [("Content-Type", "text/plain; charset=utf-8"), *headers])
    return ["".join(f"{line}\n" for line in lines).encode()]


def _start_as_runner(start_response: StartResponse, status: str, headers: list[tuple[str, str]]) -> object:
    # Without it, wsgiref tells its own version and that of Python.
    return start_response(status, [*headers, ("Server", PROGRAM)])
