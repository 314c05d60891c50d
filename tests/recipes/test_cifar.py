"""The recipes of the papers' larger CIFAR-10 networks: their values, and what they prune."""

from __future__ import annotations

from typing import NamedTuple

import pytest
import torch

from winnow.experiments import imp
from winnow.from_recipe import course, timeline
from winnow.models import build
from winnow.pruning import Context, Mask, kept_weights, prunable_layers, prune
from winnow.pruning.scores import named_score
from winnow.recipe import Optimizer, Pruning, Rates, Recipe
from winnow.recipes import from_toml, names, read, to_toml
from winnow.training import learning_rate


class Paper(NamedTuple):
    """What a paper says of a network's training and pruning; amounts in iterations."""

    model: str
    rate: float
    warmup: int
    drops: tuple[int, ...]
    batch: int
    per_epoch: int
    length: int
    k: int
    replicates: int
    kernels: int
    never_pruned: int
    smallest: tuple[int, float]
    """The level of the smallest ticket the paper reports, and its density in percent."""


RESNET_18 = Paper("resnet-20", 0.1, 0, (20_000, 25_000), 128, 351, 30_000, 500, 5, 270_896, 3_200, (10, 11.8))
VGG_19 = Paper("vgg-19", 0.1, 0, (56_240, 84_360), 64, 703, 112_480, 100, 5, 20_024_000, 5_120, (19, 1.5))

