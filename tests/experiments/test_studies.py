from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest

from winnow.errors import RecipeError
from winnow.experiments import imp, instability, stability
from winnow.experiments.search import Judgement, bisect, candidates
from winnow.experiments.study import nearest_level, places
from winnow.recipes import read
from winnow.steps import Compare, Draw, Interpolate, Train
from winnow.store.studies import study_identity
from winnow.timeline import Amount

RECIPE = read("digits").edited({"replicates": 3, "control": []})
AT = [Amount.parse("0it"), Amount.parse("20it")]


def test_the_papers_numbers_of_comparisons() -> None:
    study = stability(RECIPE, density=0.107, at=AT, samples=4)
    counts = {
        (quantity, network): sum(
            (each.quantity, each.network, each.k) == (quantity, network, 20) for each in study.comparisons
        )
        for quantity in ("pruning", "data-order")
        for network in ("ticket", "random")
    }
    assert set(counts.values()) == {3, 18}
    assert counts["pruning", "ticket"] == 3


def test_stability_to_pruning_compares_two_trainings_from_the_same_point_under_the_same_noise() -> None:
    study = stability(RECIPE, density=0.107, at=AT, samples=3, pruning_samples=2)
    for each in study.comparisons:
        step = each.step
        assert isinstance(step, Compare)
        assert step.mask == step.second.mask
        assert isinstance(step.mask, Draw) == (each.network == "random")
        if each.quantity == "pruning":
            assert step.first.mask is None
            assert step.first.noise == step.second.noise
            assert step.first.origin == step.second.origin or (step.first.start, each.samples) == (0, (0, 0))
        else:
            assert step.first.mask == step.second.mask
            assert step.first.origin == step.second.origin
            assert step.first.noise != step.second.noise


def test_the_first_noise_is_the_tickets_own_so_a_finished_run_lacks_the_others_alone() -> None:
    ran = imp(RECIPE.edited({"rewind": "20it"}))
    trained = {row.trained for row in ran.rows}
    study = stability(RECIPE, density=0.107, at=[Amount.parse("20it")], samples=3)
    new = {child.trained for child in study.children} - trained
    assert {(child.network, child.sample) for child in study.children if child.trained in new} == {
        *(("ticket", sample) for sample in (1, 2)),
        *(("random", sample) for sample in (0, 1, 2)),
    }


def test_random_masks_differ_between_replicates_alone() -> None:
    study = stability(RECIPE, density=0.107, at=AT, samples=2)
    random = [each for each in study.comparisons if each.network == "random"]
    drawn = {(each.k, each.replicate): each.step.mask for each in random if isinstance(each.step, Compare)}
    assert len({mask.key for mask in drawn.values()}) == len(drawn)  # k moves the mask that it is drawn after
    for (k, replicate), mask in drawn.items():
        assert isinstance(mask, Draw)
        assert mask.replicate == replicate
        assert (isinstance(mask.like.trained, Train) and mask.like.trained.start == k) or k == 0


