"""`winnow report`: one page that shows what a store holds, and what it says."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro

from winnow.cli import say
from winnow.cli.arguments import RecipeNames, StoreOption, parse
from winnow.errors import RecipeError

if TYPE_CHECKING:
    from winnow.report.parts import Part
    from winnow.store import Store


@dataclass(frozen=True, kw_only=True)
class Options:
    """Write one HTML page about the experiments in a store: it opens from disk and needs no network.

    Of each run and study: the verdict first, what to read with care, what was asked, figures whose values can be read
    by pointing or with the arrow keys, tables with intervals, and provenance. Nothing is trained.
    """

    names: RecipeNames = ()
    """Only experiments of the recipes of these names, or with these identities, such as imp-1a2b3c4d."""

    store: StoreOption = None
    """Which store. Left out: $WINNOW_STORE, else ./winnow-store."""

    out: Annotated[Path, tyro.conf.arg(metavar="FILE")] = Path("report.html")
    """The page."""

    files: Annotated[Path | None, tyro.conf.arg(metavar="DIR")] = None
    """A folder for each figure as SVG and PNG, and each table as CSV."""

    live: Annotated[float | None, tyro.conf.arg(metavar="SECONDS")] = None
    """Write the page anew every so many seconds until everything is stored, while runs go on elsewhere. The page loads
    itself again as often."""


def main(words: Sequence[str]) -> int:
    """Run the command; gives the exit code."""
    options = parse(Options, words, command="report")
    from winnow.report.files import write_files
    from winnow.store.maintenance import existing

    if options.live is not None and options.live < 1:
        raise RecipeError(f"--live {options.live:g} is less than a second. Write how often to look, such as --live 30.")
    store = existing(options.store)
    try:
        parts = _write(options, store)
        while options.live is not None and not all(part.is_complete for part in parts):
            time.sleep(options.live)
            parts = _write(options, store)
    except KeyboardInterrupt:
        if options.live is None or not options.out.exists():
            raise
        return _leave(options, store)
    size = options.out.stat().st_size
    what = f"{len(parts)} experiment{'s' if len(parts) > 1 else ''}"
    print(f"page: {options.out} ({size / 1000:,.0f} kB, {what})")  # noqa: T201
    if options.files is not None:
        from winnow.report.parts import held
        from winnow.report.side_by_side import comparison

        extra = comparison(held(store, options.names).runs)
        written = write_files(parts, options.files, extra=extra)
        print(f"files: {len(written)} in {options.files}")  # noqa: T201
    return 0


def _leave(options: Options, store: Store) -> int:
    """End looking: the page is as of now, and loads itself no more."""
    _write(replace(options, live=None), store)
    sys.stderr.write(f"\nwinnow: no longer looking. The page, as of now: {options.out}\n")
    return 130


def _write(options: Options, store: Store) -> list[Part]:
    """Write the page once; gives what it shows."""
    from winnow.cli.stored import nothing_found
    from winnow.report.page import Opening, page
    from winnow.report.parts import held
    from winnow.report.side_by_side import comparison
    from winnow.store.files import write_file
    from winnow.store.lookup import unknown

    found = held(store, options.names)
    for problem in found.problems:
        say(problem)
    parts, runs = found.parts(store), found.runs
    missing = unknown(options.names, [(part.recipe.name, part.identity) for part in parts])
    if not parts or missing:
        raise nothing_found(store, missing)
    is_live = options.live is not None and not all(part.is_complete for part in parts)
    if is_live:
        done = sum(part.made.stored for part in parts)
        say(f"{done:,} of {sum(len(part.made.wanted) for part in parts):,} trainings stored; page: {options.out}")
        sys.stderr.flush()
    studies = len(parts) - len(runs)
    counted = [f"{len(runs)} run{'s' * (len(runs) > 1)}"] if runs else []
    counted += [f"{studies} stud{'ies' if studies > 1 else 'y'}"] if studies else []
    kinds = " and ".join(counted)
    names = list(dict.fromkeys(part.recipe.name for part in parts))
    title = f"Lottery tickets: {names[0]}" if len(names) == 1 else "Lottery tickets"
    opening = Opening(title=title, deck=f"{kinds.capitalize()}, from the recipe to what it says.")
    refresh = max(1, round(options.live)) if is_live and options.live else None
    content = page(parts, opening=opening, extra=comparison(runs), refresh=refresh)
    write_file(options.out, content.encode(), option="--out FILE")
    return parts
