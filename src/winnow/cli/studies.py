"""What the commands that run studies share."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from winnow.cli import say
from winnow.cli.console import output, show, show_failures, show_figure, write_table
from winnow.errors import RecipeError

if TYPE_CHECKING:
    from winnow.cli.arguments import WithExecution
    from winnow.execution.executor import Executor
    from winnow.execution.reporting import Reporter
    from winnow.execution.studies import Studied
    from winnow.experiments import Study
    from winnow.store import Store
    from winnow.timeline import Amount


_WITHOUT_EFFECT = {
    "--levels": "subnetworks are of the level nearest to the density",
    "--control": "a study trains no controls",
    "--rival": "a study trains no rivals",
}


def check_words(words: Sequence[str], *, instead: str) -> None:
    """Refuse a rewind point, which a study does not take from its recipe, and tell what else has no effect on it.

    `instead` is what to give in the place of --rewind.
    """
    given = {word.partition("=")[0]: word.partition("=")[2] for word in words}
    if "--rewind" in given:
        k = given["--rewind"] or next(iter(words[words.index("--rewind") + 1 :]), "")
        raise RecipeError(f"--rewind has no meaning here: {instead.format(k=k)}.")
    for option, reason in _WITHOUT_EFFECT.items():
        if option in given:
            say(f"{option} has no effect here: {reason}.")


def amounts(written: str) -> list[Amount]:
    """The rewind points in "0it,100it,2%"; raises RecipeError."""
    from winnow.timeline import Amount

    return [Amount.parse(part) for part in re.split(r"[,\s]+", written.strip()) if part]


def fraction(written: str) -> float:
    """A density as "10.7%" or "0.107"; raises RecipeError.

    >>> fraction("10.7%"), fraction("0.107")
    (0.107, 0.107)
    """
    number = written.strip().removesuffix("%")
    try:
        return float(number) / (100 if "%" in written else 1)
    except ValueError:
        raise RecipeError(f"'{written}' is no density. Write a percentage such as 10.7%, or a fraction.") from None


def executor(options: WithExecution, store: Store, reporter: Reporter) -> Executor:
    """The executor that a command's options ask for."""
    from winnow.execution.executor import Executor
    from winnow.execution.run import chosen_device

    return Executor(
        store,
        chosen_device(options.device),
        reporter,
        engine=options.engine,
        width=options.lanes,
        keep_all=options.keep == "all",
    )


def run(study: Study, options: WithExecution, store: Store) -> Studied:
    """Run a study, showing how it goes."""
    from winnow.cli.display import display
    from winnow.execution.studies import run_study

    fetch_data(options)
    with display(options.progress, study) as reporter:
        return run_study(study, executor(options, store, reporter), keep=options.keep)


def fetch_data(options: WithExecution) -> None:
    """Get the recipe's data set, telling how far that is, if it is not here."""
    from winnow.cli.data import fetched
    from winnow.data import is_here

    name = options.recipe.data.name
    if not is_here(name):
        fetched(name)


def tell(studied: Studied, table: Any, store: Store, out_file: Path | None) -> int:
    """Print what was found, draw it, and write the tidy table; gives the exit code."""
    from winnow.findings import StudyRecord
    from winnow.report.studies import draw
    from winnow.results import to_csv

    out = output()
    show(out, table)
    show_failures(out, studied.failures.items())
    if out_file is not None:
        write_table(out_file, to_csv(list(studied.findings.records()), StudyRecord._fields))
    if studied.findings.measured:
        show_figure(out, lambda: draw(studied.findings, store.root / "figures"))
    return 3 if studied.failures else 0
