"""One round on a user's own model: exactly so many weights, of the right parameters."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils import parametrizations

import winnow
from winnow.errors import LayerCollapse, MaskError, RecipeError, UnknownName
from winnow.pruning import Context, Mask, kept_weights


def network() -> nn.Module:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(1, 5, 3), nn.BatchNorm2d(5), nn.Flatten(), nn.Linear(20, 7), nn.Linear(7, 3))
    model.register_module("embedding", nn.Embedding(6, 4))
    return model


@pytest.mark.parametrize("scope", ["global", "layerwise"])
def test_the_lowest_magnitudes_of_those_that_remain_go(scope: Any) -> None:
    model = network()
    before = winnow.prune(model, density=0.5, scope=scope)
    after = winnow.prune(model, before, rate=0.2, scope=scope)
    assert after.is_within(before)
    weights = {name: p.detach().abs() for name, p in model.named_parameters() if name in after}
    groups = [list(after)] if scope == "global" else [[name] for name in after]
    for group in groups:
        gone = torch.cat([weights[name][before[name] & ~after[name]] for name in group])
        kept = torch.cat([weights[name][after[name]] for name in group])
        alive = len(gone) + len(kept)
        assert len(kept) == int(alive * Fraction("0.8") + Fraction(1, 2))
        assert gone.max() < kept.min()


def test_levels_count_as_a_recipe_does() -> None:
    model, mask = network(), None
    sizes = {"0.weight": 45, "3.weight": 140, "4.weight": 21}
    rates = {"conv": 0.1, "linear": 0.2, "output": 0.05}
    for level in range(1, 9):
        mask = winnow.prune(model, mask, rate=rates, level=level, scope="layerwise")
        for (name, size), rate in zip(sizes.items(), rates.values(), strict=True):
            assert int(mask[name].sum()) == kept_weights(size, Fraction(str(rate)), level)


def test_a_kind_without_a_rate_stays_whole_and_so_does_what_is_excluded() -> None:
    model = network()
    assert list(winnow.prune(model, rate={"conv": 0.5}, scope="layerwise")) == ["0.weight"]
    assert list(winnow.prune(model, rate=0.5, exclude=["4.*"])) == ["0.weight", "3.weight"]
    assert list(winnow.prune(model, rate=0.5, exclude="4.*")) == ["0.weight", "3.weight"]  # a pattern, not its letters
    assert list(winnow.prune(model, rate=0.5, include=["emb*"], exclude=["[34].*"])) == ["0.weight", "embedding.weight"]


def test_a_mask_keeps_to_its_own_parameters() -> None:
    model = network()
    mask = winnow.prune(model, rate=0.5, include=["embedding.weight"], exclude=["0.weight"])
    assert list(winnow.prune(model, mask, rate=0.5)) == list(mask)
    assert list(winnow.prune(model, mask, rate=0.5, include=["embedding.weight"], exclude=["0.weight"])) == list(mask)
    with pytest.raises(
        MaskError, match=r"'0.weight' is to be pruned, but not in the mask: an experiment prunes the same"
    ):
        winnow.prune(model, mask, rate=0.5, include=["embedding.weight"])
    with pytest.raises(MaskError, match=r"'embedding.weight' is in the mask, but not prunable"):
        winnow.prune(model, mask, rate=0.5, exclude=["0.weight"])


def test_the_model_and_the_mask_are_left_alone() -> None:
    model = network()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    mask = winnow.prune(model, rate=0.5)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    again = winnow.prune(model, mask, density=0.5)
    assert again == mask


def test_a_score_can_be_a_function() -> None:
    model = nn.Linear(3, 1, bias=False)
    with torch.no_grad():
        model.weight.copy_(torch.tensor([[3.0, -1.0, 2.0]]))
    mask = winnow.prune(model, density=0.34, score=lambda of: {name: -w.abs() for name, w in of.weights.items()})
    assert mask["weight"].tolist() == [[False, True, False]]


def flat(context: Context) -> dict[str, Tensor]:
    return {name: weight.flatten() for name, weight in context.weights.items()}


@pytest.mark.parametrize(
    "asked, error, message",
    [
        ({}, RecipeError, "give either rate"),
        ({"rate": 0.1, "density": 0.1}, RecipeError, "give either rate"),
        ({"rate": 1.0}, RecipeError, r"rate 1.0 of linear layers: give the fraction to remove, at least 0 and below 1"),
        ({"density": 0.0}, RecipeError, r"density is 0.0; give the fraction of weights to keep"),
        ({"density": 0.5, "level": 1}, RecipeError, "levels count from 1, and go with a rate"),
        ({"rate": {"dense": 0.1}, "scope": "layerwise"}, UnknownName, "unknown kind of layer 'dense'"),
        ({"rate": {"conv": 0.1, "linear": 0.2}}, RecipeError, "ranks all layers together, so they have one rate"),
        ({"rate": 0.1, "scope": "locally"}, UnknownName, "unknown scope 'locally'.*'layerwise'|unknown scope"),
        ({"rate": 0.1, "score": "magnitud"}, UnknownName, "Did you mean 'magnitude'"),
        (
            {"rate": 0.1, "score": flat},
            RecipeError,
            r"the score gives '0.weight' scores of shape \(45,\), not \(5, 1, 3, 3\)",
        ),
        ({"rate": 0.1, "score": "snip"}, RecipeError, "the score looks at the network and its examples"),
        (
            {"rate": 0.1, "exclude": ["fc*"]},
            RecipeError,
            r"exclude: 'fc\*' matches none of what would be pruned: 0.weight",
        ),
        ({"rate": 0.1, "include": ["fc*"]}, RecipeError, r"include: 'fc\*' matches none of the model's parameters"),
        (
            {"rate": 0.1, "exclude": ["*.weight"]},
            RecipeError,
            "nothing is left to prune: the model's kernels are 0.weight",
        ),
        ({"density": 0.02, "scope": "layerwise"}, LayerCollapse, r"this round would leave no weights in 4.weight"),
    ],
)
def test_what_cannot_be_meant_says_so(asked: dict[str, Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        winnow.prune(network(), **asked)


@pytest.mark.parametrize(
    "asked, message",
    [
        ({"density": "50%"}, r"density is '50%'; give the fraction of weights to keep, .*: 0.5 for 50 %\."),
        ({"density": 50}, r"density is 50; give the fraction of weights to keep, above 0 and at most 1: 0.5 for 50 %"),
        ({"density": "0.5"}, r"density is '0.5'; .* at most 1, as a number\."),
        ({"density": True}, r"density is True; .*, as a number\."),
        ({"rate": "20%"}, r"rate '20%' of linear layers: give the fraction to remove, .* below 1: 0.2 for 20 %\."),
        ({"rate": {"conv": 20}, "scope": "layerwise"}, r"rate 20 of conv layers: .*: 0.2 for 20 %"),
        ({"rate": 0.2, "level": 1.5}, r"level 1.5: levels count from 1"),
        ({"rate": 0.2, "level": "1"}, r"level '1': levels count from 1"),
        ({"rate": 0.2, "score": 3}, r"score is a int; expected a name, or a function from a winnow.pruning.Context"),
    ],
)
def test_amounts_of_another_type_are_told_as_they_would_be_written(asked: dict[str, Any], message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        winnow.prune(network(), **asked)


def test_what_is_no_whole_model_is_told() -> None:
    with pytest.raises(RecipeError, match=r"model is a OrderedDict; expected the torch.nn.Module that is trained"):
        winnow.prune(network().state_dict(), rate=0.2)  # pyright: ignore
    with pytest.raises(RecipeError, match=r"the network's 0.weight, 0.bias have no shape until it is first called"):
        winnow.prune(nn.Sequential(nn.LazyLinear(3)), rate=0.2)


def test_a_kernel_that_is_computed_is_told_unless_it_is_excluded() -> None:
    model = network()
    parametrizations.weight_norm(model[3])
    with pytest.raises(
        RecipeError, match=r"computes '3.weight' by torch.nn.utils.parametrize .*\n.* name it in exclude"
    ):
        winnow.prune(model, rate=0.5)
    mask = winnow.prune(model, rate=0.5, exclude=["3.weight"])
    assert list(mask) == list(winnow.prune(model, mask, rate=0.5)) == ["0.weight", "4.weight"]
    assert list(winnow.prune(model, rate={"conv": 0.5}, scope="layerwise")) == ["0.weight"]


def test_pruning_brings_no_weight_back() -> None:
    model = network()
    mask = winnow.prune(model, density=0.25)
    with pytest.raises(
        RecipeError, match=r"density 0.5 would keep 103 weights of .* only 52 left: pruning brings none back"
    ):
        winnow.prune(model, mask, density=0.5)
    with pytest.raises(RecipeError, match=r"level 1 would keep 165 weights"):
        winnow.prune(model, mask, rate=0.2, level=1)
    with pytest.raises(MaskError, match=r"mask '9.weight' names no parameter"):
        winnow.prune(model, Mask({"9.weight": torch.ones(2, dtype=torch.bool)}), rate=0.2)


def test_an_output_layer_tied_to_an_embedding_is_left_to_include() -> None:
    model = nn.ModuleDict({"embedding": nn.Embedding(5, 4), "hidden": nn.Linear(4, 4), "output": nn.Linear(4, 5)})
    model["output"].weight = model["embedding"].weight
    assert list(winnow.prune(model, rate=0.5)) == ["hidden.weight"]
    assert list(winnow.prune(model, rate=0.5, include=["embedding.*"])) == ["embedding.weight", "hidden.weight"]
