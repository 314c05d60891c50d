"""How a ticket is trained: Renda et al.'s three switches, and what each of the named ways sets them to."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from winnow.errors import RecipeError
from winnow.from_recipe import Timeline
from winnow.recipe import Recipe, Retrain
from winnow.steps import Init, Prune, Train
from winnow.training import slot_names

Where = Literal["k", "end", "init"]

WAYS: dict[str, tuple[Where, Where]] = {
    "weight-rewinding": ("k", "k"),
    "lr-rewinding": ("end", "k"),
    "fine-tuning": ("end", "end"),
    "scratch": ("init", "init"),
}
"""By name: where weights are reset to, and where the schedule is. Source: RWD (arXiv 2003.02389), §2; from scratch,
Liu et al. 2019 (arXiv 1810.05270), here with the ticket's own W_0."""


@dataclass(frozen=True, kw_only=True)
class Switches:
    """Where a ticket's weights come from, and between which iterations of the schedule it trains."""

    weights: Where
    start: int
    stop: int


def switches(retrain: Retrain, amounts: Timeline) -> Switches:
    """The switches of a recipe, in iterations. Raises RecipeError where there is nothing to train.

    The schedule is a function of the iteration, so that to reset it is to start elsewhere: at k, at 0, or at T, from
    which on the last learning rate stays and data orders are new. `rest` is T less the start; from T on, T - k, so
    that ways are compared at equal length (RWD, §3).
    """
    weights, schedule = way(retrain)
    start = {"k": amounts.rewind, "end": amounts.length, "init": 0}[schedule]
    if retrain.length == "rest":
        length = amounts.length - (amounts.rewind if schedule == "end" else start)
    else:
        length = retrain.length.iterations(per_epoch=amounts.per_epoch, total=amounts.length)
    if length < 1:
        raise RecipeError(f"retrain.length is {retrain.length}, which is no training. Give at least 1it.")
    return Switches(weights=weights, start=start, stop=start + length)


def retrained(
    recipe: Recipe, where: Switches, *, dense: Train, point: Init | Train, before: Train, mask: Prune
) -> Train:
    """A ticket's training: under its mask, from the rewind point `point`, from the end of `before`, or from W_0."""
    init = dense.origin
    assert isinstance(init, Init)
    origin = {"k": point, "end": before, "init": init}[where.weights]
    has_buffers = bool(slot_names(dense.course.updates))  # else there is nothing to begin afresh
    is_fresh = recipe.optimizer.at_rewind == "fresh" and isinstance(origin, Train) and has_buffers
    return replace(dense, origin=origin, mask=mask, start=where.start, stop=where.stop, fresh_optimizer=is_fresh)


def ranked_at(recipe: Recipe, amounts: Timeline, where: Switches) -> int:
    """The iteration of each training at which its weights are ranked for the next level.

    Raises RecipeError where that iteration is no part of every training.
    """
    written = recipe.prune.at
    if written in ("end", "rewind"):
        return amounts.length if written == "end" else amounts.rewind
    p = written.iterations(per_epoch=amounts.per_epoch, total=amounts.length)
    if recipe.retrain != Retrain():
        raise RecipeError(
            f"prune.at is {written}, an iteration that a training passes after k: it goes with weight rewinding to the "
            f"end, and retrain asks for another way.\nLeave prune.at or retrain out."
        )
    if p <= amounts.rewind:
        raise RecipeError(
            f"prune.at is {written} (iteration {p}), not after the rewind point (iteration {amounts.rewind}), where "
            f"tickets begin.\nGive a later iteration; or prune.at = 'rewind', which ranks the weights there."
        )
    if p > amounts.length:
        raise RecipeError(f"prune.at is {written} (iteration {p}), after the end of training ({amounts.length}it).")
    return p


def way(retrain: Retrain) -> tuple[Where, Where]:
    """Where weights are reset to, and where the schedule is: as named, or as said for itself."""
    weights, schedule = WAYS[retrain.how]
    return retrain.weights or weights, retrain.schedule or schedule
