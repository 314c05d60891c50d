from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from winnow.errors import RecipeError, UnknownName
from winnow.from_recipe import course, timeline
from winnow.recipe import Data, Optimizer, Pruning, Rates, Recipe, Schedule, Train
from winnow.recipes import read
from winnow.steps import plain
from winnow.timeline import Amount

BASE = read("digits").edited({"train.length": "400it"})


def test_a_recipe_does_not_change() -> None:
    recipe = Recipe()
    for value, field in [(recipe, "levels"), (recipe.train, "batch"), (recipe.prune.rate, "conv")]:
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(value, field, 1)


def test_editing_changes_the_fields_named_and_no_others() -> None:
    recipe = read("lenet-mnist")
    edited = recipe.edited({"train.batch": 128, "prune.rate.output": None, "rewind": "2ep", "levels": 3})
    assert (edited.train.batch, edited.prune.rate.output, edited.levels) == (128, None, 3)
    assert edited.rewind == Amount.parse("2ep")
    assert recipe.train.batch == 60
    back = {"train.batch": 60, "prune.rate.output": 0.1, "rewind": "0it", "levels": recipe.levels}
    assert edited.edited(back) == recipe


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"train.batches": 3}, r"digits, field train.batches: there is no such field. Did you mean 'train.batch'\?"),
        ({"trian.batch": 3}, r"digits, field trian: there is no such field."),
        ({"train.batch": 0}, r"digits, field train.batch: expected greater than or equal to 1, given 0."),
        ({"train.batch": None}, r"digits, field train.batch: expected a valid integer, given None."),
        ({"levels.deep": 3}, r"digits, field levels.deep: there is no such field; 'levels' is a value."),
        ({"data.mean.red": 3}, r"digits, field data.mean.red: there is no such field; 'mean' is a value."),
    ],
)
def test_an_edit_that_means_nothing_is_refused_by_its_path(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        read("digits").edited(changes)


@pytest.mark.parametrize(
    "build, message",
    [
        (lambda: Optimizer(name="adam", momentum=0.9), "momentum belongs to 'sgd'"),
        (lambda: Optimizer(name="sgd", beta2=0.99), "beta1, beta2 and epsilon belong to 'adam'"),
        (lambda: Optimizer(name="sgd", epsilon=1e-7), "beta1, beta2 and epsilon belong to 'adam'"),
        (lambda: Optimizer(name="rmsprop", beta1=0.8), "beta1 and beta2 belong to 'adam'; RMSprop has momentum"),
        (lambda: Optimizer(name="adam", smoothing=0.99), "smoothing belongs to 'rmsprop', and the optimizer is 'adam'"),
        (lambda: Optimizer(name="sgd", smoothing=0.99), "smoothing belongs to 'rmsprop', and the optimizer is 'sgd'"),
        (lambda: Optimizer(name="adam", nesterov=True), "nesterov belongs to 'sgd', and the optimizer is 'adam'"),
        (
            lambda: Optimizer(name="rmsprop", momentum=0.9, nesterov=True),
            "nesterov belongs to 'sgd', and the optimizer is 'rmsprop'",
        ),
        (lambda: Optimizer(name="sgd", nesterov=True), "nesterov changes how momentum is used, and momentum is 0"),
        (lambda: Optimizer(no_decay=("norm",)), "no_decay names parameters to leave out of weight_decay, which is 0"),
        (lambda: Optimizer(clip=0), "clip: expected greater than 0, given 0"),
        (lambda: Optimizer(name="rmsprop", smoothing=1.0), "smoothing: expected less than 1, given 1.0"),
        (lambda: Schedule(final=0.1), "final is 0.1, but with decay = 'step' the rate ends where its drops lead"),
        (lambda: Schedule(final=0), "final is 0, but with decay = 'step'"),
        (
            lambda: Schedule(decay="cosine", drops=(Amount.parse("5it"),)),
            "drops and factor belong to decay = 'step', and it is 'cosine'",
        ),
        (lambda: Schedule(decay="linear", factor=0.5), "drops and factor belong to decay = 'step', and it is 'linear'"),
        (lambda: Schedule(decay="exponential"), "exponential decay never reaches zero. Give final, a rate above 0"),
        (lambda: Schedule(decay="exponential", final=0.0), "exponential decay never reaches zero"),
        (lambda: Schedule(decay="linear", final=-1), "final: expected greater than or equal to 0, given -1"),
        (lambda: Schedule(decay="steps"), "decay: expected 'step', 'linear', 'exponential' or 'cosine', given 'steps'"),
        (lambda: Pruning(rate=Rates()), "every rate is left out, so nothing would be pruned"),
        (
            lambda: Pruning(scope="global", rate=Rates(conv=0.2, linear=0.1)),
            r"scope 'global' ranks all layers together, at one rate; given were \[0.1, 0.2\]",
        ),
        (lambda: Train(batch=-1), "batch: expected greater than or equal to 1, given -1"),
        (lambda: Data(validation=0), "validation: expected greater than or equal to 1, given 0"),
        (lambda: Schedule(factor=1.0), "factor: expected less than 1, given 1.0"),
        (lambda: Recipe(levels=True), "levels: expected a valid integer, given True"),
    ],
)
def test_an_impossible_combination_cannot_be_built(build: Any, message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        build()


@pytest.mark.parametrize(
    "changes, expected",
    [
        ({}, {"per_epoch": 16, "length": 400, "rewind": 0, "evaluate": 20}),  # 1000 examples of digits in batches of 60
        ({"rewind": "2ep", "train.length": "10ep"}, {"rewind": 32, "length": 160}),
        ({"rewind": "1.75%"}, {"rewind": 7}),
        ({"train.batch": 1000}, {"per_epoch": 1}),
        ({"data.validation": 1199, "train.batch": 1}, {"per_epoch": 1}),
        ({"rewind": "399it"}, {"rewind": 399}),
        ({"schedule.drops": ["50%", "300it"], "schedule.warmup": "1ep"}, {"drops": (200, 300), "warmup": 16}),
    ],
)
def test_a_recipes_amounts_become_iterations(changes: dict[str, Any], expected: dict[str, Any]) -> None:
    found = dataclasses.asdict(timeline(BASE.edited(changes)))
    assert found | expected == found


@pytest.mark.parametrize(
    "changes, message",
    [
        (
            {"rewind": "400it"},
            r"rewind point 400it is not before the end of training \(400it\).\nChoose k below 400it; the papers use",
        ),
        ({"rewind": "60000it"}, r"rewind point 60000it is not before the end of training \(400it\)"),
        ({"rewind": "100%"}, r"rewind point 100% \(400it\) is not before the end of training \(400it\)"),
        ({"rewind": "25ep"}, r"rewind point 25ep \(400it\) is not before"),
        ({"rewind": "0.1%"}, r"rewind point 0.1% is less than half an iteration. For initialization write '0it'."),
        ({"schedule.warmup": "401it"}, r"schedule.warmup is 401it, longer than training \(400it\)"),
        ({"train.length": "0it"}, r"train.length is 0it, which is no training. Give at least 1it."),
        ({"train.length": "0.01ep"}, r"train.length is 0.01ep, which is no training"),
        ({"train.length": "50%"}, r"'50%' is a percentage of a length that is itself to be given"),
        ({"train.evaluate": "0it"}, r"train.evaluate is 0it, less than an iteration. Give at least 1it."),
        ({"train.evaluate": "0.01%"}, r"train.evaluate is 0.01%, less than an iteration"),
        ({"schedule.drops": ["200it", "100it"]}, r"schedule.drops are at iterations 200, 100; each must come after"),
        ({"schedule.drops": ["100it", "25%"]}, r"schedule.drops are at iterations 100, 100; each must come after"),
        (
            {"schedule.decay": "linear", "schedule.final": 0.5, "optimizer.learning_rate": 0.1},
            r"schedule.final is 0.5, not below optimizer.learning_rate \(0.1\), from which the rate decays",
        ),
        (
            {"schedule.decay": "cosine", "schedule.final": 0.1, "optimizer.learning_rate": 0.1},
            r"schedule.final is 0.1, not below optimizer.learning_rate \(0.1\)",
        ),
        (
            {"schedule.decay": "cosine", "schedule.warmup": "100%"},
            r"schedule.warmup is 100% \(400it\), all of training \(400it\), so cosine decay has no iteration left",
        ),
        ({"train.batch": 1001}, r"train.batch is 1001, more than the 1000 training examples of digits"),
        ({"data.validation": 1200}, r"data.validation is 1200, but digits has only 1200 training examples to split"),
    ],
)
def test_amounts_that_contradict_each_other_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        timeline(BASE.edited(changes))


def test_an_unknown_data_set_is_told_with_the_nearest_name() -> None:
    with pytest.raises(UnknownName, match=r"unknown data set 'digit'. Did you mean 'digits'\?"):
        course(Recipe(data=Data(name="digit")))


def test_a_course_holds_every_setting_of_the_recipe_that_training_follows() -> None:
    recipe = BASE.edited(
        {
            "seed": 3,
            "data.validation": 100,
            "data.mean": [0.5],
            "data.std": [0.25],
            "model.name": "lenet-8",
            "model.init": "kaiming-normal",
            "train.batch": 50,
            "train.evaluate": "1ep",
            "optimizer.name": "sgd",
            "optimizer.learning_rate": 0.03,
            "optimizer.momentum": 0.9,
            "optimizer.weight_decay": 1e-4,
            "schedule.warmup": "2ep",
            "schedule.drops": ["50%", "75%", "500it"],
            "schedule.factor": 0.5,
        }
    )
    found = course(recipe)
    assert plain(found.network) == {
        "name": "lenet-8",
        "init": "kaiming-normal",
        "shape": [1, 8, 8],
        "classes": 10,
    }
    examples = dataclasses.asdict(found.examples)
    expected = {"name": "digits", "validation": 100, "mean": (0.5,), "std": (0.25,), "seed": 3}
    assert examples | expected == examples
    assert len(found.examples.checksum) == 64
    assert (found.batch, found.evaluate) == (50, 22)
    assert plain(found.updates) == {
        "optimizer": "sgd",
        "learning_rate": 0.03,
        "momentum": 0.9,
        "beta1": 0.9,
        "beta2": 0.999,
        "epsilon": 1e-8,
        "weight_decay": 1e-4,
        "warmup": 44,
        "drops": [200, 300],  # one that comes after the end changes nothing
        "factor": 0.5,
    }


@pytest.mark.parametrize(
    "changes, added",
    [
        ({}, {}),
        ({"optimizer.name": "sgd", "optimizer.momentum": 0.9, "optimizer.nesterov": True}, {"nesterov": True}),
        ({"optimizer.name": "sgd", "optimizer.momentum": 0.9}, {}),
        ({"optimizer.name": "rmsprop"}, {"smoothing": 0.9}),
        ({"optimizer.name": "rmsprop", "optimizer.smoothing": 0.0}, {"smoothing": 0.0}),
        ({"optimizer.clip": 1.0}, {"clip": 1.0}),
        (
            {"optimizer.weight_decay": 0.1, "optimizer.no_decay": ["output.*", "bias", "bias"]},
            {"no_decay": ["bias", "output.*"]},
        ),
        ({"schedule.decay": "linear"}, {"decay": "linear", "final": 0.0, "length": 400}),
        (
            {"schedule.decay": "cosine", "schedule.final": 0, "train.length": "10ep"},
            {"decay": "cosine", "final": 0.0, "length": 160},
        ),
        (
            {"schedule.decay": "exponential", "schedule.final": 1e-5},
            {"decay": "exponential", "final": 1e-5, "length": 400},
        ),
    ],
)
def test_a_course_holds_what_only_some_recipes_ask_for_where_they_ask_for_it(
    changes: dict[str, Any], added: dict[str, Any]
) -> None:
    found = plain(course(BASE.edited(changes)).updates)
    assert {name: found[name] for name in found if name not in plain(course(BASE).updates)} == added
