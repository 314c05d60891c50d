from __future__ import annotations

from fractions import Fraction
from itertools import combinations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from winnow.errors import LayerCollapse, RecipeError
from winnow.pattern import Pattern
from winnow.pruning import Context, Layer, Mask, prune
from winnow.pruning.granularity import keep_pattern, keep_units, kept_at
from winnow.pruning.prune import Scope
from winnow.pruning.scores import named_score
from winnow.pruning.selection import keep_most_of_groups

FIFTH = Fraction(1, 5)


@pytest.mark.parametrize("scores, alive, n, kept", [
    ([3.0, 1.0, 2.0, 4.0], [1, 1, 1, 1], 2, [1, 0, 0, 1]),
    ([1.0, 1.0, 1.0, 1.0], [1, 1, 1, 1], 2, [0, 0, 1, 1]),  # ties: the first go, and exactly two
    ([1.0, 2.0, 1.0, 2.0], [1, 1, 1, 1], 3, [0, 1, 1, 1]),
    ([9.0, 1.0, 8.0, 2.0], [0, 1, 0, 1], 2, [0, 1, 0, 1]),  # the dead stay dead, however high their scores
    ([9.0, 1.0, 8.0, 2.0], [0, 1, 0, 1], 1, [0, 0, 0, 1]),
    ([9.0, 1.0, 8.0, 2.0], [0, 0, 0, 0], 2, [0, 0, 0, 0]),
    ([3.0, 1.0, 2.0, 4.0], [1, 1, 1, 1], 0, [0, 0, 0, 0]),
    ([3.0, 1.0, 2.0, 4.0], [1, 1, 1, 1], 4, [1, 1, 1, 1]),
    ([-3.0, -1.0, 0.0, -4.0], [1, 1, 1, 1], 2, [0, 1, 1, 0]),
    ([float("-inf"), -1.0, 0.0, -4.0], [1, 1, 0, 0], 2, [1, 1, 0, 0]),
    ([float("nan"), -1.0, 0.0, -4.0], [0, 1, 1, 1], 2, [0, 1, 1, 0]),  # of the dead a score need be no number
])  # fmt: skip
def test_of_every_group_exactly_the_n_highest_of_the_alive_weights_stay(
    scores: list[float], alive: list[int], n: int, kept: list[int]
) -> None:
    found = keep_most_of_groups(torch.tensor([scores]), torch.tensor([alive]).bool(), n)
    assert found[0].int().tolist() == kept


def test_a_negative_number_cannot_be_kept() -> None:
    with pytest.raises(ValueError, match="cannot keep -1 weights of a group"):
        keep_most_of_groups(torch.ones(1, 4), torch.ones(1, 4, dtype=torch.bool), -1)


@given(seed=st.integers(0, 1000))
def test_a_pattern_keeps_the_choice_of_each_group_with_the_largest_sum(seed: int) -> None:
    scores = torch.rand(3, 8, generator=torch.Generator().manual_seed(seed))
    mask = keep_pattern(scores, torch.ones(3, 8, dtype=torch.bool), Pattern(2, 4))
    for row in range(3):
        for group in (range(4), range(4, 8)):
            best = max(combinations(group, 2), key=lambda pair: float(scores[row, list(pair)].sum()))
            assert tuple(at for at in group if mask[row, at]) == best


def test_a_group_that_is_short_keeps_n_of_what_it_has_at_most() -> None:
    scores = torch.tensor([[5.0, 1.0, 4.0, 2.0, 3.0, 1.0, 2.0], [1.0, 2.0, 3.0, 4.0, 1.0, 1.0, 1.0]])
    mask = keep_pattern(scores, torch.ones(2, 7, dtype=torch.bool), Pattern(2, 4))
    assert mask.int().tolist() == [[1, 0, 1, 0, 1, 0, 1], [0, 0, 1, 1, 0, 1, 1]]
    assert keep_pattern(torch.ones(2, 1), torch.ones(2, 1, dtype=torch.bool), Pattern(2, 4)).all()


def test_groups_of_a_convolution_are_of_input_channels_at_one_place_of_the_kernel() -> None:
    scores = torch.rand(5, 8, 3, 3, generator=torch.Generator().manual_seed(0))
    mask = keep_pattern(scores, torch.ones(5, 8, 3, 3, dtype=torch.bool), Pattern(2, 4))
    assert mask.shape == scores.shape
    assert (mask.view(5, 2, 4, 3, 3).sum(2) == 2).all()
    first = keep_pattern(scores[:, :, 1, 2], torch.ones(5, 8, dtype=torch.bool), Pattern(2, 4))
    assert torch.equal(mask[:, :, 1, 2], first)


