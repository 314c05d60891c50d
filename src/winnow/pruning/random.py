"""Random masks: as many weights as another mask keeps, chosen by chance."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from fractions import Fraction

import torch
from torch import Generator, Tensor

from winnow.errors import UnknownName
from winnow.pruning.distribution import in_proportion
from winnow.pruning.mask import Mask

Drawing = Callable[[Mask, Generator], Mask]
"""A mask and a source of randomness -> a random mask after it."""


def drawn(mask: Mask, how: str, generator: Generator) -> Mask:
    """A random mask after another; `how` says what the two have in common. Raises UnknownName.

    From the same generator, masks drawn after nested masks are nested: chance, too, removes level by level. (But for
    single weights of `erdos-renyi`: a layer may get one more of fewer in all, by what is rounded.)

    >>> mask = Mask({"fc.weight": torch.tensor([[True, False, False], [False, True, False]])})
    >>> drawn(mask, "layerwise", Generator().manual_seed(0)).layer_densities() == mask.layer_densities()
    True
    """
    if how not in _DRAWINGS:
        raise UnknownName("random mask", how, _DRAWINGS)
    return _DRAWINGS[how](mask, generator)


def _layerwise(mask: Mask, generator: Generator) -> Mask:
    """In every layer as many weights as there: the baseline of SLTH (arXiv 1903.01611), §3.

    It keeps each layer's density and nothing else. So does permuting a mask within its layers (PAI, arXiv 2009.08576,
    §5): as distributions the two are one.
    """
    return _with_counts(mask, {name: int(kept.sum()) for name, kept in mask.items()}, generator)


def _units(mask: Mask, generator: Generator) -> Mask:
    """In every output unit (row or filter) as many weights as there, at other places among the unit's inputs.

    It keeps each layer's density, how many inputs every unit has, and which units have none; it loses which inputs.
    Source: shuffling within filters, Frankle, Schwab & Morcos 2020 (arXiv 2002.10365), §5.2.
    """
    return Mask({name: _shuffled_rows(kept.flatten(1), generator).view_as(kept) for name, kept in mask.items()})


def _shuffled_rows(kept: Tensor, generator: Generator) -> Tensor:
    """Each row (units, inputs) permuted for itself."""
    return kept.gather(1, torch.rand(kept.shape, generator=generator).argsort(dim=1, stable=True))


def _global(mask: Mask, generator: Generator) -> Mask:
    """As many weights in the whole network, each as likely as any other: every layer's density is about the same.

    Source: random pruning of PAI (arXiv 2009.08576), §3.
    """
    flat = torch.zeros(mask.size, dtype=torch.bool)
    flat[torch.randperm(mask.size, generator=generator)[: mask.kept]] = True
    parts = torch.split(flat, [kept.numel() for kept in mask.values()])
    return Mask({name: part.view_as(kept) for (name, kept), part in zip(mask.items(), parts, strict=True)})


def _erdos_renyi(mask: Mask, generator: Generator) -> Mask:
    """As many weights in the whole network, told to the layers by `erdos_renyi`."""
    shapes = {name: tuple(kept.shape) for name, kept in mask.items()}
    return _with_counts(mask, erdos_renyi(shapes, mask.kept), generator)


def _with_counts(mask: Mask, counts: Mapping[str, int], generator: Generator) -> Mask:
    kept = {name: torch.zeros(tensor.numel(), dtype=torch.bool) for name, tensor in mask.items()}
    for name, tensor in mask.items():
        kept[name][torch.randperm(tensor.numel(), generator=generator)[: counts[name]]] = True
    return Mask({name: kept[name].view_as(tensor) for name, tensor in mask.items()})


def erdos_renyi(shapes: Mapping[str, tuple[int, ...]], kept: int) -> dict[str, int]:
    """How many of `kept` weights each layer gets in an Erdős-Rényi(-kernel) network: narrow layers are denser.

    A layer's density is in proportion to (inputs + outputs) / (inputs * outputs), and with a kernel to the sum of its
    four lengths over their product, as far as no layer is more than whole; the counts add up exactly (`in_proportion`).
    Layers of Linear kernels (outputs, inputs) and of convolutions (outputs, inputs, ...).

    Source: Mocanu et al. 2018 (arXiv 1707.04780), eq. 1; with kernels, Evci et al. 2020 (arXiv 1911.11134), §3.

    >>> erdos_renyi({"wide": (100, 300), "narrow": (10, 100)}, 1_000)
    {'wide': 784, 'narrow': 216}
    >>> erdos_renyi({"wide": (100, 300), "narrow": (10, 100)}, 20_000)
    {'wide': 19000, 'narrow': 1000}
    """
    weights = {name: Fraction(sum(shape)) for name, shape in shapes.items()}  # density times size, up to a factor
    return in_proportion(weights, {name: math.prod(shape) for name, shape in shapes.items()}, kept)


_DRAWINGS: dict[str, Drawing] = {
    "layerwise": _layerwise,
    "units": _units,
    "global": _global,
    "erdos-renyi": _erdos_renyi,
}
