"""Looking after a store: what it holds, whether that is whole, and what nothing needs any more."""

from __future__ import annotations

import re
import shutil
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from winnow.errors import CorruptResult, MissingResult, StoreError
from winnow.store.files import storing
from winnow.store.manifest import NAME, Manifest
from winnow.store.store import Store

HOUR = 3600.0
"""Seconds. What is younger may belong to a process at work, and is left alone."""

DAY = 24 * HOUR

_TEMPORARY = re.compile(r"\..+\.[0-9a-f]{8}")
"""How `write_file` calls a file until it is whole."""


def keys_like(store: Store, beginning: str) -> list[str]:
    """The keys of the results that begin so."""
    return [key for key in store.result_keys() if key.startswith(beginning)]


def manifests(store: Store) -> Iterator[Manifest | CorruptResult]:
    """The manifest of every result; for one that cannot be read, the error."""
    for key in store.result_keys():
        try:
            manifest = store.manifest(key)
        except CorruptResult as damage:
            yield damage
        else:
            if manifest is not None:
                yield manifest


def verify(store: Store, progress: Callable[[int, int], None] | None = None) -> list[CorruptResult]:
    """Read every file of every result and move the damaged results aside; gives one error for each.

    `progress` is called with the number of results that have been read, and of all.
    """
    folders = sorted(store.root.glob("results/??/*/"))
    damages: list[CorruptResult] = []
    for number, folder in enumerate(folders, start=1):
        try:
            _verify(store, folder)
        except CorruptResult as damage:
            damages.append(damage)
        except MissingResult:  # removed by another process meanwhile
            pass
        if progress is not None:
            progress(number, len(folders))
    return damages


def _verify(store: Store, folder: Path) -> None:
    key = folder.name
    manifest = store.manifest(key)
    if manifest is None:
        # Results appear and go in one move, so a folder without a manifest has lost it. It is listed once, since
        # another process may be replacing it.
        with suppress(FileNotFoundError):
            if NAME not in {path.name for path in folder.iterdir()}:
                raise store.set_aside(key, "it has no manifest")
        return
    for name in manifest.files:
        store.read(key, name)


Reason = Literal["temporary", "progress", "lock", "damaged", "unreached"]


@dataclass(frozen=True)
class Garbage:
    """Something in a store that nothing needs."""

    reason: Reason
    path: Path
    bytes: int


def garbage(
    store: Store, *, reached: Collection[str] | None, unfinished: Collection[str] | None, damaged_days: float
) -> list[Garbage]:
    """What nothing needs. `reached` are the keys of the results to keep; None keeps all.

    `unfinished` are the trajectories whose progress is still of use; None keeps all as well. What is younger than an
    hour, or whose lock another process holds, may be in use and is not among it.
    """
    now = time.time()
    found = [Garbage("temporary", path, _size(path)) for path in _temporary(store) if now - _touched(path) > HOUR]
    held: set[str] = set()
    for path in sorted((store.root / "locks").glob("*.lock")):
        with store.locked([path.stem]) as mine:
            if mine:
                found.append(Garbage("lock", path, _size(path)))
            else:
                held.add(path.stem)
    for path in sorted((store.root / "progress").glob("*.progress")):
        is_of_use = unfinished is None or path.stem in unfinished
        if not is_of_use and path.stem not in held and now - _touched(path) > HOUR:
            found.append(Garbage("progress", path, _size(path)))
    for path in sorted((store.root / "corrupt").glob("*")):
        moved = path.name.rpartition("-")[2]  # its name ends in the nanosecond at which it was moved
        if moved.isdecimal() and now - int(moved) / 1e9 > damaged_days * DAY:
            found.append(Garbage("damaged", path, _size(path)))
    if reached is not None:
        for path in sorted(store.root.glob("results/??/*/")):
            if path.name not in reached and path.name not in held and now - _touched(path / NAME) > HOUR:
                found.append(Garbage("unreached", path, _size(path)))
    return found


def delete(store: Store, found: Collection[Garbage]) -> None:
    """Delete what `garbage` found, but for what a process has begun to use since."""
    for item in found:
        with storing(store.root), suppress(FileNotFoundError):
            if item.reason == "unreached":
                store.remove(item.path.name)
            elif item.reason in ("lock", "progress"):
                # Deleted while held, so that nobody holds a lock whose file is gone.
                with store.locked([item.path.stem]) as free:
                    if free:
                        item.path.unlink()
                        (store.root / "locks" / f"{item.path.stem}.lock").unlink(missing_ok=True)
            elif item.path.is_dir():
                shutil.rmtree(item.path)
            else:
                item.path.unlink()


def _temporary(store: Store) -> list[Path]:
    """What is still being written, or was when its process died."""
    folders = [store.root, store.root / "progress", store.root / "experiments", store.root / "studies"]
    hidden = [path for folder in folders for path in sorted(folder.glob(".*")) if _TEMPORARY.fullmatch(path.name)]
    return sorted((store.root / "temporary").glob("*")) + hidden


def _touched(path: Path) -> float:
    """When a file, or the newest file in a folder, was last written; now, where it has gone."""
    try:
        return max(part.stat().st_mtime for part in (path, *path.rglob("*")))
    except FileNotFoundError:
        return time.time()


def _size(path: Path) -> int:
    total = 0
    for part in (path, *path.rglob("*")):
        with suppress(FileNotFoundError):
            if part.is_file():
                total += part.stat().st_size
    return total


def existing(root: Path | str | None, *, make: bool = False) -> Store:
    """The store at a place, to be read or, with `make`, written to; raises StoreError where there is none."""
    store = Store(root, make=False)
    if not store.root.is_dir():
        raise StoreError(f"there is no store at {store.root}. `winnow run` makes one; --store DIR names another.")
    return Store(root) if make else store
