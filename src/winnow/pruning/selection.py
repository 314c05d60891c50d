"""Exact selection: which of the alive weights stay."""

from __future__ import annotations

from jaxtyping import Bool, Float
from torch import Tensor


def keep_largest(
    scores: Float[Tensor, " weights"], alive: Bool[Tensor, " weights"], remove: int
) -> Bool[Tensor, " weights"]:
    """The mask left after removing the `remove` lowest-scored of the alive weights.

    Ties are broken by position, the first going first, so exactly `remove` weights go: a threshold would take
    every weight equal to it, and masks of one recipe would differ in density.

    Raises ValueError unless 0 <= remove <= the number of alive weights.

    Source: the pruning step of IMP, LTH (arXiv 1803.03635), §1.

    >>> import torch
    >>> keep_largest(torch.tensor([1.0, 1.0, 3.0]), torch.tensor([True, True, True]), 1).tolist()
    [False, True, True]
    """
    positions = alive.nonzero().squeeze(1)  # (alive,)
    if not 0 <= remove <= len(positions):
        raise ValueError(f"cannot remove {remove} of {len(positions)} alive weights")
    mask = alive.clone()
    if remove:
        own = scores[positions]
        last = _smallest(own, remove)  # those below it go, and of its equals as many as are left
        below, tied = (~own.isnan(), own.isnan()) if bool(last.isnan()) else (own < last, own == last)
        mask[positions[below]] = False
        mask[positions[tied.nonzero().squeeze(1)[: remove - int(below.sum())]]] = False
    return mask


def _smallest(scores: Tensor, number: int) -> Tensor:
    """The number-th smallest score. Selecting it is faster than sorting; on a GPU, only sorting is deterministic."""
    if scores.device.type == "cpu":
        return scores.kthvalue(number).values
    return scores.sort().values[number - 1]
