"""`winnow ticket`: a ticket of a finished run as a file."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro
from rich.filesize import decimal

from winnow.cli.arguments import StoreOption, WithRecipe, parse_with_recipe
from winnow.cli.console import output
from winnow.errors import MissingResult
from winnow.experiments.experiment import TICKET

if TYPE_CHECKING:
    from winnow.execution.run import Run
    from winnow.experiments import Row
    from winnow.store import Store
    from winnow.ticket import Ticket


@dataclass(frozen=True, kw_only=True)
class Options(WithRecipe):
    """Write a ticket of a run to a file: its mask, its rewind point and where they came from. Nothing is trained.

    `winnow.Ticket.read(FILE)` reads it, and its `apply_(network)` makes a network the ticket.
    """

    level: int | None = None
    """Which level's ticket. Left out: the smallest matching one."""

    replicate: int = 0
    """Which replicate's."""

    out: Annotated[Path | None, tyro.conf.arg(metavar="FILE")] = None
    """The file to write. Left out: NAME-level-N-replicate-R.safetensors, in the working directory."""

    show: Annotated[Path | None, tyro.conf.arg(metavar="FILE")] = None
    """A ticket file to describe, instead of writing one."""

    store: StoreOption = None
    """Where results lie. Left out: $WINNOW_STORE, else ./winnow-store."""


def main(words: Sequence[str]) -> int:
    """Run the command; gives the exit code."""
    options = parse_with_recipe(Options, words, command="ticket")
    from winnow.store.files import file_name
    from winnow.ticket import Ticket

    out = output()
    if options.show is not None:
        out.print(_described(Ticket.read(options.show)), soft_wrap=True)
        return 0
    ticket = _ticket(options, words)
    level = ticket.provenance["level"]
    name = f"{file_name(options.recipe.name)}-level-{level}-replicate-{options.replicate}.safetensors"
    path = options.out or Path(name)
    ticket.save(path)
    out.print(f"{path}: {decimal(path.stat().st_size)}", _described(ticket), sep="\n", soft_wrap=True)
    return 0


def _ticket(options: Options, words: Sequence[str]) -> Ticket:
    """The ticket asked for; raises MissingResult with the command that makes it."""
    from winnow.execution.run import Run
    from winnow.experiments import imp
    from winnow.results import collect
    from winnow.store.experiments import identity
    from winnow.store.maintenance import existing

    store, experiment = existing(options.store), imp(options.recipe)
    run = Run(experiment, store, collect(experiment, store, identity=identity(options.recipe)), failures={})
    if options.level is None and (missing := _missing(run)):
        raise MissingResult(
            f"{missing} are not trained yet, so the smallest matching one is not known.\n"
            f"Finish the run with `{_run_command(words)}`, or name a level with --level."
        )
    if options.level is None and run.results.dense is None:
        raise MissingResult(_lost([row for row in experiment.rows if row.level == 0], store, words))
    try:
        return run.ticket(options.level, options.replicate)
    except MissingResult:
        asked = (TICKET, options.level, options.replicate)
        rows = [row for row in experiment.rows if (row.control, row.level, row.replicate) == asked]
        if lost := _lost(rows, store, words):
            raise MissingResult(lost) from None
        raise MissingResult(
            f"the store {store.root} does not hold that ticket. Make it with: {_run_command(words)}"
        ) from None


def _lost(rows: Sequence[Row], store: Store, words: Sequence[str]) -> str:
    """Why there can be no ticket, if something that it needs failed; empty where nothing did."""
    from winnow.store.failures import Failures

    known = Failures(store)
    failure = next((found for row in rows if (found := known.behind(row.mask or row.trained))), None)
    if failure is None:
        return ""
    return (
        f"there is no such ticket, since what it needs failed: {failure.message}\n"
        f"To try again as it is: {_run_command(words)} --retry"
    )


def _missing(run: Run) -> str:
    """What is still to be trained before it is known which ticket matches, in words; empty where that is nothing."""
    from winnow.execution.executor import Executor
    from winnow.steps import Content

    rows = [row for row in run.experiment.rows if row.control == TICKET]
    plan = Executor(run.store).plan({row.trained: Content.METRICS for row in rows})
    levels = [row.level for row in rows if row.trained in plan.missing]
    tickets, dense = sum(level > 0 for level in levels), levels.count(0)
    parts = [f"{tickets} of the run's tickets"] if tickets else []
    parts += [f"{dense} of its dense networks"] if dense else []
    return " and ".join(parts)


_OWN = ("--level", "--replicate", "--out", "--show")


def _run_command(words: Sequence[str]) -> str:
    """The command line that makes the ticket: the same, without the options that `run` does not have."""
    kept: list[str] = []
    skip = False
    for word in words:
        if not skip and not word.startswith(tuple(f"{name}=" for name in _OWN)) and word not in _OWN:
            kept.append(word)
        skip = word in _OWN
    return shlex.join(["winnow", "run", *kept])


def _described(ticket: Ticket) -> str:
    provenance = ticket.provenance
    lines = [
        f"level {provenance.get('level', '?')} of replicate {provenance.get('replicate', '?')}: "
        f"{ticket.mask.kept:,} of {ticket.mask.size:,} weights remain, {100 * ticket.mask.density:.2f} %",
        f"rewind point: iteration {provenance.get('k', '?')}",
    ]
    width = max((len(name) for name in ticket.mask), default=0) + 2
    layers = ticket.mask.layer_densities().items()
    return "\n".join([*lines, *(f"  {name:{width}}{100 * density:6.2f} %" for name, density in layers)])
