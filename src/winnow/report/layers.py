"""Where the remaining weights lie: the density of each layer, level by level."""

from __future__ import annotations

import statistics

from winnow.experiments.experiment import TICKET
from winnow.report.against_density import DENSITY, grouped, mean_density
from winnow.report.chart import COLOURS, DASHES, MARKERS, STEPS, Axis, Chart, Marker, Point, Series
from winnow.results import Results


def layer_chart(results: Results) -> Chart:
    """Each layer's density against that of the whole network; layers above the rest are kept for longer."""
    levels = {level: found for level, found in grouped(results, with_cut=True).get(TICKET, {}).items() if level}
    layers = list(next(iter(levels.values()))[0].layer_densities) if levels else []
    few = len(layers) <= len(COLOURS) - 1
    series: list[Series] = []
    for number, layer in enumerate(layers):
        colour = COLOURS[number] if few else STEPS[round(number * (len(STEPS) - 1) / (len(layers) - 1))]
        marker: Marker = MARKERS[number] if few else "none"
        dash = DASHES[number % len(DASHES)] if len(layers) > len(STEPS) else ""  # several may share a colour
        points: list[Point] = []
        for level, trainings in levels.items():
            density = 100 * mean_density(trainings)
            here = 100 * statistics.fmean(training.layer_densities[layer] for training in trainings)
            note = f"{layer}, level {level}\n{here:.3g} % of the layer, {density:.3g} % of the network"
            if here > 0:
                points.append(Point(x=density, y=here, note=note))
        name = layer.removesuffix(".weight")
        series.append(Series(name=name, colour=colour, marker=marker, dash=dash, points=tuple(points)))
    how = (
        "Layers compete, so a round takes more from some."
        if results.experiment.recipe.prune.scope == "global"
        else "Every layer is pruned at its own rate."
    )
    return Chart(
        name="layers",
        title="Density of each layer",
        about=f"Mean of the replicates’ masks. {how}",
        x=DENSITY,
        y=Axis(label="density of the layer (%)", scale="log"),
        series=tuple(series),
    )
