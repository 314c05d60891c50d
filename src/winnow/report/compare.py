"""The figure of a comparison: accuracy against density, the differences, and accuracy against cost."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from winnow.comparison import Comparison
from winnow.intervals import interval
from winnow.report.chart import shortened
from winnow.report.drawing import DENSE, density_axis, entitle, saved, styles
from winnow.results import Spread
from winnow.store.files import file_name

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


_LONG = 40
"""Letters of a set's name that figures have room for."""


def draw(comparison: Comparison, folder: Path) -> list[Path]:
    """Draw a comparison as SVG and PNG; gives the files. Bars are 95 % confidence intervals."""
    described = "|".join(f"{side.results.identity}@{side.control}" for side in comparison.sides)
    sets = "-".join(file_name(shortened(side.name, 24)) for side in comparison.sides[:3])
    name = f"compare-{sets}-{hashlib.sha256(described.encode()).hexdigest()[:8]}"
    return saved(lambda: _figure(comparison), folder, name)


def _figure(comparison: Comparison) -> Figure:
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator, StrMethodFormatter

    figure = Figure(figsize=(13.2, 4.1), layout="constrained")
    accuracy, difference, cost = figure.subplots(1, 3)
    least, every = 1.0, list[float]()
    for number, (side, (colour, marker)) in enumerate(zip(comparison.sides, styles(), strict=False)):
        points = side.points(comparison.matching)
        least = min(least, *(point.density for point in points))
        at = [100 * point.density for point in points]
        means = [100 * Spread(tuple(point.accuracies.values())).mean for point in points]
        halves = [_half(list(point.accuracies.values())) for point in points]
        _errorbar(accuracy, at, means, halves, colour, marker, shortened(side.name, _LONG))
        levels = sorted(side.levels, key=lambda level: -level.density)
        iterations = [side.cost(level.level).iterations for level in levels]
        cost.plot(iterations, means, color=colour, marker=marker, markersize=4, linewidth=0.6, alpha=0.8)
        every += [value for mean, half in zip(means, halves, strict=True) for value in (mean - half, mean + half)]
        if number:
            found = comparison.differences(side)
            at = [100 * each.here.density for each in found]
            ends = [each.interval for each in found]
            halves = [0.0 if math.isinf(low) else 50 * (high - low) for low, high in ends]
            _errorbar(difference, at, [100 * each.mean for each in found], halves, colour, marker, "")
    _within(accuracy, every, comparison)
    first = shortened(comparison.sides[0].name, _LONG)
    difference.axhline(0, color=DENSE, linestyle="--", linewidth=1)
    difference.set_ylabel("less the first set’s (points)")
    on = f"{comparison.matching.on} {comparison.score}"
    accuracy.set_ylabel(f"{on} (%)")
    cost.set_ylabel(f"{on} (%)")
    cost.set_xlabel("iterations behind a result, of one replicate")
    cost.xaxis.set_major_locator(MaxNLocator(5))
    cost.xaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
    cost.set_xlim(left=0)
    cost.grid(alpha=0.2, linewidth=0.6)
    for axes in (accuracy, difference):
        density_axis(axes, 100 * least)
    for axes, what in ((accuracy, "by density"), (difference, f"difference from {first}"), (cost, "by cost")):
        axes.set_title(what, loc="left", fontsize=9)
    entitle(figure, _title(comparison))
    handles, labels = accuracy.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=min(3, len(labels)), frameon=False)
    return figure


def _title(comparison: Comparison) -> str:
    counts = {len(point.accuracies) for side in comparison.sides for point in side.points(comparison.matching)}
    first, *others = (shortened(side.name, _LONG) for side in comparison.sides)
    bars = "means over replicates, bars: 95 % confidence intervals"
    if counts == {1}:
        bars = "single replicates, which have no confidence interval"
    elif 1 in counts:
        bars += " (none where there is one replicate)"
    return f"{', '.join(others)} compared with {first}; {bars}"


def _within(axes: Axes, every: Sequence[float], comparison: Comparison) -> None:
    """End the axis where accuracies end, since an interval of few replicates may go beyond."""
    if comparison.score == "accuracy" and (min(every) < 0 or max(every) > 100):
        room = 0.03 * (min(100.0, max(every)) - max(0.0, min(every)))
        axes.set_ylim(max(0.0, min(every)) - room, min(100.0, max(every)) + room)


def _half(values: list[float]) -> float:
    """Half the width of the confidence interval, in points; none where a single value has none."""
    low, high = interval(values)
    return 0.0 if math.isinf(low) else 50 * (high - low)


def _errorbar(
    axes: Axes, at: list[float], means: list[float], halves: list[float], colour: str, marker: str, label: str
) -> None:
    """Means with bars, joined unless they all have one density, as the dense network trained longer."""
    axes.errorbar(
        at,
        means,
        yerr=halves,
        color=colour,
        marker=marker,
        markersize=4,
        linestyle="-" if len(set(at)) > 1 else "",
        linewidth=1.3,
        elinewidth=0.8,
        capsize=2,
        label=label,
    )
