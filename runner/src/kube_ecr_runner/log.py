"""Logs: one line an event on stderr, `time level message key=value` or a JSON object.

What libraries have to say is heard from WARNING on only: at DEBUG they print environments and bodies, which hold
secrets. An error that nobody foresaw is told by its type and place alone, for its text could hold anything.
"""

from __future__ import annotations

import json
import logging
import sys
import threading
import traceback
from collections.abc import Mapping
from datetime import UTC, datetime
from types import TracebackType

LOGGER = "kube_ecr_runner"
LEVELS = ("debug", "info", "warning", "error")


def fields(**values: object) -> dict[str, dict[str, object]]:
    """Return what a logging call takes as `extra`; values that are None are left out."""
    return {"fields": {name: value for name, value in values.items() if value is not None}}


class TextFormatter(logging.Formatter):
    """One line for each record, whatever its values hold."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line of a record."""
        told = "".join(f" {name}={_value(value)}" for name, value in _fields(record).items())
        return f"{_time(record)} {record.levelname} {_message(record)}{told}"


class JSONFormatter(logging.Formatter):
    """One JSON object on a line for each record: time, level, message, then the fields; a number is a number."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line of a record."""
        told = {
            name: value if isinstance(value, (int, float)) else str(value) for name, value in _fields(record).items()
        }
        return json.dumps({"time": _time(record), "level": record.levelname, "message": _message(record)} | told)


FORMATS: Mapping[str, type[logging.Formatter]] = {"text": TextFormatter, "json": JSONFormatter}


def configure(level: str, form: str) -> None:
    """Send the runner's own records of that level and above to stderr, and those of others from WARNING on.

    level is one of LEVELS, form one of FORMATS. What ends a thread or the process becomes a record too.
    """
    handler = logging.StreamHandler()
    handler.setFormatter(FORMATS[form]())
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(logging.WARNING)
    logging.getLogger(LOGGER).setLevel(level.upper())
    logging.captureWarnings(True)
    # Its warnings of each retry say nothing new: what became of a call is logged by whoever made it.
    logging.getLogger("urllib3").setLevel(logging.ERROR)
    sys.excepthook = _tell_crash
    threading.excepthook = lambda crash: _tell_crash(crash.exc_type, crash.exc_value, crash.exc_traceback)


def _tell_crash(kind: type[BaseException], _: BaseException | None, trace: TracebackType | None) -> None:
    place = traceback.extract_tb(trace)[-1:]
    where = "".join(f"{frame.filename}:{frame.lineno}" for frame in place) or "an unknown place"
    told = fields(error=kind.__name__, at=where, thread=threading.current_thread().name)
    logging.getLogger(LOGGER).error("internal error, please report it", extra=told)


def _fields(record: logging.LogRecord) -> dict[str, object]:
    """Return the fields of a record; one of a library has none and says whose it is."""
    is_own = record.name.partition(".")[0] == LOGGER
    return getattr(record, "fields", {}) if is_own else {"logger": record.name}


def _time(record: logging.LogRecord) -> str:
    return datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _message(record: logging.LogRecord) -> str:
    return " ".join(record.getMessage().split())


def _value(value: object) -> str:
    text = str(value)
    return text if text and text.isprintable() and not set(text) & set(' "=') else json.dumps(text)
