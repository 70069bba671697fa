"""The recorder of `make coverage` finds what coverage finds with a trace function, in all processes."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from coverage import Coverage, CoverageData

from tests.tools import measure, measured_process

# Each kind of branch, taken one way, both ways or not at all; what only a forked process and a thread execute.
CODE = """
import os
import threading
from dataclasses import dataclass


@dataclass(frozen=True)
class Value: text: str


def size(number):
    if number > 2:
        return "large"
    elif number < 0:
        return "negative"
    return "small" if number else "none"


def total(numbers):
    sum = 0
    for number in numbers:
        if number == 3:
            continue
        if number > 3:
            break
        sum += number
    else:
        sum = -sum
    while sum > 2:
        sum -= 1
    return sum


def kind(value):
    match value:
        case {"name": name} if name:
            return name
        case [first, *_]:
            return first
        case _:
            return None


def careful(value):
    try:
        with open(os.devnull) as file:
            file.read()
        return int(value)
    except ValueError:
        return None
    finally:
        size(1)


def pairs(numbers):
    yield from ((number, other) for number in numbers if number for other in numbers if other > number)
    yield [number for number in numbers if number > 7] or any(number > 1 for number in numbers)


def maybe(number):
    if number:
        size(number)


def early(number):
    if number: return
    size(number)


def never(): return 1


def in_thread():
    size(9)
    careful("x")


def in_child():
    kind({"name": "a"})


def main():
    size(1), size(0), total([1, 2]), kind([1]), kind(5), careful("1"), list(pairs([1, 2]))
    Value("a"), maybe(0), maybe(1), early(1)
    thread = threading.Thread(target=in_thread)
    thread.start()
    thread.join()
    child = os.fork()
    if not child:
        in_child()
        os._exit(0)
    os.waitpid(child, 0)
"""


@pytest.fixture
def module(tmp_path: Path) -> Path:
    path = tmp_path / "ansible_collections" / "kube_ecr" / "secrets" / "plugins" / "module_utils" / "toy.py"
    path.parent.mkdir(parents=True)
    path.write_text(CODE)
    return path


def run(module: Path, before: str, python: str = sys.executable, **env: str) -> None:
    """Run the code in a process of its own, after what is given."""
    places = [str(module.parent), str(Path(measured_process.__file__).parent)]
    program = f"import sys; sys.path[:0] = {places}; {before}; import toy; toy.main()"
    subprocess.run([python, "-c", program], env=env, check=True)


def report(data: Path, module: Path) -> dict:
    """Return which lines and branches of the code coverage calls executed, and which missing."""
    coverage = Coverage(data_file=str(data), config_file=False, branch=True)
    coverage.load()
    coverage.json_report([str(module)], outfile=str(data.with_suffix(".json")))
    return json.loads(data.with_suffix(".json").read_text())["files"][str(module)]


def test_records_equal_those_of_a_trace_function(module: Path, tmp_path: Path) -> None:
    records, recorded, traced = tmp_path / "records", tmp_path / "recorded", tmp_path / "traced"
    records.mkdir()
    # Not with the Python of .venv, where each process may be measured already.
    begin = f"import measured_process; measured_process.begin({str(records)!r})"
    run(module, begin, sys._base_executable)
    assert len(list(records.iterdir())) == 2, "of the process and of the one that it forked"
    run(module, begin, sys._base_executable, PYTHONOPTIMIZE="2")
    assert len(list(records.iterdir())) == 2, "and of none whose code is not what the source says"
    data = CoverageData(str(recorded))
    data.add_arcs(measure.arcs_by_file(records))
    data.write()

    settings = tmp_path / "settings.toml"
    run_settings = {"branch": "true", "parallel": "true", "patch": '["_exit"]', "data_file": json.dumps(str(traced))}
    settings.write_text("\n".join(["[run]", *(f"{name} = {value}" for name, value in run_settings.items())]))
    run(
        module,
        "import coverage; coverage.process_startup()",
        COVERAGE_PROCESS_START=str(settings),
        COVERAGE_CORE="ctrace",
    )
    coverage = Coverage(data_file=str(traced), config_file=False, branch=True)
    coverage.combine([str(tmp_path)])
    coverage.save()

    assert report(recorded, module) == report(traced, module)
