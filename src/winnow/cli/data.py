"""`winnow data`: which data sets there are, and where they lie; checking and packing one's own images."""

from __future__ import annotations

import sys
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro
from rich.console import Console
from rich.filesize import decimal
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn
from rich.table import Table

from winnow.cli.arguments import parse
from winnow.cli.console import output, show
from winnow.errors import RecipeError

Told = Callable[[int, int | None], None]
"""Told of the bytes of a file that are here, and its size where that is known."""


@dataclass(frozen=True, kw_only=True)
class List:
    """The data sets, and which of them are here."""


@dataclass(frozen=True, kw_only=True)
class Fetch:
    """Get data sets, unless they are here: `winnow run` does it too, when it needs one."""

    names: Annotated[
        tuple[str, ...],
        tyro.conf.Positional,
        tyro.conf.arg(metavar="NAME ...", help_behavior_hint="(required)"),
    ]
    """Which data sets, one or more, as `winnow data list` names them."""

    directory: Annotated[Path | None, tyro.conf.arg(metavar="DIR")] = None
    """A folder that holds the publisher's files, gzipped or not, to take it from. Left out: from the network."""


@dataclass(frozen=True, kw_only=True)
class Where:
    """The file a data set lies in, or will once it is fetched. $WINNOW_DATA says in which folder."""

    name: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="NAME")]
    """Which data set, as `winnow data list` names it."""


@dataclass(frozen=True, kw_only=True)
class Check:
    """Decode every image of a folder once, and list those that cannot be, for data.corrupt = 'skip' to leave out.

    Of a packed file, compare the contents with the checksum it states.
    """

    path: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="PATH")]
    """A folder of images, as in data.name = 'folder:PATH', or a packed file."""


@dataclass(frozen=True, kw_only=True)
class Pack:
    """Write the images of a folder, made smaller, into one file that is read many times faster: 'packed:FILE'."""

    path: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="PATH")]
    """A folder of images, as in data.name = 'folder:PATH'."""

    out: Annotated[Path, tyro.conf.arg(metavar="FILE")]
    """The file to write. It takes about 4 x size x size bytes an image: 0.26 MB at 256."""

    size: Annotated[int, tyro.conf.arg(metavar="N")] = 256
    """How many pixels the shorter side of an image is made; smaller images stay as they are."""

    corrupt: Literal["skip"] | None = None
    """`skip`: leave out the images that `winnow data check` found to be corrupt."""


@dataclass(frozen=True)
class Options:
    """The data sets: list them, fetch them, tell where one lies; check one's own images, and pack them."""

    command: Annotated[
        Annotated[List, tyro.conf.subcommand("list")]
        | Annotated[Fetch, tyro.conf.subcommand("fetch")]
        | Annotated[Where, tyro.conf.subcommand("where")]
        | Annotated[Check, tyro.conf.subcommand("check")]
        | Annotated[Pack, tyro.conf.subcommand("pack")],
        tyro.conf.arg(name=""),
    ]


def main(words: Sequence[str]) -> int:
    """Run the command; gives the exit code."""
    command = parse(Options, words, command="data").command
    from winnow.data import entry, where

    if isinstance(command, Check | Pack):
        from winnow.cli import images

        return images.check(command.path) if isinstance(command, Check) else images.pack(**vars(command))
    if isinstance(command, List):
        show(output(), _table())
    elif isinstance(command, Where):
        if is_bundled := entry(command.name).is_bundled:
            sys.stdout.write(f"inside the package: {command.name} ships with Winnow\n")
        else:
            sys.stdout.write(f"{where(command.name)}\n")
        if not is_bundled and not where(command.name).exists():
            sys.stderr.write(f"winnow: it is not there yet: `winnow data fetch {command.name}` gets it.\n")
    else:
        _fetch(command.names, command.directory)
    return 0


def _fetch(names: Sequence[str], directory: Path | None) -> None:
    from winnow.data import entry

    if not names:
        raise RecipeError("no data set is named; give one or more: `winnow data list` shows them.")
    for name in names:
        entry(name)  # a misspelt one is told before another is downloaded
    for name in names:
        output().print(f"{name}: {fetched(name, directory)}", soft_wrap=True)


def fetched(name: str, directory: Path | None = None) -> Path:
    """The file of a data set, fetched if it is not there, telling how far that is on standard error."""
    from winnow.data import fetch

    with _progress(name) as told:
        return fetch(name, directory=directory, progress=told)


def _table() -> Table:
    from winnow.data import entry, names, where
    from winnow.data.sources import Folder

    table = Table(box=None, pad_edge=False)
    for column in ("data set", "training", "test", "image"):
        table.add_column(column, justify="left" if column == "data set" else "right", no_wrap=True)
    table.add_column("here?", no_wrap=True)
    table.add_column("about")
    for name in names():
        known = entry(name)
        is_here = where(name).exists() or isinstance(known.sources[0], Folder)
        table.add_row(
            name,
            f"{known.train:,}",
            f"{known.test:,}",
            "x".join(map(str, known.shape)),
            "yes" if is_here else "no",
            known.description,
        )
    return table


@contextmanager
def _progress(name: str) -> Generator[Told]:
    """A bar in a terminal; elsewhere a line for each file."""
    console = Console(stderr=True, highlight=False)
    if not console.is_terminal:
        yield _Lines(name)
        return
    columns = (TextColumn("{task.description}"), BarColumn(bar_width=24), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task(f"fetching {name}", total=None)

        def told(done: int, total: int | None) -> None:
            progress.update(task, completed=done, total=total)

        yield told


class _Lines:
    """Lines for a log: one for each file that has come."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.files = 0

    def __call__(self, done: int, total: int | None) -> None:
        if done == total:
            self.files += 1
            sys.stderr.write(f"fetching {self.name}: file {self.files}, {decimal(done)}\n")
            sys.stderr.flush()
