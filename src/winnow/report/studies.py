"""The figures of studies: distances, or barriers and errors on the line, against k, with accuracy beside them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from winnow.experiments.study import Quantity, Subnetwork
from winnow.findings import Findings
from winnow.report.against_k import STABLE
from winnow.report.drawing import DENSE, entitle, legend_above, saved
from winnow.results import Spread
from winnow.store.files import file_name

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_COLOURS: dict[Subnetwork, str] = {"ticket": "#0072B2", "random": "#D55E00", "dense": DENSE}
_NAMES: dict[Subnetwork, str] = {"ticket": "IMP", "random": "random", "dense": "dense"}
_DASHES: dict[Quantity, str] = {"pruning": "-", "data-order": "--", "instability": "-"}
_MARKERS: dict[Subnetwork, tuple[str, str]] = {"ticket": ("o", "D"), "random": ("s", "^"), "dense": ("v", "D")}
"""Of solid and of broken lines: where there is one k, there are no lines to tell."""


def draw(findings: Findings, folder: Path) -> list[Path]:
    """Draw a study as SVG and PNG; gives the files. Points are means over replicates, bands their least and most."""
    study = findings.study
    described = repr((study.recipe, study.name, study.level, findings.ks, len(findings.measured)))
    name = f"{file_name(study.recipe.name)}-{study.name}-{hashlib.sha256(described.encode()).hexdigest()[:8]}"
    return saved(lambda: _figure(findings), folder, name)


def _figure(findings: Findings) -> Figure:
    from matplotlib.figure import Figure

    study = findings.study
    figure = Figure(figsize=(11.2, 4.1), layout="constrained")
    (_stability if study.name == "stability" else _instability)(figure, findings)
    of = f"networks with {100 * study.density:.3g} % of the weights" if study.level else "the dense network"
    count = study.recipe.replicates
    replicates = f"{count} replicates (bands: least to most)" if count > 1 else "1 replicate"
    entitle(figure, f"{study.recipe.name}: {study.name} of {of}, {replicates}")
    return figure


def _stability(figure: Figure, findings: Findings) -> None:
    distance, angle, accuracy = figure.subplots(1, 3)
    quantities: tuple[Quantity, ...] = ("pruning", "data-order")
    for axes, metric in ((distance, "l2"), (angle, "angle")):
        for quantity in quantities:
            for network in ("ticket", "random"):
                _metric(axes, findings, quantity, network, metric, f"{_NAMES[network]}, {quantity.replace('-', ' ')}")
        axes.set_ylim(bottom=0)
        legend_above(axes)
    distance.set_ylabel("L2 distance of the remaining weights")
    angle.set_ylabel("angle (degrees)")
    _accuracies(accuracy, findings, ("ticket", "random", "dense"))
    legend_above(accuracy, 3)
    _k_axes((distance, angle, accuracy), findings)


def _instability(figure: Figure, findings: Findings) -> None:
    barriers, line, accuracy = figure.subplots(1, 3)
    networks: tuple[Subnetwork, ...] = ("dense", "ticket", "random")
    for network in networks:
        _metric(barriers, findings, "instability", network, "test_barrier", f"{_NAMES[network]}, test", 100)
        _metric(barriers, findings, "instability", network, "train_barrier", f"{_NAMES[network]}, training", 100, ":")
    barriers.axhline(STABLE, color="#777777", linewidth=1, linestyle="-.", label=f"stable below {STABLE:g}")
    barriers.set_ylim(bottom=-0.03 * barriers.get_ylim()[1])
    barriers.set_ylabel("error barrier (points)")
    legend_above(barriers)
    _lines(line, findings)
    _accuracies(accuracy, findings, networks)
    legend_above(accuracy, 3)
    _k_axes((barriers, accuracy), findings)


def _metric(
    axes: Axes,
    findings: Findings,
    quantity: Quantity,
    network: Subnetwork,
    metric: str,
    label: str,
    scale: float = 1.0,
    dash: str | None = None,
) -> None:
    found = {k: each for k in findings.ks if (each := findings.finding(quantity, network, k, metric))}
    if found:
        spreads = [each.spread for each in found.values()]
        line = dash or _DASHES[quantity]
        style = (_COLOURS[network], line, _MARKERS[network][line != "-"])
        _band(axes, list(found), spreads, scale, *style, label)


def _accuracies(axes: Axes, findings: Findings, networks: Sequence[Subnetwork]) -> None:
    for network in networks:
        found = {k: each for k in findings.ks if (each := findings.accuracy(network, k))}
        if found:
            style = (_COLOURS[network], "-", _MARKERS[network][0])
            _band(axes, list(found), list(found.values()), 100, *style, _NAMES[network])
    axes.set_ylabel(f"test {findings.score} at the end (%)")


def _band(
    axes: Axes,
    ks: list[int],
    spreads: list[Spread],
    scale: float,
    colour: str,
    dash: str,
    marker: str,
    label: str,
) -> None:
    """Means, joined by lines, and a band from the least to the most; where there is one k, bars instead."""
    means = [scale * s.mean for s in spreads]
    low, high = [scale * s.least for s in spreads], [scale * s.most for s in spreads]
    axes.plot(ks, means, color=colour, linestyle=dash, marker=marker, markersize=4, label=label)
    if len(ks) > 1:
        axes.fill_between(ks, low, high, color=colour, alpha=0.15, linewidth=0)
    else:
        axes.vlines(ks, low, high, color=colour, linewidth=1)


def _lines(axes: Axes, findings: Findings) -> None:
    """Test error along the line, for each k: the mean over all pairs."""
    from matplotlib import colormaps

    ks = findings.ks
    shade: Callable[[float], object] = colormaps["viridis"]
    end = max((comparison.stop for comparison in findings.study.comparisons), default=0)
    for number, k in enumerate(ks):
        rows = [
            each.rows
            for each in findings.measured
            if each.comparison.k == k and each.comparison.stop == end and each.comparison.network != "random"
        ]
        if rows:
            positions = [float(row["position"]) for row in rows[0]]
            errors = [
                100 * sum(float(pair[place]["test_error"]) for pair in rows) / len(rows)
                for place in range(len(positions))
            ]
            axes.plot(positions, errors, color=shade(0.8 * number / max(1, len(ks) - 1)), label=f"k = {k:,}")
    of = "IMP" if findings.study.level else "dense"
    axes.set_xlabel(f"position on the line between two {of} networks")
    axes.set_ylabel("test error (%)")
    axes.set_ylim(bottom=0)
    legend_above(axes, 3)
    axes.grid(alpha=0.2, linewidth=0.6)


def _k_axes(every: Sequence[Axes], findings: Findings) -> None:
    """k on a logarithmic axis that has a place for 0."""
    from matplotlib.ticker import FixedLocator, NullLocator, StrMethodFormatter

    positive = [k for k in findings.ks if k > 0]
    for axes in every:
        if positive:
            axes.set_xscale("symlog", linthresh=positive[0], linscale=0.5)
            axes.set_xlim(-0.3 * positive[0] if 0 in findings.ks else positive[0] / 1.3, 1.3 * positive[-1])
        axes.xaxis.set_major_locator(FixedLocator(findings.ks))
        axes.xaxis.set_minor_locator(NullLocator())
        axes.xaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
        axes.tick_params(axis="x", labelrotation=45 if len(findings.ks) > 5 else 0)
        axes.set_xlabel("rewind point k (iterations)")
        axes.grid(alpha=0.2, linewidth=0.6)