@pytest.mark.parametrize("rows, kept, chosen", [
    ([[3.0, 4.0], [0.0, 6.0], [1.0, 1.0]], 2, [1, 1, 0]),  # norms 5, 6 and 1.4
    ([[3.0, 4.0], [0.0, 6.0], [1.0, 1.0]], 1, [0, 1, 0]),  # where by the sum of sizes the first would stay
    ([[1.0, 1.0], [1.0, 1.0], [1.0, 1.0]], 1, [0, 0, 1]),  # ties
    ([[3.0, 4.0], [0.0, 6.0], [1.0, 1.0]], 0, [0, 0, 0]),
    ([[3.0, 4.0], [0.0, 6.0], [1.0, 1.0]], 3, [1, 1, 1]),
    ([[3.0, -4.0], [0.0, 1.0], [-1.0, -1.0]], 2, [0, 1, 0]),  # scores below zero count against a unit
])  # fmt: skip
def test_units_rank_by_the_l2_norm_of_their_scores_and_exactly_so_many_stay(
    rows: list[list[float]], kept: int, chosen: list[int]
) -> None:
    alive = torch.ones(3, 2, dtype=torch.bool)
    if rows[0][1] < 0:
        alive[2] = False  # and a dead unit stays dead
        kept -= 1
    found = keep_units({"fc": torch.tensor(rows)}, {"fc": alive}, kept)["fc"]
    assert found.all(1).int().tolist() == found.any(1).int().tolist() == chosen


def layers(**shapes: tuple[int, ...]) -> dict[str, Layer]:
    return {name: Layer("linear", shape, FIFTH) for name, shape in shapes.items()}


def weights_of(of: dict[str, Layer], seed: int, ties: bool) -> dict[str, Tensor]:
    stream = torch.Generator().manual_seed(seed)
    weights = {name: torch.randn(layer.shape, generator=stream) for name, layer in of.items()}
    return {name: weight.round() if ties else weight for name, weight in weights.items()}


@pytest.mark.parametrize("scope", ["layerwise", "global"])
@pytest.mark.parametrize("ties", [False, True])
def test_levels_of_whole_units_are_nested_and_count_units_exactly(scope: Scope, ties: bool) -> None:
    of = layers(conv=(21, 4, 3, 3), fc=(50, 12))
    mask = Mask.ones({name: layer.shape for name, layer in of.items()})
    for level in range(1, 7):
        before = mask
        weights = weights_of(of, level, ties)
        before.apply_(weights)
        context = Context.of_weights(weights, before)
        mask = prune(context, layers=of, level=level, scope=scope, score=named_score("magnitude"), granularity="unit")
        assert mask.is_within(before)
        units = {name: kept.flatten(1).any(1) for name, kept in mask.items()}
        assert all(torch.equal(units[name], kept.flatten(1).all(1)) for name, kept in mask.items())
        counts = {name: int(alive.sum()) for name, alive in units.items()}
        if scope == "layerwise":
            assert counts == {name: int(len(units[name]) * 0.8**level + 0.5) for name in of}
            assert mask.kept == sum(kept_at(layer, level, "unit") for layer in of.values())
        else:
            assert sum(counts.values()) == int(71 * 0.8**level + 0.5)


def test_where_layers_compete_units_are_compared_by_the_mean_of_their_squares_not_by_their_size() -> None:
    of = layers(wide=(5, 100), narrow=(5, 4))
    weights = {"wide": torch.full((5, 100), 0.5), "narrow": torch.full((5, 4), 1.0)}
    mask = Mask.ones({name: layer.shape for name, layer in of.items()})
    score = named_score("magnitude")
    found = prune(
        Context.of_weights(weights, mask), layers=of, level=1, scope="global", score=score, granularity="unit"
    )
    assert [int(kept.any(1).sum()) for kept in found.values()] == [3, 5]


def test_a_layer_without_units_is_refused() -> None:
    of = layers(one=(1, 6), fc=(50, 12))
    mask = Mask.ones({name: layer.shape for name, layer in of.items()})
    with pytest.raises(LayerCollapse, match="level 4 would leave no weights in one"):
        prune(
            Context.of_weights(weights_of(of, 0, False), mask),
            layers=of, level=4, scope="layerwise", score=named_score("magnitude"), granularity="unit",
        )  # fmt: skip


@pytest.mark.parametrize("scope", ["layerwise", "global"])
def test_a_pattern_is_exact_whatever_the_scope_and_takes_the_place_of_rates(scope: Scope) -> None:
    of = layers(conv=(21, 4, 3, 3), fc=(50, 12), short=(7, 3))
    mask = Mask.ones({name: layer.shape for name, layer in of.items()})
    found = prune(
        Context.of_weights(weights_of(of, 0, True), mask),
        layers=of, level=1, scope=scope, score=named_score("magnitude"), granularity="2:4",
    )  # fmt: skip
    assert found.layer_densities() == {"conv": 0.5, "fc": 0.5, "short": 2 / 3}
    assert found.kept == sum(kept_at(layer, 1, "2:4") for layer in of.values())


@pytest.mark.parametrize("written, pattern", [
    ("weight", None), ("unit", None), ("2:4", Pattern(2, 4)), ("1:16", Pattern(1, 16)),
])  # fmt: skip
def test_granularities_that_mean_something(written: str, pattern: Pattern | None) -> None:
    assert Pattern.parse(written) == pattern


@pytest.mark.parametrize("written, message", [
    ("row", r"'row' is no granularity.\nWrite 'weight' \(single weights\), '2:4'"),
    ("2:", "no granularity"),
    ("0:4", "'0:4' would keep 0 of every 4 weights. Keep at least 1, and fewer than all."),
    ("4:4", "'4:4' would keep 4 of every 4 weights"),
])  # fmt: skip
def test_granularities_that_mean_nothing_are_refused(written: str, message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        Pattern.parse(written)
