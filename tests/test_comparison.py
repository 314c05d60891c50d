"""Comparisons of constructed results, against differences and intervals written out by hand."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from winnow.comparison import Comparison, Side, why_unpaired
from winnow.errors import MissingResult, RecipeError
from winnow.experiments.experiment import TICKET
from winnow.results import Results
from winnow.store import Store

from .test_results import DENSE, results_of

T3, T2 = 4.302653, 12.706205
"""Student's t for three pairs and for two."""


def side(tmp_path: Path, results: Results, name: str = "a", control: str = TICKET) -> Side:
    return Side(name, results, Store(tmp_path, make=False), control)


def at(results: Results, densities: dict[int, float]) -> Results:
    """The results with other densities at some levels."""
    changed = (replace(each, density=densities.get(each.row.level, each.density)) for each in results.trainings)
    return replace(results, trainings=tuple(changed))


def with_recipe(results: Results, **edits: object) -> Results:
    recipe = results.experiment.recipe.edited({path.replace("__", "."): value for path, value in edits.items()})
    from winnow.experiments import imp

    experiment = imp(recipe)
    return replace(results, experiment=experiment)


def test_paired_differences_have_students_interval(tmp_path: Path) -> None:
    found = results_of({DENSE: [0.9] * 3, (TICKET, 1): [0.90, 0.80, 0.70], ("reinit", 1): [0.88, 0.79, 0.67]})
    tickets, reinit = side(tmp_path, found), side(tmp_path, found, "b", "reinit")
    (difference,) = Comparison((tickets, reinit)).differences(reinit)
    assert difference.is_paired and difference.pairs == 3
    assert difference.mean == pytest.approx(-0.02)
    half = T3 * 0.01 / 3**0.5  # differences -0.02, -0.01, -0.03: a standard deviation of 0.01
    assert difference.interval == pytest.approx((-0.02 - half, -0.02 + half), abs=1e-5)


def test_only_replicates_that_both_have_are_paired(tmp_path: Path) -> None:
    found = results_of({DENSE: [0.9] * 3, (TICKET, 1): [0.90, 0.80, 0.10], ("reinit", 1): [0.88, 0.79]})
    tickets, reinit = side(tmp_path, found), side(tmp_path, found, "b", "reinit")
    (difference,) = Comparison((tickets, reinit)).differences(reinit)
    assert difference.replicates == [0, 1]
    half = T2 * 0.00707107 / 2**0.5
    assert difference.interval == pytest.approx((-0.015 - half, -0.015 + half), abs=1e-5)


def test_unpaired_differences_have_welchs_interval(tmp_path: Path) -> None:
    one = results_of({DENSE: [0.9] * 3, (TICKET, 1): [0.70, 0.80, 0.90]})
    other = with_recipe(results_of({DENSE: [0.9] * 3, (TICKET, 1): [0.90, 0.80, 0.70]}), seed=1)
    first, second = side(tmp_path, one), side(tmp_path, other, "b")
    difference = Comparison((first, second)).differences(second)[1]
    assert not difference.is_paired
    assert difference.mean == pytest.approx(0)
    half = 2.776445 * (2 * 0.01 / 3) ** 0.5  # four degrees of freedom
    assert difference.interval == pytest.approx((-half, half), abs=1e-4)


def test_unpaired_sets_have_as_many_values_as_the_one_that_has_fewer(tmp_path: Path) -> None:
    one = results_of({DENSE: [0.9] * 3, (TICKET, 1): [0.7] * 3})
    other = with_recipe(results_of({DENSE: [0.9] * 2, (TICKET, 1): [0.8] * 2}), seed=1)
    first, second = side(tmp_path, one), side(tmp_path, other, "b")
    assert [each.pairs for each in Comparison((first, second)).differences(second)] == [2, 2]


@pytest.mark.parametrize(
    "edits, reason",
    [
        ({}, None),
        ({"prune.rate.linear": 0.5}, None),
        ({"optimizer.learning_rate": 0.1}, None),  # another training of the same start under the same noise
        ({"data.std": [0.5]}, None),
        ({"seed": 1}, "the seeds differ (0 and 1)"),
        ({"data.validation": 100}, "the data, its split or its augmentation differ"),
        ({"model.name": "lenet-20"}, "the networks or their initialization differ (lenet-300-100 and lenet-20)"),
        ({"train.batch": 50}, "the batches differ (60 and 50), and so the noise"),
    ],
)
def test_replicates_are_paired_where_they_share_start_and_noise(
    edits: dict[str, object], reason: str | None, tmp_path: Path
) -> None:
    found = results_of({DENSE: [0.9]})
    other = with_recipe(found, **{path.replace(".", "__"): value for path, value in edits.items()})
    assert why_unpaired(side(tmp_path, found), side(tmp_path, other)) == reason


@pytest.mark.parametrize(
    "density, expected",
    [
        (0.50, (0.50, 0.7, "nearest level")),
        (0.52, (0.50, 0.7, "nearest level")),  # within 5 % of it
        (0.526, (0.50, 0.7, "nearest level")),  # of the larger of the two
        (0.55, (0.55, 0.7 + 0.2 * 0.13750352, "interpolated")),  # ln 1.1 of ln 2
        (0.25, (0.25, 0.6, "interpolated")),  # halfway between 0.5 and 0.125, in the logarithm
        (0.124, (0.125, 0.5, "nearest level")),
        (0.10, None),
    ],
)
def test_densities_that_differ_meet_at_the_nearest_level_or_between_two(
    density: float, expected: tuple[float, float, str] | None, tmp_path: Path
) -> None:
    reference = at(results_of({DENSE: [0.9], (TICKET, 1): [0.7], (TICKET, 2): [0.5]}), {1: 0.5, 2: 0.125})
    other = at(results_of({(TICKET, 1): [0.8]}), {1: density})
    first, second = side(tmp_path, reference), side(tmp_path, other, "b")
    found = Comparison((first, second)).differences(second)
    if expected is None:
        assert not found
        return
    (there,) = (each.reference for each in found)
    assert (there.density, there.accuracies[0], there.how) == (
        (pytest.approx(expected[0]), pytest.approx(expected[1]), expected[2])
    )


def test_each_set_matches_its_own_dense_network(tmp_path: Path) -> None:
    found = results_of({DENSE: [0.8, 0.9], (TICKET, 1): [0.9] * 2, (TICKET, 2): [0.8] * 2, ("reinit", 1): [0.9] * 2})
    tickets, reinit = side(tmp_path, found), side(tmp_path, found, "b", "reinit")
    assert [each.smallest_matching and each.smallest_matching.level for each in (tickets, reinit)] == [2, 1]
    records = list(Comparison((tickets, reinit)).records())
    assert [(row.set, row.level, row.trainings, row.reference) for row in records] == [
        ("a", 0, 1, ""),
        ("a", 1, 2, ""),
        ("a", 2, 3, ""),
        ("b", 1, 2, "a"),
    ]
    assert records[-1].difference == pytest.approx(0) and records[-1].how == "nearest level"


def test_one_set_is_no_comparison_and_a_set_without_results_says_so(tmp_path: Path) -> None:
    found = results_of({DENSE: [0.9]})
    with pytest.raises(RecipeError, match="needs at least two sets"):
        Comparison((side(tmp_path, found),))
    with pytest.raises(MissingResult, match="'b' has no results of control 'reinit'"):
        list(Comparison((side(tmp_path, found), side(tmp_path, found, "b", "reinit"))).records())
