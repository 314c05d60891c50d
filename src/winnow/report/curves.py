"""Learning curves: accuracy and loss on the way, for some levels of the tickets."""

from __future__ import annotations

import math
import statistics

from winnow.experiments.experiment import TICKET
from winnow.report.against_density import grouped, mean_density
from winnow.report.chart import STEPS, Axis, Chart, Point, Series
from winnow.results import Results, Training

_POINTS = 80
"""Of each curve, at most: more than a screen tells apart."""

_SETTLED = 0.04
"""Accuracies in this first part of training may be cut off below, since they would squeeze the rest together."""


def learning_curves(results: Results) -> list[Chart]:
    """Test accuracy and validation loss against the iteration: LTH (arXiv 1803.03635), Fig. 3."""
    levels = grouped(results).get(TICKET, {})
    shown = _chosen(sorted(levels), results)
    described = "Mean of the replicates at each evaluation, of the dense network and of some levels of tickets."
    return [
        _chart(
            "learning",
            f"Learning curves: test {results.score}",
            f"{results.score} (%)",
            "test_accuracy",
            100.0,
            levels,
            shown,
            described,
        ),
        _chart(
            "learning-loss",
            "Learning curves: validation loss",
            results.loss,
            "validation_loss",
            1.0,
            levels,
            shown,
            f"{described} Where a curve turns up again, the network overfits.",
        ),
    ]


def _chosen(levels: list[int], results: Results) -> list[int]:
    """The dense network, the smallest matching level, the last, and others evenly between: as many as can be told."""
    most = len(STEPS) - 1
    smallest = results.smallest_matching
    wanted = {levels[0], levels[-1]} if levels else set[int]()
    if smallest is not None:
        wanted.add(smallest.level)
    for n in range(most):
        if len(wanted) < most and levels:
            wanted.add(levels[round(n * (len(levels) - 1) / (most - 1))])
    return sorted(wanted)


def _chart(
    name: str,
    title: str,
    label: str,
    metric: str,
    scale: float,
    levels: dict[int, list[Training]],
    shown: list[int],
    about: str,
) -> Chart:
    series = [
        Series(
            name="dense" if level == 0 else f"{100 * mean_density(levels[level]):.3g} %",
            colour=STEPS[round(n * (len(STEPS) - 1) / max(1, len(shown) - 1))],
            points=tuple(_points(levels[level], metric, scale, level)),
        )
        for n, level in enumerate(shown)
    ]
    last = max((point.x for each in series for point in each.points), default=1.0)
    settled = [point.y for each in series for point in each.points if point.x >= _SETTLED * last]
    axis = Axis(label=label, scale="log" if metric.endswith("loss") else "linear")
    if metric.endswith("accuracy") and settled:
        room = 0.04 * (max(settled) - min(settled)) or 1.0  # of networks that only guess, or are always right
        axis = Axis(label=label, least=min(settled) - room, most=max(settled) + room)
    return Chart(
        name=name, title=title, about=about, x=Axis(label="iteration", has_zero=True), y=axis, series=tuple(series)
    )


def _points(trainings: list[Training], metric: str, scale: float, level: int) -> list[Point]:
    shared = [
        iteration
        for iteration in sorted(trainings[0].curve.rows)
        if all(metric in training.curve.rows.get(iteration, {}) for training in trainings)
    ]
    every = math.ceil(len(shared) / _POINTS)
    kept = [iteration for n, iteration in enumerate(shared) if (len(shared) - 1 - n) % every == 0]
    points: list[Point] = []
    name = "dense" if level == 0 else f"ticket, level {level}"
    for iteration in kept:
        mean = scale * statistics.fmean(training.curve.rows[iteration][metric] for training in trainings)
        if math.isfinite(mean):
            value = f"{mean:.2f} %" if scale == 100 else f"{mean:.4f}"
            points.append(Point(x=iteration, y=mean, note=f"{name}\niteration {iteration:,}: {value}"))
    return points
