"""Random masks: as many weights as another mask keeps, chosen by chance."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Generator

from winnow.errors import UnknownName
from winnow.pruning.mask import Mask

Drawing = Callable[[Mask, Generator], Mask]
"""A mask and a source of randomness -> a random mask after it."""


def drawn(mask: Mask, how: str, generator: Generator) -> Mask:
    """A random mask after another; `how` says what the two have in common. Raises UnknownName.

    >>> mask = Mask({"fc.weight": torch.tensor([[True, False, False], [False, True, False]])})
    >>> drawn(mask, "layerwise", Generator().manual_seed(0)).layer_densities() == mask.layer_densities()
    True
    """
    if how not in _DRAWINGS:
        raise UnknownName("random mask", how, _DRAWINGS)
    return _DRAWINGS[how](mask, generator)


def _layerwise(mask: Mask, generator: Generator) -> Mask:
    """In every layer as many weights as there: the baseline of SLTH (arXiv 1903.01611), §3."""
    kept = {name: torch.zeros(tensor.numel(), dtype=torch.bool) for name, tensor in mask.items()}
    for name, tensor in mask.items():
        chosen = torch.randperm(tensor.numel(), generator=generator)[: int(tensor.sum())]
        kept[name][chosen] = True
    return Mask({name: kept[name].reshape(tensor.shape) for name, tensor in mask.items()})


_DRAWINGS: dict[str, Drawing] = {"layerwise": _layerwise}
