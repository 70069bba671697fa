"""What ansible-playbook prints, as lines of the log: for whoever asks for it by --ansible-verbosity.

Ansible leaves out what a task hides by no_log. What tasks of a user print beside that is theirs to hide.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping

from kube_ecr_runner.log import fields

# Of a line, and of the lines of an event: the result of a task may have megabytes.
MAX_LINE = 4096
MAX_LINES = 200

_log = logging.getLogger(__name__)


def log_output(event: Mapping) -> None:
    """Log what was printed for a job event, a record for each line."""
    for line in lines_of(str(event.get("stdout") or "")):
        _log.info("ansible-playbook", extra=fields(output=line))


def lines_of(text: str) -> Iterator[str]:
    """Yield the lines of a text that are not empty, cut to a length and a number that a log can take."""
    lines = [line.rstrip() for line in text.splitlines() if line.strip()]
    for line in lines[:MAX_LINES]:
        yield line if len(line) <= MAX_LINE else f"{line[:MAX_LINE]}... ({len(line) - MAX_LINE} more characters)"
    if len(lines) > MAX_LINES:
        yield f"... ({len(lines) - MAX_LINES} more lines)"
