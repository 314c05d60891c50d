"""Where commands print: text as it is, and tables as wide as they must be."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import IO

from rich.console import Console, Group, RenderableType
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from winnow.cli import say
from winnow.errors import StoreError

_WIDE = 10_000
"""Columns that no table needs."""


def output(file: IO[str] | None = None) -> Console:
    """Standard output, or a file. Nothing in a text is markup: names and messages may hold brackets."""
    return Console(highlight=False, markup=False, emoji=False, file=file)


def show(out: Console, *parts: RenderableType) -> None:
    """Print parts below each other, with every number whole: wider than the terminal, where a table must be."""
    for table in _tables(parts):
        out.width = max(out.width, _least_width(table, out))
    out.print(*parts, sep="\n")


def show_failures(out: Console, failures: Iterable[tuple[str, str]]) -> None:
    """Print what ended without a result, and why, a line for each."""
    for place, message in failures:
        out.print(Text.assemble(("failed", "yellow"), f": {place}: {message}"), soft_wrap=True)


def write_table(path: Path, table: str) -> None:
    """Write a table to a file, and tell on standard error where it is."""
    from winnow.store.files import write_file

    write_file(path, table.encode(), option="--out FILE")
    sys.stderr.write(f"table: {path}\n")


def show_figure(out: Console, draw: Callable[[], Sequence[Path]]) -> None:
    """Draw a figure and print where it lies. One that cannot be written is no reason to end: a warning tells of it."""
    try:
        paths = draw()
    except StoreError as problem:
        say(f"there is no figure: {str(problem).splitlines()[0]}")
    else:
        out.print("figure: " + ", ".join(str(path) for path in paths), soft_wrap=True)


def _tables(parts: Iterable[RenderableType]) -> Iterator[Table]:
    for part in parts:
        if isinstance(part, Table):
            yield part
        elif isinstance(part, Group):
            yield from _tables(part.renderables)


def _least_width(table: Table, out: Console) -> int:
    """The width at which only columns that may wrap are wrapped, and at blanks."""
    options = out.options.update(max_width=_WIDE)
    for column in table.columns:
        if column.no_wrap:
            cells = (column.header, *column.cells, column.footer)
            column.min_width = max(Measurement.get(out, options, cell).maximum for cell in cells)
    return Measurement.get(out, options, table).minimum
