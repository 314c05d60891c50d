"""A chart as PNG, for slides and papers that take no SVG; drawn by matplotlib from the same description."""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

from winnow.report.chart import Chart, Series, shortened
from winnow.report.drawing import SETTINGS, mark_place
from winnow.report.scale import Scale, scales

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_COLOURS = {
    "blue": "#0b63a5",
    "orange": "#c14a09",
    "green": "#0a7a56",
    "purple": "#90478c",
    "ochre": "#8a6500",
    "teal": "#1f7d91",
    "reference": "#55524c",
    **{
        f"step{n}": colour
        for n, colour in enumerate(
            ("#2e1e6d", "#1a3580", "#054f75", "#07636b", "#07774e", "#617f16", "#9d7c08", "#c87a30")
        )
    },
}
"""As in chart.css, in print."""

_MARKERS = {"circle": "o", "square": "s", "triangle": "^", "diamond": "D", "down": "v", "none": ""}
_DASHES = {"": "-", "6 4": "--", "2 3": ":"}


def png(chart: Chart) -> bytes:
    """The picture, 1,280 pixels wide."""
    from matplotlib import style
    from matplotlib.figure import Figure

    with style.context(["default", SETTINGS]):
        figure = Figure(figsize=(6.4, 4.5), layout="constrained")
        axes = figure.subplots()
        for series in chart.series:
            if series.points:
                _series(axes, series)
        if chart.reference is not None:
            reference, colour = chart.reference, _COLOURS["reference"]
            axes.axhline(reference.value, color=colour, linestyle="--", linewidth=1.2, label=reference.name)
            if reference.low is not None and reference.high is not None:
                axes.axhspan(reference.low, reference.high, color=colour, alpha=0.12, linewidth=0)
        if chart.mark is not None:
            mark_place(axes, chart.mark.x, chart.mark.label, scales(chart)[0].at(chart.mark.x), _COLOURS["reference"])
        _scaled(axes, *scales(chart))
        axes.set_xlabel(chart.x.label)
        axes.set_ylabel(chart.y.label)
        axes.set_title(chart.title, loc="left", fontsize=10)
        axes.grid(axis="y", alpha=0.25, linewidth=0.6)
        handles, labels = axes.get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=_columns(labels), frameon=False, fontsize=8)
        out = io.BytesIO()
        figure.savefig(out, format="png", dpi=200, metadata={"Software": None})
    return out.getvalue()


_WIDE = 95
"""Letters, of the size of the legend's, that the picture has room for in a row; a line and gaps take eight."""


def _columns(names: Sequence[str]) -> int:
    """How many columns of a legend there is room for, up to four: each is as wide as its longest name."""
    for count in (4, 3, 2):
        rows, longer = divmod(len(names), count)
        ends = [number * rows + min(number, longer) for number in range(count + 1)]
        widths = [max(map(len, names[begin:end]), default=0) + 8 for begin, end in pairwise(ends)]
        if len(names) >= count and sum(widths) <= _WIDE:
            return count
    return 1


def _series(axes: Axes, series: Series) -> None:
    xs, ys = [point.x for point in series.points], [point.y for point in series.points]
    colour = _COLOURS[series.colour]
    dash = _DASHES[series.dash]
    axes.plot(
        xs,
        ys,
        color=colour,
        linestyle=dash,
        marker=_MARKERS[series.marker],
        markersize=4.5,
        label=shortened(series.name, 50),
    )
    barred = [point for point in series.points if point.low is not None and point.high is not None]
    if not barred:
        return
    xs = [point.x for point in barred]
    lows, highs = [point.low or 0.0 for point in barred], [point.high or 0.0 for point in barred]
    if series.is_band:
        axes.fill_between(xs, lows, highs, color=colour, alpha=0.15, linewidth=0)
    else:
        axes.vlines(xs, lows, highs, color=colour, linewidth=0.9)


def _scaled(axes: Axes, x: Scale, y: Scale) -> None:
    from matplotlib.ticker import FixedFormatter, FixedLocator, NullLocator

    if x.axis.scale == "log":
        axes.set_xscale("log")
    elif x.axis.scale == "from-zero" and x.most > 0:
        axes.set_xscale("symlog", linthresh=x.step, base=2)
    if y.axis.scale == "log":
        axes.set_yscale("log")
    for axis, scale in ((axes.xaxis, x), (axes.yaxis, y)):
        axis.set_major_locator(FixedLocator(list(scale.ticks)))
        axis.set_minor_locator(NullLocator())
        axis.set_major_formatter(FixedFormatter([scale.written(tick) for tick in scale.ticks]))
    ends = (x.most, x.least) if x.axis.falls else (x.least, x.most)
    if x.axis.scale == "from-zero":  # room for half a marker
        ends = (x.least / 1.08 if x.least else -0.08 * x.step, 1.08 * x.most)
    if not math.isclose(*ends):
        axes.set_xlim(ends)
    axes.set_ylim(y.least, y.most)
