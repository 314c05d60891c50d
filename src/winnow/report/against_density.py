"""What a run measured, level by level: charts against density."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from winnow.experiments.experiment import TICKET
from winnow.report.chart import Axis, Chart, Mark, Point, Reference, Series, look
from winnow.report.table import difference, has_interval, limits, mean_and_std
from winnow.results import Results, Spread, Training

Quantity = Callable[[Training], float]

Groups = dict[str, dict[int, list[Training]]]
"""By control and level: the trainings, in the order of their replicates."""


@dataclass(frozen=True, kw_only=True)
class _Subject:
    """A quantity that is drawn against density."""

    name: str
    title: str
    label: str
    of: Quantity
    digits: int
    unit: str
    about: str
    has_zero: bool = False


def grouped(results: Results, *, with_cut: bool = False) -> Groups:
    """The trainings of a run; the tickets first, and their level 0 is the dense network.

    Left out are those that ended early, since they were to rank weights by alone, unless they are asked for.
    """
    groups: Groups = {control: {} for control in (TICKET, *(row.control for row in results.experiment.rows))}
    for training in sorted(results.trainings, key=lambda each: (each.row.level, each.row.replicate)):
        if training.row.is_cut(results.experiment.recipe) and not with_cut:
            continue
        groups[training.row.control].setdefault(training.row.level, []).append(training)
    return {control: levels for control, levels in groups.items() if levels}


def display_name(control: str) -> str:
    """What a control is called in a figure."""
    return {"ticket": "ticket", "reinit": "reinitialized"}.get(control, control)


def density_charts(results: Results) -> list[Chart]:
    """Accuracy, loss and early-stop iteration against density: LTH (arXiv 1803.03635), Fig. 4."""
    return [_chart(subject, results) for subject in _subjects(results)]


def _subjects(results: Results) -> list[_Subject]:
    matching = results.experiment.recipe.matching
    split, score = matching.on, results.score
    end = _Subject(
        name="accuracy",
        title=f"{split.capitalize()} {score} at the end of training",
        label=f"{score} (%)",
        of=lambda training: 100 * training.curve.rows[training.curve.last][f"{split}_accuracy"],
        digits=2,
        unit=" %",
        about="",
    )
    stop = _Subject(
        name="accuracy-at-early-stop",
        title=f"{split.capitalize()} {score} at early stopping",
        label=f"{score} (%)",
        of=lambda training: 100 * training.curve.rows[training.curve.early_stop][f"{split}_accuracy"],
        digits=2,
        unit=" %",
        about="Early stopping is in retrospect: the iteration of least validation loss on the evaluation grid.",
    )
    iteration = _Subject(
        name="early-stop",
        title="How soon it learns: the early-stop iteration",
        label="iteration of least validation loss",
        of=lambda training: float(training.curve.early_stop),
        digits=0,
        unit="",
        about="Lower is faster.",
        has_zero=True,
    )
    loss = _Subject(
        name="loss",
        title="Least validation loss",
        label=results.loss,
        of=lambda training: training.curve.rows[training.curve.early_stop]["validation_loss"],
        digits=4,
        unit="",
        about="The loss at the early-stop iteration.",
    )
    first = [end, stop] if matching.at == "end" else [stop, end]
    return [first[0], iteration, first[1], loss]


def _chart(subject: _Subject, results: Results) -> Chart:
    groups = grouped(results)
    recipe = results.experiment.recipe
    dense = [subject.of(training) for training in groups.get(TICKET, {}).get(0, [])]
    reference = Reference("dense", statistics.fmean(dense), min(dense), max(dense)) if dense else None
    tickets = {level: mean_density(trainings) for level, trainings in groups.get(TICKET, {}).items()}
    series = [
        _series(number, control, levels, subject, dense, tickets)
        for number, (control, levels) in enumerate(groups.items())
    ]
    whole = [display_name(control) for control, levels in groups.items() if _is_whole(levels)]
    smallest = results.smallest_matching
    bars = "Points are means; bars reach from the least to the most" if recipe.replicates > 1 else "Points are single"
    about = (
        f"{bars} of {recipe.replicates} replicate{'s' * (recipe.replicates > 1)}. "
        f"The dashed line is the dense network. {subject.about}"
    )
    if whole:
        names = " and ".join(whole)
        about = f"{about.strip()} Of {names} every weight remains: its points stand beside the ticket of their level."
    return Chart(
        name=subject.name,
        title=subject.title,
        about=about.strip(),
        x=DENSITY,
        y=Axis(label=subject.label, has_zero=subject.has_zero),
        series=tuple(series),
        reference=reference,
        mark=Mark(100 * smallest.density, "smallest matching") if smallest else None,
    )


DENSITY = Axis(label="density: weights remaining (%)", scale="log", falls=True)


def _is_whole(levels: Mapping[int, Sequence[Training]]) -> bool:
    """Whether a control is not pruned at any level, as the dense network trained longer."""
    return 0 not in levels and all(each.density == 1.0 for trainings in levels.values() for each in trainings)


def mean_density(trainings: Sequence[Training]) -> float:
    """Over replicates, which agree unless layers compete."""
    return statistics.fmean(training.density for training in trainings)


def _series(
    number: int,
    control: str,
    levels: dict[int, list[Training]],
    subject: _Subject,
    dense: Sequence[float],
    tickets: Mapping[int, float],
) -> Series:
    points: list[Point] = []
    is_whole = _is_whole(levels)
    for level, trainings in levels.items():
        values = [subject.of(training) for training in trainings]
        density = 100 * mean_density(trainings)
        lines = [
            f"{'dense' if level == 0 else display_name(control)}, level {level}, density {density:.3g} %",
            f"{mean_and_std(Spread(tuple(values)), subject.digits)}{subject.unit} (n = {len(values)})",
        ]
        if has_interval(values):
            lines.append(f"95 % interval {limits(values, subject.digits)}")
        if level and dense:
            lines.append(f"{difference(statistics.fmean(values) - statistics.fmean(dense), subject.digits)} to dense")
        points.append(
            Point(
                x=100 * tickets.get(level, density / 100) if is_whole else density,
                y=statistics.fmean(values),
                low=min(values),
                high=max(values),
                note="\n".join(lines),
                listed=density,
            )
        )
    colour, marker, dash = look(number)
    return Series(
        name=f"{display_name(control)} (not pruned)" if is_whole else display_name(control),
        colour=colour,
        marker=marker,
        dash=dash,
        points=tuple(points),
    )
