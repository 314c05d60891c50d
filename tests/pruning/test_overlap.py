"""The overlap of masks, and what chance gives, against counting every pair of masks."""

from __future__ import annotations

from itertools import combinations, product
from math import sqrt

import pytest
import torch

from winnow.errors import MaskError
from winnow.pruning import Mask
from winnow.pruning.overlap import Packed, Shared, chance, together


def every_overlap(layers: list[tuple[int, int, int]]) -> list[float]:
    """The Jaccard index of every pair of masks with these (size, kept, kept) in the layers, all equally likely."""
    by_layer = [
        [
            len(set(first) & set(second))
            for first in combinations(range(size), one)
            for second in combinations(range(size), other)
        ]
        for size, one, other in layers
    ]
    kept = sum(one + other for _, one, other in layers)
    return [sum(both) / (kept - sum(both)) for both in product(*by_layer)]


@pytest.mark.parametrize(
    "layers",
    [
        [(4, 2, 2)],
        [(5, 1, 3)],
        [(5, 4, 3)],  # more than the layer has: some are always shared
        [(4, 2, 2), (3, 1, 2)],
        [(3, 3, 1), (4, 0, 2), (2, 1, 1)],
    ],
)
def test_chance_is_the_mean_over_all_pairs_of_masks(layers: list[tuple[int, int, int]]) -> None:
    overlaps = every_overlap(layers)
    mean = sum(overlaps) / len(overlaps)
    std = sqrt(sum((each - mean) ** 2 for each in overlaps) / len(overlaps))
    found = chance([Shared(*layer, both=0) for layer in layers])
    assert (found.mean, found.std) == pytest.approx((mean, std), abs=1e-12)


def test_random_masks_of_a_large_network_overlap_as_chance_says() -> None:
    sizes, densities = (200_000, 30_000), (0.1, 0.4)
    masks = [
        Packed(Mask({str(n): torch.rand(size) < d for n, (size, d) in enumerate(zip(sizes, densities, strict=True))}))
        for _ in range(2)
    ]
    shared = list(masks[0].shared(masks[1]).values())
    expected = chance(shared)
    assert abs(together(shared).jaccard - expected.mean) < 6 * expected.std
    assert expected.std < 0.002


def test_equal_masks_overlap_wholly_and_disjoint_ones_not_at_all() -> None:
    kept = torch.tensor([[True, False, True], [False, False, True]])
    mask, rest = Packed(Mask({"w": kept})), Packed(Mask({"w": ~kept}))
    assert mask.shared(mask)["w"] == Shared(6, 3, 3, 3)
    assert mask.shared(rest)["w"].jaccard == 0
    assert Shared(6, 0, 0, 0).jaccard == 1  # neither keeps any: they agree


def test_masks_of_other_layers_cannot_be_compared() -> None:
    first, second = (Packed(Mask({name: torch.ones(4, dtype=torch.bool)})) for name in ("fc1", "fc2"))
    with pytest.raises(MaskError, match=r"masks of fc1 \(4\) and of fc2 \(4\) have no overlap"):
        first.shared(second)
