"""A comparison of sets of results, as tables for a terminal."""

from __future__ import annotations

import math
from collections.abc import Sequence

from rich.console import Group
from rich.table import Table

from winnow.comparison import Comparison, Difference, Side, why_unpaired
from winnow.intervals import interval
from winnow.results import Spread, in_percent

_SAME = "the same difference in each replicate"


def differences_tables(comparison: Comparison) -> Group:
    """For each set but the first, one line for each of its levels that the first set's densities reach."""
    matching = comparison.matching
    at = "at the end" if matching.at == "end" else "at early stopping"
    first = comparison.sides[0]
    blocks: list[Table | str] = [
        f"{matching.on} {comparison.score} {at}, %: mean and 95 % confidence interval (Student's t).\n"
        f"Each interval stands for itself: of twenty, one is expected to miss.\n"
        f"Compared with {_named(comparison, first)}, {_described(first)}."
    ]
    for side in comparison.sides[1:]:
        blocks += ["", *_differences(comparison, side)]
    return Group(*blocks)


def _differences(comparison: Comparison, side: Side) -> list[Table | str]:
    first, found = comparison.sides[0], comparison.differences(side)
    reason = why_unpaired(first, side)
    numbers = {each.pairs for each in found}
    how = "Paired by replicate" if reason is None else f"Not paired, since {reason}: Welch's interval"
    how += f"; n = {min(numbers)}." if len(numbers) == 1 else "."
    has_intervals = any(_limits(each) for each in found)
    if found and not has_intervals:
        how += f" No interval: {'a single replicate' if numbers == {1} else _SAME} tells nothing of chance."
    blocks: list[Table | str] = [f"{_named(comparison, side)}, {_described(side)}.", how]
    if side.matching != comparison.matching:
        blocks.append(
            f"Its own recipe compares {side.matching.on} {comparison.score}, {side.matching.at}; here all are compared "
            f"alike."
        )
    if not found:
        blocks.append("Nothing to compare: the densities of the two sets do not meet, or no replicate has both.")
        return blocks
    blocks.append(_levels_table(comparison, side, found))
    if any(each.reference.how == "interpolated" for each in found):
        blocks.append(
            f"~ {short(comparison, first)} has no level within {100 * comparison.tolerance:g} % of that density:\n"
            f"  interpolated between the two around it, over the logarithm of density."
        )
    if has_intervals and not all(_limits(each) for each in found):
        blocks.append(f"none: a single replicate, or {_SAME}, tells nothing of chance.")
    left_out = len(side.levels) - len(found)
    if left_out:
        levels = f"{left_out} level{'s' * (left_out > 1)}"
        blocks.append(f"Left out: {levels}, at densities that {short(comparison, first)} does not reach.")
    if side.cut:
        levels = ", ".join(str(level.level) for level in side.cut)
        blocks.append(f"Left out: levels {levels},\n  trained to {side.cut[0].cut:,} iterations to rank weights by.")
    return blocks + _overlaps(comparison, side)


def _levels_table(comparison: Comparison, side: Side, found: Sequence[Difference]) -> Table:
    """One line for each level; without the columns of intervals and of n where they would say nothing."""
    has_intervals = any(_limits(each) for each in found)
    has_counts = len({each.pairs for each in found}) > 1
    first = comparison.sides[0]
    table = Table(box=None, pad_edge=False)
    for column in (
        *("level", "density", short(comparison, first), short(comparison, side), "difference"),
        *(["95 % interval"] if has_intervals else []),
        *(["n"] if has_counts else []),
        *([""] if has_intervals else []),
    ):
        table.add_column(column, justify="right", no_wrap=True)
    for each in found:
        table.add_row(
            str(each.level.level),
            f"{in_percent(each.here.density)} %",
            _accuracy(list(each.reference.accuracies.values())) + ("~" if each.reference.how == "interpolated" else ""),
            _accuracy(list(each.here.accuracies.values())),
            f"{100 * each.mean:+.2f}",
            *([_interval(each)] if has_intervals else []),
            *([str(each.pairs)] if has_counts else []),
            *([_verdict(each)] if has_intervals else []),
        )
    return table


