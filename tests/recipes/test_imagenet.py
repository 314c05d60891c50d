"""The recipes of SLTH's networks for ImageNet: their values, on a folder that stands for ImageNet."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from winnow.data.images import ImageFacts
from winnow.data.tree import tree
from winnow.experiments import imp
from winnow.experiments.study import nearest_level
from winnow.from_recipe import course, timeline
from winnow.models import build
from winnow.pruning import prunable_layers
from winnow.recipe import Optimizer, Recipe
from winnow.recipes import from_toml, names, read, to_toml
from winnow.steps import Prune
from winnow.training import learning_rate

RECIPES = ("resnet50-imagenet", "inception3-imagenet", "squeezenet-imagenet")

PER_EPOCH = 1_241
"""ImageNet's 1,281,167 training images but 10,000, in batches of 1,024."""


@pytest.fixture(autouse=True)
def imagenet(monkeypatch: pytest.MonkeyPatch) -> None:
    """ILSVRC2012, as far as a recipe asks about it before it is read."""

    def facts(name: str, size: int | None = None, corrupt: object = None) -> ImageFacts:
        assert name == "folder:imagenet" and size and corrupt is None
        return ImageFacts(train=1_281_167, test=50_000, shape=(3, size, size), classes=1_000, checksum="00" * 32)

    monkeypatch.setattr(sys.modules["winnow.data.described"], "image_facts", facts)  # the name is a function's too


def rates(recipe: Recipe, *epochs: float) -> list[float]:
    updates = course(recipe).updates
    return [learning_rate(updates, int(epoch * PER_EPOCH)) for epoch in epochs]


# SLTH (arXiv 1903.01611), §4 and the table of its appendix.
@pytest.mark.parametrize(
    "name, model, length, k, side",
    [
        ("resnet50-imagenet", "imagenet-resnet-50", 90, 4, 224),
        ("inception3-imagenet", "inception-3", 171, 6, 299),
        ("squeezenet-imagenet", "squeezenet", 150, 10, 224),
    ],
)
def test_a_recipe_trains_as_the_paper_says(name: str, model: str, length: int, k: int, side: int) -> None:
    recipe = read(name)
    amounts = timeline(recipe)
    assert (recipe.model.name, recipe.train.batch, recipe.data.size) == (model, 1_024, side)
    assert (amounts.per_epoch, amounts.length, amounts.rewind) == (PER_EPOCH, length * PER_EPOCH, k * PER_EPOCH)
    assert set(recipe.data.augment) == {"flip", "resized-crop"}
    assert (recipe.prune.scope, recipe.prune.rounds, recipe.prune.exclude) == ("global", "one-shot", ())


def test_resnet_50_trains_at_0_4_after_5_epochs_of_warmup_with_drops_at_30_60_and_80() -> None:
    recipe = read("resnet50-imagenet")
    assert recipe.optimizer == Optimizer(name="sgd", learning_rate=0.4, momentum=0.9, weight_decay=1e-4)
    expected = [0.4 / (5 * PER_EPOCH), 0.2, 0.4, 0.4, 0.04, 0.004, 0.0004]
    assert rates(recipe, 0, 2.5, 5, 29.99, 30, 60, 80) == pytest.approx(expected, rel=1e-3)


def test_inception_v3_goes_from_0_03_linearly_to_0_005() -> None:
    recipe = read("inception3-imagenet")
    assert (recipe.optimizer.name, recipe.optimizer.momentum) == ("sgd", 0.9)
    assert rates(recipe, 0, 85.5, 170.999) == pytest.approx([0.03, 0.0175, 0.005], rel=1e-3)


def test_squeezenet_goes_from_0_66_exponentially_to_6_6e_5() -> None:
    recipe = read("squeezenet-imagenet")
    assert recipe.optimizer.name == "rmsprop"
    assert rates(recipe, 0, 75, 149.999) == pytest.approx([0.66, 0.0066, 6.6e-5], rel=1e-2)


@pytest.mark.parametrize("name", RECIPES)
def test_levels_have_the_published_densities_of_the_dense_network_pruned_at_once(name: str) -> None:
    recipe = read(name).edited({"replicates": 1})
    rows = imp(recipe).rows
    masks = [row.mask for row in rows if row.mask is not None]
    assert len(masks) == recipe.levels == 3
    network = build(recipe.model.name, (3, recipe.data.size or 0, recipe.data.size or 0), 1_000)
    for mask, density in zip(masks, (0.7, 0.5, 0.3), strict=True):
        assert isinstance(mask, Prune) and mask.trained == rows[0].trained and mask.at_once
        layers = prunable_layers(network, mask.rate, mask.exclude)
        assert {float(1 - layer.rate) for layer in layers.values()} == {density}
    assert nearest_level(recipe, 0.28) == (3, 0.3)


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_is_written_back_as_it_was_read_and_cites_the_paper(name: str) -> None:
    recipe = read(name)
    assert name in names()
    assert from_toml(to_toml(recipe)) == recipe
    assert "arXiv 1903.01611" in recipe.about


