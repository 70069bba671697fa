"""Changes the pure code in small ways, one at a time, and reports which changes no unit test notices.

    python tests/tools/mutants.py               of what decides which Secret is written and which is taken away
    python tests/tools/mutants.py PATH...       in these files or folders, such as plugins/module_utils/_secret
    python tests/tools/mutants.py --all         in all of the pure code, for hours

mutmut makes the mutants and runs the tests that execute the function at hand. It changes what lies below its working
directory and imports it by the names that follow from there, so it gets a copy of code and tests in build/mutants.

A survivor is a test that is missing, or a change that nobody can see. The latter stand in mutants.toml, with the
reason. Fails when another survives, or when one in that file survives no more. Functions with a decorator are not
changed, but for static and class methods, nor is what stands outside of functions: mutmut cannot.

Survivors that put a sentence into other letters are only counted. They are wording: a test that repeats a sentence for
a person finds no mistake, and has to be changed with it. A text of one word is a key, a reason or a state for programs
and must not survive, nor may a sentence that is gone.
"""

from __future__ import annotations

import argparse
import ast
import difflib
import json
import os
import re
import shutil
import subprocess
import sys
import tokenize
import tomllib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from io import StringIO
from itertools import zip_longest
from pathlib import Path

ROOT = Path(__file__).parents[2]
SCRATCH = ROOT / "build" / "mutants"
EXPLAINED = Path(__file__).with_name("mutants.toml")

# What decides which Secret is written and which is taken away: a mistake there costs somebody's login.
CORE = (
    "plugins/module_utils/_reconcile/decision.py",
    "plugins/module_utils/_reconcile/outcomes.py",
    "plugins/module_utils/_reconcile/removal.py",
    "plugins/module_utils/_reconcile/request.py",
    "plugins/module_utils/_reconcile/target_state.py",
)
# Its own tests, and those of what a Secret is to it.
_TESTS_OF_CORE = ("tests/unit/collection/reconcile", "tests/unit/collection/secret")
# What is pure: values in, values out.
PURE = (
    *CORE,
    "plugins/module_utils/_contract",
    "plugins/module_utils/_secret",
    "runner/src/kube_ecr_runner/config",
    "runner/src/kube_ecr_runner/controller",
    "runner/src/kube_ecr_runner/model",
    "runner/src/kube_ecr_runner/reporting",
)
_TESTS = (
    "tests/unit/contract",
    "tests/unit/collection",
    "tests/unit/runner/config",
    "tests/unit/runner/controller",
    "tests/unit/runner/model",
    "tests/unit/runner/reporting",
)
# What the loop does is threads and calls: its tests take long, and are about more than one function each.
_NOT_PURE = ("runner/src/kube_ecr_runner/controller/loop.py", "runner/src/kube_ecr_runner/controller/one_pass.py")
# Where the packages lie in the copy: where Python looks for them.
_PLACES = {"plugins": "ansible_collections/kube_ecr/secrets/plugins", "runner/src": "."}
_COPIED = ("plugins", "runner/src", "runner", "tests", "crds")
_KILLED, _SURVIVED, _UNTESTED = 1, 0, 33  # mutmut's exit codes; all others are time-outs and crashes, which are noticed


@dataclass(frozen=True)
class Survivor:
    """A mutant that no test noticed: where it is, and the lines that it takes away and puts in."""

    function: str
    change: str
    is_untested: bool
    is_wording: bool


def main() -> int:
    parser = argparse.ArgumentParser(description="Report which small changes of the pure code no unit test notices.")
    parser.add_argument("paths", nargs="*", help="only in these files or folders")
    parser.add_argument("--all", action="store_true", help="in all of the pure code")
    args = parser.parse_args()
    chosen = args.paths or [*(PURE if args.all else CORE)]
    lay_out(chosen, _TESTS_OF_CORE if {*chosen} <= {*CORE} else _TESTS)
    log = SCRATCH / "mutmut.log"
    with log.open("w") as output:
        program = [str(Path(sys.executable).parent / "mutmut"), "run", "--max-children", str(os.cpu_count())]
        status = subprocess.run(program, cwd=SCRATCH, stdout=output, stderr=subprocess.STDOUT).returncode
    results = sorted((SCRATCH / "mutants").rglob("*.py.meta"))
    if status or not results:
        print(log.read_text(), file=sys.stderr)
        return status or 1
    survivors = [survivor for path in results for survivor in told(path)]
    return judge(survivors, {_module_of(path) for path in results})


