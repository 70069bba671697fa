"""Write docs/performance.md and its plot from what `make bench` measured (`make bench-report`).

The page has text of its own. Only what is between two comments is written here.
"""

from __future__ import annotations

import argparse
import textwrap
from collections.abc import Collection, Iterator, Mapping
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

from tests.bench.results import Results, Row, table

if TYPE_CHECKING:
    from matplotlib.axes import Axes

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "performance.md"
PLOT = ROOT / "docs" / "performance.svg"
BEGIN, END = "<!-- bench: begin -->", "<!-- bench: end -->"
_NAMES = {"this": "this build", "base": "before", "peer": "peer"}
_COLORS = {"this": "#2166ac", "base": "#6baed6", "peer": "#d6604d"}
_MARKS = {"this": "o", "base": "s", "peer": "D"}
# From one candidate to the next within a row, whose height is 1.
_STEP = 0.22
# What the plot shows: a panel for quantities of these names, also of a part of a figure ("a Secret is deleted: CPU").
_PANELS = {
    "seconds until all Secrets are in place": ("all Secrets in place", "its Secret is in place"),
    "CPU seconds": ("CPU",),
}
_LABEL = 46


def main() -> None:
    """Read a file of results, write the page and the plot."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.report", description=__doc__.splitlines()[0])
    parser.add_argument("results", type=Path, nargs="?", default=ROOT / "bench-results.json")
    path = parser.parse_args().results
    if not path.exists():
        raise SystemExit(f"error: there is no {path.name}: run make bench first")
    results = Results.from_json(path.read_text())
    PAGE.write_text(with_section(PAGE.read_text(), "\n".join(section(results))))
    draw(results, PLOT)
    print(f"written: {PAGE.relative_to(ROOT)}, {PLOT.relative_to(ROOT)}")


def with_section(page: str, text: str) -> str:
    """Return the page with this text between the two comments; raises ValueError if it has none."""
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise ValueError(f"the page has no {BEGIN} and {END}")
    return f"{before}{BEGIN}\n\n{text}\n\n{END}{after}"


def section(results: Results) -> Iterator[str]:
    """Yield the lines of what was measured, a table for each figure."""
    names = names_of(results)
    versions = ", ".join(f"{name} {value}" for name, value in results.versions.items())
    yield (
        f"Measured on {results.date}, on {results.machine['cores']} cores ({results.machine['processor']}) with "
        f"{results.machine['memory']}, Linux {results.machine['kernel']}, {versions}. The load of the machine was "
        f"{results.machine['load']} before it began."
    )
    yield ""
    for name, called in names.items():
        yield f"- *{called}*: {results.candidates[name]}"
    yield ""
    yield (
        f"A value is the median of {results.rounds} round{'s' * (results.rounds > 1)}, with the lowest and the highest "
        "in parentheses. A ratio is the median of the ratios within a round. `-` means that it did not happen within "
        "the limit, or was not measured."
    )
    yield ""
    yield f"![Times and CPU seconds of the tables below]({PLOT.name})"
    for title, rows in groupby(results.rows, key=lambda row: row.title):
        yield from ("", f"### {title}", "", *table(results, list(rows), names))
    if results.missing:
        yield from ("", "### Not measured", "", *(f"- {text}" for text in results.missing))


def names_of(results: Results) -> dict[str, str]:
    """Return how the candidates of these results are called, in the order of the columns."""
    return {name: called for name, called in _NAMES.items() if name in results.candidates}


def bars(results: Results, quantities: Collection[str]) -> dict[str, Row]:
    """Return the rows of a panel of the plot, by their labels."""
    found = {}
    for row in results.rows:
        part, _, quantity = row.quantity.rpartition(": ")
        if quantity in quantities:
            found[f"{row.title}: {part}" if part else row.title] = row
    return found


def draw(results: Results, path: Path) -> None:
    """Draw the medians on a logarithmic scale, with the range of the rounds."""
    import matplotlib

    matplotlib.use("svg")
    # The same results give the same file.
    matplotlib.rcParams.update({"svg.hashsalt": "bench", "svg.fonttype": "none", "font.size": 9})
    from matplotlib import pyplot

    panels = {title: rows for title, quantities in _PANELS.items() if (rows := bars(results, quantities))}
    names = names_of(results)
    count = max((len(rows) for rows in panels.values()), default=1)
    height = 0.9 + count * 0.42
    figure, axes = pyplot.subplots(1, max(len(panels), 1), figsize=(10, height), sharey=True, squeeze=False)
    for axis, (title, rows) in zip(axes[0], panels.items(), strict=False):
        _panel(axis, rows, names)
        axis.set_title(title, fontsize=9)
    figure.legend(*axes[0][0].get_legend_handles_labels(), loc="lower center", ncols=len(names), frameon=False)
    figure.tight_layout(rect=(0, 0.3 / height, 1, 1))
    figure.savefig(path, format="svg", facecolor="white", metadata={"Date": None, "Creator": None})
    pyplot.close(figure)
    # Matplotlib ends lines with spaces.
    path.write_text("".join(f"{line.rstrip()}\n" for line in path.read_text().splitlines()))


def _panel(axis: Axes, rows: Mapping[str, Row], names: Mapping[str, str]) -> None:
    for place, (name, called) in enumerate(names.items()):
        known = [(number, spread) for number, row in enumerate(rows.values()) if (spread := row.spread(name))]
        axis.errorbar(
            [spread.median for _, spread in known],
            [number + (place - (len(names) - 1) / 2) * _STEP for number, _ in known],
            xerr=[
                [spread.median - spread.low for _, spread in known],
                [spread.high - spread.median for _, spread in known],
            ],
            fmt=_MARKS[name],
            markersize=5,
            elinewidth=1.2,
            color=_COLORS[name],
            label=called,
        )
    axis.set_xscale("log")
    axis.xaxis.set_major_formatter("{x:g}")
    axis.set_yticks(range(len(rows)), [textwrap.fill(label, _LABEL) for label in rows])
    axis.set_ylim(len(rows) - 0.5, -0.5)
    axis.grid(linewidth=0.4)
    axis.set_axisbelow(True)
    for side in ("top", "right"):
        axis.spines[side].set_visible(False)


if __name__ == "__main__":
    main()
