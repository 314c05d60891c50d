"""What results cost, counted by hand."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from winnow.cost import cost
from winnow.experiments import imp
from winnow.recipes import read
from winnow.steps import Train


def rows(**edits: object) -> dict[tuple[str, int, int], Train]:
    recipe = read("digits").edited({"levels": 3, "replicates": 2, "train.length": "100it", "control": [], **edits})
    return {(row.control, row.replicate, row.level): row.trained for row in imp(recipe).rows}


@pytest.mark.parametrize(
    "edits, place, trainings, iterations",
    [
        ({}, ("ticket", 0, 0), 1, 100),
        ({}, ("ticket", 0, 3), 4, 400),  # a ticket takes all the levels before it
        ({"rewind": "20it"}, ("ticket", 0, 3), 4, 100 + 3 * 80),  # the trunk is trained once, on the way of the dense
        ({"prune.rounds": "one-shot"}, ("ticket", 0, 3), 2, 200),
        ({"control": ["reinit"]}, ("reinit", 1, 3), 4, 400),  # the mask of level 3 took three trainings
        ({"control": ["swap"]}, ("swap", 0, 2), 3, 300),  # all of them the other replicate's, but the last
    ],
)
def test_a_result_costs_each_training_behind_it_once(
    edits: dict[str, object], place: tuple[str, int, int], trainings: int, iterations: int
) -> None:
    found = cost([rows(**edits)[place]])
    assert (found.trainings, found.iterations) == (trainings, iterations)
    assert math.isnan(found.seconds)


def test_results_together_share_what_they_share() -> None:
    found = rows()
    assert cost(found.values()).trainings == 8


def test_one_training_looked_at_twice_counts_to_its_end_whichever_is_seen_first() -> None:
    whole = rows()["ticket", 0, 0]
    begun = replace(whole, stop=20)
    assert [cost(steps).iterations for steps in ((whole, begun), (begun, whole))] == [100, 100]
