"""`winnow compare`: two or more sets of results side by side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from winnow.cli.arguments import StoreOption, parse
from winnow.cli.console import output, show, show_figure, write_table
from winnow.errors import RecipeError


@dataclass(frozen=True, kw_only=True)
class Options:
    """Compare sets of results: accuracy against density, differences with intervals, and what each costs.

    A set is written [STORE:]RECIPE[@CONTROL]. RECIPE is the name of an experiment in the store, its identity
    (imp-1a2b3c4d, or the beginning of it), or a recipe's file; without a control it is the tickets and their dense
    network. So `winnow compare digits digits@reinit` compares two controls of one run, and `winnow compare
    mine:digits theirs:digits` the runs of two stores. Every set is compared with the first one.
    """

    sets: Annotated[
        tuple[str, ...], tyro.conf.Positional, tyro.conf.arg(metavar="SET SET ...", help_behavior_hint="(required)")
    ]
    """The sets, two or more."""

    store: StoreOption = None
    """Where results lie of the sets that name no store. Left out: $WINNOW_STORE, else ./winnow-store."""

    tolerance: float = 5.0
    """How far apart two densities may be, in per cent of the larger, to be compared as they are. At densities further
    from every level of the first set, its accuracy is interpolated."""

    out: Annotated[Path | None, tyro.conf.arg(metavar="FILE")] = None
    """Where to write the comparison as a CSV table: one line for each set and level."""


def main(words: Sequence[str]) -> int:
    """Run the command; gives the exit code."""
    options = parse(Options, words, command="compare")
    if not 0 <= options.tolerance < 100:
        raise RecipeError(f"tolerance is {options.tolerance:g}; give per cent of the density, from 0 to below 100.")
    from winnow.cli.compare_tables import costs_table, differences_tables
    from winnow.cli.sets import sides
    from winnow.comparison import Comparison, ComparisonRecord
    from winnow.report.compare import draw
    from winnow.results import to_csv

    comparison = Comparison(sides(options.sets, options.store), options.tolerance / 100)
    out = output()
    show(out, differences_tables(comparison))
    show(out, costs_table(comparison))
    if options.out is not None:
        write_table(options.out, to_csv(list(comparison.records()), ComparisonRecord._fields))
    show_figure(out, lambda: draw(comparison, comparison.sides[0].store.root / "figures"))
    return 0
