"""Instability to SGD noise: linear mode connectivity between two children of the same W_k."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

from winnow.data import described
from winnow.errors import RecipeError
from winnow.experiments.study import Child, Comparison, Place, Study, Subnetwork, nearest_level, places
from winnow.recipe import Recipe
from winnow.steps import Interpolate
from winnow.timeline import Amount

EXAMPLES = 10_000
"""Of how many training examples, at most, points on a line are measured where nothing else is said."""


def instability(
    recipe: Recipe,
    *,
    at: Sequence[Amount],
    density: float | None = None,
    samples: int = 2,
    points: int = 30,
    examples: int = EXAMPLES,
    early: Sequence[float] = (),
    with_random: bool = False,
) -> Study:
    """Error and loss along the straight line between children of the same W_k trained under different noise.

    The network is the dense one, or, with a density, IMP's subnetwork found with rewinding to each k, at the nearest
    level of the recipe's ladder (and, if asked for, a random one of the same layer-wise densities). All pairs of
    `samples` noises in each replicate are compared, at the end of training and at fractions `early` of what remains
    after k. Source: LMC (arXiv 1912.05671), §2: three replicates, three noises, thirty points.

    One of the noises is that of the training that W_k was taken from, going on; LMC draws all anew.

    Raises RecipeError where a setting cannot mean anything.
    """
    _check(samples, points, examples, early, at)
    known = described(recipe.data.name, recipe.data.size, recipe.data.corrupt)
    if examples >= (size := known.train - recipe.data.validation):
        examples = max(size, EXAMPLES)  # all of them: however that is said it is the same measurement
    level, found = nearest_level(recipe, density) if density is not None else (0, 1.0)
    everywhere, experiments = places(recipe, at, level)
    networks: list[Subnetwork] = ["dense"] if not level else ["ticket", "random"] if with_random else ["ticket"]
    children: list[Child] = []
    comparisons: list[Comparison] = []
    for place in everywhere:
        for network in networks:
            children += place.children(network, samples)
            for a, b in combinations(range(samples), 2):
                for stop in _stops(place, early):
                    line = Interpolate(
                        first=place.child(network, a, stop),
                        second=place.child(network, b, stop),
                        points=points,
                        examples=examples,
                    )
                    comparisons.append(place.comparison("instability", network, (a, b), stop, line))
    return Study(
        name="instability",
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
            "points": points,
            "examples": examples,
            "early": list(early),
            "with_random": with_random,
        },
    )


def _stops(place: Place, early: Sequence[float]) -> list[int]:
    remaining = place.dense.stop - place.k
    return sorted({*(place.k + max(1, round(part * remaining)) for part in early), place.dense.stop})


def _check(samples: int, points: int, examples: int, early: Sequence[float], at: Sequence[Amount]) -> None:
    for name, value, least in (("samples", samples, 2), ("points", points, 3), ("examples", examples, 2)):
        if value < least:
            raise RecipeError(f"{name} is {value}. Give at least {least}.")
    if not all(0 < part < 1 for part in early):
        raise RecipeError(f"early is {', '.join(map(str, early))}: fractions of training lie between 0 and 1.")
    if not at:
        raise RecipeError("no rewind point was given. Write where to look, such as 0it,100it,500it.")
