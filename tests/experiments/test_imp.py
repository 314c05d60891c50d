from __future__ import annotations

from importlib import import_module
from typing import Any

import pytest

from winnow.errors import RecipeError, UnknownName
from winnow.experiments import Experiment, controls, imp
from winnow.recipe import Recipe
from winnow.recipes import read
from winnow.steps import Content, Init, Noise, Prune, Train
from winnow.store.experiments import identity

BASE = read("digits").edited({"levels": 3, "replicates": 2, "control": [], "train.length": "100it"})


def tickets(experiment: Experiment, replicate: int = 0) -> list[Train]:
    """The trainings of a replicate by level, the dense network first."""
    rows = [row for row in experiment.rows if row.control == "ticket" and row.replicate == replicate]
    assert [row.level for row in rows] == list(range(len(rows)))
    return [row.trained for row in rows]


@pytest.mark.parametrize("rewind, k", [("0it", 0), ("30it", 30), ("2ep", 32)])
def test_levels_prune_the_one_before_and_restart_from_the_rewind_point(rewind: str, k: int) -> None:
    experiment = imp(BASE.edited({"rewind": rewind}))
    for replicate in range(2):
        dense, *pruned = tickets(experiment, replicate)
        init = Init(network=dense.course.network, seed=0, replicate=replicate)
        assert (dense.origin, dense.mask, dense.start, dense.stop) == (init, None, 0, 100)
        rewound = experiment.rewind_points[replicate]
        before = dense
        for level, ticket in enumerate(pruned, start=1):
            assert ticket.origin == rewound
            assert (ticket.start, ticket.stop) == (k, 100)  # T - k iterations, continuing from k
            assert ticket.mask is not None
            assert (ticket.mask.trained, ticket.mask.level) == (before, level)
            assert (ticket.mask.rate, ticket.mask.scope) == (BASE.prune.rate, "layerwise")
            before = ticket


def test_without_rewinding_tickets_restart_from_initialization() -> None:
    experiment = imp(BASE)
    assert all(isinstance(point, Init) for point in experiment.rewind_points.values())


def test_with_rewinding_the_rewind_point_is_on_the_dense_networks_own_way() -> None:
    experiment = imp(BASE.edited({"rewind": "30it"}))
    dense, rewound = tickets(experiment)[0], experiment.rewind_points[0]
    assert isinstance(rewound, Train)
    assert (rewound.stop, rewound.trajectory) == (30, dense.trajectory)


def test_one_shot_prunes_every_level_from_the_dense_network() -> None:
    dense, *pruned = tickets(imp(BASE.edited({"prune.rounds": "one-shot", "rewind": "30it"})))
    assert [ticket.mask and ticket.mask.trained for ticket in pruned] == [dense] * 3
    assert [ticket.mask and ticket.mask.level for ticket in pruned] == [1, 2, 3]
    iterative = tickets(imp(BASE.edited({"rewind": "30it"})))
    assert iterative[1] == pruned[0]  # the first level is the same
    assert iterative[2] != pruned[1]


def test_replicates_differ_in_init_and_noise_and_a_replicates_levels_share_theirs() -> None:
    experiment = imp(BASE)
    for replicate in range(2):
        noises = {ticket.noise for ticket in tickets(experiment, replicate)}
        assert noises == {Noise(seed=0, replicate=replicate)}
    first, second = (tickets(experiment, replicate)[0] for replicate in range(2))
    assert first.origin != second.origin
    assert first.course == second.course  # and with it the split


@pytest.mark.parametrize("rewind, k", [("0it", 0), ("30it", 30)])
def test_the_reinit_control_trains_the_same_mask_on_fresh_weights_for_the_whole_schedule(rewind: str, k: int) -> None:
    experiment = imp(BASE.edited({"rewind": rewind, "control": ["reinit"]}))
    assert [(row.level, row.control) for row in experiment.rows if row.replicate == 0] == [
        (0, "ticket"),
        (1, "ticket"),
        (1, "reinit"),
        (2, "ticket"),
        (2, "reinit"),
        (3, "ticket"),
        (3, "reinit"),
    ]
    controls = [row for row in experiment.rows if row.control == "reinit"]
    for row in controls:
        ticket = tickets(experiment, row.replicate)[row.level]
        trained = row.trained
        assert trained.mask == ticket.mask
        assert (trained.start, trained.stop, trained.noise) == (0, 100, ticket.noise)
        assert isinstance(trained.origin, Init)
        assert trained.origin != tickets(experiment, row.replicate)[0].origin
    assert len({row.trained.origin for row in controls}) == 6  # each its own weights
    assert {step for row in controls for step in row.trained.inputs.values() if isinstance(step, Prune)} <= {
        row.mask for row in experiment.rows if row.control == "ticket"
    }  # the control is never pruned itself


def test_a_control_changes_none_of_the_tickets() -> None:
    assert tickets(imp(BASE.edited({"control": ["reinit"]}))) == tickets(imp(BASE))


def test_a_control_asked_for_twice_is_there_once() -> None:
    assert imp(BASE.edited({"control": ["reinit", "reinit"]})).rows == imp(BASE.edited({"control": ["reinit"]})).rows


