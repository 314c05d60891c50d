"""The figure of masks: overlap and chance, densities, dead units and signs by layer, against density."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from winnow.anatomy import Anatomy
from winnow.experiments.experiment import TICKET
from winnow.report.drawing import DENSE, density_axis, density_ticks, entitle, legend_above, saved, styles
from winnow.store.files import file_name

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def draw(found: Anatomy, folder: Path) -> list[Path]:
    """Draw what the masks of a run say as SVG and PNG; gives the files. Everything is a mean over replicates."""
    recipe = found.experiment.recipe
    described = repr((recipe.levels, recipe.replicates, recipe.control, len(found.records)))
    name = f"{file_name(recipe.name)}-{found.identity}-masks-{hashlib.sha256(described.encode()).hexdigest()[:8]}"
    return saved(lambda: _figure(found), folder, name)


def _figure(found: Anatomy) -> Figure:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(12.4, 6.8), layout="constrained")
    overlap, densities, dead, signs = figure.subplots(2, 2).flatten()
    levels = found.levels()
    _overlaps(overlap, found)
    _by_layer(densities, found, lambda layer, level: 100 * found.mean("density", level, layer=layer))
    densities.set_ylabel("density of the layer (%)")
    _logarithmic(densities, found)
    _by_layer(dead, found, lambda layer, level: _dead(found, layer, level))
    dead.set_ylabel("dead units of the layer (%)")
    if not found.is_network_here:
        dead.annotate("the network is not here", (0.5, 0.6), xycoords="axes fraction", ha="center")
    top = max(5.0, dead.get_ylim()[1])
    dead.set_ylim(-0.03 * top, top)
    _by_layer(signs, found, lambda layer, level: 100 * found.mean("sign_agreement", level, layer=layer))
    signs.axhline(50, color=DENSE, linestyle=":", linewidth=1)
    signs.set_ylabel("weights with their initial sign (%)")
    if not any(found.values("sign_agreement", level) for level in levels):
        signs.annotate("trained or initial weights were not kept", (0.5, 0.6), xycoords="axes fraction", ha="center")
    least = min(levels.values())
    for axes in (overlap, densities, dead, signs):
        density_axis(axes, 100 * least)
    recipe = found.experiment.recipe
    replicates = f"means of {recipe.replicates} replicates" if recipe.replicates > 1 else "1 replicate"
    entitle(figure, f"{recipe.name}: masks, {replicates}")
    return figure


_NAMES = {"replicates": "other replicates", "levels": "the level before", "noise": "other noise"}


def _overlaps(axes: Axes, found: Anatomy) -> None:
    """One curve for each relation of the tickets' masks, and dashed in its colour what chance gives."""
    shown = [each for each in found.comparisons() if each[1] == TICKET]
    for (relation, control, other), (colour, marker) in zip(shown, styles(), strict=False):
        named = {"relation": relation, "control": control, "other": other}
        points = [
            (100 * density, found.mean("jaccard", level, **named), found.mean("chance_jaccard", level, **named))
            for level, density in found.levels().items()
            if found.values("jaccard", level, **named)
        ]
        if points:
            at, overlaps, chances = zip(*points, strict=True)
            label = f"with {_NAMES.get(relation, other)}"
            axes.plot(at, overlaps, color=colour, marker=marker, markersize=4, linewidth=1.3, label=label)
            axes.plot(at, chances, color=colour, linestyle="--", linewidth=1, marker="_", markersize=4)
    axes.plot([], [], color=DENSE, linestyle="--", linewidth=1, label="by chance")
    axes.set_ylabel("overlap of the tickets' masks (Jaccard)")
    axes.set_ylim(0, 1.02)
    legend_above(axes, 4)


def _by_layer(axes: Axes, found: Anatomy, value: Callable[[str, int], float]) -> None:
    """One curve for each layer, from the first, dark, to the last; without a legend where there are many."""
    from matplotlib import colormaps

    shade: Callable[[float], object] = colormaps["viridis"]
    levels = found.levels()
    for number, layer in enumerate(found.layers):
        colour = shade(0.8 * number / max(1, len(found.layers) - 1))
        values = [value(layer, level) for level in levels]
        if not all(map(math.isnan, values)):
            at = [100 * density for density in levels.values()]
            is_named = len(found.layers) <= 8 or number in (0, len(found.layers) - 1)
            label = layer.removesuffix(".weight") if is_named else None
            axes.plot(at, values, color=colour, marker="os^DvPX*"[number % 8], markersize=4, linewidth=1.2, label=label)
    legend_above(axes, 8)


def _dead(found: Anatomy, layer: str, level: int) -> float:
    return 100 * found.mean("dead", level, layer=layer) / found.mean("units", level, layer=layer)


def _logarithmic(axes: Axes, found: Anatomy) -> None:
    from matplotlib.ticker import FixedLocator, NullLocator, StrMethodFormatter

    least = min(100 * found.mean("density", level, layer=layer) for layer in found.layers for level in found.levels())
    axes.set_yscale("log")
    axes.yaxis.set_major_locator(FixedLocator(density_ticks(least)))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
