"""Stability to pruning and to data order, as SLTH defines them."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

from winnow.errors import RecipeError
from winnow.experiments.study import Child, Comparison, Study, Subnetwork, nearest_level, places
from winnow.recipe import Recipe
from winnow.steps import Compare, Draw, Prune
from winnow.timeline import Amount


def stability(
    recipe: Recipe,
    *,
    density: float,
    at: Sequence[Amount],
    samples: int = 4,
    pruning_samples: int = 1,
    with_random: bool = True,
) -> Study:
    """How far pruning, and SGD noise, move where training from iteration k ends, at each of several k.

    The subnetworks are IMP's, found with rewinding to each k, at the level of the recipe's ladder nearest to a
    density; beside them random masks of the same layer-wise densities.

    *To pruning*: the distance between the dense network and the subnetwork, both trained from W_k to the end under
    the same noise; `pruning_samples` noises for each replicate. *To data order*: the distance between two trainings
    of the subnetwork under different noise; all pairs of `samples` noises. Both are of the weights that the mask
    keeps. Source: SLTH (arXiv 1903.01611), §3 and Fig. 3-5: three replicates, three samples of stability to pruning
    and eighteen to data order, which four noises give (six pairs in each of three replicates).

    Raises RecipeError where a setting cannot mean anything.
    """
    _check(samples, pruning_samples, at)
    level, found = nearest_level(recipe, density)
    everywhere, experiments = places(recipe, at, level)
    networks: list[Subnetwork] = ["ticket", "random"] if with_random else ["ticket"]
    children: list[Child] = []
    comparisons: list[Comparison] = []
    for place in everywhere:
        end = place.dense.stop
        dense = place.children("dense", pruning_samples)
        children += dense
        for network in networks:
            mask: Prune | Draw = place.mask if network == "ticket" else place.random
            pruned = place.children(network, max(samples, pruning_samples))
            children += pruned
            for n, whole in enumerate(dense):
                step = Compare(first=whole.trained, second=pruned[n].trained, mask=mask)
                comparisons.append(place.comparison("pruning", network, (n, n), end, step))
            for a, b in combinations(range(samples), 2):
                step = Compare(first=pruned[a].trained, second=pruned[b].trained, mask=mask)
                comparisons.append(place.comparison("data-order", network, (a, b), end, step))
    return Study(
        name="stability",
        recipe=recipe,
        level=level,
        density=found,
        children=tuple(children),
        comparisons=tuple(comparisons),
        experiments=experiments,
        settings={
            "density": density,
            "at": [str(k) for k in at],
            "samples": samples,
            "pruning_samples": pruning_samples,
            "with_random": with_random,
        },
    )


def _check(samples: int, pruning_samples: int, at: Sequence[Amount]) -> None:
    if samples < 2:
        raise RecipeError(f"samples is {samples}; stability to data order compares noises. Give at least 2.")
    if pruning_samples < 1:
        raise RecipeError(f"pruning_samples is {pruning_samples}. Give at least 1.")
    if not at:
        raise RecipeError("no rewind point was given. Write where to look, such as 0it,100it,500it.")
