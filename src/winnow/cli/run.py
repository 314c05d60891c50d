"""`winnow run`: find the tickets of a recipe."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import tyro
from rich.console import Console

from winnow.cli.arguments import WithExecution, options_in, parse_with_recipe
from winnow.cli.console import output, show, show_failures, show_figure

if TYPE_CHECKING:
    from winnow.experiments import Experiment
    from winnow.recipe import Recipe
    from winnow.store import Store


@dataclass(frozen=True, kw_only=True)
class Options(WithExecution):
    """Find the tickets of a recipe: train, prune, rewind, and train again, level by level.

    Only what the store does not hold is trained. Interrupt it as you like: the same command resumes. At the end
    come a table, the smallest matching ticket, and a figure of accuracy and early stopping against density.
    """

    profile: bool = False
    """Whether to tell at the end where the time went."""

    retry: bool = False
    """Whether to try again what failed before, such as trainings that diverged."""

    log: Annotated[str, tyro.conf.arg(metavar="KIND:PLACE,...")] = ""
    """Where to log each training when it is finished: csv:DIR, tensorboard:DIR, wandb:PROJECT (offline), mlflow:DIR.
    All but csv need the extra winnow-lth[logging]."""


def main(words: Sequence[str]) -> int:
    """Run the command; gives the exit code."""
    options = parse_with_recipe(Options, words, command="run")
    from winnow.cli.data import fetched
    from winnow.cli.display import display
    from winnow.cli.tables import show_levels, verdict
    from winnow.data import is_here
    from winnow.execution.logs import Logger, logs
    from winnow.execution.profile import Profile
    from winnow.execution.reporting import Several
    from winnow.execution.run import run
    from winnow.experiments import imp
    from winnow.report.figure import draw
    from winnow.store import Store
    from winnow.store.experiments import identity
    from winnow.store.files import file_name

    kept = logs(options.log)
    console = Console(stderr=options.progress != "quiet" and not sys.stdout.isatty())
    store = Store(options.store)
    recipe = _with_k(options, store) if options.recipe.rewind == "auto" else options.recipe
    experiment, data = imp(recipe), recipe.data.name
    if options.retry:
        steps = [step for row in experiment.rows for step in (row.mask, row.trained) if step is not None]
        forgotten = store.forget_failures([*steps, *experiment.rewind_points.values()])
        console.print(f"{forgotten} failed results of this experiment forgotten; they will be tried again.")
    stored = set(store.result_keys())
    if not is_here(data) and any(row.trained.key not in stored for row in experiment.rows):
        fetched(data)
    profile, name = Profile(), f"{file_name(recipe.name)}-{identity(recipe)}"
    with display(options.progress, experiment) as reporter:
        found = run(
            recipe,
            store=store,
            device=options.device,
            keep=options.keep,
            engine=options.engine,
            lanes=options.lanes,
            reporter=Several(reporter, Logger(store, name, experiment.labels(), kept)) if kept else reporter,
            profile=profile,
        )

    out = output()
    show_levels(out, found.results, store)
    show_failures(out, found.failures.items())
    if found.failures:
        out.print("The same command leaves what failed as it is; with --retry it is tried again.", soft_wrap=True)
    out.print(verdict(found.results), soft_wrap=True)
    if found.results.trainings:
        show_figure(out, lambda: draw(found.results, store.root / "figures"))
    if "keep" in options_in(words) and (less := _kept_less(experiment, options, store)):
        out.print(
            f"{less} result{'s' * (less > 1)} stored before hold{'s' * (less == 1)} less than --keep {options.keep} "
            f"asks, and stay{'s' * (less == 1)} so. To have the rest, run it into another store: --store DIR.",
            soft_wrap=True,
        )
    if options.profile:
        out.print("\n".join(["where the time went:", *profile.lines()]))
    return 3 if found.failures else 0


def _kept_less(experiment: Experiment, options: Options, store: Store) -> int:
    """How many results were stored by a run that kept less of them than this one asks for."""
    found = ((store.manifest(step), content) for step, content in experiment.targets(options.keep).items())
    return sum(
        manifest is not None and manifest.failure is None and manifest.kept < content for manifest, content in found
    )


def _with_k(options: Options, store: Store) -> Recipe:
    """The recipe with the rewind point that is the onset of stability, told on the way."""
    from winnow.cli.onset import search
    from winnow.cli.study_tables import onset_report

    onset = search(options, store)
    show(output(), onset_report(onset))
    return onset.rewound
