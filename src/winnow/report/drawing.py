"""What the figures that matplotlib draws have in common: colours, axes of density, titles, files."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from winnow.store.files import storing

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

_FINER_TICKS = ((35, (100, 90, 80, 70, 60, 50, 40)), (12, (100, 70, 50, 30, 20)))
"""The same where the least lies above so much."""

SETTINGS: dict[str, Any] = {
    "svg.hashsalt": "winnow",
    "svg.fonttype": "none",
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
}


def files_of(folder: Path, name: str) -> tuple[Path, Path]:
    """Where a figure lies, as SVG and as PNG."""
    return folder / f"{name}.svg", folder / f"{name}.png"


def saved(make: Callable[[], Figure], folder: Path, name: str, *, shows: str = "") -> list[Path]:
    """Make a figure and write it as SVG and PNG; gives the files. The SVG says what both show, and is written last."""
    from matplotlib import style

    svg, png = files_of(folder, name)
    with style.context(["default", SETTINGS]), storing(folder):
        figure = make()
        folder.mkdir(parents=True, exist_ok=True)
        figure.savefig(png, dpi=160)
        figure.savefig(svg, metadata={"Date": None, "Identifier": shows})
    return [svg, png]


def entitle(figure: Figure, title: str) -> None:
    """Put a title above a figure, in as many lines as its width asks for."""
    letters = int(11.2 * figure.get_figwidth())
    figure.suptitle(textwrap.fill(title, letters), fontsize=10)


def legend_above(axes: Axes, columns: int = 2) -> None:
    """A legend over a panel, where nothing is drawn; none where there is nothing in it."""
    if not axes.get_legend_handles_labels()[0]:
        return
    axes.legend(
        loc="lower left",
        bbox_to_anchor=(-0.02, 1.0),
        ncols=columns,
        frameon=False,
        fontsize=8,
        borderaxespad=0.2,
        columnspacing=1.2,
        handlelength=2.4,
    )


def mark_place(axes: Axes, x: float, label: str, along: float, colour: str) -> None:
    """Mark a place on the horizontal axis, which lies `along` it from 0 to 1, with a label that stays on it."""
    axes.axvline(x, color=colour, linestyle=":", linewidth=1)
    axes.annotate(
        label,
        (x, 0.02),
        xycoords=("data", "axes fraction"),
        textcoords="offset points",
        xytext=(-4, 0) if along > 0.5 else (4, 0),
        ha="right" if along > 0.5 else "left",
        fontsize=8,
        bbox={"facecolor": "white", "alpha": 0.75, "linewidth": 0, "pad": 1},
    )


def density_ticks(least: float) -> list[float]:
    """What is marked on a logarithmic axis of densities that ends a little below `least` (per cent).

    >>> density_ticks(3), density_ticks(26), density_ticks(64)
    ([100, 50, 20, 10, 5], [100, 70, 50, 30], [100, 90, 80, 70, 60])
    """
    ticks = next((finer for above, finer in _FINER_TICKS if least > above), TICKS)
    return [tick for tick in ticks if tick >= least / 1.15]


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


def styles() -> list[tuple[str, str]]:
    """A colour and a marker for each curve of a figure, again from the first where there are many."""
    return _STYLES * math.ceil(20 / len(_STYLES))
