"""Runs a command and reports the lines and branches of plugins/ and runner/src that it executes, in all its processes.

    python -m tests.tools.measure [--no-floor] COMMAND ARGUMENT...

All processes of .venv's Python count: pytest, ansible-playbook and its workers, modules, the runner and the programs
that it starts. Each one records itself (see measured_process.py), since Python imports the recorder at its start while
COMMAND runs. A killed process leaves no record.

pyproject.toml has the settings, below [tool.coverage]: where the installed files come from, what does not count, and
the floor. The report lists what no process executed; build/coverage/index.html shows it in the code. The exit status is
that of COMMAND, or 2 if the total is below the floor.
"""

from __future__ import annotations

import argparse
import dis
import marshal
import shutil
import subprocess
import sys
import sysconfig
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import CodeType
from zlib import crc32

from coverage import Coverage, CoverageData, bytecode
from coverage.parser import multiline_map_from_text

ROOT = Path(__file__).parents[2]
RECORDS = Path(sys.prefix) / "measured"
HTML = ROOT / "build" / "coverage"
_SITE_PACKAGES = Path(sysconfig.get_path("purelib"))
_HOOK = _SITE_PACKAGES / "measured_process.py"
# Python executes these files in the order of their names. This one has to precede those that import our code.
_PTH = _SITE_PACKAGES / "a0_measured_process.pth"

if "RETURN_CONST" in dis.opmap:  # until Python 3.13; coverage resolves branches of Python 3.14 and later only
    bytecode.RETURNS.add(dis.opmap["RETURN_CONST"])

Arc = tuple[int, int]  # two lines, the second executed directly after the first


@dataclass
class Executed:
    """What all processes executed of one code object; see Record in measured_process.py."""

    lines: set[int] = field(default_factory=set)
    pairs: set[Arc] = field(default_factory=set)
    branches: set[tuple[int, int]] = field(default_factory=set)
    returns: set[int] = field(default_factory=set)


# A code object within its file: its qualified name, its first line and the checksum of its instructions.
Key = tuple[str, int, int]


def main() -> int:
    parser = argparse.ArgumentParser(description="Measure what a command executes of plugins/ and runner/src.")
    parser.add_argument("--no-floor", action="store_true", help="accept a total below the floor")
    parser.add_argument("command", nargs=argparse.REMAINDER, help="the command and its arguments")
    options = parser.parse_args()
    with measuring():
        status = subprocess.run(options.command).returncode
    coverage = combined()
    total = coverage.report(skip_covered=True, show_missing=True)
    coverage.html_report(directory=str(HTML))
    print(f"In the code: {HTML.relative_to(ROOT)}/index.html")
    floor = float(str(coverage.get_option("report:fail_under")))
    if status or options.no_floor or round(total, 2) >= floor:
        return status
    print(f"The coverage is {total:.2f} %, below the floor of {floor:g} % in pyproject.toml.", file=sys.stderr)
    return 2


@contextmanager
def measuring() -> Iterator[None]:
    """Make each process of .venv's Python record itself if it starts within the block."""
    shutil.rmtree(RECORDS, ignore_errors=True)
    RECORDS.mkdir()
    RECORDS.chmod(0o1777)  # tests start programs as other users
    shutil.copy(Path(__file__).with_name(_HOOK.name), _HOOK)
    _PTH.write_text(f"import {_HOOK.stem}; {_HOOK.stem}.begin({str(RECORDS)!r})\n")
    try:
        yield
    finally:
        _PTH.unlink()
        _HOOK.unlink()


def combined() -> Coverage:
    """Return the coverage of the files of this checkout, including those that no process imported."""
    installed = CoverageData(str(RECORDS / "coverage.installed"))
    installed.add_arcs(arcs_by_file(RECORDS))
    installed.write()
    coverage = Coverage(data_file=str(RECORDS / "coverage"), config_file=str(ROOT / "pyproject.toml"))
    coverage.combine([str(RECORDS)])
    sources = (path for folder in ("plugins", "runner/src") for path in (ROOT / folder).rglob("*.py"))
    coverage.get_data().touch_files(str(path) for path in sources)
    coverage.save()
    return coverage


def arcs_by_file(records: Path) -> dict[str, set[Arc]]:
    """Return the arcs that all processes executed, by file, in the form that coverage stores."""
    found: dict[str, dict[Key, Executed]] = defaultdict(lambda: defaultdict(Executed))
    for path in records.iterdir():
        with suppress(EOFError, ValueError):  # the process was killed while it wrote
            for filename, *key, lines, pairs, branches, returns in marshal.loads(path.read_bytes()):  # noqa: S302 (our own)
                executed = found[_installed(filename)][tuple(key)]
                executed.lines.update(lines)
                executed.pairs.update(pairs)
                executed.branches.update(branches)
                executed.returns.update(returns)
    return {filename: _arcs(Path(filename), codes) for filename, codes in found.items() if Path(filename).exists()}


def _installed(filename: str) -> str:
    """Return the installed file for one in the archive that Ansible makes of a module (it adds empty files there)."""
    _, in_archive, name = filename.partition(".zip/")
    return str(Path(sys.prefix) / "collections" / name) if in_archive else filename


def _arcs(path: Path, found: Mapping[Key, Executed]) -> set[Arc]:
    text = path.read_text()
    codes = {_key(code): code for code in _code_objects(compile(text, path, "exec", dont_inherit=True))}
    statements = multiline_map_from_text(text)
    return {arc for key, executed in found.items() for arc in _arcs_of(codes[key], executed, statements)}


def _arcs_of(code: CodeType, executed: Executed, statements: Mapping[int, int]) -> Iterator[Arc]:
    """Yield what coverage's own monitor (coverage/sysmon.py) would have stored for these events."""
    line_at = bytecode.bytes_to_lines(code)
    resolver = bytecode.BranchArcResolver(code, line_at, statements)
    yield from executed.pairs
    yield from ((line, line) for line in executed.lines)
    yield from ((line_at[offset], -code.co_firstlineno) for offset in executed.returns if offset in line_at)
    for offset, destination in executed.branches:
        # The resolver knows no branch that leads to the handler of an exception.
        arc = resolver.resolve(offset, destination) or (line_at.get(offset, 0), line_at.get(destination, 0))
        if 0 not in arc and arc[0] != arc[1]:
            yield arc


def _code_objects(code: CodeType) -> Iterator[CodeType]:
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _code_objects(constant)


def _key(code: CodeType) -> Key:
    return code.co_qualname, code.co_firstlineno, crc32(code.co_code)


if __name__ == "__main__":
    sys.exit(main())
