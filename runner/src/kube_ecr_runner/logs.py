"""Logs: one line an event on stderr, `time level message key=value`.

Only the runner's own logger is set up: libraries print environments and bodies at DEBUG, which hold secrets.
"""

from __future__ import annotations

import json
import logging
from datetime import UTC, datetime

LOGGER = "kube_ecr_runner"


def fields(**values: object) -> dict[str, dict[str, object]]:
    """Return what a logging call takes as `extra`; values that are None are left out."""
    return {"fields": {name: value for name, value in values.items() if value is not None}}


class LineFormatter(logging.Formatter):
    """One line for each record, whatever its values hold."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line of a record."""
        time = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        pairs = getattr(record, "fields", {})
        told = "".join(f" {name}={_value(value)}" for name, value in pairs.items())
        return f"{time} {record.levelname} {' '.join(record.getMessage().split())}{told}"


def configure(level: str) -> None:
    """Send the runner's own records of that level and above to stderr."""
    handler = logging.StreamHandler()
    handler.setFormatter(LineFormatter())
    logger = logging.getLogger(LOGGER)
    logger.handlers = [handler]
    logger.propagate = False
    logger.setLevel(level.upper())
    # Its warnings of each retry would come on stderr without a form; what came of them is told by kube.py.
    logging.getLogger("urllib3").setLevel(logging.ERROR)


def _value(value: object) -> str:
    text = str(value)
    return text if text and text.isprintable() and not set(text) & set(' "=') else json.dumps(text)
