"""One line an event, in both forms."""

from __future__ import annotations

import json
import logging
import subprocess
import sys

import pytest

from kube_ecr_runner.contract.kinds import CLUSTER_KIND
from kube_ecr_runner.log import FORMATS, fields
from kube_ecr_runner.model.resource import Key


def line(form: str, message: str, name: str = "kube_ecr_runner.x", **values: object) -> str:
    record = logging.LogRecord(name, logging.INFO, "", 0, message, (), None)
    record.created = 0.0
    if values:
        record.fields = fields(**values)["fields"]
    return FORMATS[form]().format(record)


KEY = Key(CLUSTER_KIND, "", "shared")
CAUSE = 'two\nlines = "x"'
TEXT = (
    "1970-01-01T00:00:00.000Z INFO run ended resource=ClusterAWSECRImagePullSecret/shared run=abc-1 failed=1 "
    'seconds=0.4 cause="two\\nlines = \\"x\\""'
)


def test_line_names_what_it_is_about() -> None:
    values = {"resource": KEY, "run": "abc-1", "failed": 1, "seconds": 0.4, "cause": CAUSE, "no": None}
    assert line("text", "run\nended", **values) == TEXT
    told = line("json", "run\nended", **values)
    assert "\n" not in told
    # In this order, for whoever reads them as they are.
    assert list(json.loads(told).items()) == [
        ("time", "1970-01-01T00:00:00.000Z"),
        ("level", "INFO"),
        ("message", "run ended"),
        ("resource", str(KEY)),
        ("run", "abc-1"),
        ("failed", 1),
        ("seconds", 0.4),
        ("cause", CAUSE),
    ]


@pytest.mark.parametrize("form", FORMATS)
def test_line_of_a_library_is_one_too_and_says_whose_it_is(form: str) -> None:
    told = line(form, "first\nsecond", "some.library")
    assert "first second" in told
    assert "\n" not in told
    assert "some.library" in (json.loads(told)["logger"] if form == "json" else told)


_CRASH = """
import logging, threading, warnings
from kube_ecr_runner.log import configure
configure("info", "json")
logging.getLogger("some.library").info("canary")
thread = threading.Thread(target=int, args=("canary",), name="watch x")
thread.start()
thread.join()
warnings.warn("of a library")
raise RuntimeError("canary")
"""


def test_crash_is_a_line_by_type_and_place_and_so_is_a_warning() -> None:
    done = subprocess.run([sys.executable, "-c", _CRASH], capture_output=True, text=True, timeout=20)
    assert done.returncode == 1
    crashed, warned, ended = map(json.loads, done.stderr.splitlines())
    assert (crashed["error"], crashed["thread"]) == ("ValueError", "watch x")
    assert (ended["error"], ended["at"]) == ("RuntimeError", "<string>:10")
    assert "of a library" in warned["message"]
    assert "canary" not in done.stderr
