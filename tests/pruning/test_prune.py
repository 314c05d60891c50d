from __future__ import annotations

from fractions import Fraction

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from winnow.errors import LayerCollapse, RecipeError, UnknownName
from winnow.models import build
from winnow.pruning import Context, Layer, Mask, kept_weights, prunable_layers, prune, scores
from winnow.pruning.prune import Scope
from winnow.pruning.scores import named_score
from winnow.recipe import LayerKind, Rates

LENET = prunable_layers(build("lenet-300-100", (1, 28, 28), 10), Rates(linear=0.2, output=0.1))


@pytest.mark.parametrize(
    "level, fc1, fc2, output, density",
    [
        # Counts of size * (1 - rate) ** level to the nearest weight. The densities are those of LTH's figures:
        # (265200 * 0.8 ** n + 1000 * 0.9 ** n) / 266200 gives 51.3 %, 21.1 %, 13.5 %, 3.6 %, 2.9 %.
        (0, 235_200, 30_000, 1_000, "100.0"),
        (1, 188_160, 24_000, 900, "80.0"),
        (3, 120_422, 15_360, 729, "51.3"),
        (7, 49_325, 6_291, 478, "21.1"),
        (9, 31_568, 4_027, 387, "13.5"),
        (15, 8_275, 1_056, 206, "3.6"),
        (16, 6_620, 844, 185, "2.9"),
    ],
)
def test_lenets_weights_at_a_level_are_those_of_the_paper(
    level: int, fc1: int, fc2: int, output: int, density: str
) -> None:
    counts = [kept_weights(layer.size, layer.rate, level) for layer in LENET.values()]
    assert counts == [fc1, fc2, output]
    assert f"{100 * sum(counts) / 266_200:.1f}" == density


@pytest.mark.parametrize("level, density", [(4, "41.7"), (6, "27.1"), (7, "21.9"), (10, "11.8")])
def test_resnet_20s_weights_at_a_level_are_those_of_the_paper(level: int, density: str) -> None:
    counted = kept_weights(267_696, Fraction(1, 5), level) + 3_200  # shortcuts and output are never pruned
    assert f"{100 * counted / 270_896:.1f}" == density


@pytest.mark.parametrize(
    "size, rate, level, kept",
    [
        (10, Fraction(1, 5), 0, 10),
        (5, Fraction(1, 10), 1, 5),  # 4.5, half up
        (15, Fraction(1, 10), 1, 14),  # 13.5, half up and not to even
        (1, Fraction(1, 5), 3, 1),  # 0.512
        (1, Fraction(1, 5), 4, 0),  # 0.4096
        (0, Fraction(1, 5), 1, 0),
        (10**18, Fraction(1, 5), 1, 8 * 10**17),  # where floats would lose the last digits
        (10**18 + 5, Fraction(1, 5), 1, 8 * 10**17 + 4),
    ],
)
def test_the_weights_kept_are_the_nearest_whole_number(size: int, rate: Fraction, level: int, kept: int) -> None:
    assert kept_weights(size, rate, level) == kept


@given(size=st.integers(0, 10**7), percent=st.integers(1, 99), level=st.integers(0, 30))
def test_no_level_keeps_more_weights_than_the_one_before(size: int, percent: int, level: int) -> None:
    rate = Fraction(percent, 100)
    kept, after = kept_weights(size, rate, level), kept_weights(size, rate, level + 1)
    assert 0 <= after <= kept <= size
    assert abs(kept - size * (1 - rate) ** level) <= Fraction(1, 2)  # roundings do not pile up


def layers(*sizes: int, rate: Fraction = Fraction(1, 5), kind: LayerKind = "linear") -> dict[str, Layer]:
    return {f"fc{number}.weight": Layer(kind, (size,), rate) for number, size in enumerate(sizes, start=1)}


def dense(of: dict[str, Layer]) -> Mask:
    return Mask.ones({name: layer.shape for name, layer in of.items()})


def ranked(weights: dict[str, Tensor], before: Mask, *, layers: dict[str, Layer], level: int, scope: Scope) -> Mask:
    context, score = Context.of_weights(weights, before), named_score("magnitude")
    return prune(context, layers=layers, level=level, scope=scope, score=score)


