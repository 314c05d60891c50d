"""The figure of a comparison: accuracy against density, the differences, and accuracy against cost."""

from __future__ import annotations

import hashlib
import math
from pathlib import Path
from typing import TYPE_CHECKING

from winnow.comparison import Comparison
from winnow.intervals import interval
from winnow.report.figure import DENSE, SETTINGS, density_axis, save, styles
from winnow.results import Spread
from winnow.store.files import storing

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def draw(comparison: Comparison, folder: Path) -> list[Path]:
    """Draw a comparison as SVG and PNG; gives the files. Bars are 95 % confidence intervals."""
    described = "|".join(f"{side.results.identity}@{side.control}" for side in comparison.sides)
    name = f"compare-{hashlib.sha256(described.encode()).hexdigest()[:8]}"
    paths = [folder / f"{name}.{kind}" for kind in ("svg", "png")]

    from matplotlib import style

    with style.context(["default", SETTINGS]), storing(folder):
        save(_figure(comparison), paths)
    return paths


def _figure(comparison: Comparison) -> Figure:
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator, StrMethodFormatter

    figure = Figure(figsize=(13.2, 4.1), layout="constrained")
    accuracy, difference, cost = figure.subplots(1, 3)
    least = 1.0
    for number, (side, (colour, marker)) in enumerate(zip(comparison.sides, styles(), strict=False)):
        points = side.points(comparison.matching)
        least = min(least, *(point.density for point in points))
        at = [100 * point.density for point in points]
        means = [100 * Spread(tuple(point.accuracies.values())).mean for point in points]
        halves = [_half(list(point.accuracies.values())) for point in points]
        _errorbar(accuracy, at, means, halves, colour, marker, side.name)
        levels = sorted(side.levels, key=lambda level: -level.density)
        iterations = [side.cost(level.level).iterations for level in levels]
        cost.plot(iterations, means, color=colour, marker=marker, markersize=4, linewidth=0.6, alpha=0.8)
        if number:
            found = comparison.differences(side)
            at = [100 * each.here.density for each in found]
            ends = [each.interval for each in found]
            halves = [0.0 if math.isinf(low) else 50 * (high - low) for low, high in ends]
            _errorbar(difference, at, [100 * each.mean for each in found], halves, colour, marker, side.name)
    first = comparison.sides[0].name
    difference.axhline(0, color=DENSE, linestyle="--", linewidth=1)
    difference.set_ylabel(f"difference from {first} (points)")
    on = f"{comparison.matching.on} accuracy"
    accuracy.set_ylabel(f"{on} (%)")
    cost.set_ylabel(f"{on} (%)")
    cost.set_xlabel("iterations behind a result, of one replicate")
    cost.xaxis.set_major_locator(MaxNLocator(5))
    cost.xaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
    cost.set_xlim(left=0)
    cost.grid(alpha=0.2, linewidth=0.6)
    for axes in (accuracy, difference):
        density_axis(axes, 100 * least)
    figure.suptitle("means over replicates, with 95 % confidence intervals", fontsize=10)
    handles, labels = accuracy.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=min(4, len(labels)), frameon=False)
    return figure


def _half(values: list[float]) -> float:
    """Half the width of the confidence interval, in points; none where a single value has none."""
    low, high = interval(values)
    return 0.0 if math.isinf(low) else 50 * (high - low)


def _errorbar(
    axes: Axes, at: list[float], means: list[float], halves: list[float], colour: str, marker: str, label: str
) -> None:
    axes.errorbar(
        at,
        means,
        yerr=halves,
        color=colour,
        marker=marker,
        markersize=4,
        linewidth=1.3,
        elinewidth=0.8,
        capsize=2,
        label=label,
    )
