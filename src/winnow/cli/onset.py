"""`winnow onset`: the least k from which training is stable, found by bisection."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from winnow.cli.arguments import WithExecution, parse_with_recipe
from winnow.cli.console import output, show

if TYPE_CHECKING:
    from winnow.execution.onset import Onset
    from winnow.store import Store


@dataclass(frozen=True, kw_only=True)
class Options(WithExecution):
    """Find the onset of stability: the least rewind point k from which training is stable to noise or to pruning.

    The k that may be tried lie on a log scale up to --onset.until; bisection tries about log2 of them. Everything
    trained is stored, and shared with `winnow run`: --rewind auto there does this first. The settings are the
    recipe's own (--onset.by, --onset.threshold, ...); the three most used have short names here.
    """

    density: str | None = None
    """Of IMP's subnetworks whose stability is asked for. Left out: as in the recipe, else the dense network."""

    by: str | None = None
    """instability, pruning or data-order. Left out: as in the recipe."""

    threshold: str | None = None
    """Below what k counts as stable: points of test error, as 2%, or degrees. Left out: as in the recipe."""


def main(words: Sequence[str]) -> int:
    """Run the command; gives the exit code."""
    options = parse_with_recipe(Options, words, command="onset")
    from winnow.cli.studies import check_words
    from winnow.cli.study_tables import onset_report
    from winnow.store import Store

    check_words(words, instead="the onset is the rewind point that is looked for, up to --onset.until")
    found = search(options, Store(options.store))
    show(output(), onset_report(found))
    return 0 if found.k is not None else 3


def search(options: WithExecution, store: Store) -> Onset:
    """Search for the onset, showing how it goes."""
    from winnow.cli.display import display
    from winnow.cli.studies import executor, fetch_data, fraction
    from winnow.execution.onset import find_onset, grid_of, study_at

    recipe = options.recipe
    if isinstance(options, Options):
        changes: dict[str, object] = {}
        if options.density is not None:
            changes["onset.density"] = fraction(options.density)
        if options.by is not None:
            changes["onset.by"] = options.by
        if options.threshold is not None:
            changes["onset.threshold"] = number(options.threshold)
        recipe = recipe.edited(changes) if changes else recipe
    base = recipe.edited({"rewind": "0it"})
    fetch_data(options)
    with display(options.progress, study_at(base, grid_of(base))) as reporter:
        return find_onset(recipe, executor(options, store, reporter), keep=options.keep)


def number(written: str) -> float | str:
    """A threshold as "2%" or "25"; what is none of these is left for the recipe to refuse."""
    try:
        return float(written.strip().removesuffix("%"))
    except ValueError:
        return written