def lay_out(chosen: list[str], tests: tuple[str, ...]) -> None:
    """Copy code and tests to where mutmut can work, with its settings."""
    shutil.rmtree(SCRATCH, ignore_errors=True)
    # Of runner only the files beside the package: its code has a place of its own.
    ignored = shutil.ignore_patterns("__pycache__", "src")
    for source in _COPIED:
        shutil.copytree(ROOT / source, SCRATCH / _place(source), ignore=ignored, dirs_exist_ok=True)
    settings = {
        "source_paths": [_place(source) for source in chosen],
        "do_not_mutate": [_place(source) for source in _NOT_PURE],
        "also_copy": [path.name for path in SCRATCH.iterdir()],
        "pytest_add_cli_args_test_selection": tests,
    }
    lines = [f"{name} = {json.dumps(value)}" for name, value in settings.items()]
    # The copy goes before the installed collection, in which only kubernetes.core is looked for.
    places = [".", str(Path(sys.prefix) / "collections")]
    pytest = ["[tool.pytest]", 'addopts = ["--import-mode=importlib"]', f"pythonpath = {json.dumps(places)}"]
    (SCRATCH / "pyproject.toml").write_text("\n".join(["[tool.mutmut]", *lines, *pytest]))


def _place(source: str) -> str:
    for folder, place in _PLACES.items():
        if Path(source).is_relative_to(folder):
            return str(place / Path(source).relative_to(folder))
    return source


def told(meta: Path) -> Iterator[Survivor]:
    """Yield the survivors of one file, and print how many there were of what."""
    codes: dict[str, int] = json.loads(meta.read_text())["exit_code_by_key"]
    mutated = meta.with_suffix("")
    sources = {
        node.name: ast.get_source_segment(text, node) or ""
        for text in [mutated.read_text()]
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.FunctionDef)
    }
    for key, code in codes.items():
        if code in (_SURVIVED, _UNTESTED):
            module, _, name = key.rpartition(".")
            original, function = f"{name.rpartition('__mutmut_')[0]}__mutmut_orig", _readable(name)
            plain = function.rpartition(".")[2]
            before, after = sources[original].replace(original, plain), sources[name].replace(name, plain)
            is_wording = code == _SURVIVED and is_reworded(before, after)
            yield Survivor(f"{module}.{function}", _change(before, after), code == _UNTESTED, is_wording)
    counts = Counter(codes.values())
    print(
        f"{counts.total():5} mutants, {counts[_SURVIVED]:4} survive, {counts[_UNTESTED]:4} in code without a test: "
        f"{mutated.relative_to(SCRATCH / 'mutants')}"
    )


def _readable(name: str) -> str:
    return name.rpartition("__mutmut_")[0].removeprefix("x_").removeprefix("xǁ").replace("ǁ", ".")


def _change(before: str, after: str) -> str:
    lines = list(difflib.unified_diff(before.splitlines(), after.splitlines(), lineterm="", n=0))
    return "\n".join(f"{line[0]} {line[1:].strip()}" for line in lines[2:] if not line.startswith("@@"))


def is_reworded(before: str, after: str) -> bool:
    """Return whether all that differs is how one sentence is written, as mutmut does it: in XX, or in one case."""
    pairs = zip_longest(_tokens(before), _tokens(after), fillvalue="")
    changes = [(old, new) for old, new in pairs if old != new]
    if len(changes) != 1:
        return False
    ((old, new),) = changes
    is_sentence = old.startswith('"') and re.search(r"[A-Za-z]\S* \S*[A-Za-z]", old)
    return bool(is_sentence) and (new.lower() == old.lower() or new == f'"XX{old[1:-1]}XX"')


def _tokens(source: str) -> list[str]:
    return [token.string for token in tokenize.generate_tokens(StringIO(source).readline)]


def _module_of(meta: Path) -> str:
    return ".".join(meta.relative_to(SCRATCH / "mutants").with_suffix("").with_suffix("").parts)


def judge(survivors: list[Survivor], modules: set[str]) -> int:
    """Print the survivors in these modules that nobody explained, and explanations that are out of date.

    Returns the exit status.
    """
    explained = {(each["function"], each["change"].strip()) for each in tomllib.loads(EXPLAINED.read_text())["mutant"]}
    wording = sum(survivor.is_wording for survivor in survivors)
    survivors = [survivor for survivor in survivors if not survivor.is_wording]
    found = {(survivor.function, survivor.change) for survivor in survivors}
    unexplained = [each for each in survivors if (each.function, each.change) not in explained]
    for survivor in unexplained:
        print(f"\n{survivor.function}{' (no test executes it)' if survivor.is_untested else ''}\n{survivor.change}")
    outdated = sorted(each for each in explained - found if any(each[0].startswith(f"{name}.") for name in modules))
    for function, change in outdated:
        print(f"\nsurvives no more, take it out of {EXPLAINED.name}: {function}\n{change}")
    print(
        f"\n{len(survivors)} survive, {len(survivors) - len(unexplained)} of them explained in {EXPLAINED.name}; "
        f"{wording} more are wording"
    )
    return 1 if unexplained or outdated else 0


if __name__ == "__main__":
    sys.exit(main())
