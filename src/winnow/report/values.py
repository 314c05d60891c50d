"""The numbers of a chart as a table, for those who cannot see it, and for those who want them."""

from __future__ import annotations

from winnow.report.chart import Chart
from winnow.report.table import Table


def values_table(chart: Chart) -> Table:
    """One row for each point: the series, where it lies, and the ends of its bar."""
    rows: list[tuple[str, ...]] = []
    values: list[tuple[object, ...]] = []
    has_ends = any(point.low is not None for series in chart.series for point in series.points)
    for series in chart.series:
        for point in series.points:
            ends = (point.low, point.high) if has_ends else ()
            x = point.x if point.listed is None else point.listed
            rows.append((series.name, *(_shown(each) for each in (x, point.y, *ends))))
            values.append((series.name, x, point.y, *ends))
    if chart.reference is not None:
        reference = chart.reference
        ends = (reference.low, reference.high) if has_ends else ()
        rows.append((reference.name, "all", *(_shown(each) for each in (reference.value, *ends))))
        values.append((reference.name, None, reference.value, *ends))
    columns = ("series", chart.x.label, chart.y.label, *(("least", "most") if has_ends else ()))
    return Table(
        name=chart.name,
        title=f"{chart.title}: the values drawn.",
        columns=columns,
        rows=tuple(rows),
        fields=columns,
        values=tuple(values),
    )


def _shown(value: float | None) -> str:
    return "–" if value is None else f"{value:,.0f}" if float(value).is_integer() else f"{value:,.4g}"