def _overlaps(comparison: Comparison, side: Side) -> list[Table | str]:
    """How masks overlap with the first set's, beside what each set spent on them."""
    overlaps = comparison.overlaps(side)
    if not overlaps:
        return []
    first = comparison.sides[0]
    table = Table(box=None, pad_edge=False)
    for column in ("level", "density", "overlap", "by chance", "iterations", f"of {short(comparison, first)}'s"):
        table.add_column(column, justify="right", no_wrap=True)
    for each in overlaps:
        spent, theirs = (
            one.cost(level).iterations for one, level in ((side, each.level.level), (first, each.reference_level))
        )
        spread = "" if math.isnan(each.jaccard.std) else f" ± {each.jaccard.std:.3f}"
        table.add_row(
            str(each.level.level),
            f"{in_percent(each.level.density)} %",
            f"{each.jaccard.mean:.3f}{spread}",
            f"{each.chance:.3f}",
            f"{spent:,}",
            f"{100 * spent / theirs:.0f} %",
        )
    words = (
        "Overlap of a replicate's masks in the two sets (Jaccard index, mean ± std), that\n"
        "of random masks, and the iterations that one replicate's result took in all:"
    )
    return ["", words, table]


def costs_table(comparison: Comparison) -> Group:
    """One line for each set: the smallest matching density, and what that costs; then what the whole set does."""
    table = Table(title="\nsmallest matching density, and its cost for one replicate", title_justify="left", box=None)
    table.pad_edge = False
    table.add_column("set", no_wrap=True)
    for column in ("density", f"{comparison.score} %", "trainings", "iterations", "time"):
        table.add_column(column, justify="right", no_wrap=True)
    for side in comparison.sides:
        smallest = side.smallest_matching
        if smallest is None:
            table.add_row(short(comparison, side), "none")
            continue
        spent = side.cost(smallest.level)
        table.add_row(
            short(comparison, side),
            f"{in_percent(smallest.density)} %",
            f"{100 * smallest.accuracy.mean:.2f}",
            f"{spent.trainings:,}",
            f"{spent.iterations:,}",
            "" if math.isnan(spent.seconds) else f"{spent.seconds:,.1f} s",
        )
    lines: list[str] = []
    for side in comparison.sides:
        name, whole = short(comparison, side), side.whole_cost()
        trainings = f"{whole.trainings:,} training{'s' * (whole.trainings > 1)}"
        lines.append(
            f"{name}: all results took {trainings}, {whole.iterations:,} iterations.\n"
            f"  Matching is within {side.results.tolerance_in_words}."
        )
    note = (
        "Matching is against the set's own dense network. A cost includes the trainings\n"
        "that a mask was made by; an iteration counts as one at any density; time is\n"
        "each training's share of its batch, on the machine where it ran."
    )
    return Group(table, note, *lines)


_LONG = 13
"""Letters of a name that tables have room for."""


def short(comparison: Comparison, side: Side) -> str:
    """A set's name in tables: as it was given or, where that is long, a letter."""
    return side.name if len(side.name) <= _LONG else chr(ord("A") + comparison.sides.index(side))


def _named(comparison: Comparison, side: Side) -> str:
    name = short(comparison, side)
    return name if name == side.name else f"{name} = {side.name}"


def _described(side: Side) -> str:
    recipe = side.results.experiment.recipe
    replicates = max(len(level.accuracy.values) for level in side.levels)
    what = "tickets" if side.control == "ticket" else side.control
    return f"{what} of {recipe.name} ({side.results.identity}), {replicates} replicate{'s' if replicates > 1 else ''}"


def _accuracy(values: Sequence[float]) -> str:
    low, high = interval(values)
    mean = f"{100 * Spread(tuple(values)).mean:.2f}"
    return mean if math.isinf(low) else f"{mean} ± {100 * (high - low) / 2:.2f}"


_LEAST_WIDTH = 1e-12
"""Of an interval, in accuracy: narrower are those of differences that are all the same, which no few values show."""


def _limits(difference: Difference) -> tuple[float, float] | None:
    """The interval of a difference; None where nothing is known of its spread: one value, or all the same."""
    low, high = difference.interval
    return None if math.isinf(low) or high - low < _LEAST_WIDTH else (low, high)


def _interval(difference: Difference) -> str:
    limits = _limits(difference)
    return "none" if limits is None else f"{100 * limits[0]:+.2f} to {100 * limits[1]:+.2f}"


def _verdict(difference: Difference) -> str:
    limits = _limits(difference)
    if limits is None or limits[0] <= 0 <= limits[1]:
        return ""
    return "better" if limits[0] > 0 else "worse"
