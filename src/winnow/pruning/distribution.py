"""How a number of weights is told to the layers of a network."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import Literal

from winnow.pattern import UNIT, WEIGHT
from winnow.pruning.granularity import kept_at, kept_weights
from winnow.pruning.layers import Layer
from winnow.pruning.prune import Scope

Distribution = Literal["recipe", "uniform", "erdos-renyi"]
"""`recipe`: as the rates of a recipe leave them at a level. `uniform`: every layer has the same density.
`erdos-renyi`: a layer's density is in proportion to the sum of its kernel's lengths over their product, so that narrow
layers are denser (Mocanu et al. 2018, arXiv 1707.04780, eq. 1; with kernels Evci et al. 2020, arXiv 1911.11134, §3)."""


def kept_in_all(layers: Mapping[str, Layer], level: int, scope: Scope, granularity: str = WEIGHT) -> int:
    """How many weights remain in the whole network at a level, by whichever mask of it.

    Raises ValueError for whole units that compete between layers: how many weights they have is known once they are
    ranked.
    """
    if scope == "global" and granularity == UNIT:
        raise ValueError("units of all layers together: their number of weights depends on which remain")
    if scope == "layerwise" or granularity != WEIGHT:
        return sum(kept_at(layer, level, granularity) for layer in layers.values())
    first = next(iter(layers.values()))
    return kept_weights(sum(layer.size for layer in layers.values()), first.rate, level)


def told(layers: Mapping[str, Layer], kept: int, distribution: Distribution, level: int) -> dict[str, int]:
    """How many of `kept` weights each layer gets; they add up exactly, and no layer gets more than it has.

    >>> from winnow.pruning import Layer
    >>> layers = {
    ...     "wide": Layer("linear", (100, 300), Fraction(1, 5)),
    ...     "narrow": Layer("output", (10, 100), Fraction(1, 10)),
    ... }
    >>> told(layers, 3_100, "uniform", 1)
    {'wide': 3000, 'narrow': 100}
    >>> told(layers, 1_000, "erdos-renyi", 1)
    {'wide': 784, 'narrow': 216}
    """
    weights = {
        name: {
            "recipe": layer.size * (1 - layer.rate) ** level,
            "uniform": Fraction(layer.size),
            "erdos-renyi": Fraction(sum(layer.shape)),
        }[distribution]
        for name, layer in layers.items()
    }
    return in_proportion(weights, {name: layer.size for name, layer in layers.items()}, kept)


def in_proportion(weights: Mapping[str, Fraction], most: Mapping[str, int], total: int) -> dict[str, int]:
    """Whole numbers in proportion to the weights, none above its `most`, which add up to `total` exactly.

    What would be more is whole, and the others share the rest. Fractions are told by the largest remainder, the first
    of equal ones first. Raises ValueError for a total that does not fit.

    >>> in_proportion({"a": Fraction(1), "b": Fraction(1), "c": Fraction(8)}, {"a": 9, "b": 9, "c": 4}, 9)
    {'a': 3, 'b': 2, 'c': 4}
    """
    if not 0 <= total <= sum(most.values()):
        raise ValueError(f"cannot tell {total} to places for {sum(most.values())}")
    whole: set[str] = set()
    while True:
        rest = total - sum(most[name] for name in whole)
        among = sum((weight for name, weight in weights.items() if name not in whole), Fraction(0))
        exact = {name: Fraction(most[name]) if name in whole else weights[name] * rest / among for name in weights}
        over = {name for name in exact if exact[name] > most[name]}
        if not over:
            break
        whole |= over
    counts = {name: int(share) for name, share in exact.items()}
    by_remainder = sorted(exact, key=lambda name: counts[name] - exact[name])
    for name in by_remainder[: total - sum(counts.values())]:
        counts[name] += 1
    return counts
