"""`winnow run`: find the tickets of a recipe."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from rich.console import Console

from winnow.cli.arguments import RecipeFields, StoreOption, parse_with_recipe
from winnow.experiments.experiment import Keep


@dataclass(frozen=True, kw_only=True)
class Options:
    """Find the tickets of a recipe: train, prune, rewind, and train again, level by level.

    Only what the store does not hold is trained. Interrupt it as you like: the same command resumes. At the end
    come a table, the smallest matching ticket, and a figure of accuracy and early stopping against density.
    """

    recipe: RecipeFields

    store: StoreOption = None
    """Where results lie: made if it is not there. Left out: $WINNOW_STORE, else ./winnow-store."""

    device: Literal["auto", "cpu", "cuda"] = "auto"
    """Where to train; auto is the GPU where there is one."""

    keep: Keep = "weights"
    """Which final states to keep: all with the optimizer's buffers, weights without, or the last level's only."""

    progress: Literal["auto", "live", "plain", "quiet"] = "auto"
    """How to tell what happens: a live display, plain lines for logs, or nothing but the result. Auto is live in a
    terminal, plain elsewhere."""

    retry: bool = False
    """Whether to try again what failed before, such as trainings that diverged."""


def main(words: Sequence[str]) -> int:
    """Run the command; gives the exit code."""
    options = parse_with_recipe(Options, words, command="run")
    from winnow.cli.display import display
    from winnow.cli.tables import levels_table, verdict
    from winnow.execution.run import run
    from winnow.experiments import imp
    from winnow.report.figure import draw
    from winnow.store import Store

    console = Console(stderr=options.progress != "quiet" and not sys.stdout.isatty())
    store = Store(options.store)
    if options.retry:
        forgotten = store.forget_failures()
        console.print(f"{forgotten} failed results forgotten; they will be tried again.")
    with display(options.progress, imp(options.recipe)) as reporter:
        found = run(options.recipe, store=store, device=options.device, keep=options.keep, reporter=reporter)

    out = Console(highlight=False)
    out.print(levels_table(found.results))
    for place, message in found.failures.items():
        out.print(f"[yellow]failed[/]: {place}: {message}", soft_wrap=True)
    out.print(verdict(found.results), soft_wrap=True)
    if found.results.trainings:
        paths = draw(found.results, store.root / "figures")
        out.print("figure: " + ", ".join(str(path) for path in paths), soft_wrap=True)
    return 3 if found.failures else 0
