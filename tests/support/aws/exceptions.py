"""Every exception that boto3 and what it stands on can raise, for tests that let a stand-in raise it."""

from __future__ import annotations

import errno
import inspect
import json
import ssl
from collections.abc import Iterator
from string import Formatter
from types import ModuleType

import boto3.exceptions
import botocore.exceptions
import botocore.parsers
import urllib3.exceptions

# What must not be told: it stands in every text, but for names that are no secret.
CANARY = "canary+secret"
_NAMES = {"path", "profile", "cred_var", "region_name"}
_ERRNOS = (errno.ENOENT, errno.EACCES, errno.EISDIR, errno.EMFILE, errno.ENOSPC, errno.EIO, errno.EROFS, errno.ENOMEM)


def raisable() -> Iterator[Exception]:
    """Yield one of each class; what botocore has is found, and not listed, so that none that comes is left out."""
    for module in (botocore.exceptions, botocore.parsers, boto3.exceptions, urllib3.exceptions):
        yield from map(_made, _classes_of(module))
    for number in _ERRNOS:
        yield OSError(number, CANARY, "/nonexistent/file")
    yield json.JSONDecodeError("no JSON", CANARY, 0)
    yield UnicodeDecodeError("utf-8", CANARY.encode(), 0, 1, CANARY)
    for kind in (ssl.SSLError, ssl.SSLCertVerificationError, ssl.SSLEOFError, ssl.CertificateError):
        # These have OpenSSL's words, which are told.
        yield kind(1, "handshake failure")
    yield RuntimeError("can't start new thread")
    for other in (OSError, TimeoutError, ConnectionResetError, MemoryError, RecursionError, OverflowError):
        yield other(CANARY)
    for other in (AttributeError, ImportError, KeyError, IndexError, RuntimeError, TypeError, ValueError):
        yield other(CANARY)


def _classes_of(module: ModuleType) -> list[type[Exception]]:
    return [
        kind
        for _, kind in inspect.getmembers(module, inspect.isclass)
        if issubclass(kind, Exception) and not issubclass(kind, Warning) and kind.__module__ == module.__name__
    ]


def _made(kind: type[Exception]) -> Exception:
    if issubclass(kind, botocore.exceptions.ClientError):
        return kind({"Error": {"Code": "SomethingNew", "Message": CANARY}}, "GetAuthorizationToken")
    if issubclass(kind, botocore.exceptions.BotoCoreError) and kind.__module__ == botocore.exceptions.__name__:
        names = {name for _, name, _, _ in Formatter().parse(kind.fmt) if name}
        given = {name: f"some-{name}" if name in _NAMES else CANARY for name in names}
        needed = set(inspect.signature(kind.__init__).parameters) - {"self", "kwargs", "args"}
        return kind(**dict.fromkeys(needed, CANARY), **{name: given[name] for name in names - needed})
    # The constructors of the others differ, and nothing of them is looked at but class and text.
    made = kind.__new__(kind, CANARY)
    made.args = (CANARY,)
    return made
