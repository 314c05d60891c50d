"""How much two masks have in common, and how much masks drawn by chance would."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from winnow.errors import MaskError
from winnow.pruning.mask import Mask

_ONES = np.array([number.bit_count() for number in range(256)], dtype=np.uint8)

_NEGLIGIBLE = 1e-20
"""Next to the likeliest number of weights in common, what is this unlikely is left out of the sum."""


@dataclass(frozen=True)
class Shared:
    """What two masks keep of one layer, or of all."""

    size: int
    """How many weights there are."""

    first: int
    second: int
    """How many of them each mask keeps."""

    both: int

    @property
    def jaccard(self) -> float:
        """The weights that both keep, of those that either keeps; 1 where neither keeps any."""
        either = self.first + self.second - self.both
        return self.both / either if either else 1.0


class Packed:
    """A mask with one bit a weight, so that all masks of a run are compared from memory."""

    def __init__(self, mask: Mask) -> None:
        self._bits = {name: np.packbits(kept.cpu().numpy()) for name, kept in mask.items()}
        self._sizes = {name: kept.numel() for name, kept in mask.items()}
        self._kept = {name: int(kept.sum()) for name, kept in mask.items()}

    def shared(self, other: Packed) -> dict[str, Shared]:
        """By layer, what both keep; raises MaskError unless they are of the same layers.

        >>> import torch
        >>> first, second = (Packed(Mask({"w": torch.tensor(kept) == 1})) for kept in ([1, 1, 0], [1, 0, 1]))
        >>> first.shared(second)["w"].jaccard
        0.3333333333333333
        """
        if self._sizes != other._sizes:
            raise MaskError(
                f"masks of {_listed(self._sizes)} and of {_listed(other._sizes)} have no overlap to measure."
            )
        return {
            name: Shared(
                size,
                self._kept[name],
                other._kept[name],
                int(_ONES[self._bits[name] & other._bits[name]].sum(dtype=np.int64)),
            )
            for name, size in self._sizes.items()
        }


def _listed(sizes: Mapping[str, int]) -> str:
    return ", ".join(f"{name} ({size})" for name, size in sizes.items())


def together(layers: Sequence[Shared]) -> Shared:
    """What two masks keep of all layers together."""
    return Shared(
        sum(layer.size for layer in layers),
        sum(layer.first for layer in layers),
        sum(layer.second for layer in layers),
        sum(layer.both for layer in layers),
    )


@dataclass(frozen=True)
class Chance:
    """The Jaccard overlap of two independent random masks."""

    mean: float
    std: float


def chance(layers: Sequence[Shared]) -> Chance:
    """The overlap that two independent random masks with these numbers of weights in each layer would have.

    Exact: in each layer the number of weights in common is hypergeometric, and their sum's distribution is the
    convolution; mean and standard deviation of the Jaccard index are sums over it.

    >>> round(chance([Shared(1000, 500, 500, 0)]).mean, 4)  # a quarter of three quarters, and a little
    0.3335
    """
    return _chance(tuple(sorted((each.size, *sorted((each.first, each.second))) for each in layers)))


@lru_cache(maxsize=4096)
def _chance(layers: tuple[tuple[int, int, int], ...]) -> Chance:
    least, probabilities = 0, np.ones(1)
    for size, fewer, more in layers:
        start, own = _hypergeometric(size, fewer, more)
        least, probabilities = _likely(least + start, np.convolve(probabilities, own))
    both = least + np.arange(len(probabilities))
    either = sum(fewer + more for _, fewer, more in layers) - both
    overlaps = np.divide(both, either, out=np.ones(len(both)), where=either > 0)
    mean = float(probabilities @ overlaps)
    return Chance(mean, math.sqrt(max(0.0, float(probabilities @ (overlaps - mean) ** 2))))


def _likely(least: int, probabilities: NDArray[np.float64]) -> tuple[int, NDArray[np.float64]]:
    """A distribution from its first value on, without what is negligible at its ends: of many layers, most of it."""
    (places,) = np.nonzero(probabilities > _NEGLIGIBLE * probabilities.max())
    return least + int(places[0]), probabilities[places[0] : places[-1] + 1]


def _hypergeometric(size: int, fewer: int, more: int) -> tuple[int, NDArray[np.float64]]:
    """The distribution of what two random sets of these numbers out of `size` share: its first value, and the rest.

    From the likeliest value outwards, each probability is the one before it times a ratio of small numbers, which
    loses no digits where factorials of millions would.
    """
    low, high = max(0, fewer + more - size), fewer
    mode = min(high, max(low, (fewer + 1) * (more + 1) // (size + 2)))
    upwards, downwards = [1.0], list[float]()
    x, p = mode, 1.0
    while x < high and p > _NEGLIGIBLE:
        p *= (fewer - x) * (more - x) / ((x + 1) * (size - fewer - more + x + 1))
        x += 1
        upwards.append(p)
    x, p = mode, 1.0
    while x > low and p > _NEGLIGIBLE:
        p *= x * (size - fewer - more + x) / ((fewer - x + 1) * (more - x + 1))
        x -= 1
        downwards.append(p)
    weights = np.array([*reversed(downwards), *upwards])
    return mode - len(downwards), weights / weights.sum()
