"""Rivals of tickets: sparse networks from one training, whose mask changes as it goes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from winnow.dynamic import METHODS, REVISION, Dynamic, Method
from winnow.errors import RecipeError, UnknownName
from winnow.experiments.controls import check_is_one
from winnow.experiments.experiment import Row
from winnow.facts import parameters
from winnow.from_recipe import timeline
from winnow.pattern import UNIT
from winnow.pruning.distribution import kept_in_all, told
from winnow.pruning.layers import Use, prunable_of
from winnow.recipe import Recipe
from winnow.steps import Train


def rivals(recipe: Recipe, dense: Sequence[Train]) -> list[Row]:
    """The recipe's rivals at the density of every level: as many weights in all, to the weight, as its tickets keep.

    Each is one training of the whole length, from the initialization of the dense network beside it and under the same
    noise, so that the replicates of both are paired. Raises RecipeError where the mask's schedule cannot be followed.
    """
    if not recipe.rival:
        return []
    if recipe.prune.granularity == UNIT and recipe.prune.scope == "global":
        raise RecipeError(
            "rivals have as many weights as the tickets of their level, and how many those are is known only once "
            "whole units of all layers together are ranked.\nGive prune.scope = 'layerwise', or leave rival out."
        )
    methods: list[Method] = [_named(name) for name in dict.fromkeys(recipe.rival)]
    uses = parameters(dense[0].course.network)
    return [
        Row(
            control=method,
            replicate=trained.noise.replicate,
            level=level,
            trained=replace(trained, dynamic=_schedule(recipe, method, uses, level)),
        )
        for trained in dense
        for level in range(1, recipe.levels + 1)
        for method in methods
    ]


def _named(name: str) -> Method:
    methods: dict[str, Method] = {method: method for method in METHODS}
    check_is_one("rival", name)
    if name not in methods:
        raise UnknownName("rival", name, methods)
    return methods[name]


def _schedule(recipe: Recipe, method: Method, uses: Mapping[str, Use], level: int) -> Dynamic:
    amounts, settings = timeline(recipe), recipe.dynamic
    every, start, end = (
        amount.iterations(per_epoch=amounts.per_epoch, total=amounts.length)
        for amount in (settings.every, settings.start, settings.end)
    )
    is_gradual = method == "gmp"
    start = start if is_gradual else 0
    if not start < end < amounts.length:
        raise RecipeError(
            f"dynamic.end is {settings.end} (iteration {end}). Masks begin to change after iteration {start};\n"
            f"the end of that must come later, and before the end of training ({amounts.length}it)."
        )
    if every < 1 or start + every > end:
        raise RecipeError(
            f"dynamic.every is {settings.every} ({every}it), which leaves no update between iterations {start} and "
            f"{end}. Give at least 1it, and no more than is between them."
        )
    distribution = settings.distribution or ("recipe" if is_gradual else "erdos-renyi")
    layers = prunable_of(uses, recipe.prune.rate_at(level), recipe.prune.exclude, recipe.prune.include)
    rounds = 1 if recipe.prune.densities else level  # of which each removes its rate
    kept = told(layers, kept_in_all(layers, rounds, recipe.prune.scope, recipe.prune.granularity), distribution, rounds)
    empty = [name for name, count in kept.items() if not count]
    if empty:
        raise RecipeError(f"level {level} of the rival '{method}' would leave no weights in {', '.join(empty)}.")
    return Dynamic(
        method=method,
        kept=tuple(kept.items()),
        every=every,
        end=end,
        start=start if is_gradual else None,
        drop=None if is_gradual else settings.drop,
        revision=None if is_gradual else REVISION,
    )
