from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from winnow.errors import RecipeError, UnknownName
from winnow.experiments import imp
from winnow.from_recipe import course, timeline
from winnow.recipe import Data, Matching, Model, Optimizer, Pruning, Rates, Recipe, Schedule, Train
from winnow.recipes import from_toml, names, read, to_toml
from winnow.timeline import Amount

from .test_cifar import PAPERS as CIFAR
from .test_imagenet import RECIPES as IMAGENET

# LTH (arXiv 1803.03635), Figure 2, and §2 and §3 for the splits: network, data, learning rate, batch, iterations,
# validation examples, and the rates of pruning for convolutions, linear layers and the output.
PAPER = {
    "lenet-mnist": ("lenet-300-100", "mnist", 1.2e-3, 60, 50_000, 5_000, (None, 0.2, 0.1)),
    "lenet-fashion": ("lenet-300-100", "fashion-mnist", 1.2e-3, 60, 50_000, 5_000, (None, 0.2, 0.1)),
    "conv2-cifar10": ("conv-2", "cifar10", 2e-4, 60, 20_000, 5_000, (0.1, 0.2, 0.1)),
    "conv4-cifar10": ("conv-4", "cifar10", 3e-4, 60, 25_000, 5_000, (0.1, 0.2, 0.1)),
    "conv6-cifar10": ("conv-6", "cifar10", 3e-4, 60, 30_000, 5_000, (0.15, 0.2, 0.1)),
}


@pytest.mark.parametrize("name", PAPER)
def test_a_bundled_recipe_has_the_papers_values(name: str) -> None:
    recipe = read(name)
    network, data, learning_rate, batch, iterations, validation, rates = PAPER[name]
    assert recipe.name == name
    assert (recipe.model.name, recipe.model.init) == (network, "glorot-normal")
    assert (recipe.data.name, recipe.data.validation) == (data, validation)
    assert recipe.optimizer == Optimizer(name="adam", learning_rate=learning_rate)
    assert recipe.schedule == Schedule()  # constant
    assert (recipe.train.batch, timeline(recipe).length, timeline(recipe).evaluate) == (batch, iterations, 100)
    conv, linear, output = rates
    assert recipe.prune == Pruning(
        rate=Rates(conv=conv, linear=linear, output=output), scope="layerwise", rounds="iterative", score="magnitude"
    )
    assert (timeline(recipe).rewind, recipe.replicates) == (0, 5)
    assert (recipe.data.mean, recipe.data.std) == (None, None)  # inputs are scaled to [0, 1] and no more


def test_the_bundled_recipes_are_these_and_digits_comes_first() -> None:
    assert names() == ["digits", *sorted([*PAPER, *CIFAR, *IMAGENET])]


def test_digits_is_five_replicates_of_at_least_fifteen_levels_with_the_reinit_control() -> None:
    recipe = read("digits")
    assert recipe.replicates == 5
    assert recipe.levels >= 15
    assert recipe.control == ("reinit",)


@pytest.mark.parametrize("name", ["digits", *PAPER])
def test_every_bundled_recipe_can_be_followed(name: str) -> None:
    recipe = read(name).edited({"levels": 2, "replicates": 1})
    assert len(imp(recipe).rows) == 3 + 2 * len(recipe.control)
    assert course(recipe).network.name == recipe.model.name


@pytest.mark.parametrize("name", ["digits", *PAPER])
def test_a_bundled_recipe_is_written_back_as_it_was_read(name: str) -> None:
    assert from_toml(to_toml(read(name))) == read(name)


FRACTIONS = st.floats(0, 1, exclude_min=True, exclude_max=True)
AMOUNTS = st.one_of(st.integers(0, 10**9).map("{}it".format), st.decimals(0, 100, places=6).map("{:f}ep".format)).map(
    Amount.parse
)
TEXT = st.text(st.characters(exclude_categories=["Cs"]))
CHANNELS = st.none() | st.lists(st.floats(1e-300, 1e300), min_size=1).map(tuple)

