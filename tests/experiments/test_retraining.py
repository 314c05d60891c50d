from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from winnow.errors import RecipeError
from winnow.experiments import Experiment, imp
from winnow.experiments.stability import stability
from winnow.experiments.words import pruned, start
from winnow.recipe import Recipe
from winnow.recipes import from_toml, read, to_toml
from winnow.steps import Init, Prune, Train
from winnow.store.experiments import identity
from winnow.timeline import Amount

BASE = read("digits").edited({"levels": 3, "replicates": 1, "control": [], "train.length": "100it", "rewind": "30it"})
PLACES = {"k": 0, "end": 1, "init": 2}


def tickets(recipe: Recipe) -> list[Train]:
    return [row.trained for row in imp(recipe).rows if row.control == "ticket"]


def origin_of(experiment: Experiment, ticket: Train, before: Train) -> str:
    """Which weights a ticket starts with."""
    dense = experiment.rows[0].trained
    point = replace(dense, stop=30)
    [found] = [
        name for name, step in {"k": point, "end": before, "init": dense.origin}.items() if step == ticket.origin
    ]
    return found


@pytest.mark.parametrize("changes, weights, span", [
    ({}, "k", (30, 100)),
    ({"how": "weight-rewinding"}, "k", (30, 100)),
    ({"how": "lr-rewinding"}, "end", (30, 100)),
    ({"how": "fine-tuning"}, "end", (100, 170)),  # from the end of the schedule, for T - k
    ({"how": "scratch"}, "init", (0, 100)),
    ({"weights": "end"}, "end", (30, 100)),  # a switch alone
    ({"weights": "end", "schedule": "end"}, "end", (100, 170)),
    ({"weights": "init"}, "init", (30, 100)),
    ({"schedule": "init"}, "k", (0, 100)),
    ({"how": "scratch", "schedule": "k"}, "init", (30, 100)),
    ({"how": "fine-tuning", "length": "20it"}, "end", (100, 120)),
    ({"how": "lr-rewinding", "length": "200it"}, "end", (30, 230)),
    ({"how": "scratch", "length": "50%"}, "init", (0, 50)),
])  # fmt: skip
def test_the_three_switches_are_where_weights_come_from_where_the_schedule_starts_and_how_long(
    changes: dict[str, str], weights: str, span: tuple[int, int]
) -> None:
    recipe = BASE.edited({f"retrain.{name}": value for name, value in changes.items()})
    experiment = imp(recipe)
    dense, *pruned = tickets(recipe)
    assert (dense.start, dense.stop, dense.mask) == (0, 100, None)
    before = dense
    for level, ticket in enumerate(pruned, start=1):
        assert origin_of(experiment, ticket, before) == weights
        assert (ticket.origin == experiment.rewind_points[0]) == (weights != "end")
        assert (ticket.start, ticket.stop) == span
        assert isinstance(ticket.mask, Prune)
        assert (ticket.mask.trained, ticket.mask.level) == (before, level)  # iterative, whatever the way
        before = ticket


def test_weight_rewinding_named_is_the_same_experiment_as_before_it_had_a_name() -> None:
    named = BASE.edited({"retrain.weights": "k", "retrain.schedule": "k"})
    assert tickets(named) == tickets(BASE)
    assert identity(named) != identity(BASE)  # said otherwise, but no result is another
    explicit = {"prune.at": "end", "prune.granularity": "weight", "retrain.how": "weight-rewinding"}
    assert identity(BASE.edited(explicit)) == identity(BASE)


def test_what_becomes_of_buffers_tells_experiments_apart_where_there_are_any() -> None:
    fresh = {"optimizer.at_rewind": "fresh"}
    vanilla = BASE.edited({"rewind": "0it"})
    assert identity(vanilla.edited(fresh)) == identity(vanilla)
    rewound = BASE.edited({"rewind": "20it"})
    assert identity(rewound.edited(fresh)) != identity(rewound)


def test_from_scratch_at_k_0_is_vanilla_imp() -> None:
    vanilla = BASE.edited({"rewind": "0it"})
    assert tickets(vanilla.edited({"retrain.how": "scratch"})) == tickets(vanilla)


