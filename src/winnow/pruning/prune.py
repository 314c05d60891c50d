"""One round: trained weights and the mask before it -> the mask after it."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import Literal

import torch
from torch import Tensor

from winnow.errors import LayerCollapse
from winnow.pruning.layers import Layer
from winnow.pruning.mask import Mask
from winnow.pruning.scores import Score
from winnow.pruning.selection import keep_largest

Scope = Literal["global", "layerwise"]


def kept_weights(size: int, rate: Fraction, level: int) -> int:
    """How many of `size` weights remain at a level: size * (1 - rate) ** level, to the nearest weight.

    Exact rational arithmetic from the original size, so that roundings do not pile up over the levels.

    >>> kept_weights(235_200, Fraction(1, 5), 3)
    120422
    """
    return int(size * (1 - rate) ** level + Fraction(1, 2))


def prune(
    weights: Mapping[str, Tensor],
    before: Mask,
    *,
    layers: Mapping[str, Layer],
    level: int,
    scope: Scope,
    score: Score,
    at_once: bool = False,
) -> Mask:
    """The mask of a level: of the weights alive `before`, the lowest-scored are removed, down to the level's count.

    `layerwise` ranks each layer's weights among themselves, `global` all layers' together. `at_once` says that the
    layers' rates are what the level removes in all, not per round. Raises LayerCollapse when a layer would be left
    without weights.

    Source: SLTH (arXiv 1903.01611), Algorithm 1; LTH (arXiv 1803.03635), §2 (layerwise) and §4 (global).
    """
    scored = score({name: weights[name] for name in layers})
    groups = [[name] for name in layers] if scope == "layerwise" else [list(layers)]
    after: dict[str, Tensor] = {}
    for group in groups:
        flat_scores = torch.cat([scored[name].flatten() for name in group])
        alive = torch.cat([before[name].flatten() for name in group])
        kept = kept_weights(len(alive), layers[group[0]].rate, 1 if at_once else level)
        mask = keep_largest(flat_scores, alive, int(alive.sum()) - kept)
        parts = torch.split(mask, [layers[name].size for name in group])
        for name, part in zip(group, parts, strict=True):
            after[name] = part.reshape(layers[name].shape)
    _check_every_layer_is_alive(after, level, scope)
    return Mask({name: after[name] for name in layers})


def _check_every_layer_is_alive(kept: Mapping[str, Tensor], level: int, scope: Scope) -> None:
    another = ", or scope 'layerwise'" if scope == "global" else ""
    empty = [name for name, mask in kept.items() if not mask.any()]
    if empty:
        raise LayerCollapse(
            f"level {level} would leave no weights in {', '.join(empty)}, so no signal could pass.\n"
            f"Ask for fewer levels, a smaller rate for that kind of layer{another}."
        )
