"""`winnow store`: what is stored, whether it is whole, and what nothing needs any more."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro
from rich.console import Console
from rich.filesize import decimal

from winnow.cli import say
from winnow.cli.arguments import StoreOption, parse
from winnow.cli.console import output, show
from winnow.errors import RecipeError, StoreError

if TYPE_CHECKING:
    from winnow.store import Store


@dataclass(frozen=True, kw_only=True)
class List:
    """What the store holds: the experiments, and the results by kind."""

    results: bool = False
    """Whether to list each result."""

    store: StoreOption = None
    """Which store. Left out: $WINNOW_STORE, else ./winnow-store."""


@dataclass(frozen=True, kw_only=True)
class Show:
    """What a result is, what it was made from, when and by what: its manifest."""

    key: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="KEY")]
    """The result's key, or as much of its beginning as tells it from others."""

    store: StoreOption = None
    """Which store. Left out: $WINNOW_STORE, else ./winnow-store."""


@dataclass(frozen=True, kw_only=True)
class Verify:
    """Read every file of every result, and move the damaged ones aside, so that they are computed again.

    Exit code 1 if any was damaged.
    """

    store: StoreOption = None
    """Which store. Left out: $WINNOW_STORE, else ./winnow-store."""


@dataclass(frozen=True, kw_only=True)
class Clean:
    """Tell what nothing needs any more; with --delete, delete it.

    That is what processes left behind when they died, damaged results moved aside long ago, and results that no
    experiment on the list is made from (`winnow store rm` takes one off). Other processes may go on using the store
    meanwhile: what is younger than an hour is left alone.
    """

    delete: bool = False
    """Whether to delete it."""

    damaged_days: float = 30.0
    """For how many days damaged results are kept after they were moved aside."""

    store: StoreOption = None
    """Which store. Left out: $WINNOW_STORE, else ./winnow-store."""


@dataclass(frozen=True, kw_only=True)
class Remove:
    """Take experiments and studies off the list, so that `winnow store gc` deletes what no other is made from.

    No result is deleted here: until then the same command as before puts an experiment back, with nothing trained.
    """

    names: Annotated[tuple[str, ...], tyro.conf.Positional, tyro.conf.arg(metavar="EXPERIMENT ...")]
    """Which: by the identity that `winnow store ls` shows, or by a name where there is only one of it."""

    store: StoreOption = None
    """Which store. Left out: $WINNOW_STORE, else ./winnow-store."""


@dataclass(frozen=True)
class Options:
    """The stored results: list them, show one, verify them all, clean up."""

    command: Annotated[
        Annotated[List, tyro.conf.subcommand("ls")]
        | Annotated[Show, tyro.conf.subcommand("show")]
        | Annotated[Verify, tyro.conf.subcommand("verify")]
        | Annotated[Remove, tyro.conf.subcommand("rm")]
        | Annotated[Clean, tyro.conf.subcommand("gc")],
        tyro.conf.arg(name=""),
    ]


def main(words: Sequence[str]) -> int:
    """Run the command; gives the exit code."""
    command = parse(Options, words, command="store").command
    from winnow.store.maintenance import existing

    store = existing(command.store, make=isinstance(command, Verify))
    if isinstance(command, List):
        return _list(command, store)
    if isinstance(command, Show):
        return _show(command, store)
    if isinstance(command, Verify):
        return _verify(store)
    if isinstance(command, Remove):
        return _remove(command, store)
    return _clean(command, store)


def _list(command: List, store: Store) -> int:
    from winnow.cli.stored import experiments_table, kinds_table, results_table, told_apart
    from winnow.store.maintenance import manifests
    from winnow.store.manifest import Manifest

    console = output()
    found = list(manifests(store))
    whole = [manifest for manifest in found if isinstance(manifest, Manifest)]
    if command.results:
        show(console, results_table(whole))
    else:
        table, problems = experiments_table(store)
        show(console, table, "", *told_apart(store), kinds_table(whole))
        for problem in problems:
            say(problem)
    for damage in found:
        if not isinstance(damage, Manifest):
            say(str(damage))
    return 0


def _show(command: Show, store: Store) -> int:
    from winnow.store.maintenance import keys_like

    keys = keys_like(store, command.key)
    if not keys:
        raise StoreError(
            f"no result in {store.root} begins with '{command.key}'. `winnow store ls --results` lists them."
        )
    if len(keys) > 1:
        shown = "\n".join(keys[:10]) + (f"\n... and {len(keys) - 10} more" if len(keys) > 10 else "")
        raise StoreError(f"'{command.key}' is the beginning of {len(keys)} results. Give more of it:\n{shown}")
    from winnow.cli.stored import described

    manifest = store.manifest(keys[0])
    if manifest is None:
        raise StoreError(f"result {keys[0]} has just been removed by another process.")
    output().print(described(manifest, store), soft_wrap=True)
    return 0


def _verify(store: Store) -> int:
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn

    from winnow.store.maintenance import verify

    console = Console(stderr=True, highlight=False)
    columns = ("verifying", BarColumn(bar_width=24), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("", total=None)
        count = 0

        def tell(done: int, total: int) -> None:
            nonlocal count
            count = total
            progress.update(task, completed=done, total=total)

        damages = verify(store, tell)
    for damage in damages:
        say(str(damage))
    output().print(f"{count:,} results verified in {store.root}: {len(damages) or 'none'} damaged.", soft_wrap=True)
    return 1 if damages else 0


def _remove(command: Remove, store: Store) -> int:
    from winnow.cli.stored import nothing_found
    from winnow.store.files import storing
    from winnow.store.lookup import records_called, shown

    if not command.names:
        raise RecipeError("name what to take off the list: winnow store rm EXPERIMENT ... `winnow store ls` shows it.")
    chosen: list[Path] = []
    for name in command.names:
        found = records_called(name, store)
        if not found:
            raise nothing_found(store, [name])
        if len(found) > 1:
            which = "\n".join(f"  {path.stem}" for path in found)
            raise StoreError(f"'{name}' is {len(found)} experiments. Name them so:\n{which}")
        chosen += found
    for path in chosen:
        with storing(path):
            path.unlink(missing_ok=True)
    said = ", ".join(shown(path) for path in chosen)
    output().print(
        f"Taken off the list: {said}.\n`winnow store gc` tells what no other experiment needs.", soft_wrap=True
    )
    return 0


def _clean(command: Clean, store: Store) -> int:
    from winnow.cli.stored import garbage_table, needed
    from winnow.store.maintenance import delete, garbage

    reached, unfinished, problems = needed(store)
    found = garbage(store, reached=reached, unfinished=unfinished, damaged_days=command.damaged_days)
    for problem in problems:
        say(problem)
    console = output()
    unneeded = 0 if reached is None else sum(key not in reached for key in store.result_keys())
    if waiting := unneeded - sum(item.reason == "unreached" for item in found):
        what = f"{waiting:,} result{'s' * (waiting > 1)} that no experiment is made from"
        console.print(f"{what} may be in use, being younger than an hour, and must wait.", soft_wrap=True)
    if not found:
        console.print(f"Nothing {'else ' * (waiting > 0)}in {store.root} is without use.", soft_wrap=True)
        return 0
    show(console, garbage_table(found))
    total = decimal(sum(item.bytes for item in found))
    if command.delete:
        delete(store, found)
        console.print(f"Deleted: {total} freed.")
    else:
        console.print(f"Nothing was deleted. `winnow store gc --delete` frees {total}.", soft_wrap=True)
    return 0
