"""Data sets on disk: one safetensors file of decoded arrays each, verified whenever it is read."""

from __future__ import annotations

import logging
import os
import shutil
import sys
from pathlib import Path

import numpy as np
from filelock import FileLock
from safetensors import SafetensorError
from safetensors.numpy import load_file  # pyright: ignore[reportUnknownVariableType]
from safetensors.numpy import save as to_safetensors

from winnow.data.arrays import FIELDS, Arrays
from winnow.data.catalogue import Entry, entry
from winnow.data.download import Progress
from winnow.data.folder import read_files
from winnow.data.sources import Folder, Source
from winnow.errors import DataError, WinnowError

_log = logging.getLogger(__name__)


def cache_directory() -> Path:
    """Where data sets are kept: $WINNOW_DATA, else `winnow/data` in the user's cache folder."""
    if chosen := os.environ.get("WINNOW_DATA"):
        return Path(chosen).expanduser()
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA", "~/AppData/Local")
    elif sys.platform == "darwin":
        base = "~/Library/Caches"
    else:
        base = os.environ.get("XDG_CACHE_HOME", "")
        base = base if Path(base).is_absolute() else "~/.cache"  # XDG: a relative path is to be ignored
    return Path(base).expanduser() / "winnow" / "data"


def where(name: str) -> Path:
    """The file a data set is cached in, whether or not it is there yet. Raises `UnknownName`."""
    return cache_directory() / f"{entry(name).name}.safetensors"


def load(name: str, directory: Path | None = None) -> Arrays:
    """A data set, from the cache; fetched first if it is not there. One that ships with Winnow needs no cache.

    With `directory`, the files in that folder are read, and neither cache nor network is used.
    Either way the arrays are verified: 0.3 s for CIFAR-10. Raises `UnknownName`, or `DataError`
    when no source has the data set or its checksum differs.

    >>> load("digits").train_images.shape
    (1200, 1, 8, 8)
    """
    known = entry(name)
    if directory is not None:
        return _obtain(known, _sources(known, directory), None)
    if known.is_bundled:
        return _obtain(known, known.sources, None)
    return _read(known) or _fill(known, known.sources, None)


def fetch(name: str, *, directory: Path | None = None, progress: Progress | None = None) -> Path:
    """Make sure a data set is in the cache, whole and verified; returns the file.

    It comes from `directory` if that is given, else from the first of the entry's sources that has it.
    `progress` is called with the bytes of the file being downloaded that are here, and its size or
    None. Any number of processes may call this at once: one fetches, the others wait. What a download
    that was interrupted had got is used by the next. Raises `UnknownName` or `DataError`.
    """
    known = entry(name)
    if _read(known) is None:
        _fill(known, _sources(known, directory), progress)
    return where(name)


def _sources(known: Entry, directory: Path | None) -> tuple[Source, ...]:
    return known.sources if directory is None else (Folder(Path(directory), known.layout),)


def _read(known: Entry) -> Arrays | None:
    """The cached arrays, or None when they are missing or damaged."""
    try:
        stored = load_file(where(known.name))
        arrays = Arrays(**{field: stored[field] for field in FIELDS}, classes=known.classes, scale=known.scale)
    except (OSError, SafetensorError, KeyError, DataError):
        return None
    return arrays if arrays.checksum() == known.checksum else None


def _fill(known: Entry, sources: tuple[Source, ...], progress: Progress | None) -> Arrays:
    path = where(known.name)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(path.with_suffix(".lock")):
            if (arrays := _read(known)) is not None:  # another process was faster
                return arrays
            if path.exists():
                aside = path.with_suffix(".corrupt")
                os.replace(path, aside)
                _log.warning("%s is damaged: moved to %s; fetching %s again", path, aside.name, known.name)
            arrays = _obtain(known, sources, progress)
            _write(arrays, path)
            shutil.rmtree(_downloads(known), ignore_errors=True)
            return arrays
    except OSError as error:
        raise DataError(
            f"data set '{known.name}' cannot be kept in {path.parent}: {error}\n"
            "Set the environment variable WINNOW_DATA to a folder you can write to."
        ) from error


def _downloads(known: Entry) -> Path:
    return cache_directory() / "downloads" / known.name


def _obtain(known: Entry, sources: tuple[Source, ...], progress: Progress | None) -> Arrays:
    """The true arrays, from the first source that has them."""
    reasons: list[str] = []
    for number, source in enumerate(sources):
        try:
            return _try(known, source, _downloads(known) / str(number), progress)
        except WinnowError as error:
            reasons.append(f"  - {source.title}: {error}")
    tried = "\n".join(reasons)
    raise DataError(
        f"data set '{known.name}' could not be had. Tried:\n{tried}\n"
        f"If you have a folder that holds {', '.join(known.layout.files)} (gzipped or not), "
        f"`winnow data fetch {known.name} --directory DIR` takes them from there.\n"
        f"Else run `winnow data fetch {known.name}` where there is network, and copy "
        f"its {where(known.name).name} to {cache_directory()}."
    )


def _try(known: Entry, source: Source, workplace: Path, progress: Progress | None) -> Arrays:
    source.layout.check_ready()
    folder = source.obtain(workplace, progress)  # what an interrupted one leaves there, the next resumes
    try:
        return _decode(known, source, folder)
    except DataError:
        if folder.is_relative_to(workplace):  # never a folder of the user's
            shutil.rmtree(workplace, ignore_errors=True)  # broken files are no start for the next try
        raise


def _decode(known: Entry, source: Source, folder: Path) -> Arrays:
    decoded = source.layout.decode(read_files(folder, source.layout.files))
    writable = {field: np.require(decoded[field], requirements=["C", "W"]) for field in FIELDS}
    arrays = Arrays(**writable, classes=known.classes, scale=known.scale)
    if (found := arrays.checksum()) != known.checksum:
        raise DataError(f"this is not {known.name}: its arrays have sha256 {found[:12]}…, not {known.checksum[:12]}…")
    return arrays


def _write(arrays: Arrays, path: Path) -> None:
    temporary = path.with_suffix(".part")
    with temporary.open("wb") as file:  # not save_file: it lets nobody but the user read a shared cache
        file.write(to_safetensors({field: getattr(arrays, field) for field in FIELDS}))
        file.flush()
        os.fsync(file.fileno())
    os.replace(temporary, path)
