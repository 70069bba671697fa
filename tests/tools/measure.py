"""Runs a command and reports which lines and branches of plugins/ and runner/src it executed, in whatever process.

    python tests/tools/measure.py [--no-floor] COMMAND ARGUMENT...

Every process of .venv's Python counts: pytest's own, ansible-playbook and its workers, the runner and what it starts.
They measure themselves by a file that Python executes at its start (see measured_process.py) and that is there while
COMMAND runs. What a killed process executed is lost.

What is measured, where the installed files come from, and the floor stand in pyproject.toml, below [tool.coverage]. The
report names what nothing executed; build/coverage/index.html shows it line by line. Fails when COMMAND does, and when
the total is below the floor, but for --no-floor.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from coverage import Coverage

ROOT = Path(__file__).parents[2]
DATA = Path(sys.prefix) / "measured"
HTML = ROOT / "build" / "coverage"
_SITE_PACKAGES = Path(sysconfig.get_path("purelib"))
_HOOK = _SITE_PACKAGES / "measured_process.py"
_PTH = _SITE_PACKAGES / "a0_measured_process.pth"  # the name puts it before those that import something of ours


def main() -> int:
    parser = argparse.ArgumentParser(description="Measure what a command executes of plugins/ and runner/src.")
    parser.add_argument("--no-floor", action="store_true", help="do not fail when the total is below the floor")
    parser.add_argument("command", nargs=argparse.REMAINDER, help="what to run, with its arguments")
    options = parser.parse_args()
    with measuring():
        status = subprocess.run(options.command).returncode
    coverage = combined()
    total = coverage.report(skip_covered=True, show_missing=True)
    coverage.html_report(directory=str(HTML))
    print(f"Line by line: {HTML.relative_to(ROOT)}/index.html")
    floor = float(str(coverage.get_option("report:fail_under")))
    if status or options.no_floor or round(total, 2) >= floor:
        return status
    print(f"Coverage is {total:.2f} %, below the floor of {floor:g} % in pyproject.toml.", file=sys.stderr)
    return 2


@contextmanager
def measuring() -> Iterator[None]:
    """Have each process of .venv's Python measured that starts within the block."""
    shutil.rmtree(DATA, ignore_errors=True)
    DATA.mkdir()
    DATA.chmod(0o1777)  # tests start programs as other users
    shutil.copy(Path(__file__).with_name(_HOOK.name), _HOOK)
    _PTH.write_text(f"import {_HOOK.stem}\n")
    try:
        yield
    finally:
        _PTH.unlink()
        _HOOK.unlink()


def combined() -> Coverage:
    """Return what all processes executed, by the files of this checkout; those that nobody imported are in it."""
    coverage = Coverage(data_file=str(DATA / "data"), config_file=str(ROOT / "pyproject.toml"))
    coverage.combine([str(DATA)])
    sources = (path for folder in ("plugins", "runner/src") for path in (ROOT / folder).rglob("*.py"))
    coverage.get_data().touch_files(str(path) for path in sources)
    coverage.save()
    return coverage


if __name__ == "__main__":
    sys.exit(main())
