"""Results as tables for a terminal."""

from __future__ import annotations

import math

from rich.console import Console
from rich.table import Table

from winnow.cli.console import show
from winnow.experiments.experiment import TICKET
from winnow.experiments.words import pruned, start
from winnow.recipe import Retrain
from winnow.results import Level, Results, Spread, in_percent
from winnow.store import Store
from winnow.store.failures import Failures


def show_levels(out: Console, results: Results, store: Store) -> None:
    """Print the table of levels; in place of one without a line, that there is nothing, and why."""
    if results.trainings:
        show(out, levels_table(results))
    else:
        recipe = results.experiment.recipe
        out.print(f"{recipe.name} ({results.identity}): {_nothing(results, store)}", soft_wrap=True)


def _nothing(results: Results, store: Store) -> str:
    rows, known = results.experiment.rows, Failures(store)
    lost = sum(known.behind(row.trained) is not None for row in rows)
    if lost < len(rows):
        return "no training has a result yet."
    own = sum(not any(map(known.behind, row.trained.needs)) for row in rows)
    others = lost - own
    needed = "its result" if own == 1 else "their results"
    rest = f"; the other {others} need{'s' * (others == 1)} {needed}" if others else ""
    return f"no training has a result. {own} of {lost} failed{rest}."


def levels_table(results: Results) -> Table:
    """One line for each level of the tickets and of each control."""
    recipe = results.experiment.recipe
    where = "at the end" if recipe.matching.at == "end" else "at early stopping"
    replicates = f"{recipe.replicates} replicate{'s' if recipe.replicates > 1 else ''}"
    ways = ", ".join(filter(None, (pruned(recipe), start(recipe) if recipe.retrain != Retrain() else "")))
    title = f"{recipe.name} ({results.identity}): {recipe.matching.on} {results.score} {where}, {replicates}"
    table = Table(
        title=f"{title}; {ways}" if ways else title,
        title_justify="left",
        box=None,
        pad_edge=False,
        collapse_padding=any(len(level.control) > 10 for level in results.levels),  # so that it fits into 80 columns
    )
    table.add_column("control", no_wrap=True)
    for column in ("level", "density", "mean ± std %", "min-max %", "early stop", "n"):
        table.add_column(column, justify="right", no_wrap=True)
    table.add_column("matching?", no_wrap=True)
    previous = TICKET
    for level in results.levels:
        if level.control != previous:
            table.add_section()
            table.add_row()
        previous = level.control
        table.add_row(
            "dense" if level.level == 0 else level.control,
            str(level.level),
            f"{in_percent(level.density)} %",
            _mean_and_std(level.accuracy),
            f"{100 * level.accuracy.least:.2f}-{100 * level.accuracy.most:.2f}",
            f"{level.early_stop.mean:,.0f}",
            str(len(level.accuracy.values)),
            _matching(level, recipe.replicates),
        )
    return table


def _matching(level: Level, replicates: int) -> str:
    if level.cut is not None:
        return f"to {level.cut:,}it"
    if level.is_matching is None:
        return ""
    if len(level.accuracy.values) < replicates:
        return "incomplete"
    return "yes" if level.is_matching else "no"


def verdict(results: Results) -> str:
    """One sentence: the smallest matching ticket, or that there is none."""
    if not results.trainings:
        return "There is nothing to compare."
    if results.dense is None or results.floor is None:
        return "The dense network has no results, so nothing can be compared with it."
    tolerance = f"tolerance {results.tolerance_in_words}"
    if not any(level.level > 0 for level in results.levels):
        return "No level has results yet."
    smallest, score = results.smallest_matching, "" if results.score == "accuracy" else f"{results.score} "
    if smallest is None:
        return f"No ticket matches the dense network ({score}{100 * results.dense.mean:.2f} %; {tolerance})."
    return (
        f"Smallest matching ticket: level {smallest.level}, {in_percent(smallest.density)} % of the weights, "
        f"{score}{100 * smallest.accuracy.mean:.2f} % against the dense {100 * results.dense.mean:.2f} % ({tolerance})."
    )


def _mean_and_std(spread: Spread) -> str:
    mean = f"{100 * spread.mean:.2f}"
    return mean if math.isnan(spread.std) else f"{mean} ± {100 * spread.std:.2f}"
