"""What charts, tables and verdicts call things, of constructed results."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from winnow.cli.compare_tables import costs_table, differences_tables
from winnow.comparison import Comparison
from winnow.experiments.experiment import TICKET
from winnow.report.against_density import density_charts
from winnow.report.curves import learning_curves
from winnow.report.levels import levels_table
from winnow.report.side_by_side import comparison
from winnow.report.values import values_table
from winnow.report.verdict import verdict
from winnow.results import Results

from ..test_comparison import side
from ..test_results import DENSE, results_of

FOUND = {DENSE: [0.9, 0.91], **{(TICKET, level): [0.9, 0.91] for level in (1, 2)}}


def of_task(task: str) -> Results:
    results = results_of(FOUND)
    recipe = results.experiment.recipe.edited({"train.task": task})
    return replace(results, experiment=replace(results.experiment, recipe=recipe))


@pytest.mark.parametrize(
    "task, score, loss",
    [
        ("classification", "accuracy", "cross-entropy (nats)"),
        ("regression", "R²", "mean squared error"),
        ("tokens", "token accuracy", "cross-entropy (nats)"),
    ],
)
def test_score_and_loss_are_called_what_the_task_calls_them(task: str, score: str, loss: str) -> None:
    results = of_task(task)
    charts = [*density_charts(results), *learning_curves(results)]
    assert {chart.y.label for chart in charts} == {f"{score} (%)", loss, "iteration of least validation loss"}
    assert charts[0].title == f"Test {score} at the end of training"
    assert f"{score} %" in levels_table(results).columns
    said = verdict(results)
    assert f"to the {score} of the whole network" in said.headline and f"mean test {score}" in said.reasons[0]
    assert f"{score} of the ticket" in [fact.what for fact in said.facts]


def test_a_comparison_calls_the_score_what_the_task_calls_it(tmp_path: Path) -> None:
    found = Comparison((side(tmp_path, of_task("regression")), side(tmp_path, of_task("regression"), "b")))
    told = io.StringIO()
    Console(file=told, width=200).print(differences_tables(found), costs_table(found))
    said = told.getvalue()
    assert "test R² at the end, %" in said and "R² %" in said and "accuracy" not in said


def test_a_control_that_is_not_pruned_stands_beside_its_level_and_is_listed_as_whole() -> None:
    found = results_of(
        {**FOUND, **{("dense-longer", level): [0.92, 0.93] for level in (1, 2)}}, control=["dense-longer"]
    )
    longer = (replace(each, density=1.0) if each.row.control == "dense-longer" else each for each in found.trainings)
    chart = density_charts(replace(found, trainings=tuple(longer)))[0]
    series = chart.series[-1]
    assert series.name == "dense-longer (not pruned)"
    assert [point.x for point in series.points] == pytest.approx([80.0, 64.0])
    assert all("density 100 %" in point.note for point in series.points)
    assert [row[1] for row in values_table(chart).rows if row[0] == series.name] == ["100", "100"]
    assert "Of dense-longer every weight remains" in chart.about


def test_the_tolerance_of_a_run_without_results_is_told_in_words() -> None:
    none = replace(results_of(FOUND), trainings=())
    assert none.tolerance_in_words == "one standard deviation of the dense replicates"


def test_runs_side_by_side_gain_over_the_dense_networks_that_there_are() -> None:
    found = results_of({DENSE: [0.9, 0.5], (TICKET, 1): [0.92, 0.7]})
    lacking = replace(
        found, trainings=tuple(each for each in found.trainings if (each.row.level, each.row.replicate) != (0, 1))
    )
    (chart,) = comparison([found, lacking])
    assert [[point.y for point in series.points] for series in chart.series] == [
        [pytest.approx(11.0)],
        [pytest.approx(2.0)],
    ]


def test_a_long_curve_is_thinned_and_ends_where_training_did() -> None:
    found = results_of(FOUND)
    rows = dict.fromkeys(range(200), found.trainings[0].curve.rows[20])
    trainings = tuple(replace(each, curve=replace(each.curve, rows=rows)) for each in found.trainings)
    for chart in learning_curves(replace(found, trainings=trainings)):
        for series in chart.series:
            assert len(series.points) <= 80 and series.points[-1].x == 199
