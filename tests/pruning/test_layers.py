from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.utils.prune
from torch import nn
from torch.nn.utils import parametrizations, prune

from winnow.errors import RecipeError
from winnow.models import build
from winnow.pruning.layers import check_outputs_lie_first, parameters, prunable_layers, with_effect
from winnow.recipe import Pruning, Rates


def old_weight_norm(module: nn.Module) -> None:
    with pytest.warns(FutureWarning):
        torch.nn.utils.weight_norm(module)


def spectral_norm(module: nn.Module) -> None:
    torch.nn.utils.spectral_norm(module)


def pruned_by_torch(module: nn.Module) -> None:
    prune.identity(module, "weight")


RATES = Rates(conv=0.3, linear=0.2, output=0.1)


class Conv1D(nn.Module):
    """As transformers has it: a linear layer that lies transposed."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(nn.Linear(8, 4).weight.detach().clone())
        self.bias = nn.Parameter(nn.Linear(8, 4).bias.detach().clone())


class SelfAttention(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.qkv = nn.Linear(4, 12)
        self.inner = nn.Sequential(Conv1D())


class Language(nn.Module):
    def __init__(self, is_tied: bool) -> None:
        super().__init__()
        self.embed = nn.Embedding(7, 4)
        self.place = nn.Parameter(self.embed.weight.detach().clone())
        self.conv = nn.ConvTranspose1d(4, 4, 3)
        self.attention = nn.MultiheadAttention(4, 2)
        self.self_attention = SelfAttention()
        self.norm = nn.LayerNorm(4)
        self.mlp = nn.Sequential(OrderedDict(fc=nn.Linear(4, 4), frozen=nn.Linear(4, 4)))
        self.head = nn.Linear(4, 7, bias=False)
        self.mlp.frozen.requires_grad_(False)
        if is_tied:
            self.head.weight = self.embed.weight


def kinds(network: nn.Module, rates: Rates = RATES, **patterns: Any) -> dict[str, tuple[str | None, str, str]]:
    return {each.name: (each.kind, str(each.rate), each.reason) for each in parameters(network, rates, **patterns)}


def test_a_parameters_kind_is_its_modules() -> None:
    assert kinds(Language(is_tied=False)) == {
        "place": (None, "None", "no kernel (Language)"),
        "embed.weight": ("embedding", "None", "no rate for embedding"),
        "conv.weight": ("conv", "3/10", ""),
        "conv.bias": (None, "None", "bias"),
        "attention.in_proj_weight": ("attention", "1/5", ""),
        "attention.in_proj_bias": (None, "None", "bias"),
        "attention.out_proj.weight": ("attention", "1/5", ""),
        "attention.out_proj.bias": (None, "None", "bias"),
        "self_attention.qkv.weight": ("attention", "1/5", ""),
        "self_attention.qkv.bias": (None, "None", "bias"),
        "self_attention.inner.0.weight": ("attention", "1/5", ""),
        "self_attention.inner.0.bias": (None, "None", "bias"),
        "norm.weight": (None, "None", "normalization"),
        "norm.bias": (None, "None", "bias"),
        "mlp.fc.weight": ("linear", "1/5", ""),
        "mlp.fc.bias": (None, "None", "bias"),
        "mlp.frozen.weight": ("linear", "None", "frozen"),
        "mlp.frozen.bias": (None, "None", "frozen"),
        "head.weight": ("output", "1/10", ""),
    }


def test_an_output_that_shares_the_embeddings_weights_is_an_embedding() -> None:
    found = kinds(Language(is_tied=True))
    assert "head.weight" not in found
    assert found["embed.weight"] == ("embedding", "None", "no rate for embedding")
    assert found["mlp.fc.weight"] == ("linear", "1/5", "")  # the last linear layer is the head, not another
    assert kinds(Language(is_tied=True), Rates(embedding=0.5))["embed.weight"] == ("embedding", "1/2", "")


def test_attention_and_embeddings_have_rates_of_their_own() -> None:
    layers = prunable_layers(Language(is_tied=False), Rates(attention=0.4, embedding=0.5))
    assert {name: (layer.kind, str(layer.rate)) for name, layer in layers.items()} == {
        "embed.weight": ("embedding", "1/2"),
        "attention.in_proj_weight": ("attention", "2/5"),
        "attention.out_proj.weight": ("attention", "2/5"),
        "self_attention.qkv.weight": ("attention", "2/5"),
        "self_attention.inner.0.weight": ("attention", "2/5"),
    }


def test_patterns_add_parameters_and_those_that_leave_out_have_the_last_word() -> None:
    network = Language(is_tied=False)
    found = kinds(network, include=["place", "embed.*"], exclude=["embed.weight", "*.qkv.weight"])
    assert found["place"] == (None, "1/5", "prune.include")
    assert found["embed.weight"] == ("embedding", "None", "prune.exclude")
    assert found["self_attention.qkv.weight"] == ("attention", "None", "prune.exclude")
    assert "place" in prunable_layers(network, RATES, include=["place"])


@pytest.mark.parametrize(
    "rates, patterns, message",
    [
        (RATES, {"include": ["plase"]}, r"prune.include: 'plase' matches none of the network's parameters: place"),
        (RATES, {"include": ["mlp.frozen.weight"]}, r"prune.include: 'mlp.frozen.weight' is frozen"),
        (Rates(conv=0.3), {"include": ["place"]}, r"prune.include: 'place' has the rate of linear layers. Give"),
        (RATES, {"exclude": ["place"]}, r"prune.exclude: 'place' matches none of the network's kernels: embed.weight"),
        (Rates(embedding=0.2), {"exclude": ["embed.weight"]}, r"so nothing would be pruned"),
    ],
)  # fmt: skip
def test_patterns_without_effect_are_told(rates: Rates, patterns: Any, message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        prunable_layers(Language(is_tied=False), rates, **patterns)


def test_where_layers_compete_every_kind_has_one_rate() -> None:
    with pytest.raises(
        RecipeError, match=r"scope 'global' ranks all layers together, at one rate; given were \[0.2, 0.3"
    ):
        Pruning(rate=Rates(linear=0.2, attention=0.3), scope="global")


def test_the_papers_networks_have_the_kinds_they_had() -> None:
    layers = prunable_layers(build("resnet-20", (3, 32, 32), 10), Rates(conv=0.2), exclude=("*.shortcut.*",))
    assert sum(layer.size for layer in layers.values()) == 267_696
    assert {layer.kind for layer in layers.values()} == {"conv"}


def test_a_module_under_two_names_is_one_parameter() -> None:
    shared = nn.Linear(4, 4)
    network = nn.Sequential(shared, shared, nn.Linear(4, 2))
    assert list(prunable_layers(network, Rates(linear=0.2, output=0.1))) == ["0.weight", "2.weight"]


def test_kernels_that_are_not_pruned_are_told_with_why() -> None:
    network = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 2)).requires_grad_(False)
    with pytest.raises(
        RecipeError, match=r"no rate for any kernel of the network \(0.weight: frozen, 1.weight: frozen\)"
    ):
        prunable_layers(network, Rates(linear=0.2, output=0.1))


@pytest.mark.parametrize(
    "compute, message",
    [
        (
            parametrizations.weight_norm,
            r"'0.weight' by torch.nn.utils.parametrize .*\n.*remove_parametrizations\(module",
        ),
        (
            old_weight_norm,
            r"'0.weight' by torch.nn.utils.weight_norm .*\n.*torch.nn.utils.remove_weight_norm\(module\)",
        ),
        (spectral_norm, r"'0.weight' by torch.nn.utils.spectral_norm .*\n.*torch.nn.utils.remove_spectral_norm"),
        (pruned_by_torch, r"'0.weight' by torch.nn.utils.prune .*\n.*torch.nn.utils.prune.remove\(module, 'weight'\)"),
    ],
)
def test_a_kernel_that_its_module_computes_is_told_unless_it_is_not_to_be_pruned(
    compute: Callable[[nn.Module], object], message: str
) -> None:
    network, rates = nn.Sequential(nn.Linear(4, 4), nn.Conv1d(1, 1, 3), nn.Linear(4, 2)), Rates(linear=0.2, conv=0.2)
    compute(network[0])
    with pytest.raises(RecipeError, match=message):
        parameters(network, rates)
    assert list(prunable_layers(network, rates, exclude=["0.*"])) == ["1.weight"]
    assert list(prunable_layers(network, Rates(conv=0.2))) == ["1.weight"]


@pytest.mark.parametrize("granularity", ["unit", "2:4"])
def test_units_and_patterns_are_refused_where_outputs_do_not_come_first(granularity: str) -> None:
    network = nn.Sequential(nn.Linear(4, 4), nn.ConvTranspose2d(1, 4, 3))
    layers = prunable_layers(network, Rates(linear=0.2, conv=0.1, output=0.1))
    with pytest.raises(RecipeError, match=r"goes by a kernel's outputs as its first dimension, and '1.weight' \(ConvT"):
        check_outputs_lie_first(network, layers, f"prune.granularity '{granularity}'")
    check_outputs_lie_first(network, {"0.weight": layers["0.weight"]}, "prune.granularity")


def test_units_and_patterns_are_refused_of_what_has_no_inputs() -> None:
    network = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 2))
    layers = prunable_layers(network, Rates(linear=0.2, output=0.1), include=["0.bias"])
    with pytest.raises(
        RecipeError, match=r"control 'shuffle' goes by the inputs of every output, and '0.bias', of sha"
    ):
        check_outputs_lie_first(network, layers, "the control 'shuffle'")


def test_projections_of_attention_keep_the_rate_of_linear_layers_that_they_go_by() -> None:
    rates = with_effect(("attention", "output"), Rates(conv=0.3, linear=0.2, output=0.1))
    assert (rates.conv, rates.linear, rates.output) == (None, 0.2, 0.1)


def test_a_kernel_that_an_embedding_uses_too_is_an_embedding_whichever_comes_first() -> None:
    network = nn.Sequential(OrderedDict(head=nn.Linear(4, 7, bias=False), tokens=nn.Embedding(7, 4)))
    network.tokens.weight = network.head.weight
    assert [(each.name, each.kind) for each in parameters(network, RATES)] == [("head.weight", "embedding")]
