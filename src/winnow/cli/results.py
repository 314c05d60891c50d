"""`winnow results`: everything measured, as one tidy table."""

from __future__ import annotations

import io
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro
from rich.console import Console

from winnow.cli import say
from winnow.cli.arguments import StoreOption, parse
from winnow.errors import RecipeError, StoreError


@dataclass(frozen=True, kw_only=True)
class Options:
    """Print the results of every experiment in a store.

    `table` is a summary by level. The other formats hold everything measured, one value a line, with the columns
    experiment, recipe, control, replicate, level, density, iteration, metric, value.
    """

    store: StoreOption = None
    """Which store. Left out: $WINNOW_STORE, else ./winnow-store."""

    format: Literal["table", "csv", "json", "parquet"] = "table"
    """How to print. Parquet needs --out, and the extra winnow-lth[parquet]."""

    recipe: str | None = None
    """Only experiments of this recipe's name."""

    out: Annotated[Path | None, tyro.conf.arg(metavar="FILE")] = None
    """A file to write to. Left out: standard output."""


def main(words: Sequence[str]) -> int:
    """Run the command; gives the exit code."""
    options = parse(Options, words, command="results")
    if options.format == "parquet" and options.out is None:
        raise RecipeError("Parquet is not for a terminal: name a file with --out results.parquet.")
    from winnow.cli.tables import levels_table, verdict
    from winnow.experiments import imp
    from winnow.results import Results, collect, to_csv, to_json, write_parquet
    from winnow.store import Store
    from winnow.store.experiments import identity, recorded
    from winnow.store.files import write_file

    store = Store(options.store, make=False)
    recipes = [recipe for recipe in recorded(store) if options.recipe in (None, recipe.name)]
    if not recipes:
        which = f" of recipe '{options.recipe}'" if options.recipe else ""
        raise StoreError(f"the store {store.root} holds no experiment{which}. `winnow run` makes one.")
    found: list[Results] = []
    for recipe in recipes:
        try:
            found.append(collect(imp(recipe), store, identity=identity(recipe)))
        except RecipeError as problem:  # such as code of the user's own that is no longer there
            say(f"experiment {recipe.name} ({identity(recipe)}) cannot be followed: {problem}")
    if not found:
        return 1
    if options.format == "table":
        text = io.StringIO()
        console = Console(highlight=False, file=None if options.out is None else text)
        for results in found:
            console.print(levels_table(results), verdict(results), "", sep="\n")
        if options.out is not None:
            write_file(options.out, text.getvalue().encode(), option="--out FILE")
        return 0
    records = [record for results in found for record in results.records()]
    if options.format == "parquet" and options.out is not None:
        write_parquet(records, options.out)
        return 0
    text = to_csv(records) if options.format == "csv" else to_json(records)
    if options.out is None:
        sys.stdout.write(text)
    else:
        write_file(options.out, text.encode(), option="--out FILE")
    return 0
