"""`winnow list`: the bundled recipes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rich.table import Table

from winnow.cli.arguments import parse
from winnow.cli.console import output, show
from winnow.recipes import names, read


@dataclass(frozen=True)
class Options:
    """List the bundled recipes. `winnow show NAME` prints one; `winnow run NAME` runs it."""


def main(words: Sequence[str]) -> int:
    """Run the command; gives the exit code."""
    parse(Options, words, command="list")
    table = Table(box=None, pad_edge=False)
    table.add_column("recipe", no_wrap=True)
    table.add_column("levels", justify="right")
    table.add_column("length", justify="right")
    table.add_column("about")
    for name in names():
        recipe = read(name)
        table.add_row(name, str(recipe.levels), str(recipe.train.length), recipe.about)
    show(output(), table)
    return 0