# LTH (arXiv 1803.03635), Fig. 2 and §4; SLTH (arXiv 1903.01611), §4, for k; LMC (arXiv 1912.05671), Table 1 and §4.
PAPERS = {
    "resnet18-cifar10": RESNET_18,
    "resnet18-cifar10-low": RESNET_18._replace(rate=0.01, k=0),
    "resnet18-cifar10-warmup": RESNET_18._replace(rate=0.03, warmup=20_000, k=0),
    "vgg19-cifar10": VGG_19,
    "vgg19-cifar10-low": VGG_19._replace(rate=0.01, k=0),
    "vgg19-cifar10-warmup": VGG_19._replace(rate=0.1, warmup=10_000, k=0),
    "resnet20-cifar10": Paper(
        "resnet-20", 0.1, 0, (32_000, 48_000), 128, 351, 63_000, 500, 3, 270_896, 640, (9, 13.6)
    ),
    "vgg16-cifar10": Paper(
        "vgg-16", 0.1, 0, (28_080, 42_120), 128, 351, 56_160, 1_000, 3, 14_715_584, 5_120, (20, 1.2)
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", PAPERS)
def test_a_recipe_trains_as_its_paper_says(name: str) -> None:
    recipe, paper = read(name), PAPERS[name]
    amounts = timeline(recipe)
    assert (recipe.name, recipe.model.name, recipe.train.batch) == (name, paper.model, paper.batch)
    assert recipe.optimizer == Optimizer(name="sgd", learning_rate=paper.rate, momentum=0.9, weight_decay=1e-4)
    assert (amounts.per_epoch, amounts.length, amounts.evaluate) == (paper.per_epoch, paper.length, 100)
    assert (amounts.rewind, amounts.warmup, amounts.drops) == (paper.k, paper.warmup, paper.drops)
    assert (recipe.schedule.decay, recipe.schedule.factor) == ("step", 0.1)
    assert (recipe.data.name, recipe.data.validation, set(recipe.data.augment)) == ("cifar10", 5_000, {"flip", "crop"})
    assert recipe.replicates == paper.replicates


@pytest.mark.parametrize("name", PAPERS)
def test_a_tenth_of_the_rate_is_trained_at_after_each_drop(name: str) -> None:
    updates, paper = course(read(name)).updates, PAPERS[name]
    first, second = paper.drops
    for iteration, factor in [
        (first - 1, 1),
        (first, 0.1),
        (second - 1, 0.1),
        (second, 0.01),
        (paper.length - 1, 0.01),
    ]:
        assert learning_rate(updates, iteration) == pytest.approx(factor * paper.rate)
    assert learning_rate(updates, 0) == pytest.approx(paper.rate / (paper.warmup or 1))


@pytest.mark.parametrize("name", PAPERS)
def test_a_recipe_prunes_the_kernels_its_paper_prunes_and_no_others(name: str) -> None:
    recipe, paper = read(name), PAPERS[name]
    network = build(recipe.model.name, (3, 32, 32), 10)
    layers = prunable_layers(network, recipe.prune.rate, recipe.prune.exclude)
    kernels = {path: p.numel() for path, p in network.named_parameters() if p.ndim > 1}
    assert sum(kernels.values()) == paper.kernels
    assert sum(layer.size for layer in layers.values()) == paper.kernels - paper.never_pruned
    left_out = kernels.keys() - layers.keys()
    excludes_shortcuts = name.startswith("resnet18")
    assert {path for path in left_out if "shortcut" not in path} == {"output.weight"}
    assert len([path for path in left_out if "shortcut" in path]) == 2 * excludes_shortcuts
    assert recipe.prune == Pruning(
        rate=Rates(conv=0.2), scope="global", exclude=("*.shortcut.*",) if excludes_shortcuts else ()
    )


def density(recipe: Recipe, paper: Paper, level: int) -> float:
    """In percent of all kernels, those that are never pruned included."""
    network = build(recipe.model.name, (3, 32, 32), 10)
    layers = prunable_layers(network, recipe.prune.rate, recipe.prune.exclude)
    prunable = sum(layer.size for layer in layers.values())
    kept = kept_weights(prunable, next(iter(layers.values())).rate, level)
    return 100 * (kept + paper.never_pruned) / paper.kernels


@pytest.mark.parametrize("name", [name for name in PAPERS if name.startswith("resnet18")])
@pytest.mark.parametrize("level, percent", [(0, 100.0), (4, 41.7), (6, 27.1), (7, 21.9), (10, 11.8)])
def test_the_densities_of_the_papers_resnet_18_are_those_of_its_figures(name: str, level: int, percent: float) -> None:
    assert density(read(name), PAPERS[name], level) == pytest.approx(percent, abs=0.05)


@pytest.mark.parametrize("name", PAPERS)
def test_a_recipes_levels_reach_the_papers_smallest_ticket(name: str) -> None:
    recipe, (level, percent) = read(name), PAPERS[name].smallest
    assert level <= recipe.levels
    assert density(recipe, PAPERS[name], level) == pytest.approx(percent, abs=0.05)


def test_ten_rounds_of_the_papers_resnet_18_leave_exactly_the_weights_of_the_formula() -> None:
    recipe = read("resnet18-cifar10")
    network = build(recipe.model.name, (3, 32, 32), 10)
    layers = prunable_layers(network, recipe.prune.rate, recipe.prune.exclude)
    stream = torch.Generator().manual_seed(0)
    mask = Mask({name: torch.ones(layer.shape, dtype=torch.bool) for name, layer in layers.items()})
    for level in range(1, 11):
        weights = {name: torch.randn(layer.shape, generator=stream) for name, layer in layers.items()}
        score = named_score(recipe.prune.score)
        mask = prune(
            Context.of_weights(weights, mask), layers=layers, level=level, scope=recipe.prune.scope, score=score
        )
        assert sum(int(kept.sum()) for kept in mask.values()) == round(267_696 * 0.8**level)


@pytest.mark.parametrize("name", PAPERS)
def test_inputs_are_standardized_by_the_training_sets_own_mean_and_deviation(name: str) -> None:
    recipe = read(name)
    assert (recipe.data.mean, recipe.data.std) == ((0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616))


@pytest.mark.parametrize("name", PAPERS)
def test_kernels_are_drawn_as_the_papers_authors_draw_them(name: str) -> None:
    assert read(name).model.init == "kaiming-normal"


@pytest.mark.parametrize("name", PAPERS)
def test_every_recipe_can_be_followed_and_is_written_back_as_it_was_read(name: str) -> None:
    recipe = read(name)
    assert name in names()
    assert from_toml(to_toml(recipe)) == recipe
    experiment = imp(recipe.edited({"levels": 2, "replicates": 1}))
    assert [row.level for row in experiment.rows] == [0, 1, 2]
    assert experiment.rows[-1].trained.start == PAPERS[name].k


@pytest.mark.parametrize("name", PAPERS)
def test_about_cites_the_paper_and_says_what_the_papers_resnet_18_is(name: str) -> None:
    about = read(name).about
    assert "arXiv 1" in about and "Frankle" in about
    assert ("the 20-layer CIFAR ResNet" in about) == name.startswith("resnet18")
