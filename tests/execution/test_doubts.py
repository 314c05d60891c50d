"""What is allowed of networks and data, and seldom meant, is told once; what is usual is not told at all."""

from __future__ import annotations

import functools
import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.data import TensorDataset

import winnow
from winnow.course import Network
from winnow.data import described
from winnow.data.catalogue import CATALOGUE
from winnow.execution.doubts import Doubts, of_axes, of_data, of_draws, of_masks
from winnow.execution.examples import Splits, splits
from winnow.from_recipe import course, network
from winnow.handed import handed_data, handed_network
from winnow.models import build
from winnow.pruning.layers import parameters
from winnow.recipe import Rates
from winnow.recipes import names, read
from winnow.steps import Init

CPU = torch.device("cpu")
TINY: dict[str, Any] = {
    "levels": 2,
    "replicates": 2,
    "train__length": "4it",
    "train__evaluate": "2it",
    "train__batch": 10,
    "data__validation": 2,
}


class Part:
    """A split of which only the targets matter."""

    def __init__(self, *targets: int) -> None:
        self.targets = torch.tensor(targets)

    def __len__(self) -> int:
        return len(self.targets)


def told(train: Part, validation: Part, test: Part, outputs: int) -> list[str]:
    return list(of_data(Splits(train, validation, test), outputs))  # pyright: ignore


@pytest.mark.parametrize(
    "train, validation, test, outputs, sentences",
    [
        (Part(0, 1, 2), Part(0), Part(2), 3, []),
        (
            Part(1, 1, 1),
            Part(0),
            Part(1),
            2,
            ["all 3 training examples are in class 1, so that there is nothing to tell apart"],
        ),
        (
            Part(0, 1, 2, 2),
            Part(0),
            Part(2),
            12,
            ["none of the 4 training examples is in classes 3 to 11, and the network has 12 outputs"],
        ),
        (
            Part(0, 2),
            Part(1, 1),
            Part(2),
            4,
            [
                "none of the 2 training examples is in classes 1 and 3, and the network has 4 outputs (2 are held out "
                "for validation)"
            ],
        ),
        (
            Part(0, 1),
            Part(2),
            Part(0, 2, 2),
            3,
            [
                "2 of the 3 test examples are in class 2, of which no training example is, so that nothing can learn "
                "to predict them (1 is held out for validation)"
            ],
        ),
    ],
)
def test_classes_that_are_not_everywhere_are_told(
    train: Part, validation: Part, test: Part, outputs: int, sentences: list[str]
) -> None:
    assert told(train, validation, test, outputs) == sentences


def test_many_classes_are_told_in_few_words() -> None:
    (sentence,) = told(Part(*range(0, 40, 2)), Part(0), Part(0), 40)
    assert "classes 1, 3, 5, 7, 9, 11 and others, and" in sentence


def test_weights_that_can_be_pruned_are_told_where_they_are_the_fewer() -> None:
    network = nn.Sequential(nn.Embedding(30, 4), nn.Linear(4, 4), nn.Linear(4, 2))
    (sentence,) = of_masks(parameters(network, Rates(linear=0.2, output=0.1)))
    assert sentence == (
        "prunable are 24 of the network's 150 weights (16 %): densities are of those alone, and the others stay"
    )
    assert not list(of_masks(parameters(network, Rates(linear=0.2, output=0.1, embedding=0.1))))


def small(shape: tuple[int, ...], channels: int) -> nn.Module:
    return nn.Sequential(nn.Conv2d(channels, 2, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(2, 2))


@pytest.mark.parametrize(
    "shape, channels, is_told",
    [((8, 9, 3), 8, True), ((8, 9, 3), 3, False), ((3, 8, 8), 3, False), ((3, 8, 3), 3, False)],
    ids=["last", "last, as the network takes them", "first", "few"],
)
def test_images_of_numbers_with_their_channels_last_are_told(
    shape: tuple[int, ...], channels: int, is_told: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WINNOW_DATA", str(tmp_path))
    images, labels = np.zeros((4, *shape), np.float32), np.arange(4) % 2
    known = described(handed_data((images, labels, images, labels)))
    name = handed_network(functools.partial(small, channels=channels))
    sentences = list(of_axes(known, network(read("digits").edited({"model.name": name}), known)))
    assert len(sentences) == is_told
    if is_told:
        assert "numbers of shape (8, 9, 3), and the network's '0' takes the first axis for 8 channels" in sentences[0]


@pytest.mark.parametrize("is_pretrained", [True, False])
def test_weights_that_are_the_same_when_drawn_anew_are_told(is_pretrained: bool) -> None:
    values = nn.Linear(4, 2).state_dict()

    def built() -> nn.Module:
        module = nn.Linear(4, 2)
        if is_pretrained:
            module.load_state_dict(values)  # without a warning where the module lies on the meta device
        return module

    made = Network(name=handed_network(built), init="own", shape=(4,), classes=2, source="1")
    sentences = list(of_draws(Init(network=made, seed=0, replicate=0, sample=1)))
    assert len(sentences) == is_pretrained


@pytest.mark.parametrize("name", names())
def test_nothing_is_told_of_the_bundled_recipes(name: str) -> None:
    recipe = read(name)
    data = CATALOGUE.get(recipe.data.name)
    network = build(recipe.model.name, data.shape if data else (3, 224, 224), data.classes if data else 1000)
    assert not list(of_masks(parameters(network, recipe.prune.rate_at(1), recipe.prune.exclude, recipe.prune.include)))


def test_nothing_is_told_of_digits(caplog: pytest.LogCaptureFixture) -> None:
    shared = course(read("digits"))
    assert not list(of_data(splits(shared.examples, CPU), 10))
    Doubts().tell_of_data(shared, CPU)
    assert not caplog.messages


class Wide(nn.Module):
    """More outputs than there are classes, and most weights in what is not pruned."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        super().__init__()
        self.offset = nn.Parameter(torch.zeros(100))
        self.last = nn.Linear(shape[0], 6)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        return self.last(inputs) + self.offset[:6]


def pair() -> tuple[TensorDataset, TensorDataset]:
    inputs = torch.randn(40, 4, generator=torch.Generator().manual_seed(0))
    targets = torch.arange(40) % 3
    targets[39] = 4
    return TensorDataset(inputs[:30], targets[:30]), TensorDataset(inputs[30:], targets[30:])


def test_a_run_is_told_each_doubt_once_and_a_finished_one_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("WINNOW_DATA", str(tmp_path / "cache"))
    settings = TINY | {"control": ["reinit"], "rival": ["gmp"], "dynamic__every": "1it"}
    with caplog.at_level(logging.WARNING, "winnow"):
        winnow.run(model=Wide, data=pair(), store=tmp_path / "store", **settings)
    assert caplog.messages == [
        "prunable are 24 of the network's 130 weights (18 %): densities are of those alone, and the others stay",
        "none of the 28 training examples is in classes 3 and 5, and the network has 6 outputs",
        "1 of the 10 test examples is in class 4, of which no training example is, so that nothing can learn to "
        "predict them",
    ]
    caplog.clear()
    winnow.run(model=Wide, data=pair(), store=tmp_path / "store", **settings)
    assert not caplog.messages
