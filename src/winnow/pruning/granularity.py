"""In what pieces weights are removed: one by one, N of every M, or whole output units."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction

import torch
import torch.nn.functional as F
from torch import Tensor

from winnow.pattern import UNIT, WEIGHT, Pattern
from winnow.pruning.layers import Layer
from winnow.pruning.selection import keep_largest, keep_most_of_groups


def kept_weights(size: int, rate: Fraction, level: int) -> int:
    """How many of `size` weights, or units, remain at a level: size * (1 - rate) ** level, to the nearest one.

    Exact rational arithmetic from the original size, so that roundings do not pile up over the levels.

    >>> kept_weights(235_200, Fraction(1, 5), 3)
    120422
    """
    return int(size * (1 - rate) ** level + Fraction(1, 2))


def kept_at(layer: Layer, level: int, granularity: str = WEIGHT) -> int:
    """How many of a layer's weights remain at a level, layer by layer.

    >>> layer = Layer("linear", (10, 6), Fraction(1, 5))
    >>> kept_at(layer, 1), kept_at(layer, 1, "unit"), kept_at(layer, 1, "2:4")
    (48, 48, 40)
    """
    pattern = Pattern.parse(granularity)
    if pattern is not None:
        inputs = layer.shape[1]
        whole, rest = divmod(inputs, pattern.m)
        return layer.size // inputs * (whole * pattern.n + min(rest, pattern.n)) if level else layer.size
    if granularity == UNIT:
        units = layer.shape[0]
        return kept_weights(units, layer.rate, level) * (layer.size // units)
    return kept_weights(layer.size, layer.rate, level)


def keep_weights(scores: Mapping[str, Tensor], alive: Mapping[str, Tensor], kept: int) -> dict[str, Tensor]:
    """Masks of some layers that compete for `kept` weights in all: the highest-scored of the alive ones."""
    flat = torch.cat([alive[name].flatten() for name in scores])
    mask = keep_largest(torch.cat([score.flatten() for score in scores.values()]), flat, int(flat.sum()) - kept)
    parts = torch.split(mask, [score.numel() for score in scores.values()])
    return {name: part.view_as(alive[name]) for name, part in zip(scores, parts, strict=True)}


def keep_units(scores: Mapping[str, Tensor], alive: Mapping[str, Tensor], kept: int) -> dict[str, Tensor]:
    """Masks of some layers that compete for `kept` output units (rows, filters) in all; a unit stays or goes whole.

    A unit's score is the mean of its weights' scores, each times its own size: for magnitudes, units so rank by the L2
    norm of their weights, over the root of how many those are where layers compete (Li et al. 2017, arXiv 1608.08710,
    with L2); scores below zero count against a unit.
    """
    of_units = {name: (score * score.abs()).flatten(1).mean(1, keepdim=True) for name, score in scores.items()}
    is_alive = {name: alive[name].flatten(1).any(1, keepdim=True) for name in scores}
    chosen = keep_weights(of_units, is_alive, kept)
    return {name: chosen[name].expand(-1, scores[name][0].numel()).reshape(scores[name].shape) for name in scores}


def keep_pattern(scores: Tensor, alive: Tensor, pattern: Pattern) -> Tensor:
    """A layer's mask with the N highest-scored of every M consecutive weights along the inputs, dimension 1.

    A last group that is short keeps N of what it has, at most. For convolutions a group is of consecutive input
    channels at one place of the kernel. Source: Mishra et al. 2021 (arXiv 2104.08378), §3.
    """
    short = -scores.shape[1] % pattern.m
    by_inputs = F.pad(scores.movedim(1, -1), (0, short))  # (outputs, ..., inputs and what is short)
    is_alive = F.pad(alive.movedim(1, -1), (0, short))  # what is short is not alive, and so never kept
    kept = keep_most_of_groups(by_inputs.reshape(-1, pattern.m), is_alive.reshape(-1, pattern.m), pattern.n)
    return kept.view_as(is_alive)[..., : scores.shape[1]].movedim(-1, 1).contiguous()
