"""What a run's verdict says, of constructed results."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from winnow.experiments import controls, imp, instability
from winnow.experiments.experiment import TICKET
from winnow.findings import Findings, Measured
from winnow.recipes import read
from winnow.report.against_density import density_charts
from winnow.report.cautions import run_cautions
from winnow.report.levels import levels_table
from winnow.report.provenance import Provenance
from winnow.report.side_by_side import comparison
from winnow.report.verdict import verdict
from winnow.results import Results
from winnow.timeline import Amount

from ..test_results import DENSE, Accuracies, results_of

TICKETS: Accuracies = {DENSE: [0.90, 0.91, 0.92], (TICKET, 1): [0.91, 0.92, 0.93]}


@pytest.mark.parametrize(
    "control, said",
    [
        ("reinit", "against the same mask, reinitialized"),
        ("signs", "against the same mask, signs alone"),
        ("random", "against a random mask of the same layer densities"),
        ("random-global", "against a uniform random mask"),
        ("dense-longer", "against the dense network trained longer"),
        ("swap", "against another replicate’s mask"),
    ],
)
def test_a_control_is_told_as_what_it_is(control: str, said: str) -> None:
    found = verdict(results_of({**TICKETS, (control, 1): [0.8, 0.8, 0.8]}, control=[control]))
    assert found.facts[-1].what == said


def test_every_control_there_is_has_words() -> None:
    names = [name for name, made in controls().items() if made.__module__.startswith("winnow.")]
    found = verdict(results_of({**TICKETS, **{(name, 1): [0.8, 0.8, 0.8] for name in names}}, control=names))
    said = [fact.what for fact in found.facts if fact.what.startswith("against ")]
    assert len(said) == len(names)
    assert not {f"against {name}" for name in names} & set(said)


CUT = {"at": "200it", "train_levels": [1, 3]}


def test_a_level_that_was_trained_to_rank_its_weights_alone_has_no_accuracy_at_the_end() -> None:
    accuracies: Accuracies = {DENSE: [0.9, 0.9]} | {(TICKET, level): [0.5, 0.6] for level in (1, 3)}
    found = results_of(accuracies | {(TICKET, 2): [0.89, 0.89]}, prune=CUT)
    for chart in (*density_charts(found), *comparison([found, found])):
        assert {len(series.points) for series in chart.series if series.name != "reinitialized"} <= {2, 3}
    assert [row[1] for row in levels_table(found).rows] == ["0", "1", "3"]
    said = verdict(found)
    assert said.headline == "No ticket trains to the accuracy of the dense network."
    assert said.facts[0].value.startswith("55.00")  # not level 2's, of before it was trained
    made = Provenance(wanted=(), manifests=(), failures=(), under_way=0)
    assert any(
        "Level 2 trained to iteration 200 alone, to rank weights by" in each for each in run_cautions(found, made)
    )


@pytest.mark.parametrize("length, is_told", [("100it", True), ("rest", False)])
def test_tickets_that_trained_shorter_than_their_controls_are_told(length: str, is_told: bool) -> None:
    recipe = read("digits").edited({"retrain.length": length, "control": ["reinit", "random"], "rewind": "20it"})
    found = Results(imp(recipe), "imp-0123abcd", ())
    made = Provenance(wanted=(), manifests=(), failures=(), under_way=0)
    told = [each for each in run_cautions(found, made) if each.startswith("Of other lengths")]
    assert (
        told
        == [
            "Of other lengths: tickets trained 100 iterations (retrain.length), reinit 300. That alone may tell "
            "them apart."
        ]
        * is_told
    )


WINS = "A winning ticket with 80 % of the weights trains, alone, to the accuracy of the whole network."
MATCHES = "A matching subnetwork with 80 % of the weights trains, alone, to the accuracy of the whole network; "


@pytest.mark.parametrize(
    "reinitialized, headline",
    [
        ([0.80, 0.82, 0.81], WINS),
        ([0.94, 0.95, 0.96], MATCHES + "so does the same mask reinitialized."),
        ([0.91, 0.92, 0.93], MATCHES + "so does the same mask reinitialized."),
        ([0.89, 0.93, 0.92], MATCHES + "the same mask reinitialized does as well, as far as 3 replicates tell."),
        ([0.905], MATCHES + "the same mask reinitialized does as well, as far as one replicate tells."),
        ([0.80], WINS),
    ],
)  # fmt: skip
def test_a_ticket_wins_only_where_the_reinitialized_mask_does_not(
    reinitialized: Sequence[float], headline: str
) -> None:
    assert verdict(results_of({**TICKETS, ("reinit", 1): reinitialized})).headline == headline


def test_without_the_control_a_matching_ticket_is_a_winning_one() -> None:
    assert verdict(results_of(TICKETS)).headline == WINS


def test_a_ticket_that_learns_at_the_same_iteration_learns_as_soon() -> None:
    (soon,) = [fact for fact in verdict(results_of(TICKETS)).facts if fact.what == "early stop of the ticket"]
    assert soon.value == "as soon"  # every curve of results_of stops at 20


@pytest.mark.parametrize(
    "edits, is_of_the_run",
    [
        ({}, True),
        ({"name": "another"}, True),
        ({"replicates": 1, "levels": 9}, True),
        ({"optimizer.learning_rate": 1e-7}, False),
        ({"train.length": "2ep"}, False),
    ],
)
def test_a_study_says_of_a_run_what_was_measured_of_its_own_trainings(
    edits: dict[str, object], is_of_the_run: bool
) -> None:
    results = results_of(TICKETS)
    study = instability(results.experiment.recipe.edited(edits), at=[Amount.parse("0it")])
    line = ({"position": 0.0, "train_error": 0.1, "test_error": 0.1},)
    findings = Findings(study, tuple(Measured(each, line) for each in study.comparisons), ())
    reason = verdict(results, [findings]).reasons[1]
    assert ("where the dense network is stable to noise" in reason) is is_of_the_run
    assert ("nothing stored tells" in reason) is not is_of_the_run


@pytest.mark.parametrize(
    "reinitialized, beside",
    [
        ([0.80, 0.81, 0.83], "reinitialized 81.33 ± 1.53 %, 95 % +9.23 to +12.10"),
        ([0.80, 0.81, 0.82], "reinitialized 81.00 ± 1.00 %"),  # the difference is 11 points in each replicate
        ([0.80], "reinitialized 80.00 %"),
    ],
)
def test_equal_differences_give_no_interval(reinitialized: Sequence[float], beside: str) -> None:
    results = results_of({**TICKETS, ("reinit", 1): reinitialized})
    assert verdict(results).facts[-1].beside == beside


def test_a_table_and_its_file_leave_out_the_interval_of_equal_differences() -> None:
    table = levels_table(results_of(TICKETS))
    assert [row[5] for row in table.rows] == ["", "–"]
    assert [table.values[1][table.fields.index(f"accuracy_to_dense_{end}95")] for end in ("low", "high")] == [None] * 2