def drawn(of: dict[str, Layer], seed: int, *, ties: bool = False) -> dict[str, Tensor]:
    stream = torch.Generator().manual_seed(seed)
    weights = {name: torch.randn(layer.shape, generator=stream) for name, layer in of.items()}
    return {name: weight.round() if ties else weight for name, weight in weights.items()}


@pytest.mark.parametrize("scope", ["layerwise", "global"])
@pytest.mark.parametrize("ties", [False, True])
def test_masks_of_successive_levels_are_nested_and_have_exactly_their_counts(scope: Scope, ties: bool) -> None:
    of = layers(200, 77, 1_001)
    mask = dense(of)
    for level in range(1, 8):  # with ties, a global eighth would empty a layer
        before, weights = mask, drawn(of, level, ties=ties)
        before.apply_(weights)  # as training leaves them
        mask = ranked(weights, before, layers=of, level=level, scope=scope)
        assert mask.is_within(before)
        assert list(mask) == list(of)
        if scope == "global":
            assert mask.kept == kept_weights(1_278, Fraction(1, 5), level)
        else:
            counts = {name: int(tensor.sum()) for name, tensor in mask.items()}
            assert counts == {name: kept_weights(layer.size, layer.rate, level) for name, layer in of.items()}


def test_layerwise_each_layer_loses_its_own_lowest() -> None:
    of = layers(5, 5)
    weights = {
        "fc1.weight": torch.tensor([5.0, -4.0, 3.0, -2.0, 1.0]),
        "fc2.weight": torch.tensor([0.1, 0.2, -0.3, 0.4, 0.5]),
    }
    mask = ranked(weights, dense(of), layers=of, level=1, scope="layerwise")
    assert mask["fc1.weight"].tolist() == [True, True, True, True, False]
    assert mask["fc2.weight"].tolist() == [False, True, True, True, True]


def test_globally_layers_compete_and_ties_break_by_the_networks_order() -> None:
    of = layers(5, 5)
    weights = {
        "fc1.weight": torch.tensor([5.0, -4.0, 3.0, -2.0, 0.3]),
        "fc2.weight": torch.tensor([0.1, 0.3, -0.3, 0.4, 0.5]),
    }
    mask = ranked(weights, dense(of), layers=of, level=1, scope="global")
    assert mask["fc1.weight"].tolist() == [True, True, True, True, False]
    assert mask["fc2.weight"].tolist() == [False, True, True, True, True]


def test_a_pruned_weight_stays_pruned_however_large_it_is() -> None:
    of = layers(5)
    before = Mask({"fc1.weight": torch.tensor([False, True, True, True, True])})
    weights = {"fc1.weight": torch.tensor([100.0, 1.0, 2.0, 3.0, 4.0])}
    mask = ranked(weights, before, layers=of, level=2, scope="layerwise")
    assert mask["fc1.weight"].tolist() == [False, False, True, True, True]


@pytest.mark.parametrize("scope", ["layerwise", "global"])
def test_a_level_that_rounds_to_the_one_before_removes_nothing(scope: Scope) -> None:
    of = layers(2)  # 2, 1.6, 1.28, 1.02 -> 2, 2, 1, 1
    first = ranked(drawn(of, 1), dense(of), layers=of, level=1, scope=scope)
    second = ranked(drawn(of, 2), first, layers=of, level=2, scope=scope)
    third = ranked(drawn(of, 3), second, layers=of, level=3, scope=scope)
    assert [mask.kept for mask in (first, second, third)] == [2, 1, 1]
    assert third == second


def test_one_round_to_the_density_of_a_level_keeps_that_levels_count() -> None:
    mask = ranked(drawn(LENET, 0), dense(LENET), layers=LENET, level=15, scope="layerwise")
    assert [int(tensor.sum()) for tensor in mask.values()] == [8_275, 1_056, 206]