def test_without_imagenet_the_recipe_says_where_to_put_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.undo()
    monkeypatch.chdir(tmp_path)
    with pytest.raises(
        Exception, match=r"there is no folder '.*/imagenet'\.\nName one with .*--data\.name folder:PATH"
    ):
        course(read("resnet50-imagenet"))


def settings(**changes: Any) -> Recipe:
    return read("resnet50-imagenet").edited({name.replace("__", "."): value for name, value in changes.items()})


@pytest.mark.parametrize(
    "changes",
    [
        {"data__size": 160},
        {"train__accumulate": 4},
        {"data__augment": ["flip"]},
        {"prune__densities": [0.71, 0.5, 0.3]},
    ],
)
def test_what_changes_a_ticket_changes_its_key(changes: dict[str, Any]) -> None:
    [before], [after] = (
        [row.trained.key for row in imp(recipe.edited({"levels": 1, "replicates": 1})).rows if row.level == 1]
        for recipe in (settings(), settings(**changes))
    )
    assert before != after


def test_where_the_folder_lies_changes_no_key(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from ..photographs import photographs

    monkeypatch.undo()
    tree.cache_clear()
    root = photographs(tmp_path / "one", train=4, val=2)
    changes = {"data.validation": 2, "data.size": 32, "train.batch": 5, "model.name": "imagenet-resnet-50-2"}
    recipe = read("resnet50-imagenet").edited(changes | {"replicates": 1})
    before = imp(recipe.edited({"data.name": f"folder:{root}"})).rows[-1].trained
    root.rename(tmp_path / "other")
    after = imp(recipe.edited({"data.name": f"folder:{tmp_path / 'other'}"})).rows[-1].trained
    assert before.key == after.key and before.course.examples.place != after.course.examples.place


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"data.augment": ["crop"]}, r"data\.augment has 'crop', which pads .*\n.*'resized-crop'"),
        ({"train.accumulate": 1_025}, r"train\.accumulate is 1025: a batch of 1024 has not so many parts"),
        ({"data.validation": 1_281_167}, r"data\.validation is 1281167, but folder:imagenet has only 1281167 training"),
    ],
)
def test_settings_that_cannot_be_followed_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(Exception, match=message):
        course(read("resnet50-imagenet").edited(changes))


@pytest.mark.parametrize(
    "changes, field",
    [
        ({"data.size": 8}, "size"),
        ({"data.corrupt": "skip"}, "corrupt"),
        ({"data.augment": ["resized-crop"]}, "augment"),
    ],
)
def test_settings_of_images_on_disk_are_refused_elsewhere(changes: dict[str, Any], field: str) -> None:
    with pytest.raises(Exception, match=rf"data\.{field}.* is for images on disk .* and the data set is 'digits'"):
        course(read("digits").edited(changes))


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"prune.densities": [0.5, 0.7]}, r"densities are \[0\.5, 0\.7\]; each must be below the one before"),
        ({"prune.densities": [0.5, 0.5]}, r"each must be below the one before"),
        ({"prune.densities": []}, r"densities is an empty list\. Give one for each level, such as \[0\.7, 0\.5\]"),
        ({"prune.rate": {"conv": 0.2}}, r"densities and rate both say how much is pruned"),
        ({"levels": 4}, r"levels is 4, but prune\.densities has 3\. Give levels = 3 or less"),
    ],
)
def test_densities_that_mean_nothing_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(Exception, match=message):
        read("resnet50-imagenet").edited(changes)


def test_a_density_is_kept_to_the_weight_whatever_its_digits() -> None:
    from winnow.pruning import Context, Mask, prune
    from winnow.pruning.scores import named_score

    network = torch.nn.Sequential(torch.nn.Linear(1_000, 10))
    weights = {"0.weight": torch.rand(10, 1_000, generator=torch.Generator().manual_seed(0))}
    for density in (0.7, 0.3, 0.123, 0.1, 0.0107):
        recipe = settings(levels=1, prune__densities=[density])
        layers = prunable_layers(network, recipe.prune.rate_at(1))
        before = Mask.ones({"0.weight": (10, 1_000)})
        mask = prune(
            Context.of_weights(weights, before),
            layers=layers,
            level=5,
            scope="global",
            score=named_score("magnitude"),
            at_once=True,
        )
        assert int(mask["0.weight"].sum()) == round(10_000 * density)
