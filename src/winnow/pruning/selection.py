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


def keep_most_of_groups(
    scores: Float[Tensor, "groups m"], alive: Bool[Tensor, "groups m"], n: int
) -> Bool[Tensor, "groups m"]:
    """The mask that keeps, of every group, the `n` highest-scored of its alive weights; all where there are fewer.

    Ties are broken as in `keep_largest`: the first goes first.

    Raises ValueError for a negative n.

    >>> import torch
    >>> keep_most_of_groups(torch.tensor([[1.0, 1.0, 1.0, 3.0]]), torch.ones(1, 4, dtype=torch.bool), 2).tolist()
    [[False, False, True, True]]
    """
    if n < 0:
        raise ValueError(f"cannot keep {n} weights of a group")
    by_score = scores.argsort(dim=1, stable=True)
    # Stable again, so that the dead come first, and the alive in the order of their scores.
    order = by_score.gather(1, alive.gather(1, by_score).byte().argsort(dim=1, stable=True))  # (groups, m)
    chosen = order[:, max(0, order.shape[1] - n) :]
    mask = alive.new_zeros(alive.shape).scatter_(1, chosen, True)
    return mask & alive


def _smallest(scores: Tensor, number: int) -> Tensor:
    """The number-th smallest score. Selecting it is faster than sorting; on a GPU, only sorting is deterministic."""
    if scores.device.type == "cpu":
        return scores.kthvalue(number).values
    return scores.sort().values[number - 1]
