"""`winnow ticket`: a ticket of a finished run as a file."""

from __future__ import annotations

import shlex
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import tyro
from rich.filesize import decimal

from winnow.cli import say
from winnow.cli.arguments import StoreOption, WithRecipe, options_in, parse_with_recipe
from winnow.cli.console import output
from winnow.errors import MissingResult, RecipeError
from winnow.experiments.experiment import TICKET

if TYPE_CHECKING:
    from winnow.execution.run import Run
    from winnow.steps import Step
    from winnow.store import Store
    from winnow.ticket import Ticket


@dataclass(frozen=True, kw_only=True)
class Options(WithRecipe):
    """Write a ticket of a run to a file: its mask, its rewind point and where they came from. Nothing is trained.

    `winnow.Ticket.read(FILE)` reads it, and its `apply_(network)` makes a network the ticket, ready to be trained. With
    --trained it is the network after that training, ready to be used.
    """

    level: int | None = None
    """Which level's ticket. Left out: the smallest matching one."""

    replicate: int = 0
    """Which replicate's."""

    trained: bool = False
    """Whether to write the weights at the end of training instead: a state dict of the network, exactly zero where it
    is pruned, for `load_state_dict(safetensors.torch.load_file(FILE))`. Level 0 is the dense network."""

    out: Annotated[Path | None, tyro.conf.arg(metavar="FILE")] = None
    """The file to write. Left out: NAME-IDENTITY-level-N-replicate-R.safetensors (-trained.safetensors), in the working
    directory."""

    show: Annotated[Path | None, tyro.conf.arg(metavar="FILE")] = None
    """A ticket file to describe, instead of writing one."""

    store: StoreOption = None
    """Where results lie. Left out: $WINNOW_STORE, else ./winnow-store."""


def main(words: Sequence[str]) -> int:
    """Run the command; gives the exit code."""
    options = parse_with_recipe(Options, words, command="ticket")
    from winnow.store.experiments import identity
    from winnow.store.files import file_name

    out = output()
    if options.show is not None:
        if extra := sorted(options_in(words) - {"show"}):
            raise RecipeError(
                f"--show describes a file, and --{extra[0]} has no effect on that. Leave one of them out."
            )
        from winnow.ticket import Ticket

        out.print(_described(Ticket.read(options.show)), soft_wrap=True)
        return 0
    run = _run(options, words)
    try:
        level = run.smallest if options.level is None else options.level
    except RecipeError as none:  # it was asked for rightly, and is not there
        raise MissingResult(str(none)) from None
    whose = f"{file_name(options.recipe.name)}-{identity(options.recipe)}-level-{level}-replicate-{options.replicate}"
    path = options.out or Path(f"{whose}{'-trained' * options.trained}.safetensors")
    try:
        said = (_trained if options.trained else _ticket)(run, level, options.replicate, path)
    except MissingResult:
        asked = (TICKET, level, options.replicate)
        rows = [row for row in run.experiment.rows if (row.control, row.level, row.replicate) == asked]
        needed = [row.trained if options.trained else row.mask or row.trained for row in rows]
        if lost := _lost(needed, run.store, words):
            raise MissingResult(lost) from None
        if run.store.manifest(run.row(level, options.replicate).trained) is not None and options.trained:
            raise MissingResult(
                f"the store {run.store.root} holds what that training measured and not its weights, as --keep last "
                f"asks.\nTo have them, run it into another store: {_run_command(words, elsewhere=True)}"
            ) from None
        raise MissingResult(
            f"the store {run.store.root} does not hold that ticket. Make it with: {_run_command(words)}"
        ) from None
    out.print(f"{path}: {decimal(path.stat().st_size)}", said, sep="\n", soft_wrap=True)
    return 0