@pytest.mark.parametrize(
    "scope, sizes, level, message",
    [
        ("layerwise", (1, 100), 4, "level 4 would leave no weights in fc1.weight, so no signal could pass."),
        ("layerwise", (1, 1), 4, "level 4 would leave no weights in fc1.weight, fc2.weight, so no signal could pass."),
        ("global", (3, 100), 1, "level 1 would leave no weights in fc1.weight, so no signal could pass."),
    ],
)
def test_a_level_that_would_empty_a_layer_is_refused(
    scope: Scope, sizes: tuple[int, ...], level: int, message: str
) -> None:
    of = layers(*sizes)
    weights = drawn(of, 0)
    weights["fc1.weight"] = torch.zeros(sizes[0])
    with pytest.raises(LayerCollapse, match=f"{message}\nAsk for fewer levels, a smaller rate"):
        ranked(weights, dense(of), layers=of, level=level, scope=scope)


def test_weights_that_are_not_prunable_are_neither_ranked_nor_masked() -> None:
    of = layers(5)
    weights = {"fc1.weight": torch.arange(1.0, 6.0), "fc1.bias": torch.zeros(5)}
    assert list(ranked(weights, dense(of), layers=of, level=1, scope="global")) == ["fc1.weight"]


def residual() -> nn.Module:
    network = nn.Module()
    network.conv1 = nn.Conv2d(3, 4, 3)
    network.norm = nn.BatchNorm2d(4)
    network.shortcut = nn.Conv2d(4, 4, 1)
    network.hidden = nn.Linear(4, 6)
    network.fc = nn.Linear(6, 2)
    return network


@pytest.mark.parametrize(
    "rates, exclude, found",
    [
        (
            Rates(conv=0.15, linear=0.2, output=0.1),
            (),
            {
                "conv1": ("conv", "3/20"),
                "shortcut": ("conv", "3/20"),
                "hidden": ("linear", "1/5"),
                "fc": ("output", "1/10"),
            },
        ),
        (Rates(conv=0.2), (), {"conv1": ("conv", "1/5"), "shortcut": ("conv", "1/5")}),
        (Rates(conv=0.2), ("shortcut.*",), {"conv1": ("conv", "1/5")}),
        (Rates(conv=0.2, linear=0.2), ("*conv*", "shortcut.weight"), {"hidden": ("linear", "1/5")}),
        (Rates(output=0.1), (), {"fc": ("output", "1/10")}),
        (Rates(conv=0.2, output=0.2), ("fc.weight",), {"conv1": ("conv", "1/5"), "shortcut": ("conv", "1/5")}),
    ],
)
def test_kernels_of_a_kind_with_a_rate_are_prunable_and_nothing_else(
    rates: Rates, exclude: tuple[str, ...], found: dict[str, tuple[str, str]]
) -> None:
    layers = prunable_layers(residual(), rates, exclude)
    assert {name: (layer.kind, str(layer.rate)) for name, layer in layers.items()} == {
        f"{name}.weight": expected for name, expected in found.items()
    }
    assert all(layer.shape == tuple(residual().get_parameter(name).shape) for name, layer in layers.items())


@pytest.mark.parametrize(
    "rates, exclude, message",
    [
        (Rates(conv=0.2), ("*.downsample.*",), r"prune.exclude: '\*.downsample.\*' matches none of the network"),
        (Rates(conv=0.2), ("norm.weight",), r"prune.exclude: 'norm.weight' matches none of the network's kernels"),
        (Rates(conv=0.2), ("conv1.*", "shortcut.*"), r"prune.rate gives no rate for any kernel"),
    ],
)  # fmt: skip
def test_an_exclusion_without_effect_or_without_remainder_is_refused(
    rates: Rates, exclude: tuple[str, ...], message: str
) -> None:
    with pytest.raises(RecipeError, match=message):
        prunable_layers(residual(), rates, exclude)


def test_a_network_without_kernels_is_refused() -> None:
    with pytest.raises(RecipeError, match=r"any kernel of the network \(it has none\)"):
        prunable_layers(nn.Sequential(nn.Flatten()), Rates(linear=0.2))


def test_an_unknown_score_is_told_with_the_nearest() -> None:
    assert named_score("magnitude").function is scores()["magnitude"]
    with pytest.raises(UnknownName, match=r"unknown score 'magnitud'. Did you mean 'magnitude'\?"):
        named_score("magnitud")
