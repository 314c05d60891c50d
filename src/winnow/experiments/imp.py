"""Iterative Magnitude Pruning with rewinding, one-shot pruning, and their kin by other scores and retrainings."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from winnow.course import Course, Network, Noise
from winnow.errors import RecipeError
from winnow.experiments.controls import Place, chosen_controls
from winnow.experiments.experiment import TICKET, Experiment, Row
from winnow.experiments.retraining import ranked_at, retrained, switches
from winnow.experiments.rivals import rivals
from winnow.facts import facts, prunable
from winnow.from_recipe import course, timeline
from winnow.models.initialize import is_bias
from winnow.pattern import WEIGHT, Pattern
from winnow.pruning import prunable_layers
from winnow.pruning.layers import check_outputs_lie_first, with_effect
from winnow.pruning.scores import named_score
from winnow.recipe import Rates, Recipe
from winnow.steps import Init, Prune, Train
from winnow.training.decay import exempt


def imp(recipe: Recipe) -> Experiment:
    """The steps of Algorithm 1 of SLTH (arXiv 1903.01611), with the recipe's controls and rivals beside the tickets.

    For each replicate: init -> train to k -> train to T -> prune -> the mask on W_k, trained from k to T ->
    prune ... for as many levels as asked for. One-shot prunes every level from the dense network. All levels
    of a replicate train under the same noise, so that a ticket differs from the dense network in its mask
    alone. `prune.at` ranks the weights earlier than at T, `retrain` trains tickets otherwise. Raises RecipeError, or
    UnknownName, where the recipe cannot be followed.
    """
    shared = course(recipe)
    if shared.network.is_here:  # else its results can be read nevertheless
        _check_network(recipe, shared)
    _check_levels(recipe)
    rates = with_effect(facts(shared.network).kinds, recipe.prune.rate, recipe.prune.include)
    has_biases = bool(recipe.prune.include) and _prunes_biases(recipe, shared.network)

    rows: list[Row] = []
    rewind_points: dict[int, Init | Train] = {}
    for replicate in range(recipe.replicates):
        init = Init(network=shared.network, seed=recipe.seed, replicate=replicate)
        noise = Noise(seed=recipe.seed, replicate=replicate)
        amounts = timeline(recipe)
        dense = Train(course=shared, origin=init, noise=noise, stop=amounts.length, deterministic=recipe.deterministic)
        point = replace(dense, stop=amounts.rewind) if amounts.rewind else init
        rewind_points[replicate] = init if switches(recipe.retrain, amounts).weights == "init" else point
        rows.append(Row(control=TICKET, replicate=replicate, level=0, trained=dense))
        rows += _levels(recipe, rates, has_biases, dense, init, point)
    rows += rivals(recipe, [row.trained for row in rows if row.level == 0])
    rows.sort(key=lambda row: row.level)
    return Experiment(name="imp", recipe=recipe, rows=tuple(rows), rewind_points=rewind_points)


def _levels(
    recipe: Recipe, rates: Rates, has_biases: bool, dense: Train, init: Init, point: Init | Train
) -> Iterator[Row]:
    """The tickets of a replicate and their controls, level by level."""
    amounts = timeline(recipe)
    where = switches(recipe.retrain, amounts)
    p = ranked_at(recipe, amounts, where)
    score = named_score(recipe.prune.score)
    is_iterative = recipe.prune.rounds == "iterative"
    before, extra = dense, 0
    for level in range(1, recipe.levels + 1):
        ranked = _ranked(before if is_iterative else dense, p, amounts.length, point)
        mask = Prune(
            trained=ranked,
            level=level,
            rate=recipe.prune.rate_at(level) if recipe.prune.densities else rates,
            scope=recipe.prune.scope,
            score=recipe.prune.score,
            exclude=recipe.prune.exclude,
            include=recipe.prune.include or None,
            granularity=None if recipe.prune.granularity == WEIGHT else recipe.prune.granularity,
            code=score.code,
            at_once=True if recipe.prune.densities else None,
            biases=2 if has_biases else None,
            untrained=dense.course if isinstance(ranked, Init) else None,
        )
        ticket = retrained(recipe, where, dense=dense, point=point, before=before if is_iterative else dense, mask=mask)
        before = ticket
        if recipe.prune.train_levels is None or level in recipe.prune.train_levels:
            yield Row(control=TICKET, replicate=init.replicate, level=level, trained=ticket)
            place = Place(
                ticket=ticket,
                mask=mask,
                init=init,
                dense=dense,
                extra=extra + ticket.length,
                replicates=recipe.replicates,
            )
            for name, control in chosen_controls(recipe).items():
                yield Row(control=name, replicate=init.replicate, level=level, trained=control(place))
        elif is_iterative and level < recipe.levels:  # trained to rank its weights, and no further
            yield Row(control=TICKET, replicate=init.replicate, level=level, trained=replace(ticket, stop=p))
        if is_iterative:
            extra += ticket.length if p == amounts.length else p - ticket.start


def _prunes_biases(recipe: Recipe, network: Network) -> bool:
    """Whether what `prune.include` adds has biases in it."""
    layers = prunable(network, recipe.prune.rate_at(1), recipe.prune.exclude, recipe.prune.include)
    return any(is_bias(name.rpartition(".")[2]) for name in layers)


_OF_MOVES = ("movement", "magnitude-change")


def _ranked(trained: Train, p: int, length: int, point: Init | Train) -> Init | Train:
    """The weights that a level ranks: of a training at its end, or at an iteration p before it; or at k."""
    if p == length:
        return trained
    k = point.stop if isinstance(point, Train) else 0
    return point if p == k else replace(trained, stop=p)


def _check_network(recipe: Recipe, shared: Course) -> None:
    if "reinit" in chosen_controls(recipe) and shared.network.is_fixed:
        raise RecipeError(
            "control 'reinit' draws weights anew, and this network was handed over as a module with its own values.\n"
            "Hand over the function or class that builds it, or leave the control out."
        )
    network = shared.network.build()
    layers = prunable_layers(network, recipe.prune.rate_at(1), recipe.prune.exclude, recipe.prune.include)
    if recipe.prune.granularity != WEIGHT:
        check_outputs_lie_first(network, layers, f"prune.granularity '{recipe.prune.granularity}'")
    if "shuffle" in chosen_controls(recipe):
        check_outputs_lie_first(network, layers, "the control 'shuffle'")
    exempt(shared.updates, network, ())


def _check_levels(recipe: Recipe) -> None:
    if recipe.prune.score in _OF_MOVES and recipe.prune.at == "rewind" and timeline(recipe).rewind == 0:
        raise RecipeError(
            f"prune.score '{recipe.prune.score}' ranks weights by how far they have come from where they began, and at "
            f"prune.at 'rewind' with k = 0 all are there still.\nGive a later prune.at, or another score."
        )
    pattern = Pattern.parse(recipe.prune.granularity)
    if pattern and recipe.levels > 1:
        raise RecipeError(
            f"prune.granularity is '{recipe.prune.granularity}', which has one density and so one level, and levels is "
            f"{recipe.levels}. Give levels = 1."
        )
    beyond = [level for level in recipe.prune.train_levels or () if level > recipe.levels]
    if beyond:
        raise RecipeError(f"prune.train_levels names level {beyond[0]}, and levels is {recipe.levels}.")
