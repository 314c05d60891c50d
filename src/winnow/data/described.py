"""A data set's name -> what must be known of it before any of it is loaded: how much, of which shape, which content.

Winnow's own are in the catalogue. The user's own are named by where they lie:

    npz:FILE        arrays train_inputs, train_targets, test_inputs, test_targets
    hf:FOLDER       a Hugging Face dataset, as its save_to_disk writes it
    package.module:function, file.py:function       gives two torch datasets (train, test), or those arrays
    folder:FOLDER, packed:FILE      images on disk (winnow.data.images), which are read as they are needed

Their checksum is of their content. It is remembered by path, size and time of change, so that a large file is read for
it once.
"""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np

from winnow.data.arrays import Arrays
from winnow.data.cache import cache_directory, load, where
from winnow.data.catalogue import CATALOGUE, entry
from winnow.data.images import Skip, image_facts, is_images
from winnow.data.inputs import Inputs, OwnArrays, Targets, from_arrays
from winnow.data.materialize import materialized, open_hugging_face
from winnow.errors import DataError, RecipeError, UnknownName
from winnow.given import PREFIX, given, noted
from winnow.named import is_own, named

FIELD = "data.name"


@dataclass(frozen=True, kw_only=True)
class Described:
    """What a recipe needs to know of its data."""

    name: str
    """As the recipe writes it."""

    train: int
    """Training examples, validation not yet taken off."""

    test: int
    """Test examples."""

    shape: tuple[int, ...]
    """Of one input: (channels, height, width) of an image."""

    classes: int
    """How many classes; of tokens, how many different ones; of numbers, how many an example has."""

    checksum: str
    """The sha256 of the content."""

    inputs: Inputs = "images"
    targets: Targets = "classes"

    tokens: int | None = None
    """How many tokens, counted from 0, inputs may be; None where they are none, or it is not known."""

    is_own: bool = True
    """Whether it is the user's, and not one of the catalogue."""


def described(name: str, size: int | None = None, corrupt: Skip = None) -> Described:
    """What is known of a data set; of images on disk, cut to a side of `size`.

    Raises UnknownName, RecipeError or DataError.

    >>> described("digits").train, described("digits").shape
    (1200, (1, 8, 8))
    """
    if is_images(name):
        facts = image_facts(name, size, corrupt)
        return Described(
            name=name,
            train=facts.train,
            test=facts.test,
            shape=facts.shape,
            classes=facts.classes,
            checksum=facts.checksum,
        )
    if not _is_own(name):
        known = entry(name)
        return Described(
            name=name,
            train=known.train,
            test=known.test,
            shape=known.shape,
            classes=known.classes,
            checksum=known.checksum,
            is_own=False,
        )
    if (known := noted(name)) is not None:
        with suppress(KeyError, TypeError):
            return _read(known, name)
    stamp = _stamp(name)
    return _described(name) if stamp is None else _remembered(name, stamp)


def _read(facts: Mapping[str, Any], name: str) -> Described:
    fields: dict[str, Any] = {**facts, "name": name, "shape": tuple(facts["shape"])}
    return Described(**fields)


def opened(name: str) -> Arrays | OwnArrays:
    """A data set that is held in memory: Winnow's own as `load` gives it, or the user's. Raises as `described`."""
    return _opened(name) if _is_own(name) else load(name)


def is_here(name: str) -> bool:
    """Whether a data set need not be fetched."""
    return _is_own(name) or entry(name).is_bundled or where(name).exists()


def _is_own(name: str) -> bool:
    if ":" in name and not (name.startswith(("npz:", "hf:", PREFIX)) or is_images(name) or is_own(name)):
        kinds = ["folder", "packed", "npz", "hf", "file.py"]
        raise UnknownName("kind of data", name.partition(":")[0], [*kinds, *CATALOGUE])
    if name not in CATALOGUE and ":" not in name and ("/" in name or Path(name).exists()):
        raise RecipeError(
            f"field {FIELD}: '{name}' is a path. Say of what kind: '{_named_at(name)}'.\n"
            f"Kinds are folder:FOLDER (images), packed:FILE (images), npz:FILE (arrays), hf:FOLDER (a Hugging Face "
            f"dataset) and FILE.py:FUNCTION."
        )
    return ":" in name


