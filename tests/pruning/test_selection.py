from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from winnow.pruning import keep_largest


@pytest.mark.parametrize(
    "scores, alive, remove, kept",
    [
        ([3.0, 1.0, 2.0], [1, 1, 1], 1, [1, 0, 1]),
        ([1.0, 1.0, 1.0], [1, 1, 1], 2, [0, 0, 1]),  # ties: by position, and exactly two
        ([2.0, 1.0, 1.0, 1.0], [1, 1, 1, 1], 2, [1, 0, 0, 1]),
        ([0.0, 0.0, 5.0], [1, 1, 1], 0, [1, 1, 1]),
        ([2.0, 1.0, 3.0], [1, 1, 1], 3, [0, 0, 0]),
        ([0.0, 4.0, 3.0], [0, 1, 1], 1, [0, 1, 0]),  # the pruned weight is not counted again
        ([0.0, 0.0, 0.0], [0, 1, 1], 1, [0, 0, 1]),  # an alive weight may be zero too
        ([9.0, 1.0, 1.0], [0, 1, 0], 0, [0, 1, 0]),
        ([9.0, 1.0, 1.0], [0, 1, 0], 1, [0, 0, 0]),
        ([1.0, 2.0], [0, 0], 0, [0, 0]),
        ([], [], 0, []),
        ([-1.0, -2.0, 0.0], [1, 1, 1], 1, [1, 0, 1]),  # a score may be negative: GraSP's is
        ([math.inf, 1.0, -math.inf], [1, 1, 1], 2, [1, 0, 0]),
        ([math.nan, 1.0, math.nan, 2.0], [1, 1, 1, 1], 1, [1, 0, 1, 1]),  # of a training that diverges: still exact
        ([math.nan, 1.0, math.nan, 2.0], [1, 1, 1, 1], 3, [0, 0, 1, 0]),
    ],
)
def test_exactly_n_of_the_alive_weights_are_removed(
    scores: list[float], alive: list[int], remove: int, kept: list[int]
) -> None:
    mask = keep_largest(torch.tensor(scores), torch.tensor(alive, dtype=torch.bool), remove)
    assert mask.int().tolist() == kept


@pytest.mark.parametrize("remove", [-1, 3])
def test_more_than_there_are_cannot_be_removed(remove: int) -> None:
    with pytest.raises(ValueError, match=rf"cannot remove {remove} of 2 alive weights"):
        keep_largest(torch.ones(3), torch.tensor([True, False, True]), remove)


@given(data=st.data(), size=st.integers(1, 60))
def test_a_removed_weight_never_outranks_one_that_is_kept(data: st.DataObject, size: int) -> None:
    scores = torch.tensor(data.draw(st.lists(st.sampled_from([0.0, 1.0, 2.0, 3.0]), min_size=size, max_size=size)))
    alive = torch.tensor(data.draw(st.lists(st.booleans(), min_size=size, max_size=size)))
    remove = data.draw(st.integers(0, int(alive.sum())))
    before = alive.clone()

    kept = keep_largest(scores, alive, remove)

    removed = alive & ~kept
    assert int(removed.sum()) == remove
    assert not (kept & ~alive).any()
    ranked = [(float(scores[position]), position) for position in range(size)]  # ties by position
    lost = [ranked[int(position)] for position in removed.nonzero()]
    stayed = [ranked[int(position)] for position in kept.nonzero()]
    assert not lost or not stayed or max(lost) < min(stayed)
    assert torch.equal(alive, before)
