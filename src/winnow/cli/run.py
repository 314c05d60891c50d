"""`winnow run`: find the tickets of a recipe."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

import tyro
from rich.console import Console

from winnow.cli.arguments import StoreOption, WithRecipe, parse_with_recipe
from winnow.experiments.experiment import Keep


@dataclass(frozen=True, kw_only=True)
class Options(WithRecipe):
    """Find the tickets of a recipe: train, prune, rewind, and train again, level by level.

    Only what the store does not hold is trained. Interrupt it as you like: the same command resumes. At the end
    come a table, the smallest matching ticket, and a figure of accuracy and early stopping against density.
    """

    store: StoreOption = None
    """Where results lie: made if it is not there. Left out: $WINNOW_STORE, else ./winnow-store."""

    device: Literal["auto", "cpu", "cuda"] = "auto"
    """Where to train; auto is the GPU where there is one."""

    keep: Keep = "weights"
    """Which final states to keep: all with the optimizer's buffers, weights without, or the last level's only."""

    progress: Literal["auto", "live", "plain", "quiet"] = "auto"
    """How to tell what happens: a live display, plain lines for logs, or nothing but the result. Auto is live in a
    terminal, plain elsewhere."""

    engine: Literal["auto", "plain", "stacked", "perceptron", "compiled", "graphed"] = "auto"
    """How lanes are trained: plain, one by one; stacked into one batched computation; perceptron, the same written out
    for fully connected networks, on the remaining weights alone; compiled, one by one by torch.compile; graphed, side
    by side in a CUDA graph. Auto chooses and says why."""

    lanes: Annotated[int | None, tyro.conf.arg(metavar="N")] = None
    """How many lanes to train together, at most. Left out: what suits the network and the device."""

    profile: bool = False
    """Whether to tell at the end where the time went."""

    retry: bool = False
    """Whether to try again what failed before, such as trainings that diverged."""


def main(words: Sequence[str]) -> int:
    """Run the command; gives the exit code."""
    options = parse_with_recipe(Options, words, command="run")
    from winnow.cli.data import fetched
    from winnow.cli.display import display
    from winnow.cli.tables import levels_table, verdict
    from winnow.data import entry, where
    from winnow.execution.profile import Profile
    from winnow.execution.run import run
    from winnow.experiments import imp
    from winnow.report.figure import draw
    from winnow.store import Store

    console = Console(stderr=options.progress != "quiet" and not sys.stdout.isatty())
    store = Store(options.store)
    experiment, data = imp(options.recipe), options.recipe.data.name
    if options.retry:
        steps = [step for row in experiment.rows for step in (row.mask, row.trained) if step is not None]
        forgotten = store.forget_failures([*steps, *experiment.rewind_points.values()])
        console.print(f"{forgotten} failed results of this experiment forgotten; they will be tried again.")
    stored = set(store.result_keys())
    is_here = entry(data).is_bundled or where(data).exists()
    if not is_here and any(row.trained.key not in stored for row in experiment.rows):
        fetched(data)
    profile = Profile()
    with display(options.progress, experiment) as reporter:
        found = run(
            options.recipe,
            store=store,
            device=options.device,
            keep=options.keep,
            engine=options.engine,
            lanes=options.lanes,
            reporter=reporter,
            profile=profile,
        )

    out = Console(highlight=False)
    out.print(levels_table(found.results))
    for place, message in found.failures.items():
        out.print(f"[yellow]failed[/]: {place}: {message}", soft_wrap=True)
    out.print(verdict(found.results), soft_wrap=True)
    if found.results.trainings:
        paths = draw(found.results, store.root / "figures")
        out.print("figure: " + ", ".join(str(path) for path in paths), soft_wrap=True)
    if options.profile:
        out.print("\n".join(["where the time went:", *profile.lines()]))
    return 3 if found.failures else 0
