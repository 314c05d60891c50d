"""What a run measured, level by level: charts against density, and the table of levels."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from winnow.experiments.experiment import TICKET
from winnow.report.chart import Axis, Chart, Mark, Point, Reference, Series, look
from winnow.report.table import Table, difference, has_interval, limits, mean_and_std, summary, summary_fields
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
    split = matching.on
    end = _Subject(
        name="accuracy",
        title=f"{split.capitalize()} accuracy at the end of training",
        label="accuracy (%)",
        of=lambda training: 100 * training.curve.rows[training.curve.last][f"{split}_accuracy"],
        digits=2,
        unit=" %",
        about="",
    )
    stop = _Subject(
        name="accuracy-at-early-stop",
        title=f"{split.capitalize()} accuracy at early stopping",
        label="accuracy (%)",
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
        label="cross-entropy (nats)",
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
    series = [
        _series(number, control, levels, subject, dense) for number, (control, levels) in enumerate(groups.items())
    ]
    smallest = results.smallest_matching
    bars = "Points are means; bars reach from the least to the most" if recipe.replicates > 1 else "Points are single"
    about = (
        f"{bars} of {recipe.replicates} replicate{'s' * (recipe.replicates > 1)}. "
        f"The dashed line is the dense network. {subject.about}"
    )
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


def _series(
    number: int, control: str, levels: dict[int, list[Training]], subject: _Subject, dense: Sequence[float]
) -> Series:
    points: list[Point] = []
    for level, trainings in levels.items():
        values = [subject.of(training) for training in trainings]
        density = 100 * statistics.fmean(training.density for training in trainings)
        lines = [
            f"{'dense' if level == 0 else display_name(control)}, level {level}, density {density:.3g} %",
            f"{mean_and_std(Spread(tuple(values)), subject.digits)}{subject.unit} (n = {len(values)})",
        ]
        if has_interval(values):
            lines.append(f"95 % interval {limits(values, subject.digits)}")
        if level and dense:
            lines.append(f"{difference(statistics.fmean(values) - statistics.fmean(dense), subject.digits)} to dense")
        points.append(
            Point(x=density, y=statistics.fmean(values), low=min(values), high=max(values), note="\n".join(lines))
        )
    colour, marker, dash = look(number)
    return Series(
        name=display_name(control),
        colour=colour,
        marker=marker,
        dash=dash,
        points=tuple(points),
    )


def levels_table(results: Results) -> Table:
    """One row for each level of the tickets and of each control, compared with the dense network by replicates.

    A ticket and the dense network of its replicate share initialization and noise, so their difference is taken pair
    by pair, and the interval is that of the mean difference.
    """
    recipe = results.experiment.recipe
    groups = grouped(results)
    dense = {training.row.replicate: training for training in groups.get(TICKET, {}).get(0, [])}
    matched = {(level.control, level.level): level for level in results.levels}
    smallest = results.smallest_matching
    rows: list[tuple[str, ...]] = []
    values: list[tuple[object, ...]] = []
    strong: set[int] = set()
    for control, levels in groups.items():
        for level, trainings in levels.items():
            accuracy = [training.accuracy(recipe.matching) for training in trainings]
            stops = [float(training.curve.early_stop) for training in trainings]
            losses = [training.curve.rows[training.curve.early_stop]["validation_loss"] for training in trainings]
            density = statistics.fmean(training.density for training in trainings)
            pairs = [
                training.accuracy(recipe.matching) - dense[training.row.replicate].accuracy(recipe.matching)
                for training in trainings
                if level and training.row.replicate in dense
            ]
            verdict = matched[control, level].is_matching
            is_whole = len(trainings) == recipe.replicates
            if smallest is not None and (control, level) == (TICKET, smallest.level):
                strong.add(len(rows))
            rows.append(
                (
                    "dense" if level == 0 else display_name(control),
                    str(level),
                    f"{100 * density:.2f}",
                    mean_and_std(Spread(tuple(accuracy)), 2, 100),
                    limits(accuracy, 2, 100),
                    limits(pairs, 2, 100, signed=True) if pairs else "",
                    mean_and_std(Spread(tuple(stops)), 0),
                    str(len(trainings)),
                    "" if verdict is None else "incomplete" if not is_whole else "yes" if verdict else "no",
                )
            )
            values.append(
                (
                    control,
                    level,
                    density,
                    *summary(accuracy),
                    *summary(stops),
                    *summary(losses),
                    *summary(pairs),
                    verdict,
                )
            )
    at = "at the end" if recipe.matching.at == "end" else "at early stopping"
    return Table(
        name="levels",
        title=f"{recipe.matching.on.capitalize()} accuracy {at} and early-stop iteration by level: mean ± standard "
        f"deviation of n replicates, 95 % intervals of the mean (Student’s t); “to dense” is paired by replicate, "
        f"in points.",
        columns=(
            "network",
            "level",
            "density %",
            "accuracy %",
            "95 % interval",
            "to dense, 95 %",
            "early stop",
            "n",
            "matching",
        ),
        rows=tuple(rows),
        fields=(
            "control",
            "level",
            "density",
            *summary_fields("accuracy"),
            *summary_fields("early_stop"),
            *summary_fields("least_validation_loss"),
            *summary_fields("accuracy_to_dense"),
            "is_matching",
        ),
        values=tuple(values),
        strong=frozenset(strong),
    )
