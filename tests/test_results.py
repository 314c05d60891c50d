"""What results say of constructed curves."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Mapping, Sequence

import pytest

from winnow.experiments import imp
from winnow.experiments.experiment import TICKET
from winnow.recipes import read
from winnow.results import Record, Results, Spread, Training, to_csv, to_json
from winnow.training import Curve

Accuracies = Mapping[tuple[str, int], Sequence[float]]
"""Test accuracies at the end, by control and level, one for each replicate."""

DENSE = (TICKET, 0)


def curve(end: float) -> Curve:
    """Early stopping is at iteration 20, where the accuracy is 0.01 higher and validation 0.1 lower than test."""
    rows = {0: (2.0, 0.1), 20: (0.5, end + 0.01), 40: (0.7, end)}
    return Curve(
        {
            iteration: {
                "validation_loss": loss,
                "validation_accuracy": accuracy - 0.1,
                "test_loss": loss,
                "test_accuracy": accuracy,
            }
            for iteration, (loss, accuracy) in rows.items()
        }
    )


def results_of(
    accuracies: Accuracies,
    *,
    control: Sequence[str] = ("reinit",),
    prune: Mapping[str, object] | None = None,
    **matching: object,
) -> Results:
    replicates = len(accuracies[DENSE]) if DENSE in accuracies else 1
    edits = {"levels": 3, "replicates": replicates, "control": list(control)}
    edits |= {f"matching.{name}": value for name, value in matching.items()}
    edits |= {f"prune.{name}": value for name, value in (prune or {}).items()}
    experiment = imp(read("digits").edited(edits))
    trainings: list[Training] = []
    for row in experiment.rows:
        ends = accuracies.get((row.control, row.level), ())
        if row.replicate < len(ends):
            density = 0.8**row.level
            layers = {"fc1.weight": density} if row.level else {}
            trainings.append(Training(row, density, layers, curve(ends[row.replicate])))
    return Results(experiment, "imp-0123abcd", tuple(trainings))


@pytest.mark.parametrize(
    "values, mean, std", [((0.5,), 0.5, math.nan), ((0.4, 0.6), 0.5, math.sqrt(0.02)), ((1.0, 2.0, 3.0), 2.0, 1.0)]
)
def test_the_standard_deviation_is_that_of_a_sample(values: tuple[float, ...], mean: float, std: float) -> None:
    spread = Spread(values)
    assert (spread.mean, spread.std) == pytest.approx((mean, std), nan_ok=True)
    assert (spread.least, spread.most) == (min(values), max(values))


@pytest.mark.parametrize(
    "tolerance, mean, is_matching",
    [
        ("std", 0.90, True),  # dense: 0.90 ± 0.02
        ("std", 0.8801, True),
        ("std", 0.8799, False),
        (0.5, 0.8951, True),  # points
        (0.5, 0.8949, False),
        (0.3, 0.897, True),  # in floats, 0.9 - 0.003 is more
        (0.0, 0.9000001, True),
        (0.0, 0.8999, False),
        ("std", 0.99, True),  # better than dense is matching too
    ],
)
def test_a_level_matches_within_the_stated_tolerance(tolerance: object, mean: float, is_matching: bool) -> None:
    found = results_of({DENSE: [0.88, 0.90, 0.92], (TICKET, 1): [mean] * 3}, tolerance=tolerance)
    assert [level.is_matching for level in found.levels] == [None, is_matching]


def test_one_replicate_has_no_deviation_so_points_serve_and_it_is_said() -> None:
    found = results_of({DENSE: [0.9], (TICKET, 1): [0.8981], (TICKET, 2): [0.8979]})
    assert found.tolerance == 0.002
    assert found.tolerance_in_words == "0.20 points, since one replicate has no standard deviation"
    assert [level.is_matching for level in found.levels] == [None, True, False]


@pytest.mark.parametrize(
    "tolerance, words",
    [("std", "2.00 points, one standard deviation of 3 dense replicates"), (0.2, "0.20 points"), (1, "1.00 points")],
)
def test_the_tolerance_is_told_in_words(tolerance: object, words: str) -> None:
    assert results_of({DENSE: [0.88, 0.90, 0.92]}, tolerance=tolerance).tolerance_in_words == words


@pytest.mark.parametrize(
    "at, on, mean", [("end", "test", 0.9), ("early-stop", "test", 0.91), ("end", "validation", 0.8)]
)
def test_the_accuracy_compared_is_the_recipes(at: str, on: str, mean: float) -> None:
    found = results_of({DENSE: [0.9, 0.9]}, at=at, on=on)
    assert found.dense is not None and found.dense.mean == pytest.approx(mean)


def test_early_stopping_is_where_validation_loss_is_least_not_where_accuracy_is_most() -> None:
    assert results_of({DENSE: [0.9, 0.9]}).levels[0].early_stop.values == (20.0, 20.0)


@pytest.mark.parametrize(
    "tickets, smallest",
    [
        ({1: 0.9, 2: 0.9, 3: 0.5}, 2),
        ({1: 0.5, 2: 0.9, 3: 0.5}, 2),  # sparsest of all, not the last before the first that fails
        ({1: 0.5, 2: 0.5, 3: 0.5}, None),
        ({}, None),
    ],
)
def test_the_smallest_matching_ticket_is_the_sparsest_that_matches(
    tickets: dict[int, float], smallest: int | None
) -> None:
    accuracies = {DENSE: [0.9, 0.9]} | {(TICKET, level): [value, value] for level, value in tickets.items()}
    accuracies |= {("reinit", 3): [0.99, 0.99]}  # a control is no ticket
    found = results_of(accuracies).smallest_matching
    assert (found.level if found else None) == smallest


def test_tickets_come_before_controls_and_levels_in_order() -> None:
    ends = [0.9]
    found = results_of({("reinit", 2): ends, (TICKET, 2): ends, ("reinit", 1): ends, DENSE: ends, (TICKET, 1): ends})
    assert [(level.control, level.level) for level in found.levels] == [
        DENSE,
        (TICKET, 1),
        (TICKET, 2),
        ("reinit", 1),
        ("reinit", 2),
    ]


def test_without_the_dense_network_nothing_is_matching() -> None:
    found = results_of({(TICKET, 1): [0.9]})
    assert (found.dense, found.floor, found.smallest_matching) == (None, None, None)
    assert [level.is_matching for level in found.levels] == [None]


def test_the_tidy_table_has_a_line_for_each_value() -> None:
    records = list(results_of({DENSE: [0.9], (TICKET, 1): [0.8]}).records())
    place = ("imp-0123abcd", "digits", "ticket", 0, 1, 0.8)
    ticket = [record for record in records if record.level == 1]
    assert ticket[0] == Record(*place, None, "density/fc1.weight", 0.8)
    assert ticket[1] == Record(*place, 20, "early_stop_iteration", 20.0)
    assert Record(*place, 40, "test_accuracy", 0.8) in ticket
    assert len(ticket) == 2 + 3 * 4
    assert len(records) == len(ticket) + 1 + 3 * 4


def test_csv_and_json_read_back_to_the_same_values() -> None:
    records = list(results_of({DENSE: [1 / 3], (TICKET, 1): [0.1 + 0.2]}).records())
    rows = list(csv.DictReader(io.StringIO(to_csv(records))))
    assert [float(row["value"]) for row in rows] == [record.value for record in records]
    assert [row["iteration"] for row in rows] == ["" if r.iteration is None else str(r.iteration) for r in records]
    assert [Record(**row) for row in json.loads(to_json(records))] == records


def test_a_level_at_which_replicates_are_missing_does_not_match() -> None:
    found = results_of({DENSE: [0.90, 0.91, 0.92], (TICKET, 1): [0.95, 0.95, 0.95], (TICKET, 2): [0.99]})
    assert [level.is_matching for level in found.levels] == [None, True, False]
    assert found.smallest_matching is not None
    assert found.smallest_matching.level == 1
