"""What a bench makes of what it measured: medians, ratios, tables; and that it counts CPU of all processes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.bench import report
from tests.bench.api import parse_requests
from tests.bench.results import Results, Row, Spread, number
from tests.bench.usage import Times, parse_pss, parse_resident, parse_times
from tests.conftest import ROOT

# A process that ends before its child does, and that child, are in sessions of their own. All of them write down how
# much CPU they burned.
BURNER = """
import os, time
def burn(seconds):
    while time.process_time() < seconds:
        pass
    os.write(1, f"{time.process_time()}\\n".encode())
if os.fork():
    burn(0.1)
    time.sleep(60)
os.setsid()
if os.fork():
    burn(0.1)
    os._exit(0)
os.setsid()
burn(0.3)
"""
# Python's way out, and what a process does before its clock is read.
BESIDE = 0.1


def results(**values: list[float | None]) -> Results:
    candidates = dict.fromkeys(values, "a revision")
    row = Row("shared", "100 resources", "CPU", "s", values)
    return Results(
        "2026-11-29",
        {"cores": "2", "processor": "x", "memory": "24 GiB", "kernel": "6", "load": "0.1"},
        {},
        candidates,
        3,
        [row],
    )


def test_a_median_has_its_range_and_is_none_if_a_round_has_no_value() -> None:
    assert Spread.of([3.0, 1.0, 2.0]) == Spread(2.0, 1.0, 3.0)
    assert Spread.of([3.0, None]) is None
    assert Spread.of([]) is None


def test_a_ratio_is_of_the_turns_of_the_same_round() -> None:
    (row,) = results(this=[1.0, 2.0, 9.0], base=[2.0, 2.0, 3.0]).rows
    assert row.ratio("this", "base") == Spread(1.0, 0.5, 3.0)
    (row,) = results(this=[1.0], peer=[None]).rows
    assert row.ratio("this", "peer") is None


def test_values_are_added_to_their_row_and_kept_in_the_file() -> None:
    kept = results(this=[1.0])
    kept.add("shared", "100 resources", "CPU", "s", "this", 2.0)
    kept.add("shared", "100 resources", "calls", "calls", "this", None)
    kept.lacks("creep")
    kept.lacks("creep")
    again = Results.from_json(kept.to_json())
    assert again == kept
    assert [row.values for row in again.rows] == [{"this": [1.0, 2.0]}, {"this": [None]}]
    assert again.missing == ["creep"]
    with pytest.raises(ValueError, match="another format"):
        Results.from_json(json.dumps({"format": 0}))


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (7, "7"),
        (5000, "5,000"),
        (0.0, "0"),
        (0.0123, "0.012"),
        (0.123, "0.12"),
        (12.34, "12.3"),
        (123.4, "123"),
    ],
)
def test_numbers_have_few_digits(value: float, text: str) -> None:
    assert number(value) == text


def test_the_page_has_a_table_with_ratios_and_says_what_is_missing() -> None:
    measured = results(this=[1.0, 2.0, 3.0], base=[2.0, 2.0, 2.0], peer=[1.0, None, 1.0])
    measured.lacks("Memory: not part of this run")
    page = report.with_section(f"text\n{report.BEGIN}\nold\n{report.END}\nmore\n", "\n".join(report.section(measured)))
    assert "| CPU | s | 2.00 (1.00 to 3.00) | 2.00 | - | 1.00 (0.50 to 1.50) | - |" in page.splitlines()
    assert "- Memory: not part of this run" in page.splitlines()
    assert page.startswith("text\n")
    assert page.endswith("\nmore\n")
    assert "old" not in page
    assert report.BEGIN in report.PAGE.read_text()
    assert list(report.bars(measured, ["CPU"])) == ["100 resources"]


def test_proc_is_read_as_the_kernel_writes_it() -> None:
    tick = os.sysconf("SC_CLK_TCK")
    fields = f"S 1 1 1 0 -1 0 0 0 0 0 {2 * tick} {tick} {4 * tick} {tick} 20 0"
    assert parse_times(f"7 (a (strange) name) {fields}") == Times(3.0, 5.0)
    assert parse_pss("00400000-7ffe ---p 00000000 00:00 0 [rollup]\nRss: 9 kB\nPss:    3 kB\nPss_Anon: 2 kB\n") == 3072
    assert parse_resident("100 3 2 1 0 50 0") == 3 * os.sysconf("SC_PAGE_SIZE")


def test_requests_are_counted_by_verb() -> None:
    metrics = """\
# TYPE apiserver_request_total counter
apiserver_request_total{code="200",resource="secrets",verb="GET"} 3
apiserver_request_total{code="404",resource="pods",verb="GET"} 1e+02
apiserver_request_total{code="201",resource="secrets",verb="POST"} 2
apiserver_request_terminations_total{code="200",verb="GET"} 50
"""
    assert parse_requests(metrics) == {"GET": 103, "POST": 2}


def test_cpu_of_orphans_in_other_sessions_is_counted_once(tmp_path: Path) -> None:
    log = tmp_path / "log"
    start = {"command": [sys.executable, "-c", BURNER], "env": dict(os.environ), "directory": "/", "log": str(log)}
    supervisor = subprocess.Popen(
        [sys.executable, "-m", "tests.bench.supervisor"], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    with supervisor:
        assert supervisor.stdin is not None
        assert supervisor.stdout is not None
        supervisor.stdin.write(json.dumps(start).encode() + b"\n")
        supervisor.stdin.flush()
        while not log.exists() or len(burned := log.read_text().splitlines()) < 3:
            assert supervisor.poll() is None
            time.sleep(0.05)
        supervisor.stdin.write(json.dumps({"ask": "cpu"}).encode() + b"\n")
        supervisor.stdin.flush()
        counted = json.loads(supervisor.stdout.readline())["value"]
        supervisor.stdin.close()
    assert sum(map(float, burned)) <= counted < sum(map(float, burned)) + BESIDE
