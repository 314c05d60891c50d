"""Which images of a folder cannot be decoded: found once, by decoding all of them, and remembered."""

from __future__ import annotations

import json
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from winnow.data.cache import cache_directory
from winnow.data.crops import whole
from winnow.data.pictures import Corrupt, Told, decoded
from winnow.data.tree import Tree
from winnow.errors import DataError


def check(images: Tree, told: Told | None = None) -> dict[str, str]:
    """Decode every image, whole; gives the corrupt ones, by their names in the folder, and why.

    What is found is remembered for `known`. A JPEG whose bytes were changed but still decode, to other colours, is not
    found. Raises DataError where that cannot be kept.
    """
    files = [*images.train.files, *images.test.files]

    def reason(file: str) -> str | None:
        try:
            decoded(images.root / file, whole, None)
        except Corrupt as error:
            return error.reason
        return None

    found: dict[str, str] = {}
    with ThreadPoolExecutor(os.cpu_count()) as threads:
        for number, (file, why) in enumerate(zip(files, threads.map(reason, files), strict=True), start=1):
            if why is not None:
                found[file] = why
            if told is not None:
                told(number, len(files))
    _remember(images, found)
    return found


def known(images: Tree) -> frozenset[str]:
    """The corrupt images that `check` found. Raises DataError where the folder, as it is now, was not checked."""
    try:
        return frozenset(json.loads(_place(images).read_text("utf-8", "surrogateescape")))
    except FileNotFoundError:
        raise DataError(
            f"data.corrupt is 'skip', and which images of '{images.root}' are corrupt is not known yet, or not since "
            f"its files changed.\nRun `winnow data check {images.root}` once: it decodes all "
            f"{len(images.train) + len(images.test)} of them."
        ) from None
    except (OSError, ValueError) as error:
        raise DataError(
            f"the list of corrupt images of '{images.root}', {_place(images)}, cannot be read: {error}.\n"
            f"Run `winnow data check {images.root}` again."
        ) from error


def _place(images: Tree) -> Path:
    return cache_directory() / "corrupt" / f"{images.fingerprint}.json"


def _remember(images: Tree, found: dict[str, str]) -> None:
    place = _place(images)
    temporary = place.with_suffix(".part")
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_text(json.dumps(found, indent=1), "utf-8", "surrogateescape")
        os.replace(temporary, place)
    except OSError as error:
        raise DataError(
            f"the list of corrupt images cannot be kept in {place.parent}: {error}\n"
            f"Set the environment variable WINNOW_DATA to a folder you can write to."
        ) from error
