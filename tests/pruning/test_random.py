from __future__ import annotations

from fractions import Fraction
from math import prod

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Generator, Tensor

from winnow.errors import UnknownName
from winnow.pruning import Mask
from winnow.pruning.random import drawn, erdos_renyi
from winnow.pruning.signs import altered

SHAPES = {"conv": (6, 4, 3, 3), "fc1": (30, 24), "output": (10, 30)}


def mask_of(density: float, seed: int = 0) -> Mask:
    stream = Generator().manual_seed(seed)
    return Mask({name: torch.rand(shape, generator=stream) < density for name, shape in SHAPES.items()})


def random(mask: Mask, how: str, seed: int = 1) -> Mask:
    return drawn(mask, how, Generator().manual_seed(seed))


def by_layer(mask: Mask) -> list[int]:
    return [int(kept.sum()) for kept in mask.values()]


def by_unit(mask: Mask) -> list[list[int]]:
    return [kept.flatten(1).sum(1).tolist() for kept in mask.values()]


@pytest.mark.parametrize("how, keeps_layers, keeps_units", [
    ("layerwise", True, False),
    ("units", True, True),
    ("global", False, False),
    ("erdos-renyi", False, False),
])  # fmt: skip
def test_what_a_random_mask_keeps_of_the_one_it_is_drawn_after(how: str, keeps_layers: bool, keeps_units: bool) -> None:
    mask = mask_of(0.3)
    mask = Mask({**mask, "conv": torch.rand(SHAPES["conv"], generator=Generator().manual_seed(9)) < 0.9})
    found = random(mask, how)
    assert found != mask
    assert found.kept == mask.kept  # exactly, always
    assert (by_layer(found) == by_layer(mask)) == keeps_layers
    assert (by_unit(found) == by_unit(mask)) == keeps_units
    assert random(mask, how, seed=1) == found
    assert random(mask, how, seed=2) != found


@pytest.mark.parametrize("how", ["layerwise", "units", "global", "erdos-renyi"])
@pytest.mark.parametrize("density", [0.0, 1.0])
def test_of_nothing_chance_keeps_nothing_and_of_all_all(how: str, density: float) -> None:
    mask = Mask({name: torch.full(shape, bool(density)) for name, shape in SHAPES.items()})
    assert random(mask, how) == mask


@pytest.mark.parametrize("how", ["layerwise", "units", "global", "erdos-renyi"])
def test_masks_drawn_after_nested_masks_are_nested(how: str) -> None:
    wide = mask_of(0.6)
    narrow = Mask({name: kept & mask_of(0.5, seed=5)[name] for name, kept in wide.items()})
    assert narrow.is_within(wide)
    assert random(narrow, how).is_within(random(wide, how))


def test_a_global_random_masks_layers_are_about_equally_dense() -> None:
    densities = random(mask_of(0.3), "global").layer_densities().values()
    assert all(abs(density - 0.3) < 0.08 for density in densities)


def test_a_unit_that_was_dead_stays_dead_in_the_shuffled_mask_and_a_whole_one_whole() -> None:
    mask = Mask({"fc": torch.tensor([[False] * 6, [True] * 6, [True, False, False, False, False, False]])})
    found = [random(mask, "units", seed)["fc"] for seed in range(20)]
    assert all(not kept[0].any() and kept[1].all() and kept[2].sum() == 1 for kept in found)
    assert len({int(kept[2].nonzero()) for kept in found}) > 3


def test_an_unknown_random_mask_is_told_with_the_valid_ones() -> None:
    with pytest.raises(UnknownName, match=r"unknown random mask 'layer'.*\nValid: erdos-renyi, global, layerwise"):
        random(mask_of(0.5), "layer")


# Erdős-Rényi


def test_erdos_renyi_densities_are_the_papers_formula() -> None:
    # LeNet-300-100: density = epsilon (in + out) / (in * out), Mocanu et al. 2018, eq. 1
    shapes = {"fc1": (300, 784), "fc2": (100, 300), "output": (10, 100)}
    epsilon = 10
    kept = epsilon * (300 + 784 + 100 + 300) + 1_000  # the output layer would be 1.1 dense: it is whole
    assert erdos_renyi(shapes, kept) == {"fc1": epsilon * 1_084, "fc2": epsilon * 400, "output": 1_000}