def _named_at(written: str) -> str:
    """The name of data that lie at a path, as far as the path tells their kind."""
    path = Path(written)
    if path.suffix == ".py":
        return f"{written}:FUNCTION"
    if path.is_dir() or not path.suffix:
        return f"{'hf' if (path / 'dataset_dict.json').exists() else 'folder'}:{written}"
    if path.suffix in (
        ".csv",
        ".tsv",
        ".json",
        ".jsonl",
        ".parquet",
        ".pt",
        ".pth",
        ".pkl",
        ".npy",
        ".h5",
        ".mat",
        ".txt",
    ):
        return "FILE.py:FUNCTION"  # a function of the user's reads it
    return f"{'npz' if path.suffix == '.npz' else 'packed'}:{written}"


def _opened(name: str) -> OwnArrays:
    kind, _, place = name.partition(":")
    if name.startswith(PREFIX):
        return given(name, field=FIELD)
    if kind == "npz":
        return _from_npz(Path(place))
    if kind == "hf":
        return open_hugging_face(place, source=name)
    return _from_function(name)


@lru_cache(maxsize=4)
def _from_function(name: str) -> OwnArrays:
    """What a function of the user's gives: called once a process, since its content says which data they are."""
    function = named(name, field=FIELD)
    if not callable(function):
        raise DataError(f"field {FIELD}: '{name}' is a {type(function).__name__}; expected a function.")
    try:
        value = function()
    except Exception as error:  # it is not our code that runs here
        raise DataError(f"field {FIELD}: '{name}' cannot be called: {type(error).__name__}: {error}") from error
    return materialized(value, source=name)


def _from_npz(path: Path) -> OwnArrays:
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as content:
            arrays = dict(content)
    except FileNotFoundError:
        raise DataError(f"field {FIELD}: there is no file '{path}'.") from None
    except (PermissionError, IsADirectoryError) as error:
        raise DataError(f"field {FIELD}: '{path}' cannot be read: {error.strerror}.") from None
    except (OSError, ValueError, TypeError, AttributeError, EOFError, BadZipFile):
        raise DataError(
            f"field {FIELD}: '{path}' is no whole .npz file of plain arrays (numbers, not objects).\n"
            f"Write it with numpy.savez('{path}', train_inputs=..., train_targets=..., test_inputs=..., "
            f"test_targets=...)."
        ) from None
    return from_arrays(arrays, source=str(path))


def _described(name: str) -> Described:
    arrays = _opened(name)
    return Described(
        name=name,
        train=len(arrays.train_inputs),
        test=len(arrays.test_inputs),
        shape=arrays.shape,
        classes=arrays.classes,
        checksum=arrays.checksum(),
        inputs=arrays.inputs,
        targets=arrays.targets,
        tokens=arrays.tokens,
    )


def _stamp(name: str) -> str | None:
    """Path, size and time of change of what a name stands for; None where it is no file."""
    kind, _, place = name.partition(":")
    if name.startswith(PREFIX):
        return name  # it has its content in its name
    if kind not in ("npz", "hf"):
        return None
    path = Path(place.partition("#")[0] if kind == "hf" else place)
    files = sorted(file for file in path.rglob("*") if file.is_file()) if path.is_dir() else [path]
    try:
        stats = [(str(file.resolve()), file.stat().st_size, file.stat().st_mtime_ns) for file in files]
    except OSError:
        return None  # opening it says what is wrong
    return json.dumps([name.partition("#")[2], stats])


@lru_cache(maxsize=64)
def _remembered(name: str, stamp: str) -> Described:
    """What is known of files that have not changed, read from the cache if it is there."""
    memory = cache_directory() / "described.json"
    known: dict[str, Any] = {}
    with suppress(OSError, ValueError, TypeError):
        known = dict(json.loads(memory.read_text("utf-8")))
    where_it_lies = name if name.startswith(PREFIX) else str(Path(name.partition(":")[2]).resolve())
    with suppress(KeyError, TypeError):
        stored_stamp, fields = known[where_it_lies]
        if stored_stamp == stamp:
            return _read(fields, name)
    found = _described(name)
    known[where_it_lies] = [stamp, dataclasses.asdict(found)]
    with suppress(OSError):  # to remember is no duty
        memory.parent.mkdir(parents=True, exist_ok=True)
        temporary = memory.with_suffix(f".{os.getpid()}.part")
        temporary.write_text(json.dumps(known), "utf-8")
        os.replace(temporary, memory)
    return found
