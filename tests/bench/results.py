"""What a bench measured, as it is kept in a file: values by row and candidate, medians and ratios; all of it pure."""

from __future__ import annotations

import json
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Self

FORMAT = 1
# A round in which something did not happen within its limit has None.
Value = float | None


@dataclass(frozen=True)
class Spread:
    """The median of the rounds, the lowest and the highest."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Sequence[Value]) -> Self | None:
        """Return None if there is no value, or if a round has none."""
        known = [value for value in values if value is not None]
        if not known or len(known) < len(values):
            return None
        return cls(statistics.median(known), min(known), max(known))


@dataclass
class Row:
    """One quantity of one figure: a value for each round, by candidate."""

    figure: str
    title: str
    quantity: str
    unit: str
    values: dict[str, list[Value]] = field(default_factory=dict)

    def spread(self, candidate: str) -> Spread | None:
        """Return median and range of a candidate."""
        return Spread.of(self.values.get(candidate, []))

    def ratio(self, candidate: str, other: str) -> Spread | None:
        """Return how many times as much a candidate takes as another: of the two turns of each round."""
        pairs = list(zip(self.values.get(candidate, []), self.values.get(other, []), strict=False))
        return Spread.of([one / two if one is not None and two else None for one, two in pairs])


@dataclass
class Results:
    """All rows, and what one has to know to read them."""

    date: str
    machine: dict[str, str]
    versions: dict[str, str]
    candidates: dict[str, str]
    rounds: int
    rows: list[Row] = field(default_factory=list)
    # Why a figure or a candidate is missing.
    missing: list[str] = field(default_factory=list)

    def add(self, figure: str, title: str, quantity: str, unit: str, candidate: str, value: Value) -> None:
        """Add the value of one turn."""
        row = next((row for row in self.rows if (row.figure, row.quantity) == (figure, quantity)), None)
        if row is None:
            row = Row(figure, title, quantity, unit)
            self.rows.append(row)
        row.values.setdefault(candidate, []).append(value)

    def lacks(self, text: str) -> None:
        """Note once what was not measured."""
        if text not in self.missing:
            self.missing.append(text)

    def of(self, figure: str, quantity: str) -> Row | None:
        """Return a row, None if it was not measured."""
        return next((row for row in self.rows if (row.figure, row.quantity) == (figure, quantity)), None)

    def to_json(self) -> str:
        """Return the content of the file."""
        return json.dumps({"format": FORMAT, **asdict(self)}, indent=1) + "\n"

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Read the content of a file; raises ValueError for another format."""
        content: dict[str, Any] = json.loads(text)
        if content.pop("format", None) != FORMAT:
            raise ValueError("the results have another format: run make bench again")
        return cls(**{**content, "rows": [Row(**row) for row in content["rows"]]})


def number(value: float) -> str:
    """Return a count as it is, and a measured value with two or three significant digits."""
    if isinstance(value, int) or abs(value) >= 100:
        return f"{value:,.0f}"
    if abs(value) >= 0.1:
        return f"{value:.{1 if abs(value) >= 10 else 2}f}"
    return f"{value:.2g}"


def cell(spread: Spread | None) -> str:
    """Return median and range; only the median if all rounds have it."""
    if spread is None:
        return "-"
    median, low, high = number(spread.median), number(spread.low), number(spread.high)
    return median if low == high else f"{median} ({low} to {high})"


def table(results: Results, rows: Sequence[Row], names: Mapping[str, str]) -> list[str]:
    """Return the lines of a Markdown table: a column for each candidate, and the ratios to the first one.

    `names` says how candidates are called, in the order of the columns.
    """
    present = [name for name in names if name in results.candidates]
    first, *others = present
    head = ["", "unit", *(names[name] for name in present), *(f"{names[first]} / {names[name]}" for name in others)]
    lines = [_line(head), _line(["---"] * len(head))]
    for row in rows:
        cells = [row.quantity, row.unit, *(cell(row.spread(name)) for name in present)]
        lines.append(_line([*cells, *(cell(row.ratio(first, name)) for name in others)]))
    return lines


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
