"""Weights that keep of others only their signs: whether a ticket's magnitudes matter, or which way it starts."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Generator, Tensor

from winnow.errors import UnknownName
from winnow.pruning.mask import Mask


def altered(weights: Mapping[str, Tensor], mask: Mask, how: str, generator: Generator) -> dict[str, Tensor]:
    """A network's values with those that a mask names altered: `signs` or `signs-shuffled`. Raises UnknownName.

    `signs`: every weight becomes its sign times one magnitude for the layer, the standard deviation of the whole
    layer before masking (of those weights that no earlier mask has made zero). `signs-shuffled`: so too, with the signs
    of the weights that remain permuted among them, so that a layer has as many of each sign as before, at other places.
    All that the mask does not name stays.

    Source: Zhou et al. 2019 (arXiv 1905.01067), §3: "constant" values, with the signs kept or random.

    >>> weights = {"w": torch.tensor([3.0, -1.0, -2.0, 0.5]), "bias": torch.tensor([7.0])}
    >>> mask = Mask({"w": torch.tensor([True, True, False, True])})
    >>> found = altered(weights, mask, "signs", Generator())
    >>> (found["w"] / weights["w"].std(correction=0)).round(decimals=4).tolist(), found["bias"].tolist()
    ([1.0, -1.0, -1.0, 1.0], [7.0])
    """
    if how not in ("signs", "signs-shuffled"):
        raise UnknownName("way to alter weights", how, ("signs", "signs-shuffled"))
    new = dict(weights)
    for name, kept in mask.items():
        signs = weights[name].sign()
        if how == "signs-shuffled":
            remaining = signs[kept]
            signs[kept] = remaining[torch.randperm(len(remaining), generator=generator)]
        there = weights[name][weights[name] != 0].double()
        new[name] = signs * (there.std(correction=0).to(signs.dtype) if len(there) else 0)
    return new