def test_instability_compares_children_of_the_same_point_under_different_noise() -> None:
    study = instability(RECIPE, at=AT, samples=3, early=(0.5,))
    assert len(study.comparisons) == 2 * 3 * 3 * 2  # k, replicates, pairs, the middle and the end
    for each in study.comparisons:
        step = each.step
        assert isinstance(step, Interpolate)
        assert step.first.noise != step.second.noise
        assert step.first.stop == step.second.stop == each.stop
        assert each.stop in (300, each.k + (300 - each.k) // 2)
        for child, sample in zip((step.first, step.second), each.samples, strict=True):
            assert child.start == (0 if sample == 0 else each.k)  # the trunk going on, or a branch from W_k


def test_all_training_examples_are_the_same_measurement_however_many_more_are_asked_for() -> None:
    usual, more, few = (instability(RECIPE, at=AT, **given) for given in ({}, {"examples": 2_000}, {"examples": 10}))
    assert [each.step for each in usual.comparisons] == [each.step for each in more.comparisons]
    assert study_identity(usual) == study_identity(more) != study_identity(few)
    assert usual.comparisons[0].step != few.comparisons[0].step


def test_looking_early_asks_for_no_further_training() -> None:
    ends = {child.trained.trajectory for child in instability(RECIPE, at=AT).children}
    early = instability(RECIPE, at=AT, early=(0.1, 0.2))
    steps = [step for each in early.comparisons for step in each.step.inputs.values()]
    looked_at = {step.trajectory for step in steps if isinstance(step, Train)}
    assert looked_at == ends


@pytest.mark.parametrize(
    "recipe, density, level, actual",
    [
        ("lenet-mnist", 0.107, 10, 0.1083),  # SLTH's 10.7 %: 265,200 and 1,000 kernels at 20 and 10 %
        ("lenet-mnist", 0.0361, 15, 0.0359),
        ("lenet-mnist", 0.99, 1, 0.8004),
    ],
)
def test_the_nearest_level_is_taken(recipe: str, density: float, level: int, actual: float) -> None:
    found, its_density = nearest_level(read(recipe), density)
    assert (found, its_density) == (level, pytest.approx(actual, abs=2e-4))


def test_where_the_density_of_a_level_is_not_known_beforehand_no_level_is_the_nearest() -> None:
    units = {"prune.granularity": "unit", "prune.rate.output": None}
    assert nearest_level(read("digits").edited(units), 0.64)[0] == 2
    with pytest.raises(RecipeError, match=r"which density a level has is known only once whole units of all layers"):
        nearest_level(read("digits").edited(units | {"prune.scope": "global"}), 0.64)


@pytest.mark.parametrize(
    "settings, message",
    [
        ({"density": 10.7}, r"density 10.7 is not between 0 and 1. Write a percentage such as 10.7%"),
        ({"samples": 1}, r"samples is 1; stability to data order compares noises. Give at least 2."),
        ({"at": []}, r"no rewind point was given. Write where to look"),
        ({"at": [Amount.parse("16it"), Amount.parse("1ep")]}, r"1ep is iteration 16, which is asked for twice"),
        ({"at": [Amount.parse("300it")]}, r"rewind point 300it is not before the end of training \(300it\)"),
    ],
)
def test_what_cannot_mean_anything_is_refused_in_words(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        stability(RECIPE, **({"density": 0.107, "at": AT} | settings))


def test_a_line_is_measured_on_several_examples_since_batch_norm_takes_their_variance() -> None:
    with pytest.raises(RecipeError, match=r"examples is 1. Give at least 2"):
        instability(RECIPE, at=AT, examples=1)


@pytest.mark.parametrize("onset", [0, 1, 2, 3, 6, 12, 25, 50, 100, None])
def test_bisection_finds_the_onset_with_at_most_half_of_the_grid(onset: int | None) -> None:
    grid = candidates(100, 2.0)
    found, tried = bisect(grid, lambda k: Judgement(k, (0.0 if onset is not None and k >= onset else 9.0,), 2.0))
    assert found == onset
    assert len(tried) <= 4 < len(grid) / 2
    assert len({each.k for each in tried}) == len(tried)


def test_where_stability_comes_and_goes_bisection_is_no_grid() -> None:
    grid = candidates(100, 2.0)  # 0, 1, 2, 3, 6, 12, 25, 50, 100
    found, _ = bisect(grid, lambda k: Judgement(k, (0.0 if k == 3 or k >= 25 else 9.0,), 2.0))
    assert found == 25  # where the least stable one is 3: `winnow onset` says what it takes for granted


def test_candidates_lie_on_a_log_scale_below_the_last() -> None:
    for until, ratio in ((6000, 2.0), (6000, 1.3), (5, 1.1), (1, 2.0)):
        grid = candidates(until, ratio)
        assert (grid[0], grid[1], grid[-1]) == (0, 1, until)
        assert all(b <= a * ratio + 1 for a, b in pairwise(grid[1:]))


@pytest.mark.parametrize(
    "values, is_stable, is_clear",
    [
        ((1.0, 1.1, 0.9), True, True),
        ((3.0, 3.1, 2.9), False, True),
        ((1.0, 2.5, 1.0), True, False),
        ((1.0,), True, False),  # one replicate is never clear
    ],
)
def test_a_judgement_is_clear_where_the_interval_is_on_one_side(
    values: tuple[float, ...], is_stable: bool, is_clear: bool
) -> None:
    found = Judgement(0, values, 2.0)
    assert (found.is_stable, found.is_clear) == (is_stable, is_clear)


@pytest.mark.parametrize("k, is_fresh", [("0it", False), ("5it", True)])
def test_where_tickets_begin_with_fresh_buffers_so_does_the_dense_network_beside_them(k: str, is_fresh: bool) -> None:
    recipe = RECIPE.edited({"optimizer.at_rewind": "fresh"})
    for place in places(recipe, [Amount.parse(k)], 2)[0]:
        for sample in range(2):
            dense, ticket = place.child("dense", sample), place.child("ticket", sample)
            assert dense.fresh_optimizer == is_fresh and dense.age == ticket.age
            assert dense.noise == ticket.noise
