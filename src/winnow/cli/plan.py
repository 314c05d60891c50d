"""`winnow plan`: what a run would train, and what that would take."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal

import tyro
from rich.filesize import decimal
from rich.table import Table

from winnow.cli import say
from winnow.cli.arguments import StoreOption, WithRecipe, parse_with_recipe
from winnow.cli.console import output, show
from winnow.experiments.experiment import Keep

if TYPE_CHECKING:
    import torch

    from winnow.execution.estimate import Estimate
    from winnow.execution.executor import Plan
    from winnow.experiments import Experiment
    from winnow.steps import Step
    from winnow.store import Store


@dataclass(frozen=True, kw_only=True)
class Options(WithRecipe):
    """Tell what `winnow run` with the same options would train, what is stored already, and what the rest will take.

    Nothing is trained or fetched, and no store is made. How long an iteration takes is known from stored trainings
    of the same kind; where there is none, a few iterations are timed on synthetic data.
    """

    store: StoreOption = None
    """Where results lie. Left out: $WINNOW_STORE, else ./winnow-store."""

    device: Literal["auto", "cpu", "cuda"] = "auto"
    """Where to train; auto is the GPU where there is one."""

    keep: Keep = "weights"
    """Which final states to keep: all with the optimizer's buffers, weights without, or the last level's only.
    What was stored before stays as it is."""

    engine: Literal["auto", "plain", "stacked", "perceptron", "compiled", "graphed"] = "auto"
    """How lanes are trained, as for `winnow run`."""

    lanes: Annotated[int | None, tyro.conf.arg(metavar="N")] = None
    """How many lanes to train together, at most. Left out: what suits the network and the device."""

    steps: bool = False
    """Whether to list every step."""


def main(words: Sequence[str]) -> int:
    """Run the command; gives the exit code."""
    options = parse_with_recipe(Options, words, command="plan")
    from winnow.execution.run import chosen_device
    from winnow.experiments import imp
    from winnow.store import Store
    from winnow.store.experiments import identity
    from winnow.training import check
    from winnow.unreached import tell_unreached

    experiment = imp(options.recipe)
    tell_unreached(options.recipe)
    store = Store(options.store, make=False)
    device = chosen_device(options.device)
    check(device, deterministic=options.recipe.deterministic, engine=options.engine, width=options.lanes)
    found = _estimate(experiment, options.keep, store)
    out = output()
    if options.steps:
        show(out, _steps_table(experiment, found, store))
        out.print()
    out.print(f"{options.recipe.name} ({identity(options.recipe)})", soft_wrap=True)
    show(out, _lines_table(found))
    labels = experiment.labels()
    for step, failure in found.plan.failed.items():
        out.print(f"failed: {labels.get(step, step.kind)}: {failure.message}", soft_wrap=True)
    if found.plan.failed:
        out.print("`winnow run --retry` tries again what failed.", soft_wrap=True)
    if not found.plan.missing:
        failed = sum(line.failed for line in found.lines)
        cannot = f"Nothing is left to train: {failed} training{'s' * (failed > 1)} cannot be, see above."
        out.print(cannot if failed else "Everything is stored: nothing to train.", soft_wrap=True)
        return 0
    if found.remaining:
        out.print(_time(found, options, store, device), soft_wrap=True)
    out.print(f"disk: about {decimal(found.bytes)} more in {store.root}", soft_wrap=True)
    return 0


def _time(found: Estimate, options: Options, store: Store, device: torch.device) -> str:
    from winnow.execution.pace import pace

    longest = max(found.remaining, key=lambda step: step.length)
    at_once = options.lanes or max(line.to_train for line in found.lines)
    known = pace(longest, store, device, at_once, options.engine)
    return (
        f"time: about {duration(found.iterations * known.seconds)} on {device.type} for {found.iterations:,} "
        f"iterations,\n      {1000 * known.seconds:.3g} ms each, {known.source}"
    )


def _estimate(experiment: Experiment, keep: Keep, store: Store) -> Estimate:
    from winnow.execution.estimate import estimate
    from winnow.execution.reporting import Silent

    class Saying(Silent):
        def noted(self, message: str) -> None:
            say(message)

    return estimate(experiment, experiment.targets(keep), store, Saying())


def _lines_table(found: Estimate) -> Table:
    table = Table(box=None, pad_edge=False, show_footer=True)
    counts = [(line.stored, line.to_train, line.failed, line.iterations) for line in found.lines]
    footers = ["in all", "", *(f"{sum(column):,}" for column in zip(*counts, strict=True))]
    for column, footer in zip(("control", "level", "stored", "to train", "failed", "iterations"), footers, strict=True):
        table.add_column(column, footer=footer, justify="left" if column == "control" else "right", no_wrap=True)
    for line in found.lines:
        table.add_row(
            "dense" if (line.control, line.level) == ("ticket", 0) else line.control,
            str(line.level),
            *(f"{count:,}" if count else "" for count in (line.stored, line.to_train, line.failed, line.iterations)),
        )
    return table


def _steps_table(experiment: Experiment, found: Estimate, store: Store) -> Table:
    labels = experiment.labels()
    table = Table(box=None, pad_edge=False)
    for column, width in {"key": 16, "kind": 5, "stored?": 10, "step": None}.items():
        table.add_column(column, no_wrap=True, min_width=width)
    others = {"init": "weights drawn for a control", "train": "trained to rank its weights"}
    for step in experiment.steps():
        label = labels.get(step, others.get(step.kind, ""))
        table.add_row(step.key[:16], step.kind, _status(step, found.plan, store), label)
    return table


def _status(step: Step, plan: Plan, store: Store) -> str:
    if step in plan.failed:
        return "failed"
    if step in plan.blocked:
        return "blocked"
    if step in plan.missing:
        return "no"
    return "yes" if step in plan.stored or store.whole(step) else "not needed"


def duration(seconds: float) -> str:
    """About how long something takes, in the unit that suits.

    >>> [duration(seconds) for seconds in (40, 80, 300, 9_000, 259_200, 1.04e8)]
    ['40 s', '80 s', '5 min', '2.5 h', '3 days', '1,204 days']
    """
    for unit, length in (("days", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= 1.5 * length:
            return f"{seconds / length:.2g} {unit}" if seconds < 10 * length else f"{seconds / length:,.0f} {unit}"
    return f"{max(1, round(seconds))} s"
