"""`winnow reproduce`: a paper's numbers beside ours."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro
from rich.table import Table

from winnow.cli.arguments import WithExecution, parse
from winnow.cli.console import output, show
from winnow.errors import RecipeError

if TYPE_CHECKING:
    from winnow.experiments import Experiment, Study
    from winnow.findings import Findings
    from winnow.recipe import Recipe
    from winnow.report.parts import Part
    from winnow.report.reproduction import Compared
    from winnow.reproductions import Reproduction
    from winnow.results import Results
    from winnow.store import Store


@dataclass(frozen=True, kw_only=True)
class Options(WithExecution):
    """Compare what the papers report with what is measured here: train what is missing, then tell, number by number.

    Without a name, lists the reproductions. Fields of the recipe can be changed as for `winnow run`; a shortened run is
    compared too, and is never called a reproduction.
    """

    dry_run: bool = False
    """Whether only to tell what would be trained."""

    stored: bool = False
    """Whether to compare what is stored, and train nothing."""

    out: Annotated[Path | None, tyro.conf.arg(metavar="FILE")] = None
    """The page. Left out: NAME.html."""


def main(words: Sequence[str]) -> int:
    """Run the command; gives the exit code."""
    from winnow import reproductions

    if not words:
        return _list()
    if words[0] in ("-h", "--help"):
        parse(
            Options,
            words,
            command="reproduce NAME",
            default=Options(recipe=reproductions.published("lenet-mnist").whole_recipe),
        )
    reproduction = reproductions.published(words[0])
    default = Options(recipe=reproduction.whole_recipe)
    options = parse(Options, words[1:], command=f"reproduce {reproduction.name}", default=default)
    if options.dry_run and options.stored:
        raise RecipeError("--dry-run tells what would be trained, --stored what is. Give one of them.")
    from winnow.report.reproduction import compared
    from winnow.store import Store
    from winnow.store.maintenance import existing

    store = existing(options.store) if options.stored else Store(options.store, make=not options.dry_run)
    wanted = _wanted(reproduction, options.recipe)
    if options.dry_run:
        return _tell_plan(wanted, store)
    if not options.stored:
        _train(wanted, options, store)
    source = _read(wanted, store)
    found = compared(reproduction, options.recipe, source)
    _print(found)
    out = options.out or Path(f"{reproduction.name}.html")
    _write(found, source, store, out)
    print(f"page: {out}")  # noqa: T201
    return 0


def _list() -> int:
    from winnow.reproductions import names, published

    table = Table(box=None, pad_edge=False)
    for column in ("reproduction", "what it is", "numbers"):
        table.add_column(column, justify="right" if column == "numbers" else "left")
    for name in names():
        reproduction = published(name)
        table.add_row(name, reproduction.title, str(len(reproduction.claims)))
    show(output(), table)
    return 0


def _wanted(reproduction: Reproduction, recipe: Recipe) -> Experiment | Study:
    from winnow.experiments import imp

    return reproduction.study_of(recipe) if reproduction.study is not None else imp(recipe)


def _tell_plan(wanted: Experiment | Study, store: Store) -> int:
    from winnow.execution.estimate import remaining
    from winnow.execution.executor import Executor
    from winnow.steps import Train

    plan = Executor(store).plan(wanted.targets())
    left = remaining(plan, store)
    stored = sum(isinstance(step, Train) for step in plan.stored)
    print(  # noqa: T201
        f"{len(left):,} trainings to run, {sum(left.values()):,} iterations; {stored:,} results of trainings are "
        f"stored.\n"
        f"`winnow plan` with the same recipe estimates the time of a run."
    )
    return 0


def _train(wanted: Experiment | Study, options: Options, store: Store) -> None:
    from winnow.cli.display import display
    from winnow.cli.studies import executor, fetch_data
    from winnow.execution.run import run
    from winnow.execution.studies import run_study
    from winnow.experiments import Study

    fetch_data(options)
    with display(options.progress, wanted) as reporter:
        if isinstance(wanted, Study):
            run_study(wanted, executor(options, store, reporter), keep=options.keep)
        else:
            run(
                options.recipe,
                store=store,
                device=options.device,
                keep=options.keep,
                engine=options.engine,
                lanes=options.lanes,
                reporter=reporter,
            )


def _read(wanted: Experiment | Study, store: Store) -> Results | Findings:
    from winnow.experiments import Study
    from winnow.findings import gather
    from winnow.results import collect
    from winnow.store.experiments import identity

    if isinstance(wanted, Study):
        return gather(wanted, store)
    return collect(wanted, store, identity=identity(wanted.recipe))


def _print(found: Compared) -> None:
    from winnow.report.reproduction import comparison_table

    shown = comparison_table(found)
    table = Table(box=None, pad_edge=False)
    kept = [n for n, column in enumerate(shown.columns) if column not in ("where", "95 % interval")]
    for n in kept:
        table.add_column(shown.columns[n], justify="left" if n < shown.words else "right", no_wrap=n > 0)
    for row in shown.rows:
        table.add_row(*(row[n] for n in kept))
    console = output()
    console.print(f"{found.reproduction.title}\n{found.reproduction.source}", soft_wrap=True)
    show(console, table)
    missing = dict.fromkeys(line.missing for line in found.lines if line.missing)
    if missing:
        console.print(f"not stored: {'; '.join(missing)}", soft_wrap=True)
    console.print(found.summary, soft_wrap=True, style="bold")


def _write(found: Compared, source: Results | Findings, store: Store, out: Path) -> None:
    from winnow.report.page import Opening, page
    from winnow.report.reproduction import comparison_table
    from winnow.store.files import write_file

    reproduction = found.reproduction
    opening = Opening(
        title=reproduction.title,
        deck=found.summary,
        tables=(comparison_table(found),),
        notes=(f"Published in {reproduction.source}.", *([reproduction.about] if reproduction.about else [])),
    )
    write_file(out, page([_part(source, store)], opening=opening).encode(), option="--out FILE")


def _part(source: Results | Findings, store: Store) -> Part:
    from winnow.findings import Findings
    from winnow.report.parts import run_part, study_part

    return study_part(source, store) if isinstance(source, Findings) else run_part(source, store)
