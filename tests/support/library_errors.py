"""One error of each class that the libraries on the way to the API server define: stand-ins for what cannot be staged.

The classes are found, not listed. Each is made without arguments, or with those that `_ARGUMENTS` gives: a class that
neither makes is an error here, so that none is forgotten when a library gets another.
"""

from __future__ import annotations

import binascii
import http.client
import inspect
import json
import socket
import ssl
from collections.abc import Callable
from types import ModuleType
from typing import Any

import kubernetes.client.exceptions
import kubernetes.config.config_exception
import urllib3.exceptions
import yaml
import yaml.reader
from ansible_collections.kubernetes.core.plugins.module_utils.k8s import exceptions as core_exceptions

CANARY = "hunter2"
_LIBRARIES: tuple[ModuleType, ...] = (
    urllib3.exceptions,
    ssl,
    http.client,
    socket,
    json,
    binascii,
    yaml,
    yaml.reader,
    kubernetes.client.exceptions,
    kubernetes.config.config_exception,
    core_exceptions,
)
# What Python itself raises below all of them, for files too.
_BUILTIN = (
    *(each for each in vars(__import__("builtins")).values() if inspect.isclass(each) and issubclass(each, OSError)),
    *(AttributeError, EOFError, ImportError, KeyError, IndexError, RecursionError, TypeError, ValueError),
    *(AssertionError, NotImplementedError, RuntimeError, UnicodeDecodeError, UnicodeEncodeError),
)
_POOL = urllib3.HTTPConnectionPool("host.example")
_ARGUMENTS: dict[type[BaseException], tuple[Any, ...]] = {
    urllib3.exceptions.PoolError: (_POOL, CANARY),
    urllib3.exceptions.EmptyPoolError: (_POOL, CANARY),
    urllib3.exceptions.FullPoolError: (_POOL, CANARY),
    urllib3.exceptions.ClosedPoolError: (_POOL, CANARY),
    urllib3.exceptions.RequestError: (_POOL, f"/{CANARY}", CANARY),
    urllib3.exceptions.MaxRetryError: (_POOL, f"/{CANARY}", urllib3.exceptions.ProtocolError(CANARY)),
    urllib3.exceptions.HostChangedError: (_POOL, f"/{CANARY}"),
    urllib3.exceptions.ReadTimeoutError: (_POOL, f"/{CANARY}", CANARY),
    urllib3.exceptions.NewConnectionError: (_POOL, CANARY),
    urllib3.exceptions.NameResolutionError: ("host.example", _POOL, socket.gaierror(-2, "Name not known")),
    urllib3.exceptions.LocationParseError: (CANARY,),
    urllib3.exceptions.URLSchemeUnknown: (CANARY,),
    urllib3.exceptions.ProxyError: (CANARY, OSError(111, "Connection refused")),
    urllib3.exceptions.ProxySchemeUnknown: (CANARY,),
    urllib3.exceptions.IncompleteRead: (1, 2),
    urllib3.exceptions.InvalidChunkLength: (urllib3.HTTPResponse(), b"x"),
    urllib3.exceptions.HeaderParsingError: ([], CANARY),
    urllib3.exceptions.UnrewindableBodyError: (CANARY,),
    http.client.IncompleteRead: (CANARY.encode(),),
    http.client.UnknownProtocol: (CANARY,),
    http.client.BadStatusLine: (CANARY,),
    http.client.LineTooLong: (CANARY,),
    json.JSONDecodeError: (CANARY, CANARY, 0),
    yaml.reader.ReaderError: (CANARY, 0, 0, CANARY, CANARY),
    UnicodeDecodeError: ("utf-8", CANARY.encode(), 0, 1, CANARY),
    UnicodeEncodeError: ("latin-1", CANARY, 0, 1, CANARY),
    kubernetes.client.exceptions.ApiTypeError: (CANARY,),
    kubernetes.client.exceptions.ApiValueError: (CANARY,),
    kubernetes.client.exceptions.ApiAttributeError: (CANARY,),
    kubernetes.client.exceptions.ApiKeyError: (CANARY,),
}


def classes() -> list[type[Exception]]:
    """Return the classes, each once: not warnings, and not what ends a process."""
    found = dict.fromkeys(_BUILTIN)
    for library in _LIBRARIES:
        found.update(dict.fromkeys(each for each in vars(library).values() if inspect.isclass(each)))
    return [each for each in found if issubclass(each, Exception) and not issubclass(each, Warning)]


def instance(kind: type[Exception]) -> Exception:
    """Return an error of a class. Raises AssertionError where the arguments of a class are not known."""
    if issubclass(kind, OSError) and kind not in _ARGUMENTS and not issubclass(kind, ssl.CertificateError):
        return kind(5, "Input/output error")
    try:
        return kind(*_ARGUMENTS.get(kind, ()))
    except TypeError as error:
        raise AssertionError(f"add {kind.__module__}.{kind.__name__} to _ARGUMENTS: {error}") from None


def raising(error: BaseException) -> Callable[..., Any]:
    def act(*_args: object, **_options: object) -> Any:
        raise error

    return act


def check_text(text: str, *objects: str) -> None:
    """It names one of the objects, says what to do, and quotes nothing."""
    assert any(each in text for each in objects), text
    assert "; " in text
    assert "internal" not in text.lower()
    assert "report it" not in text
    assert CANARY not in text
