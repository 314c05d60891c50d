"""`winnow results`: everything measured, as one tidy table."""

from __future__ import annotations

import io
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import tyro

from winnow.cli import say
from winnow.cli.arguments import RecipeNames, StoreOption, parse
from winnow.cli.console import output, show, write_table
from winnow.errors import DataError, RecipeError

if TYPE_CHECKING:
    from winnow.results import Results
    from winnow.store import Store


@dataclass(frozen=True, kw_only=True)
class Options:
    """Print the results of every experiment in a store.

    `table` is a summary by level. The other formats hold everything measured, one value a line, with the columns
    experiment, recipe, control, replicate, level, density, iteration, metric, value.
    """

    names: RecipeNames = ()
    """Only experiments of the recipes of these names, or with these identities, such as imp-1a2b3c4d."""

    store: StoreOption = None
    """Which store. Left out: $WINNOW_STORE, else ./winnow-store."""

    format: Literal["table", "csv", "json", "parquet"] = "table"
    """How to print. Parquet needs --out, and the extra winnow-lth[parquet]."""

    out: Annotated[Path | None, tyro.conf.arg(metavar="FILE")] = None
    """A file to write to. Left out: standard output."""


def main(words: Sequence[str]) -> int:
    """Run the command; gives the exit code."""
    options = parse(Options, words, command="results")
    if options.format == "parquet" and options.out is None:
        raise RecipeError("Parquet is not for a terminal: name a file with --out results.parquet.")
    from winnow.cli.tables import show_levels, verdict
    from winnow.results import to_csv, to_json, write_parquet
    from winnow.store.maintenance import existing

    store = existing(options.store)
    found = _collected(options, store)
    if options.format == "table":
        text = io.StringIO()
        console = output(None if options.out is None else text)
        for results in found:
            show_levels(console, results, store)
            show(console, verdict(results), "")
        if options.out is not None:
            write_table(options.out, text.getvalue())
        return 0
    records = [record for results in found for record in results.records()]
    if options.format == "parquet" and options.out is not None:
        write_parquet(records, options.out)
        sys.stderr.write(f"table: {options.out}\n")
        return 0
    text = to_csv(records) if options.format == "csv" else to_json(records)
    if options.out is None:
        sys.stdout.write(text)
    else:
        write_table(options.out, text)
    return 0


def _collected(options: Options, store: Store) -> list[Results]:
    """The results of every recorded experiment asked for. One whose recipe cannot be followed is told, and left out."""
    from winnow.cli.stored import nothing_found
    from winnow.experiments import imp
    from winnow.results import collect
    from winnow.store.experiments import read_record, recipe_files
    from winnow.store.lookup import is_among, unknown

    found: list[Results] = []
    problems: list[str] = []
    for path in recipe_files(store):
        try:
            name, recipe = read_record(path)
            if is_among(options.names, recipe.name, name):
                results = collect(imp(recipe), store, identity=name, leave_damaged=True)
                found.append(results)
                problems += [f"experiment {path.stem} is shown without {each}" for each in results.damaged]
        except (RecipeError, DataError) as problem:
            problems.append(f"experiment {path.stem} cannot be followed, and is left out: {problem}")
    for problem in problems:
        say(problem)
    experiments = [(each.experiment.recipe.name, each.identity) for each in found]
    missing = unknown(options.names, experiments)
    if not found or missing:
        raise nothing_found(store, missing)
    return found