def _run(options: Options, words: Sequence[str]) -> Run:
    """The run whose ticket is asked for; raises MissingResult where that, or which of its tickets, is not known."""
    from winnow.execution.run import Run
    from winnow.experiments import imp
    from winnow.results import collect
    from winnow.store.experiments import identity
    from winnow.store.lookup import as_run, namesakes
    from winnow.store.maintenance import existing

    store = existing(options.store)
    experiment = imp(as_run(options.recipe, store, given=options_in(words)))
    results = collect(experiment, store, identity=identity(options.recipe), leave_damaged=True)
    for each in results.damaged:
        say(f"left out: {each}")
    run = Run(experiment, store, results, failures={})
    if not run.results.trainings and (others := namesakes(options.recipe, store)):
        raise MissingResult(
            f"the store {store.root} holds no {options.recipe.name} with these settings; `{_run_command(words)}` makes "
            f"it.\n{others}"
        )
    if options.level is None and (missing := _missing(run)):
        raise MissingResult(
            f"{missing} are not trained yet, so the smallest matching one is not known.\n"
            f"Finish the run with `{_run_command(words)}`, or name a level with --level."
        )
    if options.level is None and run.results.dense is None:
        raise MissingResult(_lost([row.trained for row in experiment.rows if row.level == 0], store, words))
    return run


def _ticket(run: Run, level: int, replicate: int, path: Path) -> str:
    """Write a ticket; gives what there is to say of it."""
    ticket = run.ticket(level, replicate)
    ticket.save(path)
    return _described(ticket)


def _trained(run: Run, level: int, replicate: int, path: Path) -> str:
    """Write the network after a level's training; gives what there is to say of it."""
    import json

    from safetensors.torch import save

    from winnow.recipes import to_toml
    from winnow.results import in_percent
    from winnow.store.files import write_file
    from winnow.ticket import check_file_name

    check_file_name(path)
    weights = run.trained(level, replicate)
    of = next(each for each in run.results.trainings if each.row is run.row(level, replicate))
    made = {"recipe": to_toml(run.recipe), "experiment": run.results.identity, "level": level, "replicate": replicate}
    about = json.dumps({"trained": made | {"density": of.density, "iteration": of.row.trained.stop}})
    write_file(path, save(weights, metadata={"format": "pt", "winnow": about}), option="--out FILE")
    score = of.curve.rows[of.curve.last]["test_accuracy"]
    return (
        f"{_source(made)}level {level} of replicate {replicate}, trained to iteration {of.row.trained.stop:,}: "
        f"{in_percent(of.density)} % of the prunable weights are left, test {run.results.score} {100 * score:.2f} %\n"
        f"network.load_state_dict(safetensors.torch.load_file({str(path)!r})) takes it."
    )


def _lost(needed: Sequence[Step], store: Store, words: Sequence[str]) -> str:
    """Why there can be no ticket, if something that it needs failed; empty where nothing did."""
    from winnow.store.failures import Failures

    known = Failures(store)
    failure = next((found for step in needed if (found := known.behind(step))), None)
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

_FLAGS = ("--trained", "--no-trained")


def _run_command(words: Sequence[str], *, elsewhere: bool = False) -> str:
    """The command line that makes the ticket: the same, without the options that `run` does not have.

    With `elsewhere` it is that for another store than the one in which it was looked for.
    """
    left_out = (*_OWN, "--store") if elsewhere else _OWN
    kept: list[str] = []
    skip = False
    for word in words:
        if not skip and not word.startswith(tuple(f"{name}=" for name in left_out)) and word not in left_out + _FLAGS:
            kept.append(word)
        skip = word in left_out
    return shlex.join(["winnow", "run", *kept, *(["--store", "DIR"] if elsewhere else [])])


def _described(ticket: Ticket) -> str:
    from winnow.results import in_percent

    provenance = ticket.provenance
    lines = [
        f"{_source(provenance)}level {provenance.get('level', '?')} of replicate {provenance.get('replicate', '?')}: "
        f"{ticket.mask.kept:,} of {ticket.mask.size:,} weights remain, {in_percent(ticket.mask.density)} %",
        f"rewind point: iteration {provenance.get('k', '?')}",
    ]
    width = max((len(name) for name in ticket.mask), default=0) + 2
    layers = ticket.mask.layer_densities().items()
    return "\n".join([*lines, *(f"  {name:{width}}{100 * density:6.2f} %" for name, density in layers)])


def _source(provenance: Mapping[str, Any]) -> str:
    """Which experiment a ticket is of, as far as it tells: `digits (imp-1a2b3c4d), `."""
    if "recipe" not in provenance:
        return ""
    name = tomllib.loads(provenance["recipe"])["name"]
    return f"{name} ({provenance['experiment']}), " if "experiment" in provenance else f"{name}, "
