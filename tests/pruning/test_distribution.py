"""How weights are told to layers: exact sums, and Erdős-Rényi's proportions."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from winnow.pruning import Layer
from winnow.pruning.distribution import Distribution, in_proportion, kept_in_all, told

LAYERS = {
    "conv": Layer("conv", (16, 8, 3, 3), Fraction(1, 5)),
    "wide": Layer("linear", (100, 300), Fraction(1, 5)),
    "output": Layer("output", (10, 100), Fraction(1, 10)),
}
SIZE = sum(layer.size for layer in LAYERS.values())


@given(
    parts=st.lists(st.tuples(st.integers(1, 50), st.integers(0, 40)), min_size=1, max_size=6),
    share=st.floats(0, 1),
)
def test_the_counts_add_up_and_fit(parts: list[tuple[int, int]], share: float) -> None:
    most = {str(number): size for number, (_, size) in enumerate(parts)}
    total = int(share * sum(most.values()))
    counts = in_proportion({str(n): Fraction(weight) for n, (weight, _) in enumerate(parts)}, most, total)
    assert sum(counts.values()) == total
    assert all(0 <= counts[name] <= most[name] for name in most)


@pytest.mark.parametrize("distribution", ["recipe", "uniform", "erdos-renyi"])
@pytest.mark.parametrize("level", [1, 7, 15])
def test_every_distribution_keeps_as_many_weights_as_the_level(distribution: Distribution, level: int) -> None:
    kept = kept_in_all(LAYERS, level, "layerwise")
    assert sum(told(LAYERS, kept, distribution, level).values()) == kept


def test_layers_are_as_dense_as_the_distribution_says() -> None:
    kept = SIZE // 20
    uniform, erdos, recipe = (told(LAYERS, kept, how, 10) for how in ("uniform", "erdos-renyi", "recipe"))
    assert {name: round(count / LAYERS[name].size, 2) for name, count in uniform.items()} == dict.fromkeys(LAYERS, 0.05)
    ratio = erdos["output"] / LAYERS["output"].size / (erdos["wide"] / LAYERS["wide"].size)
    assert ratio == pytest.approx((110 / 1_000) / (400 / 30_000), rel=0.01)
    ratio = erdos["conv"] / LAYERS["conv"].size / (erdos["wide"] / LAYERS["wide"].size)
    assert ratio == pytest.approx((30 / 1_152) / (400 / 30_000), rel=0.02)  # the kernel's four lengths
    ratio = recipe["output"] / LAYERS["output"].size / (recipe["wide"] / LAYERS["wide"].size)
    assert ratio == pytest.approx((0.9 / 0.8) ** 10, rel=0.02)


def test_layers_that_would_be_more_than_whole_are_whole() -> None:
    assert told(LAYERS, SIZE - 2_000, "erdos-renyi", 1)["output"] == 1_000


def test_more_than_there_is_cannot_be_told() -> None:
    with pytest.raises(ValueError, match="cannot tell 5 to places for 4"):
        in_proportion({"w": Fraction(1)}, {"w": 4}, 5)