@pytest.mark.parametrize("how, fresh", [
    ("weight-rewinding", True), ("lr-rewinding", True), ("fine-tuning", True), ("scratch", False),
])  # fmt: skip
def test_the_optimizers_buffers_are_those_saved_with_the_weights_unless_fresh_ones_are_asked_for(
    how: str, fresh: bool
) -> None:
    recipe = BASE.edited({"retrain.how": how})
    assert not any(ticket.fresh_optimizer for ticket in tickets(recipe))
    afresh = tickets(recipe.edited({"optimizer.at_rewind": "fresh"}))[1:]
    assert {ticket.fresh_optimizer for ticket in afresh} == {fresh}  # W_0 has no buffers to restore


def test_one_shot_every_level_goes_on_from_the_dense_network() -> None:
    recipe = BASE.edited({"retrain.how": "lr-rewinding", "prune.rounds": "one-shot"})
    dense, *pruned = tickets(recipe)
    assert {ticket.origin for ticket in pruned} == {dense}


# Pruning earlier


def trained(ticket: Train) -> Init | Train:
    assert isinstance(ticket.mask, Prune)
    return ticket.mask.trained


def test_pruning_at_p_ranks_every_training_at_p_which_is_part_of_its_way_to_the_end() -> None:
    dense, *pruned = tickets(BASE.edited({"prune.at": "50it"}))
    before = dense
    for ticket in pruned:
        ranked = trained(ticket)
        assert isinstance(ranked, Train)
        assert (ranked.trajectory, ranked.stop) == (before.trajectory, 50)
        assert (ticket.start, ticket.stop) == (30, 100)
        before = ticket


@pytest.mark.parametrize("at", ["100it", "100%"])
def test_pruning_at_p_of_all_of_training_is_pruning_at_the_end(at: str) -> None:
    assert tickets(BASE.edited({"prune.at": at})) == tickets(BASE)


def test_only_the_levels_asked_for_train_to_the_end_and_the_others_to_p() -> None:
    recipe = BASE.edited({"prune.at": "50it", "prune.train_levels": [2]})
    rows = imp(recipe).rows
    assert [(row.level, row.trained.stop, row.is_cut(recipe)) for row in rows] == [
        (0, 100, False), (1, 50, True), (2, 100, False),
    ]  # fmt: skip
    whole = tickets(BASE.edited({"prune.at": "50it"}))
    assert rows[2].trained == whole[2]
    assert rows[1].trained.trajectory == whole[1].trajectory


def test_controls_are_beside_the_levels_that_train_to_the_end_alone() -> None:
    recipe = BASE.edited({"prune.at": "50it", "prune.train_levels": [1, 3], "control": ["random"]})
    assert [row.level for row in imp(recipe).rows if row.control == "random"] == [1, 3]


def test_one_shot_levels_that_are_not_asked_for_are_not_there() -> None:
    recipe = BASE.edited({"prune.rounds": "one-shot", "prune.train_levels": [1, 3]})
    assert [row.level for row in imp(recipe).rows] == [0, 1, 3]


@pytest.mark.parametrize("rewind", ["0it", "30it"])
def test_at_the_rewind_point_masks_come_from_w_k_before_any_training(rewind: str) -> None:
    recipe = BASE.edited({"rewind": rewind, "prune.at": "rewind", "prune.rounds": "one-shot", "prune.score": "snip"})
    experiment = imp(recipe)
    dense, *pruned = tickets(recipe)
    for level, ticket in enumerate(pruned, start=1):
        assert trained(ticket) == experiment.rewind_points[0] == ticket.origin
        assert isinstance(ticket.mask, Prune)
        assert (ticket.mask.level, ticket.mask.course) == (level, dense.course)
        assert ticket.mask.init == dense.origin


# What cannot be


