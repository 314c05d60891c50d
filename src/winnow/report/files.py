"""Each figure as SVG and PNG, and each table as CSV, in a folder."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from winnow.report.chart import Chart
from winnow.report.parts import Part
from winnow.report.png import png
from winnow.report.svg import svg
from winnow.report.values import values_table
from winnow.store.files import write_file


def write_files(parts: Sequence[Part], folder: Path, *, extra: Sequence[Chart] = ()) -> list[Path]:
    """Write them; gives the files. A figure's values lie beside it, under its name."""
    written: list[Path] = []

    def write(name: str, content: bytes) -> None:
        write_file(folder / name, content, option="--files DIR")
        written.append(folder / name)

    for part in parts:
        for table in part.tables:
            write(f"{part.name}-{table.name}.csv", table.to_csv().encode())
    for chart in [*extra, *(chart for part in parts for chart in part.charts)]:
        write(f"{chart.name}.svg", svg(chart, is_alone=True).encode())
        write(f"{chart.name}.png", png(chart))
        write(f"{chart.name}.csv", values_table(chart).to_csv().encode())
    return written
