"""One round: a network, its weights and the mask before it -> the mask after it."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import Literal

from torch import Tensor

from winnow.errors import LayerCollapse
from winnow.pattern import UNIT, WEIGHT, Pattern
from winnow.pruning.context import Context
from winnow.pruning.granularity import keep_pattern, keep_units, keep_weights, kept_weights
from winnow.pruning.layers import Layer
from winnow.pruning.mask import Mask
from winnow.pruning.scores import Registered, taken

Scope = Literal["global", "layerwise"]


def prune(
    context: Context,
    *,
    layers: Mapping[str, Layer],
    level: int,
    scope: Scope,
    score: Registered,
    granularity: str = WEIGHT,
    at_once: bool = False,
) -> Mask:
    """The mask of a level: of the weights alive before, the lowest-scored are removed, down to the level's count.

    `layerwise` ranks each layer's weights among themselves, `global` all layers' together. A score in several passes
    (SynFlow) removes them in as many parts. `at_once` says that the layers' rates are what the level removes in all,
    not per round. Raises LayerCollapse when a layer would be left without weights.

    Source: SLTH (arXiv 1903.01611), Algorithm 1; LTH (arXiv 1803.03635), §2 (layerwise) and §4 (global).
    """
    groups = [[name] for name in layers] if scope == "layerwise" else [list(layers)]
    pattern = Pattern.parse(granularity)
    passes = 1 if pattern else score.passes  # a pattern has one density, so nothing lies between
    keep = keep_units if granularity == UNIT else keep_weights
    mask = context.mask
    for number in range(1, passes + 1):
        scored = taken(score, context.under(mask) if number > 1 else context)
        chosen: dict[str, Tensor] = {}
        for group in groups:
            scores, alive = {name: scored[name] for name in group}, {name: mask[name] for name in group}
            if pattern:
                chosen |= {name: keep_pattern(scores[name], alive[name], pattern) for name in group}
                continue
            pieces = [_pieces(context.mask[name], granularity) for name in group]
            start = sum(int(alive.sum()) for alive in pieces)
            end = kept_weights(sum(alive.numel() for alive in pieces), layers[group[0]].rate, 1 if at_once else level)
            chosen |= keep(scores, alive, _on_the_way(start, end, Fraction(number, passes)))
        mask = Mask({name: chosen[name] for name in layers})
    check_every_layer_is_alive(
        mask,
        f"level {level}",
        "Ask for fewer levels, a smaller rate for that kind of layer" + ", or scope 'layerwise'" * (scope == "global"),
    )
    return mask


def _pieces(kept: Tensor, granularity: str) -> Tensor:
    """Which of what is removed in one piece are alive: weights, or a layer's output units."""
    return kept.flatten(1).any(1) if granularity == UNIT else kept


def _on_the_way(start: int, end: int, part: Fraction) -> int:
    """How many remain after a part of the way from `start` to `end`, which is exponential.

    >>> [_on_the_way(1_000, 10, Fraction(n, 2)) for n in (0, 1, 2)]
    [1000, 100, 10]
    """
    if part == 1:
        return end
    return max(end, round(start * (end / start) ** float(part))) if start else end


def check_every_layer_is_alive(kept: Mapping[str, Tensor], what: str, advice: str) -> None:
    """Raise LayerCollapse where a mask leaves a layer without weights."""
    empty = [name for name, mask in kept.items() if not mask.any()]
    if empty:
        raise LayerCollapse(f"{what} would leave no weights in {', '.join(empty)}, so no signal could pass.\n{advice}.")
