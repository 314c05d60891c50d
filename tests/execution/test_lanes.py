from __future__ import annotations

from dataclasses import replace

import pytest

from tests.execution.conftest import RECIPE, ticket
from winnow.execution.lanes import Lane, batches, lanes
from winnow.experiments import imp
from winnow.steps import Train

EXPERIMENT = imp(RECIPE.edited({"replicates": 5, "control": ["reinit"]}))
DENSE = [ticket(EXPERIMENT, 0, replicate) for replicate in range(5)]
REWOUND = [point for point in EXPERIMENT.rewind_points.values() if isinstance(point, Train)]


def test_trainings_that_differ_in_their_end_alone_are_one_lane() -> None:
    later = replace(DENSE[0], stop=20)
    found = lanes([DENSE[0], DENSE[1], REWOUND[0], later])
    assert [lane.steps for lane in found] == [(REWOUND[0], later, DENSE[0]), (DENSE[1],)]
    assert found[0].last == DENSE[0]
    assert found[0].trajectory == REWOUND[0].trajectory


@pytest.mark.parametrize("width, sizes", [(1, [1, 1, 1, 1, 1]), (2, [2, 2, 1]), (5, [5]), (32, [5])])
def test_lanes_alike_are_trained_together_at_most_so_many_at_once(width: int, sizes: list[int]) -> None:
    found = batches(lanes(DENSE), width)
    assert [len(batch) for batch in found] == sizes
    assert [lane.last for batch in found for lane in batch] == DENSE


def test_lanes_that_differ_in_course_span_or_age_are_not_trained_together() -> None:
    dense, one = DENSE[0], ticket(EXPERIMENT, 1)
    unlike: list[Train] = [
        dense,
        replace(DENSE[1], stop=20),
        replace(DENSE[2], course=replace(dense.course, batch=10)),
        replace(DENSE[3], course=replace(dense.course, evaluate=3)),
        one,
        replace(ticket(EXPERIMENT, 1, 1), fresh_optimizer=True),
        replace(ticket(EXPERIMENT, 1, 2), start=8),
    ]
    assert [len(batch) for batch in batches(lanes(unlike), 32)] == [1] * 7


def test_controls_and_levels_are_trained_together_where_they_span_the_same_iterations() -> None:
    experiment = imp(RECIPE.edited({"rewind": "0it", "control": ["reinit"]}))
    alike = [ticket(experiment, 1), ticket(experiment, 1, 1), ticket(experiment, 1, 0, "reinit"), ticket(experiment, 2)]
    assert batches(lanes(alike), 32) == [[Lane((step,)) for step in alike]]
