"""docs/networks.md says what is so."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from torch import nn

from winnow.data import described
from winnow.from_recipe import network
from winnow.pruning.layers import Layer, prunable_layers
from winnow.pruning.prune import kept_weights
from winnow.recipes import read

PAGE = (Path(__file__).parents[2] / "docs" / "networks.md").read_text("utf-8")
ROWS = [[cell.strip() for cell in line.strip("|").split("|")] for line in PAGE.splitlines() if line.startswith("| `")]
COUNTS = [row for row in ROWS if len(row) == 7]
DENSITIES = [row for row in ROWS if len(row) == 4]


def number(cell: str) -> int:
    return int(cell.replace(",", ""))


def parts(recipe_name: str) -> tuple[nn.Module, dict[str, Layer], int]:
    """A recipe's network, its prunable layers, and how many weights its kernels have."""
    recipe = read(recipe_name)
    module = network(recipe, described(recipe.data.name)).build()
    layers = prunable_layers(module, recipe.prune.rate, recipe.prune.exclude, recipe.prune.include)
    return module, layers, sum(p.numel() for p in module.parameters() if p.ndim >= 2)


def test_the_page_has_its_tables() -> None:
    assert {"lenet-mnist", "conv6-cifar10", "resnet18-cifar10", "vgg19-cifar10"} <= {
        row[0].strip("`") for row in COUNTS
    }
    assert len(DENSITIES) >= 9


@pytest.mark.parametrize("row", COUNTS, ids=[row[0] for row in COUNTS])
def test_a_network_has_the_counts_of_the_page(row: list[str]) -> None:
    name, called, inputs, *_ = (cell.strip("`") for cell in row)
    module, layers, kernels = parts(name)
    recipe = read(name)
    assert recipe.model.name == called
    assert "x".join(map(str, described(recipe.data.name).shape)) == inputs
    counted = [sum(p.numel() for p in module.parameters()), kernels, sum(layer.size for layer in layers.values())]
    assert counted == [number(cell) for cell in row[3:6]]


@pytest.mark.parametrize("row", COUNTS, ids=[row[0] for row in COUNTS])
def test_the_paper_counts_as_many_within_what_it_rounds(row: list[str]) -> None:
    said = re.match(r"([\d.]+)([KM])", row[6])
    assert said
    unit = {"K": 1e3, "M": 1e6}[said[2]]
    stated, step = float(said[1]) * unit, unit * 10.0 ** -len(said[1].partition(".")[2])
    if row[0] == "`conv6-cifar10`":  # the paper contradicts itself here
        assert "do not give" in row[6]
    else:
        assert min(abs(number(cell) - stated) for cell in row[3:5]) <= 2 * step


@pytest.mark.parametrize("row", DENSITIES, ids=[f"{row[0]} {row[1]}" for row in DENSITIES])
def test_densities_are_those_of_the_page(row: list[str]) -> None:
    name, level = row[0].strip("`"), int(row[1])
    _, layers, kernels = parts(name)
    size = sum(layer.size for layer in layers.values())
    if read(name).prune.scope == "global":
        kept = kept_weights(size, next(iter(layers.values())).rate, level)
    else:
        kept = sum(kept_weights(layer.size, layer.rate, level) for layer in layers.values())
    assert [f"{100 * kept / size:.1f} %", f"{100 * (kept + kernels - size) / kernels:.1f} %"] == row[2:]
