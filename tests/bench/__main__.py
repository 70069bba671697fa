"""Two builds of the runner, and another operator if there is one, side by side on one control plane.

`make bench` measures this build, `make bench BASE=REV` also that revision, and `PEER=/path/to/a/manager` also any
operator that serves the same custom resources (KUBECONFIG and AWS_ENDPOINT_URL say where; it gets keys in base64). Only
one of them runs at a time, in turn: A B A B. The values go to bench-results.json; `make bench-report` makes
docs/performance.md of them.
"""

from __future__ import annotations

import argparse
import importlib.metadata as installed
import json
import os
import platform
import re
import signal
import tempfile
import time
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from tests.bench.candidates import ROOT, Access, Candidate, CandidateError, base_build, peer, this_build
from tests.bench.endpoint import AWS
from tests.bench.figures import QUICK, Figure, Sizes, Stage, all_figures, background
from tests.bench.results import Results, number, table
from tests.support.cluster.control_plane import ControlPlane

RESULTS = ROOT / "bench-results.json"
NAMES = {"this": "this", "base": "BASE", "peer": "PEER"}


def main() -> None:
    """Measure, print what is measured, and write it into a file after each turn."""
    # Told to end, end what was started, too.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    options = _options()
    sizes = QUICK if options.quick else Sizes()
    sizes = replace(sizes, changes=options.changes or sizes.changes)
    figures = _chosen(all_figures(sizes), options.figures)
    try:
        candidates = _candidates(options)
        _measure(candidates, figures, sizes, options)
    except CandidateError as error:
        raise SystemExit(f"error: {error}") from None
    except KeyboardInterrupt:
        raise SystemExit(130) from None


def _options() -> argparse.Namespace:
    names = ", ".join(figure.name for figure in all_figures(Sizes()))
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__.splitlines()[0])
    parser.add_argument("--base", metavar="REV", help="also measure this revision, built in a clone of its own")
    parser.add_argument("--peer", metavar="COMMAND", help="also measure this operator")
    parser.add_argument("--figures", metavar="NAMES", help=f"only these, with commas in between: {names}")
    parser.add_argument("--rounds", type=int, help="turns of each candidate for each figure (default: 3)")
    parser.add_argument("--changes", type=int, help="single changes of each kind in a turn (default: 5)")
    parser.add_argument("--quick", action="store_true", help="one round of small sizes, to see that all of it works")
    parser.add_argument("--results", type=Path, default=RESULTS, help=f"the file to write (default: {RESULTS.name})")
    options = parser.parse_args()
    options.rounds = options.rounds or (1 if options.quick else 3)
    return options


def _chosen(figures: list[Figure], names: str | None) -> list[Figure]:
    if names is None:
        return [figure for figure in figures if figure.is_default]
    wanted = names.split(",")
    if unknown := set(wanted) - {figure.name for figure in figures}:
        raise SystemExit(f"error: no figure {', '.join(sorted(unknown))}; `--help` lists them")
    return [figure for figure in figures if figure.name in wanted]


def _candidates(options: argparse.Namespace) -> list[Candidate]:
    found = [this_build()]
    if options.base:
        found.append(base_build(options.base))
    if options.peer:
        found.append(peer(options.peer))
    return found


def _measure(candidates: list[Candidate], figures: list[Figure], sizes: Sizes, options: argparse.Namespace) -> None:
    labels = {each.name: each.label for each in candidates}
    before = machine()
    with (
        tempfile.TemporaryDirectory(prefix="kube-ecr-bench-") as folder,
        ControlPlane() as plane,
        AWS(Path(folder) / "aws.log") as aws,
    ):
        plane.kubectl("apply", "--server-side", "-f", str(ROOT / "crds"))
        plane.kubectl("wait", "--for=condition=Established", "crd", "--all", "--timeout=30s")
        results = Results(f"{datetime.now(UTC):%Y-%m-%d}", before, versions(plane), labels, options.rounds)
        _note_what_is_missing(results, figures, sizes)
        with closing(Stage(Access.of(plane), aws, sizes, Path(folder))) as stage:
            for figure in figures:
                _measure_figure(stage, figure, candidates, results, options)
    print(f"\nwritten to {options.results.name}; `make bench-report` makes docs/performance.md of it")


def _measure_figure(
    stage: Stage, figure: Figure, candidates: list[Candidate], results: Results, options: argparse.Namespace
) -> None:
    print(f"\n== {figure.title}", flush=True)
    if figure.name == "idle":
        stage.background = background(stage)
    for round_ in range(1, options.rounds + 1):
        for candidate in candidates:
            if candidate.is_peer and not figure.serves_peer(stage.sizes):
                results.lacks(f"{figure.title}, by the peer: its resource would need more names than the CRD takes")
                continue
            started = time.monotonic()
            with stage.turn(candidate, figure.latency) as turn:
                for found in figure.measure(turn):
                    results.add(figure.name, figure.title, found.quantity, found.unit, candidate.name, found.value)
                    _say(round_, candidate, found.quantity, found.value, found.unit)
            _say(round_, candidate, "(the turn as a whole)", time.monotonic() - started, "s")
            options.results.write_text(results.to_json())
    print("\n".join(table(results, [row for row in results.rows if row.figure == figure.name], NAMES)), flush=True)


def _say(round_: int, candidate: Candidate, quantity: str, value: float | None, unit: str) -> None:
    text = "not within the limit" if value is None else f"{number(value)} {unit}"
    print(f"  {round_} {candidate.name:5} {quantity:48} {text:>12}", flush=True)


def _note_what_is_missing(results: Results, figures: list[Figure], sizes: Sizes) -> None:
    chosen = {figure.name for figure in figures}
    for figure in all_figures(sizes):
        if figure.name not in chosen:
            results.lacks(f"{figure.title}: not part of this run")


def machine() -> dict[str, str]:
    """Return what the values depend on."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    models = re.findall(r"^model name\s*: (.*)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    return {
        "cores": str(os.cpu_count()),
        "processor": models[0] if models else platform.machine(),
        "memory": f"{memory:.0f} GiB",
        "kernel": platform.release(),
        # Above zero, somebody else uses the machine, and times say less.
        "load": f"{os.getloadavg()[0]:.1f}",
    }


def versions(plane: ControlPlane) -> dict[str, str]:
    """Return the versions of what is below the candidates."""
    server = json.loads(plane.kubectl("version", "-o", "json"))["serverVersion"]["gitVersion"]
    packages = {name: installed.version(name) for name in ("ansible-core", "ansible-runner", "botocore", "kubernetes")}
    return {"Kubernetes": server, "Python": platform.python_version(), **packages}


if __name__ == "__main__":
    main()
