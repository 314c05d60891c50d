"""The figure of an IMP run: accuracy and early-stop iteration against density."""

from __future__ import annotations

import hashlib
import math
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from winnow.experiments.experiment import TICKET
from winnow.experiments.words import pruned, start
from winnow.report.drawing import DENSE, density_axis, entitle, files_of, mark_place, saved, styles
from winnow.results import Level, Results, Spread
from winnow.store.files import file_name
from winnow.store.manifest import winnow_version

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_NAMES_IN_A_ROW = 5
"""Of the legend."""


def draw(results: Results, folder: Path) -> list[Path]:
    """Draw accuracy and early-stop iteration against density as SVG and PNG; gives the files.

    Points are means over replicates, bars their least and most (as in LTH, arXiv 1803.03635, Fig. 4); the
    dashed line and its band are the dense network. The SVG's bytes depend on the results alone; files that show
    them already are left as they are.
    """
    name, shown = f"{file_name(results.experiment.recipe.name)}-{results.identity}", _digest(results)
    svg, png = files_of(folder, name)
    if svg.exists() and png.exists() and shown in svg.read_text("utf-8", errors="replace"):
        return [svg, png]
    return saved(lambda: _figure(results), folder, name, shows=shown)


def _digest(results: Results) -> str:
    """What tells whether a figure shows these results already."""
    shown = (winnow_version(), results.experiment.recipe, results.levels)
    return f"winnow-{hashlib.sha256(repr(shown).encode()).hexdigest()}"


def _figure(results: Results) -> Figure:
    from matplotlib.figure import Figure

    rows = math.ceil((len(_by_control(results)) + 1) / _NAMES_IN_A_ROW)
    figure = Figure(figsize=(9.6, 3.7 + 0.2 * rows), layout="constrained")
    accuracy, early_stop = figure.subplots(1, 2)
    _accuracies(accuracy, results)
    _early_stops(early_stop, results)
    least = 100 * min(training.density for training in results.trainings)
    for axes in (accuracy, early_stop):
        density_axis(axes, least)
    recipe = results.experiment.recipe
    rewind = ", ".join(filter(None, (start(recipe), pruned(recipe))))
    replicates = f"{recipe.replicates} replicates (bars: least to most)" if recipe.replicates > 1 else "1 replicate"
    entitle(figure, f"{recipe.name}: tickets {rewind}, {replicates}")
    handles, labels = accuracy.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=min(len(labels), _NAMES_IN_A_ROW), frameon=False)
    return figure


def _accuracies(axes: Axes, results: Results) -> None:
    matching = results.experiment.recipe.matching
    if results.dense is not None:
        low, mean, high = (100 * value for value in (results.dense.least, results.dense.mean, results.dense.most))
        axes.axhspan(low, high, color=DENSE, alpha=0.12, linewidth=0)
        axes.axhline(mean, color=DENSE, linestyle="--", linewidth=1, label="dense")
    for (control, levels), (colour, marker) in zip(_by_control(results).items(), styles(), strict=False):
        _curve(axes, control, levels, [level.accuracy for level in levels], 100.0, colour, marker)
    smallest = results.smallest_matching
    if smallest is not None:
        along = math.log(smallest.density) / math.log(min(level.density for level in results.levels))
        label = f"smallest matching ticket: {100 * smallest.density:.3g} %"
        mark_place(axes, 100 * smallest.density, label, along, DENSE)
    at = "at the end of training" if matching.at == "end" else "at early stopping"
    axes.set_ylabel(f"{matching.on} {results.score} {at} (%)")


def _early_stops(axes: Axes, results: Results) -> None:
    dense = [float(t.curve.early_stop) for t in results.trainings if t.row.level == 0]
    if dense:
        axes.axhspan(min(dense), max(dense), color=DENSE, alpha=0.12, linewidth=0)
        axes.axhline(sum(dense) / len(dense), color=DENSE, linestyle="--", linewidth=1)
    for (control, levels), (colour, marker) in zip(_by_control(results).items(), styles(), strict=False):
        _curve(axes, control, levels, [level.early_stop for level in levels], 1.0, colour, marker)
    axes.set_ylabel("early-stop iteration (least validation loss)")
    axes.set_ylim(bottom=0)


def _curve(
    axes: Axes, control: str, levels: list[Level], spreads: list[Spread], scale: float, colour: str, marker: str
) -> None:
    means = [scale * spread.mean for spread in spreads]
    # The mean of equal values may round to beside them.
    below = [scale * max(0.0, spread.mean - spread.least) for spread in spreads]
    above = [scale * max(0.0, spread.most - spread.mean) for spread in spreads]
    drawn = axes.errorbar(
        [100 * level.density for level in levels],
        means,
        yerr=[below, above],
        color=colour,
        marker=marker,
        markersize={"*": 6, "P": 5, "X": 5}.get(marker, 4),
        linewidth=1.3,
        elinewidth=0.8,
        capsize=2,
        label=control,
    )
    for bar in drawn.lines[2]:
        bar.set_alpha(0.6)  # bars of many curves lie on each other


def _by_control(results: Results) -> dict[str, list[Level]]:
    """The levels of the tickets and of each control; the tickets' curve begins with the dense network.

    Levels that were not trained to the end are left out. A control that is not pruned, as the dense network trained
    longer, stands beside the tickets of its level, and says so.
    """
    whole = {level.control for level in results.levels if level.level and level.density == 1.0}
    densities = {level.level: level.density for level in results.levels if level.control == TICKET}
    grouped: dict[str, list[Level]] = {}
    for level in results.levels:
        if level.cut is None:
            beside = densities.get(level.level, level.density)
            grouped.setdefault(level.control, []).append(replace(level, density=beside))
    names = {TICKET: "tickets"} | {control: f"{control} (not pruned)" for control in whole}
    return {names.get(control, control): levels for control, levels in grouped.items()}