@pytest.mark.parametrize("changes, message", [
    ({"retrain.length": "0it"}, "retrain.length is 0it, which is no training. Give at least 1it."),
    ({"retrain.how": "rewinding"}, "field retrain.how: expected 'weight-rewinding', 'lr-rewinding', 'fine-tuning'"),
    ({"retrain.weights": "W0"}, "field retrain.weights: expected 'k', 'end' or 'init', given 'W0'"),
    ({"retrain.length": "long"}, "field retrain.length: 'long' is not an amount of training"),
    ({"prune.at": "30it"}, r"prune.at is 30it \(iteration 30\), not after the rewind point \(iteration 30\)"),
    ({"prune.at": "101it"}, r"prune.at is 101it \(iteration 101\), after the end of training \(100it\)"),
    ({"prune.at": "start"}, "field prune.at: 'start' is not an amount of training"),
    ({"prune.at": "50it", "retrain.how": "fine-tuning"}, "prune.at is 50it, .* retrain asks for another way.\nLeave"),
    ({"prune.at": "rewind"}, "at is 'rewind', so weights are ranked before any training, .*\nGive rounds = 'one-shot'"),
    ({"prune.train_levels": [1]}, "train_levels spares training that ranking needs here"),
    ({"prune.at": "50it", "prune.train_levels": [4]}, "prune.train_levels names level 4, and levels is 3"),
    ({"prune.granularity": "2:4"}, "has one density and so one level, and levels is 3. Give levels = 1."),
    (
        {"prune.granularity": "2:4", "prune.densities": [0.7, 0.5, 0.3]},
        r"granularity is '2:4', which has one density, and densities are \[0.7, 0.5, 0.3\]. Leave one of them out",
    ),
    ({"prune.granularity": "unit"}, "granularity 'unit' would remove classes from the output layer. Leave rate.output"),
    ({"prune.granularity": "blocks"}, "field prune: 'blocks' is no granularity"),
])  # fmt: skip
def test_a_way_that_cannot_be_followed_is_refused_before_anything_runs(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        imp(BASE.edited(changes))


def test_a_study_is_of_tickets_that_are_rewound() -> None:
    with pytest.raises(RecipeError, match="a study looks at what trainings from W_k come to"):
        stability(BASE.edited({"retrain.how": "fine-tuning"}), density=0.5, at=[Amount.parse("0it")])


# How it is written, and said


WAYS: list[dict[str, Any]] = [
    {"retrain.how": "lr-rewinding", "retrain.length": "2ep"},
    {"retrain.weights": "end", "retrain.schedule": "k"},
    {"prune.at": "50it", "prune.train_levels": [1, 3]},
    {"prune.at": "rewind", "prune.rounds": "one-shot"},
    {"prune.granularity": "2:4", "levels": 1},
]


@pytest.mark.parametrize("changes", WAYS)
def test_every_way_is_written_back_as_it_was_read(changes: dict[str, Any]) -> None:
    recipe = BASE.edited(changes)
    assert from_toml(to_toml(recipe)) == recipe
    assert recipe != BASE


def test_every_way_is_an_experiment_of_its_own() -> None:
    assert len({identity(BASE.edited(changes)) for changes in ({}, *WAYS)}) == 1 + len(WAYS)


@pytest.mark.parametrize("changes, words", [
    ({}, "rewound to 30it"),
    ({"rewind": "0it"}, "from initialization"),
    ({"retrain.how": "lr-rewinding"}, "learning rate rewound to 30it"),
    ({"retrain.how": "fine-tuning", "retrain.length": "2ep"}, "fine-tuning for 2ep"),
    ({"retrain.weights": "end", "retrain.schedule": "end"}, "fine-tuning"),
    ({"retrain.how": "scratch"}, "from scratch"),
    ({"retrain.schedule": "init"}, "weights of 30it, schedule from 0it"),
    ({"retrain.weights": "init"}, "initial weights, schedule from 30it"),
])  # fmt: skip
def test_titles_say_where_tickets_start_from(changes: dict[str, Any], words: str) -> None:
    assert start(BASE.edited(changes)) == words


@pytest.mark.parametrize("changes, words", [
    ({}, ""),
    ({"prune.score": "synflow", "prune.at": "rewind", "prune.rounds": "one-shot"},
     "pruned by synflow at the rewind point in one shot"),
    ({"prune.granularity": "2:4"}, "pruned 2:4"),
    ({"prune.granularity": "unit", "prune.rate.output": None}, "pruned by whole units"),
])  # fmt: skip
def test_titles_say_how_weights_are_pruned(changes: dict[str, Any], words: str) -> None:
    assert pruned(BASE.edited(changes)) == words


def test_a_level_that_ranks_at_the_end_is_not_cut_short() -> None:
    recipe = BASE.edited({"prune.at": "100%", "prune.train_levels": [2]})
    assert [row.is_cut(recipe) for row in imp(recipe).rows] == [False] * 3


@pytest.mark.parametrize("score", ["movement", "magnitude-change"])
def test_how_far_weights_have_come_ranks_none_where_training_begins(score: str) -> None:
    start = {"prune.score": score, "prune.at": "rewind", "prune.rounds": "one-shot"}
    with pytest.raises(RecipeError, match=f"prune.score '{score}' ranks weights by how far .* all are there still"):
        imp(BASE.edited(start | {"rewind": "0it"}))
    assert imp(BASE.edited(start)).rows  # at k = 30 they have come somewhere
