"""Stability and instability where the answer is known beforehand."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from tests.execution.conftest import RECIPE
from winnow.data import Resident
from winnow.execution.executor import Executor
from winnow.execution.measuring import along_the_line
from winnow.execution.studies import run_study
from winnow.experiments import stability
from winnow.findings import barrier
from winnow.from_recipe import course
from winnow.models import register
from winnow.store import Store
from winnow.timeline import Amount
from winnow.training import State

POINTS = 31


class OfOneWeight(nn.Module):
    """Every example has the same logits: the others' are -40, the first class's is a function of the one weight."""

    def __init__(self, classes: int, power: int) -> None:
        super().__init__()
        self.layer = nn.Linear(1, 1, bias=False)
        self.classes, self.power = classes, power

    def forward(self, images: Tensor) -> Tensor:
        margin = self.layer.weight.view(()) ** self.power
        first = margin.expand(len(images), 1)
        return torch.cat([first, torch.zeros_like(first), images.new_full((len(images), self.classes - 2), -40.0)], 1)


@register("bowl-for-lines")
def bowl(shape, classes):
    """of one weight w, whose margin is w: its loss is convex."""
    return OfOneWeight(classes, 1)


@register("basins-for-lines")
def basins(shape, classes):
    """of one weight w, whose margin is w²: its loss has the same two basins, w > 0 and w < 0."""
    return OfOneWeight(classes, 2)


def line(network: str, first: float, second: float, monkeypatch: pytest.MonkeyPatch, *, classes: int):
    """What is measured between two values of the weight, where examples are of the first so many classes in turn."""
    monkeypatch.setattr(Resident, "labels_at", lambda self, index: torch.arange(len(index)) % classes)
    ends = (State(0, 0, {"layer.weight": torch.full((1, 1, 1), w)}, {}) for w in (first, second))
    shared = course(RECIPE.edited({"model.name": network}))
    return along_the_line(*ends, shared, torch.device("cpu"), points=POINTS, examples=100)


@pytest.mark.parametrize("weight", [0.5, 2.0, 3.0])
def test_there_is_no_barrier_between_two_points_at_one_height_of_a_bowl(weight, monkeypatch):
    rows = tuple(line("bowl-for-lines", -weight, weight, monkeypatch, classes=2))
    lowest = min(rows, key=lambda row: row["train_loss"])
    assert lowest["position"] == 0.5 and lowest["train_loss"] == pytest.approx(math.log(2), rel=1e-6)
    assert barrier(rows, "train_loss") == pytest.approx(0.0, abs=1e-6)
    assert barrier(rows, "train_error") == pytest.approx(0.0, abs=1e-9)


def test_a_convex_loss_never_rises_above_the_straight_line_between_its_ends(monkeypatch):
    rows = line("bowl-for-lines", -2.0, 5.0, monkeypatch, classes=1)
    low, high = float(rows[0]["test_loss"]), float(rows[-1]["test_loss"])
    for row in rows:
        position = float(row["position"])
        assert float(row["test_loss"]) <= (1 - position) * low + position * high + 1e-6


@pytest.mark.parametrize("weight", [0.5, 1.0, 2.5])
def test_the_barrier_between_two_basins_is_that_of_the_closed_form(weight, monkeypatch):
    rows = tuple(line("basins-for-lines", -weight, weight, monkeypatch, classes=1))
    for row in rows:
        w = weight * (2 * float(row["position"]) - 1)
        assert row["test_loss"] == pytest.approx(math.log1p(math.exp(-(w**2))), rel=1e-5, abs=1e-6)
    # The maximum lies in the middle, at w = 0, where the loss is log 2.
    assert max(rows, key=lambda row: row["test_loss"])["position"] == 0.5
    assert barrier(rows, "test_loss") == pytest.approx(
        math.log(2) - math.log1p(math.exp(-(weight**2))), rel=1e-5, abs=1e-6
    )


def test_pruning_nothing_moves_nothing_under_the_same_noise(tmp_path: Path):
    nothing = {"prune.rate.linear": 1e-9, "prune.rate.output": 1e-9}  # to the nearest weight, all remain
    recipe = RECIPE.edited(nothing | {"replicates": 1})
    study = stability(recipe, density=0.999, at=[Amount.parse("0it"), Amount.parse("5it")], samples=2)
    found = run_study(study, Executor(Store(tmp_path))).findings
    for k in (0, 5):
        for network in ("ticket", "random"):
            distance, angle = (found.finding("pruning", network, k, metric) for metric in ("l2", "angle"))
            assert distance is not None and angle is not None
            assert distance.spread.values == (0.0,)
            assert angle.spread.values == (0.0,)
            noise = found.finding("data-order", network, k, "l2")
            assert noise is not None and noise.spread.mean > 0