RATES_OF_LEARNING = st.floats(5e-324, 1e308)
PATTERNS = st.lists(TEXT).map(tuple)
OPTIMIZERS = st.one_of(
    st.builds(Optimizer, learning_rate=RATES_OF_LEARNING, beta1=FRACTIONS, weight_decay=st.floats(0, 1e308)),
    st.builds(Optimizer, name=st.just("sgd"), momentum=FRACTIONS, nesterov=st.booleans(), clip=st.none() | FRACTIONS),
    st.builds(
        Optimizer,
        name=st.just("rmsprop"),
        smoothing=FRACTIONS,
        weight_decay=FRACTIONS,
        no_decay=PATTERNS,
        momentum=FRACTIONS,
    ),
)
SCHEDULES = st.one_of(
    st.builds(Schedule, drops=st.lists(AMOUNTS).map(tuple), factor=FRACTIONS),
    st.builds(Schedule, decay=st.sampled_from(["linear", "exponential", "cosine"]), final=FRACTIONS, warmup=AMOUNTS),
)

RECIPES = st.builds(
    Recipe,
    name=TEXT.filter(lambda text: text.isprintable() and bool(text.strip())),
    about=TEXT,
    levels=st.integers(1),
    rewind=AMOUNTS,
    control=st.lists(TEXT).map(tuple),
    seed=st.integers(-(2**63), 2**63 - 1),
    deterministic=st.booleans(),
    data=st.builds(Data, mean=CHANNELS, std=CHANNELS),
    model=st.builds(Model, name=TEXT, init=st.sampled_from(["glorot-normal", "kaiming-normal"])),
    train=st.builds(Train, length=AMOUNTS, batch=st.integers(1)),
    optimizer=OPTIMIZERS,
    schedule=SCHEDULES,
    prune=st.builds(
        Pruning,
        rate=st.builds(Rates, conv=FRACTIONS, linear=st.none() | FRACTIONS, output=st.none() | FRACTIONS),
        exclude=st.lists(TEXT).map(tuple),
    ),
    matching=st.builds(Matching, tolerance=st.just("std") | st.floats(0, 1e308)),
)


@given(recipe=RECIPES)
def test_any_recipe_is_written_as_toml_that_reads_back_as_an_equal_one(recipe: Recipe) -> None:
    assert from_toml(to_toml(recipe)) == recipe


@pytest.mark.parametrize(
    "text, message",
    [
        # the wrong type
        ("levels = 'three'", "field levels: expected a valid integer, given 'three'."),
        ("levels = '3'", "field levels: expected a valid integer, given '3'."),
        ("levels = 2.5", "field levels: expected a valid integer, given 2.5."),
        ("levels = true", "field levels: expected a valid integer, given True."),
        ("seed = false", "field seed: expected a valid integer, given False."),
        ("name = 5", "field name: expected a valid string, given 5."),
        ("control = 'reinit'", "field control: expected a list, given 'reinit'."),
        ("control = ['reinit', 1]", "field control[1]: expected a valid string, given 1."),
        ("deterministic = 'yes'", "field deterministic: expected a valid boolean, given 'yes'."),
        ("train = 5", "field train: expected a table of fields, given 5."),
        ("train.batch = true", "field train.batch: expected a valid integer, given True."),
        ("optimizer.learning_rate = 'fast'", "field optimizer.learning_rate: expected a valid number, given 'fast'."),
        ("optimizer.learning_rate = true", "field optimizer.learning_rate: expected a valid number, given True."),
        ("prune.rate = 0.2", "field prune.rate: expected a table of fields, given 0.2."),
        ("data.std = ['a']", "field data.std[0]: expected a valid number, given 'a'."),
        # a value out of its range
        ("levels = 0", "field levels: expected greater than or equal to 1, given 0."),
        ("replicates = -1", "field replicates: expected greater than or equal to 1, given -1."),
        ("optimizer.learning_rate = 0", "field optimizer.learning_rate: expected greater than 0, given 0."),
        ("optimizer.learning_rate = inf", "field optimizer.learning_rate: expected a finite number, given inf."),
        ("optimizer.learning_rate = nan", "field optimizer.learning_rate: expected a finite number, given nan."),
        ("optimizer.momentum = 1", "field optimizer.momentum: expected less than 1, given 1."),
        ("optimizer.weight_decay = -0.1", "field optimizer.weight_decay: expected greater than or equal to 0"),
        ("schedule.factor = 1", "field schedule.factor: expected less than 1, given 1."),
        ("prune.rate.linear = 1.0", "field prune.rate.linear: expected less than 1, given 1.0."),
        ("prune.rate.conv = 0", "field prune.rate.conv: expected greater than 0, given 0."),
        ("data.std = [1.0, 0.0]", "field data.std[1]: expected greater than 0, given 0.0."),
        ("matching.tolerance = -1", "field matching.tolerance: expected 'std' or greater than or equal to 0"),
        # a word that is none of the choices
        ("optimizer.name = 'adamw'", "field optimizer.name: expected 'sgd', 'adam' or 'rmsprop', given 'adamw'."),
        ("optimizer.at_rewind = 'no'", "field optimizer.at_rewind: expected 'restored' or 'fresh', given 'no'."),
        ("prune.scope = 'local'", "field prune.scope: expected 'global' or 'layerwise', given 'local'."),
        ("matching.tolerance = 'exact'", "field matching.tolerance: expected 'std' or a valid number, given 'exact'."),
        # an amount without a unit
        ("train.length = '50000'", "field train.length: '50000' is not an amount of training.\nWrite '50000it'"),
        ("train.length = 50000", "field train.length: '50000' is not an amount of training.\nWrite '50000it'"),
        ("schedule.drops = ['1ep', 25]", "field schedule.drops[1]: '25' is not an amount of training.\nWrite '25it'"),
        ("rewind = '200%'", "field rewind: '200%' is more than the whole of training."),
        # a field that there is not
        ("level = 3", "field level: there is no such field. Did you mean 'levels'?\nFields of"),
        ("learning_rate = 1", "field learning_rate: there is no such field. Did you mean 'optimizer.learning_rate'?"),
        ("train.lenght = '5ep'", "field train.lenght: there is no such field. Did you mean 'train.length'?\n"
         "Fields of train: length, batch, evaluate"),
        ("train.momentum = 0.9", "field train.momentum: there is no such field. Did you mean 'optimizer.momentum'?"),
        ("prune.rate.zzz = 0.2", "field prune.rate.zzz: there is no such field."),
        # fields that exclude each other
        ("optimizer.momentum = 0.9", "field optimizer: momentum belongs to 'sgd' and 'rmsprop'; Adam's is called"),
        ("prune = {rate = {}}", "field prune: every rate is left out, so nothing would be pruned."),
        ("prune = {scope = 'global'}", "field prune: scope 'global' ranks all layers together, at one rate; given"),
    ],
)  # fmt: skip
def test_a_bad_field_is_named_with_what_was_given_and_what_was_expected(text: str, message: str) -> None:
    with pytest.raises(RecipeError, match=re.escape(f"mine.toml, {message}")):
        from_toml(text, source="mine.toml")


