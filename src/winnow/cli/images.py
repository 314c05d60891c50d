"""`winnow data check` and `winnow data pack`: images in a folder, looked through once."""

from __future__ import annotations

import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from rich.console import Console
from rich.filesize import decimal
from rich.progress import Progress

from winnow.cli.console import output
from winnow.errors import RecipeError


def check(path: Path) -> int:
    """Say which images are corrupt; gives the exit code, 3 where some are."""
    from winnow.data import corrupt
    from winnow.data.packed import packed, verify
    from winnow.data.tree import tree

    out = output()
    if path.is_file():
        verify(path)
        out.print(f"{path}: {len(packed(path).labels):,} images, whole.", soft_wrap=True)
        return 0
    images = tree(path.resolve())
    with _progress("decoding") as told:
        found = corrupt.check(images, told)
    for name, reason in found.items():
        out.print(f"{name}: {reason}", soft_wrap=True)
    out.print(
        f"{len(found):,} of {len(images.train) + len(images.test):,} images are corrupt."
        + (" With data.corrupt = 'skip' each is replaced by the next one." if found else ""),
        soft_wrap=True,
    )
    return 3 if found else 0


def pack(path: Path, out: Path, size: int, corrupt: Literal["skip"] | None) -> int:
    """Write a packed file; gives the exit code."""
    from winnow.data import corrupt as corrupt_images
    from winnow.data.packed import pack as write
    from winnow.data.packed import packed
    from winnow.data.tree import tree

    if size < 1:
        raise RecipeError(f"--size is {size}; give the pixels of the shorter side, such as 256.")
    images = tree(path.resolve())
    without = corrupt_images.known(images) if corrupt == "skip" else frozenset[str]()
    with _progress("packing") as told:
        write(images, out, size, told=told, without=without)
    left_out = f" ({len(without)} corrupt ones left out)" if without else ""
    output().print(
        f"{out}: {len(packed(out.resolve()).labels):,} images{left_out}, {decimal(out.stat().st_size)}. "
        f"Train on it with --data.name packed:{out}",
        soft_wrap=True,
    )
    return 0


@contextmanager
def _progress(doing: str) -> Generator[Callable[[int, int], None]]:
    """A bar in a terminal; elsewhere a line for every tenth."""
    console = Console(stderr=True, highlight=False)
    if not console.is_terminal:
        yield lambda done, total: _line(doing, done, total)
        return
    with Progress(console=console, transient=True) as progress:
        task = progress.add_task(doing, total=None)

        def told(done: int, total: int) -> None:
            progress.update(task, completed=done, total=total)

        yield told


def _line(doing: str, done: int, total: int) -> None:
    if 10 * done // total != 10 * (done - 1) // total:
        sys.stderr.write(f"{doing}: {done:,} of {total:,} images\n")
        sys.stderr.flush()
