"""The figure of an IMP run: accuracy and early-stop iteration against density."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from winnow.experiments.experiment import TICKET
from winnow.experiments.words import pruned, start
from winnow.results import Level, Results, Spread
from winnow.store.files import file_name, storing
from winnow.store.manifest import winnow_version

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Okabe and Ito's colours, which the colour-blind can tell apart, and two more, each with a marker of its own.
_STYLES = [
    *(("#0072B2", "o"), ("#D55E00", "s"), ("#009E73", "^"), ("#CC79A7", "D"), ("#E69F00", "v"), ("#56B4E9", "P")),
    *(("#8B5A2B", "X"), ("#6A3D9A", "p"), ("#9A9A9A", "*"), ("#A50F15", "<"), ("#1B7837", "h"), ("#7F7F00", ">")),
]
DENSE = "#444444"

TICKS = (100, 50, 20, 10, 5, 2, 1, 0.5, 0.2, 0.1, 0.05, 0.02, 0.01)
"""Densities in per cent that are marked on logarithmic axes."""

_FINE_TICKS = (100, 90, 80, 70, 60, 50, 40)
"""The same where the least is not far down."""

SETTINGS: dict[str, Any] = {
    "svg.hashsalt": "winnow",
    "svg.fonttype": "none",
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
}


def draw(results: Results, folder: Path) -> list[Path]:
    """Draw accuracy and early-stop iteration against density as SVG and PNG; gives the files.

    Points are means over replicates, bars their least and most (as in LTH, arXiv 1803.03635, Fig. 4); the
    dashed line and its band are the dense network. The SVG's bytes depend on the results alone; files that show
    them already are left as they are.
    """
    paths = [
        folder / f"{file_name(results.experiment.recipe.name)}-{results.identity}.{kind}" for kind in ("svg", "png")
    ]
    shown = _digest(results)
    if all(path.exists() for path in paths) and shown in paths[0].read_text("utf-8", errors="replace"):
        return paths

    from matplotlib import style

    with style.context(["default", SETTINGS]), storing(folder):
        save(_figure(results), paths, shows=shown)
    return paths


def save(figure: Figure, paths: Sequence[Path], *, shows: str = "") -> None:
    """Write a figure as SVG and PNG. The SVG says what both show, and so is written last."""
    paths[0].parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(paths[1], dpi=160)
    figure.savefig(paths[0], metadata={"Date": None, "Identifier": shows})


def _digest(results: Results) -> str:
    """What tells whether a figure shows these results already."""
    shown = (winnow_version(), results.experiment.recipe, results.levels)
    return f"winnow-{hashlib.sha256(repr(shown).encode()).hexdigest()}"


def _figure(results: Results) -> Figure:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9.6, 3.9), layout="constrained")
    accuracy, early_stop = figure.subplots(1, 2)
    _accuracies(accuracy, results)
    _early_stops(early_stop, results)
    least = 100 * min(training.density for training in results.trainings)
    for axes in (accuracy, early_stop):
        density_axis(axes, least)
    recipe = results.experiment.recipe
    rewind = ", ".join(filter(None, (start(recipe), pruned(recipe))))
    replicates = f"{recipe.replicates} replicates (bars: least to most)" if recipe.replicates > 1 else "1 replicate"
    figure.suptitle(f"{recipe.name}: tickets {rewind}, {replicates}", fontsize=10)
    handles, labels = accuracy.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=min(len(labels), 5), frameon=False)
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
        axes.axvline(100 * smallest.density, color=DENSE, linestyle=":", linewidth=1)
        axes.annotate(
            f"smallest matching ticket: {100 * smallest.density:.1f} %",
            (100 * smallest.density, 0.02),
            xycoords=("data", "axes fraction"),
            textcoords="offset points",
            xytext=(-4, 0),
            ha="right",
            fontsize=8,
        )
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
    axes.errorbar(
        [100 * level.density for level in levels],
        means,
        yerr=[below, above],
        color=colour,
        marker=marker,
        markersize=4,
        linewidth=1.3,
        elinewidth=0.8,
        capsize=2,
        label=control,
    )


def density_ticks(least: float) -> list[float]:
    """What is marked on a logarithmic axis of densities that ends a little below `least` (per cent).

    >>> density_ticks(3), density_ticks(64)
    ([100, 50, 20, 10, 5], [100, 90, 80, 70, 60])
    """
    return [tick for tick in (_FINE_TICKS if least > 35 else TICKS) if tick >= least / 1.15]


def density_axis(axes: Axes, least: float) -> None:
    """Density falls to the right on a logarithmic axis, as in the papers, down to `least` (per cent)."""
    from matplotlib.ticker import FixedLocator, NullLocator, StrMethodFormatter

    axes.set_xscale("log")
    axes.set_xlim(115, least / 1.15)
    axes.xaxis.set_major_locator(FixedLocator(density_ticks(least)))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
    axes.set_xlabel("density: weights remaining (%)")
    axes.grid(axis="both", alpha=0.2, linewidth=0.6)


def _by_control(results: Results) -> dict[str, list[Level]]:
    """The levels of the tickets and of each control; the tickets' curve begins with the dense network.

    Levels that were not trained to the end are left out. A control that is not pruned, as the dense network trained
    longer, stands beside the tickets of its level.
    """
    densities = {level.level: level.density for level in results.levels if level.control == TICKET}
    grouped: dict[str, list[Level]] = {}
    for level in results.levels:
        if level.cut is None:
            beside = densities.get(level.level, level.density)
            grouped.setdefault(level.control, []).append(replace(level, density=beside))
    return {("tickets" if control == TICKET else control): levels for control, levels in grouped.items()}


def styles() -> list[tuple[str, str]]:
    """A colour and a marker for each curve of a figure, again from the first where there are many."""
    return _STYLES * math.ceil(20 / len(_STYLES))
