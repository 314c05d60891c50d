"""Several runs side by side: what each one's tickets gain over its own dense network."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Sequence

from winnow.experiments.experiment import TICKET
from winnow.report.against_density import DENSITY, grouped, mean_density
from winnow.report.chart import Axis, Chart, Point, Reference, Series, look
from winnow.report.table import difference, has_interval, limits
from winnow.results import Results


def comparison(runs: Sequence[Results]) -> list[Chart]:
    """The chart, where there is something to compare: two runs or more."""
    chart = _chart(runs)
    return [] if chart.is_empty or len(runs) < 2 else [chart]


def _chart(runs: Sequence[Results]) -> Chart:
    """Accuracy of tickets less that of the dense network of the same replicate, against density."""
    count = Counter(run.experiment.recipe.name for run in runs)
    series: list[Series] = []
    for number, run in enumerate(runs):
        recipe = run.experiment.recipe
        levels = grouped(run).get(TICKET, {})
        dense = {each.row.replicate: each.accuracy(recipe.matching) for each in levels.get(0, [])}
        name = recipe.name if count[recipe.name] == 1 else f"{recipe.name}, {run.identity.removeprefix('imp-')}"
        points: list[Point] = []
        for level, trainings in levels.items():
            gains = [
                100 * (each.accuracy(recipe.matching) - dense[each.row.replicate])
                for each in trainings
                if level and each.row.replicate in dense
            ]
            if gains:
                density = 100 * mean_density(trainings)
                note = f"{name}, level {level}, density {density:.3g} %\n{difference(statistics.fmean(gains))} points"
                if has_interval(gains):
                    note += f"\n95 % interval {limits(gains, 2, signed=True)}"
                points.append(Point(x=density, y=statistics.fmean(gains), low=min(gains), high=max(gains), note=note))
        colour, marker, dash = look(number)
        series.append(Series(name=name, colour=colour, marker=marker, dash=dash, points=tuple(points)))
    scores = {run.score for run in runs}
    return Chart(
        name="comparison",
        title="What tickets gain over their dense network",
        about="Each experiment’s tickets less the dense network of the same replicate. Points are means, bars reach "
        "from the least to the most.",
        x=DENSITY,
        y=Axis(label=f"{scores.pop() if len(scores) == 1 else 'score'} to dense (points)"),
        series=tuple(series),
        reference=Reference("dense", 0.0),
    )