def test_with_a_kernel_its_lengths_count_as_well() -> None:
    # density = epsilon (in + out + width + height) / (in * out * width * height), Evci et al. 2020, §3
    shapes = {"conv1": (64, 32, 3, 3), "conv2": (128, 64, 1, 1)}
    assert erdos_renyi(shapes, 2 * (64 + 32 + 3 + 3) + 2 * (128 + 64 + 1 + 1)) == {"conv1": 204, "conv2": 388}


@given(
    shapes=st.lists(st.tuples(st.integers(1, 40), st.integers(1, 40)), min_size=1, max_size=6),
    part=st.fractions(0, 1),
)
def test_erdos_renyi_counts_add_up_exactly_and_no_layer_is_more_than_whole(
    shapes: list[tuple[int, int]], part: Fraction
) -> None:
    named = {f"fc{n}": shape for n, shape in enumerate(shapes)}
    kept = int(part * sum(map(prod, shapes)))
    counts = erdos_renyi(named, kept)
    assert sum(counts.values()) == kept
    assert all(0 <= counts[name] <= prod(shape) for name, shape in named.items())


def test_more_weights_than_there_are_cannot_be_told_to_layers() -> None:
    with pytest.raises(ValueError, match="cannot tell 7 to places for 6"):
        erdos_renyi({"fc": (2, 3)}, 7)


# Signs

WEIGHTS: dict[str, Tensor] = {
    "w": torch.tensor([[1.0, -2.0, 3.0, -4.0], [0.5, 0.25, -8.0, 1.0]]),
    "v": torch.tensor([0.1, -0.2]),
    "bias": torch.tensor([5.0, -6.0]),
}
MASK = Mask({"w": torch.tensor([[1, 1, 0, 1], [0, 1, 1, 1]]).bool(), "v": torch.tensor([True, True])})


def test_signs_alone_leave_one_magnitude_a_layer_its_standard_deviation() -> None:
    found = altered(WEIGHTS, MASK, "signs", Generator())
    for name in ("w", "v"):
        deviation = ((WEIGHTS[name] - WEIGHTS[name].mean()) ** 2).mean().sqrt()
        torch.testing.assert_close(found[name], WEIGHTS[name].sign() * deviation)
    assert torch.equal(found["bias"], WEIGHTS["bias"])
    assert list(found) == list(WEIGHTS)


def test_weights_that_are_zero_already_count_for_no_deviation() -> None:
    found = altered({"w": torch.tensor([3.0, -1.0, 0.0, 0.0])}, Mask({"w": torch.ones(4).bool()}), "signs", Generator())
    assert found["w"].tolist() == [2.0, -2.0, 0.0, 0.0]


def test_shuffled_signs_are_as_many_of_each_among_the_weights_that_remain() -> None:
    found = [altered(WEIGHTS, MASK, "signs-shuffled", Generator().manual_seed(seed))["w"] for seed in range(20)]
    kept = MASK["w"]
    for each in found:
        assert each.abs().unique().numel() == 1
        assert (each[kept] > 0).sum() == (WEIGHTS["w"][kept] > 0).sum() == 3
        assert torch.equal(each[~kept].sign(), WEIGHTS["w"][~kept].sign())
    assert len({tuple(each[kept].tolist()) for each in found}) > 5


def test_altering_leaves_the_given_weights_alone() -> None:
    before = {name: weight.clone() for name, weight in WEIGHTS.items()}
    altered(WEIGHTS, MASK, "signs-shuffled", Generator().manual_seed(0))
    assert all(torch.equal(WEIGHTS[name], weight) for name, weight in before.items())


def test_an_unknown_way_to_alter_is_told() -> None:
    with pytest.raises(UnknownName, match=r"unknown way to alter weights 'sign'. Did you mean 'signs'\?"):
        altered(WEIGHTS, MASK, "sign", Generator())