@pytest.mark.parametrize("at_rewind, rewind, is_fresh", [
    ("restored", "30it", False),
    ("fresh", "30it", True),
    ("fresh", "0it", False),  # there is nothing to restore: vanilla IMP is one experiment
    ("restored", "0it", False),
])  # fmt: skip
def test_the_optimizer_at_the_rewind_point_is_as_the_recipe_says(at_rewind: str, rewind: str, is_fresh: bool) -> None:
    dense, *pruned = tickets(imp(BASE.edited({"optimizer.at_rewind": at_rewind, "rewind": rewind})))
    assert not dense.fresh_optimizer
    assert {ticket.fresh_optimizer for ticket in pruned} == {is_fresh}


def test_deterministic_trainings_are_results_of_their_own() -> None:
    plain, exact = tickets(imp(BASE)), tickets(imp(BASE.edited({"deterministic": True})))
    assert all(ticket.deterministic for ticket in exact)
    assert not set(plain) & set(exact)


@pytest.mark.parametrize(
    "changes, shared",
    [
        ({"levels": 5}, "all"),
        ({"replicates": 4}, "all"),
        ({"control": ["reinit"]}, "all"),
        ({"name": "other"}, "all"),
        ({"rewind": "30it"}, "dense"),
        ({"prune.rate.output": 0.2}, "dense"),
        ({"prune.rounds": "one-shot"}, "dense"),
        ({"seed": 1}, "nothing"),
        ({"train.batch": 50}, "nothing"),
    ],
)
def test_what_an_experiment_shares_with_another(changes: dict[str, Any], shared: str) -> None:
    before = {row.trained for row in imp(BASE).rows}
    after = {row.trained for row in imp(BASE.edited(changes)).rows}
    dense = {tickets(imp(BASE), replicate)[0] for replicate in range(2)}
    if shared == "all":
        assert before <= after
    elif shared == "dense":
        assert dense <= before & after
        assert before & after != before
    else:
        assert not before & after


@pytest.mark.parametrize("keep, contents", [
    ("all", {0: Content.FULL, 1: Content.FULL, 2: Content.FULL, 3: Content.FULL}),
    ("weights", {0: Content.WEIGHTS, 1: Content.WEIGHTS, 2: Content.WEIGHTS, 3: Content.WEIGHTS}),
    ("last", {0: Content.WEIGHTS, 1: Content.METRICS, 2: Content.METRICS, 3: Content.WEIGHTS}),
])  # fmt: skip
def test_what_is_kept_of_each_level(keep: Any, contents: dict[int, Content]) -> None:
    experiment = imp(BASE.edited({"rewind": "30it"}))
    targets = experiment.targets(keep)
    assert {level: targets[ticket] for level, ticket in enumerate(tickets(experiment))} == contents
    assert all(targets[point] is Content.FULL for point in experiment.rewind_points.values())


@pytest.mark.parametrize(
    "one, other",
    [
        ({"prune.exclude": ["fc1.*", "output.*"]}, {"prune.exclude": ["output.*", "fc1.*", "fc1.*"]}),
        ({"prune.include": ["fc1.bias", "fc2.bias"]}, {"prune.include": ["fc2.bias", "fc1.bias"]}),
        ({"prune.at": "150it"}, {"prune.at": "50%"}),
        ({"retrain.length": "60it"}, {"retrain.length": "20%"}),
    ],
)
def test_what_says_the_same_is_the_same_experiment(one: dict[str, Any], other: dict[str, Any]) -> None:
    recipes = [read("digits").edited({"levels": 2, "replicates": 1} | changes) for changes in (one, other)]
    first, second = (imp(recipe) for recipe in recipes)
    assert first.targets() == second.targets()
    assert identity(recipes[0]) == identity(recipes[1])


def test_a_control_that_was_added_under_a_name_is_found_by_it(monkeypatch: pytest.MonkeyPatch) -> None:
    module = import_module("winnow.experiments.controls")
    monkeypatch.setattr(module, "_CONTROLS", {**controls(), "same": lambda place: place.ticket})
    assert set(controls()) >= {"reinit", "same"}
    rows = imp(BASE.edited({"control": ["same"]})).rows
    assert [row.trained for row in rows if row.control == "same"] == [
        row.trained for row in rows if row.control == "ticket" and row.level > 0
    ]


@pytest.mark.parametrize(
    "changes, error, message",
    [
        ({"control": ["re-init"]}, UnknownName, r"unknown control 're-init'. Did you mean 'reinit'\?"),
        ({"prune.score": "magnitud"}, UnknownName, r"unknown score 'magnitud'. Did you mean 'magnitude'\?"),
        ({"model.name": "lnet-300"}, UnknownName, r"unknown network 'lnet'. Did you mean 'lenet'\?"),
        ({"model.name": "lenet"}, RecipeError, r"a LeNet needs the sizes of its hidden layers"),
        ({"data.name": "digit"}, UnknownName, r"unknown data set 'digit'. Did you mean 'digits'\?"),
        ({"rewind": "100it"}, RecipeError, r"rewind point 100it is not before the end of training \(100it\)"),
        ({"prune.exclude": ["fc9.*"]}, RecipeError, r"prune.exclude: 'fc9.\*' matches none of the network's kernels"),
        ({"prune.rate": {"conv": 0.2}}, RecipeError, r"prune.rate gives no rate for any kernel of the network"),
    ],
)
def test_a_recipe_that_cannot_be_followed_is_refused_before_anything_runs(
    changes: dict[str, Any], error: type[RecipeError], message: str
) -> None:
    recipe: Recipe = BASE.edited(changes)
    with pytest.raises(error, match=message):
        imp(recipe)