def test_every_field_at_fault_is_named_at_once() -> None:
    with pytest.raises(RecipeError) as caught:
        from_toml("levels = 0\ntrain.batch = 0\nprune.rate = {conv = 2, linear = 3}", source="mine.toml")
    assert str(caught.value).splitlines() == [
        "mine.toml, field levels: expected greater than or equal to 1, given 0.",
        "mine.toml, field train.batch: expected greater than or equal to 1, given 0.",
        "mine.toml, field prune.rate.conv: expected less than 1, given 2.",
        "mine.toml, field prune.rate.linear: expected less than 1, given 3.",
    ]


@pytest.mark.parametrize("text", ["levels = ", "levels = 3\nlevels = 4", "levels 3", "[train", "\x00"])
def test_what_is_not_toml_is_refused_by_the_files_name(text: str) -> None:
    with pytest.raises(RecipeError, match=r"^mine.toml is not TOML: "):
        from_toml(text, source="mine.toml")


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda path: None, r"no recipe file '.*mine.toml'. `winnow show digits > mine.toml` makes one to start from."),
        (lambda path: path.write_text("levels = 0"), r"^mine.toml, field levels: expected greater than"),
        (lambda path: path.write_bytes(b"name = '\xff'"), r"recipe file '.*mine.toml' cannot be read"),
        (lambda path: path.mkdir(), r"recipe file '.*mine.toml' cannot be read"),
    ],
)
def test_a_recipe_file_that_cannot_be_used_is_named(tmp_path: Path, make: Any, message: str) -> None:
    make(tmp_path / "mine.toml")
    with pytest.raises(RecipeError, match=message):
        read(tmp_path / "mine.toml")


def test_a_recipe_file_is_read_by_its_path(tmp_path: Path) -> None:
    recipe = read("conv4-cifar10").edited({"name": "mine", "levels": 3})
    (tmp_path / "mine.toml").write_text(to_toml(recipe), "utf-8")
    assert read(tmp_path / "mine.toml") == read(str(tmp_path / "mine.toml")) == recipe


def test_an_unknown_recipe_is_told_with_the_nearest_name() -> None:
    with pytest.raises(UnknownName, match=r"unknown recipe 'lenet-minst'. Did you mean 'lenet-mnist'\?\nValid: conv2"):
        read("lenet-minst")
