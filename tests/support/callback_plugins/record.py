"""Writes what every callback plugin is told of a task's result as a line of JSON into $RECORD_RESULTS."""

from __future__ import annotations

DOCUMENTATION = r"""
name: record
type: notification
short_description: Record results for the tests
description: Writes each result that callbacks see into a file.
"""

import json
import os
from pathlib import Path

from ansible.plugins.callback import CallbackBase


class CallbackModule(CallbackBase):
    """Records items and tasks; the items of a loop come one by one, then the task as a whole."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "notification"
    CALLBACK_NAME = "record"

    def _record(self, status: str, result) -> None:
        task = {"task": result.task.name, "action": result.task.action}
        line = {**task, "host": result.host.name, "status": status, "result": result.result}
        with Path(os.environ["RECORD_RESULTS"]).open("a") as file:
            file.write(json.dumps(line, default=str) + "\n")

    def v2_runner_on_ok(self, result):
        self._record("ok", result)

    def v2_runner_on_failed(self, result, ignore_errors=False):
        self._record("failed", result)

    def v2_runner_on_skipped(self, result):
        self._record("skipped", result)

    def v2_runner_retry(self, result):
        self._record("retry", result)

    def v2_runner_item_on_ok(self, result):
        self._record("item ok", result)

    def v2_runner_item_on_failed(self, result):
        self._record("item failed", result)
