from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import nn

from winnow.errors import RecipeError
from winnow.experiments import imp
from winnow.models import build
from winnow.recipes import read
from winnow.training import exempt

from .test_loop import SGD, fresh, noises, small, train


class OwnRMSNorm(nn.Module):
    """A normalization as people write their own."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(4))


class NormThenLinear(nn.Module):
    """A block around a normalization: its other parts are none."""

    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(4)
        self.linear = nn.Linear(4, 4)


MIXED = nn.ModuleDict(
    {
        "conv": nn.Conv2d(3, 4, 3),
        "batch": nn.BatchNorm2d(4),
        "group": nn.GroupNorm(2, 4),
        "layer": nn.LayerNorm(4),
        "instance": nn.InstanceNorm2d(4, affine=True),
        "rms": nn.RMSNorm(4),
        "own": OwnRMSNorm(),
        "block": NormThenLinear(),
        "attention": nn.MultiheadAttention(4, 2),
        "recurrent": nn.GRU(4, 4),
        "bias_table": nn.Embedding(3, 4),
    }
)
NAMES = [name for name, _ in MIXED.named_parameters()]
NORMS = {
    *("batch.weight", "batch.bias", "group.weight", "group.bias", "layer.weight", "layer.bias", "instance.weight"),
    *("instance.bias", "rms.weight", "own.scale", "block.norm.weight", "block.norm.bias"),
}
BIASES = {
    *("conv.bias", "batch.bias", "group.bias", "layer.bias", "instance.bias", "block.norm.bias", "block.linear.bias"),
    *("attention.in_proj_bias", "attention.out_proj.bias", "recurrent.bias_ih_l0", "recurrent.bias_hh_l0"),
}


@pytest.mark.parametrize(
    "patterns, expected",
    [
        ((), set()),
        (("norm",), NORMS),
        (("bias",), BIASES),
        (("bias", "norm"), BIASES | NORMS),
        (("conv.weight",), {"conv.weight"}),
        (("conv.*", "own.?cale"), {"conv.weight", "conv.bias", "own.scale"}),
        (("*.bias",), {name for name in BIASES if name.endswith(".bias")}),
        (("norm", "batch.*"), NORMS),  # what is named twice is left out once
    ],
)
def test_parameters_are_left_out_of_decay_by_word_and_by_pattern(patterns: tuple[str, ...], expected: set[str]) -> None:
    found = exempt(replace(SGD, no_decay=patterns or None), MIXED, NAMES)
    assert {NAMES[position] for position in found} == expected


def test_positions_are_those_of_the_names_given_in_whatever_order() -> None:
    updates = replace(SGD, no_decay=("conv.bias",))
    assert exempt(updates, MIXED, ["batch.bias", "conv.bias", "conv.weight"]) == {1}
    assert exempt(updates, MIXED, []) == frozenset()


@pytest.mark.parametrize(
    "name, pattern",
    [
        ("lenet-5", "norm"),
        ("lenet-5", "norm*"),
        ("lenet-5", "fc2.*"),
        ("lenet-5", "FC1.weight"),
        ("vgg-11", "conv1.bias"),
    ],
)
def test_a_pattern_that_matches_nothing_is_refused_with_the_names_there_are(name: str, pattern: str) -> None:
    network = build(name, (3, 32, 32), 10)
    with pytest.raises(RecipeError) as caught:
        exempt(replace(SGD, no_decay=("output.*", pattern)), network, ())
    names = ", ".join(name for name, _ in network.named_parameters())
    assert str(caught.value) == (f"optimizer.no_decay: '{pattern}' matches none of the network's parameters: {names}.")


def test_decay_that_is_left_out_everywhere_is_refused() -> None:
    with pytest.raises(RecipeError, match=r"optimizer.no_decay \(\*\) matches all of the network's parameters"):
        exempt(replace(SGD, no_decay=("*",)), small(), ())
    with pytest.raises(RecipeError, match=r"Set optimizer.weight_decay to 0 instead"):
        exempt(replace(SGD, no_decay=("bias", "*.weight")), small(), ())


def test_an_experiment_is_refused_before_it_trains_where_a_pattern_matches_nothing() -> None:
    recipe = read("digits").edited({"optimizer.weight_decay": 1e-4, "optimizer.no_decay": ["norm"]})
    with pytest.raises(RecipeError, match=r"optimizer.no_decay: 'norm' matches none of the network's parameters"):
        imp(recipe)
    assert imp(recipe.edited({"optimizer.no_decay": ["bias"]})).rows


def test_the_loop_decays_what_is_not_left_out_and_nothing_else() -> None:
    """With a rate so small that gradients do nothing, and decay so large that it does all."""
    updates = replace(SGD, momentum=0.0, learning_rate=1e-9, weight_decay=1e8, warmup=0, drops=())
    selective = replace(updates, no_decay=("bias", "norm"))
    state = fresh([0], selective)
    for tensor in state.parameters.values():
        tensor.fill_(1.0)
    train(state, 1, selective, noises(1))
    shrunk = {name for name, tensor in state.parameters.items() if torch.allclose(tensor, torch.tensor(0.9), atol=1e-5)}
    same = {name for name, tensor in state.parameters.items() if torch.allclose(tensor, torch.tensor(1.0), atol=1e-5)}
    assert shrunk == {"conv.weight", "fc1.weight", "output.weight"}
    assert same == {"norm.weight", "norm.bias", "fc1.bias", "output.bias"}
