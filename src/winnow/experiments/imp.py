"""Iterative Magnitude Pruning with rewinding, and one-shot pruning."""

from __future__ import annotations

from dataclasses import replace

from winnow.course import course, timeline
from winnow.experiments.controls import Place, named_control
from winnow.experiments.experiment import TICKET, Experiment, Row
from winnow.models import build
from winnow.pruning import prunable_layers
from winnow.pruning.scores import named_score
from winnow.recipe import Recipe
from winnow.steps import Init, Noise, Prune, Train
from winnow.training.decay import exempt


def imp(recipe: Recipe) -> Experiment:
    """The steps of Algorithm 1 of SLTH (arXiv 1903.01611), with the recipe's controls beside the tickets.

    For each replicate: init -> train to k -> train to T -> prune -> the mask on W_k, trained from k to T ->
    prune ... for as many levels as asked for. One-shot prunes every level from the dense network. All levels
    of a replicate train under the same noise, so that a ticket differs from the dense network in its mask
    alone. Raises RecipeError, or UnknownName, where the recipe cannot be followed.
    """
    shared, amounts = course(recipe), timeline(recipe)
    for name in recipe.control:
        named_control(name)
    named_score(recipe.prune.score)
    network = build(shared.network.name, shared.network.shape, shared.network.classes)
    prunable_layers(network, recipe.prune.rate_at(1), recipe.prune.exclude)
    exempt(shared.updates, network, ())

    rows: list[Row] = []
    rewind_points: dict[int, Init | Train] = {}
    for replicate in range(recipe.replicates):
        init = Init(network=shared.network, seed=recipe.seed, replicate=replicate)
        noise = Noise(seed=recipe.seed, replicate=replicate)
        dense = Train(course=shared, origin=init, noise=noise, stop=amounts.length, deterministic=recipe.deterministic)
        rewind_points[replicate] = rewound = replace(dense, stop=amounts.rewind) if amounts.rewind else init
        rows.append(Row(control=TICKET, replicate=replicate, level=0, trained=dense))

        trained = dense
        for level in range(1, recipe.levels + 1):
            mask = Prune(
                trained=trained if recipe.prune.rounds == "iterative" else dense,
                level=level,
                rate=recipe.prune.rate_at(level),
                scope=recipe.prune.scope,
                score=recipe.prune.score,
                exclude=recipe.prune.exclude,
                at_once=True if recipe.prune.densities else None,
            )
            is_fresh = recipe.optimizer.at_rewind == "fresh" and amounts.rewind > 0
            trained = replace(dense, origin=rewound, mask=mask, start=amounts.rewind, fresh_optimizer=is_fresh)
            rows.append(Row(control=TICKET, replicate=replicate, level=level, trained=trained))
            place = Place(ticket=trained, mask=mask, init=init)
            for name in dict.fromkeys(recipe.control):
                rows.append(Row(control=name, replicate=replicate, level=level, trained=named_control(name)(place)))
    rows.sort(key=lambda row: row.level)
    return Experiment(name="imp", recipe=recipe, rows=tuple(rows), rewind_points=rewind_points)
