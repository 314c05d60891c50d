"""Tables: as people read them, and as programs do."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Sequence
from dataclasses import dataclass

from winnow.intervals import interval
from winnow.report.html import Markup, element
from winnow.results import Spread


@dataclass(frozen=True, kw_only=True)
class Table:
    """The same rows twice: rounded, with units, for the page; and exact, one quantity a column, for a CSV file."""

    name: str
    """What its file is called."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    fields: tuple[str, ...]
    """Of the CSV file."""

    values: tuple[tuple[object, ...], ...]
    words: int = 1
    """How many of the first columns hold words, and are set to the left."""

    strong: frozenset[int] = frozenset()
    """Which rows stand out."""

    def to_csv(self) -> str:
        """The exact values; what is not there is an empty cell."""
        out = io.StringIO()
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(self.fields)
        writer.writerows([["" if _is_nothing(value) else value for value in row] for row in self.values])
        return out.getvalue()

    def to_html(self, label: str | None = None) -> Markup:
        """The readable rows, in a frame that scrolls where the page is narrow, under the title, which the label begins.

        A caption would be as wide as the rows, and cut off where they scroll.
        """
        head = element("tr", *(self._cell("th", n, text, scope="col") for n, text in enumerate(self.columns)))
        body = [
            element(
                "tr",
                *(self._cell("td" if n else "th", n, text, **({} if n else {"scope": "row"})) for n, text in cells),
                class_="strong" if number in self.strong else None,
            )
            for number, cells in enumerate(enumerate(row) for row in self.rows)
        ]
        title = element("p", element("b", f"{label}. ") if label else None, self.title, class_="title")
        table = element("table", element("thead", head), element("tbody", *body), aria_label=self.title)
        frame = element("div", table, class_="scroll", tabindex=0, role="region", aria_label=self.title)
        return element("div", title, frame, class_="table")

    def _cell(self, tag: str, column: int, text: str, **attributes: object) -> Markup:
        return element(tag, text, class_="word" if column < self.words else None, **attributes)


def _is_nothing(value: object) -> bool:
    return value is None or (isinstance(value, float) and not math.isfinite(value))


def mean_and_std(spread: Spread | None, digits: int = 2, scale: float = 1.0) -> str:
    """A mean with its standard deviation, where there is one.

    >>> mean_and_std(Spread((0.97, 0.98, 0.99)), 1, 100)
    '98.0 ± 1.0'
    """
    if spread is None or not spread.values:
        return "–"
    mean = f"{scale * spread.mean:,.{digits}f}"
    return mean if math.isnan(spread.std) else f"{mean} ± {scale * spread.std:,.{digits}f}"


def has_interval(values: Sequence[float]) -> bool:
    """Whether values say how far their mean may lie off: two or more, which are not all equal.

    Equal ones, as of two replicates on a small test set, would give an interval without width, as if nothing were
    left to chance.

    >>> has_interval([0.25]), has_interval([0.91 - 0.90, 0.81 - 0.80]), has_interval([0.25, 0.5])
    (False, False, True)
    """
    return len(values) > 1 and not math.isclose(min(values), max(values), rel_tol=1e-9, abs_tol=1e-12)


def limits(values: Sequence[float], digits: int = 2, scale: float = 1.0, *, signed: bool = False) -> str:
    """The 95 % confidence interval of the mean, by Student's t; a dash where there is none.

    >>> limits([1.0, 2.0, 3.0]), limits([0.5, 0.5])
    ('−0.48 to 4.48', '–')
    """
    if not has_interval(values):
        return "–"
    low, high = interval(values)
    sign = "+" if signed else ""
    return f"{scale * low:{sign},.{digits}f} to {scale * high:{sign},.{digits}f}".replace("-", "−")


def difference(value: float, digits: int = 2) -> str:
    """A difference with its sign.

    >>> difference(-0.5), difference(0.25)
    ('−0.50', '+0.25')
    """
    return f"{value:+,.{digits}f}".replace("-", "−")


def summary(values: Sequence[float]) -> tuple[object, ...]:
    """A quantity over replicates for a CSV file: n, mean, std, the ends of the 95 % interval if any, least, most."""
    if not values:
        return (0, *(None,) * 6)
    spread = Spread(tuple(values))
    ends = interval(values) if has_interval(values) else (None, None)
    return (len(values), spread.mean, spread.std, *ends, spread.least, spread.most)


def summary_fields(quantity: str) -> tuple[str, ...]:
    """The columns that `summary` fills."""
    return tuple(f"{quantity}_{part}" for part in ("n", "mean", "std", "low95", "high95", "least", "most"))
